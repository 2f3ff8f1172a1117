use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, test};
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::SpId;
use ics_core::party::{CertificateRecord, Limits, Party, PartyStatus};
use ics_core::port::{Clock, DirectorySource};
use ics_core::principal::PeerCertificate;
use ics_core::time::Timestamp;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::ambient::SystemClock;
use crate::telemetry::{Metrics, T8};
use crate::tls::sample::{SampleAuthority, leaf_of, server_of};
use crate::tls::{ClientVerifier, Credential, client_config};

const SHOP: &str = "urn:ics:sp:shop";

/// A directory that a test exchanges as a whole.
#[derive(Default)]
struct Records(arc_swap::ArcSwap<Directory>);

impl Records {
    fn set(&self, records: impl IntoIterator<Item = DirectoryRecord>) {
        self.0.store(Arc::new(Directory::from_records(records)));
    }
}

impl DirectorySource for Records {
    fn snapshot(&self) -> Arc<Directory> {
        self.0.load_full()
    }
    fn update(&self, change: &ics_core::change::Change) {
        let mut next = Directory::clone(&self.snapshot());
        next.apply(change);
        self.0.store(Arc::new(next));
    }
}

/// The system's clock and a number of milliseconds.
struct ShiftedClock(SystemClock, AtomicI64);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now().millis() + self.1.load(Ordering::Relaxed))
    }
}

fn shop(status: PartyStatus) -> DirectoryRecord {
    DirectoryRecord::Party(Arc::new(Party {
        id: SpId::parse("shop").unwrap(),
        third_party_sp: true,
        iot_sp: false,
        status,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MIN,
        },
        created: Timestamp::from_millis(0),
        version: 1,
    }))
}

fn revoked(credential: &Credential) -> DirectoryRecord {
    let facts = ics_vault::read_certificate(leaf_of(credential)).unwrap();
    DirectoryRecord::Certificate(Arc::new(CertificateRecord {
        serial: facts.serial,
        thumbprint: Some(facts.thumbprint),
        sp: SpId::parse("shop").unwrap(),
        not_after: facts.not_after,
        revoked: Some(Timestamp::from_millis(1)),
        version: 1,
    }))
}

/// A listener for service providers on a free port of loopback.
struct Running {
    authority: SampleAuthority,
    records: Arc<Records>,
    clock: Arc<ShiftedClock>,
    address: SocketAddr,
    metrics: Arc<Metrics>,
    handle: actix_web::dev::ServerHandle,
}

impl Running {
    fn start(max_age: Duration) -> Self {
        Self::start_with(ConnectionsSection {
            workers: 1,
            max_age,
            ..Default::default()
        })
    }

    fn start_with(connections: ConnectionsSection) -> Self {
        let authority = SampleAuthority::new();
        let records = Arc::new(Records::default());
        records.set([shop(PartyStatus::Active)]);
        let clock = Arc::new(ShiftedClock(SystemClock::new(), AtomicI64::new(0)));
        let verifier = ClientVerifier::new(
            vec![authority.anchor("urn:ics:sp:*")],
            Some(Arc::clone(&records) as Arc<dyn DirectorySource>),
        );
        let metrics = Arc::new(Metrics::new());
        let listener = Listener {
            name: T8,
            address: "127.0.0.1:0".parse().unwrap(),
            tls: server_of(Arc::new(verifier), authority.server(), false),
            connections,
            admission: Arc::new(Admission::ServiceProviders {
                directory: Arc::clone(&records) as Arc<dyn DirectorySource>,
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
            }),
            telemetry: Telemetry {
                lines: None,
                decisions: None,
                metrics: Arc::clone(&metrics),
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
            },
        };
        let open = listener.open(|routes| {
            routes
                .route("/whoami", web::get().to(whoami))
                .route("/endless", web::get().to(endless))
                .route("/length", web::post().to(length))
                .route("/upgraded", web::get().to(upgraded));
        });
        let OpenListener {
            address, server, ..
        } = open.unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            authority,
            records,
            clock,
            address,
            metrics,
            handle,
        }
    }

    async fn connect(&self, credential: Credential) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        self.connect_over(stream, credential).await
    }

    async fn connect_over(
        &self,
        stream: TcpStream,
        credential: Credential,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = client_config(self.authority.root(), credential).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    async fn connect_shop(&self) -> TlsStream<TcpStream> {
        self.connect(self.authority.client(SHOP)).await.unwrap()
    }
}

