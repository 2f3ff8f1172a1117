use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

fn topic(text: &str) -> Topic {
    Topic::parse(text).expect(text)
}

fn check(text: &str, from: Option<&str>) -> Result<Sender, Rsc> {
    let mut request = Request::new(Operation::Retrieve, "ics", "1");
    request.from = from.map(str::to_owned);
    let checked = check_originator(&topic(text), &request, (&names(), Some("id-in")));
    checked.map_err(|refusal| refusal.rsc)
}

#[test]
fn a_topic_is_answered_on_the_same_ids_in_the_same_order() {
    for (asked, answered) in [
        (
            "/oneM2M/req/id-in/id-ics/json",
            "/oneM2M/resp/id-in/id-ics/json",
        ),
        (
            "/oneM2M/reg_req/cred/id-ics/json",
            "/oneM2M/reg_resp/cred/id-ics/json",
        ),
    ] {
        assert_eq!(topic(asked).write(), asked);
        assert_eq!(topic(asked).answer(), Some(topic(answered)));
        assert_eq!(topic(answered).answer(), None);
    }
}

#[test]
fn a_topic_of_another_form_is_none() {
    for text in [
        "oneM2M/req/id-in/id-ics/json",
        "/oneM2M/req/id-in/id-ics",
        "/oneM2M/req/id-in/id-ics/xml",
        "/oneM2M/req/id-in/id-ics/json/",
        "/oneM2M/req//id-ics/json",
        "/oneM2M/ask/id-in/id-ics/json",
        "/oneM2M/req/id-in/#/json",
    ] {
        assert_eq!(Topic::parse(text), None, "{text}");
    }
}

#[test]
fn an_id_is_one_level_of_a_topic() {
    assert_eq!(encode_id("/id-in/Cshop").as_deref(), Some("id-in:Cshop"));
    assert_eq!(encode_id("Cshop").as_deref(), Some("Cshop"));
    assert_eq!(
        encode_id("//sp.example/id-in").as_deref(),
        Some(":sp.example:id-in")
    );
    for id in ["", "/", "a+b", "#", "a b", "a\u{0}b"] {
        assert_eq!(encode_id(id), None, "{id:?}");
    }
    let sent = Topic::of_request("/id-ics", "/id-in").expect("ids");
    assert_eq!(sent.write(), "/oneM2M/req/id-ics/id-in/json");
}

#[test]
fn what_is_subscribed_to_is_what_is_meant_for_this_cse() {
    assert_eq!(
        filters(&names()),
        [
            "/oneM2M/req/+/id-ics/#",
            "/oneM2M/reg_req/+/id-ics/#",
            "/oneM2M/resp/id-ics/#",
        ]
    );
    assert_eq!(client_id(&names()), "C::id-ics");
}

#[test]
fn behind_the_registrar_the_topic_names_the_hop() {
    let hop = "/oneM2M/req/id-in/id-ics/json";
    for from in ["/id-in", "/id-in/Cshop", "//in.example/id-in/Cshop"] {
        assert_eq!(check(hop, Some(from)), Ok(Sender::Registrar), "{from}");
    }
    let lies = Err(Rsc::OriginatorNotAuthenticated);
    for from in [
        "/id-inn/Cshop",
        "/id-mn/Cshop",
        "Cshop",
        "id-in",
        "//id-in",
        "",
    ] {
        assert_eq!(check(hop, Some(from)), lies, "{from}");
    }
    assert_eq!(check(hop, None), lies);
}

#[test]
fn anybody_else_is_who_the_topic_names() {
    for (originator, from) in [
        ("Cshop", "Cshop"),
        ("Cshop", "/id-ics/Cshop"),
        ("id-ics:Cshop", "Cshop"),
        ("id-ics:Cshop", "/id-ics/Cshop"),
        (":ics.example:id-ics:Cshop", "Cshop"),
        ("ics.example:id-ics:Cshop", "//ics.example/id-ics/Cshop"),
        ("id-mn:Cshop", "/id-mn/Cshop"),
        ("C", "C"),
    ] {
        let text = format!("/oneM2M/req/{originator}/id-ics/json");
        assert_eq!(check(&text, Some(from)), Ok(Sender::Other), "{text} {from}");
    }
    let lies = Err(Rsc::OriginatorNotAuthenticated);
    for (originator, from) in [("Cshop", "Cother"), ("id-mn:Cshop", "Cshop"), ("Cshop", "")] {
        let text = format!("/oneM2M/req/{originator}/id-ics/json");
        assert_eq!(check(&text, Some(from)), lies, "{text} {from}");
    }
}

#[test]
fn the_topic_for_registrations_takes_nothing_else() {
    let registration = topic("/oneM2M/reg_req/cred/id-ics/json");
    let mut request = Request::new(Operation::Create, "ics", "1");
    let both = (&names(), None);
    for (ty, expected) in [
        (Some(2), Ok(Sender::Other)),
        (Some(16), Ok(Sender::Other)),
        (Some(3), Err(Rsc::BadRequest)),
        (None, Err(Rsc::BadRequest)),
    ] {
        request.resource_type = ty;
        let checked = check_originator(&registration, &request, both);
        assert_eq!(checked.map_err(|refusal| refusal.rsc), expected, "{ty:?}");
    }
    request.operation = Operation::Retrieve;
    request.resource_type = Some(2);
    assert!(check_originator(&registration, &request, both).is_err());
}

#[test]
fn a_request_that_the_broker_held_too_long_is_over() {
    let now = time::parse("20261121T200000").expect("a time");
    let is_over = |expiration: &str, sent: Option<&str>| {
        let mut request = Request::new(Operation::Retrieve, "ics", "1");
        request.request_expiration = Some(expiration.to_owned());
        request.originating_timestamp = sent.map(str::to_owned);
        is_over(&request, now)
    };
    assert!(is_over("20261121T195959,999", None));
    assert!(is_over("20261121T200000", None));
    assert!(!is_over("20261121T200001", None));
    assert!(is_over("5000", Some("20261121T195954")));
    assert!(!is_over("7000", Some("20261121T195954")));
    // It may have been sent just now; what is no time is refused elsewhere.
    assert!(!is_over("5000", None));
    assert!(!is_over("soon", Some("20261121T195954")));
}

proptest! {
    #[test]
    fn whatever_can_be_in_a_topic_is_read_from_it(a in "/?[A-Za-z0-9._-]{1,20}(/[A-Za-z0-9._-]{1,20}){0,2}", b in "\\PC{0,20}") {
        if let Some(topic) = Topic::of_request(&a, &b) {
            prop_assert_eq!(Topic::parse(&topic.write()), Some(topic.clone()));
            let answer = topic.answer().expect("requests are answered");
            prop_assert_eq!(Topic::parse(&answer.write()), Some(answer));
        }
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "\\PC{0,80}") {
        if let Some(topic) = Topic::parse(&text) {
            prop_assert_eq!(topic.write(), text);
        }
    }
}
