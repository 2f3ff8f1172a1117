use std::sync::Arc;

use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::{DeviceId, SpId};
use ics_core::party::CertificateRecord;
use ics_core::port::{Clock as _, DirectorySource};
use ics_vault::read_certificate;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SubjectPublicKeyInfo};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::sample::{SampleAuthority, client_params, connect, handshake, server_of, verifier_of};
use super::*;
use crate::ambient::{SharedDirectory, SystemClock};
use crate::telemetry::CONNECTION_REFUSALS;

const SHOP: &str = "urn:ics:sp:shop";

/// What the verifier of `anchors` says of a certificate; empty when it takes it.
fn verdict(anchors: Vec<TrustAnchor>, leaf: &[u8]) -> String {
    let verifier = ClientVerifier::new(anchors, None);
    let verdict = verifier.check(&leaf.into(), &[], UnixTime::now());
    verdict.map_or_else(|refusal| refusal.to_string(), |()| String::new())
}

fn verdict_on(params: &CertificateParams) -> String {
    let authority = SampleAuthority::new();
    let leaf = authority.sign(params, &KeyPair::generate().unwrap());
    verdict(vec![authority.anchor("urn:ics:sp:*")], &leaf)
}

#[test]
fn a_certificate_of_the_profile_is_taken() {
    assert_eq!(verdict_on(&client_params(&[SHOP])), "");
}

#[test]
fn no_name_two_names_and_foreign_names_are_refused() {
    for uris in [
        &[][..],
        &[SHOP, "urn:ics:sp:other"],
        &["https://shop.example"],
        &["urn:ics:sp:"],
    ] {
        let verdict = verdict_on(&client_params(uris));
        assert!(verdict.contains("exactly one URI"), "{uris:?}: {verdict}");
    }
}

#[test]
fn an_authority_speaks_for_its_own_namespace_alone() {
    let (ours, acme) = (SampleAuthority::new(), SampleAuthority::new());
    let anchors = || vec![acme.anchor("urn:ics:sp:acme"), ours.anchor("urn:ics:sp:*")];
    let key = KeyPair::generate().unwrap();
    let of = |authority: &SampleAuthority, uri| authority.sign(&client_params(&[uri]), &key);
    assert_eq!(verdict(anchors(), &of(&acme, "urn:ics:sp:acme")), "");
    assert_eq!(verdict(anchors(), &of(&ours, SHOP)), "");
    let stolen = verdict(anchors(), &of(&acme, SHOP));
    assert!(stolen.contains("outside the namespace"), "{stolen}");
    for uri in ["urn:ics:operator:cli", "urn:ics:gateway:ics"] {
        let verdict = verdict(anchors(), &of(&ours, uri));
        assert!(
            verdict.contains("outside the namespace"),
            "{uri}: {verdict}"
        );
    }
}

#[test]
fn one_key_may_be_anchored_under_two_names() {
    let authority = SampleAuthority::new();
    let anchors = ["urn:ics:sp:one", "urn:ics:sp:two"].map(|n| authority.anchor(n));
    let leaf = authority.sign(
        &client_params(&["urn:ics:sp:two"]),
        &KeyPair::generate().unwrap(),
    );
    assert_eq!(verdict(anchors.into(), &leaf), "");
}

#[test]
fn an_authority_of_the_same_name_with_another_key_is_a_stranger() {
    let (ours, impostor) = (SampleAuthority::new(), SampleAuthority::new());
    let leaf = impostor.sign(&client_params(&[SHOP]), &KeyPair::generate().unwrap());
    assert!(verdict(vec![ours.anchor("urn:ics:sp:*")], &leaf).contains("BadSignature"));
    assert!(verdict(Vec::new(), &leaf).contains("UnknownIssuer"));
}

#[test]
fn certificates_out_of_time_are_refused() {
    let day = time::Duration::days(1);
    let now = time::OffsetDateTime::now_utc();
    let mut params = client_params(&[SHOP]);
    (params.not_before, params.not_after) = (now - day * 2, now - day);
    assert!(verdict_on(&params).to_lowercase().contains("expired"));
    (params.not_before, params.not_after) = (now + day, now + day * 2);
    assert!(verdict_on(&params).to_lowercase().contains("not valid yet"));
}

