use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use ics_core::id::{DeviceId, SpId};
use ics_core::principal::CertificateThumbprint;
use ics_core::time::Timestamp;
use proptest::prelude::*;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;

use super::super::trust::{ServerCredential, Verify};
use super::*;

mod loss;
mod stranger;

struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

const LIMITS: DtlsLimits = DtlsLimits {
    handshakes: 4,
    handshake: Duration::from_secs(10),
    datagrams: 16,
    bytes: 16 << 10,
    associations: 4,
    idle: Duration::from_secs(60),
};
const KEY: &[u8] = b"0123456789abcdef";

fn server_address() -> SocketAddr {
    "127.0.0.1:5684".parse().unwrap()
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn certificate(name: &str) -> Certificate {
    let provider = default_provider().unwrap();
    Certificate::generate_self_signed(vec![name.to_owned()], provider.crypto()).unwrap()
}

fn device() -> DeviceCertificate {
    DeviceCertificate {
        iot_sp: SpId::parse("sp-a").unwrap(),
        device_id: DeviceId::parse("watch-7").unwrap(),
        thumbprint: CertificateThumbprint([7; 32]),
        not_after: Timestamp::from_millis(4_000_000_000_000),
    }
}

fn credential() -> ServerCredential {
    let named = rcgen::generate_simple_self_signed(vec!["gateway".to_owned()]).unwrap();
    ServerCredential {
        chain: vec![named.cert.der().to_owned()],
        key: Zeroizing::new(named.signing_key.serialize_der()),
    }
}

/// Believes everybody or nobody.
fn believes(all: bool) -> Verify {
    Arc::new(move |_| all.then(device))
}

fn server_of(verify: Verify, limits: DtlsLimits) -> Associations {
    let trust = Trust::new(credential(), verify).unwrap();
    let entropy = Counting(AtomicU8::new(1));
    Associations::new(server_address(), &trust, limits, &entropy)
}

fn server(verify: bool) -> Associations {
    server_of(believes(verify), LIMITS)
}

/// A client of rtc-dtls.
struct Client {
    at: SocketAddr,
    endpoint: Endpoint,
    met: bool,
    said: Vec<Vec<u8>>,
    failed: bool,
    closed: bool,
    /// How many datagrams it got, and the last.
    got: Vec<usize>,
    last: Vec<u8>,
}

impl Client {
    fn begin(at: SocketAddr, now: Instant, config: ConfigBuilder) -> Self {
        let config = config
            .with_crypto_provider(default_provider().unwrap())
            .with_insecure_skip_verify(true)
            .build(true, Some(server_address()))
            .unwrap();
        let mut endpoint = Endpoint::new(at, TransportProtocol::UDP, None);
        endpoint
            .connect(now, server_address(), Arc::new(config), None)
            .unwrap();
        Self {
            at,
            endpoint,
            met: false,
            said: Vec::new(),
            failed: false,
            closed: false,
            got: Vec::new(),
            last: Vec::new(),
        }
    }

    fn with_key_at(at: SocketAddr, now: Instant, identity: &str, key: &'static [u8]) -> Self {
        let config = ConfigBuilder::default()
            .with_cipher_suites(vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8])
            .with_psk(Some(Arc::new(move |_| Ok(key.to_vec()))))
            .with_psk_identity_hint(Some(identity.as_bytes().to_vec()));
        Self::begin(at, now, config)
    }

    fn with_key(port: u16, now: Instant, identity: &str, key: &'static [u8]) -> Self {
        Self::with_key_at(address(port), now, identity, key)
    }

    fn with_certificate(port: u16, now: Instant) -> Self {
        let config = ConfigBuilder::default()
            .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
            .with_certificates(vec![certificate("device")]);
        Self::begin(address(port), now, config)
    }

    fn outgoing(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|t| t.message.to_vec())
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        self.got.push(datagram.len());
        self.last = datagram.to_vec();
        let bytes = BytesMut::from(datagram);
        let Ok(events) = self.endpoint.read(now, server_address(), None, bytes) else {
            self.failed = true;
            return;
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.met = true,
                EndpointEvent::ApplicationData(said) => self.said.push(said.to_vec()),
                _ => self.closed = true,
            }
        }
    }

    fn say(&mut self, now: Instant, bytes: &[u8]) -> Vec<u8> {
        self.endpoint.write(now, server_address(), bytes).unwrap();
        self.outgoing().unwrap()
    }
}

