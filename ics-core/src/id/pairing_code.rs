//! One-time pairing codes: what the maker's app or the device itself shows, so that who types it has
//! the device at hand. A printed serial number proves nothing.

use alloc::string::String;
use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::InvalidId;

/// A pairing code: 96 random bits as 20 letters and digits that are not taken for one another.
///
/// It is never a login, kept as a keyed hash alone, and used up by the mapping request that
/// carries it. The memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct PairingCode(String);

/// Crockford's alphabet: without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code; five bits each.
const LENGTH: usize = 20;

impl PairingCode {
    /// The most bytes of a code as it is typed, with its hyphens.
    pub const MAX: usize = 32;

    /// A code of 96 random bits.
    #[must_use]
    pub fn mint(random: [u8; 12]) -> Self {
        let (mut text, mut bits, mut held) = (String::with_capacity(LENGTH), 0_u32, 0_u32);
        // Four bits beyond the last byte are zeros.
        for byte in random.into_iter().chain([0]) {
            (bits, held) = (bits << 8 | u32::from(byte), held.saturating_add(8));
            while held >= 5 && text.len() < LENGTH {
                held = held.saturating_sub(5);
                let place = usize::try_from(bits >> held & 0x1f).unwrap_or(0);
                text.push(char::from(ALPHABET.get(place).copied().unwrap_or(b'0')));
            }
        }
        Self(text)
    }

    /// Reads a code as somebody typed it: in any case, with hyphens and spaces wherever, `O` for 0
    /// and `I` or `L` for 1.
    ///
    /// # Errors
    /// [`InvalidId::Form`].
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if text.len() > Self::MAX {
            return Err(InvalidId::TooLong { max: Self::MAX });
        }
        let typed = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let code: String = typed
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            })
            .collect();
        if code.len() == LENGTH && code.bytes().all(|b| ALPHABET.contains(&b)) {
            Ok(Self(code))
        } else {
            Err(InvalidId::Form)
        }
    }

    /// The characters that are hashed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As it is told: in four groups.
    #[must_use]
    pub fn to_shown(&self) -> String {
        let mut shown = String::with_capacity(Self::MAX);
        for (place, character) in self.0.chars().enumerate() {
            if place > 0 && place % 5 == 0 {
                shown.push('-');
            }
            shown.push(character);
        }
        shown
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_told_however_it_was_typed() {
        for random in [
            [0; 12],
            [0xff; 12],
            *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x10\x32\x54\x76",
        ] {
            let code = PairingCode::mint(random);
            let shown = code.to_shown();
            assert_eq!(shown.len(), 23);
            assert_eq!(PairingCode::parse(&shown), Ok(code.clone()));
            let typed = shown.to_lowercase().replace('0', "o").replace('1', "L");
            assert_eq!(PairingCode::parse(&typed.replace('-', " ")), Ok(code));
        }
        let [zeros, ones] = [[0; 12], [0xff; 12]].map(PairingCode::mint);
        assert_eq!(zeros.expose(), "00000000000000000000");
        assert_eq!(ones.expose(), "ZZZZZZZZZZZZZZZZZZZG");
    }

    #[test]
    fn what_is_no_code_is_none() {
        let shown = PairingCode::mint([7; 12]).to_shown();
        let more = alloc::format!("{shown}0");
        for text in [
            "",
            "0",
            &more,
            &shown.replace('-', "_"),
            "\u{ff10}0000000000000000",
        ] {
            assert!(PairingCode::parse(text).is_err(), "{text}");
        }
    }
}
