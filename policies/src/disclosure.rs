//! What a third party sees as the device ID (Y25): the real one, or a pseudonym of its own.
//!
//! A pairwise pseudonym is a keyed hash of (third party SP, IoT SP, device ID): stable for one
//! third party, of no use to another one, and never turned back without the vault's key.

use ics_core::id::DeviceId;
use ics_core::party::{Agreement, Exposure};
use ics_core::port::Sealer;
use ics_core::sealed::{BlindIndex, BlindIndexDomain};

/// Bytes of the hash that are told: 160 bits make 40 letters, and collisions a matter of theory.
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

/// `p-` and 40 letters `a-p`, one for each four bits of the hash.
///
/// Always a valid [`DeviceId`]: without a digit there is no number in it, whatever the hash.
#[expect(
    clippy::expect_used,
    reason = "valid by alphabet and length, for every hash"
)]
fn pseudonym(index: &BlindIndex) -> DeviceId {
    let mut text = String::with_capacity(42);
    text.push_str("p-");
    for byte in index.as_bytes().iter().take(PSEUDONYM_BYTES) {
        for four_bits in [byte >> 4, byte & 0xf] {
            text.push(char::from(b'a'.saturating_add(four_bits)));
        }
    }
    DeviceId::parse(&text).expect("a pseudonym is a device ID")
}

#[cfg(test)]
mod tests;