/// Carries datagrams until nobody has any more; what the server heard. `key` answers who asks.
fn carry(server: &mut Associations, client: &mut Client, now: Instant, key: &[u8]) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut is_quiet = true;
        while let Some(datagram) = client.outgoing() {
            is_quiet = false;
            server.take(now, client.at, &datagram);
        }
        while let Some(event) = server.heard() {
            is_quiet = false;
            if let Heard::Asks(from, identity) = &event {
                server.take_key(now, *from, identity, Zeroizing::new(key.to_vec()));
            }
            heard.push(told(&event));
        }
        while let Some((to, datagram)) = server.outgoing() {
            is_quiet = false;
            assert_eq!(to, client.at);
            client.take(now, &datagram);
        }
        if is_quiet {
            return heard;
        }
    }
}

fn told(heard: &Heard) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match heard {
        Heard::Asks(_, identity) => format!("asks {}", text(identity)),
        Heard::Met(_, Shown::Key(identity)) => format!("key {}", text(identity)),
        Heard::Met(_, Shown::Certificate(device)) => {
            format!("certificate {}", device.device_id.as_str())
        }
        Heard::Said(_, said) => format!("said {}", text(said)),
        Heard::Left(_) => "left".to_owned(),
    }
}

fn all_heard(server: &mut Associations) -> Vec<String> {
    let heard = std::iter::from_fn(|| server.heard());
    heard.map(|heard| told(&heard)).collect()
}

fn met_with_key(server: &mut Associations, port: u16, now: Instant) -> Client {
    let mut client = Client::with_key(port, now, "watch-7", KEY);
    carry(server, &mut client, now, KEY);
    assert!(client.met);
    client
}

/// First hello, cookie, second hello; what it then sends is held back.
fn half_open(server: &mut Associations, client: &mut Client, now: Instant) {
    for _ in 0..2 {
        let hello = client.outgoing().unwrap();
        server.take(now, client.at, &hello);
        while let Some((_, datagram)) = server.outgoing() {
            client.take(now, &datagram);
        }
    }
}

#[test]
fn who_holds_the_key_is_met_by_its_identity() {
    let (mut server, now) = (server(true), Instant::now());
    let mut client = Client::with_key(4000, now, "watch-7", KEY);
    let heard = carry(&mut server, &mut client, now, KEY);
    assert_eq!(heard, ["asks watch-7", "key watch-7"]);
    assert!(client.met);

    let datagram = client.say(now, b"up");
    server.take(now, client.at, &datagram);
    assert_eq!(all_heard(&mut server), ["said up"]);
    // A replay says nothing.
    server.take(now, client.at, &datagram);
    assert!(server.heard().is_none());
    server.say(now, client.at, b"down");
    carry(&mut server, &mut client, now, KEY);
    assert_eq!(client.said, [b"down".to_vec()]);
}

