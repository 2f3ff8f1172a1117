//! Datagrams that nobody means and handshakes that stop in the middle, in numbers, from all over
//! 127.0.0.0/8, at the CoAP listener: devices are served meanwhile, memory has a bound.
//!
//! `ICS_FLOOD_DATAGRAMS` says how many first datagrams come (20,000 when it does not; 100,000 before a
//! release), `ICS_FLOOD_HANDSHAKES` how many handshakes are half-open (1,024; 4,096).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ics_examples::chance::Dice;
use ics_tests::{Coap, CoapClient, CoapCredential, rounds};

use super::good::{Bound, raise_descriptors};
use crate::coap::tap::{Tap, Way, records};
use crate::coap::threats::with_cookie;
use crate::coap::world::{Thing, World};

/// The longest a session with a handshake, a request and its answer may take: where a datagram is
/// lost, because more come than a socket holds, it is sent again after one second, and after two.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many handshakes are begun side by side.
const SIDES: usize = 4;

/// How often a datagram that got no answer is sent, and how long is waited for one.
const TRIES: usize = 5;
const WAIT: Duration = Duration::from_millis(200);

/// A record of the handshake (RFC 5246 6.2.1).
const HANDSHAKE: u8 = 22;

fn world() -> (World, Thing) {
    raise_descriptors();
    let world = World::start_with(|text| text.replace("#level = \"info\"", "level = \"warn\""));
    let thing = world.host("GOOD");
    (world, thing)
}

/// The first datagram of a session of that kind.
fn hello(world: &World, shown: CoapCredential) -> Vec<u8> {
    let tap = Tap::open(&world.domain.coap_address());
    let desk = Coap::new(CoapClient::OpenSsl, &tap.address(), shown);
    desk.get("/ics/v1/doc").accept(50).expect("2.05");
    let hello = tap.seen_going(Way::Up).swap_remove(0);
    assert_eq!(records(&hello)[0].0, HANDSHAKE);
    hello
}

/// The so-many-th of places spread over 127.0.0.0/8.
fn place(number: usize) -> IpAddr {
    // Odd: each number leads elsewhere.
    let spread = number.wrapping_mul(0x9e_3779) % (1 << 24);
    let [_, a, b, c] = u32::try_from(spread).expect("24 bits").to_be_bytes();
    // Neither the network nor the gateway's own address.
    IpAddr::V4(Ipv4Addr::new(127, a | 1, b, c))
}

fn socket(number: usize, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((place(number), 0)).expect("loopback");
    socket.connect(to).expect("an address");
    socket
}

/// Devices come one after the other while `flood` goes on, and ten at least.
#[track_caller]
fn served_while<T: Send>(
    (world, thing): (&World, &Thing),
    meanwhile: &str,
    flood: impl FnOnce() -> T + Send,
) -> T {
    let desk = world.desk(CoapClient::OpenSsl, thing.shown());
    let is_over = AtomicBool::new(false);
    let (came, mut times) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let came = flood();
            is_over.store(true, Ordering::SeqCst);
            came
        });
        let mut times = Vec::new();
        while times.len() < 10 || !(is_over.load(Ordering::SeqCst) || flooding.is_finished()) {
            let began = Instant::now();
            desk.get("/ics/v1/doc").accept(50).expect("2.05");
            times.push(began.elapsed());
        }
        (flooding.join().expect("a flood"), times)
    });
    times.sort();
    let (worst, median) = (times[times.len() - 1], times[times.len() / 2]);
    println!(
        "{meanwhile}: {} sessions of a good device, worst {worst:.1?}, median {median:.1?}",
        times.len()
    );
    assert!(worst < PATIENCE, "{meanwhile}: {worst:?}");
    came
}

