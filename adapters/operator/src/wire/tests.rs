use super::*;

const SECRET: &str = "SECRET-VALUE";

fn refusal<T: DeserializeOwned>(body: &str) -> InvalidBody {
    match parse_body::<T>(body.as_bytes()) {
        Ok(_) => panic!("accepted {body}"),
        Err(invalid) => invalid,
    }
}

#[test]
fn unknown_member_is_refused_without_its_name() {
    let body = format!(r#"{{"id":"shop","roles":["IOT_SP"],"{SECRET}":1}}"#);
    let InvalidBody::Incorrect(param) = refusal::<NewParty>(&body) else {
        panic!("another refusal");
    };
    assert_eq!(param.param, "");
    assert!(
        param
            .reason
            .starts_with("unknown member; expected one of `id`")
    );
    assert!(!param.reason.contains(SECRET));
}

#[test]
fn unknown_member_within_names_its_place() {
    let body = format!(r#"{{"id":"a1","roles":[],"serialNamespaces":[{{"{SECRET}":"x"}}]}}"#);
    let InvalidBody::Incorrect(param) = refusal::<NewParty>(&body) else {
        panic!("another refusal");
    };
    assert_eq!(param.param, "/serialNamespaces/0");
    assert!(!param.reason.contains(SECRET));
}

#[test]
fn wrong_value_is_refused_without_it() {
    for body in [
        format!(r#"{{"id":"a1","roles":["{SECRET}"]}}"#),
        format!(r#"{{"id":"a1","roles":"{SECRET}"}}"#),
        format!(r#"{{"id":"a1","roles":[],"limits":{{"requestsPerSecond":"{SECRET}"}}}}"#),
        format!(r#"{{"id":"a1","roles":["x, expected {SECRET}"]}}"#),
    ] {
        let InvalidBody::Incorrect(param) = refusal::<NewParty>(&body) else {
            panic!("another refusal of {body}");
        };
        assert!(param.reason.starts_with("expected "), "{param:?}");
        assert!(!param.reason.contains(SECRET), "{param:?}");
        assert!(!param.param.contains(SECRET), "{param:?}");
    }
}

#[test]
fn missing_member_is_named() {
    let InvalidBody::Missing(param) = refusal::<NewParty>(r#"{"id":"a1"}"#) else {
        panic!("another refusal");
    };
    assert_eq!(param.reason, "missing field `roles`");
}

#[test]
fn what_is_no_json_is_a_syntax_error() {
    for body in ["", "{", "{}x", "\u{0}"] {
        let invalid = match parse_body::<Confirmation>(body.as_bytes()) {
            Ok(_) => panic!("accepted {body}"),
            Err(invalid) => invalid,
        };
        assert_eq!(invalid, InvalidBody::Syntax, "{body}");
    }
}

#[test]
fn requests_survive_a_round_trip() {
    let party = NewParty {
        id: "vendor".into(),
        roles: vec![RoleName::IotSp],
        services: Vec::new(),
        unproven_services: Vec::new(),
        serial_namespaces: vec![SerialNamespaceView {
            vendor: Some("acme".into()),
            prefix: Some("FR-".into()),
            pattern: None,
        }],
        callback_origins: vec!["https://v.example".into()],
        token_endpoint: None,
        onem2m: None,
        limits: NewLimits::default(),
    };
    let told = serde_json::to_vec(&party).unwrap();
    assert_eq!(parse_body::<NewParty>(&told), Ok(party));
}

#[test]
fn detail_of_a_row_is_flat() {
    let view = MappingView {
        mapping_id: "m".into(),
        status: MappingStatusName::Established,
        third_party_sp_id: "shop".into(),
        iot_sp_id: "vendor".into(),
        agreement_id: "a".into(),
        create_time: "t".into(),
        update_time: "t".into(),
        cause: None,
        sub_cause: None,
        sequence: 2,
    };
    let detail = MappingDetail {
        mapping: view,
        service_uri: "https://s.example/".into(),
        uti: "u".into(),
        device_id: None,
        device_vendor: None,
        device_model: None,
        taken_over: None,
        pending_until: None,
        uti_expiry: None,
        ended_by: None,
        purge_time: None,
    };
    let told = serde_json::to_value(&detail).unwrap();
    assert_eq!(told["mappingId"], "m");
    assert_eq!(told["status"], "ESTABLISHED");
    assert!(told.get("deviceId").is_none());
}
