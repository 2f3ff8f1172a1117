//! What strangers and senders of anything may not bring about.

use super::*;

/// A record as anybody can write it.
fn record(kind: u8, epoch: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let mut out = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, number];
    out.extend(length);
    out.extend(body);
    out
}

fn is_quiet(server: &mut Associations) -> bool {
    server.heard().is_none() && server.outgoing().is_none()
}

#[test]
fn first_datagrams_leave_nothing_and_are_answered_with_less() {
    let (mut server, now) = (server(true), Instant::now());
    let mut client = Client::with_key(4000, now, "watch-7", KEY);
    let first = client.outgoing().unwrap();
    for port in 1..=u16::MAX {
        server.take(now, address(port), &first);
        let (to, answer) = server.outgoing().unwrap();
        assert_eq!((to, answer.len()), (address(port), 48));
        assert!(answer.len() < first.len());
        assert!(server.outgoing().is_none());
    }
    for other in [&b""[..], b"\x40\x01\x00\x00", &[22; 60], &first[..40]] {
        server.take(now, address(1), other);
        assert!(is_quiet(&mut server), "{other:?}");
    }
    assert_eq!((server.peers.begun(), server.peers.met()), (0, 0));
    assert_eq!(server.endpoint.get_connections_keys().count(), 0);
}

#[test]
fn what_does_not_decrypt_ends_no_association() {
    let (mut server, now) = (server(true), Instant::now());
    let mut by_certificate = Client::with_certificate(4001, now);
    carry(&mut server, &mut by_certificate, now, KEY);
    let clients = [met_with_key(&mut server, 4000, now), by_certificate];
    for mut client in clients {
        let good = client.say(now, b"up");
        for at in 0..good.len() {
            let mut forged = good.clone();
            forged[at] ^= 1;
            server.take(now, client.at, &forged);
            assert!(is_quiet(&mut server), "{at}");
            server.take(now, client.at, &good[..at]);
            assert!(is_quiet(&mut server), "{at}");
        }
        // A forged record in front of it does not hide it.
        let mut both = good.clone();
        both[20] ^= 1;
        both.extend(&good);
        server.take(now, client.at, &both);
        assert_eq!(all_heard(&mut server), ["said up"]);
    }
}

#[test]
fn records_without_the_keys_do_nothing_to_an_association() {
    let (mut server, now) = (server(true), Instant::now());
    let mut client = met_with_key(&mut server, 4000, now);
    let key_exchange = [16, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 1, 0];
    let bodies: [&[u8]; 6] = [&[1], &[2, 40], &[1, 0], &[], &key_exchange, &[0; 64]];
    // Among them the change of keys of epoch 1, which rtc-dtls takes without its keys.
    for kind in [20, ALERT, HANDSHAKE, APPLICATION_DATA, 24, 0, 255] {
        for (epoch, body) in [0, 1, 2, 255].iter().flat_map(|e| bodies.map(|b| (*e, b))) {
            server.take(now, client.at, &record(kind, epoch, 200, body));
            assert!(is_quiet(&mut server));
        }
    }
    let good = client.say(now, b"up");
    server.take(now, client.at, &good);
    assert_eq!(all_heard(&mut server), ["said up"]);
}

#[test]
fn a_hello_of_an_earlier_handshake_that_was_overheard_ends_nothing() {
    let (mut server, now) = (server(true), Instant::now());
    let mut old = Client::with_key(4000, now, "watch-7", KEY);
    let mut overheard = Vec::new();
    for _ in 0..2 {
        overheard = old.outgoing().unwrap();
        server.take(now, old.at, &overheard);
        while let Some((_, datagram)) = server.outgoing() {
            old.take(now, &datagram);
        }
    }
    carry(&mut server, &mut old, now, KEY);
    // The device starts again, at the port it had.
    let mut new = met_with_key(&mut server, 4000, now);
    while server.heard().is_some() {}
    server.take(now, new.at, &overheard);
    assert!(is_quiet(&mut server));
    let word = new.say(now, b"up");
    server.take(now, new.at, &word);
    assert_eq!(all_heard(&mut server), ["said up"]);
}

#[test]
fn a_new_hello_ends_an_association_once_its_address_is_proven() {
    let (mut server, now) = (server(true), Instant::now());
    let mut old = Client::with_key(4000, now, "watch-7", KEY);
    let mut hellos = Vec::new();
    for _ in 0..2 {
        hellos.push(old.outgoing().unwrap());
        server.take(now, old.at, hellos.last().unwrap());
        while let Some((_, datagram)) = server.outgoing() {
            old.take(now, &datagram);
        }
    }
    carry(&mut server, &mut old, now, KEY);
    assert!(old.met);
    // Its own, again, ends nothing.
    for hello in &hellos {
        server.take(now, old.at, hello);
    }
    assert!(server.heard().is_none());
    while server.outgoing().is_some() {}
    // Nor does that of somebody who does not get the answer.
    let mut new = Client::with_key(4000, now, "watch-8", KEY);
    let hello = new.outgoing().unwrap();
    server.take(now, new.at, &hello);
    let (_, answer) = server.outgoing().unwrap();
    assert_eq!(answer.len(), 48);
    let word = old.say(now, b"up");
    server.take(now, old.at, &word);
    assert_eq!(all_heard(&mut server), ["said up"]);
    // Whoever gets it is there.
    new.take(now, &answer);
    let heard = carry(&mut server, &mut new, now, KEY);
    assert_eq!(heard, ["left", "asks watch-8", "key watch-8"]);
    assert!(new.met && !new.closed && !new.failed);
    let words = [old.say(now, b"up"), new.say(now, b"me")];
    words.iter().for_each(|word| server.take(now, new.at, word));
    assert_eq!(all_heard(&mut server), ["said me"]);
}

