use ics_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ics::tests::rig::FakeSignatures;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T20:00:00.900Z").unwrap()
}

fn started() -> Timestamp {
    Timestamp::parse("2026-11-21T19:59:00Z").unwrap()
}

fn ed25519(byte: u8) -> VerifyingKey {
    VerifyingKey::new(SignatureAlgorithm::EdDsa, vec![byte; 32]).unwrap()
}

fn key() -> VerifyingKey {
    ed25519(7)
}

fn content() -> Map<String, Value> {
    let content = json!({ "svu": "https://shop.example/s/eggs", "uti": "u-1" });
    content.as_object().unwrap().clone()
}

fn claims() -> Value {
    let digest = FakeSignatures.sha256(canonical(&content().into()).as_bytes());
    let seconds = now().millis() / 1000;
    json!({
        "fr": "/id-in/Cshop", "op": 1, "to": "/id-ics/ics/map", "aud": "/id-ics", "rqi": "r1",
        "jti": "j1", "iat": seconds, "exp": seconds + 300,
        "cth": URL_SAFE_NO_PAD.encode(digest),
    })
}

fn sign_with(header: &Value, claims: &Value, key: &VerifyingKey) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = FakeSignatures.sign(key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn check(token: &str, key: Option<&VerifyingKey>) -> Result<(String, Timestamp), NotProved> {
    let content = content();
    let expected = Expected {
        from: "/id-in/Cshop",
        operation: Operation::Create,
        request_id: "r1",
        audience: "/id-ics",
        is_target: &|to| to.ends_with("/map"),
        content: &content,
    };
    let claimed = read(token, &expected, &FakeSignatures, (started(), now()))?;
    claimed.verify(key, &FakeSignatures)?;
    Ok((claimed.jti, claimed.expires))
}

fn check_claims_with(name: &str, value: Value) -> Result<(String, Timestamp), NotProved> {
    let mut claims = claims();
    claims[name] = value;
    check(
        &sign_with(&json!({ "alg": "EdDSA" }), &claims, &key()),
        Some(&key()),
    )
}

#[test]
fn a_token_that_says_what_the_request_says_proves_it() {
    for alg in ["EdDSA", "Ed25519"] {
        let token = sign_with(&json!({ "alg": alg, "kid": "x" }), &claims(), &key());
        let (jti, expires) = check(&token, Some(&key())).unwrap();
        assert_eq!(jti, "j1");
        assert_eq!(expires.to_rfc3339(), "2026-11-21T20:05:00.000Z");
    }
    let key = VerifyingKey::new(SignatureAlgorithm::Es256, vec![4; 65]).unwrap();
    let token = sign_with(&json!({ "alg": "ES256" }), &claims(), &key);
    assert!(check(&token, Some(&key)).is_ok());
}

#[test]
fn a_request_id_is_signed_where_it_stays_the_same() {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("rqi");
    let token = sign_with(&json!({ "alg": "EdDSA" }), &claims, &key());
    assert!(check(&token, Some(&key())).is_ok());
}

#[test]
fn each_claim_is_held_against_the_request() {
    let seconds = now().millis() / 1000;
    for (name, value, expected) in [
        ("fr", json!("/id-in/Cshop2"), NotProved::Claim("fr")),
        ("fr", json!(null), NotProved::Claim("fr")),
        ("op", json!(2), NotProved::Claim("op")),
        ("op", json!("1"), NotProved::Claim("op")),
        ("to", json!("/id-ics/ics/inq"), NotProved::Claim("to")),
        ("to", json!("ics/map"), NotProved::Claim("to")),
        ("aud", json!("/id-in"), NotProved::Claim("aud")),
        ("aud", json!(["/id-ics"]), NotProved::Claim("aud")),
        ("rqi", json!("r2"), NotProved::Claim("rqi")),
        ("jti", json!(""), NotProved::Claim("jti")),
        ("jti", json!("j".repeat(129)), NotProved::Claim("jti")),
        ("jti", json!(1), NotProved::Claim("jti")),
        ("iat", json!(seconds + 6), NotProved::Claim("iat")),
        ("iat", json!("now"), NotProved::Claim("iat")),
        ("iat", json!(seconds - 1), NotProved::Expired),
        ("exp", json!(seconds), NotProved::Expired),
        ("exp", json!(seconds + 301), NotProved::Expired),
        ("exp", json!(i64::MAX), NotProved::Expired),
        ("exp", json!(seconds as f64 + 0.5), NotProved::Claim("exp")),
        ("cth", json!("AAAA"), NotProved::Content),
        ("cth", json!(null), NotProved::Claim("cth")),
    ] {
        let outcome = check_claims_with(name, value.clone());
        assert_eq!(outcome, Err(expected), "{name} {value}");
    }
}

#[test]
fn a_clock_a_little_ahead_is_borne() {
    let mut claims = claims();
    let seconds = now().millis() / 1000;
    claims["iat"] = json!(seconds + 5);
    claims["exp"] = json!(seconds + 305);
    let token = sign_with(&json!({ "alg": "EdDSA" }), &claims, &key());
    assert!(check(&token, Some(&key())).is_ok());
}

#[test]
fn a_token_from_before_the_start_is_not_taken() {
    let mut claims = claims();
    let seconds = started().millis() / 1000;
    claims["iat"] = json!(seconds - 1);
    claims["exp"] = json!(seconds + 290);
    let token = sign_with(&json!({ "alg": "EdDSA" }), &claims, &key());
    assert_eq!(check(&token, Some(&key())), Err(NotProved::Stale));
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_headers_choice() {
    for (header, expected) in [
        (json!({ "alg": "none" }), NotProved::Header),
        (json!({ "alg": "HS256" }), NotProved::Header),
        (json!({ "alg": "ES256" }), NotProved::Header),
        (json!({ "alg": "eddsa" }), NotProved::Header),
        (json!({}), NotProved::Header),
        (json!({ "alg": 7 }), NotProved::Header),
        (
            json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false }),
            NotProved::Header,
        ),
        (json!([]), NotProved::Form),
    ] {
        let token = sign_with(&header, &claims(), &key());
        assert_eq!(check(&token, Some(&key())), Err(expected), "{header}");
    }
}