async fn whoami(request: HttpRequest) -> HttpResponse {
    let peer = request.conn_data::<Arc<PeerCertificate>>().unwrap();
    HttpResponse::Ok().body(peer.sp.to_string())
}

/// Answers without end that are on their way.
static ENDLESS: AtomicI64 = AtomicI64::new(0);

struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        ENDLESS.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn endless() -> HttpResponse {
    ENDLESS.fetch_add(1, Ordering::Relaxed);
    let part = web::Bytes::from_static(&[b'x'; 32 << 10]);
    let parts = futures_util::stream::unfold(Endless, move |endless| {
        let part = part.clone();
        async move { Some((Ok::<_, io::Error>(part), endless)) }
    });
    HttpResponse::Ok().streaming(parts)
}

/// How long the body was.
async fn length(body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().body(body.len().to_string())
}

/// A connection that speaks something else from now on.
async fn upgraded() -> HttpResponse {
    let never = futures_util::stream::pending::<Result<web::Bytes, io::Error>>();
    HttpResponse::SwitchingProtocols()
        .upgrade("silence")
        .streaming(never)
}

/// Waits until `holds`.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a request and reads one answer: its head and body.
async fn ask(stream: &mut TlsStream<TcpStream>, head: &str) -> (String, String) {
    let request = format!("{head}\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

async fn read_answer(stream: &mut TlsStream<TcpStream>) -> (String, String) {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
            if body.len() >= length {
                return (head, body.to_owned());
            }
        }
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await.unwrap();
        assert_ne!(n, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&part[..n]).unwrap());
    }
}

async fn is_closed(stream: &mut TlsStream<TcpStream>) -> bool {
    matches!(stream.read(&mut [0; 16]).await, Ok(0) | Err(_))
}

const WHOAMI: &str = "GET /whoami HTTP/1.1";

#[actix_web::test]
async fn a_served_peer_is_known_by_its_certificate_on_every_request() {
    let running = Running::start(Duration::from_secs(60));
    assert_ne!(running.address.port(), 0, "the bound address is told");
    let mut stream = running.connect_shop().await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), None, "none was offered");
    for _ in 0..3 {
        let (head, body) = ask(&mut stream, WHOAMI).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, "shop");
    }
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn open_connections_of_suspended_and_revoked_peers_get_nothing_and_end() {
    let running = Running::start(Duration::from_secs(60));
    let credential = running.authority.client(SHOP);
    let revocation = revoked(&credential);
    let suspended = vec![shop(PartyStatus::Suspended)];
    let removed = vec![shop(PartyStatus::Removed)];
    let unknown = Vec::new();
    let not_admitted = [suspended, removed, unknown];
    for records in not_admitted {
        running.records.set([shop(PartyStatus::Active)]);
        let mut stream = running.connect_shop().await;
        assert!(ask(&mut stream, WHOAMI).await.0.starts_with("http/1.1 200"));
        running.records.set(records);
        expect_refusal(&mut stream, WHOAMI).await;
    }
    running.records.set([shop(PartyStatus::Active)]);
    let mut stream = running.connect(credential).await.unwrap();
    assert!(ask(&mut stream, WHOAMI).await.0.starts_with("http/1.1 200"));
    running.records.set([shop(PartyStatus::Active), revocation]);
    // Public documents too.
    expect_refusal(&mut stream, "GET /.well-known/ics HTTP/1.1").await;
    running.handle.stop(false).await;
}

async fn expect_refusal(stream: &mut TlsStream<TcpStream>, request: &str) {
    let (head, body) = ask(stream, request).await;
    assert!(head.starts_with("http/1.1 401"), "{head}");
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert!(
        head.contains("content-type: application/problem+json"),
        "{head}"
    );
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, r#"{"title":"Unauthorized","status":401}"#);
    assert!(is_closed(stream).await);
}

