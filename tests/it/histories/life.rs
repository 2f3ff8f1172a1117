//! One history: the life of a device, its mappings, and what is left at quiet.

use std::collections::BTreeSet;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ics_examples::chance::Dice;
use ics_examples::device::Copy;
use serde_json::{Value, json};

use super::caller::Caller;
use super::world::{SERVICE, World};

/// A device that is run on a bad line, with a memory that outlives it and notes what must not be.
pub(crate) trait Thing<'w>: Sized {
    /// Has it registered under this serial number, or another where the answer with its
    /// credential was lost on the way, and switches it on.
    fn new(
        world: &'w World,
        acme: &mut Caller<'_>,
        serial: &str,
        dice: &mut Dice,
    ) -> (Self, String);

    /// Its device ID.
    fn id(&self) -> &str;

    /// Power is lost, and comes back.
    fn restart(&mut self);

    fn switch_off(&mut self);

    fn give_up(&self, id: &str);

    /// The gateway sees it elsewhere, where a channel lets it.
    fn change_place(&self) {}

    /// From now on nothing is lost any more.
    fn clear_up(&self);

    /// What it holds.
    fn copy(&self) -> Copy;

    /// What must not be, and was.
    fn faults(&self) -> Vec<String>;
}

/// What histories came to.
#[derive(Clone, std::marker::Copy, Debug, Default)]
pub(crate) struct Report {
    pub(super) histories: usize,
    pub(super) rows: usize,
    /// At quiet.
    pub(super) established: usize,
    pub(super) revoked: usize,
    pub(super) unregistered: usize,
}

impl Report {
    pub(super) const fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.rows += other.rows;
        self.established += other.established;
        self.revoked += other.revoked;
        self.unregistered += other.unregistered;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories, {} rows, {} established at quiet, {} known to be revoked, {} devices \
             unregistered",
            self.histories, self.rows, self.established, self.revoked, self.unregistered
        )
    }
}

/// A row somebody asked for.
struct Row {
    /// The third party's link.
    own: String,
    id: String,
    service: String,
    uti: String,
    /// Somebody was told that it is gone.
    is_revoked: bool,
}

struct Life<'w, T> {
    world: &'w World,
    dice: Dice,
    shop: Caller<'w>,
    acme: Caller<'w>,
    thing: T,
    serial: String,
    rows: Vec<Row>,
    /// Given up by the device.
    given_up: BTreeSet<String>,
    history: Vec<String>,
    report: Report,
}

/// How long it may take to come to rest, far beyond any honest wait: a device that missed
/// something is sent it again when it comes back.
const REST: Duration = Duration::from_secs(180);

/// The rows a device may have at a time, one less than it has room for.
const MOST_LIVE: usize = 15;

/// Lives through one history, and judges what is left.
pub(crate) fn live<'w, T: Thing<'w>>(world: &'w World, number: u32, mut dice: Dice) -> Report {
    let mut acme = Caller::of(&world.acme);
    let serial = format!("FR-{number}-{:x}", dice.throw());
    let (thing, serial) = T::new(world, &mut acme, &serial, &mut dice);
    let mut life = Life {
        world,
        dice,
        shop: Caller::of(&world.shop),
        acme,
        thing,
        serial,
        rows: Vec::new(),
        given_up: BTreeSet::new(),
        history: Vec::new(),
        report: Report::default(),
    };
    let parts = if life.dice.is_hit(15) { 2 } else { 1 };
    for part in 0..parts {
        if part > 0 {
            life.be_unregistered_and_hosted_again();
        }
        for _ in 0..6 + life.dice.below(10) {
            life.step();
            sleep(life.dice.wait(Duration::from_millis(700)));
        }
    }
    life.judge(number)
}

