//! Connections that say nothing, stop in the handshake, or send a byte at a time.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ics_tests::{Connection, Dialer, Domain, Party, eventually};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::flood::{FLOOD, Flooded, SLOW, flood, trickle};
use super::good::{Bound, GoodClient, raise_descriptors};

struct World {
    domain: Domain,
    shop: Party,
    good: GoodClient,
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
        let good = GoodClient::of(&shop);
        Self { domain, shop, good }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.domain.t8_address()).expect("it listens")
    }
}

impl Flooded for World {
    const LISTENER: &'static str = "t8";

    fn domain(&self) -> &Domain {
        &self.domain
    }

    #[track_caller]
    fn assert_served(&mut self, meanwhile: &str) {
        self.good.assert_served(meanwhile);
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

/// Served while a flood of those comes, while it waits, and after.
fn served_during(name: &str, bytes: impl FnOnce(&World) -> Vec<u8>) {
    let mut world = World::start();
    let (bytes, to) = (bytes(&world), world.domain.t8_address());
    let connect = || TcpStream::connect(&to).expect("it listens");
    world.assert_served_beside(name, connect, &bytes);
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
    let mut world = World::start_with(("#max_connections = 8000", "max_connections = 200"));
    world.assert_served("before");
    let (to, done) = (world.domain.t8_address(), AtomicBool::new(false));
    let bound = Bound::begin(world.domain.pid(), 64 << 20);
    let count = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood_silently(&to, &done));
        let served = catch_unwind(AssertUnwindSafe(|| {
            eventually("more than its share", || {
                world.refused("TOO_MANY_HANDSHAKES") > 1_000
            });
            for _ in 0..3 {
                world.assert_served("silent connections of one address, over and over");
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

fn trickling(name: &str, head: impl FnOnce(&World) -> String, byte: &str) {
    let mut world = World::start();
    let bound = Bound::begin(world.domain.pid(), 96 << 20);
    let slow = slow_connections(&world, &head(&world));
    let pieces = std::iter::repeat_with(|| byte.as_bytes().to_vec());
    let send = |connection: &mut Connection, _: &[u8]| connection.write(byte);
    let took = trickle(slow, pieces, send, || {
        world.assert_served(name);
        world.assert_served(name);
    });
    println!("{name}: all {SLOW} cut off after {took:.1?}");
    bound.assert_kept(name);
    world.assert_served("after");
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
fn second_heads_a_byte_at_a_time_keep_nobody_waiting() {
    let head = |_: &World| {
        let first = "GET /nothing HTTP/1.1\r\nHost: ics\r\n\r\n";
        format!("{first}GET / HTTP/1.1\r\nX: ")
    };
    trickling("256 slow second heads", head, "a");
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
    let silent = flood(|| world.connect(), &[]);
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
