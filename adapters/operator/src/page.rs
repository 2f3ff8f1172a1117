//! Keyset paging: `limit` and `page-token`. A token names the last item told; it is no secret and
//! no promise, and one that was not made here is refused.

use ics_core::id::{AgreementId, DeviceId, JobId, MappingId, SpId, SubscriptionId};
use ics_core::outbox::{Addressee, OutboxKey, Subject};
use ics_core::port::Cursor;
use ics_core::principal::CertificateSerial;
use ics_core::reference_point::Role;

use crate::error::Refusal;
use crate::translate::parse_hex;
use crate::wire::Page;

/// Items of a page when the caller does not say.
const DEFAULT_LIMIT: usize = 100;
/// The most items of a page.
pub(crate) const MAX_LIMIT: usize = 500;

/// How many items are wanted.
pub(crate) fn parse_limit(limit: Option<usize>) -> Result<usize, Refusal> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::incorrect("limit", "must be 1 to 500")),
    }
}

/// What a list is ordered by, as a token names it.
pub(crate) trait Keyset: Sized {
    /// The bytes of a token.
    fn to_token(&self) -> Vec<u8>;
    /// Takes a token's bytes back; `None` when they are none of this list.
    fn from_token(bytes: &[u8]) -> Option<Self>;
}

/// The token that goes on after `key`.
pub(crate) fn render_token<K: Keyset>(key: &K) -> String {
    key.to_token()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Where a walk goes on.
pub(crate) fn parse_token<K: Keyset>(token: Option<&str>) -> Result<Option<K>, Refusal> {
    let Some(token) = token else { return Ok(None) };
    parse_hex(token)
        .and_then(|bytes| K::from_token(&bytes))
        .map(Some)
        .ok_or_else(|| Refusal::incorrect("page-token", "is not one of this list"))
}

/// Cuts one page out of an ordered iterator.
pub(crate) fn cut_page<T, V, K: Keyset>(
    items: impl Iterator<Item = T>,
    limit: usize,
    (key_of, show): (impl Fn(&T) -> K, impl Fn(&T) -> V),
) -> Page<V> {
    let mut items = items.peekable();
    let mut page = Page {
        items: Vec::new(),
        next_page_token: None,
    };
    while let Some(item) = items.next() {
        page.items.push(show(&item));
        if page.items.len() >= limit {
            let more = items.peek().is_some();
            page.next_page_token = more.then(|| render_token(&key_of(&item)));
            break;
        }
    }
    page
}

impl Keyset for SpId {
    fn to_token(&self) -> Vec<u8> {
        self.as_str().into()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Keyset for DeviceId {
    fn to_token(&self) -> Vec<u8> {
        self.as_str().into()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?).ok()
    }
}

impl Keyset for AgreementId {
    fn to_token(&self) -> Vec<u8> {
        self.as_bytes().into()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }
}

impl Keyset for JobId {
    fn to_token(&self) -> Vec<u8> {
        self.as_bytes().into()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }
}

impl Keyset for CertificateSerial {
    fn to_token(&self) -> Vec<u8> {
        self.as_bytes().into()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        // The number is kept without leading zeros; a token with some was not made here.
        Some(Self::from_der_integer(bytes)).filter(|serial| serial.as_bytes() == bytes)
    }
}

impl Keyset for Cursor {
    fn to_token(&self) -> Vec<u8> {
        self.0.clone()
    }
    fn from_token(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.into()))
    }
}

/// Role, kind of subject, subject, sequence, SP.
impl Keyset for OutboxKey {
    fn to_token(&self) -> Vec<u8> {
        let role = match self.addressee.role {
            Role::ThirdPartySp => b't',
            Role::IotSp => b'i',
        };
        let (kind, subject) = match &self.subject {
            Subject::Mapping(id) => (b'm', id.as_bytes()),
            Subject::Subscription(id) => (b's', id.as_bytes()),
        };
        let mut token = vec![role, kind];
        token.extend_from_slice(subject);
        token.extend_from_slice(&self.sequence.to_be_bytes());
        token.extend_from_slice(self.addressee.sp.as_str().as_bytes());
        token
    }

    fn from_token(bytes: &[u8]) -> Option<Self> {
        let ([role, kind], rest) = bytes.split_first_chunk()?;
        let (subject, rest) = rest.split_first_chunk::<16>()?;
        let (sequence, sp) = rest.split_first_chunk::<8>()?;
        let role = match role {
            b't' => Role::ThirdPartySp,
            b'i' => Role::IotSp,
            _ => return None,
        };
        let subject = match kind {
            b'm' => Subject::Mapping(MappingId::from_bytes(*subject)),
            b's' => Subject::Subscription(SubscriptionId::from_bytes(*subject)),
            _ => return None,
        };
        Some(Self {
            addressee: Addressee {
                role,
                sp: SpId::from_token(sp)?,
            },
            subject,
            sequence: u64::from_be_bytes(*sequence),
        })
    }
}

#[cfg(test)]
mod tests;