impl<'w, T: Thing<'w>> Life<'w, T> {
    fn step(&mut self) {
        match self.dice.below(100) {
            0..40 => self.map(),
            40..50 => self.demap_by_third_party(),
            50..58 => self.demap_by_iot_sp(),
            58..64 => self.cancel(),
            64..74 => self.give_up(),
            74..82 => {
                self.note("restart", "");
                // What its user gave up and nobody heard of, the user gives up again, or not.
                self.given_up.clear();
                self.thing.restart();
            }
            _ => self.let_settle(),
        }
    }

    /// The third party asks for a mapping, now and then one the device's user does not want.
    fn map(&mut self) {
        let live = self.rows.iter().filter(|row| !row.is_revoked).count();
        if live >= MOST_LIVE {
            return;
        }
        let kind = if self.dice.is_hit(20) {
            "unwanted"
        } else {
            "wanted"
        };
        let service = format!("{SERVICE}/{kind}/{}", self.rows.len());
        let shared = self.any_row(|row| !row.is_revoked);
        let uti = match shared {
            Some(n) if self.dice.is_hit(25) => self.rows[n].uti.clone(),
            _ => self.fresh_uti(),
        };
        let party = self.world.party("shop");
        let request = party.request(&service, &uti, &self.serial);
        let path = party.path("ics-mapping", "mappings");
        let answer = loop {
            let answer = self.shop.call("POST", &path, Some(&request));
            // While the IoT SP is suspended nobody has such a device, not even where the row was
            // made before and its answer lost: whether it was is known when it is asked again.
            if answer.cause() != "IOT_SP_NOT_FOUND" {
                break answer;
            }
            sleep(Duration::from_millis(50));
        };
        if !matches!(answer.status, 200 | 201) {
            // Its UTI died meanwhile, for the device gave it up, or was another device's.
            let is_known = shared.is_some() && (400..500).contains(&answer.status);
            assert!(is_known, "{answer:?}");
            return self.note("not mapped", &answer.cause());
        }
        let own = answer.json()["self"].as_str().expect("a link").to_owned();
        let id = own.rsplit('/').next().unwrap_or_default().to_owned();
        self.note("map", &id);
        self.rows.push(Row {
            own,
            id,
            service,
            uti,
            is_revoked: false,
        });
        self.report.rows += 1;
    }

    fn demap_by_third_party(&mut self) {
        let Some(n) = self.any_row(|_| true) else {
            return;
        };
        let row = &self.rows[n];
        let selector = match self.dice.below(3) {
            0 => json!({ "uti": row.uti, "cause": "UTI_INVALID" }),
            1 => json!({ "serviceUri": row.service, "uti": row.uti,
                         "cause": "USER_AUTHORIZATION_WITHDRAWN" }),
            _ => json!({ "mapping": row.own, "cause": "SERVICE_INVALID" }),
        };
        let answer = self
            .shop
            .call("POST", "/ics-demapping/v1/shop/demap", Some(&selector));
        self.revoked_by("third party", n, answer.status, &answer.json());
    }

    fn demap_by_iot_sp(&mut self) {
        let Some(n) = self.any_row(|_| true) else {
            return;
        };
        let party = self.world.party("acme");
        let link = party.path(
            "ics-device-mapping",
            &format!("assignments/{}", self.rows[n].id),
        );
        let selector = json!({ "mapping": format!("{}{link}", party.root),
                               "cause": "USER_AUTHORIZATION_WITHDRAWN" });
        let answer = self
            .acme
            .call("POST", "/ics-demapping/v1/acme/demap", Some(&selector));
        self.revoked_by("IoT SP", n, answer.status, &answer.json());
    }

    /// 200 tells which rows are gone; 404, that there is none to go.
    fn revoked_by(&mut self, who: &str, asked: usize, status: u16, told: &Value) {
        self.note(
            &format!("demap by {who}: {status}"),
            &self.rows[asked].id.clone(),
        );
        assert!(matches!(status, 200 | 404), "{told}");
        let gone = told["mappings"].as_array().cloned().unwrap_or_default();
        for link in gone.iter().filter_map(Value::as_str) {
            let id = link.rsplit('/').next().unwrap_or_default();
            let row = self.rows.iter_mut().find(|row| row.id == id);
            row.expect("a row of this device").is_revoked = true;
        }
    }

    /// Cancels a request that was not answered yet.
    fn cancel(&mut self) {
        let Some(n) = self.any_row(|row| !row.is_revoked) else {
            return;
        };
        let own = self.rows[n].own.clone();
        let answer = self.shop.call("DELETE", &own, None);
        self.note(
            &format!("cancel: {}", answer.status),
            &self.rows[n].id.clone(),
        );
        assert!(matches!(answer.status, 204 | 404 | 409), "{answer:?}");
        if answer.status == 204 {
            self.rows[n].is_revoked = true;
        }
    }

    /// The device gives up what it holds.
    fn give_up(&mut self) {
        let held = self.thing.copy().m;
        let count = u64::try_from(held.len()).expect("a few");
        let chosen = usize::try_from(self.dice.below(count)).expect("a few");
        if let Some(pair) = held.get(chosen) {
            self.note("give up", &pair.id);
            self.thing.give_up(&pair.id);
            self.given_up.insert(pair.id.clone());
        }
    }

    /// A while in which it may come to rest; whether it does is not waited for.
    fn let_settle(&mut self) {
        if self.dice.is_hit(30) {
            self.note("change place", "");
            self.thing.change_place();
        }
        sleep(self.dice.wait(Duration::from_millis(2_500)));
    }

    fn be_unregistered_and_hosted_again(&mut self) {
        let path = format!("/ics-device/v1/acme/devices/{}", self.thing.id());
        let answer = self.acme.call("DELETE", &path, None);
        assert!(matches!(answer.status, 204 | 404), "{answer:?}");
        let id = self.thing.id().to_owned();
        self.note("unregister", &id);
        for row in &mut self.rows {
            row.is_revoked = true;
        }
        sleep(self.dice.wait(Duration::from_secs(3)));
        self.thing.clear_up();
        let begun = Instant::now();
        loop {
            let gone = self.acme.call("GET", &path, None);
            let copy = self.thing.copy();
            if gone.status == 404 && copy.m.is_empty() {
                break;
            }
            let late = begun.elapsed() > REST;
            assert!(!late, "{}", self.tell(&format!("{gone:?} {copy:?}")));
            sleep(Duration::from_millis(100));
        }
        self.report.unregistered += 1;
        self.given_up.clear();
        self.thing.switch_off();
        assert_eq!(self.thing.faults(), [""; 0], "{}", self.tell(""));
        // Reset by its maker: a new registration, an empty copy.
        let serial = self.serial.clone();
        let (thing, serial) = T::new(self.world, &mut self.acme, &serial, &mut self.dice);
        (self.thing, self.serial) = (thing, serial);
        let id = self.thing.id().to_owned();
        self.note("hosted again", &id);
    }

    fn any_row(&mut self, fits: impl Fn(&Row) -> bool) -> Option<usize> {
        let fitting = self.rows.iter().enumerate().filter(|(_, row)| fits(row));
        let fitting: Vec<usize> = fitting.map(|(n, _)| n).collect();
        let count = u64::try_from(fitting.len()).expect("a few");
        let chosen = usize::try_from(self.dice.below(count)).expect("a few");
        fitting.get(chosen).copied()
    }

    /// A UUID of version 4.
    fn fresh_uti(&mut self) -> String {
        let (a, b) = (self.dice.throw(), self.dice.throw());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }

    fn note(&mut self, what: &str, of: &str) {
        self.history.push(format!("{what} {of}"));
    }

    fn tell(&self, found: &str) -> String {
        format!(
            "{found}\ndevice {}\n{}",
            self.thing.id(),
            self.history.join("\n")
        )
    }

    /// At quiet: the line is fair, the device acknowledged the newest version.
    fn judge(mut self, number: u32) -> Report {
        self.thing.clear_up();
        let path = format!("/ics-device/v1/acme/devices/{}", self.thing.id());
        let begun = Instant::now();
        let document = loop {
            let shown = self.acme.call("GET", &path, None).expect(200).json();
            let document = shown["document"].clone();
            let copy = self.thing.copy();
            let waits = copy.m.iter().any(|pair| self.given_up.contains(&pair.id));
            let is_quiet = document["acknowledged"] == document["version"]
                && document["version"] == copy.v
                && !self.has_pending()
                && !waits;
            if is_quiet {
                break document;
            }
            let late = begun.elapsed() > REST;
            assert!(
                !late,
                "history {number} never comes to rest: {}",
                self.tell(&format!("{shown} {copy:?}"))
            );
            sleep(Duration::from_millis(100));
        };
        let copy = self.thing.copy();
        let held: BTreeSet<String> = copy.m.iter().map(|pair| pair.id.clone()).collect();
        let mut established = BTreeSet::new();
        for n in 0..self.rows.len() {
            let own = self.rows[n].own.clone();
            let row = self.shop.call("GET", &own, None).expect(200).json();
            let is_established = row["mappingStatus"] == "ESTABLISHED";
            assert!(
                !(is_established && self.rows[n].is_revoked),
                "history {number}: a row that was said to be gone: {}",
                self.tell(&row.to_string())
            );
            if is_established {
                established.insert(self.rows[n].id.clone());
            }
        }
        let found =
            format!("history {number}: holds {held:?}, established {established:?}, {document}");
        assert_eq!(held, established, "{}", self.tell(&found));
        self.judge_by_inquiry(number);
        assert_eq!(
            self.thing.faults(),
            [""; 0],
            "history {number}: {}",
            self.tell("")
        );
        Report {
            histories: 1,
            established: established.len(),
            revoked: self.rows.iter().filter(|row| row.is_revoked).count(),
            ..self.report
        }
    }

    /// Case 1 of Y.4462 10.3 by the IoT SP: the same pairs.
    fn judge_by_inquiry(&mut self, number: u32) {
        let asked = json!({ "deviceId": self.thing.id() });
        let path = "/ics-inquiry/v1/retrieve-by-device";
        let answer = self.acme.call("POST", path, Some(&asked));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told: BTreeSet<(String, String)> = match answer.status {
            404 => BTreeSet::new(),
            _ => {
                let pairs = answer.expect(200).json()["mappings"].as_array().cloned();
                let pairs = pairs.unwrap_or_default();
                let pair = |row: &Value| (text(&row["serviceUri"]), text(&row["uti"]));
                pairs.iter().map(pair).collect()
            }
        };
        let copy = self.thing.copy();
        let held = copy.m.into_iter().map(|pair| (pair.svc, pair.uti));
        assert_eq!(
            held.collect::<BTreeSet<_>>(),
            told,
            "history {number}: {}",
            self.tell("")
        );
    }

    fn has_pending(&mut self) -> bool {
        let open = (0..self.rows.len()).filter(|n| !self.rows[*n].is_revoked);
        let open: Vec<String> = open.map(|n| self.rows[n].own.clone()).collect();
        open.iter().any(|own| {
            let row = self.shop.call("GET", own, None).expect(200).json();
            row["mappingStatus"] == "PENDING"
        })
    }
}
