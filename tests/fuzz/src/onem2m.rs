//! oneM2M: requests over HTTP, CoAP and MQTT as a stranger writes them.

use ics_onem2m::coap::CoapRequest;
use ics_onem2m::fuzzing::{
    HttpRequest, answer_coap, coap_options, hear_mqtt, pass_http, pass_topic, read_coap, read_http,
    read_letter, write_coap, write_http,
};
use ics_onem2m::primitive::{Content, Filter, Operation, Request, Response, ResponseType};
use ics_onem2m::rsc::Rsc;
use serde_json::Value;

use super::script::Script;

/// A head as on the wire, an empty line, a body.
pub(super) fn http(data: &[u8]) {
    let Some(said) = read_head(data) else {
        return;
    };
    let Some(request) = read_http(&said) else {
        return;
    };
    assert!(!request.request_id.is_empty());
    assert_eq!(said.method == "POST", is_post(request.operation));
    assert_eq!(
        request.resource_type.is_some(),
        request.operation == Operation::Create
    );
    check_answers(&request);
    // What no header can hold is not sent; a creation without content makes nothing.
    let is_sent = request.operation != Operation::Create || request.content.is_some();
    if is_sent && texts(&request).all(|text| text.bytes().all(|b| (0x20..0x7f).contains(&b))) {
        let again = read_http(&write_http(&request));
        assert_same(again, bare(&request, Binding::Http));
    }
}

fn read_head(data: &[u8]) -> Option<HttpRequest> {
    let text = super::text(data)?;
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    })
}

/// Every answer comes back with its code and its content.
fn check_answers(request: &Request) {
    for rsc in Rsc::ALL {
        let content = request.content.clone().map(Value::Object);
        let response = Response {
            content: content.filter(is_exact),
            ..answer(request, rsc)
        };
        let read = pass_http(&response, request).expect("an answer");
        assert_eq!((read.rsc, &read.content), (rsc, &response.content));
    }
}

fn answer(request: &Request, rsc: Rsc) -> Response {
    Response {
        rsc,
        request_id: request.request_id.clone(),
        release: None,
        content: None,
        from: None,
        to: None,
        originating_timestamp: None,
        result_expiration: None,
        vendor_information: None,
        location: None,
    }
}

/// A method, options each with a byte for its number, and the rest the payload.
pub(super) fn coap(data: &[u8]) {
    let mut script = Script(data);
    let method = script.byte().unwrap_or(0) % 8;
    let (known, count) = (coap_options(), script.byte().unwrap_or(0) % 24);
    let options = (0..count).map(|_| {
        let number = usize::from(script.byte().unwrap_or(0)) % known.len();
        (known[number], script.bytes().to_vec())
    });
    let options = options.collect();
    let said = CoapRequest {
        method,
        options,
        payload: script.0.to_vec(),
    };
    let (told, answer) = answer_coap(&said).expect("an answer");
    assert!(matches!(told.code.0, 2 | 4 | 5));
    assert_eq!(told.code.0 == 2, answer.rsc.is_success());
    assert!(told.options.is_sorted_by_key(|(number, _)| *number));
    let Some(request) = read_coap(&said) else {
        assert!(!answer.rsc.is_success());
        return;
    };
    assert_eq!(answer.request_id, request.request_id);
    assert_eq!(method == 2, is_post(request.operation));
    let is_silent = request.operation == Operation::Notify;
    assert_eq!(told.payload.is_empty(), is_silent, "TS-0008: nothing in it");
    let again = read_coap(&write_coap(&request));
    assert_same(again, bare(&request, Binding::Coap));
}

