//! Devices, and what is none, in numbers at the MQTT listener: others connect and are answered
//! within a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ics_tests::Version::{V3, V5};
use ics_tests::{Domain, Gateway, eventually};
use serde_json::{Value, json};

use super::device::{Device, Line, packet, tls_of};
use super::flood::{FLOOD, Flooded, SLOW, trickle};
use super::good::{Bound, Times, assert_within, raise_descriptors};

/// Good devices take turns: one may connect ten times at once, and then once a second.
const GOOD: usize = 40;

struct World {
    domain: Domain,
    good: Vec<Device>,
    next: usize,
    kept: Line,
    /// The others.
    bad: Vec<Device>,
}

impl World {
    /// With so many devices that are not good.
    fn start(bad: usize) -> Self {
        raise_descriptors();
        let domain = Domain::start(|text| {
            let text = text
                .replace("#level = \"info\"", "level = \"warn\"")
                .replace("#passwords = false", "passwords = true");
            let before = "#max_arrivals_per_address = 0";
            assert!(text.contains(before) && text.contains("passwords = true"));
            text.replace(before, "max_arrivals_per_address = 8000")
        });
        let acme = json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
            "callbackOrigins": ["https://acme.example"],
        });
        domain.onboard(&acme);
        let mut good = import(&domain, GOOD + bad);
        let bad = good.split_off(GOOD);
        let kept = good[0].enter(V3).expect("it listens").expect("let in");
        Self {
            domain,
            good,
            next: 0,
            kept,
            bad,
        }
    }
}

impl Flooded for World {
    const LISTENER: &'static str = "mqtt";

    fn domain(&self) -> &Domain {
        &self.domain
    }

    /// 30 answers on the kept connection, and 30 on connections made for them.
    #[track_caller]
    fn assert_served(&mut self, meanwhile: &str) {
        let kept = Times::of(|| self.kept.ping().expect("the kept connection"));
        let new = Times::of(|| {
            // The first one is the kept connection's.
            self.next = self.next % (GOOD - 1) + 1;
            let line = self.good[self.next].enter(V3).expect("a new connection");
            line.expect("let in").ping().expect("an answer");
        });
        assert_within(meanwhile, &kept, &new);
    }
}

/// Ends a flood, whatever becomes of those who are served meanwhile.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Hosts so many devices, each with a password.
fn import(domain: &Domain, count: usize) -> Vec<Device> {
    let mut table = "deviceSerialNumber,credentials\n".to_owned();
    (0..count).for_each(|n| table.push_str(&format!("FR-{n:05},password\n")));
    let at = |name: &str| domain.scratch().join(name).display().to_string();
    let (sheet, answers) = (at("devices.csv"), at("devices.ndjson"));
    std::fs::write(&sheet, table).expect("a file");
    let configuration = domain.configuration().display().to_string();
    let import = [
        "device",
        "import",
        &sheet,
        "--sp",
        "acme",
        "--answers",
        &answers,
    ];
    let output = Gateway::run(&[&import[..], &["--config", &configuration]].concat());
    assert!(output.status.success(), "{output:?}");
    let (place, text) = (
        domain.mqtt(),
        std::fs::read_to_string(&answers).expect("answers"),
    );
    let tls = tls_of(&place);
    let device = |line: &str| {
        let answer: Value = serde_json::from_str(line).expect("JSON");
        let id = answer["deviceId"].as_str().expect("an id");
        let password = answer["password"].as_str().expect("a password");
        Device::new((id, password), &place, &tls)
    };
    text.lines().map(device).collect()
}

/// Served while a flood of those comes, while it waits, and after.
fn served_during(name: &str, bytes: impl FnOnce(&Device) -> Vec<u8>) {
    let mut world = World::start(1);
    let device = world.bad[0].clone();
    let bytes = bytes(&device);
    world.assert_served_beside(name, || device.connect_tcp(), &bytes);
}

#[test]
fn a_thousand_silent_connections_keep_no_device_waiting() {
    served_during("1,000 silent connections", |_| Vec::new());
}

#[test]
fn a_thousand_half_handshakes_keep_no_device_waiting() {
    served_during("1,000 half handshakes", Device::hello);
}

#[test]
fn a_thousand_halves_of_a_client_hello_keep_no_device_waiting() {
    served_during("1,000 halves of a ClientHello", |device| {
        let hello = device.hello();
        hello[..hello.len() / 2].to_vec()
    });
}

/// Past TLS, where the listener of service providers has a request's head: a CONNECT has ten
/// seconds, however it comes.
#[test]
fn connects_a_byte_at_a_time_keep_no_device_waiting() {
    let mut world = World::start(1);
    let device = world.bad[0].clone();
    let bound = Bound::begin(world.domain.pid(), 96 << 20);
    let slow: Vec<Line> = (0..SLOW)
        .map(|_| device.dial().expect("it listens"))
        .collect();
    // Longer than ten seconds at this pace, and at the end the packet would be whole: of 3.1.1,
    // with a long client id.
    let head = b"\0\x04MQTT\x04\x02\0\x3c\x07\xc6";
    let connect = packet(0x10, &[&head[..], &[b'c'; 0x07c6]].concat());
    let bytes = connect.chunks(1).map(<[u8]>::to_vec);
    let took = trickle(slow, bytes, Line::send, || {
        world.assert_served("256 slow CONNECTs");
        world.assert_served("256 slow CONNECTs");
    });
    println!("256 slow CONNECTs: all cut off after {took:.1?}");
    // Neither at once, for its form, nor when it was whole.
    assert!((9..60).contains(&took.as_secs()), "{took:?}");
    bound.assert_kept("256 slow CONNECTs");
    world.assert_served("after");
    assert!(world.domain.stop().success());
}

