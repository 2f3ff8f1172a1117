//! Service URIs (Y.4462 10.1), the prefixes an SP owns, and where an SP takes notifications.

use alloc::format;
use alloc::string::String;
use core::fmt;

use fluent_uri::Uri;
use fluent_uri::component::Host;

use super::{InvalidId, check_anonymous, check_length, check_stored};

/// A service URI: absolute, with a host, in normal form, at most 1,024 bytes.
///
/// Compared byte by byte, so a spelling that RFC 3986 would rewrite is refused rather than
/// rewritten: no two spellings of one service, no `..` under somebody else's prefix.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUri(String);

impl ServiceUri {
    /// The most bytes of a service URI.
    pub const MAX: usize = 1024;

    /// Reads a service URI.
    ///
    /// # Errors
    /// [`InvalidId`] for length, form, user information, fragment, another spelling than the
    /// normal one, or a permanent identifier within.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 1, Self::MAX)?;
        // User information first: its `@` must not be mistaken for a mail address.
        check_uri_anonymous(&parse_uri(text)?)?;
        Ok(Self(text.into()))
    }

    /// Takes back what [`Self::parse`] accepted before it was stored; for stores alone.
    ///
    /// Checks length and alphabet only: a value taken under older rules stays readable, and an
    /// inquiry does not pay for the full check on every row.
    ///
    /// # Errors
    /// [`InvalidId`] for what `parse` can never have accepted.
    pub fn from_store(text: &str) -> Result<Self, InvalidId> {
        check_stored(text, Self::MAX)?;
        Ok(Self(text.into()))
    }

    /// The URI as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServiceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceUri(..)")
    }
}

/// A service URI an SP owns, with everything under it (Y13).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePrefix(String);

impl ServicePrefix {
    /// Reads a prefix; the form is that of a service URI.
    ///
    /// # Errors
    /// As [`ServiceUri::parse`], and [`InvalidId::UriParts`] for a query.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let uri = ServiceUri::parse(text)?;
        if text.contains('?') {
            Err(InvalidId::UriParts)
        } else {
            Ok(Self(uri.0))
        }
    }

    /// Whether `uri` is this URI or lies under it, at a segment boundary.
    #[must_use]
    pub fn owns(&self, uri: &ServiceUri) -> bool {
        uri.as_str()
            .strip_prefix(self.0.as_str())
            .is_some_and(|rest| {
                rest.is_empty()
                    || self.0.ends_with('/')
                    || rest.starts_with('/')
                    || rest.starts_with('?')
            })
    }

    /// Whether every URI under `other` lies under this prefix too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other
            .0
            .strip_prefix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || self.0.ends_with('/') || rest.starts_with('/'))
    }

    /// Where what shows that it is owned is served; `None` of anything but https.
    #[must_use]
    pub fn challenge_url(&self) -> Option<String> {
        let path = ".well-known/ics-challenge";
        let between = if self.0.ends_with('/') { "" } else { "/" };
        let is_https = self.0.starts_with("https://");
        is_https.then(|| format!("{}{between}{path}", self.0))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scheme, host and port of a callback: what the operator pins at onboarding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin `https://host[:port]`.
    ///
    /// # Errors
    /// [`InvalidId`] when it is no https URI or has a path or query.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let callback = CallbackUri::parse(text)?;
        let origin = callback.origin();
        if text.trim_end_matches('/') == origin.0 {
            Ok(origin)
        } else {
            Err(InvalidId::UriParts)
        }
    }

    /// The origin as text, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An https URI that an SP named for its notifications (`notificationDestination`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallbackUri(String);

impl CallbackUri {
    /// Reads a callback URI.
    ///
    /// # Errors
    /// As [`ServiceUri::parse`], and [`InvalidId::Scheme`] when it is not https.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 1, ServiceUri::MAX)?;
        let uri = parse_uri(text)?;
        check_uri_anonymous(&uri)?;
        if uri.scheme().as_str() != "https" {
            return Err(InvalidId::Scheme);
        }
        Ok(Self(text.into()))
    }

    /// Takes back what [`Self::parse`] accepted before it was stored; for stores alone.
    ///
    /// Checks length and alphabet only: a value taken under older rules stays readable, and an
    /// inquiry does not pay for the full check on every row.
    ///
    /// # Errors
    /// [`InvalidId`] for what `parse` can never have accepted.
    pub fn from_store(text: &str) -> Result<Self, InvalidId> {
        check_stored(text, ServiceUri::MAX)?;
        Ok(Self(text.into()))
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let authority_end = self
            .0
            .split_once("://")
            .and_then(|(scheme, rest)| {
                rest.find(['/', '?'])
                    .map(|end| scheme.len().saturating_add(3).saturating_add(end))
            })
            .unwrap_or(self.0.len());
        Origin(self.0.get(..authority_end).unwrap_or(&self.0).into())
    }

    /// The URI as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CallbackUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackUri(..)")
    }
}

/// Refuses what looks like a permanent identifier: in the scheme, in the host unless it is an
/// address, in what follows the authority. A port of five digits is none; there is no longer one.
fn check_uri_anonymous(uri: &Uri<&str>) -> Result<(), InvalidId> {
    check_anonymous(uri.scheme().as_str())?;
    if let Some(authority) = uri.authority() {
        // RFC 3986 allows any digits, and any text as an address of a version to come.
        if authority.port().is_some_and(|port| port.as_str().len() > 5) {
            return Err(InvalidId::UriParts);
        }
        if !matches!(
            authority.host_parsed(),
            Host::Ipv4 { .. } | Host::Ipv6 { .. }
        ) {
            check_anonymous(authority.host())?;
        }
    }
    let path = uri.path().as_str();
    match uri.query() {
        Some(query) => check_anonymous(&format!("{path}?{query}")),
        None => check_anonymous(path),
    }
}

/// An absolute URI with a host, without user information or fragment, in normal form.
fn parse_uri(text: &str) -> Result<Uri<&str>, InvalidId> {
    let uri = Uri::parse(text).map_err(|_| InvalidId::NotAbsoluteUri)?;
    let authority = uri.authority().ok_or(InvalidId::NotAbsoluteUri)?;
    if authority.host().is_empty() {
        return Err(InvalidId::NotAbsoluteUri);
    }
    if authority.has_userinfo() || uri.has_fragment() {
        return Err(InvalidId::UriParts);
    }
    // An empty query is a second spelling; an encoded slash or NUL is one to whoever decodes it.
    let lower = text.to_ascii_lowercase();
    if text.ends_with('?') || lower.contains("%2f") || lower.contains("%00") {
        return Err(InvalidId::NotNormalUri);
    }
    // `normalize` drops an empty path's slash rules and default ports; what it changes is refused.
    if uri.normalize().as_str() == text {
        Ok(uri)
    } else {
        Err(InvalidId::NotNormalUri)
    }
}
