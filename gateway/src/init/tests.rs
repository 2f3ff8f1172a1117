use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::tls::sample::{handshake, verifier_of};
use crate::tls::{Credential, Namespace, load_authorities, load_certificates};

fn domain(directory: &Path) -> Domain {
    Domain {
        directory: directory.into(),
        t8: "127.0.0.1:8443".parse().unwrap(),
        operator: "127.0.0.1:8444".parse().unwrap(),
        mqtt: "127.0.0.1:8883".parse().unwrap(),
        coap: "127.0.0.1:5684".parse().unwrap(),
        enrolment: None,
        public_url: None,
        settings: Settings::default(),
    }
}

fn create(domain: &Domain) -> Result<PathBuf, InitError> {
    create_domain(
        domain,
        &SystemClock::new(),
        Arc::new(SystemEntropy::default()),
    )
}

fn entries(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(entries(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[test]
fn addresses_that_do_not_serve_are_refused_before_anything_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("domain");
    let refused = |t8: &str, operator: &str| {
        let domain = Domain {
            t8: t8.parse().unwrap(),
            operator: operator.parse().unwrap(),
            ..domain(&directory)
        };
        let error = create(&domain).unwrap_err().to_string();
        assert!(!directory.exists());
        error
    };
    for address in ["0.0.0.0:8443", "[::]:8443"] {
        let error = refused(address, "127.0.0.1:8444");
        assert!(error.contains("--public-url"), "{error}");
    }
    for (t8, operator) in [
        ("127.0.0.1:8443", "127.0.0.1:8443"),
        ("127.0.0.1:8443", "127.0.0.1:8883"),
        ("127.0.0.1:8883", "127.0.0.1:8444"),
    ] {
        let error = refused(t8, operator);
        assert!(error.contains("two listeners"), "{error}");
    }
    // All addresses, with a name to call one by, are what most will want.
    let named = Domain {
        t8: "0.0.0.0:8443".parse().unwrap(),
        public_url: Some(Origin::parse("https://ics.example:8443").unwrap()),
        ..domain(&directory)
    };
    let file = create(&named).unwrap();
    assert!(Config::load(&file).is_ok());
}

#[test]
fn a_new_domain_has_a_configuration_that_loads_and_keys_nobody_else_reads() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("domain");
    let file = create(&domain(&directory)).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.t8.public_url.as_str(), "https://127.0.0.1:8443");
    assert_eq!(config.knobs(), ics_core::procedure::Knobs::default());
    for path in entries(&directory) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        let secret = path.extension().is_some_and(|e| e == "key") || path.ends_with("keyring");
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
        } else if secret {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    let left: Vec<_> = std::fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside the domain");
}

#[test]
fn the_root_lies_apart_and_what_it_signed_is_believed_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("domain");
    let config = Config::load(&create(&domain(&directory)).unwrap()).unwrap();
    let at = |name: &str| load_certificates(&directory.join(name)).unwrap();
    let (root, issuing) = (at("authority/sp-root.pem"), at("authority/sp-ca.pem"));
    assert_eq!(root, at("offline/sp-root.pem"));
    assert_eq!((root.len(), issuing.len()), (1, 2));
    assert_eq!(issuing[1], root[0]);
    assert!(!directory.join("authority/sp-root.key").exists());
    let readme = std::fs::read_to_string(directory.join("offline/README")).unwrap();
    assert!(readme.contains("Carry this directory"));
    // What the root may sign one day is not believed by itself.
    let anchors = load_authorities(&config.t8.anchor[0].certificate).unwrap();
    assert_eq!(anchors, issuing[..1]);
    for name in ["t8", "mqtt", "coap", "onem2m", "enrolment"] {
        let chain = at(&format!("{name}/server.pem"));
        assert_eq!(chain[1..], issuing[..1], "{name}");
    }
    assert_eq!(at("operator/server.pem").len(), 1);
}

#[test]
fn what_exists_is_not_touched() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("domain");
    let file = create(&domain(&directory)).unwrap();
    let before = std::fs::read(directory.join("keys/keyring")).unwrap();
    assert!(matches!(
        create(&domain(&directory)),
        Err(InitError::NotEmpty(_))
    ));
    assert_eq!(
        std::fs::read(directory.join("keys/keyring")).unwrap(),
        before
    );
    assert!(Config::load(&file).is_ok());
}

#[test]
fn an_empty_directory_is_filled() {
    let directory = tempfile::tempdir().unwrap();
    assert!(create(&domain(directory.path())).is_ok());
}

#[test]
fn settings_reach_the_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let mut domain = domain(&parent.path().join("domain"));
    domain.public_url = Some(Origin::parse("https://ics.example:9443").unwrap());
    domain.settings.allowed_networks = vec!["127.0.0.0/8".into()];
    domain.settings.tell_failures_at_once = true;
    let config = Config::load(&create(&domain).unwrap()).unwrap();
    assert_eq!(config.t8.public_url.as_str(), "https://ics.example:9443");
    let loopback = "127.0.0.0/8".parse().unwrap();
    assert_eq!(config.notify.allowed_networks.first(), Some(&loopback));
    assert_eq!(config.knobs().failure_floor, Duration::ZERO);
}

#[test]
fn hosts_of_public_urls_are_found() {
    let host = |url| host_of(&Origin::parse(url).unwrap()).to_owned();
    assert_eq!(host("https://ics.example:8443"), "ics.example");
    assert_eq!(host("https://ics.example"), "ics.example");
    assert_eq!(host("https://[::1]:8443"), "::1");
    assert_eq!(
        origin_of("[::1]:443".parse().unwrap()).unwrap().as_str(),
        "https://[::1]"
    );
}

#[tokio::test]
async fn the_command_line_is_admitted_by_the_operators_listener_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("domain");
    let config = Config::load(&create(&domain(&directory)).unwrap()).unwrap();
    let operator_root = load_certificates(&config.operator.anchor).unwrap();
    let sp_root = load_certificates(&config.t8.anchor[0].certificate).unwrap();
    let cli = || {
        let of = |end| directory.join(format!("operator/cli.{end}"));
        Credential::load(&of("pem"), &of("key")).unwrap()
    };
    let operator = Credential::load(&config.operator.certificate, &config.operator.key).unwrap();
    let verifier = verifier_of(&operator_root, Namespace::OPERATORS);
    handshake(verifier, operator, operator_root.clone(), cli())
        .await
        .unwrap();

    let t8 = Credential::load(&config.t8.certificate, &config.t8.key).unwrap();
    let verifier = verifier_of(&sp_root, config.t8.anchor[0].namespace.clone());
    assert!(handshake(verifier, t8, sp_root, cli()).await.is_err());
}
