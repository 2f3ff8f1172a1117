//! Handshakes over a network that loses, repeats and reorders.

use super::*;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Comes,
    Lost,
    /// Twice, the second time behind what follows.
    Twice,
    /// Behind what follows.
    Late,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Comes),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Late),
    ];
    prop::collection::vec(fate, 0..10)
}

/// What of a batch of datagrams comes, in which order.
fn pass(batch: Vec<Vec<u8>>, fates: &mut impl Iterator<Item = Fate>) -> Vec<Vec<u8>> {
    let (mut comes, mut late) = (Vec::new(), Vec::new());
    for datagram in batch {
        match fates.next().unwrap_or(Fate::Comes) {
            Fate::Comes => comes.push(datagram),
            Fate::Lost => {}
            Fate::Twice => {
                comes.push(datagram.clone());
                late.push(datagram);
            }
            Fate::Late => late.insert(0, datagram),
        }
    }
    comes.extend(late);
    comes
}

/// Each record a datagram of its own, so that each may be lost.
fn apart(datagrams: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let records = |datagram: Vec<u8>| {
        let records = Records(&datagram).map(|record| record.whole.to_vec());
        records.collect::<Vec<_>>()
    };
    datagrams.flat_map(records).collect()
}

/// Until the client is met, or time is over: what the server heard.
fn meet(client: &mut Client, server: &mut Associations, fates: &[Fate]) -> Vec<String> {
    let (start, mut fates) = (Instant::now(), fates.iter().copied());
    let (mut heard, mut flight) = (Vec::new(), Vec::new());
    for step in 0..400 {
        let now = start + Duration::from_millis(250) * step;
        let mut out = apart(std::iter::from_fn(|| client.outgoing()));
        if !out.is_empty() {
            flight.clone_from(&out);
        } else if client.endpoint.poll_timeout(&server_address()).is_none() {
            // A client of rtc-dtls repeats nothing any more once a part of an answer came.
            out.clone_from(&flight);
        }
        for datagram in pass(out, &mut fates) {
            server.take(now, client.at, &datagram);
        }
        while let Some(event) = server.heard() {
            if let Heard::Asks(from, identity) = &event {
                server.take_key(now, *from, identity, Zeroizing::new(KEY.to_vec()));
            }
            heard.push(told(&event));
        }
        server.attend(now);
        let out = std::iter::from_fn(|| server.outgoing()).map(|(_, datagram)| datagram.to_vec());
        for datagram in pass(apart(out), &mut fates) {
            client.take(now, &datagram);
        }
        if client.met || client.failed {
            break;
        }
        let due = client.endpoint.poll_timeout(&server_address());
        if due.is_some_and(|due| due <= now) {
            let _ = client.endpoint.handle_timeout(server_address(), now);
        }
    }
    heard
}

/// Our limits are not what is tried here.
const PATIENT: DtlsLimits = DtlsLimits {
    handshake: Duration::from_secs(60),
    datagrams: 1000,
    bytes: 1 << 20,
    ..LIMITS
};

fn says_once(client: &mut Client, server: &mut Associations) -> Vec<String> {
    let now = Instant::now();
    // It may have repeated its last flight meanwhile.
    while let Some(datagram) = client.outgoing() {
        server.take(now, client.at, &datagram);
    }
    let word = client.say(now, b"up");
    server.take(now, client.at, &word);
    server.take(now, client.at, &word);
    all_heard(server)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_key_is_met_whatever_is_lost_of_the_handshake(fates in fates()) {
        let mut server = server_of(believes(true), PATIENT);
        let mut client = Client::with_key(4000, Instant::now(), "watch-7", KEY);
        let heard = meet(&mut client, &mut server, &fates);
        prop_assert_eq!(heard, ["asks watch-7", "key watch-7"]);
        prop_assert!(client.met);
        prop_assert_eq!(says_once(&mut client, &mut server), ["said up"]);
    }

    #[test]
    fn a_certificate_is_met_whatever_is_lost_of_the_handshake(fates in fates()) {
        let mut server = server_of(believes(true), PATIENT);
        let mut client = Client::with_certificate(4000, Instant::now());
        let heard = meet(&mut client, &mut server, &fates);
        prop_assert_eq!(heard, ["certificate watch-7"]);
        prop_assert!(client.met);
        prop_assert_eq!(says_once(&mut client, &mut server), ["said up"]);
    }
}