#[test]
fn first_datagrams_from_everywhere_keep_no_device_waiting_and_nothing_is_kept_of_them() {
    let count = rounds("ICS_FLOOD_DATAGRAMS", 20_000) as usize;
    let (world, thing) = world();
    let hellos = [
        hello(&world, thing.shown()),
        hello(&world, thing.certified()),
    ];
    let to: SocketAddr = world.domain.coap_address().parse().expect("an address");
    served_while((&world, &thing), "before", || ());
    let bound = Bound::begin(world.domain.pid(), 32 << 20);
    let name = format!("{count} first datagrams");
    let took = served_while((&world, &thing), &name, || {
        let began = Instant::now();
        let mut dice = Dice::of(5);
        for number in 0..count {
            let mut datagram = hellos[number % 2].clone();
            match dice.below(8) {
                // Random bytes; half of one; one that names a session, or a cookie nobody gave.
                0 => datagram.iter_mut().for_each(|byte| {
                    let [thrown, ..] = dice.throw().to_be_bytes();
                    *byte = thrown;
                }),
                1 => datagram.truncate(datagram.len() / 2),
                2 => datagram[59] = 32,
                3 => datagram = with_cookie(&datagram, &[7; 48]),
                _ => {
                    // Another hello each time.
                    datagram[27..35].copy_from_slice(&dice.throw().to_be_bytes());
                }
            }
            // Whether it fits into the gateway's socket is not looked at.
            let _ = socket(number, to).send(&datagram);
        }
        began.elapsed()
    });
    let pace = count as f64 / took.as_secs_f64();
    println!("{name} in {took:.1?}, {pace:.0} a second");
    bound.assert_kept(&name);
    served_while((&world, &thing), "after", || ());
    assert_eq!(world.domain.log().matches("panicked").count(), 0);
    assert!(world.domain.stop().success());
}

/// Sends it until an answer comes that fits.
fn ask(socket: &UdpSocket, datagram: &[u8], fits: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut buffer = [0; 2048];
    for _ in 0..TRIES {
        let _ = socket.send(datagram);
        while let Ok(length) = socket.recv(&mut buffer) {
            if fits(&buffer[..length]) {
                return Some(buffer[..length].to_vec());
            }
        }
    }
    None
}

/// Shakes hands half: the gateway's part comes, and is not answered.
fn begin(number: usize, to: SocketAddr, hello: &[u8]) -> Option<UdpSocket> {
    let socket = socket(number, to);
    socket.set_read_timeout(Some(WAIT)).expect("a limit");
    let is_verify_request = |datagram: &[u8]| datagram.len() == 48;
    let cookie = ask(&socket, hello, is_verify_request)?;
    let hello = with_cookie(hello, &cookie);
    let is_flight = |datagram: &[u8]| {
        let first = records(datagram).first().map(|record| record.0);
        datagram.len() != 48 && first == Some(HANDSHAKE)
    };
    ask(&socket, &hello, is_flight).map(|_| socket)
}

/// So many that are silent from there on.
fn begin_all(count: usize, to: SocketAddr, hellos: &[Vec<u8>; 2]) -> Vec<UdpSocket> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let sides: Vec<_> = (0..SIDES)
            .map(|_| {
                scope.spawn(|| {
                    let mut begun = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return begun;
                        }
                        begun.extend(begin(number, to, &hellos[number % 2]));
                    }
                })
            })
            .collect();
        let begun = sides.into_iter().map(|side| side.join().expect("a side"));
        begun.flatten().collect()
    })
}

#[test]
fn half_open_handshakes_from_everywhere_keep_no_device_waiting() {
    let count = rounds("ICS_FLOOD_HANDSHAKES", 1_024) as usize;
    let (world, thing) = world();
    let hellos = [
        hello(&world, thing.shown()),
        hello(&world, thing.certified()),
    ];
    let to: SocketAddr = world.domain.coap_address().parse().expect("an address");
    let bound = Bound::begin(world.domain.pid(), 192 << 20);
    let name = format!("{count} half-open handshakes");
    // As they come, and as as many come again while those wait.
    for again in ["", ", and as many again"] {
        let (begun, took) = served_while((&world, &thing), &format!("{name}{again}"), || {
            let began = Instant::now();
            (begin_all(count, to, &hellos), began.elapsed())
        });
        let open = begun.len();
        println!("{open} of {name} begun in {took:.1?}");
        // Some are given up for others.
        assert!(open >= count * 9 / 10, "{open} of {count}");
        served_while((&world, &thing), "as they wait", || ());
        bound.assert_kept(&format!("{name}{again}"));
    }
    served_while((&world, &thing), "after", || ());
    assert_eq!(world.domain.log().matches("panicked").count(), 0);
    assert!(world.domain.stop().success());
}
