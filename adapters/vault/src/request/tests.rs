use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};

use super::*;

fn request_with(algorithm: &'static SignatureAlgorithm) -> (KeyPair, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let text = request.pem().unwrap();
    (key, text)
}

#[test]
fn the_key_of_an_allowed_request_is_taken_as_it_is() {
    for algorithm in [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_RSA_SHA256,
    ] {
        let (key, text) = request_with(algorithm);
        let taken = read_requested_key(&text).unwrap();
        assert_eq!(
            taken.subject_public_key_info(),
            key.subject_public_key_info()
        );
    }
}

#[test]
fn weak_and_unusual_keys_are_refused_by_name() {
    let texts = [
        include_str!("../../testdata/rsa1024.csr.pem").to_owned(),
        include_str!("../../testdata/secp256k1.csr.pem").to_owned(),
        request_with(&PKCS_ECDSA_P521_SHA512).1,
        request_with(&PKCS_ED25519).1,
    ];
    for text in texts {
        assert_eq!(
            read_requested_key(&text).err(),
            Some(AuthorityError::KeyNotAllowed),
            "{text}"
        );
    }
}

#[test]
fn a_request_signed_with_sha_1_is_refused() {
    let text = include_str!("../../testdata/sha1.csr.pem");
    assert_eq!(
        read_requested_key(text).err(),
        Some(AuthorityError::BadRequest)
    );
}

#[test]
fn a_request_altered_in_what_is_signed_or_in_the_signature_is_refused() {
    let (_, text) = request_with(&PKCS_ECDSA_P256_SHA256);
    let der = pem::read_blocks(&text).unwrap().remove(0).der;
    let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
    let find = |part: &[u8]| {
        let at = der
            .windows(part.len())
            .position(|window| window == part)
            .unwrap();
        at..at + part.len()
    };
    let signed = find(request.certification_request_info.raw);
    let signature = find(&request.signature_value.data);
    assert_eq!(signature.end, der.len());
    // The byte before the signature tells how many of its bits are unused.
    for at in signed.chain(signature.start - 1..signature.end) {
        let mut altered = der.to_vec();
        altered[at] ^= 0x01;
        let text = pem::write_block("CERTIFICATE REQUEST", &altered);
        assert!(read_requested_key(&text).is_err(), "byte {at}");
    }
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    struct Borrowed<'a>(&'a KeyPair, &'a KeyPair);
    impl PublicKeyData for Borrowed<'_> {
        fn der_bytes(&self) -> &[u8] {
            self.0.der_bytes()
        }
        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &PKCS_ECDSA_P256_SHA256
        }
    }
    impl rcgen::SigningKey for Borrowed<'_> {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            self.1.sign(message)
        }
    }
    let (shown, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let request = CertificateParams::default()
        .serialize_request(&Borrowed(&shown, &own))
        .unwrap();
    let answer = read_requested_key(&request.pem().unwrap());
    assert_eq!(answer.err(), Some(AuthorityError::BadRequest));
}

#[test]
fn what_is_no_single_request_is_refused() {
    let (_, text) = request_with(&PKCS_ECDSA_P256_SHA256);
    let der = pem::read_blocks(&text).unwrap().remove(0).der;
    let trailing = [der.as_slice(), &[0]].concat();
    for text in [
        String::new(),
        "no request".to_owned(),
        include_str!("../../testdata/ca.cert.pem").to_owned(),
        format!("{text}{text}"),
        text.repeat(100),
        pem::write_block("CERTIFICATE", &der).to_string(),
        pem::write_block("CERTIFICATE REQUEST", &trailing).to_string(),
        pem::write_block("CERTIFICATE REQUEST", &[]).to_string(),
    ] {
        assert_eq!(
            read_requested_key(&text).err(),
            Some(AuthorityError::BadRequest)
        );
    }
}

#[test]
fn requests_made_here_and_by_openssl_are_read() {
    let made = make_request(&SpId::parse("shop").unwrap()).unwrap();
    let key = EcdsaKey::from_pem(&made.key_pem).unwrap();
    let taken = read_requested_key(&made.request_pem).unwrap();
    assert_eq!(
        taken.subject_public_key_info(),
        key.subject_public_key_info()
    );
    assert!(read_requested_key(include_str!("../../testdata/openssl.csr.pem")).is_ok());
    let older = made
        .request_pem
        .replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert!(read_requested_key(&older).is_ok());
}
