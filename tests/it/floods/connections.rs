//! Connections that say nothing, stop in the handshake, or send a byte at a time.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ics_tests::{Connection, Dialer, Domain, Party, eventually};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::good::{Bound, GoodClient, raise_descriptors};

const FLOOD: usize = 1_000;
const SLOW: usize = 256;

struct World {
    domain: Domain,
    shop: Party,
}

impl World {
    /// One address, from which the flood comes and the good client too, may have all connections.
    fn start() -> Self {
        Self::start_with((
            "#max_arrivals_per_address = 0",
            "max_arrivals_per_address = 8000",
        ))
    }

    fn start_with((before, after): (&str, &str)) -> Self {
        raise_descriptors();
        let domain = Domain::start(|text| {
            let text = text.replace("#level = \"info\"", "level = \"warn\"");
            assert!(text.contains(before), "{before}");
            text.replace(before, after)
        });
        let shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"],
            "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://shop.example"],
            "limits": { "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000 },
        }));
        Self { domain, shop }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.domain.t8_address()).expect("it listens")
    }

    /// A number the gateway serves, by the beginning of its line.
    fn metric(&self, name: &str) -> u64 {
        let served = self.domain.operator("GET", "/operator/v1/metrics", None);
        let text = served.expect(200).body;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} in {text}"))
    }

    /// Waits until the gateway has cut off `count` connections for their handshakes.
    fn wait_for_cut_off(&self, count: u64) {
        eventually("the flood to be cut off", || {
            self.refused("HANDSHAKE_TIMEOUT") >= count
        });
    }

    fn refused(&self, cause: &str) -> u64 {
        self.metric(&format!(
            r#"ics_connections_refused_total{{listener="t8",cause="{cause}"}}"#
        ))
    }
}

/// The first bytes a client of TLS 1.3 says.
fn client_hello(world: &World) -> Vec<u8> {
    let mut hello = Vec::new();
    let said = Dialer::of(&world.shop).say_hello(&mut hello);
    said.expect("a ClientHello");
    assert!(hello.len() > 200 && hello[0] == 0x16, "{hello:?}");
    hello
}

/// A thousand connections that say `bytes` and no more.
fn flood(world: &World, bytes: &[u8]) -> Vec<TcpStream> {
    let flood = (0..FLOOD).map(|_| {
        let mut stream = world.connect();
        stream.write_all(bytes).expect("room in the socket");
        stream
    });
    flood.collect()
}

/// Served while a flood of those comes, while it waits, and after.
fn served_during(name: &str, bytes: impl FnOnce(&World) -> Vec<u8>) {
    let world = World::start();
    let bytes = bytes(&world);
    let mut good = GoodClient::of(&world.shop);
    good.assert_served("before");
    let bound = Bound::begin(world.domain.pid(), 96 << 20);
    let mut waves = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&world, &bytes));
        good.assert_served(&format!("{name}, as they come"));
        flooding.join().expect("connections")
    });
    waves.extend(flood(&world, &bytes));
    good.assert_served(&format!("{name}, as they wait"));
    world.wait_for_cut_off(2 * FLOOD as u64);
    bound.assert_kept(name);
    for stream in waves.iter_mut().take(50) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let mut rest = Vec::new();
        // An alert, the server's part, or nothing: then the end.
        let _ = stream.read_to_end(&mut rest);
    }
    good.assert_served("after");
    assert_eq!(world.metric(r#"ics_handshakes{listener="t8"}"#), 0);
    assert!(world.domain.stop().success());
}

#[test]
fn a_thousand_silent_connections_keep_nobody_waiting() {
    served_during("1,000 silent connections", |_| Vec::new());
}

#[test]
fn a_thousand_half_handshakes_keep_nobody_waiting() {
    served_during("1,000 half handshakes", client_hello);
}

#[test]
fn a_thousand_halves_of_a_client_hello_keep_nobody_waiting() {
    served_during("1,000 halves of a ClientHello", |world| {
        let hello = client_hello(world);
        hello[..hello.len() / 2].to_vec()
    });
}

/// Connects from 127.0.0.2 and says nothing, 3,000 times a second, until `done`.
fn flood_silently(to: &str, done: &AtomicBool) -> usize {
    const KEPT: usize = 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let to = to.parse().expect("an address");
    runtime.block_on(async {
        let (mut kept, mut count) = (VecDeque::new(), 0);
        while !done.load(Ordering::Relaxed) {
            for _ in 0..30 {
                let socket = TcpSocket::new_v4().expect("a socket");
                let from = "127.0.0.2:0".parse().expect("an address");
                socket.bind(from).expect("loopback");
                kept.push_back(socket.connect(to).await.expect("it listens"));
                count += 1;
            }
            kept.drain(..kept.len().saturating_sub(KEPT));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        count
    })
}

#[test]
fn one_address_cannot_take_the_listener() {
    let world = World::start_with(("#max_connections = 8000", "max_connections = 200"));
    let mut good = GoodClient::of(&world.shop);
    good.assert_served("before");
    let (to, done) = (world.domain.t8_address(), AtomicBool::new(false));
    let bound = Bound::begin(world.domain.pid(), 64 << 20);
    let count = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood_silently(&to, &done));
        let served = catch_unwind(AssertUnwindSafe(|| {
            eventually("more than its share", || {
                world.refused("TOO_MANY_HANDSHAKES") > 1_000
            });
            for _ in 0..3 {
                good.assert_served("silent connections of one address, over and over");
            }
        }));
        done.store(true, Ordering::Relaxed);
        let count = flooding.join().expect("connections");
        served.unwrap_or_else(|why| resume_unwind(why));
        count
    });
    println!("{count} silent connections of one address to a listener of 200");
    bound.assert_kept("silent connections of one address");
    assert!(world.domain.stop().success());
}

