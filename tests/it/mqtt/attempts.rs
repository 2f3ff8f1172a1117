//! What a device tries and does not get stands in the decision log, without what it tried it on.

use ics_tests::{DeviceClient, Library, Version, eventually};
use serde_json::Value;

use super::world::World;

/// What the log says of acts of devices that were denied: operation and cause.
fn denied(world: &World) -> Vec<(Value, Value)> {
    let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    let log = log.unwrap_or_default();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_denied = |line: &Value| line["listener"] == "mqtt" && line["decision"] == "denied";
    let denied = lines.filter(is_denied).map(|mut line| {
        assert_eq!(line["who"], "acme", "{line}");
        assert_eq!(line["device"].as_str().map(str::len), Some(16), "{line}");
        (line["operation"].take(), line["cause"].take())
    });
    denied.collect()
}

#[test]
fn attempts_on_what_is_not_a_device_s_own_leave_their_lines() {
    let world = World::start();
    let (mallory, victim) = (world.device("MALLORY"), world.device("VICTIM"));
    let mut client = mallory.connect(Library::Paho, Version::V5);
    assert_eq!(client.try_subscribe(&victim.topic("doc")), Some(0x87));
    assert_eq!(client.try_publish(&victim.topic("st"), b""), Some(0x87));
    assert_eq!(client.try_publish(&mallory.topic("x"), b""), Some(0x90));
    assert_eq!(
        client.try_publish(&mallory.topic("evt"), b"eggs"),
        Some(0x99)
    );
    client.close();
    let mut settings = mallory.settings(Version::V5);
    settings["will"] = victim.topic("st").into();
    let client = DeviceClient::start(Library::Paho, &settings);
    assert_eq!(client.wait_refused(), Some(0x87));
    let expected = [
        ("subscribe", "TOPIC_FOREIGN"),
        ("publish", "TOPIC_FOREIGN"),
        ("publish", "TOPIC_UNKNOWN"),
        ("publish", "PAYLOAD_MALFORMED"),
        ("connect", "WILL_NOT_ALLOWED"),
    ]
    .map(|(operation, cause)| (Value::from(operation), Value::from(cause)));
    eventually("a line for each, and no more", || {
        denied(&world) == expected
    });
    let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    let log = log.expect("the decision log");
    for identifier in [&mallory.id, &victim.id] {
        assert!(!log.contains(identifier.as_str()), "{identifier}");
    }
}
