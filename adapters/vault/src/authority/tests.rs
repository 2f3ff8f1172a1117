use std::net::IpAddr;

use rcgen::{DnType, KeyPair};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::check_client_certificate;
use crate::make_request;

/// The provider's generator.
struct Provider;

impl Entropy for Provider {
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).unwrap();
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_796_126_400_123);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

const CA: &str = include_str!("../../testdata/ca.cert.pem");
const CA_KEY: &str = include_str!("../../testdata/ca.key.pem");
const SUB_CA: &str = include_str!("../../testdata/sub.cert.pem");
const SUB_CA_KEY: &str = include_str!("../../testdata/sub.key.pem");

fn authority() -> Authority {
    let made = Authority::create("Example SP CA", YEAR, NOW, &Provider).unwrap();
    Authority::load(&made.certificate_pem, &made.key_pem, Arc::new(Provider)).unwrap()
}

fn shop() -> SpId {
    SpId::parse("shop").unwrap()
}

fn request() -> String {
    make_request(&shop()).unwrap().request_pem
}

fn first_der(text: &str) -> Vec<u8> {
    certificates_of(text).unwrap()[0].der.to_vec()
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().unwrap().unwrap();
    let told = |name: &GeneralName<'_>| match name {
        GeneralName::IPAddress(bytes) => format!("IP {bytes:?}"),
        GeneralName::DNSName(name) => format!("DNS {name}"),
        GeneralName::URI(uri) => format!("URI {uri}"),
        other => format!("{other:?}"),
    };
    extension.value.general_names.iter().map(told).collect()
}

fn key_identifiers(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut subject, mut authority) = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => subject = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                authority = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    (subject, authority)
}

/// What every certificate below an authority must have; the DER of the leaf.
fn check_leaf(authority: &Authority, issued: &IssuedCertificate) -> Vec<u8> {
    let der = first_der(&issued.pem);
    let certificate = parse_der(&der).unwrap();
    let issuer = parse_der(authority.certificate_der()).unwrap();
    certificate
        .verify_signature(Some(issuer.public_key()))
        .unwrap();
    assert_eq!(certificate.issuer().as_raw(), issuer.subject().as_raw());
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1, "digitalSignature alone");
    let (subject_id, authority_id) = key_identifiers(&certificate);
    assert!(subject_id.is_some());
    assert_eq!(authority_id, key_identifiers(&issuer).0);
    assert_eq!(issued.thumbprint, thumbprint_of(&der));
    assert_eq!(
        issued.serial,
        CertificateSerial::from_der_integer(certificate.raw_serial())
    );
    assert!(issued.serial.as_bytes().len() > 8);
    assert_eq!(
        issued.not_after,
        timestamp_of(certificate.validity().not_after)
    );
    der
}

#[test]
fn a_new_authority_may_sign_leaves_alone() {
    let authority = authority();
    let certificate = parse_der(authority.certificate_der()).unwrap();
    certificate.verify_signature(None).unwrap();
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(!usage.value.digital_signature());
    assert_eq!(
        first_der(&authority.certificate_pem()),
        authority.certificate_der()
    );
    let (subject_id, authority_id) = key_identifiers(&certificate);
    assert!(subject_id.is_some());
    assert_eq!(subject_id, authority_id);
}

#[test]
fn an_issued_certificate_names_the_sp_and_fits_the_profile() {
    let authority = authority();
    let request = make_request(&shop()).unwrap();
    let issued = authority
        .issue(&shop(), &request.request_pem, WEEK, NOW)
        .unwrap();
    let der = check_leaf(&authority, &issued);
    let facts = check_client_certificate(&der).unwrap();
    assert_eq!(facts.identity, CertificateIdentity::Sp(shop()));
    assert_eq!(
        facts.not_before,
        Timestamp::from_millis(1_796_126_400_000 - 300_000)
    );
    assert_eq!(
        facts.not_after,
        Timestamp::from_millis(1_796_126_400_000 + 7 * 86_400_000)
    );
    let certificate = parse_der(&der).unwrap();
    assert_eq!(names_of(&certificate), ["URI urn:ics:sp:shop"]);
    let common_name = certificate.subject().iter_common_name().next().unwrap();
    assert_eq!(common_name.as_str().unwrap(), "shop");
    let usage = certificate.extended_key_usage().unwrap().unwrap();
    assert!(usage.value.client_auth && !usage.value.server_auth && !usage.value.any);
    let key = EcdsaKey::from_pem(&request.key_pem).unwrap();
    assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
}

