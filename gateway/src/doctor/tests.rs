use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use super::*;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::init::{Domain, Settings, create_domain};
use crate::operator_client::Endpoint;
use crate::tls::load_certificates;

fn domain() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let address = || {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let domain = Domain {
        directory: directory.path().into(),
        t8: address(),
        operator: address(),
        mqtt: address(),
        coap: address(),
        enrolment: None,
        public_url: None,
        settings: Settings::default(),
    };
    let entropy = Arc::new(SystemEntropy::default());
    let file = create_domain(&domain, &SystemClock::new(), entropy).unwrap();
    // As `init` asks for.
    std::fs::remove_dir_all(directory.path().join("offline")).unwrap();
    (directory, file)
}

async fn unwell(file: &Path) -> Vec<Finding> {
    let findings = look(file, |_| None).await;
    // A test's gateway does not run, and the machine's disk is not the subject.
    findings
        .into_iter()
        .filter(|f| f.light != Light::Green && f.area != "gateway" && !f.text.contains("MiB"))
        .collect()
}

#[tokio::test]
async fn a_new_domain_is_green_but_for_the_gateway_that_does_not_run() {
    let (_directory, file) = domain();
    assert_eq!(unwell(&file).await, []);
    let findings = look(&file, |_| None).await;
    let gateway = findings.iter().find(|f| f.area == "gateway").unwrap();
    assert_eq!(gateway.light, Light::Amber);
}

#[tokio::test]
async fn a_root_that_was_not_carried_away_is_amber() {
    let (directory, file) = domain();
    let offline = directory.path().join("offline");
    std::fs::create_dir(&offline).unwrap();
    std::fs::write(offline.join("sp-root.key"), "KEY").unwrap();
    let amber = unwell(&file).await;
    let [finding] = amber.as_slice() else {
        panic!("{amber:?}");
    };
    assert_eq!(finding.light, Light::Amber);
    assert!(finding.text.contains("offline/sp-root.key"), "{finding:?}");
}

