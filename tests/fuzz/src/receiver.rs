//! The sample receiver: RFC 9421 signatures, keys, callbacks as JSON.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_examples::inbox::parse_item;
use ics_examples::verify::{GatewayKey, Received, digest_of, find_keys, verify};

const NOW: i64 = 1_795_291_200;
const TARGET: &str = "https://shop.example/ics/cb";

/// `Signature-Input`, `Signature` and body, a line each; the whole as a callback in JSON, and as a
/// document with keys.
pub(super) fn receiver(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Ok(document) = serde_json::from_str(text) {
        let keys = find_keys(&document);
        assert!(keys.len() <= text.len());
    }
    if let Ok(received) = parse_item(text, "https://shop.example") {
        assert!(received.target_uri.starts_with("https://shop.example"));
        let _ = verify(&received, &[], NOW);
    }
    let mut lines = text.splitn(3, '\n');
    let (input, signature) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let body = lines.next().unwrap_or_default().as_bytes();
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let key = GatewayKey {
        id: "seeded".to_owned(),
        public: pair.public_key().as_ref().to_vec(),
    };
    // What is not signed by the key is not believed...
    let request = received(input, signature, body);
    let keys = std::slice::from_ref(&key);
    if verify(&request, keys, NOW).is_ok() {
        // ...but for the one signature that was made with it, over the body it was made for.
        assert_eq!(signature, GENUINE);
    }
    // What is signed as it stands is believed only if everything needed is covered.
    let (label, parameters) = input.split_once('=').unwrap_or_default();
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {TARGET}\n\"content-type\": application/json\n\
         \"content-digest\": {}\n\"@signature-params\": {parameters}",
        digest_of(body)
    );
    let signed = STANDARD.encode(pair.sign(base.as_bytes()));
    let request = received(input, &format!("{label}=:{signed}:"), body);
    if verify(&request, keys, NOW).is_ok() {
        for needed in ["\"@method\"", "\"@target-uri\"", "\"content-digest\""] {
            assert!(parameters.contains(needed), "{input}");
        }
        let mut altered = request.clone();
        altered.body.push(b' ');
        assert!(verify(&altered, keys, NOW).is_err());
        let mut elsewhere = request;
        elsewhere.target_uri.push('x');
        assert!(verify(&elsewhere, keys, NOW).is_err());
    }
}

/// The signature in the corpus.
const GENUINE: &str = "ics=:5VjMhhp03bI7tejUSzcsvgBFz2TB8PbwivzR77ARQ3iPvZhVWIqadDkuxiEp5RNcb91Zbf2AZ3BcQlw17LhaCw==:";

fn received(input: &str, signature: &str, body: &[u8]) -> Received {
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("content-digest", digest_of(body)),
        ("signature-input", input.to_owned()),
        ("signature", signature.to_owned()),
    ];
    Received {
        method: "POST".to_owned(),
        target_uri: TARGET.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        body: body.to_vec(),
    }
}
