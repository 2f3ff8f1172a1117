//! Bytes as people read them.

use alloc::string::String;

/// Two lower-case hexadecimal digits a byte; no copy of them is left behind.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_byte_are_told() {
        assert_eq!(to_hex(&[0x00, 0x5a, 0xf0, 0xff]), "005af0ff");
    }
}
