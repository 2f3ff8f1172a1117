//! Discovery below the collections: filter criteria on the rows the caller sees anyway, and the forms
//! of the answer (TS-0004 7.3.3.17, `rcn`). Identifiers never come in a query.

use ics_core::time::Timestamp;
use serde_json::{Value, json};

use super::rows::{Shown, is_label};
use super::{FLEX_CONTAINER, Place, ROW};
use crate::primitive::{Answer, Filter, FilterOperation, FilterUsage, Refusal, Request};
use crate::rsc::Rsc;
use crate::time;

/// How many rows an answer names at most.
pub(super) const MOST: usize = 1000;

/// What belongs in a content, where no log and no cache sees it.
const IDENTIFIERS: [&str; 4] = ["svu", "uti", "did", "dsn"];

/// The attributes a row can be asked for by.
const ATTRIBUTES: [&str; 3] = ["cnd", "msta", "isp"];

/// What an answer to a RETRIEVE of a collection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The collection alone.
    Collection,
    /// Addresses of rows.
    Addresses,
    /// Rows by name, type and address.
    References,
    /// The collection, and its rows by reference.
    CollectionAndReferences,
    /// The collection, and its rows.
    CollectionAndRows,
    /// The rows, under the collection's name.
    Rows,
}

impl Form {
    pub(super) fn of(request: &Request) -> Result<Self, Refusal> {
        let wrong = || Refusal::about(Rsc::BadRequest, "rcn", "is not answered here");
        let wanted = (request.filter.usage, request.result_content);
        let is_alone = matches!(wanted, (FilterUsage::Conditional, None | Some(1)));
        if !request.filter.attribute_list.is_empty() && !is_alone {
            let said = "is for the attributes of one resource";
            return Err(Refusal::about(Rsc::BadRequest, "atrl", said));
        }
        match wanted {
            (FilterUsage::Discovery, None | Some(1 | 11)) => Ok(Self::Addresses),
            (FilterUsage::Discovery | FilterUsage::Conditional, Some(6)) => Ok(Self::References),
            (FilterUsage::Conditional, None | Some(1)) => Ok(Self::Collection),
            (FilterUsage::Conditional, Some(4)) => Ok(Self::CollectionAndRows),
            (FilterUsage::Conditional, Some(5)) => Ok(Self::CollectionAndReferences),
            (FilterUsage::Conditional, Some(8)) => Ok(Self::Rows),
            _ => Err(wrong()),
        }
    }
}

/// Refuses identifiers in a query, whatever is asked.
pub(super) fn refuse_identifiers(filter: &Filter) -> Result<(), Refusal> {
    let names = filter.attributes.iter().map(|(name, _)| name.as_str());
    let mut identifiers = names.filter(|name| IDENTIFIERS.contains(name));
    if let Some(name) = identifiers.next() {
        let said = "is an identifier: it goes in the content, never in a query";
        return Err(Refusal::about(Rsc::BadRequest, name, said));
    }
    let of_identifier = |label: &&String| {
        let name = label.split_once(':').map(|(name, _)| name);
        name.is_some_and(|name| IDENTIFIERS.contains(&name)) && !is_label(label)
    };
    if filter.labels.iter().any(|label| of_identifier(&label)) {
        let said = "takes the labels of a row as they were answered, never an identifier";
        return Err(Refusal::about(Rsc::BadRequest, "lbl", said));
    }
    Ok(())
}

