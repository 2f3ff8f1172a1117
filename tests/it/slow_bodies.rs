//! Who sends the head of a request and then takes its time: refused when the body is not whole in
//! 10 s, each listener in its own words, and the connection ended (RFC 9110 15.5.9).

use std::time::{Duration, Instant};

use ics_tests::{Answer, Connection, Dialer, Sandbox};
use serde_json::{Value, json};

/// What each of them waits for the rest of, for as long as the gateway lets it.
fn begin(sandbox: &Sandbox) -> [(&'static str, Connection); 4] {
    let shop = sandbox.shop();
    let (token, dialer) = (shop.token(), Dialer::of(&shop));
    let dial = || dialer.dial().unwrap();
    let inquiry = "/ics-inquiry/v1/retrieve-by-transaction";

    let mut declared = dial();
    let body = json!({ "serviceUri": shop.grant, "uti": ics_tests::mapping::fresh_uuid() });
    declared.begin_post(inquiry, &token, &body).unwrap();
    let mut chunked = dial();
    let head = format!(
        "POST {inquiry} HTTP/1.1\r\nHost: ics\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"
    );
    chunked.write(&head).unwrap();
    let mut form = dial();
    let head = "POST /oauth2/token HTTP/1.1\r\nHost: ics\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 29\r\n\r\ngrant_type=";
    form.write(head).unwrap();
    let mut operator = Dialer::of_operator(sandbox).dial().unwrap();
    let head = "POST /operator/v1/sps HTTP/1.1\r\nHost: ics\r\n\
        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    operator.write(head).unwrap();
    [
        ("declared", declared),
        ("chunked", chunked),
        ("form", form),
        ("operator", operator),
    ]
}

fn expected(name: &str) -> Value {
    match name {
        "form" => json!({
            "error": "invalid_request",
            "error_description": "the body did not come in time"
        }),
        "operator" => json!({
            "status": 408, "title": "Body did not come in time", "cause": "BODY_TOO_SLOW"
        }),
        _ => json!({ "status": 408, "title": "Request Timeout" }),
    }
}

#[test]
fn body_that_does_not_come_within_10_s_is_answered_408_and_its_connection_ends() {
    let sandbox = Sandbox::start();
    let began = Instant::now();
    for (name, mut connection) in begin(&sandbox) {
        let answer: Answer = connection.receive().unwrap();
        // All wait at the same time; none is cut off early.
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(10), "{name}: {waited:?}");
        assert_eq!(answer.status, 408, "{name}: {answer:?}");
        assert_eq!(answer.json(), expected(name), "{name}");
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        assert!(connection.is_ended(), "{name} stays open");
    }
    // The gateway reads on for 2 s, that the answer can be read; not for longer.
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
}
