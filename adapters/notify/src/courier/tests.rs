use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_core::id::CallbackUri;
use ics_core::outbox::{Message, OutboxKey};
use ics_core::port::{RoadOutcome, SocketClosed};
use ics_core::reference_point::Role;

use super::*;
use crate::rig::{
    CountingEntropy, Peer, Pki, PlainNames, Reply, SeededKey, StandingClock, consignment, driver,
    entry,
};
use crate::token::NoToken;

/// A socket of everybody: open or not, acknowledging or not; remembers what it was given.
#[derive(Default)]
struct OneSocket {
    open: bool,
    acknowledges: bool,
    given: Mutex<Vec<(String, Vec<u8>)>>,
}

impl NotificationSockets for OneSocket {
    fn open_socket(&self, _: &Addressee) -> Option<u64> {
        self.open.then_some(7)
    }

    fn deliver<'a>(
        &'a self,
        _: &'a Addressee,
        notification_id: &'a str,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(), SocketClosed>> {
        let given = (notification_id.to_owned(), body);
        self.given.lock().unwrap().push(given);
        Box::pin(async {
            if !self.acknowledges {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

fn by_websocket(destination: Option<&str>) -> Consignment {
    let mut consignment = test_message(destination.unwrap_or("https://sp.example/cb"));
    consignment.websocket = true;
    if destination.is_none() {
        consignment.destination = None;
    }
    consignment
}

#[tokio::test]
async fn by_websocket_delivered_is_what_was_acknowledged() {
    let pki = Pki::new();
    for (acknowledges, outcome) in [
        (true, Outcome::Acknowledged),
        (false, Outcome::Unacknowledged),
    ] {
        let socket = Arc::new(OneSocket {
            open: true,
            acknowledges,
            ..OneSocket::default()
        });
        let courier = Courier {
            sockets: socket.clone(),
            ..courier(&pki)
        };
        let consignment = by_websocket(None);
        assert_eq!(courier.carry(&consignment).await, outcome);
        let given = socket.given.lock().unwrap();
        let (id, body) = given.first().unwrap();
        assert_eq!(*id, consignment.entry.key.notification_id());
        assert_eq!(*body, write_body(&consignment, &PlainNames).unwrap());
    }
}

#[tokio::test]
async fn without_a_socket_it_goes_to_the_destination_if_there_is_one() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    let url = peer.url("localhost", "/ics/cb");
    let courier = courier(&pki);
    let outcome = courier.carry(&by_websocket(Some(&url))).await;
    assert_eq!(outcome, Outcome::Accepted { status: 204 });
    assert_eq!(courier.carry(&by_websocket(None)).await, Outcome::NoSocket);
    assert_eq!(peer.seen().len(), 1);
}

/// The road of oneM2M: makes the same of everything, or takes for ever; remembers what it was given.
struct OneRoad {
    outcome: Option<RoadOutcome>,
    given: Mutex<Vec<OutboxKey>>,
}

impl OneRoad {
    fn new(outcome: Option<RoadOutcome>) -> Arc<Self> {
        let given = Mutex::default();
        Arc::new(Self { outcome, given })
    }
}

impl OneM2mRoad for OneRoad {
    fn deliver<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, RoadOutcome> {
        let key = consignment.entry.key.clone();
        self.given.lock().unwrap().push(key);
        Box::pin(async {
            match self.outcome {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    }
}

fn over_onem2m() -> Consignment {
    let mut consignment = test_message("https://sp.example/cb");
    (consignment.destination, consignment.onem2m) = (None, true);
    consignment
}

#[tokio::test]
async fn what_goes_over_onem2m_is_handed_to_its_road_and_comes_to_what_that_says() {
    let pki = Pki::new();
    let unreachable = Outcome::Unreachable(NoAnswer::Connect);
    for (said, outcome) in [
        (RoadOutcome::Accepted, Outcome::Acknowledged),
        (RoadOutcome::Refused, Outcome::RefusedByAe),
        (RoadOutcome::Failed, Outcome::Unacknowledged),
        (RoadOutcome::Unreachable, unreachable),
    ] {
        let road = OneRoad::new(Some(said));
        let courier = Courier {
            onem2m: Some(road.clone()),
            ..courier(&pki)
        };
        let consignment = over_onem2m();
        assert_eq!(courier.carry(&consignment).await, outcome);
        assert_eq!(*road.given.lock().unwrap(), [consignment.entry.key]);
    }
}

#[tokio::test]
async fn a_road_that_takes_for_ever_is_given_up_and_one_that_is_not_there_is_out_of_reach() {
    let pki = Pki::new();
    let slow = Courier {
        onem2m: Some(OneRoad::new(None)),
        patience: Duration::from_millis(20),
        ..courier(&pki)
    };
    let timeout = Outcome::Unreachable(NoAnswer::Timeout);
    assert_eq!(slow.carry(&over_onem2m()).await, timeout);
    let unreachable = Outcome::Unreachable(NoAnswer::Connect);
    assert_eq!(courier(&pki).carry(&over_onem2m()).await, unreachable);
}

#[tokio::test]
async fn what_has_a_callback_is_not_handed_to_the_road_of_onem2m() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    let road = OneRoad::new(Some(RoadOutcome::Accepted));
    let courier = Courier {
        onem2m: Some(road.clone()),
        ..courier(&pki)
    };
    let url = peer.url("localhost", "/ics/cb");
    let outcome = courier.carry(&test_message(&url)).await;
    assert_eq!(outcome, Outcome::Accepted { status: 204 });
    assert_eq!(*road.given.lock().unwrap(), []);
}

fn courier(pki: &Pki) -> Courier {
    Courier {
        driver: driver(pki),
        tokens: Tokens::new("ics-gateway".into()),
        signer: Arc::new(SeededKey::new()),
        clock: StandingClock::new(),
        entropy: Arc::new(CountingEntropy::default()),
        names: Arc::new(PlainNames),
        sockets: Arc::new(OneSocket::default()),
        onem2m: None,
        acknowledgement: Duration::from_millis(20),
        patience: Duration::from_secs(20),
    }
}

fn test_message(destination: &str) -> Consignment {
    consignment(
        entry(Role::ThirdPartySp, (1, 0), Message::Test),
        destination,
    )
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    });
    line.unwrap_or_else(|| panic!("no {name} in {request}"))
}

#[tokio::test]
async fn callback_arrives_with_a_signature_that_holds() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| Reply::status("204 No Content")).await;
    let url = peer.url("localhost", "/ics/cb?tenant=7");
    let outcome = courier(&pki).carry(&test_message(&url)).await;
    assert_eq!(outcome, Outcome::Accepted { status: 204 });
    let request = &peer.seen()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /ics/cb?tenant=7 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(body.starts_with("{\"notificationId\":\""), "{body}");
    assert_eq!(header(head, "content-type"), "application/json");
    let digest = crate::signature::digest_body(body.as_bytes());
    assert_eq!(header(head, "content-digest"), digest);
    let input = header(head, "signature-input")
        .strip_prefix("ics=")
        .unwrap();
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {url}\n\"content-type\": application/json\n\
         \"content-digest\": {digest}\n\"@signature-params\": {input}"
    );
    let signature = header(head, "signature").strip_prefix("ics=:").unwrap();
    let signature = STANDARD
        .decode(signature.strip_suffix(':').unwrap())
        .unwrap();
    UnparsedPublicKey::new(&ED25519, SeededKey::new().0.public_key().as_ref())
        .verify(base.as_bytes(), &signature)
        .unwrap();
    assert!(!head.to_ascii_lowercase().contains("\r\nauthorization"));
}

