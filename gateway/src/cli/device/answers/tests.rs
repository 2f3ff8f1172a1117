use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn answer() -> LineAnswer {
    LineAnswer {
        line: 7,
        device_serial_number: "FR,\"7\"".into(),
        result: Some(Fate::Registered),
        device_id: Some("d-a".into()),
        certificate: Some("-----BEGIN\nEND-----\n".into()),
        ..LineAnswer::default()
    }
}

#[test]
fn answers_are_their_owners_alone_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("answers.ndjson");
    let mut answers = Answers::begin(&path, None).unwrap();
    answers.take(&answer()).unwrap();
    answers.sync().unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(told["result"], "REGISTERED");
    assert_eq!(told["deviceSerialNumber"], "FR,\"7\"");
    assert!(told.get("password").is_none());
    assert!(Answers::begin(&path, None).is_err());
    assert!(!std::fs::read_to_string(&path).unwrap().is_empty());
}

#[test]
fn the_name_says_the_format_unless_it_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut answers = Answers::begin(&at("answers.csv"), None).unwrap();
    answers.take(&answer()).unwrap();
    let text = std::fs::read_to_string(at("answers.csv")).unwrap();
    let line = "7,\"FR,\"\"7\"\"\",REGISTERED,d-a,,,,\"-----BEGIN\nEND-----\n\",,,\n";
    assert_eq!(text, format!("{HEADER}{line}"));
    Answers::begin(&at("other.csv"), Some(Format::Ndjson)).unwrap();
    assert_eq!(std::fs::read_to_string(at("other.csv")).unwrap(), "");
}
