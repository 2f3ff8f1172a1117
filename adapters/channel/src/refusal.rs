//! What a device is told when it does not get what it asked for: `{"code":404,"err":"no_mapping"}`.
//! A fixed text per code; absent, foreign and not permitted look the same (Y.4462 11.1).

use ics_core::service::{ChannelError, DeviceRefusal, Unauthenticated};
use serde::{Deserialize, Serialize};

use crate::cbor::{Reader, Writer, once};
use crate::{Format, InvalidPayload, json};

/// Why a device does not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The payload is not the message it should be.
    Payload,
    /// The device is unregistering: it may fetch and acknowledge its document, and nothing else.
    Unregistering,
    /// No such row of the device, or none that holds.
    NoMapping,
    /// It acknowledged a version it was never offered.
    NeverOffered,
    /// Too much at once.
    TooMany,
    /// Not now: asking again may help.
    Unavailable,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Payload,
        Self::Unregistering,
        Self::NoMapping,
        Self::NeverOffered,
        Self::TooMany,
        Self::Unavailable,
    ];

    /// What a service call that failed means to the device; `Err` when its session ends.
    ///
    /// # Errors
    /// Why the device is no longer served.
    pub const fn of(error: ChannelError) -> Result<Self, Unauthenticated> {
        match error {
            ChannelError::Refused(DeviceRefusal::Unauthenticated(why)) => Err(why),
            ChannelError::Refused(DeviceRefusal::Failure(_)) => Ok(Self::Unavailable),
            ChannelError::NeverOffered => Ok(Self::NeverOffered),
            ChannelError::NotFound => Ok(Self::NoMapping),
            ChannelError::Unregistering => Ok(Self::Unregistering),
            ChannelError::TooManyEvents => Ok(Self::TooMany),
        }
    }

    /// The number on the wire, in the manner of HTTP.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Payload => 400,
            Self::Unregistering => 403,
            Self::NoMapping => 404,
            Self::NeverOffered => 409,
            Self::TooMany => 429,
            Self::Unavailable => 503,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payload => "bad_payload",
            Self::Unregistering => "unregistering",
            Self::NoMapping => "no_mapping",
            Self::NeverOffered => "never_offered",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(self, format: Format) -> Vec<u8> {
        match format {
            Format::Json => json::write(&Wire {
                code: self.code().into(),
                err: self.word().into(),
            }),
            Format::Cbor => {
                let mut out = Writer::map_of(2);
                out.text("code").unsigned(self.code().into());
                out.text("err").text(self.word());
                out.finish()
            }
        }
    }

    /// Reads the message, as a device does.
    ///
    /// # Errors
    /// [`InvalidPayload`].
    pub fn parse(payload: &[u8]) -> Result<Self, InvalidPayload> {
        let wire = match Format::of(payload)? {
            Format::Json => json::read::<Wire>(payload)?,
            Format::Cbor => Wire::read_cbor(payload)?,
        };
        let mut known = Self::ALL.into_iter();
        known
            .find(|known| u64::from(known.code()) == wire.code && known.word() == wire.err)
            .ok_or(InvalidPayload::Value)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    code: u64,
    err: String,
}

impl Wire {
    fn read_cbor(payload: &[u8]) -> Result<Self, InvalidPayload> {
        let (mut code, mut err) = (None, None);
        Reader::read_whole(payload, |name, reader| match name {
            "code" => once(&mut code, reader.unsigned()?),
            "err" => once(&mut err, reader.text()?.to_owned()),
            _ => Err(InvalidPayload::Members),
        })?;
        match (code, err) {
            (Some(code), Some(err)) => Ok(Self { code, err }),
            _ => Err(InvalidPayload::Members),
        }
    }
}

/// The message that something was done: an object without members.
#[must_use]
pub fn encode_done(format: Format) -> Vec<u8> {
    match format {
        Format::Json => b"{}".to_vec(),
        Format::Cbor => Writer::map_of(0).finish(),
    }
}