/// A topic, a line; then the payload.
pub(super) fn mqtt(data: &[u8]) {
    let (choice, data) = super::choice(data);
    let end = data.iter().position(|byte| *byte == b'\n');
    let (topic, payload) = data.split_at(end.unwrap_or(data.len()));
    let (Some(topic), payload) = (super::text(topic), payload.get(1..).unwrap_or_default()) else {
        return;
    };
    let is_believed = choice % 2 == 1;
    let heard = hear_mqtt(topic, payload, is_believed);
    assert!(heard.asked.len() <= 1 && heard.published.len() <= 1);
    let answered = pass_topic(topic).and_then(|(written, answered)| {
        assert_eq!(written, topic);
        answered
    });
    for (topic, payload) in &heard.published {
        assert_eq!(Some(topic), answered.as_ref());
        let told = Response::from_json(payload).expect("an answer");
        assert!(!told.rsc.is_success() || heard.asked.len() == 1);
    }
    for (request, is_behind) in &heard.asked {
        assert_eq!(heard.published.len(), 1, "what is asked is answered");
        assert!(is_believed || *is_behind);
        let from = request.from.clone().unwrap_or_default();
        assert_eq!(*is_behind, topic == "/oneM2M/req/id-in/id-ics/json");
        assert!(!is_behind || from.contains("/id-in"), "{from:?}");
    }
    if let Ok(request) = Request::from_json(payload) {
        let again = Request::from_json(request.to_json().to_string().as_bytes());
        assert_same(again.ok(), bare(&request, Binding::Mqtt));
    }
    if let Ok(response) = Response::from_json(payload)
        && response.content.as_ref().is_none_or(is_exact)
    {
        let again = Response::from_json(response.to_json().to_string().as_bytes());
        assert_eq!(again, Ok(response));
    }
}

/// The contentInstance that lies in a mailbox, as the platform tells it.
pub(super) fn mailbox(data: &[u8]) {
    let Some((answer_name, asked)) = read_letter(data, LETTER_OF) else {
        return;
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    assert!(answer_name.starts_with("to.") && answer_name.bytes().all(is_plain));
    let Ok(request) = asked else {
        return;
    };
    assert_eq!(request.from.as_deref(), Some(LETTER_OF));
    assert!(!request.request_id.is_empty());
    let place = request.to.strip_prefix("/id-ics/ics/");
    let pending = place.and_then(|place| place.strip_prefix("pnd/"));
    match request.operation {
        Operation::Create => assert!(matches!(place, Some("map" | "inq" | "dmp"))),
        Operation::Update => assert!(pending.is_some_and(|id| id.bytes().all(is_plain))),
        other => panic!("{other:?} has no `op`"),
    }
    assert_eq!(request.content.map(|content| content.len()), Some(1));
}

/// Whose mailbox it is.
const LETTER_OF: &str = "/id-in/Cshop";

fn is_post(operation: Operation) -> bool {
    matches!(operation, Operation::Create | Operation::Notify)
}

fn texts(request: &Request) -> impl Iterator<Item = &String> {
    let more = [
        &request.from,
        &request.release,
        &request.request_expiration,
        &request.originating_timestamp,
        &request.vendor_information,
    ];
    more.into_iter().flatten().chain([&request.request_id])
}

enum Binding {
    Http,
    Coap,
    Mqtt,
}

/// The request as it is when it was written and read: what we never ask is not written.
fn bare(request: &Request, carried: Binding) -> Request {
    let mut bare = request.clone();
    bare.filter = Filter::default();
    bare.response_type = ResponseType::Blocking;
    bare.result_persistence = None;
    if !matches!(carried, Binding::Coap) {
        bare.unstructured_result = false;
    }
    if matches!(carried, Binding::Http) {
        bare.result_expiration = None;
        bare.operation_execution = None;
    }
    bare
}

fn assert_same(again: Option<Request>, mut expected: Request) {
    let mut again = again.expect("what was written is read");
    // Where to, without in which way, means nothing.
    again.response_type = ResponseType::Blocking;
    let is_exact = |content: &Content| content.values().all(is_exact);
    if !expected.content.as_ref().is_none_or(is_exact) {
        (again.content, expected.content) = (None, None);
    }
    assert_eq!(again, expected);
}

/// Whether it is read as it was written: fractions lose their last digit.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}