#[test]
fn usages_are_asked_for_and_not_assumed() {
    let mut params = client_params(&[SHOP]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert!(verdict_on(&params).contains("clientAuth"));
    params.extended_key_usages = Vec::new();
    assert!(verdict_on(&params).contains("clientAuth"));
    let mut params = client_params(&[SHOP]);
    params.key_usages = Vec::new();
    assert!(verdict_on(&params).contains("digitalSignature"));
    let mut params = client_params(&[SHOP]);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    assert!(verdict_on(&params).contains("authority"));
}

#[test]
fn keys_and_signatures_below_the_profile_are_refused() {
    let authority = SampleAuthority::new();
    let params = client_params(&[SHOP]);
    let anchors = || vec![authority.anchor("urn:ics:sp:*")];
    let rsa = |pem| authority.sign(&params, &SubjectPublicKeyInfo::from_pem(pem).unwrap());
    assert!(verdict(anchors(), &rsa(RSA_1024)).contains("2048 bits"));
    assert_eq!(verdict(anchors(), &rsa(RSA_2048)), "");
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P521_SHA512] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let weak = verdict(anchors(), &authority.sign(&params, &key));
        assert!(weak.contains("key must be"), "{weak}");
    }
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(verdict(anchors(), &authority.sign(&params, &p384)), "");

    let other = SampleAuthority::with_key(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let leaf = other.sign(&params, &KeyPair::generate().unwrap());
    assert!(verdict(vec![other.anchor("urn:ics:sp:*")], &leaf).contains("signature must be"));
    assert!(!verdict(anchors(), b"no certificate").is_empty());
}

#[test]
fn what_a_certificate_lacks_of_the_profile_has_a_code_of_its_own() {
    let authority = SampleAuthority::new();
    let verifier = ClientVerifier::new(vec![authority.anchor("urn:ics:sp:*")], None);
    let code = |leaf: &[u8]| {
        let refused = verifier.check(&leaf.into(), &[], UnixTime::now());
        handshake::refusal_cause(refused.unwrap_err())
    };
    let spoiled = |spoil: &dyn Fn(&mut CertificateParams)| {
        let mut params = client_params(&[SHOP]);
        spoil(&mut params);
        code(&authority.sign(&params, &KeyPair::generate().unwrap()))
    };
    let sha1 = CertificateDer::from_pem_slice(SHA1_LEAF.as_bytes()).unwrap();
    assert_eq!(code(&sha1), "CERTIFICATE_SIGNATURE");
    let rsa = SubjectPublicKeyInfo::from_pem(RSA_1024).unwrap();
    let weak = authority.sign(&client_params(&[SHOP]), &rsa);
    assert_eq!(code(&weak), "CERTIFICATE_KEY");
    assert_eq!(code(b"no certificate"), "CERTIFICATE_UNREADABLE");
    for (spoil, expected) in [
        (
            &(|params: &mut CertificateParams| params.extended_key_usages.clear())
                as &dyn Fn(&mut CertificateParams),
            "CERTIFICATE_EXTENDED_KEY_USAGE",
        ),
        (&|params| params.key_usages.clear(), "CERTIFICATE_KEY_USAGE"),
        (
            &|params| params.subject_alt_names.clear(),
            "CERTIFICATE_IDENTITY",
        ),
        (
            &|params| {
                let names = params.subject_alt_names.clone();
                params.subject_alt_names.extend(names);
            },
            "CERTIFICATE_IDENTITY",
        ),
        (
            &|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            "CERTIFICATE_OF_AUTHORITY",
        ),
    ] {
        assert_eq!(spoiled(spoil), expected);
        assert!(CONNECTION_REFUSALS.contains(&expected));
    }
}

