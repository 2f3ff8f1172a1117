//! What must hold of every parser of foreign bytes, whatever the bytes: one function a target.
//!
//! Not only "does not panic": what was read is written and reads the same, one value has one
//! spelling, and a permanent identifier never passes where an opaque one belongs. A property that
//! does not hold panics. No target reads a clock, a file or a socket.
//!
//! `tests/fuzz/run` drives them by libFuzzer (nightly); `tests/corpus.rs` drives them over the
//! committed corpus and mutations of it (stable, seconds).

mod callback;
mod certificate;
mod channel;
mod coap;
mod configuration;
mod est;
mod http;
mod identifier;
mod mqtt;
mod onem2m;
mod operator;
mod receiver;
mod script;
mod store;
mod t8;

/// A target: its name, as in `fuzz_targets/` and `corpus/`, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("opaque_id", identifier::opaque_id),
    ("permanent_identifier", identifier::permanent_identifier),
    ("service_uri", identifier::service_uri),
    ("serial_namespace", identifier::serial_namespace),
    ("instant", identifier::instant),
    ("t8_body", t8::body),
    ("t8_line", t8::line),
    ("t8_acknowledgement", t8::acknowledgement),
    ("t8_frame", t8::frame),
    ("t8_query", t8::query),
    ("t8_link", t8::link),
    ("http_header", http::header),
    ("oauth_form", http::form),
    ("operator_body", operator::body),
    ("operator_query", operator::query),
    ("callback_target", callback::target),
    ("callback_address", callback::address),
    ("callback_answer", callback::answer),
    ("certificate", certificate::certificate),
    ("pem", certificate::pem),
    ("keyring", certificate::keyring),
    ("revocation_list", certificate::revocation_list),
    ("est_body", est::body),
    ("store_record", store::record),
    ("store_key", store::key),
    ("store_backup", store::backup),
    ("store_state_line", store::state_line),
    ("channel_payload", channel::payload),
    ("mqtt_packets", mqtt::packets),
    ("mqtt_topics", mqtt::topics),
    ("mqtt_session", mqtt::session),
    ("mqtt_conversation", mqtt::conversation),
    ("coap_datagram", coap::datagram),
    ("coap_line", coap::line),
    ("coap_session", coap::session),
    ("onem2m_http", onem2m::http),
    ("onem2m_coap", onem2m::coap),
    ("onem2m_mqtt", onem2m::mqtt),
    ("onem2m_mailbox", onem2m::mailbox),
    ("config_literal", configuration::literal),
    ("receiver", receiver::receiver),
];

/// Runs the target of that name once.
///
/// # Panics
/// When there is none, or when what it checks does not hold.
#[cfg_attr(test, expect(dead_code, reason = "for the fuzzers' binaries"))]
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, check) = target.expect("a target of that name");
    check(data);
}

/// The data as text; most targets ask nothing of what is not.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The first byte, and the rest.
fn choice(data: &[u8]) -> (usize, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}
