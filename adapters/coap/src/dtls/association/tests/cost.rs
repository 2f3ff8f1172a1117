//! What it costs; prints, and is run by hand.

use super::*;

#[test]
#[ignore = "a measurement"]
fn what_a_datagram_and_a_handshake_cost() {
    let limits = DtlsLimits {
        associations: 20_000,
        ..LIMITS
    };
    let mut server = server_of(believes(true), limits);
    let now = Instant::now();
    let mut first = met_with_key(&mut server, 1, now);
    for many in [10u16, 100, 1000, 10_000] {
        for port in u16::try_from(server.peers.met()).unwrap()..many {
            met_with_key(&mut server, port + 1, now);
        }
        let words: Vec<_> = (0..5000)
            .map(|_| first.say(now, b"a word of a device"))
            .collect();
        let start = Instant::now();
        for word in &words {
            server.take(now, first.at, word);
            while server.heard().is_some() {}
            server.attend(now);
        }
        eprintln!("{many} met: {:?} a datagram", start.elapsed() / 5000);
    }
    for has_key in [true, false] {
        let mut spent = Duration::ZERO;
        for n in 0..200 {
            let mut client = if has_key {
                Client::with_key(20_000 + n, now, "watch-7", KEY)
            } else {
                Client::with_certificate(21_000 + n, now)
            };
            while !client.met {
                while let Some(datagram) = client.outgoing() {
                    let start = Instant::now();
                    server.take(now, client.at, &datagram);
                    server.take_key(now, client.at, b"watch-7", Zeroizing::new(KEY.to_vec()));
                    spent += start.elapsed();
                }
                while let Some((_, datagram)) = server.outgoing() {
                    client.take(now, &datagram);
                }
            }
        }
        eprintln!("key {has_key}: {:?} a handshake", spent / 200);
    }
}
