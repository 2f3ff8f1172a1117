//! Certificates, PEM, certificate requests, keyrings.

use ics_vault::{
    CertificateIdentity, Keyring, SigningKey, check_client_certificate, fuzzing, read_certificate,
    read_revocation_list,
};

/// A certificate as it comes in a handshake; or the URI it names somebody by.
pub(super) fn certificate(data: &[u8]) {
    if let Ok(facts) = read_certificate(data) {
        let uri = facts.identity.uri();
        assert_eq!(CertificateIdentity::parse(&uri), Ok(facts.identity.clone()));
        // Named once: its URI stands in the bytes as it is told.
        assert!(data.windows(uri.len()).any(|part| part == uri.as_bytes()));
        if let Ok(checked) = check_client_certificate(data) {
            assert_eq!(checked, facts);
        }
    } else {
        assert!(check_client_certificate(data).is_err());
    }
    if let Some(text) = super::text(data)
        && let Ok(identity) = CertificateIdentity::parse(text)
    {
        assert_eq!(identity.uri(), text);
    }
}

/// PEM: what was read is written and reads the same.
pub(super) fn pem(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Some(blocks) = fuzzing::read_pem(text) {
        let written: String = blocks
            .iter()
            .map(|(label, der)| fuzzing::write_pem(label, der))
            .collect();
        assert_eq!(fuzzing::read_pem(&written), Some(blocks));
    }
    let _ = fuzzing::is_request(text);
    if let Ok(key) = SigningKey::from_pem(text) {
        drop(key);
    }
}

/// Keyrings.
pub(super) fn keyring(data: &[u8]) {
    let Some(text) = super::text(data) else {
        return;
    };
    if let Ok(keyring) = Keyring::parse(text) {
        let rendered = keyring.render();
        let again = Keyring::parse(&rendered).expect("what was rendered is read");
        assert!(again.render() == rendered);
    }
}

/// A list of revoked certificates, PEM or DER, held against an authority that it was made for or not.
pub(super) fn revocation_list(data: &[u8]) {
    if let Ok(list) = read_revocation_list(data, AUTHORITY) {
        // The same from its DER alone, and of nobody else.
        let again = read_revocation_list(&list.der, AUTHORITY);
        assert_eq!(again.as_ref(), Ok(&list));
        assert!(read_revocation_list(&list.der, data).is_err());
        assert!(
            list.serials
                .iter()
                .all(|serial| serial.as_bytes().len() <= data.len())
        );
    }
}

/// Who signed the lists of the corpus, DER.
const AUTHORITY: &[u8] = include_bytes!("../corpus/certificate/list-authority");
