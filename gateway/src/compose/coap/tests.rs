use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

use super::*;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::compose::examine;
use crate::init::{Domain, Settings, create_domain};

fn domain(directory: &Path) -> Config {
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let domain = Domain {
        directory: directory.join("domain"),
        t8: address(8443),
        operator: address(8444),
        mqtt: address(8883),
        coap: address(5684),
        enrolment: None,
        public_url: None,
        settings: Settings::default(),
    };
    let entropy = Arc::new(SystemEntropy::default());
    Config::load(&create_domain(&domain, &SystemClock::new(), entropy).unwrap()).unwrap()
}

fn secret(path: &Path, pem: &str) {
    std::fs::write(path, pem).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn shown(config: &Config) -> Result<Shown, StartError> {
    let (devices, coap) = (config.devices.as_ref(), config.coap.as_ref());
    coap_credentials(devices.unwrap(), coap.unwrap())
}

/// Puts a certificate of its own for `key` in the place of the CoAP listener's.
fn show(config: &Config, key: &KeyPair) {
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(key).unwrap();
    let coap = config.coap.as_ref().unwrap();
    std::fs::write(&coap.certificate, certificate.pem()).unwrap();
    secret(&coap.key, &key.serialize_pem());
}

#[test]
fn a_new_domain_can_be_shown_over_dtls() {
    let directory = tempfile::tempdir().unwrap();
    assert!(shown(&domain(directory.path())).is_ok());
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_way_to_one() {
    let directory = tempfile::tempdir().unwrap();
    let config = domain(directory.path());
    show(
        &config,
        &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
    );
    let [error] = examine(&config).try_into().unwrap();
    let error = error.to_string();
    let coap = config.coap.as_ref().unwrap();
    for part in [
        coap.key.to_str().unwrap(),
        "not ECDSA on P-256",
        "ec_paramgen_curve:P-256",
    ] {
        assert!(error.contains(part), "{error}");
    }
    show(&config, &KeyPair::generate().unwrap());
    assert_eq!(examine(&config).len(), 0);
}

#[test]
fn a_key_in_the_older_form_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let config = domain(directory.path());
    let key = config.coap.as_ref().unwrap().key.clone();
    let path = key.to_str().unwrap();
    let converted = std::process::Command::new("openssl")
        .args(["ec", "-in", path])
        .output()
        .unwrap();
    let pem = String::from_utf8(converted.stdout).unwrap();
    assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----"), "{pem}");
    secret(&key, &pem);
    assert!(shown(&config).is_ok());
}

#[tokio::test]
async fn a_socket_holds_more_than_systems_give_by_themselves() {
    let before = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = socket_recv_buffer_size(&before).unwrap();
    let (socket, address) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_ne!(address.port(), 0);
    assert!(socket_recv_buffer_size(&socket).unwrap() > before);
    let taken = bind(address).unwrap_err();
    assert!(matches!(taken, StartError::Listen { address: at, .. } if at == address));
}
