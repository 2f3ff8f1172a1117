use std::time::Duration;

use super::*;

const KEY: &[u8] = b"0123456789abcdef";

fn server_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5684))
}

fn client_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

fn psk(key: &[u8]) -> PreSharedKey {
    PreSharedKey {
        identity: "watch-7".to_owned(),
        key: Zeroizing::new(key.to_vec()),
    }
}

/// A server that knows [`KEY`], and what it heard.
struct Server {
    endpoint: Endpoint,
    heard: Vec<BytesMut>,
}

impl Server {
    fn new() -> Self {
        let config = ConfigBuilder::default()
            .with_crypto_provider(default_provider().unwrap())
            .with_cipher_suites(vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8])
            .with_psk(Some(Arc::new(|_| Ok(KEY.to_vec()))))
            .with_insecure_skip_verify(true)
            .build(false, None)
            .unwrap();
        let udp = TransportProtocol::UDP;
        Self {
            endpoint: Endpoint::new(server_address(), udp, Some(Arc::new(config))),
            heard: Vec::new(),
        }
    }

    fn take(&mut self, now: Instant, datagram: BytesMut) {
        let read = self.endpoint.read(now, client_address(), None, datagram);
        for event in read.unwrap_or_default() {
            if let EndpointEvent::ApplicationData(said) = event {
                self.heard.push(said);
            }
        }
    }

    fn say(&mut self, now: Instant, bytes: &[u8]) {
        let said = self.endpoint.write(now, client_address(), bytes);
        said.unwrap();
    }
}

/// Carries what both send, until both are silent.
fn carry(
    now: Instant,
    client: &mut Association,
    server: &mut Server,
) -> Result<(), AssociationError> {
    loop {
        let mut is_silent = true;
        while let Some(datagram) = client.outgoing() {
            is_silent = false;
            server.take(now, datagram);
        }
        while let Some(sent) = server.endpoint.poll_transmit() {
            is_silent = false;
            client.take(now, &sent.message)?;
        }
        if is_silent {
            return Ok(());
        }
    }
}

fn begin(now: Instant) -> Association {
    Association::begin(now, server_address(), &psk(KEY)).unwrap()
}

fn meet(now: Instant) -> (Association, Server) {
    let (mut client, mut server) = (begin(now), Server::new());
    carry(now, &mut client, &mut server).unwrap();
    assert!(client.is_met());
    (client, server)
}

#[test]
fn a_key_is_read_from_hexadecimal() {
    let read = |digits| PreSharedKey::from_hex("watch-7", digits).map(|psk| psk.key.to_vec());
    assert_eq!(read("00fFa7"), Some(vec![0x00, 0xff, 0xa7]));
    for unreadable in ["", "0", "0g", "012", "é0"] {
        assert_eq!(read(unreadable), None, "{unreadable}");
    }
}

#[test]
fn what_is_said_is_heard_both_ways() {
    let now = Instant::now();
    let (mut client, mut server) = meet(now);
    client.say(now, b"question").unwrap();
    server.say(now, b"answer");
    carry(now, &mut client, &mut server).unwrap();
    assert_eq!(server.heard, [&b"question"[..]]);
    assert_eq!(client.heard().unwrap(), &b"answer"[..]);
    assert_eq!(client.heard(), None);
    assert_eq!(client.next_timeout(), None);
}

#[test]
fn nothing_is_said_before_the_handshake_is_whole() {
    let now = Instant::now();
    let said = begin(now).say(now, b"question");
    assert!(matches!(said, Err(AssociationError::Mute(_))));
}

#[test]
fn a_lost_hello_is_sent_again_when_it_is_due() {
    let now = Instant::now();
    let (mut client, mut server) = (begin(now), Server::new());
    while client.outgoing().is_some() {}
    let due = client.next_timeout().unwrap();
    client.attend(due - Duration::from_millis(1)).unwrap();
    assert!(client.outgoing().is_none());
    client.attend(due).unwrap();
    carry(due, &mut client, &mut server).unwrap();
    assert!(client.is_met());
}

#[test]
fn a_server_that_is_silent_is_given_up() {
    let mut client = begin(Instant::now());
    let given_up = loop {
        let due = client.next_timeout().unwrap();
        if let Err(error) = client.attend(due) {
            break error;
        }
    };
    assert!(matches!(given_up, AssociationError::Silent(_)));
}

#[test]
fn another_key_is_refused() {
    let now = Instant::now();
    let other = psk(b"fedcba9876543210");
    let mut client = Association::begin(now, server_address(), &other).unwrap();
    let refused = carry(now, &mut client, &mut Server::new());
    assert!(matches!(refused, Err(AssociationError::Refused(_))));
    assert!(!client.is_met());
}

#[test]
fn strangers_end_nothing() {
    let now = Instant::now();
    let (mut client, mut server) = meet(now);
    // An alert in the clear, and a record of this epoch under another key.
    client
        .take(now, &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40])
        .unwrap();
    let mut forged = vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 24];
    forged.resize(13 + 24, 0);
    client.take(now, &forged).unwrap();
    assert!(client.outgoing().is_none());
    server.say(now, b"still here");
    carry(now, &mut client, &mut server).unwrap();
    assert_eq!(client.heard().unwrap(), &b"still here"[..]);
}

#[test]
fn a_server_that_takes_leave_ends_it() {
    let now = Instant::now();
    let (mut client, mut server) = meet(now);
    server.endpoint.stop(now, client_address());
    let ended = carry(now, &mut client, &mut server);
    assert!(matches!(ended, Err(AssociationError::Ended)));
    let after = client.take(now, b"anything");
    assert!(matches!(after, Err(AssociationError::Ended)));
    assert!(client.say(now, b"anything").is_err());
}

#[test]
fn leave_is_taken_in_a_datagram() {
    let now = Instant::now();
    let (mut client, mut server) = meet(now);
    client.end(now);
    let farewell = client.outgoing().unwrap();
    server.take(now, farewell);
    assert!(
        server
            .endpoint
            .get_connection_state(client_address())
            .is_none()
    );
}
