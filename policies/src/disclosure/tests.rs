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
        pairing_required: false,
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
    for bytes in (0..=u8::MAX).map(|byte| [byte; 32]) {
        let id = pseudonym(&BlindIndex::from_bytes(bytes));
        let letters = id.as_str().strip_prefix("p-").unwrap();
        assert_eq!(letters.len(), 40);
        assert!(letters.bytes().all(|b| (b'a'..=b'p').contains(&b)));
    }
}

#[test]
fn pseudonyms_spell_the_hash_four_bits_a_letter() {
    let mut bytes = [0; 32];
    bytes[..20].copy_from_slice(b"foobarfoobarfoobarfo");
    let id = pseudonym(&BlindIndex::from_bytes(bytes));
    assert_eq!(id.as_str(), "p-gggpgpgcgbhcgggpgpgcgbhcgggpgpgcgbhcgggp");
}
