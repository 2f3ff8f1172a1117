use super::*;

fn access(url: Option<&str>, key: Option<&str>) -> Access {
    Access {
        config: None,
        operator_url: url.map(Into::into),
        ca: None,
        cert: None,
        key: key.map(Into::into),
        json: false,
    }
}

fn configured() -> Endpoint {
    Endpoint {
        url: "https://127.0.0.1:8444".into(),
        ca: "ca.pem".into(),
        certificate: "cli.pem".into(),
        key: "cli.key".into(),
    }
}

#[test]
fn what_was_typed_goes_before_what_is_configured() {
    let endpoint = access(Some("https://noc.example:1"), Some("own.key"))
        .endpoint(Some(configured()))
        .unwrap();
    assert_eq!(endpoint.url, "https://noc.example:1");
    assert_eq!(endpoint.key, PathBuf::from("own.key"));
    assert_eq!(endpoint.certificate, PathBuf::from("cli.pem"));
    assert_eq!(
        access(None, None).endpoint(Some(configured())).unwrap(),
        configured()
    );
}

#[test]
fn gateway_that_is_not_named_or_not_protected_is_a_usage_error() {
    assert!(access(None, None).endpoint(None).is_err());
    assert!(
        access(Some("https://x.example"), None)
            .endpoint(None)
            .is_err()
    );
    assert!(
        access(Some("http://x.example"), None)
            .endpoint(Some(configured()))
            .is_err()
    );
}

#[test]
fn exit_codes_tell_who_is_to_act() {
    let usage: Box<dyn Error> = Box::new(UsageError("?".into()));
    assert_eq!(exit_code(usage.as_ref()), ExitCode::from(2));
    let refused: Box<dyn Error> = Box::new(CallError::Unexpected(reqwest::StatusCode::OK));
    assert_eq!(exit_code(refused.as_ref()), ExitCode::FAILURE);
}