#[test]
fn revoked_certificates_are_refused_by_serial_number_and_by_thumbprint() {
    let authority = SampleAuthority::new();
    let leaf = authority.sign(&client_params(&[SHOP]), &KeyPair::generate().unwrap());
    let facts = read_certificate(&leaf).unwrap();
    let other = authority.sign(&client_params(&[SHOP]), &KeyPair::generate().unwrap());
    let other = read_certificate(&other).unwrap();
    let now = SystemClock::new().now();
    let record = |serial: &ics_core::principal::CertificateSerial, thumbprint, revoked| {
        DirectoryRecord::Certificate(Arc::new(CertificateRecord {
            serial: serial.clone(),
            thumbprint,
            sp: SpId::parse("shop").unwrap(),
            not_after: facts.not_after,
            revoked,
            version: 1,
        }))
    };
    let verdict = |record| {
        let directory = Arc::new(SharedDirectory::new(Directory::from_records([record])));
        let directory: Arc<dyn DirectorySource> = directory;
        let verifier = ClientVerifier::new(vec![authority.anchor("urn:ics:sp:*")], Some(directory));
        verifier
            .verify_client_cert(&leaf, &[], UnixTime::now())
            .map_err(|e| e.to_string())
    };
    assert!(verdict(record(&facts.serial, None, None)).is_ok());
    let by_serial = verdict(record(&facts.serial, None, Some(now))).unwrap_err();
    assert!(by_serial.contains("Revoked"), "{by_serial}");
    let by_thumbprint = record(&other.serial, Some(facts.thumbprint), Some(now));
    assert!(verdict(by_thumbprint).unwrap_err().contains("Revoked"));
}

#[test]
fn replaced_anchors_hold_from_the_next_handshake_on() {
    let (old, new) = (SampleAuthority::new(), SampleAuthority::new());
    let leaf = old.sign(&client_params(&[SHOP]), &KeyPair::generate().unwrap());
    let verifier = ClientVerifier::new(vec![old.anchor("urn:ics:sp:*")], None);
    assert!(
        verifier
            .verify_client_cert(&leaf, &[], UnixTime::now())
            .is_ok()
    );
    verifier.replace_anchors(vec![new.anchor("urn:ics:sp:*")]);
    assert!(
        verifier
            .verify_client_cert(&leaf, &[], UnixTime::now())
            .is_err()
    );
}

#[tokio::test]
async fn both_sides_show_certificates_and_a_stranger_is_turned_away() {
    let (ours, stranger) = (SampleAuthority::new(), SampleAuthority::new());
    let verifier = || verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
    let kind = handshake(verifier(), ours.server(), ours.root(), ours.client(SHOP)).await;
    assert_eq!(kind.unwrap(), HandshakeKind::Full);
    let refused = handshake(
        verifier(),
        ours.server(),
        ours.root(),
        stranger.client(SHOP),
    )
    .await;
    assert!(refused.is_err());
    let wrong_server = handshake(
        verifier(),
        stranger.server(),
        ours.root(),
        ours.client(SHOP),
    );
    assert!(wrong_server.await.is_err());
}

#[tokio::test]
async fn without_a_client_certificate_nothing_is_served() {
    let ours = SampleAuthority::new();
    let verifier = verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
    let client = ClientConfig::builder_with_provider(profile::provider(false))
        .with_protocol_versions(profile::versions(false))
        .unwrap()
        .with_root_certificates(roots(&ours))
        .with_no_client_auth();
    let server = server_of(verifier, ours.server(), false);
    assert!(connect(&Arc::new(server), &Arc::new(client)).await.is_err());
}

#[tokio::test]
async fn tls12_is_refused_unless_switched_on() {
    let ours = SampleAuthority::new();
    for tls12 in [false, true] {
        let verifier = verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
        let server = Arc::new(server_of(verifier, ours.server(), tls12));
        let client = resuming_client(&ours, &[&rustls::version::TLS12]);
        assert_eq!(connect(&server, &client).await.is_ok(), tls12);
    }
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let ours = SampleAuthority::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let verifier = verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
        let server = Arc::new(server_of(verifier, ours.server(), true));
        let client = resuming_client(&ours, &[version]);
        for _ in 0..3 {
            assert_eq!(
                connect(&server, &client).await.unwrap(),
                HandshakeKind::Full
            );
        }
    }
}

