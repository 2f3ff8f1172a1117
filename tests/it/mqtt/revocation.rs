//! Who is revoked, unregistered or suspended leaves at once, and is told why.

use std::time::{Duration, Instant};

use ics_tests::{DeviceClient, HostedDevice, Library, Mosquitto, Version};
use serde_json::json;

use super::world::{World, acknowledge};

/// Administrative action (MQTT 5, 2.4).
const REVOKED: Option<u64> = Some(0x98);
/// From the change to the end of the connection.
const LIMIT: Duration = Duration::from_secs(5);

/// Does something that ends sessions: they end in time, for that reason.
#[track_caller]
fn ends(sessions: &[&DeviceClient], reason: Option<u64>, event: impl FnOnce()) {
    event();
    let since = Instant::now();
    for session in sessions {
        assert_eq!(session.wait_closed(), reason, "{:?}", session.said());
    }
    let took = since.elapsed();
    assert!(took < LIMIT, "{took:?}");
}

#[track_caller]
fn is_not_let_in(device: &HostedDevice) {
    let client = DeviceClient::start(Library::Paho, &device.settings(Version::V5));
    assert_eq!(client.wait_refused(), Some(0x87));
    let client = DeviceClient::start(Library::Paho, &device.settings(Version::V3));
    client.wait_refused();
}

#[test]
fn a_revoked_credential_ends_its_session_and_opens_none() {
    let world = World::start();
    let (lock, light) = (world.device("LOCK"), world.device("LIGHT"));
    let session = lock.connect(Library::Paho, Version::V5);
    let mut other = light.connect(Library::MqttJs, Version::V5);
    let path = format!(
        "/operator/v1/sps/acme/devices/{}/credentials/1/revoke",
        lock.id
    );
    ends(&[&session], REVOKED, || {
        world.domain.operator("POST", &path, None).expect(200);
    });
    is_not_let_in(&lock);
    other.publish(&light.topic("st"), b"not concerned");
}

#[test]
fn a_revoked_credential_ends_a_3_1_1_session_which_is_told_nothing() {
    let world = World::start();
    let lock = world.device("LOCK");
    let session = lock.connect(Library::MqttJs, Version::V3);
    let path = format!(
        "/operator/v1/sps/acme/devices/{}/credentials/1/revoke",
        lock.id
    );
    ends(&[&session], None, || {
        world.domain.operator("POST", &path, None).expect(200);
    });
}

#[test]
fn an_unregistered_device_may_forget_and_no_more() {
    let world = World::start();
    let lock = world.device("LOCK");
    let mapping = world.offer(&lock);
    let mut session = lock.connect(Library::Paho, Version::V5);
    session.subscribe(&lock.topic("#"));
    let (version, _) = world.versions(&lock);
    session.publish(&lock.topic("doc/ack"), &acknowledge(version));
    assert_eq!(world.shop.status(&mapping), "ESTABLISHED");

    world.acme.delete(&world.path_of(&lock)).expect(204);
    assert_eq!(
        world.shop.inquire(&mapping.service, &mapping.uti).status,
        404
    );
    let empty = session.wait_message("the last document", |message| {
        message.topic == lock.topic("doc") && message.json()["m"] == json!([])
    });
    let event = json!({ "id": mapping.id(), "data": 1 }).to_string();
    let reason = session.try_publish(&lock.topic("evt"), event.as_bytes());
    assert_eq!(reason, Some(0x87));
    let last = empty.json()["v"].as_u64().expect("a version");
    assert!(last > version);
    let taken = session.try_publish(&lock.topic("doc/ack"), &acknowledge(last));
    assert_eq!(taken, Some(0));
    ends(&[&session], REVOKED, || ());
    is_not_let_in(&lock);
}

#[test]
fn a_suspended_iot_sp_s_devices_leave_and_come_back_when_it_resumes() {
    let world = World::start();
    let (lock, light) = (world.device("LOCK"), world.device("LIGHT"));
    let foreign = world.domain.host(&world.bolt, "BOLT-1");
    let sessions = [
        lock.connect(Library::Paho, Version::V5),
        light.connect(Library::MqttJs, Version::V5),
    ];
    let mut bystander = foreign.connect(Library::Aiomqtt, Version::V5);
    let suspend = |verb: &str| {
        let path = format!("/operator/v1/sps/acme/{verb}");
        world.domain.operator("POST", &path, None).expect(200);
    };
    let [a, b] = &sessions;
    ends(&[a, b], REVOKED, || suspend("suspend"));
    is_not_let_in(&lock);
    bystander.publish(&foreign.topic("st"), b"not concerned");
    suspend("resume");
    lock.connect(Library::Paho, Version::V5);
}

#[test]
fn an_iot_sp_that_left_takes_its_devices_with_it() {
    let world = World::start();
    let lock = world.device("LOCK");
    let session = lock.connect(Library::Paho, Version::V5);
    ends(&[&session], REVOKED, || {
        let path = "/operator/v1/sps/acme/remove";
        let confirmed = json!({ "confirm": true });
        world
            .domain
            .operator("POST", path, Some(&confirmed))
            .expect(200);
    });
    is_not_let_in(&lock);
}

#[test]
fn one_session_a_device_the_newest() {
    let world = World::start();
    let lock = world.device("LOCK");
    let first = lock.connect(Library::Paho, Version::V5);
    let second = lock.connect(Library::MqttJs, Version::V5);
    assert_eq!(first.wait_closed(), Some(0x8e));
    // By whatever name it calls itself, and over whichever version.
    let options = ["-i", "another", "-t", &lock.topic("st"), "-m", "here"];
    let here = Mosquitto::new("mosquitto_pub", &lock, Version::V3);
    here.with(&options).expect();
    assert_eq!(second.wait_closed(), Some(0x8e));
}

#[test]
fn a_gateway_that_stops_says_goodbye() {
    let world = World::start();
    let lock = world.device("LOCK");
    let session = lock.connect(Library::Paho, Version::V5);
    assert!(world.domain.stop().success());
    assert_eq!(session.wait_closed(), Some(0x8b));
}