#[test]
fn nothing_but_the_key_is_taken_from_a_request() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![SanType::URI("urn:ics:sp:other".try_into().unwrap())];
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Operator AG");
    let request = params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap();
    let openssl = include_str!("../../testdata/openssl.csr.pem").to_owned();
    let authority = authority();
    for text in [request.pem().unwrap(), openssl] {
        let issued = authority.issue(&shop(), &text, WEEK, NOW).unwrap();
        let der = check_leaf(&authority, &issued);
        let certificate = parse_der(&der).unwrap();
        assert_eq!(names_of(&certificate), ["URI urn:ics:sp:shop"]);
        assert_eq!(certificate.subject().to_string(), "CN=shop");
        assert!(check_client_certificate(&der).is_ok());
        // AKI, SAN, KU, EKU, SKI, BC: what was asked for beyond them is not there.
        assert_eq!(certificate.extensions().len(), 6);
    }
}

#[test]
fn a_refused_request_is_refused_here_too() {
    let authority = authority();
    let weak = include_str!("../../testdata/rsa1024.csr.pem");
    let answer = authority.issue(&shop(), weak, WEEK, NOW);
    assert_eq!(answer, Err(AuthorityError::KeyNotAllowed));
    assert_eq!(
        authority.issue(&shop(), "", WEEK, NOW),
        Err(AuthorityError::BadRequest)
    );
}

#[test]
fn serial_numbers_differ() {
    let (authority, request) = (authority(), request());
    let serials: std::collections::HashSet<_> = (0..50)
        .map(|_| {
            authority
                .issue(&shop(), &request, WEEK, NOW)
                .unwrap()
                .serial
                .to_string()
        })
        .collect();
    assert_eq!(serials.len(), 50);
}

#[test]
fn a_serial_number_with_zeros_in_front_is_told_as_in_the_certificate() {
    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
            out[3] = 0x90;
        }
    }
    let made = Authority::create("CA", YEAR, NOW, &Provider).unwrap();
    let authority = Authority::load(&made.certificate_pem, &made.key_pem, Arc::new(Zeros)).unwrap();
    let issued = authority.issue(&shop(), &request(), WEEK, NOW).unwrap();
    assert_eq!(issued.serial.to_string(), "90000000000000000000000000");
    assert_eq!(
        authority.inspect(&issued.pem).unwrap().1.serial,
        issued.serial
    );
}

#[test]
fn a_leaf_stays_within_the_validity_of_its_authority() {
    let authority = authority();
    let issued = authority.issue(&shop(), &request(), 2 * YEAR, NOW).unwrap();
    assert_eq!(issued.not_after, authority.not_after);
    for now in [
        NOW.plus(YEAR),
        Timestamp::from_millis(NOW.millis() - 3_600_000),
    ] {
        let answer = authority.issue(&shop(), &request(), WEEK, now);
        assert_eq!(answer, Err(AuthorityError::Unavailable));
    }
}

