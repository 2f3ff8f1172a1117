//! Who does not even come as far as CONNECT, and who comes no further.

use std::path::Path;
use std::process::{Command, Stdio};

use ics_tests::openssl::{TestAuthority, TestCertificate, sp_extensions};
use ics_tests::{DeviceClient, HostedDevice, Library, Version, eventually};
use serde_json::{Value, json};

use super::world::World;

/// The extensions of a proper certificate of a device.
fn device_extensions(iot_sp: &str, device: &str) -> String {
    sp_extensions("x").replace("urn:ics:sp:x", &format!("urn:ics:dev:{iot_sp}:{device}"))
}

/// The domain's authority of that name.
fn authority(world: &World, name: &str) -> TestAuthority {
    TestAuthority {
        certificate: world.domain.file(&format!("authority/{name}.pem")),
        key: world.domain.file(&format!("authority/{name}.key")),
    }
}

/// What openssl is told in the handshake, the server's alert included.
fn shake_hands(device: &HostedDevice, shown: Option<(&Path, &Path)>) -> String {
    let place = &device.place;
    let mut command = Command::new("openssl");
    command
        .args([
            "s_client",
            "-connect",
            &format!("{}:{}", place.host, place.port),
        ])
        .arg("-CAfile")
        .arg(&place.authority)
        .args(["-verify_return_error", "-ign_eof"]);
    if let Some((certificate, key)) = shown {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    let output = command.stdin(Stdio::null()).output().expect("openssl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The same device, with another certificate.
fn with(device: &HostedDevice, shown: &TestCertificate) -> HostedDevice {
    HostedDevice {
        certificate: shown.certificate.clone(),
        key: shown.key.clone(),
        ..device.clone()
    }
}

/// What the decision log says of handshakes that were refused on the listener of devices.
fn refusals(world: &World) -> Vec<Value> {
    let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    let log = log.unwrap_or_default();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["listener"] == "mqtt").collect()
}

#[test]
fn only_certificates_of_the_device_authority_in_its_namespace_are_shaken_hands_with() {
    let world = World::start();
    let lock = world.device("LOCK");
    let dir = world.domain.scratch();
    let own = device_extensions("acme", &lock.id);
    let days = ["-days", "2"];
    let devices = authority(&world, "device-ca");
    let stranger = TestAuthority::create(dir, "stranger-ca", "/CN=ICS device CA");
    let bolts = TestAuthority::create(dir, "bolt-ca", "/CN=bolt's own");
    let issued = [
        // Another authority that calls itself the same (its key does not fit); those of other
        // listeners; an SP's own.
        (
            "another",
            stranger.issue(dir, "another", &own, &days),
            "decrypt error",
        ),
        (
            "bolts",
            bolts.issue(dir, "bolts", &own, &days),
            "unknown ca",
        ),
        (
            "sp",
            authority(&world, "sp-ca").issue(dir, "of-sp-ca", &own, &days),
            "unknown ca",
        ),
        (
            "operator",
            authority(&world, "operator-ca").issue(dir, "of-operator-ca", &own, &days),
            "unknown ca",
        ),
        // Out of time.
        (
            "expired",
            devices.issue_between(dir, "expired", &own, ("20240101000000Z", "20240201000000Z")),
            "certificate expired",
        ),
        // Of the right authority, and naming what it may not name here.
        (
            "names an SP",
            devices.issue(dir, "as-sp", &sp_extensions("acme"), &days),
            "certificate unknown",
        ),
        (
            "names the operator",
            devices.issue(
                dir,
                "as-operator",
                &own.replace("urn:ics:dev:acme", "urn:ics:operator"),
                &days,
            ),
            "certificate unknown",
        ),
        (
            "names nobody",
            devices.issue(
                dir,
                "nobody",
                &own.replace("URI:urn:ics:dev:acme:", "DNS:"),
                &days,
            ),
            "certificate unknown",
        ),
        (
            "names two",
            devices.issue(
                dir,
                "two",
                &own.replace("URI:", "URI:urn:ics:dev:bolt:d-1,URI:"),
                &days,
            ),
            "certificate unknown",
        ),
    ];
    for (what, shown, alert) in &issued {
        let said = shake_hands(&lock, Some((&shown.certificate, &shown.key)));
        assert!(said.contains(&format!("alert {alert}")), "{what}: {said}");
        // So with a client that would speak MQTT: it is never answered.
        let client = with(&lock, shown).settings(Version::V5);
        let client = DeviceClient::start(Library::Paho, &client);
        assert_eq!(client.wait_refused(), None, "{what}");
    }
    let said = shake_hands(&lock, None);
    assert!(said.contains("alert certificate required"), "{said}");
    eventually("lines of what was refused", || {
        let expected = issued.len() * 2 + 1;
        refusals(&world).len() == expected
    });
    for line in refusals(&world) {
        assert!(!line.to_string().contains(&lock.id), "{line}");
    }
    lock.connect(Library::Paho, Version::V5);
}

#[test]
fn a_certificate_that_was_not_registered_for_the_device_comes_no_further_than_connect() {
    let world = World::start();
    let (lock, light) = (world.device("LOCK"), world.device("LIGHT"));
    let dir = world.domain.scratch();
    let devices = authority(&world, "device-ca");
    let days = ["-days", "2"];
    let unknown = format!("d-{}", "a".repeat(32));
    let shown = [
        // A twin: the right name by the right authority, and not the one that was issued.
        (
            "twin",
            devices.issue(dir, "twin", &device_extensions("acme", &lock.id), &days),
        ),
        // The device of one SP in the namespace of another.
        (
            "bolts",
            devices.issue(dir, "as-bolts", &device_extensions("bolt", &lock.id), &days),
        ),
        (
            "nobody",
            devices.issue(dir, "unknown", &device_extensions("acme", &unknown), &days),
        ),
    ];
    for (what, shown) in &shown {
        for version in [Version::V5, Version::V3] {
            let settings = with(&lock, shown).settings(version);
            let client = DeviceClient::start(Library::Paho, &settings);
            let reason = client.wait_refused();
            assert!(reason.is_some(), "{what}: {:?}", client.said());
            if version == Version::V5 {
                assert_eq!(reason, Some(0x87), "{what}");
            }
        }
    }
    // User name and client id of another say nothing: the certificate does.
    let mut settings = lock.settings(Version::V5);
    settings["clientId"] = json!(light.id);
    settings["user"] = json!(light.id);
    settings["password"] = json!("x");
    let mut client = DeviceClient::start(Library::Paho, &settings);
    client.wait_connected();
    assert_eq!(client.try_subscribe(&light.topic("doc")), Some(0x87));
    client.subscribe(&lock.topic("doc"));
}

#[test]
fn passwords_are_taken_where_the_operator_lets_them() {
    let edit = |text: String| {
        assert!(text.contains("#passwords = false"));
        text.replace("#passwords = false", "passwords = true")
    };
    let world = World::start_with(edit);
    let lock = world.device("LOCK");
    let path = format!("{}/credentials", world.path_of(&lock));
    let order = json!({ "password": {} });
    let made = world.acme.post(&path, &order).expect(201).json();
    let password = made["password"].as_str().expect("a password").to_owned();
    let settings = |user: &str, password: &str, version| {
        let mut settings = lock.settings(version);
        settings["user"] = user.into();
        settings["password"] = password.into();
        for file in ["certificate", "key"] {
            settings.as_object_mut().expect("an object").remove(file);
        }
        settings
    };
    for version in [Version::V5, Version::V3] {
        let client = DeviceClient::start(Library::Paho, &settings(&lock.id, &password, version));
        client.wait_connected();
    }
    let light = world.device("LIGHT");
    let wrong = password.replace(|c: char| c.is_ascii_digit(), "x");
    let unknown = format!("d-{}", "a".repeat(32));
    for (user, password) in [
        (lock.id.as_str(), wrong.as_str()),
        (lock.id.as_str(), ""),
        (light.id.as_str(), password.as_str()),
        (unknown.as_str(), password.as_str()),
    ] {
        let client = DeviceClient::start(Library::MqttJs, &settings(user, password, Version::V5));
        assert_eq!(client.wait_refused(), Some(0x86));
    }
    let log = world.domain.log();
    assert!(!log.contains(&password) && !log.contains(&lock.id));
}

#[test]
fn a_password_that_the_service_provider_chose_is_taken_where_the_operator_lets_it() {
    let chosen = "korrekt Pferd Batterie 7";
    let order = json!({ "password": { "value": chosen } });
    let only_listened =
        World::start_with(|text| text.replace("#passwords = false", "passwords = true"));
    let path = format!(
        "{}/credentials",
        only_listened.path_of(&only_listened.device("LOCK"))
    );
    let refused = only_listened.acme.post(&path, &order).expect(400).json();
    assert_eq!(refused["cause"], "OPTIONAL_IE_INCORRECT");
    drop(only_listened);

    let world = World::start_with(|text| {
        assert!(text.contains("#chosen_passwords = false"));
        text.replace("#passwords = false", "passwords = true")
            .replace("#chosen_passwords = false", "chosen_passwords = true")
    });
    let (lock, light) = (world.device("LOCK"), world.device("LIGHT"));
    let path = |device| format!("{}/credentials", world.path_of(device));
    for (value, fault) in [
        ("too short", "/password/value"),
        ("with a\nline in it", "/password/value"),
    ] {
        let order = json!({ "password": { "value": value } });
        let refused = world.acme.post(&path(&lock), &order).expect(400).json();
        assert_eq!(refused["invalidParams"][0]["param"], fault);
    }
    let made = world.acme.post(&path(&lock), &order).expect(201);
    assert!(!made.body.contains(chosen), "told again: {made:?}");
    let minted = json!({ "password": {} });
    let minted = world.acme.post(&path(&lock), &minted).expect(201).json();
    let minted = minted["password"].as_str().expect("a password").to_owned();
    let settings = |user: &str, password: &str| {
        let mut settings = lock.settings(Version::V5);
        settings["user"] = user.into();
        settings["password"] = password.into();
        for file in ["certificate", "key"] {
            settings.as_object_mut().expect("an object").remove(file);
        }
        settings
    };
    for right in [chosen, &minted] {
        let client = DeviceClient::start(Library::Paho, &settings(&lock.id, right));
        client.wait_connected();
    }
    let unknown = format!("d-{}", "a".repeat(32));
    for (user, password) in [
        (&lock.id, "korrekt Pferd Batterie 8"),
        (&light.id, chosen),
        (&unknown, chosen),
    ] {
        let client = DeviceClient::start(Library::MqttJs, &settings(user, password));
        assert_eq!(client.wait_refused(), Some(0x86));
    }
    // Revoked, it is none any more.
    let id = made.json()["credentialId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let gone = format!("{}/{id}", path(&lock));
    world.acme.delete(&gone).expect(204);
    let client = DeviceClient::start(Library::Paho, &settings(&lock.id, chosen));
    assert_eq!(client.wait_refused(), Some(0x86));
    assert!(!world.domain.log().contains(chosen));
}