#[actix_web::test]
async fn a_connection_does_not_outlive_its_certificate() {
    let running = Running::start(Duration::from_secs(60));
    let mut stream = running.connect_shop().await;
    assert!(ask(&mut stream, WHOAMI).await.0.starts_with("http/1.1 200"));
    // rcgen's certificates end in the year 4096.
    running
        .clock
        .1
        .store(3000 * 366 * 86_400_000, Ordering::Relaxed);
    expect_refusal(&mut stream, WHOAMI).await;
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn strangers_operators_and_plain_http_reach_no_handler() {
    let running = Running::start(Duration::from_secs(60));
    let stranger = SampleAuthority::new();
    let revoked_shop = running.authority.client(SHOP);
    running
        .records
        .set([shop(PartyStatus::Active), revoked(&revoked_shop)]);
    let others = [
        stranger.client(SHOP),
        running.authority.client("urn:ics:operator:cli"),
        revoked_shop,
    ];
    for credential in others {
        // TLS 1.3: the client sees the refusal when it first reads.
        if let Ok(mut stream) = running.connect(credential).await {
            let _ = stream
                .write_all(b"GET /whoami HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await;
            assert!(is_closed(&mut stream).await);
        }
    }
    let mut plain = TcpStream::connect(running.address).await.unwrap();
    plain
        .write_all(b"GET /whoami HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn unknown_routes_are_answered_with_the_same_bytes_whatever_was_asked() {
    let running = Running::start(Duration::from_secs(60));
    let mut stream = running.connect_shop().await;
    let mut answers = Vec::new();
    for request in [
        "GET / HTTP/1.1",
        "DELETE /x/y?z HTTP/1.1",
        "GET /.well-known/q HTTP/1.1",
    ] {
        let (head, body) = ask(&mut stream, request).await;
        let head: Vec<String> = head
            .lines()
            .filter(|l| !l.starts_with("date:"))
            .map(str::to_owned)
            .collect();
        answers.push((head, body));
    }
    assert!(answers[0].0[0].starts_with("http/1.1 404"), "{answers:?}");
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].1, r#"{"title":"Not Found","status":404}"#);
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn heads_are_bounded() {
    let running = Running::start(Duration::from_secs(60));
    let mut stream = running.connect_shop().await;
    let long = format!("{WHOAMI}\r\nX-Long: {}", "x".repeat(17 << 10));
    let (head, _) = ask(&mut stream, &long).await;
    assert!(
        head.starts_with("http/1.1 431") && head.contains("connection: close"),
        "{head}"
    );
    assert!(is_closed(&mut stream).await);
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn old_connections_end_after_their_next_answer() {
    let running = Running::start(Duration::ZERO);
    let mut stream = running.connect_shop().await;
    let (head, body) = ask(&mut stream, WHOAMI).await;
    assert!(
        head.starts_with("http/1.1 200") && head.contains("connection: close"),
        "{head}"
    );
    assert_eq!(body, "shop");
    assert!(is_closed(&mut stream).await);
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn a_request_without_connection_data_is_refused() {
    // What happens when the hook did not recognize the connection.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let records = Arc::new(Records::default());
    records.set([shop(PartyStatus::Active)]);
    let directory: Arc<dyn DirectorySource> = records;
    let rules = [
        (
            Admission::ServiceProviders {
                directory,
                clock: Arc::clone(&clock),
            },
            StatusCode::UNAUTHORIZED,
        ),
        (Admission::Operators { clock }, StatusCode::FORBIDDEN),
    ];
    for (admission, status) in rules {
        let guard = PeerGuard::new(Arc::new(admission), Duration::from_secs(60));
        let routes = App::new()
            .route("/", web::get().to(HttpResponse::Ok))
            .wrap(guard);
        let service = test::init_service(routes).await;
        let request = test::TestRequest::get().uri("/").to_request();
        assert_eq!(test::call_service(&service, request).await.status(), status);
    }
}

#[actix_web::test]
async fn a_party_with_all_its_connections_open_gets_no_more_until_one_is_closed() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        max_connections_per_party: 2,
        ..Default::default()
    });
    let (mut first, mut second) = (running.connect_shop().await, running.connect_shop().await);
    ask(&mut first, "GET /whoami HTTP/1.1").await;
    ask(&mut second, "GET /whoami HTTP/1.1").await;
    let mut third = running.connect_shop().await;
    assert!(is_closed(&mut third).await);
    drop(second);
    loop {
        let mut again = running.connect_shop().await;
        let request = b"GET /whoami HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let _ = again.write_all(request).await;
        if !is_closed(&mut again).await {
            break;
        }
    }
    let text = running.metrics.render(&crate::telemetry::Sample::default());
    let refused = r#"ics_connections_refused_total{listener="t8",cause="TOO_MANY_CONNECTIONS"} "#;
    let line = text.lines().find(|line| line.starts_with(refused)).unwrap();
    assert!(!line.ends_with(" 0"), "{line}");
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn silent_connections_of_one_address_keep_nobody_waiting() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        max_handshakes: 1,
        max_handshakes_per_address: 1,
        ..Default::default()
    });
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    // All of them are silent for 3 s yet: this one has its answer before the first is cut off.
    let began = Instant::now();
    let mut shop = running.connect_shop().await;
    ask(&mut shop, "GET /whoami HTTP/1.1").await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn silent_connections_of_one_address_do_not_take_the_listener() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        max_connections: 8,
        ..Default::default()
    });
    // One after the other, and again when one is closed: far more than there is room for.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let began = Instant::now();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(running.address).await.unwrap();
    let credential = running.authority.client(SHOP);
    let mut shop = running.connect_over(stream, credential).await.unwrap();
    ask(&mut shop, WHOAMI).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let text = running.metrics.render(&crate::telemetry::Sample::default());
    let refused = r#"ics_connections_refused_total{listener="t8",cause="TOO_MANY_HANDSHAKES"} "#;
    let line = text.lines().find_map(|line| line.strip_prefix(refused));
    assert!(line.unwrap().parse::<u32>().unwrap() >= 90, "{line:?}");
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn a_peer_that_takes_nothing_of_its_answer_is_cut_off() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        answer_timeout: Duration::from_secs(1),
        ..Default::default()
    });
    let mut stalled = running.connect_shop().await;
    let request = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stalled.write_all(request).await.unwrap();
    eventually("it begins", || ENDLESS.load(Ordering::Relaxed) == 1).await;
    eventually("it is given up", || ENDLESS.load(Ordering::Relaxed) == 0).await;
    // Whoever reads is served for as long as it does.
    let mut reading = running.connect_shop().await;
    reading.write_all(request).await.unwrap();
    let began = Instant::now();
    let mut part = vec![0; 64 << 10];
    while began.elapsed() < Duration::from_secs(3) {
        assert_ne!(reading.read(&mut part).await.unwrap(), 0);
    }
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn a_second_head_has_its_time_and_what_follows_an_upgrade_has_no_head() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        request_timeout: Duration::from_secs(1),
        ..Default::default()
    });
    let mut upgraded = running.connect_shop().await;
    let request = b"GET /upgraded HTTP/1.1\r\nHost: localhost\r\n\r\n";
    upgraded.write_all(request).await.unwrap();
    let mut head = [0; 256];
    let n = upgraded.read(&mut head).await.unwrap();
    assert!(head[..n].starts_with(b"HTTP/1.1 101 "), "{head:?}");
    upgraded.write_all(b"said").await.unwrap();
    for half in ["GET /who", "GET /whoami HTTP/1.1\r\n"] {
        let mut slow = running.connect_shop().await;
        ask(&mut slow, WHOAMI).await;
        let began = Instant::now();
        slow.write_all(half.as_bytes()).await.unwrap();
        assert!(is_closed(&mut slow).await);
        assert!(began.elapsed() >= Duration::from_secs(1));
    }
    let more = tokio::time::timeout(Duration::from_millis(100), upgraded.read(&mut head)).await;
    assert!(more.is_err(), "{more:?}");
    running.handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_may_come_slower_than_a_head() {
    let running = Running::start_with(ConnectionsSection {
        workers: 1,
        request_timeout: Duration::from_secs(1),
        ..Default::default()
    });
    let post = "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n";
    let expecting = format!("{post}Expect: 100-continue\r\n\r\n");
    let behind_another = format!("{WHOAMI}\r\nHost: localhost\r\n\r\n{post}\r\n");
    let alone = format!("{post}\r\n");
    for (head, first) in [
        (expecting, Some("100 Continue")),
        (behind_another, Some("200 OK")),
        (alone, None),
    ] {
        let mut slow = running.connect_shop().await;
        ask(&mut slow, WHOAMI).await;
        slow.write_all(head.as_bytes()).await.unwrap();
        if let Some(first) = first {
            let mut said = [0; 1024];
            let n = slow.read(&mut said).await.unwrap();
            let text = std::str::from_utf8(&said[..n]).unwrap();
            let expected = format!("HTTP/1.1 {first}\r\n");
            assert!(text.starts_with(&expected), "{text}");
        }
        for byte in b"abc" {
            tokio::time::sleep(Duration::from_millis(700)).await;
            slow.write_all(&[*byte]).await.unwrap();
        }
        let (head, body) = read_answer(&mut slow).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, "3");
    }
    running.handle.stop(false).await;
}