/// Connections of the party itself, past their handshakes, each of which has sent `head`.
fn slow_connections(world: &World, head: &str) -> Vec<Connection> {
    let dialer = Arc::new(Dialer::of(&world.shop));
    let slow = (0..SLOW).map(|_| {
        let mut connection = dialer.dial().expect("it listens");
        connection.write(head).expect("an open connection");
        connection
    });
    slow.collect()
}

/// Sends a byte on each, again and again, until each has ended; `good` is served meanwhile.
fn trickle(slow: Vec<Connection>, byte: &str, mut good: impl FnMut()) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let trickling = scope.spawn(move || {
            let mut open = slow;
            while !open.is_empty() {
                open.retain_mut(|connection| connection.write(byte).is_ok());
                // Slower than any honest sender, and far from silent.
                std::thread::sleep(Duration::from_millis(100));
                assert!(began.elapsed() < Duration::from_secs(60), "never cut off");
            }
        });
        good();
        trickling.join().expect("cut off");
    });
    began.elapsed()
}

fn trickling(name: &str, head: impl FnOnce(&World) -> String, byte: &str) {
    let world = World::start();
    let mut good = GoodClient::of(&world.shop);
    let bound = Bound::begin(world.domain.pid(), 96 << 20);
    let slow = slow_connections(&world, &head(&world));
    let took = trickle(slow, byte, || {
        good.assert_served(name);
        good.assert_served(name);
    });
    println!("{name}: all {SLOW} cut off after {took:.1?}");
    bound.assert_kept(name);
    good.assert_served("after");
    // The room of their lines in the decision log is back.
    eventually("the room of their lines", || {
        world.metric("ics_decision_log_waiting_bytes ") < 8 << 10
    });
    assert!(world.domain.stop().success());
}

#[test]
fn heads_a_byte_at_a_time_keep_nobody_waiting() {
    trickling("256 slow heads", |_| "GET / HTTP/1.1\r\nX: ".into(), "a");
}

#[test]
fn bodies_a_byte_at_a_time_keep_nobody_waiting() {
    let head = |world: &World| {
        let token = world.shop.token();
        format!(
            "POST /ics-inquiry/v1/retrieve-by-transaction HTTP/1.1\r\nHost: ics\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: 60000\r\n\r\n"
        )
    };
    trickling("256 slow bodies", head, " ");
}

#[test]
fn chunked_bodies_that_are_refused_are_not_waited_for() {
    let head = |_: &World| {
        "POST /ics-inquiry/v1/retrieve-by-transaction HTTP/1.1\r\nHost: ics\r\n\
         Authorization: Bearer none\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
            .to_owned()
    };
    trickling("256 refused chunked bodies", head, "1\r\n \r\n");
}

/// What is asked while silent connections fill the gateway leaves its line: they take no room.
#[test]
fn silent_connections_take_no_room_of_the_decision_log() {
    let world = World::start();
    let waiting = "ics_decision_log_waiting_bytes ";
    let silent = flood(&world, &[]);
    eventually("the flood to be accepted", || {
        // Each is a descriptor of the gateway's.
        world.metric("ics_open_descriptors ") > FLOOD as u64
    });
    // That of the request that asks.
    assert!(world.metric(waiting) <= 4 << 10);
    drop(silent);
    let list: Value = world
        .shop
        .get(&world.shop.path("ics-mapping", "mappings"))
        .expect(200)
        .json();
    assert!(list.is_array());
}