#[tokio::test]
async fn the_sample_client_would_resume_if_it_could() {
    // Else the test before this one shows nothing.
    let ours = SampleAuthority::new();
    let verifier = verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
    let mut server = server_of(verifier, ours.server(), false);
    server.session_storage = rustls::server::ServerSessionMemoryCache::new(8);
    server.send_tls13_tickets = 2;
    let (server, client) = (
        Arc::new(server),
        resuming_client(&ours, &[&rustls::version::TLS13]),
    );
    connect(&server, &client).await.unwrap();
    assert_eq!(
        connect(&server, &client).await.unwrap(),
        HandshakeKind::Resumed
    );
}

#[tokio::test]
async fn tls11_is_refused_with_an_alert_even_with_the_switch() {
    let ours = SampleAuthority::new();
    let verifier = verifier_of(&ours.root(), "urn:ics:sp:*".parse().unwrap());
    let server = Arc::new(server_of(verifier, ours.server(), true));
    let (mut near, far) = tokio::io::duplex(1 << 16);
    // ClientHello of TLS 1.1, which offers nothing that is still spoken: no session, ECDHE_RSA_WITH_AES_128_CBC_SHA, no extensions.
    let mut hello = vec![1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xC0, 0x13, 1, 0]);
    let mut record = vec![22, 3, 1, 0, 45];
    record.extend(hello);
    near.write_all(&record).await.unwrap();
    let refused = tokio_rustls::TlsAcceptor::from(server).accept(far).await;
    assert!(refused.is_err());
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(
        (answer.len(), answer[0], answer[5]),
        (7, 21, 2),
        "one fatal alert: {answer:?}"
    );
}

#[tokio::test]
async fn hybrid_key_exchange_comes_first() {
    let first = profile::provider(false).kx_groups[0].name();
    assert_eq!(first, rustls::NamedGroup::X25519MLKEM768);
}

/// What is said of a device's chain over DTLS: who it is, or the code of why not.
fn device_verdict(authority: &SampleAuthority, chain: &[&[u8]]) -> Result<String, &'static str> {
    let anchor = TrustAnchor::new(authority.root().remove(0), Namespace::DEVICES).unwrap();
    let verifier = ClientVerifier::new(vec![anchor], None);
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let verified = verify_device(&verifier, &chain, &SystemClock::new());
    verified.map(|device| {
        format!(
            "{} of {}",
            device.device_id.as_str(),
            device.iot_sp.as_str()
        )
    })
}

#[test]
fn over_dtls_a_device_is_who_its_authority_says() {
    let ours = SampleAuthority::new();
    let id = DeviceId::mint([7; 16]);
    let name = format!("urn:ics:dev:acme:{}", id.as_str());
    let device = ours.client(&name);
    let expected = format!("{} of acme", id.as_str());
    assert_eq!(
        device_verdict(&ours, &[sample::leaf_of(&device)]),
        Ok(expected)
    );
    let impostor = SampleAuthority::with_key(KeyPair::generate().unwrap());
    let other = impostor.client(&name);
    let refused = device_verdict(&ours, &[sample::leaf_of(&other)]);
    // Signed by another key under the same name.
    assert_eq!(refused, Err("CERTIFICATE_REFUSED"));
    let provider = ours.client(SHOP);
    let refused = device_verdict(&ours, &[sample::leaf_of(&provider)]);
    assert_eq!(refused, Err("CERTIFICATE_OUTSIDE_NAMESPACE"));
    assert_eq!(device_verdict(&ours, &[]), Err("CERTIFICATE_MISSING"));
    assert_eq!(
        device_verdict(&ours, &[b"no certificate"]),
        Err("CERTIFICATE_UNREADABLE")
    );
}

