//! The names a server certificate speaks for: DNS names and IP addresses.

use std::net::IpAddr;

use ics_core::port::AuthorityError;
use rcgen::SanType;

/// At least one DNS name or IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerNames(Vec<ServerName>);

/// The text is neither a DNS name nor an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at least one name is needed, each a DNS name or an IP address")]
pub struct InvalidServerName;

#[derive(Clone, Debug, PartialEq, Eq)]
enum ServerName {
    Dns(String),
    Address(IpAddr),
}

impl ServerNames {
    /// Reads names: an IP address where it is one, else a DNS name (letters, digits and hyphens in
    /// labels of 1 to 63, at most 253 in all; no wildcard).
    ///
    /// # Errors
    /// [`InvalidServerName`].
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidServerName> {
        let names = names
            .into_iter()
            .map(ServerName::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            Err(InvalidServerName)
        } else {
            Ok(Self(names))
        }
    }

    /// The first name, for the subject.
    pub(super) fn common_name(&self) -> &str {
        match self.0.first() {
            Some(ServerName::Dns(name)) if name.len() <= 64 => name,
            // RFC 5280 A.1: a common name has at most 64 characters; it is decoration.
            _ => "ics-gateway",
        }
    }

    pub(super) fn subject_alt_names(&self) -> Result<Vec<SanType>, AuthorityError> {
        let encoded = self.0.iter().map(|name| match name {
            ServerName::Dns(name) => name.as_str().try_into().map(SanType::DnsName),
            ServerName::Address(address) => Ok(SanType::IpAddress(*address)),
        });
        encoded
            .collect::<Result<_, _>>()
            .map_err(|_| AuthorityError::Unavailable)
    }
}

impl ServerName {
    fn parse(text: &str) -> Result<Self, InvalidServerName> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= 253 && text.split('.').all(label_fits) {
            Ok(Self::Dns(text.to_ascii_lowercase()))
        } else {
            Err(InvalidServerName)
        }
    }
}