#[tokio::test]
async fn an_open_key_file_is_red_and_its_fix_mends_it() {
    let (directory, file) = domain();
    let key = directory.path().join("t8/server.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let red = unwell(&file).await;
    let [finding] = red.as_slice() else {
        panic!("{red:?}");
    };
    assert_eq!(finding.light, Light::Red);
    assert_eq!(finding.fix, Some(format!("chmod 600 {}", key.display())));
    run(finding);
    assert_eq!(unwell(&file).await, []);
}

#[tokio::test]
async fn a_key_that_is_not_the_certificate_s_is_red_and_its_fix_mends_it() {
    let (directory, file) = domain();
    let at = |name: &str| directory.path().join(name);
    std::fs::copy(at("operator/server.key"), at("t8/server.key")).unwrap();
    let red = unwell(&file).await;
    let [finding] = red.as_slice() else {
        panic!("{red:?}");
    };
    let both = finding.text.contains("server.pem") && finding.text.contains("server.key");
    assert!(both && finding.light == Light::Red, "{finding:?}");
    // Nobody else's gateway is told of it here.
    let fix = finding.fix.clone().unwrap();
    let (fix, _) = fix.split_once(" && { pkill").unwrap();
    run(&Finding {
        fix: Some(fix.into()),
        ..finding.clone()
    });
    assert_eq!(unwell(&file).await, []);
}

#[tokio::test]
async fn a_coap_key_of_another_kind_is_red_and_its_fix_mends_it() {
    let (directory, file) = domain();
    let at = |name: &str| directory.path().join(name);
    let curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let names = vec!["localhost".to_owned()];
    let params = rcgen::CertificateParams::new(names).unwrap();
    let certificate = params.self_signed(&curve).unwrap();
    std::fs::write(at("coap/server.pem"), certificate.pem()).unwrap();
    std::fs::write(at("coap/server.key"), curve.serialize_pem()).unwrap();
    let red = unwell(&file).await;
    let finding = red.iter().find(|f| f.area == "files").unwrap();
    assert_eq!(finding.light, Light::Red);
    assert!(finding.text.contains("P-256"), "{finding:?}");
    // Nobody else's gateway is told of it here.
    let fix = finding.fix.clone().unwrap();
    let (fix, _) = fix.split_once(" && { pkill").unwrap();
    run(&Finding {
        fix: Some(fix.into()),
        ..finding.clone()
    });
    assert_eq!(unwell(&file).await, []);
}

#[tokio::test]
async fn a_coap_port_is_asked_whether_it_speaks_dtls() {
    let (_directory, file) = domain();
    let address = Config::load(&file).unwrap().coap.unwrap().listen;
    let free = datagram::look_at(address, false).await;
    assert_eq!(free.light, Light::Green, "{free:?}");
    let socket = tokio::net::UdpSocket::bind(address).await.unwrap();
    let taken = datagram::look_at(address, false).await;
    assert_eq!(taken.light, Light::Red, "{taken:?}");
    assert!(taken.fix.unwrap().starts_with("ss -lunp"));
    // Something answers, and not with what a server of DTLS does; then one does.
    let hello_verify_request = {
        let mut answer = [0; 28];
        (answer[0], answer[13]) = (22, 3);
        answer
    };
    for (answer, light) in [
        (&b"what?"[..], Light::Red),
        (&hello_verify_request, Light::Green),
    ] {
        let answering = async {
            let mut said = [0; 256];
            let (length, from) = socket.recv_from(&mut said).await.unwrap();
            assert_eq!((length, said[0], said[13]), (67, 22, 1));
            socket.send_to(answer, from).await.unwrap();
        };
        let (found, ()) = tokio::join!(datagram::look_at(address, true), answering);
        assert_eq!(found.light, light, "{found:?}");
    }
    drop(socket);
    let nobody = datagram::look_at(address, true).await;
    assert_eq!(nobody.light, Light::Red, "{nobody:?}");
}

#[tokio::test]
async fn the_device_authority_is_looked_at() {
    let (directory, file) = domain();
    let findings = look(&file, |_| None).await;
    let certificate = |f: &&Finding| f.area == "certificates" && f.text.contains("device-ca.pem");
    assert_eq!(findings.iter().filter(certificate).count(), 1);
    let at = |name: &str| directory.path().join(name);
    std::fs::copy(at("authority/sp-ca.key"), at("authority/device-ca.key")).unwrap();
    let red = unwell(&file).await;
    let [finding] = red.as_slice() else {
        panic!("{red:?}");
    };
    let both = finding.text.contains("device-ca.pem") && finding.text.contains("device-ca.key");
    assert!(both && finding.light == Light::Red, "{finding:?}");
}

#[tokio::test]
async fn every_fault_of_the_configuration_is_red_with_its_line() {
    let (_directory, file) = domain();
    let text = std::fs::read_to_string(&file).unwrap();
    let spoiled = text
        .replace("public_url", "pubic_url")
        .replace("#lifetime = \"600s\"", "lifetime = \"1s\"");
    std::fs::write(&file, spoiled).unwrap();
    let red = unwell(&file).await;
    assert_eq!(red.len(), 2, "{red:?}");
    assert!(red.iter().all(|f| f.light == Light::Red));
    assert!(
        red.iter()
            .all(|f| f.fix.as_ref().unwrap().contains("gateway.toml"))
    );
}

#[tokio::test]
async fn a_gateway_that_does_not_tell_how_it_is_is_not_called_stopped() {
    let (_directory, file) = domain();
    let client = |config: &Config| OperatorClient::new(&Endpoint::of(config)).ok();
    let gateway = async || {
        let findings = look(&file, client).await;
        findings.into_iter().find(|f| f.area == "gateway").unwrap()
    };
    let stopped = gateway().await;
    assert_eq!(stopped.light, Light::Amber, "{stopped:?}");
    let config = Config::load(&file).unwrap();
    let listener = tokio::net::TcpListener::bind(config.listen.operator)
        .await
        .unwrap();
    let refusing = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let silent = gateway().await;
    refusing.abort();
    assert_eq!(silent.light, Light::Red, "{silent:?}");
    assert!(
        silent.text.starts_with("runs, and does not tell"),
        "{silent:?}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_red() {
    let (_directory, file) = domain();
    let config = Config::load(&file).unwrap();
    let _taken = std::net::TcpListener::bind(config.listen.t8).unwrap();
    let red = unwell(&file).await;
    assert!(
        red.iter()
            .any(|f| f.area == "ports" && f.light == Light::Red),
        "{red:?}"
    );
}

#[tokio::test]
async fn a_port_is_the_gateway_s_only_if_its_certificate_is_shown_there() {
    let (_directory, file) = domain();
    let config = Config::load(&file).unwrap();
    let t8 = async || network::look_at_ports(&config, true).await.remove(0);
    // The gateway answers elsewhere, and nobody listens here.
    let nobody = t8().await;
    assert_eq!(nobody.light, Light::Red, "{nobody:?}");
    // Somebody does, and it is not ours.
    let listener = tokio::net::TcpListener::bind(config.listen.t8)
        .await
        .unwrap();
    let stranger = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        }
    });
    let other = t8().await;
    assert_eq!(other.light, Light::Red, "{other:?}");
    assert!(
        other.fix.as_ref().unwrap().starts_with("ss -ltnp"),
        "{other:?}"
    );
    stranger.abort();
    let _ = stranger.await;
    // A server with that certificate is ours; one with another is told apart.
    for (certificate, key, light) in [
        (&config.t8.certificate, &config.t8.key, Light::Green),
        (
            &config.operator.certificate,
            &config.operator.key,
            Light::Amber,
        ),
    ] {
        use rustls::pki_types::pem::PemObject as _;
        let chain = load_certificates(certificate).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_file(key).unwrap();
        let acceptor = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(acceptor));
        let listener = tokio::net::TcpListener::bind(config.listen.t8)
            .await
            .unwrap();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        let found = t8().await;
        assert_eq!(found.light, light, "{found:?}");
        server.abort();
        let _ = server.await;
    }
}

