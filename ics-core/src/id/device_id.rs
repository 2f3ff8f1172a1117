//! The device ID (Y.4462 3.1.5, 10.1): unique, anonymous, revocable, assigned by the IoT SP alone.

use alloc::string::String;
use core::fmt;

use super::permanent::decode_percent;
use super::scheme::is_built_in;
use super::{
    DeviceSerialNumber, InvalidId, PermanentIdentifier, check_anonymous, check_length, check_stored,
};

/// A device ID: opaque visible ASCII of at most 256 bytes, keyed by (IoT SP, device ID).
///
/// Y.4462 10.1 NOTE 1 leaves the format open; what looks like a MAC address, an IMSI, IMEI,
/// ICCID or e-mail address is refused, unless it is one of a scheme ([`super::BUILT_IN`], and those
/// of [`super::IdentifierSchemes`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// The most bytes of a device ID.
    pub const MAX: usize = 256;

    /// Reads a device ID.
    ///
    /// # Errors
    /// [`InvalidId`] for length, characters, or the shape of a permanent identifier.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 1, Self::MAX)?;
        // Y66: a scheme beats the shape, which is met by chance.
        check_anonymous(text).or_else(|shape| is_built_in(text).then_some(()).ok_or(shape))?;
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidId::Character);
        }
        Ok(Self(text.into()))
    }

    /// Mints a device ID from 128 random bits: `d-` and 32 letters, so that it spells no number.
    #[must_use]
    pub fn mint(random: [u8; 16]) -> Self {
        let mut text = String::from("d-");
        for byte in random {
            for half in [byte >> 4, byte & 0xf] {
                text.push(char::from(b'a'.saturating_add(half)));
            }
        }
        Self(text)
    }

    /// The random bits of one that [`Self::mint`] made; of any other there are none.
    #[must_use]
    pub fn minted_from(&self) -> Option<[u8; 16]> {
        let letters = self.0.strip_prefix("d-")?.as_bytes();
        let (pairs, []) = letters.as_chunks::<2>() else {
            return None;
        };
        let half = |letter: u8| letter.checked_sub(b'a').filter(|half| *half < 16);
        let mut random = [0; 16];
        if pairs.len() != random.len() {
            return None;
        }
        for (byte, [high, low]) in random.iter_mut().zip(pairs) {
            *byte = half(*high)? << 4 | half(*low)?;
        }
        Some(random)
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

    /// Refuses a device ID that gives the serial number away: equal to it or containing it.
    ///
    /// # Errors
    /// [`InvalidId::Permanent`]; Y.4462 10.1 wants the device ID anonymous, and the third party
    /// that typed the serial number would recognize it.
    pub fn check_differs_from(&self, serial: &DeviceSerialNumber) -> Result<(), InvalidId> {
        // Without separators and percent-encoding: `FR-2291` is no secret in `fr%2D2291` either.
        let (id, serial) = (bare_characters(&self.0), bare_characters(serial.expose()));
        // One or two characters are part of nearly every id and give nothing away.
        if id == serial || (serial.len() > 2 && id.contains(&serial)) {
            Err(InvalidId::Permanent(PermanentIdentifier::SerialNumber))
        } else {
            Ok(())
        }
    }

    /// The device ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters and digits in lower case, percent-encoding taken off.
fn bare_characters(text: &str) -> String {
    let decoded = decode_percent(text);
    decoded
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceId(..)")
    }
}