#[test]
fn a_handshake_that_sends_too_much_ends() {
    let (mut server, now) = (server(true), Instant::now());
    for (port, size, most) in [(4000, 1, 16), (4001, 4000, 5)] {
        let mut client = Client::with_key(port, now, "watch-7", KEY);
        half_open(&mut server, &mut client, now);
        let junk = record(HANDSHAKE, 0, 9, &vec![0; size]);
        let mut taken = 0;
        while server.heard().is_none() {
            server.take(now, client.at, &junk);
            taken += 1;
            assert!(taken <= most, "{size}");
        }
        assert_eq!(server.endpoint.get_connections_keys().count(), 0);
        while server.outgoing().is_some() {}
    }
}

#[test]
fn half_open_handshakes_are_bounded_and_one_network_does_not_push_out_others() {
    let limits = DtlsLimits {
        handshakes: 1000,
        ..LIMITS
    };
    let (mut server, now) = (server_of(believes(true), limits), Instant::now());
    let of = |network: u16, host: u16| {
        let [a, b] = network.to_be_bytes();
        SocketAddr::from(([10, a, b, 7], 1024 + host))
    };
    let begin = |server: &mut Associations, at| {
        let mut client = Client::with_key_at(at, now, "watch-7", KEY);
        half_open(server, &mut client, now);
        assert!(server.peers.begun() <= 1000);
        while server.heard().is_some() {}
    };
    // 400 from as many networks, then 4,600 from one.
    (0..400).for_each(|network| begin(&mut server, of(network, 0)));
    (0..4600).for_each(|host| begin(&mut server, of(1000, host)));
    let stay = |server: &Associations, most| {
        let stays = |network: &u16| server.peers.hello(of(*network, 0)).is_some();
        (0..most).filter(stays).count()
    };
    assert_eq!(stay(&server, 400), 400);
    // Others come in at its cost, until it has a quarter.
    (400..750).for_each(|network| begin(&mut server, of(network, 0)));
    assert_eq!(stay(&server, 750), 750);
    assert_eq!(server.peers.begun(), 1000);
    begin(&mut server, of(750, 0));
    assert_eq!(stay(&server, 751), 750, "then the oldest goes");
    assert_eq!(server.endpoint.get_connections_keys().count(), 1000);
}

#[test]
fn a_hello_rtc_dtls_cannot_read_is_refused_and_leaves_nothing() {
    use super::super::super::hello::tests::hello;
    let (mut server, now) = (server(true), Instant::now());
    // Without the length of its extensions (RFC 5246 7.4.1.2): older devices.
    let hello = |number, cookie: &[u8]| {
        let mut bytes = hello(number, cookie);
        bytes.truncate(bytes.len() - 2);
        [12, 16, 24].iter().for_each(|at| bytes[*at] -= 2);
        bytes
    };
    server.take(now, address(1), &hello(0, &[]));
    let (_, answer) = server.outgoing().unwrap();
    let cookie = &answer[answer.len() - COOKIE..];
    server.take(now, address(1), &hello(1, cookie));
    let (_, refusal) = server.outgoing().unwrap();
    assert_eq!((refusal[0], &refusal[RECORD..]), (ALERT, &[2, 40][..]));
    assert_eq!(server.endpoint.get_connections_keys().count(), 0);
    assert!(is_quiet(&mut server));
}

/// What clients send after the server's flight.
fn spoken(server: &mut Associations, clients: &mut [Client], now: Instant) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for client in clients {
        half_open(server, client, now);
        all.extend(std::iter::from_fn(|| client.outgoing()));
    }
    all
}

/// Another byte somewhere, the end cut off, something behind.
type Twist = (usize, u8, usize, Vec<u8>);

fn twist() -> impl Strategy<Value = Twist> {
    let cut = prop_oneof![3 => Just(usize::MAX), 1 => 0usize..800];
    let behind = prop::collection::vec(any::<u8>(), 0..32);
    (0usize..100, any::<u8>(), cut, behind)
}

fn twisted(datagram: &[u8], (at, to, cut, behind): &Twist) -> Vec<u8> {
    let mut datagram = datagram.to_vec();
    let at = at % datagram.len();
    datagram[at] = *to;
    datagram.truncate(*cut);
    datagram.extend(behind);
    datagram
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reading_is_total(
        random in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        changed in prop::collection::vec((0usize..8, twist()), 1..12),
    ) {
        let (mut server, now) = (server(true), Instant::now());
        let mut met = met_with_key(&mut server, 4000, now);
        let mut clients = [
            Client::with_key(4001, now, "watch-7", KEY),
            Client::with_certificate(4002, now),
        ];
        let mut spoken = spoken(&mut server, &mut clients, now);
        spoken.push(met.say(now, b"up"));
        let changed = changed.iter().map(|(at, twist)| twisted(&spoken[at % spoken.len()], twist));
        for datagram in random.into_iter().chain(changed) {
            for at in [met.at, clients[0].at, clients[1].at, address(9)] {
                server.take(now, at, &datagram);
            }
            while let Some(heard) = server.heard() {
                if let Heard::Asks(from, identity) = &heard {
                    server.take_key(now, *from, identity, Zeroizing::new(KEY.to_vec()));
                }
                if let Heard::Left(from) = &heard {
                    prop_assert_ne!(*from, met.at);
                }
            }
            server.attend(now);
            while server.outgoing().is_some() {}
        }
        let word = met.say(now, b"still here");
        server.take(now, met.at, &word);
        prop_assert_eq!(all_heard(&mut server), ["said still here"]);
    }
}
