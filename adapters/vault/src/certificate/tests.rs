use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, SanType,
};

use super::*;

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn good() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri("urn:ics:sp:shop")];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

fn check(alter: impl FnOnce(&mut CertificateParams)) -> Result<CertificateFacts, ProfileViolation> {
    let mut params = good();
    alter(&mut params);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    check_client_certificate(certificate.der())
}

#[test]
fn identities_survive_a_round_trip() {
    for text in [
        "urn:ics:sp:shop",
        "urn:ics:operator:alice",
        "urn:ics:gateway:gw-1.example",
        "urn:ics:dev:vendor:fridge",
    ] {
        assert_eq!(CertificateIdentity::parse(text).unwrap().uri(), text);
    }
    for text in [
        "",
        "urn:ics:sp:",
        "urn:ics:shop",
        "URN:ics:sp:shop",
        "urn:ics:SP:shop",
        "urn:ics:sp:Shop",
        "urn:ics:sp:shop:more",
        "urn:ics:sp:shop ",
        "urn:ics:dev:fridge",
        "urn:ics:dev::fridge",
        "urn:ics:dev:vendor:",
        "urn:ics:sp:sh%6fp",
    ] {
        assert_eq!(
            CertificateIdentity::parse(text),
            Err(InvalidIdentity),
            "{text}"
        );
    }
}

#[test]
fn a_certificate_within_the_profile_passes_with_its_facts() {
    let facts = check(|params| {
        params.not_before = time::OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        params.not_after = time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x00, 0x80, 0x01]));
        params
            .subject_alt_names
            .push(SanType::DnsName("shop.example".try_into().unwrap()));
    })
    .unwrap();
    assert_eq!(
        facts.identity,
        CertificateIdentity::Sp(SpId::parse("shop").unwrap())
    );
    assert_eq!(facts.serial.to_string(), "8001");
    assert_eq!(facts.not_before, Timestamp::from_millis(1_700_000_000_000));
    assert_eq!(facts.not_after, Timestamp::from_millis(1_800_000_000_000));
}

#[test]
fn each_violation_has_its_name() {
    use ProfileViolation as V;
    type Case = (V, fn(&mut CertificateParams));
    let cases: [Case; 11] = [
        (V::Identity, |p| p.subject_alt_names.clear()),
        (V::Identity, |p| {
            p.subject_alt_names.push(uri("urn:ics:sp:shop2"))
        }),
        (V::Identity, |p| {
            p.subject_alt_names.push(uri("https://shop.example"))
        }),
        (V::Identity, |p| {
            p.subject_alt_names = vec![uri("urn:ics:dev:fridge")]
        }),
        (V::Identity, |p| {
            p.subject_alt_names = vec![SanType::DnsName("shop.example".try_into().unwrap())];
        }),
        (V::Authority, |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
        }),
        (V::KeyUsage, |p| p.key_usages.clear()),
        (V::KeyUsage, |p| {
            p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]
        }),
        (V::ExtendedKeyUsage, |p| p.extended_key_usages.clear()),
        (V::ExtendedKeyUsage, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        (V::ExtendedKeyUsage, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        }),
    ];
    for (expected, alter) in cases {
        assert_eq!(check(alter).err(), Some(expected));
    }
}

#[test]
fn keys_are_held_against_the_profile() {
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = good().self_signed(&rsa).unwrap();
    assert!(check_client_certificate(certificate.der()).is_ok());
    let p521 = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let certificate = good().self_signed(&p521).unwrap();
    assert_eq!(
        check_client_certificate(certificate.der()).err(),
        Some(ProfileViolation::Key)
    );
}

#[test]
fn bytes_before_behind_or_instead_are_unreadable() {
    let der = good()
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec();
    for bytes in [
        Vec::new(),
        vec![0; 100],
        [&der[..], &[0]].concat(),
        der[1..].to_vec(),
    ] {
        assert_eq!(read_certificate(&bytes), Err(ProfileViolation::Unreadable));
    }
}

#[test]
fn a_certificate_outside_the_profile_can_still_be_read_to_be_revoked() {
    let mut params = good();
    params.key_usages.clear();
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let facts = read_certificate(certificate.der()).unwrap();
    assert_eq!(facts.identity.uri(), "urn:ics:sp:shop");
}
