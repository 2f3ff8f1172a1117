//! Which names an authority may give (security.md 1: SP A's authority cannot speak for B).

use std::fmt;
use std::str::FromStr;

use ics_core::id::SpId;
use ics_vault::CertificateIdentity;
use serde::de::{Deserialize, Deserializer, Error as _};

/// A set of SAN URIs: everybody of one kind (`urn:ics:sp:*`), or one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    kind: Kind,
    only: Option<SpId>,
    domain: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ServiceProvider,
    Operator,
    Device,
    OneM2m,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ServiceProvider => "urn:ics:sp:",
            Self::Operator => "urn:ics:operator:",
            Self::Device => "urn:ics:dev:",
            Self::OneM2m => "//",
        }
    }
}

impl Namespace {
    /// `urn:ics:operator:*`.
    pub(crate) const OPERATORS: Self = Self {
        kind: Kind::Operator,
        only: None,
        domain: None,
    };

    /// `urn:ics:dev:*`.
    pub(crate) const DEVICES: Self = Self {
        kind: Kind::Device,
        only: None,
        domain: None,
    };

    /// Every CSE and AE of a oneM2M domain: `//domain/*`.
    pub(crate) fn of_onem2m(domain: &str) -> Self {
        Self {
            kind: Kind::OneM2m,
            only: None,
            domain: Some(domain.to_owned()),
        }
    }

    /// Whether it holds names of service providers.
    pub(crate) fn is_of_service_providers(&self) -> bool {
        self.kind == Kind::ServiceProvider
    }

    /// The one whose name it holds; `None`: those of all of a kind.
    pub(crate) const fn only(&self) -> Option<&SpId> {
        self.only.as_ref()
    }

    /// Whether `identity` lies in it.
    pub(crate) fn holds(&self, identity: &CertificateIdentity) -> bool {
        let (kind, name) = match identity {
            CertificateIdentity::Sp(name) => (Kind::ServiceProvider, name),
            CertificateIdentity::Operator(name) => (Kind::Operator, name),
            // By the IoT SP: `urn:ics:dev:acme` would be all devices of acme.
            CertificateIdentity::Device { iot_sp, .. } => (Kind::Device, iot_sp),
            // A CSE-ID is no id of ours; whose it is, the domain says.
            CertificateIdentity::OneM2m(name) => {
                let domain = self.domain.as_deref();
                return self.kind == Kind::OneM2m && domain == Some(name.domain());
            }
            // The gateway calls others; it is nobody's client here.
            CertificateIdentity::Gateway(_) => return false,
        };
        self.kind == kind && self.only.as_ref().is_none_or(|only| only == name)
    }
}

impl FromStr for Namespace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of = |kind: Kind| text.strip_prefix(kind.prefix()).map(|name| (kind, name));
        let (kind, name) = of(Kind::ServiceProvider)
            .or_else(|| of(Kind::Operator))
            .ok_or("write `urn:ics:sp:*`, or `urn:ics:sp:` and one id")?;
        let only = if name == "*" {
            None
        } else {
            Some(SpId::parse(name).map_err(|_| "the part after `urn:ics:sp:` is no id, nor `*`")?)
        };
        Ok(Self {
            kind,
            only,
            domain: None,
        })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        if let Some(domain) = &self.domain {
            return write!(f, "{domain}/*");
        }
        f.write_str(self.only.as_ref().map_or("*", SpId::as_str))
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
