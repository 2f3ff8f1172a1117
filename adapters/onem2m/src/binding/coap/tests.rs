use proptest::prelude::*;
use serde_json::json;

use super::peer::{read_response, write_request};
use super::*;
use crate::primitive::{Answer, ResponseType};

fn text(number: u16, value: &str) -> CoapOption {
    (number, value.as_bytes().to_vec())
}

fn path(segments: &[&str]) -> Vec<CoapOption> {
    segments
        .iter()
        .map(|segment| text(URI_PATH, segment))
        .collect()
}

/// A request to the map, with more options.
fn options(more: &[CoapOption]) -> Vec<CoapOption> {
    let mut options = path(&["~", "id-ics", "ics", "map"]);
    options.extend([text(RQI, "r1"), text(RVI, "4"), text(FR, "Cshop")]);
    options.extend(more.iter().cloned());
    options
}

fn said(method: u8, options: &[CoapOption], payload: &[u8]) -> CoapRequest {
    CoapRequest {
        method,
        options: options.to_vec(),
        payload: payload.to_vec(),
    }
}

fn read(method: u8, options: &[CoapOption], payload: &[u8]) -> Result<Request, Unreadable> {
    read_request(&said(method, options, payload)).map_err(|partial| partial.1)
}

fn about(name: &str) -> Unreadable {
    InvalidPrimitive::about(name).into()
}

