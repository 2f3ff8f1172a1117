//! Filter criteria (TS-0004 7.3.3.17.0), and which part of a result is wanted.

use super::InvalidPrimitive;

/// What a retrieve is for (`fu`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterUsage {
    /// Addresses of what matches.
    Discovery,
    /// The resource, if it matches.
    #[default]
    Conditional,
    /// Discovery by an interworking proxy: not offered here.
    OnDemand,
}

/// How conditions are joined (`fo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterOperation {
    /// All.
    #[default]
    And,
    /// Any.
    Or,
    /// One alone.
    Xor,
}

/// Conditions, all as they were sent but for their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `crb`: created before.
    pub created_before: Option<String>,
    /// `cra`: created after.
    pub created_after: Option<String>,
    /// `ms`: modified since.
    pub modified_since: Option<String>,
    /// `us`: unmodified since.
    pub unmodified_since: Option<String>,
    /// `sts`: state tag smaller.
    pub state_tag_smaller: Option<u64>,
    /// `stb`: state tag bigger.
    pub state_tag_bigger: Option<u64>,
    /// `exb`: expires before.
    pub expires_before: Option<String>,
    /// `exa`: expires after.
    pub expires_after: Option<String>,
    /// `lbl`: one of these labels.
    pub labels: Vec<String>,
    /// `ty`: one of these types.
    pub resource_types: Vec<u16>,
    /// `sza`: content size above (not below) this.
    pub size_above: Option<u64>,
    /// `szb`: content size below this.
    pub size_below: Option<u64>,
    /// `cty`: one of these content types.
    pub content_types: Vec<String>,
    /// Attributes by short name, `*` for anything.
    pub attributes: Vec<(String, String)>,
    /// `fu`.
    pub usage: FilterUsage,
    /// `fo`.
    pub operation: FilterOperation,
    /// `lim`: so many at most.
    pub limit: Option<u64>,
    /// `lvl`: so many levels below the target.
    pub level: Option<u64>,
    /// `ofst`: from this one on, counted from 1.
    pub offset: Option<u64>,
    /// `arp`: this relative path is applied to what matches.
    pub apply_relative_path: Option<String>,
    /// `atrl`: these attributes alone.
    pub attribute_list: Vec<String>,
    /// Names of criteria that TS-0004 has and this CSE does not apply.
    pub unsupported: Vec<String>,
}

impl Filter {
    /// Whether nothing is asked of a resource: no condition at all.
    #[must_use]
    pub fn has_no_condition(&self) -> bool {
        let bare = Self {
            usage: self.usage,
            operation: self.operation,
            limit: self.limit,
            level: self.level,
            offset: self.offset,
            apply_relative_path: self.apply_relative_path.clone(),
            attribute_list: self.attribute_list.clone(),
            ..Self::default()
        };
        *self == bare
    }

    /// Takes one criterion by its short name; lists may come more than once, or joined by `+` or
    /// a blank. A name that is none of a criterion is an attribute's.
    ///
    /// # Errors
    /// [`InvalidPrimitive`].
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<(), InvalidPrimitive> {
        let wrong = || InvalidPrimitive::about(name);
        match name {
            "crb" => self.created_before = Some(value.to_owned()),
            "cra" => self.created_after = Some(value.to_owned()),
            "ms" => self.modified_since = Some(value.to_owned()),
            "us" => self.unmodified_since = Some(value.to_owned()),
            "sts" => self.state_tag_smaller = Some(number(value).ok_or_else(wrong)?),
            "stb" => self.state_tag_bigger = Some(number(value).ok_or_else(wrong)?),
            "exb" => self.expires_before = Some(value.to_owned()),
            "exa" => self.expires_after = Some(value.to_owned()),
            "lbl" => self.labels.extend(listed(value)),
            "ty" => {
                for one in listed(value) {
                    let ty = number(&one).and_then(|n| u16::try_from(n).ok());
                    self.resource_types.push(ty.ok_or_else(wrong)?);
                }
            }
            "sza" => self.size_above = Some(number(value).ok_or_else(wrong)?),
            "szb" => self.size_below = Some(number(value).ok_or_else(wrong)?),
            "cty" => self.content_types.extend(listed(value)),
            "fu" => {
                self.usage = match number(value).ok_or_else(wrong)? {
                    1 => FilterUsage::Discovery,
                    2 => FilterUsage::Conditional,
                    3 => {
                        self.unsupported.push(name.to_owned());
                        FilterUsage::OnDemand
                    }
                    _ => return Err(wrong()),
                }
            }
            "fo" => {
                self.operation = match number(value).ok_or_else(wrong)? {
                    1 => FilterOperation::And,
                    2 => FilterOperation::Or,
                    3 => FilterOperation::Xor,
                    _ => return Err(wrong()),
                }
            }
            "lim" => self.limit = Some(number(value).ok_or_else(wrong)?),
            "lvl" => self.level = Some(number(value).ok_or_else(wrong)?),
            "ofst" => self.offset = Some(number(value).ok_or_else(wrong)?),
            "arp" => self.apply_relative_path = Some(value.to_owned()),
            "atrl" => self.attribute_list.extend(listed(value)),
            _ if NOT_APPLIED.contains(&name) => self.unsupported.push(name.to_owned()),
            _ if is_attribute_name(name) => {
                self.attributes.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Criteria of TS-0004 that need children, parents, groups or semantics.
const NOT_APPLIED: [&str; 17] = [
    "chty", "pty", "chlb", "palb", "catr", "patr", "lbq", "clbl", "smf", "cfs", "cfq", "gmty",
    "geom", "gsf", "gq", "ops", "sqi",
];

/// A number as peers write it: `2`, and `2.0`.
pub(crate) fn number(text: &str) -> Option<u64> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let digits = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    whole.parse().ok().filter(|_| digits)
}

fn listed(value: &str) -> impl Iterator<Item = String> + '_ {
    let parts = value.split(['+', ' ']).filter(|part| !part.is_empty());
    parts.map(str::to_owned)
}

fn is_attribute_name(name: &str) -> bool {
    (1..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}
