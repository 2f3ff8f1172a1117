//! Headers, and forms of the authorization server.

use ics_t8::fuzzing::{accepts, negotiate, read_bearer};

const JSON: &str = "application/json";

/// `Accept`, `Content-Type`, `Authorization`, and `supportedFeatures`.
pub(super) fn header(data: &[u8]) {
    if let Some(token) = read_bearer(data) {
        assert!(!token.is_empty() && token.trim() == token);
        let again = format!("Bearer {token}");
        assert_eq!(read_bearer(again.as_bytes()), Some(token));
        let scheme = data.get(..6).expect("a scheme");
        assert!(scheme.eq_ignore_ascii_case(b"bearer"));
    }
    let Some(text) = super::text(data) else {
        return;
    };
    // Case means nothing in either.
    let upper = text.to_ascii_uppercase();
    assert_eq!(accepts(text, JSON), accepts(&upper, JSON), "{text}");
    // An unknown range beside it changes nothing.
    if !text.trim().is_empty() {
        let beside = format!("{text}, image/x-none");
        assert_eq!(accepts(&beside, JSON), accepts(text, JSON), "{text}");
    }
    let taken = ics_http::fuzzing::is_taken(text, &[JSON]);
    assert_eq!(ics_http::fuzzing::is_taken(&upper, &[JSON]), taken);
    if taken {
        let essence = text.trim_start().get(..JSON.len()).expect("a type");
        assert!(essence.eq_ignore_ascii_case(JSON));
    }
    let utf8 = ics_http::fuzzing::is_utf8(text);
    assert_eq!(ics_http::fuzzing::is_utf8(&upper), utf8);
    // What is no UTF-8 does not become it by another word for it.
    let twice = format!("{text};charset=utf-8");
    assert_eq!(ics_http::fuzzing::is_utf8(&twice), utf8);
    if let Some(told) = negotiate(text) {
        assert_eq!(negotiate(&told), Some(told));
    }
}

/// A form: written with every byte encoded it reads the same, and no name comes twice.
pub(super) fn form(data: &[u8]) {
    let Some(parameters) = ics_oauth::fuzzing::parse_form(data) else {
        return;
    };
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    let written = pairs.join("&");
    let again = ics_oauth::fuzzing::parse_form(written.as_bytes()).expect("it was a form before");
    assert_eq!(again, parameters);
    if let Some(first) = pairs.first() {
        let doubled = format!("{written}&{first}");
        assert!(ics_oauth::fuzzing::parse_form(doubled.as_bytes()).is_none());
    }
}