/// Each is a device that proves itself and then wants nothing.
#[test]
fn a_thousand_devices_that_never_subscribe_keep_no_device_waiting() {
    let mut world = World::start(FLOOD);
    let bad = std::mem::take(&mut world.bad);
    let bound = Bound::begin(world.domain.pid(), 128 << 20);
    let name = "1,000 devices that never subscribe";
    let mut idle = world.assert_served_during(&format!("{name}, as they come"), || {
        let enter = |device: &Device| device.enter(V3).expect("it listens").expect("let in");
        bad.iter().map(enter).collect::<Vec<_>>()
    });
    world.assert_served(&format!("{name}, as they stay"));
    bound.assert_kept(name);
    // They are served as long as they keep their word.
    idle.iter_mut()
        .for_each(|line| line.ping().expect("still there"));
    assert!(world.domain.stop().success());
    assert!(idle.iter_mut().all(Line::wait_for_end));
}

/// Its eleventh connection within a second is refused (MQTT 3.1.1: 3, server unavailable), and of
/// those that were let in only the last stays.
#[test]
fn a_device_that_connects_over_and_over_keeps_no_other_waiting() {
    let mut world = World::start(1);
    let device = world.bad[0].clone();
    let bound = Bound::begin(world.domain.pid(), 64 << 20);
    let begun = Instant::now();
    let done = AtomicBool::new(false);
    let (let_in, refused) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let (mut let_in, mut refused) = (Vec::new(), 0);
            while !done.load(Ordering::Relaxed) || refused < 100 {
                match device.enter(V3).expect("it listens") {
                    Ok(line) => let_in.push(line),
                    Err(3) => refused += 1,
                    Err(code) => panic!("refused with {code}"),
                }
            }
            (let_in, refused)
        });
        let ending = Ending(&done);
        world.assert_served("a device that connects over and over");
        world.assert_served("a device that connects over and over");
        drop(ending);
        flooding.join().expect("connections")
    });
    println!("{} times let in, {refused} times refused", let_in.len());
    assert!(refused >= 100 && let_in.len() >= 10);
    let told = || {
        let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
        log.unwrap_or_default().matches("CONNECTS_TOO_FAST").count()
    };
    eventually("a line that says so", || told() > 0);
    // One a minute.
    let most = usize::try_from(begun.elapsed().as_secs() / 60).expect("minutes") + 1;
    assert!(told() <= most, "{} lines for {refused}", told());
    bound.assert_kept("a device that connects over and over");
    let mut let_in = let_in;
    let mut last = let_in.pop().expect("a last one");
    assert!(let_in.iter_mut().all(Line::wait_for_end));
    last.ping().expect("the newest one stays");
    assert!(world.domain.stop().success());
}

/// Sends `bytes` over and over on a new connection of MQTT 5 each time, as long as it is taken; the
/// connection is cut off each time, for this reason.
fn cut_off_again_and_again(
    (name, reason): (&str, u8),
    devices: usize,
    bytes: impl Fn(&Device) -> Vec<u8> + Sync,
) {
    let mut world = World::start(devices);
    let bad = std::mem::take(&mut world.bad);
    let bound = Bound::begin(world.domain.pid(), 64 << 20);
    let done = AtomicBool::new(false);
    let cut = std::thread::scope(|scope| {
        let flooding: Vec<_> = bad
            .chunks(bad.len().div_ceil(2))
            .map(|bad| {
                let (done, bytes) = (&done, &bytes);
                scope.spawn(move || {
                    let mut cut = 0;
                    // Each may come ten times at once.
                    for device in bad.iter().cycle().take(10 * bad.len()) {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let Ok(mut line) = device.enter(V5).expect("it listens") else {
                            continue;
                        };
                        let bytes = bytes(device);
                        // Far more often than it may; what is cut off early takes no more.
                        let _ = (0..500).try_for_each(|_| line.send(&bytes));
                        assert_eq!(line.wait_for_reason(), Some(reason), "{name}");
                        cut += 1;
                    }
                    cut
                })
            })
            .collect();
        let ending = Ending(&done);
        world.assert_served(name);
        world.assert_served(name);
        drop(ending);
        flooding
            .into_iter()
            .map(|flooding| flooding.join().expect("a flood"))
            .sum::<usize>()
    });
    println!("{name}: {cut} connections cut off");
    assert!(cut > 0);
    bound.assert_kept(name);
    world.assert_served("after");
    assert!(world.domain.stop().success());
}

#[test]
fn messages_beyond_the_rate_end_the_connection_and_keep_no_other_device_waiting() {
    cut_off_again_and_again(("messages beyond the rate", 0x97), 50, |device| {
        device.publish_packet("inq/r", 1, b"")
    });
}

/// The length is refused where it stands, not when the packet is there.
#[test]
fn packets_that_are_too_long_end_the_connection_and_keep_no_other_device_waiting() {
    cut_off_again_and_again(("packets of 256 MiB", 0x95), 50, |_| {
        let mut bytes = vec![0x30, 0xff, 0xff, 0xff, 0x7f];
        bytes.resize(16 << 10, 0);
        bytes
    });
}
