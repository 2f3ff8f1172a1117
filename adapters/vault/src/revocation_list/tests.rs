use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::*;

struct Signer {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

fn signer(usages: &[KeyUsagePurpose], key: KeyPair) -> Signer {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "the same for all");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = usages.to_vec();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let mut may_sign = params;
    may_sign.key_usages = vec![KeyUsagePurpose::CrlSign];
    Signer {
        issuer: Issuer::new(may_sign, key),
        certificate,
    }
}

fn usual() -> Signer {
    signer(
        &[KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
        KeyPair::generate().unwrap(),
    )
}

fn params(serials: &[u8]) -> CertificateRevocationListParams {
    let now = OffsetDateTime::from_unix_timestamp(1_796_126_400).unwrap();
    let revoked = |serial: &u8| RevokedCertParams {
        serial_number: SerialNumber::from_slice(&[*serial]),
        revocation_time: now,
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: now,
        next_update: now + Duration::days(7),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

#[test]
fn a_list_is_read_from_der_and_from_pem() {
    let signer = usual();
    let signed = params(&[5, 9]).signed_by(&signer.issuer).unwrap();
    let facts = read_revocation_list(signed.der(), &signer.certificate).unwrap();
    let serial = |n: u8| CertificateSerial::from_der_integer(&[n]);
    assert_eq!(facts.serials, BTreeSet::from([serial(5), serial(9)]));
    assert_eq!(facts.ends.millis(), (1_796_126_400 + 7 * 86_400) * 1000);
    assert_eq!(facts.der, signed.der().to_vec());
    let pem = signed.pem().unwrap();
    let again = read_revocation_list(pem.as_bytes(), &signer.certificate);
    assert_eq!(again.as_ref(), Ok(&facts));
    // Of two it is not known which one is meant.
    let two = format!("{pem}{pem}");
    let two = read_revocation_list(two.as_bytes(), &signer.certificate);
    assert_eq!(two, Err(InvalidList::Unreadable));
    let none = params(&[]).signed_by(&signer.issuer).unwrap();
    let none = read_revocation_list(none.der(), &signer.certificate).unwrap();
    assert!(none.serials.is_empty() && none.issuer == facts.issuer);
}

#[test]
fn what_is_no_list_of_this_authority_is_refused_by_name() {
    let (ours, impostor) = (usual(), usual());
    let signed = params(&[5]).signed_by(&impostor.issuer).unwrap();
    let read = |file: &[u8]| read_revocation_list(file, &ours.certificate);
    assert_eq!(read(signed.der()), Err(InvalidList::Foreign));
    for file in [&b""[..], b"no list", ours.certificate.as_slice()] {
        assert_eq!(read(file), Err(InvalidList::Unreadable));
    }
    let signed = params(&[5]).signed_by(&ours.issuer).unwrap();
    let mut broken = signed.der().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(read(&broken), Err(InvalidList::Foreign));
    let mut longer = signed.der().to_vec();
    longer.push(0);
    assert_eq!(read(&longer), Err(InvalidList::Unreadable));
}

#[test]
fn an_authority_without_the_right_to_sign_lists_and_weak_signatures_are_refused() {
    let leaves_alone = signer(
        &[KeyUsagePurpose::KeyCertSign],
        KeyPair::generate().unwrap(),
    );
    let signed = params(&[5]).signed_by(&leaves_alone.issuer).unwrap();
    let read = read_revocation_list(signed.der(), &leaves_alone.certificate);
    assert_eq!(read, Err(InvalidList::MayNotSign));
    let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let other = signer(&[KeyUsagePurpose::CrlSign], other);
    let signed = params(&[5]).signed_by(&other.issuer).unwrap();
    let read = read_revocation_list(signed.der(), &other.certificate);
    assert_eq!(read, Err(InvalidList::Signature));
}

#[test]
fn a_list_of_a_part_is_refused() {
    let signer = usual();
    let mut part = params(&[5]);
    part.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint {
            uris: vec!["https://acme.example/part.crl".into()],
        },
        scope: None,
    });
    let signed = part.signed_by(&signer.issuer).unwrap();
    let read = read_revocation_list(signed.der(), &signer.certificate);
    assert_eq!(read, Err(InvalidList::Extension));
}
