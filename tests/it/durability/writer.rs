//! A writer: rows through some of their life, on connections of its own, until the gateway is gone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ics_tests::{Answer, Dialer, KeptConnection, eventually};
use serde_json::{Value, json};

use super::row::{Row, State};
use super::world::{SERVICE, World};

/// A small generator of numbers (xorshift): which steps are taken, and when the end comes.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that fall otherwise each time; what they began with is told, for who wants it again.
    pub(crate) fn cast() -> Self {
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        let seed = since.as_nanos() as u64 | 1;
        println!("seed {seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Writers at work until `end` has ended the gateway, in whatever way: what was acknowledged.
///
/// `end` is called at a moment nobody chose, after some acknowledgements.
pub(crate) fn write_until(
    world: &World,
    (round, writers): (u32, usize),
    dice: &mut Dice,
    end: impl FnOnce(),
) -> Vec<Row> {
    world.forget_tokens();
    world.shop.token();
    world.acme.token();
    let rows = Mutex::new(Vec::new());
    let acknowledged = AtomicUsize::new(0);
    // At least a few steps were acknowledged; then at whatever moment.
    let (least, more) = (dice.below(60), Duration::from_micros(dice.below(400_000)));
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (rows, acknowledged, seed) = (&rows, &acknowledged, dice.below(u64::MAX) | 1);
            scope.spawn(move || {
                let mut own = Writer::start(world, seed);
                own.write((round, writer), acknowledged);
                rows.lock().unwrap().append(&mut own.rows);
            });
        }
        eventually("acknowledgements, or the end", || {
            acknowledged.load(Ordering::SeqCst) as u64 > least || world.domain.is_ended()
        });
        std::thread::sleep(more);
        end();
    });
    rows.into_inner().unwrap()
}

/// One writer's connections and rows.
struct Writer<'a> {
    world: &'a World,
    shop: KeptConnection,
    acme: KeptConnection,
    tokens: (String, String),
    dice: Dice,
    rows: Vec<Row>,
}

impl<'a> Writer<'a> {
    fn start(world: &'a World, seed: u64) -> Self {
        Self {
            world,
            shop: KeptConnection::of(Dialer::of(&world.shop)),
            acme: KeptConnection::of(Dialer::of(&world.acme)),
            tokens: (world.shop.token(), world.acme.token()),
            dice: Dice(seed),
            rows: Vec::new(),
        }
    }

    /// Writes until the gateway is gone. `name` makes what it writes unique.
    fn write(&mut self, (round, writer): (u32, usize), acknowledged: &AtomicUsize) {
        let mut number = 0;
        while self
            .write_row(
                &format!("{round:04x}{writer:02x}{number:06x}"),
                acknowledged,
            )
            .is_some()
        {
            number += 1;
        }
    }

    /// One row through some of its life; `None` when the gateway did not answer.
    fn write_row(&mut self, name: &str, acknowledged: &AtomicUsize) -> Option<()> {
        let service = format!("{SERVICE}/{}", self.dice.below(3));
        let uti = format!("0b7f3a52-7d0a-4b1e-9f35-{name}");
        // Letters alone: a run of digits would look like a subscriber's number.
        let letter = |c: char| char::from(b'a' + c.to_digit(16).map_or(0, |n| n as u8));
        let device = format!("dev-of-{}", name.chars().map(letter).collect::<String>());
        let body = json!({
            "serviceUri": service, "uti": uti, "deviceSerialNumber": format!("ACME-{name}"),
            "notificationDestination": format!("{}/shop", self.world.receiver.origin()),
            "userConsent": { "consentId": "c-1", "grantedAt": "2026-11-01T00:00:00Z",
                             "purpose": "dpv:RequestedServiceProvision" },
        });
        let path = self.world.shop.path("ics-mapping", "mappings");
        let made = self.ask_shop("POST", &path, Some(&body))?.expect(201);
        let link = made.json()["self"].as_str().expect("a link").to_owned();
        let id = link.rsplit('/').next().expect("an id").to_owned();
        let row = Row {
            id,
            service,
            uti,
            device,
            acknowledged: vec![State::Pending],
            asked: None,
        };
        self.rows.push(row);
        acknowledged.fetch_add(1, Ordering::SeqCst);
        let plan = self.dice.below(10);
        if plan == 0 {
            return Some(());
        }
        if plan == 1 {
            return self.step(State::Cancelled, acknowledged);
        }
        self.step(State::Established, acknowledged)?;
        match plan {
            2..=3 => self.step(State::DemappedByShop, acknowledged),
            4..=5 => self.step(State::DemappedByAcme, acknowledged),
            _ => Some(()),
        }
    }

    /// Takes the newest row to `next`.
    fn step(&mut self, next: State, acknowledged: &AtomicUsize) -> Option<()> {
        let row = self.rows.last_mut().expect("a row");
        row.asked = Some(next);
        let row = row.clone();
        let answer = match next {
            State::Pending => unreachable!("rows begin there"),
            State::Established => {
                let path = format!("assignments/{}", row.id);
                let path = self.world.acme.path("ics-device-mapping", &path);
                let body = json!({ "result": "ACCEPTED", "deviceId": row.device });
                self.ask_acme("PUT", &path, &body)?.expect(200)
            }
            State::Cancelled => {
                let path = self
                    .world
                    .shop
                    .path("ics-mapping", &format!("mappings/{}", row.id));
                self.ask_shop("DELETE", &path, None)?.expect(204)
            }
            State::DemappedByShop => {
                let body = json!({ "cause": "UTI_INVALID", "uti": row.uti });
                let path = self.world.shop.path("ics-demapping", "demap");
                self.ask_shop("POST", &path, Some(&body))?.expect(200)
            }
            State::DemappedByAcme => {
                let body = json!({ "cause": "DEVICE_UNREGISTERED", "deviceId": row.device });
                let path = self.world.acme.path("ics-demapping", "demap");
                self.ask_acme("POST", &path, &body)?.expect(200)
            }
        };
        drop(answer);
        let row = self.rows.last_mut().expect("a row");
        row.asked = None;
        row.acknowledged.push(next);
        acknowledged.fetch_add(1, Ordering::SeqCst);
        Some(())
    }

    fn ask_shop(&mut self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.shop.call((method, path), &self.tokens.0, body).ok()
    }

    fn ask_acme(&mut self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        self.acme
            .call((method, path), &self.tokens.1, Some(body))
            .ok()
    }
}
