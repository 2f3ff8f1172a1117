//! The identifiers of Y.4462: each its own type, `parse` the only way in.
//!
//! A value shaped like a permanent identifier of a person or a subscription (IMSI, IMEI, MSISDN,
//! ICCID, e-mail) is refused where an opaque identifier belongs (Y.4462 3.2.2 "anonymous",
//! TS 33.187 4.7). No type here can be serialized or displayed by itself: a wire format asks
//! for the text by name, so each place an identifier leaves is a decision.

mod ae_id;
mod device_id;
mod device_owner;
mod pairing_code;
mod permanent;
mod psk_identity;
mod scheme;
mod serial_number;
mod service_uri;
mod sp_id;
mod uti;
mod uuid_id;

pub use ae_id::AeId;
pub use device_id::DeviceId;
pub use device_owner::DeviceOwner;
pub use pairing_code::PairingCode;
pub use permanent::{PermanentIdentifier, find_permanent_identifier};
pub use psk_identity::PskIdentity;
pub(crate) use scheme::whole_pattern;
pub use scheme::{BUILT_IN, IdentifierSchemes, InvalidScheme};
pub use serial_number::DeviceSerialNumber;
pub use service_uri::{CallbackUri, Origin, ServicePrefix, ServiceUri};
pub use sp_id::SpId;
pub use uti::Uti;
pub use uuid_id::{AgreementId, ConsentId, JobId, MappingId, SubscriptionId};

/// Why a text is not the identifier it should be. Never carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Fewer characters than the kind needs.
    #[error("must have at least {min} characters")]
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More bytes than the kind allows.
    #[error("must have at most {max} bytes")]
    TooLong {
        /// The greatest number of bytes.
        max: usize,
    },
    /// A character the kind does not allow.
    #[error("has a character that is not allowed")]
    Character,
    /// Shaped like an identifier of a person, a subscription or a piece of equipment.
    #[error("looks like a permanent identifier ({0})")]
    Permanent(PermanentIdentifier),
    /// A UUID version that can be traced or guessed (only 4 and 7 are anonymous).
    #[error("is a UUID of a version that is not anonymous: use version 4 or 7")]
    NotAnonymous,
    /// Not an absolute URI of RFC 3986 with a host.
    #[error("must be an absolute URI with a host")]
    NotAbsoluteUri,
    /// A URI with user information or a fragment.
    #[error("must have neither user information nor a fragment")]
    UriParts,
    /// A URI that RFC 3986 6.2.2 would rewrite: two spellings of one service are one too many.
    #[error("must be in the normal form of RFC 3986 6.2.2")]
    NotNormalUri,
    /// A URI whose scheme is not the one needed.
    #[error("must have the scheme https")]
    Scheme,
    /// Not a UUID.
    #[error("must be a UUID")]
    NotUuid,
    /// Not one of the scheme's identifiers.
    #[error("is not in the form this kind of identifier has")]
    Form,
}

/// Checks the length of `text` in bytes.
fn check_length(text: &str, min: usize, max: usize) -> Result<(), InvalidId> {
    if text.is_empty() {
        Err(InvalidId::Empty)
    } else if text.len() < min {
        Err(InvalidId::TooShort { min })
    } else if text.len() > max {
        Err(InvalidId::TooLong { max })
    } else {
        Ok(())
    }
}

/// What a store may hold: visible ASCII of at most `max` bytes. The rest was checked by `parse`.
fn check_stored(text: &str, max: usize) -> Result<(), InvalidId> {
    check_length(text, 1, max)?;
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(InvalidId::Character)
    }
}

/// Refuses what looks like a permanent identifier.
fn check_anonymous(text: &str) -> Result<(), InvalidId> {
    find_permanent_identifier(text).map_or(Ok(()), |kind| Err(InvalidId::Permanent(kind)))
}

#[cfg(test)]
mod tests;
