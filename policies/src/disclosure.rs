//! What a third party sees as the device ID (Y25): the real one, or a pseudonym of its own.
//!
//! A pairwise pseudonym is a keyed hash of (third party SP, IoT SP, device ID): stable for one
//! third party, of no use to another one, and never turned back without the vault's key.

use ics_core::id::DeviceId;
use ics_core::party::{Agreement, Exposure};
use ics_core::port::Sealer;
use ics_core::sealed::{BlindIndex, BlindIndexDomain};

/// Bytes of the hash that are told: 160 bits make 32 characters, and collisions a matter of theory.
const PSEUDONYM_BYTES: usize = 20;

/// The device ID as the third party of `agreement` may see it.
pub(crate) fn disclose(
    sealer: &dyn Sealer,
    agreement: &Agreement,
    device_id: &DeviceId,
) -> DeviceId {
    match agreement.exposure {
        // The letter of Y.4462 10.1 step 9.
        Exposure::Raw => device_id.clone(),
        Exposure::Pairwise => pseudonym(&sealer.blind_index(
            BlindIndexDomain::PairwiseDeviceId,
            &[
                agreement.third_party_sp.as_str().as_bytes(),
                agreement.iot_sp.as_str().as_bytes(),
                device_id.as_str().as_bytes(),
            ],
        )),
    }
}

/// `p-` and 32 characters of `a-z 2-7` (RFC 4648 base32 in lower case).
///
/// Always a valid [`DeviceId`]: visible ASCII, 34 bytes, no `@ + : . %`, never digits alone, no
/// digit run of 10 to 20 between two boundaries (there is one boundary, 32 characters from the end).
#[expect(
    clippy::expect_used,
    reason = "valid by alphabet and length, for every hash"
)]
fn pseudonym(index: &BlindIndex) -> DeviceId {
    let mut text = String::with_capacity(34);
    text.push_str("p-");
    let (mut bits, mut count) = (0_u16, 0_u8);
    for byte in index.as_bytes().iter().take(PSEUDONYM_BYTES) {
        bits = bits << 8 | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(base32_character(bits >> count & 0x1f));
        }
    }
    DeviceId::parse(&text).expect("a pseudonym is a device ID")
}

/// One character of RFC 4648 base32, lower case; `value` is below 32.
fn base32_character(value: u16) -> char {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    char::from(ALPHABET.get(usize::from(value)).copied().unwrap_or(b'a'))
}

#[cfg(test)]
mod tests;
