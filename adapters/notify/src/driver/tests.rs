use reqwest::Method;

use super::*;
use crate::rig::{PATIENCE, Peer, Pki, Reply, driver, loopback};

async fn post(driver: &Driver, url: &str) -> Result<Answer, NoAnswer> {
    let mut request = Request::new(Method::POST, Driver::parse_target(url)?);
    *request.body_mut() = Some("{}".into());
    driver.send(request).await
}

#[tokio::test]
async fn answer_comes_back_over_mutual_tls_and_a_kept_connection() {
    let pki = Pki::new();
    let reply = |_: &str| Reply::Answer("200 OK", "retry-after: 7\r\n".into(), "hello".into());
    let peer = Peer::start(&pki, "localhost", reply).await;
    let driver = driver(&pki);
    for _ in 0..2 {
        let answer = post(&driver, &peer.url("localhost", "/cb?x=1"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"hello"[..])
        );
        assert_eq!(answer.retry_after(), Some("7"));
    }
    let seen = peer.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen[0].starts_with("POST /cb?x=1 HTTP/1.1\r\n"),
        "{}",
        seen[0]
    );
}

#[tokio::test]
async fn certificate_of_another_name_or_authority_gets_nothing() {
    let (pki, other) = (Pki::new(), Pki::new());
    let ok = |_: &str| Reply::status("204 No Content");
    let wrong_name = Peer::start(&pki, "elsewhere.example", ok).await;
    let driver = driver(&pki);
    let answer = post(&driver, &wrong_name.url("localhost", "/")).await;
    assert_eq!(answer.unwrap_err(), NoAnswer::Connect);
    let wrong_authority = Peer::start(&other, "localhost", ok).await;
    let answer = post(&driver, &wrong_authority.url("localhost", "/")).await;
    assert_eq!(answer.unwrap_err(), NoAnswer::Connect);
    assert!(wrong_name.seen().is_empty() && wrong_authority.seen().is_empty());
}

#[tokio::test]
async fn peer_that_does_not_know_our_certificate_counts_as_no_answer() {
    let (pki, other) = (Pki::new(), Pki::new());
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    let mut tls = pki.client_config();
    tls.client_auth_cert_resolver = other.client_config().client_auth_cert_resolver.clone();
    let driver = Driver::new(tls, loopback(), PATIENCE);
    let answer = post(&driver, &peer.url("localhost", "/")).await;
    let no_answer = answer.unwrap_err();
    assert!(
        matches!(no_answer, NoAnswer::Broken | NoAnswer::Connect),
        "{no_answer:?}"
    );
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn redirect_is_an_answer_and_not_followed() {
    let pki = Pki::new();
    let target = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    for status in [
        "301 Moved",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {}\r\n", target.url("localhost", "/"));
        let reply = move |_: &str| Reply::Answer(status, location.clone(), String::new());
        let peer = Peer::start(&pki, "localhost", reply).await;
        let answer = post(&driver(&pki), &peer.url("localhost", "/")).await;
        assert!((300..400).contains(&answer.unwrap().status));
    }
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn hanging_host_is_waited_for_no_longer_than_told() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::Hang).await;
    // Accepts connections and never says a word of TLS.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let patience = Patience {
        connect: Duration::from_millis(300),
        total: Duration::from_millis(600),
    };
    let driver = Driver::new(pki.client_config(), loopback(), patience);
    let answer = post(&driver, &peer.url("localhost", "/")).await;
    assert_eq!(answer.unwrap_err(), NoAnswer::Timeout);
    assert_eq!(peer.seen().len(), 1);
    let port = mute.local_addr().unwrap().port();
    let answer = post(&driver, &format!("https://localhost:{port}/")).await;
    assert_eq!(answer.unwrap_err(), NoAnswer::Timeout);
}

#[tokio::test]
async fn refused_addresses_are_never_connected_to() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    let refused = |reason| NoAnswer::Address(reason);
    let strict = Driver::new(pki.client_config(), AddressRules::default(), PATIENCE);
    let port = peer.address.port();
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
    ] {
        let answer = post(&strict, &format!("https://{host}:{port}/")).await;
        assert_eq!(
            answer.unwrap_err(),
            refused(AddressRefused::NotPublic),
            "{host}"
        );
    }
    let mut rules = loopback();
    rules.forbidden.push(peer.address);
    let own = Driver::new(pki.client_config(), rules, PATIENCE);
    for host in ["localhost", "127.0.0.1"] {
        let answer = post(&own, &peer.url(host, "/")).await;
        assert_eq!(
            answer.unwrap_err(),
            refused(AddressRefused::OwnListener),
            "{host}"
        );
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn dead_port_and_unknown_name_are_connection_failures() {
    let pki = Pki::new();
    let driver = driver(&pki);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for host in ["127.0.0.1", "no-such-name.invalid"] {
        let answer = post(&driver, &format!("https://{host}:{port}/")).await;
        assert_eq!(answer.unwrap_err(), NoAnswer::Connect, "{host}");
    }
}

#[tokio::test]
async fn endless_answer_is_read_no_further_than_needed() {
    let pki = Pki::new();
    let reply = |_: &str| Reply::Answer("200 OK", String::new(), "x".repeat(1 << 20));
    let peer = Peer::start(&pki, "localhost", reply).await;
    let driver = driver(&pki);
    let answer = post(&driver, &peer.url("localhost", "/")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, ANSWER_MAX));
}

#[test]
fn targets_are_plain_https() {
    for text in [
        "http://shop.example/",
        "https://user@shop.example/",
        "https://shop.example/#x",
        "ftp://shop.example/",
        "shop.example",
        "",
    ] {
        assert_eq!(Driver::parse_target(text), Err(NoAnswer::Url), "{text}");
    }
    let target = Driver::parse_target("https://shop.example").unwrap();
    assert_eq!(target.as_str(), "https://shop.example/");
}
