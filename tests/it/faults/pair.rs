//! Two who go on while the disk is in trouble: one asks for changes, one for what is there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ics_tests::{Answer, Dialer, KeptConnection};
use serde_json::{Value, json};

use crate::durability::row::{Row, State};
use crate::durability::world::{SERVICE, World};

/// What has come of it so far.
#[derive(Default)]
pub(crate) struct Pair {
    /// What was acknowledged; and what was asked for and refused.
    pub(crate) rows: Mutex<Vec<Row>>,
    /// UTIs of requests for a mapping that were answered 503.
    pub(crate) refused: Mutex<Vec<String>>,
    /// Changes acknowledged, changes refused, rows read.
    pub(crate) done: AtomicU32,
    pub(crate) unavailable: AtomicU32,
    pub(crate) read: AtomicU32,
    number: AtomicU32,
    ended: AtomicBool,
    /// One of them has panicked: there is nothing to wait for.
    fell: AtomicBool,
}

/// Held by each while it works.
struct AtWork<'a>(&'a Pair);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fell.store(true, Ordering::SeqCst);
        }
    }
}

impl Pair {
    /// Both at work, each on connections of its own, while `meanwhile` runs.
    pub(crate) fn work<T>(&self, world: &World, meanwhile: impl FnOnce() -> T) -> T {
        world.forget_tokens();
        let tokens = (world.shop.token(), world.acme.token());
        self.ended.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Writer::start(self, world, &tokens).write());
            }
            scope.spawn(|| self.read(world, &tokens.0));
            // The others must end, whatever came of it.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
            self.ended.store(true, Ordering::SeqCst);
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) || self.fell.load(Ordering::SeqCst)
    }

    /// That both are at work still.
    pub(crate) fn assert_at_work(&self) {
        let fell = self.fell.load(Ordering::SeqCst);
        assert!(!fell, "one of them has panicked: its words stand above");
    }

    /// Asks for established rows, one after the other: each is there, always.
    fn read(&self, world: &World, token: &str) {
        let _at_work = AtWork(self);
        let mut shop = KeptConnection::of(Dialer::of(&world.shop));
        let mut next = 0;
        while !self.is_ended() {
            let row = {
                let rows = self.rows.lock().unwrap();
                let established = |row: &&Row| row.last() == State::Established;
                let found = rows.iter().skip(next).find(established).cloned();
                next = if found.is_some() { next + 1 } else { 0 };
                found
            };
            let Some(row) = row else {
                std::thread::yield_now();
                continue;
            };
            let key = json!({ "serviceUri": row.service, "uti": row.uti });
            let path = "/ics-inquiry/v1/retrieve-by-transaction";
            let answer = shop.call(("POST", path), token, Some(&key));
            let answer = answer.expect("an answer").expect(200);
            assert_eq!(answer.json()["deviceId"], row.device.as_str());
            self.read.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Writer<'a> {
    pair: &'a Pair,
    world: &'a World,
    tokens: &'a (String, String),
    shop: KeptConnection,
    acme: KeptConnection,
}

impl<'a> Writer<'a> {
    fn start(pair: &'a Pair, world: &'a World, tokens: &'a (String, String)) -> Self {
        Self {
            pair,
            world,
            tokens,
            shop: KeptConnection::of(Dialer::of(&world.shop)),
            acme: KeptConnection::of(Dialer::of(&world.acme)),
        }
    }

    fn write(&mut self) {
        let _at_work = AtWork(self.pair);
        while !self.pair.is_ended() {
            self.write_row();
        }
    }

    /// Asks for a row, and establishes it.
    fn write_row(&mut self) {
        let number = self.pair.number.fetch_add(1, Ordering::SeqCst);
        let service = format!("{SERVICE}/{}", number % 3);
        let uti = format!("0b7f3a52-7d0a-4b1e-9f35-{number:012x}");
        let letter = |c: char| char::from(b'a' + c.to_digit(16).map_or(0, |n| n as u8));
        let name = format!("{number:08x}");
        let device = format!("dev-of-{}", name.chars().map(letter).collect::<String>());
        let body = json!({
            "serviceUri": service, "uti": uti, "deviceSerialNumber": format!("ACME-{name}"),
            "notificationDestination": format!("{}/shop", self.world.receiver.origin()),
            "userConsent": { "consentId": "c-1", "grantedAt": "2026-11-01T00:00:00Z",
                             "purpose": "dpv:RequestedServiceProvision" },
        });
        let path = self.world.shop.path("ics-mapping", "mappings");
        let answer = self.ask(true, ("POST", &path), &body);
        if answer.status != 201 {
            assert_unavailable(&answer);
            self.pair.unavailable.fetch_add(1, Ordering::SeqCst);
            self.pair.refused.lock().unwrap().push(uti);
            return;
        }
        self.pair.done.fetch_add(1, Ordering::SeqCst);
        let link = answer.json()["self"].as_str().expect("a link").to_owned();
        let mut row = Row {
            id: link.rsplit('/').next().expect("an id").to_owned(),
            service,
            uti,
            device,
            acknowledged: vec![State::Pending],
            asked: None,
        };
        let path = format!("assignments/{}", row.id);
        let path = self.world.acme.path("ics-device-mapping", &path);
        let body = json!({ "result": "ACCEPTED", "deviceId": row.device });
        let answer = self.ask(false, ("PUT", &path), &body);
        if answer.status == 200 {
            row.acknowledged.push(State::Established);
            self.pair.done.fetch_add(1, Ordering::SeqCst);
        } else {
            assert_unavailable(&answer);
            self.pair.unavailable.fetch_add(1, Ordering::SeqCst);
            row.asked = Some(State::Established);
        }
        self.pair.rows.lock().unwrap().push(row);
    }

    fn ask(&mut self, of_shop: bool, request: (&str, &str), body: &Value) -> Answer {
        let (connection, token) = if of_shop {
            (&mut self.shop, &self.tokens.0)
        } else {
            (&mut self.acme, &self.tokens.1)
        };
        let answer = connection.call(request, token, Some(body));
        answer.expect("an answer, whatever the disk does")
    }
}

/// 503 in the words of RFC 9457, with nothing of what is wrong inside.
#[track_caller]
pub(crate) fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let media_type = answer.header("content-type");
    assert_eq!(media_type, Some("application/problem+json"), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}
