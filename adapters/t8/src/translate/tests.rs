use ics_core::id::{DeviceId, IdentifierSchemes, ServiceUri, SpId};
use ics_core::reference_point::Role;
use ics_core::service::Selector;

use ics_core::mapping::{DemappingCause, MappingStatus};

use super::*;
use crate::wire::{Demap, parse_body};

const ROOT: &str = "https://ics.example";

fn demap(body: &str) -> Result<(Role, Selector), Problem> {
    let sp = SpId::parse("shop").unwrap();
    let body = parse_body::<Demap>(body.as_bytes()).unwrap();
    read_demap(&body, (ROOT, &sp), &IdentifierSchemes::default())
        .map(|(role, request)| (role, request.selector))
}

#[test]
fn a_selector_belongs_to_a_role() {
    use Role::{IotSp, ThirdPartySp};
    const ROW: &str = "018f0000-0000-7000-8000-000000000001";
    let cases = [
        (
            r#""uti":"0123456789abcdef-opaque""#.to_owned(),
            ThirdPartySp,
        ),
        (
            r#""serviceUri":"https://shop.example/a""#.to_owned(),
            ThirdPartySp,
        ),
        (r#""deviceId":"d-1""#.to_owned(), IotSp),
        (
            r#""deviceId":"d-1","serviceUri":"https://shop.example/a""#.to_owned(),
            IotSp,
        ),
        (
            format!(r#""mapping":"/ics-mapping/v1/shop/mappings/{ROW}""#),
            ThirdPartySp,
        ),
        (
            format!(r#""mapping":"{ROOT}/ics-device-mapping/v1/shop/assignments/{ROW}""#),
            IotSp,
        ),
    ];
    for (selector, role) in cases {
        let body = format!(r#"{{"cause":"UTI_INVALID",{selector}}}"#);
        assert_eq!(demap(&body).unwrap().0, role, "{selector}");
    }
}

#[test]
fn there_is_exactly_one_selector() {
    for (selectors, cause) in [
        ("", Cause::MandatoryIeMissing),
        (
            r#","uti":"0123456789abcdef-opaque","deviceId":"d""#,
            Cause::MandatoryIeIncorrect,
        ),
        (
            r#","mapping":"/x","serviceUri":"https://a.example/""#,
            Cause::MandatoryIeIncorrect,
        ),
    ] {
        let body = format!(r#"{{"cause":"UTI_INVALID"{selectors}}}"#);
        assert_eq!(demap(&body).unwrap_err().cause(), Some(cause));
    }
}

#[test]
fn an_answer_is_accepted_with_a_device_or_rejected_with_a_cause() {
    let read = |body: &str| {
        read_answer(
            &parse_body(body.as_bytes()).unwrap(),
            &IdentifierSchemes::default(),
        )
    };
    assert!(read(r#"{"result":"ACCEPTED","deviceId":"d-1"}"#).is_ok());
    assert!(read(r#"{"result":"REJECTED","cause":"SERIAL_NUMBER_UNKNOWN"}"#).is_ok());
    for (body, cause) in [
        (r#"{"result":"ACCEPTED"}"#, Cause::MandatoryIeMissing),
        (r#"{"result":"REJECTED"}"#, Cause::MandatoryIeMissing),
        (r#"{"result":"MAYBE"}"#, Cause::MandatoryIeIncorrect),
        (
            r#"{"result":"REJECTED","cause":"no"}"#,
            Cause::MandatoryIeIncorrect,
        ),
        (
            r#"{"result":"ACCEPTED","deviceId":"d","cause":"X"}"#,
            Cause::MandatoryIeIncorrect,
        ),
        (
            r#"{"result":"ACCEPTED","deviceId":"imsi-262011234567890"}"#,
            Cause::PermanentIdNotAllowed,
        ),
    ] {
        assert_eq!(read(body).unwrap_err().cause(), Some(cause), "{body}");
    }
}

#[test]
fn what_looks_permanent_is_called_so_whatever_its_form() {
    let read = |text: &'static str| {
        let json = format!("{text:?}");
        let text: Text<'_> = serde_json::from_str(&json).unwrap();
        read_member(&text, ServiceUri::parse, "/serviceUri", Need::Mandatory)
            .map(|_| ())
            .map_err(|problem| problem.cause().unwrap())
    };
    assert_eq!(read("262011234567890"), Err(Cause::PermanentIdNotAllowed));
    assert_eq!(
        read("someone@mail.example"),
        Err(Cause::PermanentIdNotAllowed)
    );
    assert_eq!(
        read("https://user@shop.example/"),
        Err(Cause::MandatoryIeIncorrect)
    );
    assert_eq!(read("no uri"), Err(Cause::MandatoryIeIncorrect));
    assert_eq!(read("https://shop.example/a"), Ok(()));
    assert!(DeviceId::parse("d-1").is_ok());
}

#[test]
fn names_on_the_wire_are_read_back() {
    for status in ["PENDING", "ESTABLISHED", "FAILED", "DELETED"] {
        assert_eq!(
            MappingStatus::parse(status).map(MappingStatus::name),
            Some(status)
        );
    }
    assert_eq!(MappingStatus::parse("pending"), None);
    for cause in crate::wire::schema::DEMAPPING_CAUSES {
        assert_eq!(
            DemappingCause::parse(cause).map(DemappingCause::name),
            Some(cause)
        );
    }
}
