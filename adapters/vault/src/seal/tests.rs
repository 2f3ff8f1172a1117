use super::*;

/// The provider's generator.
struct Provider;

impl Entropy for Provider {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).unwrap();
    }
}

fn vault(keyring: &Keyring) -> Vault {
    Vault::new(keyring, Arc::new(Provider)).unwrap()
}

fn altered(sealed: &Sealed, at: usize) -> Sealed {
    let mut bytes = sealed.as_bytes().to_vec();
    bytes[at] ^= 1;
    Sealed::from_bytes(bytes)
}

#[test]
fn sealed_values_open_in_their_context() {
    let vault = vault(&Keyring::generate(&Provider));
    for length in [0, 1, 15, 16, 17, 128, 4096] {
        let value = vec![0x5a; length];
        let sealed = vault.seal(b"row 1", &value).unwrap();
        assert_eq!(sealed.as_bytes().len(), length + 33);
        assert_eq!(vault.open(b"row 1", &sealed).unwrap(), value);
    }
}

#[test]
fn a_value_moved_to_another_row_does_not_open() {
    let vault = vault(&Keyring::generate(&Provider));
    let sealed = vault.seal(b"row 1", b"SN-0815").unwrap();
    for context in [&b"row 2"[..], b"", b"row 1 ", b"row"] {
        assert_eq!(vault.open(context, &sealed), Err(SealError::DoesNotOpen));
    }
}

#[test]
fn no_byte_can_be_altered_or_cut_off() {
    let vault = vault(&Keyring::generate(&Provider));
    let sealed = vault.seal(b"row 1", b"SN-0815").unwrap();
    for at in 0..sealed.as_bytes().len() {
        // Bytes 1 to 4 are the key id: another one is a key nobody holds.
        let expected = if (1..5).contains(&at) {
            SealError::UnknownKey
        } else {
            SealError::DoesNotOpen
        };
        assert_eq!(
            vault.open(b"row 1", &altered(&sealed, at)),
            Err(expected),
            "byte {at}"
        );
        let cut = Sealed::from_bytes(sealed.as_bytes()[..at].to_vec());
        assert_eq!(
            vault.open(b"row 1", &cut),
            Err(SealError::DoesNotOpen),
            "cut at {at}"
        );
    }
    let longer = [sealed.as_bytes(), &[0]].concat();
    assert_eq!(
        vault.open(b"row 1", &Sealed::from_bytes(longer)),
        Err(SealError::DoesNotOpen)
    );
}

#[test]
fn equal_values_seal_differently_and_do_not_show() {
    let vault = vault(&Keyring::generate(&Provider));
    let value = b"SN-0815-SN-0815-SN-0815";
    let (one, two) = (
        vault.seal(b"row", value).unwrap(),
        vault.seal(b"row", value).unwrap(),
    );
    assert_ne!(one, two);
    assert!(!one.as_bytes().windows(7).any(|window| window == b"SN-0815"));
}

#[test]
fn values_sealed_before_a_rotation_open_after_it_and_new_ones_need_the_new_key() {
    let before = Keyring::generate(&Provider);
    let old_vault = vault(&before);
    let old = old_vault.seal(b"row", b"old").unwrap();
    let new_vault = vault(&before.rotate(&Provider).unwrap());
    assert_eq!(new_vault.open(b"row", &old).unwrap(), b"old");
    let new = new_vault.seal(b"row", b"new").unwrap();
    assert_eq!(new.as_bytes()[..5], [1, 0, 0, 0, 2]);
    assert_eq!(old_vault.open(b"row", &new), Err(SealError::UnknownKey));
    assert_eq!(
        old_vault.blind_index(BlindIndexDomain::Serial, &[b"x"]),
        new_vault.blind_index(BlindIndexDomain::Serial, &[b"x"])
    );
}

#[test]
fn a_vault_with_another_key_of_the_same_id_opens_nothing() {
    let sealed = vault(&Keyring::generate(&Provider))
        .seal(b"row", b"value")
        .unwrap();
    let other = vault(&Keyring::generate(&Provider));
    assert_eq!(other.open(b"row", &sealed), Err(SealError::DoesNotOpen));
}

#[test]
fn parts_domains_and_keys_make_different_indexes() {
    use BlindIndexDomain::{Device, PairwiseDeviceId, Serial, UtiRecord};
    let (one, two) = (
        vault(&Keyring::generate(&Provider)),
        vault(&Keyring::generate(&Provider)),
    );
    let parts: [&[&[u8]]; 8] = [
        &[],
        &[b""],
        &[b"", b""],
        &[b"abc"],
        &[b"ab", b"c"],
        &[b"a", b"bc"],
        &[b"abc", b""],
        &[b"", b"abc"],
    ];
    let mut seen = std::collections::HashSet::new();
    for vault in [&one, &two] {
        for domain in [UtiRecord, Device, Serial, PairwiseDeviceId] {
            for parts in parts {
                let index = vault.blind_index(domain, parts);
                assert_eq!(index, vault.blind_index(domain, parts));
                assert!(seen.insert(index), "{domain:?} {parts:?}");
            }
        }
    }
}

#[test]
fn a_blind_index_is_the_hmac_it_is_documented_to_be() {
    let keyring = Keyring::generate(&Provider);
    let mut framed = Vec::new();
    for part in [&b"ics.device"[..], b"vendor", b"fridge-1"] {
        framed.extend_from_slice(&u64::try_from(part.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(part);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, keyring.index().as_slice());
    let index = vault(&keyring).blind_index(BlindIndexDomain::Device, &[b"vendor", b"fridge-1"]);
    assert_eq!(
        index.as_bytes().as_slice(),
        hmac::sign(&key, &framed).as_ref()
    );
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(
        format!("{:?}", vault(&Keyring::generate(&Provider))),
        "Vault(..)"
    );
}