#[test]
fn server_certificates_speak_for_their_names() {
    let authority = authority();
    let names = ServerNames::parse(["GW.example", "localhost", "127.0.0.1", "::1"]).unwrap();
    let made = authority.issue_server(&names, WEEK, NOW).unwrap();
    let der = check_leaf(&authority, &made.certificate);
    let certificate = parse_der(&der).unwrap();
    let six: IpAddr = "::1".parse().unwrap();
    let IpAddr::V6(six) = six else {
        panic!("not an IPv6 address")
    };
    assert_eq!(
        names_of(&certificate),
        [
            "DNS gw.example".to_owned(),
            "DNS localhost".to_owned(),
            "IP [127, 0, 0, 1]".to_owned(),
            format!("IP {:?}", six.octets()),
        ]
    );
    let usage = certificate.extended_key_usage().unwrap().unwrap();
    assert!(usage.value.server_auth && !usage.value.client_auth);
    let key = EcdsaKey::from_pem(&made.key_pem).unwrap();
    assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
}

#[test]
fn server_names_are_dns_names_or_addresses() {
    let long = "a".repeat(64);
    for name in [
        "",
        " ",
        "*.example",
        "a..b",
        "-a",
        "a_b",
        "gw.example:443",
        "bücher.example",
        &long,
    ] {
        assert_eq!(ServerNames::parse([name]), Err(InvalidServerName), "{name}");
    }
    assert_eq!(ServerNames::parse([]), Err(InvalidServerName));
    assert!(ServerNames::parse(["10.0.0.1"]).is_ok());
}

#[test]
fn client_certificates_carry_the_identity_given() {
    let authority = authority();
    for uri in [
        "urn:ics:operator:alice",
        "urn:ics:gateway:gw-1",
        "urn:ics:sp:vendor",
    ] {
        let identity = CertificateIdentity::parse(uri).unwrap();
        let made = authority.issue_client(&identity, WEEK, NOW).unwrap();
        let der = check_leaf(&authority, &made.certificate);
        assert_eq!(check_client_certificate(&der).unwrap().identity, identity);
        assert_eq!(names_of(&parse_der(&der).unwrap()), [format!("URI {uri}")]);
        assert!(EcdsaKey::from_pem(&made.key_pem).is_ok());
    }
}

#[test]
fn inspection_tells_what_was_issued() {
    let authority = authority();
    let issued = authority.issue(&shop(), &request(), WEEK, NOW).unwrap();
    assert_eq!(authority.inspect(&issued.pem), Ok((shop(), issued.clone())));
    let commented = format!("subject=CN=shop\r\n{}\n", issued.pem.replace('\n', "\r\n"));
    assert_eq!(authority.inspect(&commented), Ok((shop(), issued)));
}

#[test]
fn inspection_refuses_what_names_no_sp() {
    let authority = authority();
    let operator = CertificateIdentity::parse("urn:ics:operator:alice").unwrap();
    let operator = authority.issue_client(&operator, WEEK, NOW).unwrap();
    let names = ServerNames::parse(["localhost"]).unwrap();
    let server = authority.issue_server(&names, WEEK, NOW).unwrap();
    for text in [
        "",
        "nonsense",
        CA,
        &request(),
        &operator.key_pem,
        &operator.certificate.pem,
        &server.certificate.pem,
    ] {
        assert_eq!(
            authority.inspect(text),
            Err(AuthorityError::BadRequest),
            "{text}"
        );
    }
}

#[test]
fn an_authority_made_by_openssl_is_taken() {
    let authority = Authority::load(CA, CA_KEY, Arc::new(Provider)).unwrap();
    let issued = authority.issue(&shop(), &request(), WEEK, NOW).unwrap();
    check_leaf(&authority, &issued);
    assert_eq!(issued.pem.matches("BEGIN").count(), 1);
}

#[test]
fn an_intermediate_authority_sends_itself_along_and_not_the_anchor() {
    let file = format!("{SUB_CA}{CA}");
    let authority = Authority::load(&file, SUB_CA_KEY, Arc::new(Provider)).unwrap();
    let issued = authority.issue(&shop(), &request(), WEEK, NOW).unwrap();
    check_leaf(&authority, &issued);
    let sent = certificates_of(&issued.pem).unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].der.to_vec(), first_der(SUB_CA));
    assert_eq!(authority.inspect(&issued.pem), Ok((shop(), issued)));
}