#[tokio::test]
async fn status_of_the_receiver_is_the_outcome() {
    let pki = Pki::new();
    let courier = courier(&pki);
    let (retry_after, seven) = (None, Some(Duration::from_secs(7)));
    for (status, headers, outcome) in [
        ("200 OK", "", Outcome::Accepted { status: 200 }),
        ("404 Not Found", "", Outcome::Refused { status: 404 }),
        ("409 Conflict", "", Outcome::Refused { status: 409 }),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            Outcome::Struggling {
                status: 429,
                retry_after: seven,
            },
        ),
        (
            "308 Permanent Redirect",
            "location: https://localhost/\r\n",
            Outcome::Struggling {
                status: 308,
                retry_after,
            },
        ),
        (
            "503 Service Unavailable",
            "",
            Outcome::Struggling {
                status: 503,
                retry_after,
            },
        ),
    ] {
        let reply = move |_: &str| Reply::Answer(status, headers.into(), String::new());
        let peer = Peer::start(&pki, "localhost", reply).await;
        let url = peer.url("localhost", "/cb");
        assert_eq!(courier.carry(&test_message(&url)).await, outcome);
    }
}

/// A receiver that takes `Bearer t<from>` and above; its token endpoint counts up from 1.
async fn guarded(pki: &Pki, from: usize) -> Peer {
    let count = AtomicUsize::new(0);
    Peer::start(pki, "localhost", move |request: &str| {
        if request.starts_with("POST /token ") {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!("{{\"access_token\":\"t{n}\",\"token_type\":\"bearer\"}}");
            return Reply::Answer("200 OK", String::new(), body);
        }
        let token = header(request, "authorization").strip_prefix("Bearer t");
        match token.unwrap().parse::<usize>().unwrap() >= from {
            true => Reply::status("204 No Content"),
            false => Reply::status("401 Unauthorized"),
        }
    })
    .await
}

