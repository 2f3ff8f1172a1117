//! Identifiers under random input: no parser panics, what was parsed reads back the same, and
//! the scan for permanent identifiers finds what is hidden and spares what is random.
#![expect(
    clippy::indexing_slicing,
    reason = "a test of its own; these lints spare #[test] functions alone"
)]

use ics_core::id::{
    CallbackUri, DeviceId, DeviceSerialNumber, MappingId, Origin, ServicePrefix, ServiceUri, SpId,
    Uti, find_permanent_identifier,
};
use proptest::prelude::*;

/// Percent-encodes every byte, once.
fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect()
}

fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    MappingId::from_bytes(bytes).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_was_parsed_reads_back_the_same(text in "\\PC{0,80}|[!-~]{0,140}|https://[a-z]{1,8}(/[!-~]{0,20}){0,3}") {
        if let Ok(id) = Uti::parse(&text) {
            prop_assert_eq!(Uti::parse(id.as_str()), Ok(id.clone()));
            prop_assert_eq!(Uti::from_store(id.as_str()), Ok(id));
        }
        if let Ok(id) = DeviceId::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert_eq!(DeviceId::from_store(&text), Ok(id));
        }
        if let Ok(id) = ServiceUri::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert_eq!(ServiceUri::from_store(&text), Ok(id));
        }
        if let Ok(id) = CallbackUri::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert_eq!(Origin::parse(id.origin().as_str()), Ok(id.origin()));
        }
        if let Ok(id) = ServicePrefix::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
        }
        if let Ok(id) = SpId::parse(&text) {
            prop_assert_eq!(id.as_str(), text.as_str());
        }
        if let Ok(id) = DeviceSerialNumber::parse(&text) {
            prop_assert_eq!(id.expose(), text.as_str());
        }
        if let Ok(id) = MappingId::parse(&text) {
            prop_assert_eq!(id.to_string(), text.as_str());
        }
        let _ = find_permanent_identifier(&text);
    }

    #[test]
    fn an_imsi_in_a_uri_is_found_however_often_it_was_encoded(imsi in "26201[0-9]{10}", level in 0..4) {
        let hidden = (0..level).fold(imsi, |text, _| encode(&text));
        for uri in [
            format!("https://s.example/u/{hidden}"),
            format!("https://s.example/u?id={hidden}&x=1"),
            format!("https://s.example/u/imsi-{hidden}"),
        ] {
            prop_assert!(find_permanent_identifier(&uri).is_some());
            prop_assert!(ServiceUri::parse(&uri).is_err());
        }
    }

    #[test]
    fn anonymous_uuids_are_never_taken_for_permanent_identifiers(bytes: [u8; 16], seven: bool) {
        let text = uuid(bytes, if seven { 7 } else { 4 });
        prop_assert_eq!(find_permanent_identifier(&text), None);
        let urn = format!("urn:uuid:{text}");
        prop_assert!(Uti::parse(&urn).is_ok());
        prop_assert!(DeviceId::parse(&text).is_ok());
        let uri = format!("https://s.example/{text}");
        prop_assert!(ServiceUri::parse(&uri).is_ok());
    }
}

/// Twenty-two characters of base64url, 128 random bits: what an SP would mint.
#[test]
fn random_tokens_are_hardly_ever_taken_for_permanent_identifiers() {
    const TOKENS: u32 = 1_000_000;
    // A fixed xorshift: the figure is the same on every run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut flagged = 0_u32;
    for _ in 0..TOKENS {
        let bytes: Vec<u8> = (0..22)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed.to_be_bytes()[0]
            })
            .collect();
        flagged += u32::from(find_permanent_identifier(&base64url(&bytes)).is_some());
    }
    println!("{flagged} of {TOKENS} random tokens flagged");
    assert!(flagged <= 10, "{flagged} of {TOKENS}");
}
