use super::*;

#[test]
fn a_private_key_is_never_published() {
    assert!(read_jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#).is_ok());
    for text in [
        "",
        "[]",
        "{}",
        r#"{"kty":"OKP","d":"AA"}"#,
        r#"{"kty":"oct","k":"AA"}"#,
    ] {
        assert_eq!(read_jwk(text), Err(InvalidSettings::CallbackJwk), "{text}");
    }
}
