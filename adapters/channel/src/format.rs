//! The two forms a payload has, told apart by its first byte.

/// The form of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 8259: `application/json`.
    #[default]
    Json,
    /// RFC 8949: `application/cbor`.
    Cbor,
}

/// A payload is not the message it should be. Never carries any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPayload {
    /// Neither a JSON object nor a CBOR map, or not a whole one.
    #[error("neither a JSON object nor a CBOR map")]
    Form,
    /// A member is missing, unknown, twice there, or of another kind.
    #[error("members are not those of the message")]
    Members,
    /// A member is no identifier of its kind, or a number out of range.
    #[error("a member is out of its range")]
    Value,
}

impl Format {
    /// The form of `payload`: every message is an object, so its first byte tells.
    ///
    /// # Errors
    /// [`InvalidPayload::Form`] for what is neither.
    pub fn of(payload: &[u8]) -> Result<Self, InvalidPayload> {
        // A CBOR map is 0xa0 to 0xbf; white space of JSON may come before its brace.
        let mut bytes = payload.iter();
        match bytes.find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            Some(b'{') => Ok(Self::Json),
            Some(0xa0..=0xbf) if matches!(payload.first(), Some(0xa0..=0xbf)) => Ok(Self::Cbor),
            _ => Err(InvalidPayload::Form),
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
        }
    }
}
