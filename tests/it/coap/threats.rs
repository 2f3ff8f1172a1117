//! Who is not let in, who has to leave, and what comes of datagrams that nobody honest sent
//! (requirement rows of channels.md C; SECURITY.md names these tests).

use std::time::{Duration, Instant};

use ics_examples::chance::Dice;
use ics_tests::openssl::{TestAuthority, TestCertificate, sp_extensions};
use ics_tests::{
    Coap, CoapClient, CoapCredential, CoapOutcome, Gateway, eventually, rounds, wait_for,
};
use serde_json::{Value, json};

use super::live::Live;
use super::tap::{Tap, Way, records};
use super::world::{Thing, World};

const CLIENTS: [CoapClient; 2] = [CoapClient::OpenSsl, CoapClient::GnuTls];

/// From a change to the end of the session it ends.
const LIMIT: Duration = Duration::from_secs(5);

/// Kinds of records (RFC 5246 6.2.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The extensions of a proper certificate of a device of acme's.
fn device_extensions(device: &str) -> String {
    sp_extensions("x").replace("urn:ics:sp:x", &format!("urn:ics:dev:acme:{device}"))
}

/// The domain's authority of that name.
fn authority(world: &World, name: &str) -> TestAuthority {
    TestAuthority {
        certificate: world.domain.file(&format!("authority/{name}.pem")),
        key: world.domain.file(&format!("authority/{name}.key")),
    }
}

/// The same device, showing another certificate.
fn showing(thing: &Thing, shown: &TestCertificate) -> CoapCredential {
    CoapCredential::Certificate {
        certificate: shown.certificate.clone(),
        key: shown.key.clone(),
        authority: thing.hosted.place.authority.clone(),
    }
}

/// What comes of asking for the document once.
fn ask(world: &World, client: CoapClient, shown: CoapCredential) -> CoapOutcome {
    let desk = world.desk(client, shown);
    desk.get("/ics/v1/doc").accept(50).patience(5).send()
}

#[track_caller]
fn assert_served(world: &World, shown: CoapCredential) {
    for client in CLIENTS {
        let reply = ask(world, client, shown.clone()).reply;
        assert_eq!(reply.expect("an answer").code, "2.05", "{client:?}");
    }
}

#[track_caller]
fn assert_shut_out(world: &World, (what, shown): (&str, CoapCredential)) {
    for client in CLIENTS {
        let outcome = ask(world, client, shown.clone());
        assert_eq!(outcome.reply, None, "{what}, {client:?}: {}", outcome.said);
    }
}

