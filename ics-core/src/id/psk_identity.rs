//! The name a device gives in a DTLS handshake (RFC 4279 5.1), before it has proven anything.

use alloc::string::String;
use core::fmt;

use super::{DeviceId, InvalidId};
use crate::device::CredentialId;

/// A PSK identity: the random bits of the device ID that was minted here, in base64url (RFC 4648 5),
/// and which of its credentials: `<22 characters>.<number>`. Each key of a device has a name of its
/// own, and both are found by it. It has at most 32 bytes, which is what tinydtls takes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PskIdentity {
    /// The device.
    pub device_id: DeviceId,
    /// Which of its credentials.
    pub credential: CredentialId,
}

/// RFC 4648 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 128 bits at six a character.
const CHARACTERS: usize = 22;

impl PskIdentity {
    /// The most bytes of one.
    pub const MAX: usize = 33;

    /// Reads one as it came in a handshake.
    ///
    /// # Errors
    /// [`InvalidId`]: it names no device.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidId> {
        if bytes.len() > Self::MAX {
            return Err(InvalidId::TooLong { max: Self::MAX });
        }
        let text = core::str::from_utf8(bytes).map_err(|_| InvalidId::Character)?;
        let (device, credential) = text.split_once('.').ok_or(InvalidId::Form)?;
        let number: u32 = credential.parse().map_err(|_| InvalidId::Form)?;
        let read = Self {
            device_id: DeviceId::mint(decode(device).ok_or(InvalidId::Form)?),
            credential: CredentialId(number),
        };
        // In one way alone: neither `+1` nor `01`, and no bits beyond the last.
        if read.to_shown() == text {
            Ok(read)
        } else {
            Err(InvalidId::Form)
        }
    }

    /// As the device names it, and as it is told to who provisions the device.
    #[must_use]
    pub fn to_shown(&self) -> String {
        // Hosted devices have no other IDs than those minted here.
        let random = self.device_id.minted_from().unwrap_or_default();
        alloc::format!("{}.{}", encode(random), self.credential)
    }
}

fn encode(random: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(random);
    // From the first six bits on; of the last character two bits count.
    let character = |n: usize| {
        let sextet = match 122_usize.checked_sub(n.saturating_mul(6)) {
            Some(shift) => (bits >> shift) & 0x3f,
            None => (bits << 4) & 0x3f,
        };
        let place = usize::try_from(sextet).unwrap_or(0);
        char::from(ALPHABET.get(place).copied().unwrap_or(b'A'))
    };
    (0..CHARACTERS).map(character).collect()
}

fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != CHARACTERS {
        return None;
    }
    let mut bits = 0_u128;
    for (n, byte) in text.bytes().enumerate() {
        let place = ALPHABET.iter().position(|known| *known == byte)?;
        let sextet = u128::try_from(place).ok()?;
        bits = if n < CHARACTERS.saturating_sub(1) {
            bits << 6 | sextet
        } else {
            bits << 2 | sextet >> 4
        };
    }
    Some(bits.to_be_bytes())
}

impl fmt::Debug for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PskIdentity(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_told() {
        for (random, told) in [
            ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA.7"),
            ([0xff; 16], "_____________________w.7"),
            (
                *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
                "AAECAwQFBgcICQoLDA0ODw.7",
            ),
        ] {
            let identity = PskIdentity {
                device_id: DeviceId::mint(random),
                credential: CredentialId(7),
            };
            assert_eq!(identity.to_shown(), told);
            assert_eq!(PskIdentity::parse(told.as_bytes()), Ok(identity));
        }
        let longest = PskIdentity {
            device_id: DeviceId::mint([0x5a; 16]),
            credential: CredentialId(u32::MAX),
        };
        assert_eq!(longest.to_shown().len(), PskIdentity::MAX);
    }

    #[test]
    fn what_is_no_identity_is_none() {
        for text in [
            "",
            ".",
            ".1",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA.",
            "AAAAAAAAAAAAAAAAAAAAAA.+1",
            "AAAAAAAAAAAAAAAAAAAAAA.01",
            "AAAAAAAAAAAAAAAAAAAAAA.4294967296",
            "AAAAAAAAAAAAAAAAAAAAAA.1.1",
            // Bits beyond the 128th.
            "AAAAAAAAAAAAAAAAAAAAAB.1",
            "AAAAAAAAAAAAAAAAAAAAA.1",
            "AAAAAAAAAAAAAAAAAAAAAAA.1",
            "AAAAAAAAAAAAAAAAAAAAA+.1",
        ] {
            assert!(PskIdentity::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(PskIdentity::parse(b"AAAAAAAAAAAAAAAAAAAAA\xff.1").is_err());
    }
}
