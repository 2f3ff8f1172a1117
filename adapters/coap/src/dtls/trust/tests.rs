use super::*;

fn credential() -> ServerCredential {
    let named = rcgen::generate_simple_self_signed(vec!["gateway".to_owned()]).unwrap();
    ServerCredential {
        chain: vec![named.cert.der().to_owned()],
        key: Zeroizing::new(named.signing_key.serialize_der()),
    }
}

fn refusal(credential: ServerCredential) -> UnusableCredential {
    Trust::new(credential, Arc::new(|_| None)).unwrap_err()
}

#[test]
fn a_credential_that_cannot_be_shown_is_refused_and_the_one_before_stays() {
    let empty = ServerCredential {
        chain: Vec::new(),
        ..credential()
    };
    assert_eq!(refusal(empty), UnusableCredential::NoCertificate);
    let no_certificate = ServerCredential {
        chain: vec![CertificateDer::from(vec![0x30, 0])],
        ..credential()
    };
    assert_eq!(refusal(no_certificate), UnusableCredential::Certificate);
    let no_key = ServerCredential {
        key: Zeroizing::new(vec![0x30, 0]),
        ..credential()
    };
    assert_eq!(refusal(no_key), UnusableCredential::Key);
    let other_key = || ServerCredential {
        key: credential().key,
        ..credential()
    };
    assert_eq!(refusal(other_key()), UnusableCredential::OtherKey);

    let trust = Trust::new(credential(), Arc::new(|_| None)).unwrap();
    let before = trust.config();
    assert!(trust.replace(other_key(), Arc::new(|_| None)).is_err());
    assert!(Arc::ptr_eq(&before, &trust.config()));
    trust.replace(credential(), Arc::new(|_| None)).unwrap();
    assert!(!Arc::ptr_eq(&before, &trust.config()));
}
