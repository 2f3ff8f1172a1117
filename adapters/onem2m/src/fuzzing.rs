//! For `tests/fuzz` alone, behind the feature `fuzzing`: heads, options, topics and payloads of
//! strangers, read as the bindings read them, and written again; and what a whole message comes to.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use ics_core::id::AeId;
use ics_core::port::{Clock, PortFuture};
use ics_core::time::Timestamp;

use crate::address::Names;
use crate::binding::{coap, http, mqtt};
use crate::caller::Caller;
use crate::coap::{CoapAnswer, CoapRequest, CoapService};
use crate::handler::{Handler, Once};
use crate::mailbox::letter::Letter;
use crate::mqtt::{MqttOutbound, MqttService, MqttSettings, NotPublished, Publish};
use crate::primitive::{Answer, Operation, Refusal, Request, Response};
use crate::rsc::Rsc;

/// A request over HTTP.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// `POST`.
    pub method: String,
    /// `/~/id-ics/ics`.
    pub path: String,
    /// Without its question mark.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Reads a request over HTTP.
#[must_use]
pub fn read_http(said: &HttpRequest) -> Option<Request> {
    let header = |name: &str| find(&said.headers, name);
    let head = http::Head {
        method: &said.method,
        path: &said.path,
        query: &said.query,
        header: &header,
    };
    let mut request = head.read().ok()?;
    if !matches!(request.operation, Operation::Retrieve | Operation::Delete) {
        request.content = http::read_content(&said.body).ok()?;
    }
    Some(request)
}

/// Writes one.
#[must_use]
pub fn write_http(request: &Request) -> HttpRequest {
    let written = http::write_request(request);
    let (path, query) = match written.path.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (written.path, String::new()),
    };
    let headers = written.headers.into_iter();
    HttpRequest {
        method: written.method.to_owned(),
        path,
        query,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect(),
        body: written.body,
    }
}

/// Writes an answer over HTTP, and reads it as who asked does.
#[must_use]
pub fn pass_http(response: &Response, request: &Request) -> Option<Response> {
    let written = http::write_response(response);
    let headers = written.headers.into_iter();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    http::read_response(&|name| find(&headers, name), &written.body, request).ok()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut headers = headers.iter();
    let found = headers.find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// Reads a request over CoAP.
#[must_use]
pub fn read_coap(said: &CoapRequest) -> Option<Request> {
    coap::read_request(said).ok()
}

/// Writes one.
#[must_use]
pub fn write_coap(request: &Request) -> CoapRequest {
    coap::peer::write_request(request)
}

/// The options that a CoAP request may have, of CoAP and of oneM2M.
#[must_use]
pub fn coap_options() -> Vec<u16> {
    [11, 12, 15, 17]
        .into_iter()
        .chain(coap::OPTIONS.iter().copied())
        .collect()
}

/// What the CSE answers over CoAP, and as what that is read.
#[must_use]
pub fn answer_coap(said: &CoapRequest) -> Option<(CoapAnswer, Response)> {
    let service = CoapService::new(Arc::new(Fixed::default()));
    let answer = service.answer(&Caller::Loopback, said).now_or_never()?;
    let read = coap::peer::read_response(&answer.options, &answer.payload).ok()?;
    Some((answer, read))
}

/// A topic as it is written again, and the topic of its answer.
#[must_use]
pub fn pass_topic(text: &str) -> Option<(String, Option<String>)> {
    let topic = mqtt::Topic::parse(text)?;
    Some((topic.write(), topic.answer().map(|answer| answer.write())))
}

/// The name of the answer to what a service provider wrote into its mailbox, and the request of that AE it
/// stands for.
#[must_use]
pub fn read_letter(data: &[u8], ae: &str) -> Option<(String, Result<Request, Refusal>)> {
    let told = serde_json::from_slice(data).ok()?;
    let letter = Letter::read(&told)?;
    let asked = letter.ask(&AeId::parse(ae).ok()?, &own_names());
    let asked = asked.map_err(|unreadable| unreadable.1);
    Some((letter.answer_name(), asked))
}

fn own_names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

/// What came of a message.
#[derive(Debug, Default)]
pub struct Heard {
    /// What the CSE was asked, and whether as one behind its registrar.
    pub asked: Vec<(Request, bool)>,
    /// What was published.
    pub published: Vec<(String, Vec<u8>)>,
}

/// What a message comes to at `id-ics`, whose registrar is `id-in`.
#[must_use]
pub fn hear_mqtt(topic: &str, payload: &[u8], is_believed: bool) -> Heard {
    let settings = MqttSettings {
        names: own_names(),
        registrar: Some("id-in".into()),
        broker: ("localhost".into(), 1883),
        is_believed,
    };
    let (cse, line) = (Arc::new(Fixed::default()), Arc::new(Tape::default()));
    let outbound = MqttOutbound::new(settings, Arc::clone(&line) as _);
    let handler = Once::new(Arc::clone(&cse) as _, Arc::new(Still));
    let service = MqttService::new(Arc::new(outbound), Arc::new(handler), Arc::new(Still));
    // Nothing of it waits for anything.
    let _ = Arc::new(service)
        .take(topic, payload.to_vec())
        .now_or_never();
    Heard {
        asked: take(&cse.0),
        published: take(&line.0),
    }
}

fn take<T>(of: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut of.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

/// Answers all in the same way.
#[derive(Default)]
struct Fixed(Mutex<Vec<(Request, bool)>>);

impl Handler for Fixed {
    fn handle<'a>(&'a self, caller: &'a Caller, request: Request) -> PortFuture<'a, Response> {
        let answer = Answer::with(Rsc::Ok, "m2m:uri", "ics".into());
        let response = Response::to(&request, Ok(answer));
        let is_behind = matches!(caller, Caller::Cse(_));
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((request, is_behind));
        Box::pin(async { response })
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Response {
        Response::to(request, Err(refusal))
    }
}

#[derive(Default)]
struct Tape(Mutex<Vec<(String, Vec<u8>)>>);

impl Publish for Tape {
    fn publish(&self, topic: String, payload: Vec<u8>) -> PortFuture<'_, Result<(), NotPublished>> {
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        published.push((topic, payload));
        Box::pin(async { Ok(()) })
    }
}