#[tokio::test]
async fn what_cannot_be_listed_is_not_green() {
    let (_directory, file) = domain();
    let config = Config::load(&file).unwrap();
    let endpoint = Endpoint::of(&config);
    let client = OperatorClient::new(&endpoint).unwrap();
    // Nobody answers there.
    let callbacks = network::look_at_callbacks((&config, &file), &client).await;
    let [finding] = callbacks.as_slice() else {
        panic!("{callbacks:?}");
    };
    assert_eq!(finding.light, Light::Amber);
    assert!(
        finding
            .fix
            .as_ref()
            .unwrap()
            .starts_with("ics-gateway sp list")
    );
    let limits = place::look_at_descriptors_of(&config, &client).await;
    assert_eq!(limits.light, Light::Amber);
}

#[test]
fn descriptors_and_space_are_judged_by_what_is_needed() {
    for (found, light) in [
        (None, Light::Amber),
        (Some((50, 999)), Light::Red),
        (Some((50, 1000)), Light::Green),
        (Some((950, 1000)), Light::Amber),
    ] {
        let finding = place::judge_descriptors(1000, found);
        assert_eq!(finding.light, light, "{finding:?}");
        assert_eq!(finding.fix.is_some(), light != Light::Green);
    }
    let log = ("decision log", Path::new("/var/lib/ics/decisions"));
    for (free, light) in [
        (
            Err(std::io::ErrorKind::PermissionDenied.into()),
            Light::Amber,
        ),
        (Ok(1 << 20), Light::Red),
        (Ok(500 << 20), Light::Amber),
        (Ok(5 << 30), Light::Green),
    ] {
        let finding = place::judge_space(log, free);
        assert_eq!(finding.light, light, "{finding:?}");
        assert_eq!(finding.fix.is_some(), light != Light::Green);
    }
}

fn run(finding: &Finding) {
    let fix = finding.fix.as_ref().unwrap();
    let status = Command::new("sh").args(["-c", fix]).status().unwrap();
    assert!(status.success(), "{fix}");
}

#[test]
fn a_damaged_store_is_red_with_the_way_to_a_whole_one() {
    let (_directory, file) = domain();
    let config = Config::load(&file).unwrap();
    let of = |state| of_store(&config, &file, state);
    assert_eq!(of(None), None);
    assert_eq!(of(Some(StoreState::Writing)), None);
    let damaged = of(Some(StoreState::Damaged)).unwrap();
    assert_eq!((damaged.area, damaged.light), ("store", Light::Red));
    let fix = damaged.fix.unwrap();
    for verb in ["ics-gateway store check", "ics-gateway restore"] {
        let call = format!("{verb} --config {}", file.display());
        assert!(fix.contains(&call), "{fix}");
    }
    let directory = config.store.directory.display().to_string();
    assert!(damaged.text.contains(&directory), "{}", damaged.text);
}
