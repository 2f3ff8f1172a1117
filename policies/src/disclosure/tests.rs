use std::hash::{DefaultHasher, Hash, Hasher};

use ics_core::id::{AgreementId, SpId};
use ics_core::party::ConsentMode;
use ics_core::port::SealError;
use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;

use super::*;

/// Hashes without a key: enough to see which parts go in.
struct Hashing;

impl Sealer for Hashing {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Sealed, SealError> {
        Err(SealError::Unavailable)
    }

    fn open(&self, _: &[u8], _: &Sealed) -> Result<Vec<u8>, SealError> {
        Err(SealError::Unavailable)
    }

    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex {
        let mut out = [0; 32];
        for (n, chunk) in out.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (n, domain.label(), parts).hash(&mut hasher);
            chunk.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        BlindIndex::from_bytes(out)
    }
}

fn agreement(iot_sp: &str, third_party_sp: &str, exposure: Exposure) -> Agreement {
    Agreement {
        id: AgreementId::from_bytes([7; 16]),
        iot_sp: SpId::parse(iot_sp).unwrap(),
        third_party_sp: SpId::parse(third_party_sp).unwrap(),
        services: Vec::new(),
        valid_from: Timestamp::from_millis(0),
        valid_until: None,
        consent_mode: ConsentMode::Asserted,
        exposure,
        ended: None,
        version: 1,
    }
}

#[test]
fn raw_exposure_shows_the_device_id_as_assigned() {
    let device = DeviceId::parse("fridge-7c1e").unwrap();
    assert_eq!(
        disclose(&Hashing, &agreement("iot", "shop", Exposure::Raw), &device),
        device
    );
}

#[test]
fn a_pseudonym_is_stable_for_one_third_party_and_differs_for_another() {
    let (device, other) = (
        DeviceId::parse("fridge-1").unwrap(),
        DeviceId::parse("fridge-2").unwrap(),
    );
    let seen_by = |iot: &str, shop: &str, device: &DeviceId| {
        disclose(&Hashing, &agreement(iot, shop, Exposure::Pairwise), device)
    };
    let seen = seen_by("iot", "shop", &device);
    assert_eq!(seen, seen_by("iot", "shop", &device));
    assert_ne!(seen, device);
    assert_ne!(seen, seen_by("iot", "shop2", &device));
    assert_ne!(seen, seen_by("iot2", "shop", &device));
    assert_ne!(seen, seen_by("iot", "shop", &other));
}

#[test]
fn every_hash_makes_a_device_id_that_looks_like_no_permanent_identifier() {
    let mut state = 1_u64;
    let random = std::iter::repeat_with(|| {
        std::array::from_fn(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
    });
    // Each byte value throughout: 0xd6 and its like spell long runs of digits.
    let uniform = (0..=u8::MAX).map(|byte| [byte; 32]);
    for bytes in uniform.chain(random.take(20_000)) {
        let id = pseudonym(&BlindIndex::from_bytes(bytes));
        assert_eq!(id.as_str().len(), 34);
        assert!(
            id.as_str()
                .strip_prefix("p-")
                .unwrap()
                .bytes()
                .all(|b| { b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b) })
        );
    }
    let digits = pseudonym(&BlindIndex::from_bytes([0xff; 32]));
    assert_eq!(digits.as_str(), "p-77777777777777777777777777777777");
}

#[test]
fn pseudonyms_are_base32_of_the_hash() {
    let mut bytes = [0; 32];
    bytes[..20].copy_from_slice(b"foobarfoobarfoobarfo");
    let id = pseudonym(&BlindIndex::from_bytes(bytes));
    assert_eq!(id.as_str(), "p-mzxw6ytbojtg633cmfzgm33pmjqxeztp");
}
