use ics_core::party::Party;

use super::*;
use crate::fixture::{SHOP, VENDOR, World, sp};

const DETAILS: &str = r#"[{"type":"ics_mapping","serviceUri":"https://shop.example/a",
    "deviceSerialNumber":"FR-1","purpose":"dpv:ServiceProvision"}]"#;
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn party() -> Party {
    Party::clone(World::new().party(SHOP).as_ref())
}

/// A good form, with some of its members replaced; an empty value is none.
fn form(replaced: &[(&str, &str)]) -> Form {
    let good = [
        ("response_type", "code"),
        ("redirect_uri", "https://shop.example/back?x=1"),
        ("state", "s 1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("authorization_details", DETAILS),
    ];
    let mut members: std::collections::BTreeMap<&str, &str> = good.into_iter().collect();
    members.extend(replaced.iter().copied());
    let encode = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02x}"))
            .collect::<String>()
    };
    let pairs = members
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    Form::parse(pairs.collect::<Vec<_>>().join("&").as_bytes()).unwrap()
}

fn refusal(replaced: &[(&str, &str)]) -> Refusal {
    PushedRequest::parse(&form(replaced), &party()).unwrap_err()
}

#[test]
fn a_request_is_read_whole() {
    let details = r#"[{"type":"ics_mapping","serviceUri":"https://shop.example/a",
        "deviceSerialNumber":"FR-1","deviceVendor":"Acme","deviceModel":"X","iotSpId":"vendor",
        "purpose":"dpv:ServiceProvision","expires":"2027-01-01T00:00:00Z"}]"#;
    let form = form(&[
        ("authorization_details", details),
        ("scope", "ics-mapping:request"),
    ]);
    let read = PushedRequest::parse(&form, &party()).unwrap();
    assert_eq!(read.redirect_uri.as_str(), "https://shop.example/back?x=1");
    assert_eq!(read.state, "s 1");
    assert_eq!(URL_SAFE_NO_PAD.encode(read.challenge), CHALLENGE);
    assert_eq!(read.ask.service_uri.as_str(), "https://shop.example/a");
    assert_eq!(read.ask.serial.expose(), "FR-1");
    assert_eq!(read.ask.vendor.unwrap().as_str(), "Acme");
    assert_eq!(read.ask.model.unwrap().as_str(), "X");
    assert_eq!(read.ask.iot_sp, Some(sp(VENDOR)));
    assert_eq!(read.ask.purpose.as_str(), "dpv:ServiceProvision");
    assert_eq!(
        read.ask.expires,
        Timestamp::parse("2027-01-01T00:00:00Z").ok()
    );
}

#[test]
fn each_member_is_needed_and_checked() {
    let missing = Refusal::ParameterMissing;
    let long = "s".repeat(513);
    let table: [(&str, &str, Refusal); 20] = [
        ("response_type", "", missing("response_type")),
        ("response_type", "token", Refusal::ResponseType),
        ("response_mode", "fragment", Refusal::ResponseMode),
        ("redirect_uri", "", missing("redirect_uri")),
        (
            "redirect_uri",
            "http://shop.example/back",
            Refusal::RedirectUri,
        ),
        (
            "redirect_uri",
            "https://shop.example.evil.example/",
            Refusal::RedirectUri,
        ),
        (
            "redirect_uri",
            "https://shop.example:444/",
            Refusal::RedirectUri,
        ),
        (
            "redirect_uri",
            "https://shop.example/#x",
            Refusal::RedirectUri,
        ),
        ("state", "", missing("state")),
        ("state", &long, Refusal::State),
        ("state", "a\nb", Refusal::State),
        ("code_challenge", "", missing("code_challenge")),
        ("code_challenge", "short", Refusal::Challenge),
        ("code_challenge_method", "", Refusal::ChallengeMethod),
        ("code_challenge_method", "plain", Refusal::ChallengeMethod),
        (
            "authorization_details",
            "",
            missing("authorization_details"),
        ),
        ("request_uri", "urn:x", Refusal::ByReference),
        ("request", "e30.e30.", Refusal::ByReference),
        (
            "scope",
            "ics-mapping:request ics-inquiry:by-transaction",
            Refusal::CodeScope,
        ),
        ("scope", "nonsense", Refusal::CodeScope),
    ];
    for (name, value, expected) in table {
        assert_eq!(refusal(&[(name, value)]), expected, "{name}={value}");
    }
}

#[test]
fn details_are_one_object_of_our_type() {
    let with = |from: &str, to: &str| DETAILS.replace(from, to);
    let bad = [
        "{}".to_owned(),
        "[]".to_owned(),
        "[1]".to_owned(),
        format!("[{0},{0}]", DETAILS.trim_matches(['[', ']'])),
        with("ics_mapping", "payment"),
        with("\"purpose\"", "\"more\":1,\"purpose\""),
        with("https://shop.example/a", "shop"),
        with("dpv:ServiceProvision", ""),
        with("\"FR-1\"", "7"),
        with("}]", ",\"expires\":\"tomorrow\"}]"),
        with("}]", ",\"iotSpId\":\"NOT AN ID\"}]"),
        with("FR-1", &"9".repeat(5000)),
    ];
    for details in bad {
        let refused = refusal(&[("authorization_details", &details)]);
        assert!(
            matches!(refused, Refusal::Details(_)),
            "{details}: {refused:?}"
        );
        // Nothing of what was sent is echoed.
        assert!(!refused.to_string().contains("FR-1"));
    }
}
