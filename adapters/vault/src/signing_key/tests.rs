use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::*;

/// The same bytes always: a known seed.
struct Fixed([u8; 32]);

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0[..out.len()]);
    }
}

/// RFC 8032 7.1 test 1, which RFC 8037 appendix A uses too.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn signs_as_rfc_8032_says() {
    let key = SigningKey::generate(&Fixed(SEED)).unwrap();
    assert_eq!(
        hex(&key.sign(b"")),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    );
}

#[test]
fn is_named_by_the_thumbprint_of_rfc_8037() {
    let key = SigningKey::generate(&Fixed(SEED)).unwrap();
    let jwk = key.jwk();
    assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(key.key_id(), jwk.kid);
    assert_eq!(
        (jwk.kty, jwk.crv, jwk.alg, jwk.key_use),
        ("OKP", "Ed25519", "EdDSA", "sig")
    );
}

#[test]
fn survives_a_round_trip_and_still_verifies() {
    let key = SigningKey::generate(&Fixed([7; 32])).unwrap();
    let again = SigningKey::from_pem(&key.to_pem().unwrap()).unwrap();
    assert_eq!(again.key_id(), key.key_id());
    let verifier = UnparsedPublicKey::new(&ED25519, key.public_key());
    assert!(verifier.verify(b"message", &again.sign(b"message")).is_ok());
    assert!(
        verifier
            .verify(b"massage", &again.sign(b"message"))
            .is_err()
    );
}

#[test]
fn reads_a_key_made_by_openssl() {
    let key = SigningKey::from_pem(include_str!("../../testdata/ed25519.key.pem")).unwrap();
    let verifier = UnparsedPublicKey::new(&ED25519, key.public_key());
    assert!(verifier.verify(b"message", &key.sign(b"message")).is_ok());
}

#[test]
fn keys_of_other_kinds_are_refused() {
    for text in [
        "",
        include_str!("../../testdata/ca.cert.pem"),
        include_str!("../../testdata/ca.key.pem"),
        include_str!("../../testdata/sub.key.pem"),
    ] {
        assert_eq!(
            SigningKey::from_pem(text).err(),
            Some(InvalidKeyMaterial::NoKey)
        );
    }
}

#[test]
fn debug_shows_the_name_alone() {
    let key = SigningKey::generate(&Fixed(SEED)).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(
        shown,
        format!("SigningKey {{ id: {:?}, .. }}", key.key_id())
    );
}