#[test]
fn a_wrong_key_and_an_unknown_identity_look_the_same_and_leave_nothing() {
    let now = Instant::now();
    let mut seen = Vec::new();
    for (held, given) in [(&b"another key, yes"[..], KEY), (KEY, b"nobody knows it.")] {
        let mut server = server(true);
        let mut client = Client::with_key(4000, now, "watch-7", held);
        let heard = carry(&mut server, &mut client, now, given);
        assert_eq!(heard, ["asks watch-7", "left"]);
        assert!(!client.met && client.failed);
        assert_eq!(server.endpoint.get_connections_keys().count(), 0);
        assert_eq!(server.next_timeout(), None);
        // Record number and all: nothing of it depends on a key.
        seen.push((client.got, client.last));
    }
    assert_eq!(seen[0], seen[1]);
    let [.., level, _] = seen[0].1[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(
        (seen[0].1[0], level),
        (ALERT, 2),
        "a fatal alert is the last"
    );
}

#[test]
fn a_key_that_comes_for_another_identity_is_not_taken() {
    let (mut server, now) = (server(true), Instant::now());
    let mut first = Client::with_key(4000, now, "watch-7", KEY);
    half_open(&mut server, &mut first, now);
    while let Some(datagram) = first.outgoing() {
        server.take(now, first.at, &datagram);
    }
    assert_eq!(all_heard(&mut server), ["asks watch-7"]);
    // While that is looked up, the same address asks as another, with the key of the first.
    let mut second = Client::with_key(4000, now, "watch-8", KEY);
    half_open(&mut server, &mut second, now);
    while let Some(datagram) = second.outgoing() {
        server.take(now, second.at, &datagram);
    }
    assert_eq!(all_heard(&mut server), ["left", "asks watch-8"]);
    server.take_key(now, second.at, b"watch-7", Zeroizing::new(KEY.to_vec()));
    assert!(all_heard(&mut server).is_empty());
    server.take_key(
        now,
        second.at,
        b"watch-8",
        Zeroizing::new(b"its own key.....".to_vec()),
    );
    assert_eq!(all_heard(&mut server), ["left"]);
}

#[test]
fn who_holds_the_key_of_a_certificate_that_is_believed_is_met_by_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let verify: Verify = Arc::new(move |chain| {
        assert_eq!(chain.len(), 1);
        count.fetch_add(1, Ordering::Relaxed);
        Some(device())
    });
    let (mut server, now) = (server_of(verify, LIMITS), Instant::now());
    let mut client = Client::with_certificate(4000, now);
    let heard = carry(&mut server, &mut client, now, KEY);
    assert_eq!(heard, ["certificate watch-7"]);
    assert!(client.met);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "verified once");
}

#[test]
fn a_certificate_that_is_not_believed_is_nobody_s() {
    let (mut server, now) = (server(false), Instant::now());
    let mut client = Client::with_certificate(4000, now);
    let heard = carry(&mut server, &mut client, now, KEY);
    assert_eq!(heard, ["left"]);
    assert!(!client.met && client.failed);
    assert_eq!(server.endpoint.get_connections_keys().count(), 0);
}

#[test]
fn who_shows_no_certificate_is_told_so_at_once() {
    let (mut server, now) = (server(true), Instant::now());
    let suites = vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256];
    let config = ConfigBuilder::default().with_cipher_suites(suites);
    let mut client = Client::begin(address(4000), now, config);
    let heard = carry(&mut server, &mut client, now, KEY);
    assert_eq!(heard, ["left"]);
    assert!(!client.met && client.failed, "an alert, and no silence");
    assert_eq!(server.endpoint.get_connections_keys().count(), 0);
}

#[test]
fn another_trust_is_that_of_handshakes_that_begin_after_it() {
    let trust = Trust::new(credential(), believes(true)).unwrap();
    let entropy = Counting(AtomicU8::new(1));
    let mut server = Associations::new(server_address(), &trust, LIMITS, &entropy);
    let now = Instant::now();
    let mut stands = Client::with_certificate(4000, now);
    carry(&mut server, &mut stands, now, KEY);
    let mut begun = Client::with_certificate(4001, now);
    half_open(&mut server, &mut begun, now);

    trust.replace(credential(), believes(false)).unwrap();
    server.use_trust(&trust);
    let mut late = Client::with_certificate(4002, now);
    assert_eq!(carry(&mut server, &mut late, now, KEY), ["left"]);
    assert_eq!(
        carry(&mut server, &mut begun, now, KEY),
        ["certificate watch-7"]
    );
    let datagram = stands.say(now, b"up");
    server.take(now, stands.at, &datagram);
    assert_eq!(all_heard(&mut server), ["said up"]);
}

#[test]
fn a_goodbye_ends_it_on_both_sides() {
    let (mut server, now) = (server(true), Instant::now());
    let mut client = met_with_key(&mut server, 4000, now);
    client.endpoint.stop(now, server_address());
    let goodbye = client.outgoing().unwrap();
    server.take(now, client.at, &goodbye);
    assert_eq!(all_heard(&mut server), ["left"]);
    assert_eq!(server.next_timeout(), None);
    assert_eq!(server.endpoint.get_connections_keys().count(), 0);
    assert!(server.outgoing().is_some() && server.outgoing().is_none());

    let mut other = met_with_key(&mut server, 4001, now);
    assert_eq!(server.met().collect::<Vec<_>>(), [other.at]);
    while server.outgoing().is_some() {}
    server.end(now, other.at);
    assert_eq!(carry(&mut server, &mut other, now, KEY), ["left"]);
    assert!(other.closed);
}

