use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::rig::{self, NOW, Peer, Pki, Reply, driver};

fn party_with(endpoint: &str) -> Party {
    let mut party = rig::party(&SpId::parse("shop").unwrap());
    party.token_endpoint = Some(CallbackUri::parse(endpoint).unwrap());
    party
}

fn granted(token: &str, rest: &str) -> Reply {
    Reply::Answer(
        "200 OK",
        "content-type: application/json\r\n".into(),
        format!("{{\"access_token\":\"{token}\"{rest}}}"),
    )
}

/// Grants `t1`, `t2`, and so on, each for 600 seconds.
async fn issuer(pki: &Pki) -> Peer {
    let count = AtomicUsize::new(0);
    Peer::start(pki, "localhost", move |_: &str| {
        let n = count.fetch_add(1, Ordering::SeqCst) + 1;
        granted(
            &format!("t{n}"),
            ",\"token_type\":\"Bearer\",\"expires_in\":600",
        )
    })
    .await
}

async fn ask(tokens: &Tokens, driver: &Arc<Driver>, party: &Party, now: Timestamp) -> String {
    let header = tokens.authorization(driver, party, now).await.unwrap();
    header.unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn token_is_fetched_once_by_certificate_and_kept_until_shortly_before_its_end() {
    let pki = Pki::new();
    let peer = issuer(&pki).await;
    let (tokens, driver) = (Tokens::new("ics-gateway".into()), driver(&pki));
    let party = party_with(&peer.url("localhost", "/token"));
    let (a, b) = tokio::join!(
        ask(&tokens, &driver, &party, NOW),
        ask(&tokens, &driver, &party, NOW)
    );
    assert_eq!((a.as_str(), b.as_str()), ("Bearer t1", "Bearer t1"));
    let seen = peer.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("POST /token "), "{}", seen[0]);
    let form = seen[0].rsplit("\r\n\r\n").next().unwrap();
    assert_eq!(form, "grant_type=client_credentials&client_id=ics-gateway");
    let just_before = NOW.plus(Duration::from_millis(569_999));
    assert_eq!(
        ask(&tokens, &driver, &party, just_before).await,
        "Bearer t1"
    );
    let shortly_before_end = NOW.plus(Duration::from_secs(570));
    assert_eq!(
        ask(&tokens, &driver, &party, shortly_before_end).await,
        "Bearer t2"
    );
}

#[tokio::test]
async fn discarded_token_is_fetched_anew_but_a_newer_one_is_kept() {
    let pki = Pki::new();
    let peer = issuer(&pki).await;
    let (tokens, driver) = (Tokens::new("ics-gateway".into()), driver(&pki));
    let party = party_with(&peer.url("localhost", "/token"));
    let first = tokens.authorization(&driver, &party, NOW).await;
    let first = first.unwrap().unwrap();
    tokens.discard(&party.id, &first).await;
    assert_eq!(ask(&tokens, &driver, &party, NOW).await, "Bearer t2");
    // A second delivery that was refused with the old token comes late.
    tokens.discard(&party.id, &first).await;
    assert_eq!(ask(&tokens, &driver, &party, NOW).await, "Bearer t2");
    assert_eq!(peer.seen().len(), 2);
}

#[tokio::test]
async fn moved_endpoint_needs_a_new_token() {
    let pki = Pki::new();
    let peer = issuer(&pki).await;
    let (tokens, driver) = (Tokens::new("ics-gateway".into()), driver(&pki));
    let before = party_with(&peer.url("localhost", "/token"));
    let after = party_with(&peer.url("localhost", "/oauth2/token"));
    assert_eq!(ask(&tokens, &driver, &before, NOW).await, "Bearer t1");
    assert_eq!(ask(&tokens, &driver, &after, NOW).await, "Bearer t2");
}

#[tokio::test]
async fn party_without_endpoint_needs_no_token() {
    let pki = Pki::new();
    let (tokens, driver) = (Tokens::new("ics-gateway".into()), driver(&pki));
    let party = rig::party(&SpId::parse("shop").unwrap());
    let header = tokens.authorization(&driver, &party, NOW).await.unwrap();
    assert_eq!(header, None);
}

#[tokio::test]
async fn answers_without_a_bearer_token_are_refused() {
    let pki = Pki::new();
    let driver = driver(&pki);
    let replies: [fn(&str) -> Reply; 6] = [
        |_| granted("t", ",\"token_type\":\"mac\""),
        |_| granted("a\\nb", ",\"token_type\":\"bearer\""),
        |_| Reply::Answer("200 OK", String::new(), "not json".into()),
        |_| {
            Reply::Answer(
                "400 Bad Request",
                String::new(),
                "{\"error\":\"invalid_client\"}".into(),
            )
        },
        |_| Reply::status("500 Internal Server Error"),
        |_| {
            Reply::Answer(
                "302 Found",
                "location: https://localhost/\r\n".into(),
                String::new(),
            )
        },
    ];
    for reply in replies {
        let peer = Peer::start(&pki, "localhost", reply).await;
        let party = party_with(&peer.url("localhost", "/token"));
        let tokens = Tokens::new("ics-gateway".into());
        let header = tokens.authorization(&driver, &party, NOW).await;
        assert_eq!(header, Err(NoToken::Refused));
    }
}

#[tokio::test]
async fn token_endpoint_is_vetted_like_a_callback() {
    let pki = Pki::new();
    let party = party_with("https://169.254.169.254/token");
    let tokens = Tokens::new("ics-gateway".into());
    let header = tokens.authorization(&driver(&pki), &party, NOW).await;
    assert!(
        matches!(header, Err(NoToken::Unreachable(NoAnswer::Address(_)))),
        "{header:?}"
    );
}
