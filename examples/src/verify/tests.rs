use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

const NOW: i64 = 1_795_291_200;
const TARGET: &str = "https://shop.example/ics/cb";
const COVERED: &str = r#"("@method" "@target-uri" "content-type" "content-digest")"#;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key(seed: u8) -> GatewayKey {
    GatewayKey {
        id: "k1".to_owned(),
        public: pair(seed).public_key().as_ref().to_vec(),
    }
}

/// A callback signed as the gateway does, with these covered components.
fn callback(covered: &str, created: i64) -> Received {
    let body = br#"{"notificationId":"n1","sequence":1}"#.to_vec();
    let digest = digest_of(&body);
    let input = format!(
        "{covered};created={created};expires={};nonce=\"bm9uY2U\";alg=\"ed25519\";keyid=\"k1\";\
         tag=\"ics-callback\"",
        created + 300
    );
    let mut base = String::new();
    for name in covered.trim_matches(['(', ')']).split(' ') {
        let value = match name.trim_matches('"') {
            "@method" => "POST",
            "@target-uri" => TARGET,
            "content-type" => "application/json",
            _ => digest.as_str(),
        };
        base.push_str(&format!("{name}: {value}\n"));
    }
    base.push_str(&format!("\"@signature-params\": {input}"));
    let signature = STANDARD.encode(pair(7).sign(base.as_bytes()));
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Content-Digest", digest),
        ("Signature-Input", format!("ics={input}")),
        ("Signature", format!("ics=:{signature}:")),
    ];
    Received {
        method: "POST".to_owned(),
        target_uri: TARGET.to_owned(),
        headers: headers.map(|(n, v)| (n.to_owned(), v)).to_vec(),
        body,
    }
}

fn verdict(request: &Received, now: i64) -> Result<(), Refusal> {
    verify(request, &[key(7)], now).map(drop)
}

fn with_header(mut request: Received, name: &str, value: &str) -> Received {
    request.headers.retain(|(key, _)| key != name);
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

#[test]
fn callback_of_the_gateway_is_accepted() {
    assert_eq!(verdict(&callback(COVERED, NOW), NOW), Ok(()));
    assert_eq!(verdict(&callback(COVERED, NOW), NOW + 300), Ok(()));
    assert_eq!(verdict(&callback(COVERED, NOW), NOW - 300), Ok(()));
}

#[test]
fn altered_body_is_refused() {
    let mut request = callback(COVERED, NOW);
    request.body.push(b' ');
    assert_eq!(verdict(&request, NOW), Err(Refusal::Digest));
    // The digest made to fit: then the signature does not.
    let digest = digest_of(&request.body);
    let request = with_header(request, "Content-Digest", &digest);
    assert_eq!(verdict(&request, NOW), Err(Refusal::Signature));
}

#[test]
fn altered_target_method_or_type_is_refused() {
    let altered = |change: fn(&mut Received)| {
        let mut request = callback(COVERED, NOW);
        change(&mut request);
        verdict(&request, NOW)
    };
    let refused = Err(Refusal::Signature);
    assert_eq!(altered(|r| r.target_uri.push_str("?x")), refused);
    assert_eq!(altered(|r| r.method = "PUT".into()), refused);
    assert_eq!(altered(|r| r.headers[0].1 = "text/plain".into()), refused);
}

#[test]
fn stale_or_early_callback_is_refused() {
    let request = callback(COVERED, NOW);
    assert_eq!(verdict(&request, NOW + 301), Err(Refusal::Stale));
    assert_eq!(verdict(&request, NOW - 301), Err(Refusal::Stale));
}

#[test]
fn moved_time_in_the_signature_input_is_refused() {
    let request = callback(COVERED, NOW);
    let input = request.headers[2].1.replace("created=", "created=1");
    let request = with_header(request, "Signature-Input", &input);
    assert_eq!(verdict(&request, NOW), Err(Refusal::Signature));
}

#[test]
fn wrong_and_unknown_keys_are_refused() {
    let request = callback(COVERED, NOW);
    let wrong = verify(&request, &[key(8)], NOW);
    assert_eq!(wrong, Err(Refusal::Signature));
    let other = GatewayKey {
        id: "k2".to_owned(),
        ..key(7)
    };
    assert_eq!(verify(&request, &[other], NOW), Err(Refusal::UnknownKey));
}

#[test]
fn signature_that_leaves_something_out_is_refused() {
    for covered in [
        r#"("@method" "@target-uri" "content-type")"#,
        r#"("@method" "content-type" "content-digest")"#,
        r#"("content-digest")"#,
    ] {
        let request = callback(covered, NOW);
        assert_eq!(verdict(&request, NOW), Err(Refusal::Uncovered), "{covered}");
    }
}

#[test]
fn missing_doubled_and_garbled_headers_are_refused() {
    for name in ["Content-Digest", "Signature-Input", "Signature"] {
        let mut missing = callback(COVERED, NOW);
        missing.headers.retain(|(key, _)| key != name);
        assert_eq!(verdict(&missing, NOW), Err(Refusal::Malformed), "{name}");
        let mut doubled = callback(COVERED, NOW);
        let again = doubled.headers.iter().find(|(key, _)| key == name).cloned();
        doubled.headers.extend(again);
        assert_eq!(verdict(&doubled, NOW), Err(Refusal::Malformed), "{name}");
    }
    for input in [
        "",
        "ics",
        "ics=",
        "ics=()",
        "ics=(\"@method)",
        "other=(\"a\");created=1",
    ] {
        let request = with_header(callback(COVERED, NOW), "Signature-Input", input);
        assert_eq!(verdict(&request, NOW), Err(Refusal::Malformed), "{input}");
    }
}

#[test]
fn signature_of_the_gateway_itself_holds() {
    // What `adapters/notify` makes of this request, as its own tests state it.
    let headers = [
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-256=:kg1E/YtX6BzbMf8gByChyYd1eRHmAima5KIJ/txVsx4=:",
        ),
        (
            "signature-input",
            "ics=(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\");created=1795291200;\
             expires=1795291500;nonce=\"AAAAAAAAAAAAAAAAAAAAAA\";alg=\"ed25519\";keyid=\"seeded\";\
             tag=\"ics-callback\"",
        ),
        (
            "signature",
            "ics=:5VjMhhp03bI7tejUSzcsvgBFz2TB8PbwivzR77ARQ3iPvZhVWIqadDkuxiEp5RNcb91Zbf2AZ3BcQlw17LhaCw==:",
        ),
    ];
    let request = Received {
        method: "POST".to_owned(),
        target_uri: TARGET.to_owned(),
        headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
        body: br#"{"notificationId":"n1","sequence":1}"#.to_vec(),
    };
    let seeded = GatewayKey {
        id: "seeded".to_owned(),
        ..key(7)
    };
    assert!(verify(&request, &[seeded], NOW).is_ok());
}

#[test]
fn keys_are_found_wherever_they_stand() {
    let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1",
        "x": URL_SAFE_NO_PAD.encode(pair(7).public_key().as_ref())});
    let set = serde_json::json!({"keys": [jwk, {"kty": "EC", "crv": "P-256", "kid": "no"}]});
    let document = serde_json::json!({"issuer": "x", "callbacks": {"jwks": set}});
    for document in [&jwk, &set, &document] {
        assert_eq!(find_keys(document), [key(7)]);
    }
    assert!(find_keys(&serde_json::json!({"kty": "OKP"})).is_empty());
}