#[test]
fn a_fatal_alert_with_the_keys_ends_it_and_a_forged_one_does_not() {
    let (mut server, now) = (server(true), Instant::now());
    let mut client = met_with_key(&mut server, 4000, now);
    // What does not decrypt makes a client of rtc-dtls say so.
    let mut forged = client.say(now, b"up");
    forged[0] = APPLICATION_DATA;
    client.take(now, &forged);
    let alert = client.outgoing().unwrap();
    assert_eq!((alert[0], alert[4]), (ALERT, 1));
    for at in RECORD..alert.len() {
        let mut forged = alert.clone();
        forged[at] ^= 1;
        server.take(now, client.at, &forged);
        assert!(
            server.heard().is_none() && server.outgoing().is_none(),
            "{at}"
        );
    }
    server.take(now, client.at, &alert);
    assert_eq!(all_heard(&mut server), ["left"]);
    assert!(server.outgoing().is_none());
}

/// Length of a record's header.
const RECORD: usize = 13;

#[test]
fn of_too_many_handshakes_the_oldest_ends_and_a_met_one_stays() {
    let (mut server, start) = (server(true), Instant::now());
    let good = met_with_key(&mut server, 4000, start);
    let mut begun = Vec::new();
    for n in 0..6 {
        let now = start + Duration::from_millis(u64::from(n) + 1);
        let mut client = Client::with_key(5000 + n, now, "watch-8", KEY);
        half_open(&mut server, &mut client, now);
        begun.push(client.at);
    }
    let left = std::iter::from_fn(|| server.heard());
    let left = left.map(|heard| match heard {
        Heard::Left(at) => at,
        other => panic!("{other:?}"),
    });
    assert_eq!(left.collect::<Vec<_>>(), begun[..2]);
    assert!(server.peers.hello(good.at).is_some());
    let mut now = start;
    while let Some(due) = server.next_timeout() {
        assert!(due > now, "time goes on");
        now = due;
        server.attend(now);
        if server.peers.begun() == 0 {
            break;
        }
    }
    assert!(now <= start + LIMITS.handshake + Duration::from_secs(1));
    assert_eq!(server.peers.met(), 1, "the met one");
    server.attend(start + LIMITS.idle);
    assert_eq!(server.next_timeout(), None);
}

#[test]
fn of_too_many_associations_the_most_silent_ends() {
    let (mut server, start) = (server(true), Instant::now());
    let later = |ms| start + Duration::from_millis(ms);
    let mut clients: Vec<_> = (0..4)
        .map(|n| met_with_key(&mut server, 4000 + n, later(n.into())))
        .collect();
    // The first speaks, and what is not of the second does not count as its word.
    let said = clients[0].say(later(10), b"up");
    server.take(later(10), clients[0].at, &said);
    server.take(later(11), clients[1].at, &said);
    all_heard(&mut server);
    let mut fifth = Client::with_key(4004, later(20), "watch-7", KEY);
    half_open(&mut server, &mut fifth, later(20));
    while let Some(datagram) = fifth.outgoing() {
        server.take(later(20), fifth.at, &datagram);
    }
    assert_eq!(all_heard(&mut server), ["asks watch-7"]);
    server.take_key(
        later(20),
        fifth.at,
        b"watch-7",
        Zeroizing::new(KEY.to_vec()),
    );
    let Some(Heard::Left(left)) = server.heard() else {
        panic!("one leaves");
    };
    assert_eq!(left, clients[1].at);
    assert_eq!(server.peers.met(), 4);
    // Idle: the others go in their turn, the one that spoke last but one.
    let idle = LIMITS.idle;
    server.attend(later(3) + idle);
    assert_eq!(server.peers.met(), 2);
    server.attend(later(10) + idle);
    assert_eq!(server.peers.met(), 1);
}