#[test]
fn a_request_is_its_path_its_options_and_its_payload() {
    let more = [
        (TY, vec![28]),
        (CONTENT_FORMAT, vec![50]),
        text(URI_QUERY, "rcn=3"),
        text(URI_QUERY, "rt=2"),
        text(RTURI, "coap://a.example/x&Cshop"),
        text(RQET, "5000"),
        text(OT, "20261121T200000"),
        text(VSI, "x"),
    ];
    let request = read(2, &options(&more), br#"{"ics:idmap":{"uti":"u"}}"#).expect("a request");
    let mut expected = Request::new(Operation::Create, "/id-ics/ics/map", "r1");
    expected.release = Some("4".into());
    expected.from = Some("Cshop".into());
    expected.resource_type = Some(28);
    expected.result_content = Some(3);
    expected.response_type =
        ResponseType::NonBlockingAsynch(vec!["coap://a.example/x".into(), "Cshop".into()]);
    expected.request_expiration = Some("5000".into());
    expected.originating_timestamp = Some("20261121T200000".into());
    expected.vendor_information = Some("x".into());
    expected.content = json!({"ics:idmap": {"uti": "u"}}).as_object().cloned();
    assert_eq!(request, expected);
}

#[test]
fn the_method_and_the_type_are_the_operation() {
    let typed = [(TY, vec![3])];
    for (method, more, expected) in [
        (1, &[][..], Operation::Retrieve),
        (2, &typed[..], Operation::Create),
        (2, &[][..], Operation::Notify),
        (3, &[][..], Operation::Update),
        (4, &[][..], Operation::Delete),
    ] {
        let request = read(method, &options(more), b"").expect("a request");
        assert_eq!(request.operation, expected);
    }
    for method in [0, 5, 6, 7, 31] {
        assert_eq!(read(method, &options(&[]), b""), Err(Unreadable::Method));
    }
}

#[test]
fn every_form_of_address_is_a_path() {
    for (segments, to) in [
        (&["ics", "map"][..], "ics/map"),
        (&["~", "id-ics", "ics"][..], "/id-ics/ics"),
        (
            &["_", "ics.example", "id-ics", "-"][..],
            "//ics.example/id-ics/-",
        ),
        (&[][..], ""),
    ] {
        let mut options = path(segments);
        options.push(text(RQI, "r1"));
        assert_eq!(read(1, &options, b"").expect("a request").to, to);
    }
    let mut options = path(&["ics", "a/b"]);
    options.push(text(RQI, "r1"));
    assert_eq!(read(1, &options, b""), Err(about("to")));
}

#[test]
fn a_query_is_that_of_http_with_nothing_escaped() {
    let more = [
        text(URI_QUERY, "fu=1"),
        text(URI_QUERY, "lbl=a%41+b"),
        text(URI_QUERY, "con=x&y"),
    ];
    let filter = read(1, &options(&more), b"").expect("a request").filter;
    assert_eq!(filter.labels, ["a%41", "b"]);
    assert_eq!(filter.attributes, [("con".to_owned(), "x&y".to_owned())]);
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let without_id = path(&["ics"]);
    assert_eq!(read(1, &without_id, b""), Err(about("rqi")));
    for (more, name) in [
        (text(RQI, "r2"), "rqi"),
        (text(FR, "Cother"), "fr"),
        ((TY, vec![1, 2, 3]), "ty"),
        ((TY, vec![3]), "ty"),
        ((VSI, vec![0xff]), "vsi"),
        (text(RQET, "a\nb"), "rqet"),
        (text(URI_QUERY, "rcn=x"), "rcn"),
        ((URI_QUERY, vec![0xff]), "query"),
        ((OT, vec![b'1'; 1025]), "ot"),
    ] {
        assert_eq!(read(1, &options(&[more]), b""), Err(about(name)));
    }
    assert_eq!(read(3, &options(&[]), b"[]"), Err(about("pc")));
}

#[test]
fn what_could_be_read_is_known_of_a_request_that_could_not() {
    let (partial, _) = *read_request(&said(9, &options(&[]), b"")).expect_err("no method");
    assert_eq!(partial.request_id, "r1");
    assert_eq!(partial.release.as_deref(), Some("4"));
}

#[test]
fn formats_other_than_json_are_neither_read_nor_written() {
    let cbor = |number| options(&[(number, vec![60])]);
    assert_eq!(
        read(3, &cbor(CONTENT_FORMAT), b"\xa0"),
        Err(Unreadable::ContentFormat)
    );
    assert!(
        read(1, &cbor(CONTENT_FORMAT), b"").is_ok(),
        "there is no content"
    );
    assert_eq!(read(1, &cbor(ACCEPT), b""), Err(Unreadable::NotAcceptable));
    for format in [JSON, RESOURCE_JSON] {
        let spoken = options(&[
            (CONTENT_FORMAT, shortest(format)),
            (ACCEPT, shortest(format)),
        ]);
        assert!(read(3, &spoken, b"{}").is_ok(), "{format}");
    }
    let notification = options(&[(CONTENT_FORMAT, shortest(NOTIFICATION_JSON))]);
    assert!(read(2, &notification, b"{}").is_ok());
}

fn response(rsc: Rsc, content: Option<Value>) -> Response {
    let mut request = Request::new(Operation::Create, "ics", "r1");
    request.release = Some("4".into());
    let outcome = Ok(Answer {
        rsc,
        content,
        location: None,
    });
    let mut response = Response::to(&request, outcome);
    response.vendor_information = Some("v".into());
    response.originating_timestamp = Some("20261121T200000,000".into());
    response
}

#[test]
fn an_answer_is_a_code_ascending_options_and_a_payload() {
    let mut created = response(Rsc::Created, Some(json!({"m2m:cnt": {"ri": "c1"}})));
    created.location = Some("/id-ics/c1".into());
    let written = write_response(&created, Operation::Create);
    assert_eq!(written.code, (2, 1));
    assert_eq!(
        written.options,
        [
            text(LOCATION_PATH, "~"),
            text(LOCATION_PATH, "id-ics"),
            text(LOCATION_PATH, "c1"),
            (CONTENT_FORMAT, vec![50]),
            text(OT, "20261121T200000,000"),
            text(RVI, "4"),
            text(RQI, "r1"),
            (RSC, vec![0x07, 0xd1]),
            text(VSI, "v"),
        ]
    );
    assert_eq!(written.payload, br#"{"m2m:cnt":{"ri":"c1"}}"#);
    assert!(written.options.is_sorted_by_key(|(number, _)| *number));
}

#[test]
fn a_notification_is_answered_with_nothing_in_it_unless_it_is_refused() {
    let content = Some(json!({"m2m:sgn": {}}));
    let written = write_response(&response(Rsc::Ok, content.clone()), Operation::Notify);
    assert_eq!((written.code, written.payload.len()), ((2, 4), 0));
    assert!(
        written
            .options
            .iter()
            .all(|(number, _)| *number != CONTENT_FORMAT)
    );
    let refused = write_response(
        &response(Rsc::BadRequest, content.clone()),
        Operation::Notify,
    );
    assert_eq!((refused.code, refused.payload.is_empty()), ((4, 0), false));
    let retrieved = write_response(&response(Rsc::Ok, content), Operation::Retrieve);
    assert_eq!(
        (retrieved.code, retrieved.payload.is_empty()),
        ((2, 5), false)
    );
}

#[test]
fn every_code_of_the_table_is_an_option_and_a_code() {
    for rsc in Rsc::ALL {
        let written = write_response(&response(rsc, None), Operation::Retrieve);
        assert_eq!(written.code, rsc.coap_code(false));
        let read = read_response(&written.options, &written.payload).expect("an answer");
        assert_eq!(read.rsc, rsc);
        assert_eq!(read.request_id, "r1");
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let word = "[A-Za-z0-9._-]{1,12}";
    let to = "(/|//)?[A-Za-z0-9-]{1,8}(/[A-Za-z0-9._]{1,8}){0,3}";
    let texts = (
        to,
        word,
        proptest::option::of(word),
        proptest::option::of(word),
    );
    let numbers = (
        0..5_usize,
        proptest::option::of(0..12_u8),
        any::<bool>(),
        1..300_u16,
    );
    (texts, numbers).prop_map(|((to, id, from, vsi), (op, rcn, drt, ty))| {
        let operation = Operation::ALL[op];
        let mut request = Request::new(operation, to, id);
        request.from = from;
        request.vendor_information = vsi;
        request.release = Some("4".into());
        request.result_content = rcn;
        request.unstructured_result = drt;
        request.resource_type = (operation == Operation::Create).then_some(ty);
        let content = json!({"m2m:cnt": {"lbl": ["a"]}});
        let has_content = !matches!(operation, Operation::Retrieve | Operation::Delete);
        request.content = content.as_object().filter(|_| has_content).cloned();
        request
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(request in any_request()) {
        prop_assert_eq!(read_request(&write_request(&request)), Ok(request));
    }

    #[test]
    fn nothing_makes_the_reader_fail(
        method in any::<u8>(),
        options in proptest::collection::vec((0..350_u16, proptest::collection::vec(any::<u8>(), 0..12)), 0..8),
        payload in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let _ = read_request(&said(method, &options, &payload));
    }
}