fn with_token_endpoint(mut consignment: Consignment, peer: &Peer) -> Consignment {
    let endpoint = CallbackUri::parse(&peer.url("localhost", "/token")).unwrap();
    Arc::make_mut(&mut consignment.party).token_endpoint = Some(endpoint);
    consignment
}

#[tokio::test]
async fn refused_token_is_replaced_once() {
    let pki = Pki::new();
    let courier = courier(&pki);
    let peer = guarded(&pki, 2).await;
    let message = with_token_endpoint(test_message(&peer.url("localhost", "/cb")), &peer);
    let outcome = courier.carry(&message).await;
    assert_eq!(outcome, Outcome::Accepted { status: 204 });
    assert_eq!(peer.seen().len(), 4);
    // The good token is kept.
    let outcome = courier.carry(&message).await;
    assert_eq!(outcome, Outcome::Accepted { status: 204 });
    assert_eq!(peer.seen().len(), 5);
}

#[tokio::test]
async fn second_refusal_of_a_token_stands() {
    let pki = Pki::new();
    let peer = guarded(&pki, 100).await;
    let message = with_token_endpoint(test_message(&peer.url("localhost", "/cb")), &peer);
    let outcome = courier(&pki).carry(&message).await;
    assert_eq!(outcome, Outcome::Refused { status: 401 });
    assert_eq!(peer.seen().len(), 4);
}

#[tokio::test]
async fn nothing_is_sent_without_the_token_an_sp_wants() {
    let pki = Pki::new();
    let peer = Peer::start(&pki, "localhost", |_: &str| {
        Reply::status("500 Internal Server Error")
    })
    .await;
    let message = with_token_endpoint(test_message(&peer.url("localhost", "/cb")), &peer);
    let outcome = courier(&pki).carry(&message).await;
    assert_eq!(outcome, Outcome::NoToken(NoToken::Refused));
    let seen = peer.seen();
    assert!(
        seen.iter().all(|r| r.starts_with("POST /token ")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn incomplete_consignment_is_not_sent() {
    let pki = Pki::new();
    let push = entry(Role::IotSp, (1, 1), Message::Assignment);
    let outcome = courier(&pki)
        .carry(&consignment(push, "https://127.0.0.1:9/"))
        .await;
    assert_eq!(outcome, Outcome::Unsendable);
}
