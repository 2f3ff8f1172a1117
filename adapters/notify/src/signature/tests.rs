use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::*;

/// `test-key-ed25519` of RFC 9421 B.1.4.
const PRIVATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
const PUBLIC_KEY: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";

struct ExampleKey(Ed25519KeyPair);

impl ExampleKey {
    fn new() -> Self {
        let der = STANDARD.decode(PRIVATE_KEY).unwrap();
        Self(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).unwrap())
    }
}

impl CallbackSigner for ExampleKey {
    fn key_id(&self) -> &str {
        "test-key-ed25519"
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

#[test]
fn example_b_2_6_of_rfc_9421_comes_out_as_printed() {
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ];
    let parameters = [
        ("created", Parameter::Integer(1_618_884_473)),
        ("keyid", Parameter::Text("test-key-ed25519")),
    ];
    let input = write_input(&components, &parameters);
    assert_eq!(
        input,
        "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
         ;created=1618884473;keyid=\"test-key-ed25519\""
    );
    let base = write_base(&components, &input);
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@method\": POST\n\
         \"@path\": /foo\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"content-length\": 18\n\
         \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
         \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
    );
    let signature = ExampleKey::new().sign(base.as_bytes());
    assert_eq!(
        STANDARD.encode(signature),
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    );
    let spki = STANDARD.decode(PUBLIC_KEY).unwrap();
    assert!(spki.ends_with(ExampleKey::new().0.public_key().as_ref()));
}

#[test]
fn body_of_rfc_9530_has_its_digest() {
    // RFC 9530 D.1: the body with its line feed.
    assert_eq!(
        digest_body(b"{\"hello\": \"world\"}\n"),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
}

#[test]
fn callback_is_signed_over_method_target_type_and_digest() {
    let key = ExampleKey::new();
    let request = SignedRequest {
        target_uri: "https://shop.example/ics/cb?x=1",
        content_type: "application/json",
        body: b"{}",
    };
    let now = Timestamp::from_millis(1_795_291_200_999);
    let headers = sign_request(&key, request, (now, [0; 16]));
    assert_eq!(
        headers.signature_input,
        "ics=(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\");created=1795291200;\
         expires=1795291500;nonce=\"AAAAAAAAAAAAAAAAAAAAAA\";alg=\"ed25519\";\
         keyid=\"test-key-ed25519\";tag=\"ics-callback\""
    );
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://shop.example/ics/cb?x=1\n\
         \"content-type\": application/json\n\"content-digest\": {}\n\"@signature-params\": {}",
        headers.content_digest,
        headers.signature_input.strip_prefix("ics=").unwrap()
    );
    let text = headers.signature.strip_prefix("ics=:").unwrap();
    let signature = STANDARD.decode(text.strip_suffix(':').unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, key.0.public_key().as_ref())
        .verify(base.as_bytes(), &signature)
        .unwrap();
}

#[test]
fn two_tries_have_two_signatures() {
    let key = ExampleKey::new();
    let request = SignedRequest {
        target_uri: "https://shop.example/",
        content_type: "application/json",
        body: b"{}",
    };
    let now = Timestamp::from_millis(0);
    let first = sign_request(&key, request, (now, [1; 16]));
    let second = sign_request(&key, request, (now, [2; 16]));
    assert_ne!(first.signature, second.signature);
}

#[test]
fn key_names_are_quoted() {
    let mut out = String::new();
    push_quoted(&mut out, "a\"b\\c\nd");
    assert_eq!(out, "\"a\\\"b\\\\cd\"");
}

#[test]
fn signature_the_sample_receiver_was_given_is_the_one_made() {
    // `examples/src/verify/tests.rs` verifies these very values.
    let key = crate::rig::SeededKey::new();
    let request = SignedRequest {
        target_uri: "https://shop.example/ics/cb",
        content_type: "application/json",
        body: br#"{"notificationId":"n1","sequence":1}"#,
    };
    let headers = sign_request(&key, request, (crate::rig::NOW, [0; 16]));
    assert_eq!(
        headers.content_digest,
        "sha-256=:kg1E/YtX6BzbMf8gByChyYd1eRHmAima5KIJ/txVsx4=:"
    );
    assert_eq!(
        headers.signature_input,
        "ics=(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\");created=1795291200;\
         expires=1795291500;nonce=\"AAAAAAAAAAAAAAAAAAAAAA\";alg=\"ed25519\";keyid=\"seeded\";\
         tag=\"ics-callback\""
    );
    assert_eq!(
        headers.signature,
        "ics=:5VjMhhp03bI7tejUSzcsvgBFz2TB8PbwivzR77ARQ3iPvZhVWIqadDkuxiEp5RNcb91Zbf2AZ3BcQlw17LhaCw==:"
    );
}