/// The conditions of a request, checked.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    filter: &'a Filter,
    times: Vec<(&'static str, Timestamp, Side)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(filter: &'a Filter) -> Result<Self, Refusal> {
        let refuse = |name: &str| Refusal::about(Rsc::BadRequest, name, "is not applied here");
        if let Some(name) = filter.unsupported.first() {
            return Err(refuse(name));
        }
        if filter.apply_relative_path.is_some() {
            return Err(refuse("arp"));
        }
        let names = filter.attributes.iter().map(|(name, _)| name.as_str());
        if let Some(name) = names.into_iter().find(|name| !ATTRIBUTES.contains(name)) {
            return Err(refuse(name));
        }
        let given = [
            ("crb", "ct", &filter.created_before, Side::Before),
            ("cra", "ct", &filter.created_after, Side::After),
            ("ms", "lt", &filter.modified_since, Side::After),
            ("us", "lt", &filter.unmodified_since, Side::Before),
            ("exb", "et", &filter.expires_before, Side::Before),
            ("exa", "et", &filter.expires_after, Side::After),
        ];
        let mut times = Vec::new();
        for (name, attribute, text, side) in given {
            if let Some(text) = text {
                let wrong = || Refusal::about(Rsc::BadRequest, name, "is no timestamp");
                times.push((attribute, time::parse(text).ok_or_else(wrong)?, side));
            }
        }
        Ok(Self { filter, times })
    }

    /// Whether a resource is meant.
    pub(super) fn hold(&self, shown: &Shown) -> bool {
        let filter = self.filter;
        let text = |name: &str| shown.get(name).and_then(Value::as_str);
        let mut results: Vec<bool> = Vec::new();
        for (attribute, asked, side) in &self.times {
            let own = text(attribute).and_then(time::parse);
            results.push(own.is_some_and(|own| match side {
                Side::Before => own < *asked,
                Side::After => own > *asked,
            }));
        }
        if !filter.labels.is_empty() {
            let own = shown.get("lbl").and_then(Value::as_array);
            let mut own = own.into_iter().flatten().filter_map(Value::as_str);
            results.push(own.any(|own| filter.labels.iter().any(|asked| asked == own)));
        }
        if !filter.resource_types.is_empty() {
            let own = shown.get("ty").and_then(Value::as_u64);
            let mut asked = filter.resource_types.iter();
            results.push(asked.any(|asked| Some(u64::from(*asked)) == own));
        }
        for (name, asked) in &filter.attributes {
            let own = shown.get(name);
            results.push(own.is_some_and(|own| match own {
                Value::String(own) => fits(asked, own),
                own => fits(asked, &own.to_string()),
            }));
        }
        // Rows have neither a state tag nor a content of a type and a size.
        let sizes = [filter.state_tag_smaller, filter.state_tag_bigger];
        let sizes = sizes
            .into_iter()
            .chain([filter.size_above, filter.size_below]);
        let absent = sizes
            .flatten()
            .count()
            .saturating_add(filter.content_types.len());
        results.extend(std::iter::repeat_n(false, absent.min(1)));
        let held = results.iter().filter(|held| **held).count();
        results.is_empty()
            || match filter.operation {
                FilterOperation::And => held == results.len(),
                FilterOperation::Or => held > 0,
                FilterOperation::Xor => held == 1,
            }
    }

    /// How many of what matches are passed over, and how many are taken.
    pub(super) fn window(&self) -> (usize, usize) {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let passed = self.filter.offset.unwrap_or(1).saturating_sub(1);
        let taken = self.filter.limit.map_or(MOST, number).min(MOST);
        (number(passed), taken)
    }
}

/// Whether `own` is what `asked` says; `*` stands for anything.
fn fits(asked: &str, own: &str) -> bool {
    let mut parts = asked.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = own.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

/// The answer, of a collection and the rows below it.
pub(super) fn answer(
    form: Form,
    collection: Shown,
    rows: Vec<(Place, Shown)>,
    address: impl Fn(Place, bool) -> String,
    unstructured: bool,
) -> Answer {
    let references = |rows: &[(Place, Shown)]| -> Vec<Value> {
        let reference = |(place, _): &(Place, Shown)| {
            let val = address(*place, unstructured);
            json!({ "nm": place.resource_id(), "typ": FLEX_CONTAINER, "val": val })
        };
        rows.iter().map(reference).collect()
    };
    let whole = |rows: Vec<(Place, Shown)>| -> Value {
        rows.into_iter()
            .map(|(_, shown)| Value::from(shown))
            .collect()
    };
    let ok = |name: &str, value: Value| Answer::with(Rsc::Ok, name, value);
    let mut collection = collection;
    match form {
        Form::Collection => ok("m2m:cnt", collection.into()),
        Form::Addresses => {
            let addresses = rows.iter().map(|(place, _)| address(*place, unstructured));
            ok("m2m:uril", addresses.collect())
        }
        Form::References => ok("m2m:rrl", json!({ "rrf": references(&rows) })),
        Form::CollectionAndReferences => {
            collection.insert("ch".into(), references(&rows).into());
            ok("m2m:cnt", collection.into())
        }
        Form::CollectionAndRows => {
            if !rows.is_empty() {
                collection.insert(ROW.into(), whole(rows));
            }
            ok("m2m:cnt", collection.into())
        }
        Form::Rows => {
            let rows = if rows.is_empty() {
                json!({})
            } else {
                json!({ ROW: whole(rows) })
            };
            ok("m2m:cnt", rows)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (asked, own, expected) in [
            ("org.*", "org.example", true),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("a*a", "a", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(fits(asked, own), expected, "{asked} {own}");
        }
    }
}