#[test]
fn the_signature_is_by_the_registered_key_over_all_of_it() {
    let header = json!({ "alg": "EdDSA" });
    let foreign = sign_with(&header, &claims(), &ed25519(8));
    assert_eq!(check(&foreign, Some(&key())), Err(NotProved::Signature));
    let token = sign_with(&header, &claims(), &key());
    assert_eq!(check(&token, None), Err(NotProved::Signature));
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        check(&format!("{signed}."), Some(&key())),
        Err(NotProved::Signature)
    );
}

#[test]
fn what_is_no_compact_jws_is_not_read() {
    let token = sign_with(&json!({ "alg": "EdDSA" }), &claims(), &key());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        signed.to_owned(),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}.x"),
        format!("{signed}.!"),
        format!("{token}{}", "A".repeat(4096)),
        json!({ "payload": "x" }).to_string(),
    ] {
        assert_eq!(check(&text, Some(&key())), Err(NotProved::Form), "{text}");
    }
}

#[test]
fn no_refusal_says_what_was_sent() {
    for why in [
        NotProved::Claim("fr"),
        NotProved::Content,
        NotProved::Signature,
    ] {
        let refusal: Refusal = why.into();
        assert_eq!(refusal.rsc, Rsc::OriginatorNotAuthenticated);
        assert!(!refusal.diagnostic.contains("Cshop"));
    }
}

proptest! {
    #[test]
    fn no_text_is_a_proof(text in "[A-Za-z0-9_.=-]{0,400}") {
        prop_assert!(check(&text, Some(&key())).is_err());
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed(at in 0_usize..600, to in "[A-Za-z0-9_-]") {
        let token = sign_with(&json!({ "alg": "EdDSA" }), &claims(), &key());
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        prop_assert!(check(&changed, Some(&key())).is_err(), "{changed}");
    }
}
