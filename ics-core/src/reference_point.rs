//! The reference points of Y.4462 clause 9: who speaks on which, for which function.
//!
//! Odd points face a third party SP, even ones an IoT SP; 1/2 mapping, 3/4 de-mapping,
//! 5/6 security, 7/8 inquiry. Each has its own OAuth scope, metrics label and audit field.

use core::fmt;

/// The side a service provider takes in one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Offers services to devices of others; administers UTIs (odd reference points).
    ThirdPartySp,
    /// Manages devices; assigns device IDs (even reference points).
    IotSp,
}

/// One of ICS-1 to ICS-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferencePoint {
    /// Mapping, third party SP.
    Ics1,
    /// Mapping, IoT SP.
    Ics2,
    /// De-mapping, third party SP.
    Ics3,
    /// De-mapping, IoT SP.
    Ics4,
    /// Authentication and access control, third party SP.
    Ics5,
    /// Authentication and access control, IoT SP.
    Ics6,
    /// Inquiry, third party SP.
    Ics7,
    /// Inquiry, IoT SP. 10.3 case 1 says ICS-6; clause 9 gives inquiry to ICS-8, and governs.
    Ics8,
}

impl ReferencePoint {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Ics1,
        Self::Ics2,
        Self::Ics3,
        Self::Ics4,
        Self::Ics5,
        Self::Ics6,
        Self::Ics7,
        Self::Ics8,
    ];

    /// The side that may speak on it.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Ics1 | Self::Ics3 | Self::Ics5 | Self::Ics7 => Role::ThirdPartySp,
            Self::Ics2 | Self::Ics4 | Self::Ics6 | Self::Ics8 => Role::IotSp,
        }
    }

    /// The OAuth scope that opens it.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Ics1 => "ics-mapping:request",
            Self::Ics2 => "ics-mapping:assign",
            Self::Ics3 => "ics-demapping:service",
            Self::Ics4 => "ics-demapping:device",
            Self::Ics5 => "ics-access:service",
            Self::Ics6 => "ics-access:device",
            Self::Ics7 => "ics-inquiry:by-transaction",
            Self::Ics8 => "ics-inquiry:by-device",
        }
    }

    /// The name in logs, metrics and audit records: `ICS-1` .. `ICS-8`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ics1 => "ICS-1",
            Self::Ics2 => "ICS-2",
            Self::Ics3 => "ICS-3",
            Self::Ics4 => "ICS-4",
            Self::Ics5 => "ICS-5",
            Self::Ics6 => "ICS-6",
            Self::Ics7 => "ICS-7",
            Self::Ics8 => "ICS-8",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for ReferencePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A set of reference points: what a token opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Opens nothing.
    pub const NONE: Self = Self(0);

    /// Everything a party with these roles can be given.
    #[must_use]
    pub fn of_roles(roles: impl IntoIterator<Item = Role>) -> Self {
        let mut set = Self::NONE;
        for role in roles {
            for point in ReferencePoint::ALL {
                if point.role() == role {
                    set = set.with(point);
                }
            }
        }
        set
    }

    /// Reads a space-separated scope value (RFC 6749 3.3); `None` if any token is unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self::NONE;
        for token in text.split(' ').filter(|t| !t.is_empty()) {
            set = set.with(
                ReferencePoint::ALL
                    .into_iter()
                    .find(|p| p.scope() == token)?,
            );
        }
        Some(set)
    }

    /// This set and `point`.
    #[must_use]
    pub const fn with(self, point: ReferencePoint) -> Self {
        Self(self.0 | point.bit())
    }

    /// Whether `point` is in the set.
    #[must_use]
    pub const fn contains(self, point: ReferencePoint) -> bool {
        self.0 & point.bit() != 0
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set opens nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The points in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = ReferencePoint> {
        ReferencePoint::ALL
            .into_iter()
            .filter(move |p| self.contains(*p))
    }
}

impl fmt::Display for Scopes {
    /// The space-separated scope value of RFC 6749 3.3.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, point) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(point.scope())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_points_face_third_parties_and_even_ones_iot_sps() {
        for (n, point) in ReferencePoint::ALL.into_iter().enumerate() {
            let role = if n % 2 == 0 {
                Role::ThirdPartySp
            } else {
                Role::IotSp
            };
            assert_eq!(point.role(), role, "{point}");
        }
    }

    #[test]
    fn scopes_survive_a_round_trip() {
        let all = Scopes::of_roles([Role::ThirdPartySp, Role::IotSp]);
        assert_eq!(Scopes::parse(&alloc::format!("{all}")), Some(all));
        assert_eq!(Scopes::parse("ics-mapping:request nonsense"), None);
        assert!(!Scopes::of_roles([Role::IotSp]).contains(ReferencePoint::Ics1));
    }
}