#[test]
fn a_root_makes_authorities_for_leaves_alone_and_they_make_none() {
    let made = Authority::create_root("Example root", YEAR, NOW, &Provider).unwrap();
    let root = Authority::load(&made.certificate_pem, &made.key_pem, Arc::new(Provider)).unwrap();
    assert!(root.may_sign_authorities());
    let made = root.create_issuing("Example SP CA", YEAR * 2, NOW).unwrap();
    let both = certificates_of(&made.certificate_pem).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(both[1].der.to_vec(), root.certificate_der());
    assert!(crate::is_issued_by(&both[0].der, &both[1].der));
    assert!(!crate::is_issued_by(&both[1].der, &both[0].der));
    assert!(!crate::is_issued_by(&both[1].der, &both[1].der));
    let issuing = parse_der(&both[0].der).unwrap();
    let constraints = issuing.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    // It does not outlive its root.
    assert!(issuing.validity().not_after == parse_der(&both[1].der).unwrap().validity().not_after);
    let issuing =
        Authority::load(&made.certificate_pem, &made.key_pem, Arc::new(Provider)).unwrap();
    assert!(!issuing.may_sign_authorities());
    assert!(issuing.create_issuing("One more", YEAR, NOW).is_err());
    let issued = issuing.issue(&shop(), &request(), WEEK, NOW).unwrap();
    check_leaf(&issuing, &issued);
    assert_eq!(certificates_of(&issued.pem).unwrap().len(), 2);
}

#[test]
fn leaves_say_where_the_list_of_revoked_ones_lies() {
    let url = "https://ics.example:8445/revoked.crl";
    let distribution = |issued: &IssuedCertificate| {
        let der = first_der(&issued.pem);
        let certificate = parse_der(&der).unwrap();
        let told = certificate.extensions().iter().filter_map(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::CRLDistributionPoints(points) => Some(format!("{points:?}")),
                _ => None,
            }
        });
        told.collect::<Vec<_>>()
    };
    let plain = authority().issue(&shop(), &request(), WEEK, NOW).unwrap();
    assert!(distribution(&plain).is_empty());
    let listed = authority().with_list_at(url.into());
    let issued = listed.issue(&shop(), &request(), WEEK, NOW).unwrap();
    check_leaf(&listed, &issued);
    let told = distribution(&issued);
    assert!(told.len() == 1 && told[0].contains(url), "{told:?}");
    assert!(check_client_certificate(&first_der(&issued.pem)).is_ok());
}

#[test]
fn what_is_no_authority_is_not_loaded() {
    use InvalidKeyMaterial as I;
    let load =
        |certificate: &str, key: &str| Authority::load(certificate, key, Arc::new(Provider)).err();
    let identity = CertificateIdentity::parse("urn:ics:sp:shop").unwrap();
    let leaf = authority().issue_client(&identity, WEEK, NOW).unwrap();
    assert_eq!(
        load(&leaf.certificate.pem, &leaf.key_pem),
        Some(I::NotAuthority)
    );
    assert_eq!(load(CA, SUB_CA_KEY), Some(I::KeyMismatch));
    assert_eq!(load(CA, CA), Some(I::NoKey));
    assert_eq!(
        load(CA, include_str!("../../testdata/ed25519.key.pem")),
        Some(I::NoKey)
    );
    assert_eq!(load(CA_KEY, CA_KEY), Some(I::NoCertificate));
    assert_eq!(load("", ""), Some(I::NoCertificate));
    assert_eq!(load("-----BEGIN CERTIFICATE-----\n", ""), Some(I::Pem));
}

#[test]
fn debug_shows_no_key() {
    let made = Authority::create("CA", YEAR, NOW, &Provider).unwrap();
    assert_eq!(format!("{made:?}"), "NewAuthority(..)");
    let names = ServerNames::parse(["localhost"]).unwrap();
    let issued = authority().issue_server(&names, WEEK, NOW).unwrap();
    assert!(!format!("{issued:?}").contains("PRIVATE KEY"));
    assert!(!format!("{:?}", authority()).contains("key"));
}