/// The causes of handshakes refused on this listener, as the decision log has them.
fn refusals(world: &World) -> Vec<String> {
    let log = std::fs::read_to_string(world.domain.file("decisions/decisions.jsonl"));
    let log = log.unwrap_or_default();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let here = lines.filter(|line| line["listener"] == "coap");
    here.filter_map(|line| Some(line["cause"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn only_certificates_of_the_device_authority_that_are_registered_open_a_session() {
    let world = World::start();
    let thing = world.host("LOCK");
    assert_served(&world, thing.certified());
    let dir = world.domain.scratch();
    let own = device_extensions(&thing.hosted.id);
    let days = ["-days", "2"];
    let devices = authority(&world, "device-ca");
    let stranger = TestAuthority::create(dir, "stranger-ca", "/CN=ICS device CA");
    let past = ("20240101000000Z", "20240201000000Z");
    let issued = [
        // Another authority that calls itself the same; those of other listeners.
        ("another", stranger.issue(dir, "another", &own, &days)),
        (
            "the service providers'",
            authority(&world, "sp-ca").issue(dir, "of-sp-ca", &own, &days),
        ),
        (
            "the operator's",
            authority(&world, "operator-ca").issue(dir, "of-operator-ca", &own, &days),
        ),
        ("expired", devices.issue_between(dir, "expired", &own, past)),
        // Of the right authority, and naming what it may not name here.
        (
            "names an SP",
            devices.issue(dir, "as-sp", &sp_extensions("acme"), &days),
        ),
        (
            "names nobody",
            devices.issue(
                dir,
                "nobody",
                &own.replace("URI:urn:ics:dev:acme:", "DNS:"),
                &days,
            ),
        ),
        // Proper in every way, and nobody ever registered it.
        (
            "not registered",
            devices.issue(dir, "unregistered", &own, &days),
        ),
    ];
    for (what, shown) in &issued {
        assert_shut_out(&world, (*what, showing(&thing, shown)));
    }
    eventually("lines of what was refused", || {
        let causes = refusals(&world);
        causes.iter().any(|cause| cause == "CERTIFICATE_EXPIRED") && causes.len() >= issued.len()
    });
    assert_served(&world, thing.certified());
    assert!(world.domain.stop().success());
}

#[test]
fn a_certificate_and_a_key_open_nothing_once_they_are_over() {
    let world = World::start();
    let thing = world.host("LOCK");
    let path = format!("devices/{}/credentials", thing.hosted.id);
    let path = world.acme.path("ics-device", &path);
    let (certificate, key) = ics_tests::domain::issue(world.domain.scratch(), "short", |request| {
        let order = json!({ "certificate": { "request": request, "validity": 1 } });
        world.acme.post(&path, &order).expect(201).json()
    });
    let short = TestCertificate { certificate, key };
    for client in CLIENTS {
        eventually("its end", || {
            let outcome = ask(&world, client, showing(&thing, &short));
            outcome.reply.is_none() && !outcome.is_met()
        });
    }
    eventually("a line that says so", || {
        refusals(&world).contains(&"CERTIFICATE_EXPIRED".to_owned())
    });
    // One that runs is told at its next request (4.01), and does not come in again.
    let short = world
        .acme
        .post(&path, &json!({ "psk": { "validity": 20 } }));
    let short = short.expect(201).json();
    let text = |name: &str| short[name].as_str().expect("a text").to_owned();
    let mut thing = thing;
    thing.key = ics_tests::device::unhex(&text("psk"));
    thing.identity = text("pskIdentity");
    let live = Live::start(&thing, &world.domain.coap_address());
    live.wait("connected");
    let over = live.wait("disconnected: permission denied");
    assert_eq!(live.count("connected"), 1, "{over} {:?}", live.told());
    eventually("a handshake that fails", || live.count("disconnected") > 1);
    assert_eq!(live.count("connected"), 1, "{:?}", live.told());
    eventually("the end of its session", || world.sessions() == 0);
}

#[test]
fn a_revoked_credential_ends_its_session_and_opens_none() {
    let world = World::start();
    let (lock, light, other) = (world.host("LOCK"), world.host("LIGHT"), world.host("BELL"));
    let live = Live::start(&lock, &world.domain.coap_address());
    live.wait("connected");
    let tap = Tap::open(&world.domain.coap_address());
    let observer = Coap::new(CoapClient::OpenSsl, &tap.address(), light.certified());
    let observer = observer.get("/ics/v1/doc").accept(50).observe();
    observer.wait("the document", |reply| reply.code == "2.05");
    let bystander = Live::start(&other, &world.domain.coap_address());
    bystander.wait("connected");
    eventually("three sessions", || world.sessions() == 3);

    // By the operator, and on the command line.
    let path = format!("/operator/v1/sps/acme/devices/{}", lock.hosted.id);
    let path = format!("{path}/credentials/{}/revoke", lock.number);
    world.domain.operator("POST", &path, None).expect(200);
    let since = Instant::now();
    eventually("the end of a session", || live.count("disconnected") > 0);
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
    tap.forget();
    let configuration = world.domain.configuration();
    let revoked = Gateway::run(&[
        "device",
        "credential",
        "revoke",
        &light.hosted.id,
        "1",
        "--sp",
        "acme",
        "--config",
        configuration.to_str().expect("UTF-8"),
    ]);
    assert!(revoked.status.success(), "{revoked:?}");
    let since = Instant::now();
    eventually("the end of an observer's session", || world.sessions() == 1);
    assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
    // It is told: the next that it gets is an alert within its session.
    let goodbye = wait_for("a goodbye", || tap.seen_going(Way::Down).into_iter().next());
    let (kind, epoch, _) = records(&goodbye)[0];
    assert_eq!((kind, epoch), (ALERT, 1));

    assert_shut_out(&world, ("a revoked key", lock.shown()));
    assert_shut_out(&world, ("a revoked certificate", light.certified()));
    assert_eq!(live.count("connected"), 1, "{:?}", live.told());
    // What else they have is as good as before; so is who is not concerned.
    assert_served(&world, lock.certified());
    assert_served(&world, light.shown());
    assert_eq!(bystander.count("disconnected"), 0);
    assert_eq!(bystander.count("connected"), 1);
}

/// Kind, epoch and length of each record of a datagram, and what it says if it is a plain alert.
type Shape = (Vec<(u8, u16, usize)>, Option<Vec<u8>>);

/// What goes down a line, but for what is random: the records of each datagram, what a plain alert
/// says. What is repeated, by the clock, is told once.
fn shape(tap: &Tap) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for datagram in tap.seen_going(Way::Down) {
        let records = records(&datagram);
        let is_plain_alert = records
            .iter()
            .any(|record| (record.0, record.1) == (ALERT, 0));
        let said = is_plain_alert.then(|| datagram[datagram.len() - 2..].to_vec());
        if !shapes.contains(&(records.clone(), said.clone())) {
            shapes.push((records, said));
        }
    }
    shapes
}

#[test]
fn an_identity_nobody_has_and_a_wrong_key_get_the_same_datagrams() {
    let world = World::start();
    let thing = world.host("LOCK");
    let tap = Tap::open(&world.domain.coap_address());
    let identity = |identity: &str, key: &[u8]| CoapCredential::Key {
        identity: identity.to_owned(),
        key: key.to_vec(),
    };
    let nobody = format!("d-{}.1", "a".repeat(thing.hosted.id.len() - 2));
    let no_number = format!("{}.200", thing.hosted.id);
    for client in CLIENTS {
        let met = |shown: CoapCredential| {
            tap.forget();
            let desk = Coap::new(client, &tap.address(), shown);
            let outcome = desk.get("/ics/v1/doc").patience(2).send();
            assert!(!outcome.is_met() && outcome.reply.is_none(), "{outcome:?}");
            println!("{client:?}: {} datagrams", tap.seen_going(Way::Down).len());
            shape(&tap)
        };
        let wrong = met(identity(&thing.identity, &[7; 16]));
        println!("{client:?}: {wrong:?}");
        assert!(wrong.len() >= 2, "{wrong:?}");
        for other in [&*nobody, &*no_number, "whoever", "\u{fffd}"] {
            assert_eq!(met(identity(other, &[7; 16])), wrong, "{client:?} {other}");
        }
    }
    assert_served(&world, thing.shown());
}

#[test]
fn nothing_of_another_device_can_be_read_or_changed() {
    let world = World::start();
    let (mallory, victim) = (world.host("MALLORY"), world.host("VICTIM"));
    let held = world.establish(&victim);
    let offered = world.offer(&victim);
    let before = world.versions(&victim);
    let desk = world.desk(CoapClient::OpenSsl, mallory.shown());
    let id = |id: &str| json!({ "id": id, "data": 1 }).to_string();
    // Under its name, whether there is such a device or not.
    let version = json!({ "v": before.0 }).to_string();
    let mut answers = Vec::new();
    for device in [&*victim.hosted.id, "d-nobody"] {
        let path = |own: &str| format!("/ics/v1/d/{device}/{own}");
        for refused in [
            desk.get(&path("doc")).send(),
            desk.get(&path("inq")).send(),
            desk.fetch(&path("inq"), &json!({ "svc": held.service }).to_string())
                .send(),
            desk.post(&path("doc/ack"), &version).send(),
            desk.post(&path("rev"), &id(held.id())).send(),
            desk.post(&path("evt"), &id(held.id())).send(),
            desk.request("delete", &path("doc")).send(),
        ] {
            let reply = refused.reply.expect("an answer");
            assert_eq!(reply.code, "4.03", "{reply:?}");
            answers.push((reply.payload, reply.options));
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Under its own name, of rows that are another's, or nobody's.
    let mut answers = Vec::new();
    for row in [held.id(), offered.id(), &ics_tests::fresh_uuid()] {
        for own in ["rev", "evt"] {
            let path = format!("/ics/v1/{own}");
            let said = match own {
                "evt" => id(row),
                _ => json!({ "id": row }).to_string(),
            };
            let refused = desk.post(&path, &said).expect("4.04");
            answers.push((refused.payload, refused.options));
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let none = desk.fetch("/ics/v1/inq", &json!({ "svc": held.service }).to_string());
    none.expect("4.04");

    assert_eq!(world.versions(&victim), before);
    assert_eq!(world.shop.status(&held), "ESTABLISHED");
    assert_eq!(world.shop.status(&offered), "PENDING");
    assert!(world.events(&held).is_empty());
}

#[test]
fn a_datagram_that_comes_again_and_again_does_what_it_does_once() {
    let world = World::start();
    let (thing, other) = (world.host("LOCK"), world.host("BELL"));
    for (client, shown) in [
        (CoapClient::OpenSsl, thing.shown()),
        (CoapClient::GnuTls, thing.certified()),
    ] {
        let mapping = world.establish(&thing);
        let tap = Tap::open(&world.domain.coap_address());
        // What is said comes three times; what takes leave is lost, so that the session stays.
        tap.tamper(|way, datagram| {
            let kinds = records(datagram);
            let is = |kind| kinds.iter().any(|record| record.0 == kind);
            match way {
                Way::Up if is(ALERT) => Vec::new(),
                Way::Up if is(APPLICATION_DATA) => vec![datagram.to_vec(); 3],
                _ => vec![datagram.to_vec()],
            }
        });
        let desk = Coap::new(client, &tap.address(), shown);
        let event = json!({ "id": mapping.id(), "data": "once" }).to_string();
        desk.post("/ics/v1/evt", &event).expect("2.04");
        let said = tap.seen_going(Way::Up).into_iter();
        let is_said = |datagram: &Vec<u8>| records(datagram)[0].0 == APPLICATION_DATA;
        let said: Vec<_> = said.filter(is_said).collect();
        assert!(!said.is_empty() && world.sessions() == 1);
        let answers = tap.seen_going(Way::Down).len();
        for datagram in said.iter().cycle().take(200) {
            tap.send_up(datagram);
        }
        eventually("the event", || !world.events(&mapping).is_empty());
        eventually("all of it to be sent", || tap.is_carried());
        // What came before this has been looked at; nothing of it was answered.
        assert_served(&world, other.shown());
        assert!(world.sessions() >= 1);
        eventually("an empty outbox", || {
            let status = world.domain.operator("GET", "/operator/v1/status", None);
            status.expect(200).json()["outboxDepth"] == 0
        });
        assert_eq!(world.events(&mapping).len(), 1);
        let after = tap.seen_going(Way::Down);
        let of_session = |kind| {
            let later = after[answers..].iter();
            later.filter(|d| records(d)[0].0 == kind).count()
        };
        assert_eq!(of_session(APPLICATION_DATA), 0);
        assert_eq!(of_session(HANDSHAKE), 0);
    }
}

/// Changes a datagram in one of the ways lines and people do.
fn mutate(dice: &mut Dice, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = datagram.to_vec();
    let length = bytes.len() as u64;
    let place = |dice: &mut Dice| usize::try_from(dice.below(length)).expect("short");
    match dice.below(8) {
        // Some bits.
        0..3 => {
            for _ in 0..=dice.below(4) {
                let at = place(dice);
                bytes[at] ^= 1_u8 << dice.below(8);
            }
        }
        // Cut short, or in two.
        3 => bytes.truncate(place(dice)),
        4 => {
            let rest = bytes.split_off(place(dice));
            return vec![bytes, rest];
        }
        // The heads of records and messages, where lengths and numbers are.
        5 => {
            let at = place(dice).min(24);
            bytes[at] = dice.throw().to_be_bytes()[0];
        }
        // Something of its own in the middle of it.
        6 => {
            let at = place(dice);
            let own = dice.throw().to_be_bytes().repeat(1 + place(dice) / 8);
            drop(bytes.splice(at..at, own));
        }
        // Nothing of it is left.
        _ => {
            for byte in &mut bytes {
                *byte = dice.throw().to_be_bytes()[0];
            }
        }
    }
    vec![bytes]
}

/// `ICS_MUTATIONS` says how many sessions are tampered with (60 when it does not); before a release
/// 500.
#[test]
fn mutated_and_truncated_datagrams_crash_nothing_and_disturb_nobody() {
    let sessions = rounds("ICS_MUTATIONS", 60);
    let world = World::start();
    let (thing, good) = (world.host("LOCK"), world.host("GOOD"));
    let good = Live::start(&good, &world.domain.coap_address());
    good.wait("holds");
    let pid = world.domain.pid();
    let tap = Tap::open(&world.domain.coap_address());
    for seed in 0..sessions {
        // The first so many go on as they are: every part of a session has its turn.
        let mut left = seed % 8;
        let mut dice = Dice::of(6).beside(seed.into());
        tap.tamper(move |way, datagram| match way {
            Way::Up if left == 0 => mutate(&mut dice, datagram),
            Way::Up => {
                left -= 1;
                vec![datagram.to_vec()]
            }
            Way::Down => vec![datagram.to_vec()],
        });
        let client = CLIENTS[usize::from(seed % 4 == 3)];
        let shown = match seed % 3 {
            0 => thing.certified(),
            _ => thing.shown(),
        };
        let desk = Coap::new(client, &tap.address(), shown);
        let request = match seed % 2 {
            0 => desk.get("/ics/v1/doc").accept(50),
            _ => desk.post("/ics/v1/doc/ack", r#"{"v":1}"#),
        };
        request.patience(1).send();
        assert!(!world.domain.is_ended(), "seed {seed}");
    }
    let tampered = tap.seen_going(Way::Up).len();
    println!("{sessions} sessions of {tampered} datagrams");
    tap.leave_alone();
    for client in CLIENTS {
        let desk = Coap::new(client, &tap.address(), thing.shown());
        desk.get("/ics/v1/doc").accept(50).expect("2.05");
    }
    assert_eq!(world.domain.pid(), pid);
    assert_eq!(
        (good.count("connected"), good.count("disconnected")),
        (1, 0)
    );
    world.offer(&world.host("LAST"));
    let log = world.domain.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(world.domain.stop().success());
}

#[test]
fn a_first_datagram_is_answered_with_less_and_nothing_is_kept_of_it() {
    let world = World::start();
    let thing = world.host("LOCK");
    let tap = Tap::open(&world.domain.coap_address());
    let desk = Coap::new(CoapClient::OpenSsl, &tap.address(), thing.shown());
    desk.get("/ics/v1/doc").accept(50).expect("2.05");
    let up = tap.seen_going(Way::Up);
    // Its first message, and the second: a ClientHello with the cookie.
    let numbered = |number: u8| {
        let is_it = |datagram: &&Vec<u8>| datagram[13] == 1 && datagram[17..19] == [0, number];
        up.iter().find(is_it).expect("a ClientHello")
    };
    let (first, second) = (numbered(0), numbered(1));
    eventually("the end of the session", || world.sessions() == 0);

    let stranger = || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket
            .connect(world.domain.coap_address())
            .expect("an address");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let received = |socket: &std::net::UdpSocket| {
        let mut buffer = [0; 2048];
        let next = || {
            let length = socket.recv(&mut buffer).ok()?;
            Some(buffer[..length].to_vec())
        };
        std::iter::from_fn(next).collect::<Vec<_>>()
    };
    let (honest, liar) = (stranger(), stranger());
    honest.send(first).expect("it listens");
    // A cookie that was given to another address proves nothing.
    liar.send(second).expect("it listens");
    // Cut anywhere, it is not even answered.
    let cut = stranger();
    for length in 0..first.len() {
        cut.send(&first[..length]).expect("it listens");
    }
    let mut answers = [Vec::new(), Vec::new()];
    eventually("a cookie", || {
        answers[0].extend(received(&honest));
        answers[1].extend(received(&liar));
        answers.iter().all(|answers| !answers.is_empty())
    });
    // Of who has begun, the flight is repeated after a second; this takes longer, for another device
    // does so meanwhile.
    let silent = stranger();
    silent.send(first).expect("it listens");
    let cookie = wait_one(&silent);
    silent
        .send(&with_cookie(first, &cookie))
        .expect("it listens");
    let mut flights = 0;
    eventually("a repetition", || {
        let is_flight = |datagram: &Vec<u8>| records(datagram)[0].0 == HANDSHAKE;
        flights += received(&silent).iter().filter(|d| is_flight(d)).count();
        // However many datagrams it is in.
        flights >= 4
    });
    answers[0].extend(received(&honest));
    answers[1].extend(received(&liar));
    for answers in &answers {
        let [answer] = &answers[..] else {
            panic!("{} answers", answers.len());
        };
        assert_eq!(answer.len(), 48);
        assert!(answer.len() < first.len());
    }
    assert!(received(&cut).is_empty());
    // Who is not known is not taken leave of.
    assert!(world.domain.stop().success());
    assert!(received(&honest).is_empty());
}

/// The next datagram that comes.
fn wait_one(socket: &std::net::UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    wait_for("a datagram", || {
        let length = socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    })
}

/// The hello that brings back what a HelloVerifyRequest gave (RFC 6347 4.2.1).
pub(crate) fn with_cookie(first: &[u8], verify_request: &[u8]) -> Vec<u8> {
    // Record, message, version, length.
    let cookie = &verify_request[13 + 12 + 2 + 1..];
    let session = usize::from(first[13 + 12 + 34]);
    let at = 13 + 12 + 34 + 1 + session;
    assert_eq!(first[at], 0, "it has none yet");
    let mut hello = first[..at].to_vec();
    hello.push(u8::try_from(cookie.len()).expect("20"));
    hello.extend(cookie);
    hello.extend(&first[at + 1..]);
    let set = |hello: &mut Vec<u8>, at: usize, value: usize, width: usize| {
        let bytes = value.to_be_bytes();
        hello[at..at + width].copy_from_slice(&bytes[bytes.len() - width..]);
    };
    let length = hello.len();
    // The numbers of the record and of the message; the lengths of both.
    set(&mut hello, 10, 1, 1);
    set(&mut hello, 11, length - 13, 2);
    set(&mut hello, 14, length - 25, 3);
    set(&mut hello, 17, 1, 2);
    set(&mut hello, 22, length - 25, 3);
    hello
}