#[test]
fn over_dtls_what_is_out_of_time_or_for_another_use_is_refused() {
    let ours = SampleAuthority::new();
    let name = format!("urn:ics:dev:acme:{}", DeviceId::mint([7; 16]).as_str());
    let verdict = |params: &CertificateParams| {
        let leaf = ours.sign(params, &KeyPair::generate().unwrap());
        device_verdict(&ours, &[&leaf]).unwrap_err()
    };
    let day = time::Duration::days(1);
    let now = time::OffsetDateTime::now_utc();
    let mut params = client_params(&[&name]);
    (params.not_before, params.not_after) = (now - day * 2, now - day);
    assert_eq!(verdict(&params), "CERTIFICATE_EXPIRED");
    (params.not_before, params.not_after) = (now + day, now + day * 2);
    assert_eq!(verdict(&params), "CERTIFICATE_NOT_YET_VALID");
    let mut params = client_params(&[&name]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(verdict(&params), "CERTIFICATE_EXTENDED_KEY_USAGE");
}

fn roots(authority: &SampleAuthority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root().remove(0)).unwrap();
    roots
}

/// A client that takes every ticket it is given, as browsers and curl do.
fn resuming_client(
    authority: &SampleAuthority,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let Credential { chain, key } = authority.client(SHOP);
    let mut client = ClientConfig::builder_with_provider(profile::provider(true))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(authority))
        .with_client_auth_cert(chain, key)
        .unwrap();
    client.resumption = Resumption::in_memory_sessions(8);
    Arc::new(client)
}

/// Of the profile, but for its signature.
const SHA1_LEAF: &str = "-----BEGIN CERTIFICATE-----
MIIBszCCAVqgAwIBAgIUJBK6JN1VnRbQvJBttNmKpRmeubUwCQYHKoZIzj0EATAP
MQ0wCwYDVQQDDARzaG9wMCAXDTI2MTEyMzIxMzE1NVoYDzIxMjYxMDMwMjEzMTU1
WjAPMQ0wCwYDVQQDDARzaG9wMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEI7HY
mRvhZ3fB+IIhnve0umbFe+d3xIoE1bx/bpzrIZ2VMJf8LTuirkhgkQs48c9J2SVh
yhwr2Gv4nsIMIUkAHKOBkjCBjzAdBgNVHQ4EFgQU9JheL2fHYY/H4yPpm8DH52h8
NC4wHwYDVR0jBBgwFoAU9JheL2fHYY/H4yPpm8DH52h8NC4wGgYDVR0RBBMwEYYP
dXJuOmljczpzcDpzaG9wMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMBMG
A1UdJQQMMAoGCCsGAQUFBwMCMAkGByqGSM49BAEDSAAwRQIgcLYbUmDJEOJNpJ7d
JpfdotmYOKau2E8xeI2A/MoyNgECIQCxVG2kZbfufOfen7V3CdxsyR1oX58JRDPd
0a9P1C9TnA==
-----END CERTIFICATE-----
";

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCjZ6OsYzoz1qiCc6Va68oF1mUP
V5aDJ2vczbn0HCxEXRZp/ST09KuNnm4YP9T3Ky1p28+yVsC/NnJH71RIENSN3YnG
HCpYIj9TSgMWSQvvnQcc2bdriQ7okCNeGl5/ZEpHMRp7b91/SCTkB+akRPVUxKma
/qjhA5QYvCgbEVKczQIDAQAB
-----END PUBLIC KEY-----
";

const RSA_2048: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA9ynsfQq7MLJwqq7IlyBp
YtDebLHsV34RkPH+Gbwpy1VzyZX12ahQEiquo2MQ0bOFSAlNyYS49HchO9jWjG1m
h3lLPg/bk2jdqN/Df88TgBhfRrBBr8AE6TCZ77iqthc5KkEpQa6Cs+1Tq+EMWtu4
tlzfgf2Ti4En16HU0MJjkGULZGMZC+6ADOfp4257vt5vo7YRtoUJ2QX8/+Esu5I1
yJzqiDmWXLevG5IlzLxhdWXTL1EokOEhsetgjfh5vZXdVX/a3Xo4zTGqc2lcz5yK
v2aciXdQ3UlzoSMQjHuBDVX2lPHHb8GTzvpLubXDRlVc83lfJ8o1j0li9E0IvfpU
YwIDAQAB
-----END PUBLIC KEY-----
";
