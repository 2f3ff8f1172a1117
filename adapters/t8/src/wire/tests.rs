use proptest::prelude::*;

use super::*;

fn fault<T: std::fmt::Debug>(read: Result<T, InvalidBody>) -> (Fault, String) {
    let invalid = read.unwrap_err();
    (invalid.fault, invalid.pointer.into_owned())
}

#[test]
fn a_good_body_borrows_from_its_bytes() {
    let bytes = br#"{"serviceUri":"https://a.example/","uti":"abc"}"#;
    let body = parse_body::<TransactionInquiry>(bytes).unwrap();
    assert!(bytes.as_ptr_range().contains(&body.uti.as_str().as_ptr()));
    let escaped =
        parse_body::<TransactionInquiry>(br#"{"serviceUri":"a\u002fb","uti":"c"}"#).unwrap();
    assert_eq!(escaped.service_uri.as_str(), "a/b");
}

#[test]
fn a_bad_body_is_named_by_its_member() {
    let read = |body: &str| fault(parse_body::<TransactionInquiry>(body.as_bytes()));
    for (body, expected, pointer) in [
        ("", Fault::NotJson, ""),
        ("null", Fault::NotJson, ""),
        (r#"["https://a.example/","abc"]"#, Fault::NotJson, ""),
        (r#"{"serviceUri":"a","uti":"b"}x"#, Fault::NotJson, ""),
        (r#"{"serviceUri":"a","uti":"\ud800"}"#, Fault::NotJson, ""),
        (r#"{"serviceUri":"a"}"#, Fault::Missing, "/uti"),
        (
            r#"{"serviceUri":"a","uti":null}"#,
            Fault::MandatoryIncorrect,
            "/uti",
        ),
        (
            r#"{"serviceUri":"a","uti":["b"]}"#,
            Fault::MandatoryIncorrect,
            "/uti",
        ),
        (
            r#"{"serviceUri":"a","uti":"b","uti":"b"}"#,
            Fault::Duplicate,
            "/uti",
        ),
        (
            r#"{"serviceUri":"a","uti":"b","deviceId":"c"}"#,
            Fault::Unknown,
            "/deviceId",
        ),
        (
            r#"{"serviceUri":"a","uti":"b","imsi-26201":1}"#,
            Fault::Unknown,
            "",
        ),
    ] {
        assert_eq!(read(body), (expected, pointer.to_owned()), "{body}");
    }
}

#[test]
fn members_within_are_pointed_at() {
    let read = |body: &str| fault(parse_body::<Subscription>(body.as_bytes()));
    let (kind, at) =
        read(r#"{"notificationDestination":"x","serialNamespaces":[{"prefix":"a"},null]}"#);
    assert_eq!(
        (kind, at.as_str()),
        (Fault::OptionalIncorrect, "/serialNamespaces/1")
    );
    let (kind, at) = read(r#"{"notificationDestination":"x","serialNamespaces":[{"prefix":7}]}"#);
    assert_eq!(
        (kind, at.as_str()),
        (Fault::OptionalIncorrect, "/serialNamespaces/0/prefix")
    );
    let consent = r#"{"userConsent":{"consentId":"a","purpose":"b"}}"#;
    let (kind, at) = fault(parse_body::<IdentityMapping>(consent.as_bytes()));
    assert_eq!(
        (kind, at.as_str()),
        (Fault::Missing, "/userConsent/grantedAt")
    );
}

#[test]
fn a_whole_number_may_be_spelled_with_a_fraction() {
    let read = |number: &str| {
        let body = format!(r#"{{"validityPeriod":{number}}}"#);
        let patch = parse_body::<IdentityMappingPatch>(body.as_bytes());
        patch
            .ok()
            .and_then(|patch| patch.validity_period.flatten())
            .map(|whole| whole.0)
    };
    for (number, expected) in [
        ("60", 60),
        ("60.0", 60),
        ("6e1", 60),
        ("4294967295", u32::MAX),
        ("0", 0),
    ] {
        assert_eq!(read(number), Some(expected), "{number}");
    }
    for number in ["60.5", "-1", "-1.0", "4294967296", "1e40", "\"60\"", "true"] {
        assert_eq!(read(number), None, "{number}");
    }
}

#[test]
fn a_merge_patch_tells_removed_from_absent() {
    let patch = parse_body::<IdentityMappingPatch>(br#"{"validityPeriod":null}"#).unwrap();
    assert_eq!(patch.validity_period, Some(None));
    assert!(patch.notification_destination.is_none());
    assert_eq!(patch.fixed_member(), None);
    let patch = parse_body::<IdentityMappingPatch>(br#"{"mappingCause":null}"#).unwrap();
    assert_eq!(patch.fixed_member(), Some("/mappingCause"));
}

proptest! {
    #[test]
    fn no_bytes_are_repeated_whatever_comes(body in "[ -~]{0,40}", member in "[a-zA-Z0-9-]{1,20}") {
        for text in [body, format!(r#"{{"{member}":"{member}"}}"#)] {
            for read in [
                parse_body::<IdentityMapping>(text.as_bytes()).map(|_| ()),
                parse_body::<Demap>(text.as_bytes()).map(|_| ()),
                parse_body::<Answer>(text.as_bytes()).map(|_| ()),
                parse_body::<SubscriptionPatch>(text.as_bytes()).map(|_| ()),
            ] {
                if let Err(invalid) = read {
                    let pointer = invalid.pointer.into_owned();
                    let known = pointer.split('/').all(|name| {
                        name.is_empty() || name.parse::<usize>().is_ok() || ours(name)
                    });
                    prop_assert!(known, "{}", pointer);
                }
            }
        }
    }

    #[test]
    fn a_string_is_read_as_it_was_written(text in "\\PC{0,60}") {
        let json = serde_json::to_string(&serde_json::json!({"deviceId": text})).unwrap();
        let body = parse_body::<DeviceInquiry>(json.as_bytes()).unwrap();
        prop_assert_eq!(body.device_id.as_str(), text);
    }
}

fn ours(name: &str) -> bool {
    [
        "serviceUri",
        "uti",
        "deviceSerialNumber",
        "notificationDestination",
        "cause",
        "result",
        "deviceId",
        "mapping",
    ]
    .contains(&name)
}
