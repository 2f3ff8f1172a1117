//! What was acknowledged survives kill -9 (issue "end to end", durability): under 16 concurrent
//! writers, at moments nobody chose, round after round on one store.
//!
//! `ICS_KILL_ROUNDS` says how many rounds (12 when it does not). The receivers of the service
//! providers live in the test's own process and survive the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use ics_store_redb::Options;
use ics_tests::{Answer, Connection, Dialer, Domain, Party, Receiver, Reply, eventually};
use serde_json::{Value, json};

const WRITERS: usize = 16;
const SERVICE: &str = "https://shop.example/services";

/// Where a row is, as far as its writer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Established,
    Cancelled,
    DemappedByShop,
    DemappedByAcme,
}

impl State {
    /// As the third party SP sees it.
    fn status(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Established => "ESTABLISHED",
            _ => "DELETED",
        }
    }
}

/// A row that was acknowledged.
#[derive(Clone, Debug)]
struct Row {
    id: String,
    service: String,
    uti: String,
    device: String,
    /// The states that were acknowledged, first to last.
    acknowledged: Vec<State>,
    /// What was asked for and never answered: it happened or it did not.
    asked: Option<State>,
}

impl Row {
    fn last(&self) -> State {
        *self
            .acknowledged
            .last()
            .expect("acknowledged at least once")
    }
}

/// A small generator of numbers (xorshift): which steps are taken, and when the end comes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

struct World {
    domain: Domain,
    shop: Party,
    acme: Party,
    /// Takes what goes to either.
    receiver: Receiver,
}

impl World {
    fn create() -> Self {
        let domain = Domain::start(|text| {
            text.replace(
                "allowed_networks = []",
                "allowed_networks = [\"127.0.0.0/8\"]",
            )
            .replace("#first_retry = \"1s\"", "first_retry = \"50ms\"")
            .replace("#longest_retry = \"60s\"", "longest_retry = \"500ms\"")
            .replace("#level = \"info\"", "level = \"warn\"")
        });
        let receiver = domain.receiver();
        // One attempt in seven fails, so that entries are written again and not only removed.
        let count = AtomicU32::new(0);
        receiver.answer(move |_| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            Reply::status(if n % 7 == 6 { 503 } else { 204 })
        });
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let origins = [receiver.origin()];
        let shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": [SERVICE],
            "callbackOrigins": origins, "limits": limits,
        }));
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": origins, "limits": limits,
        }));
        domain.agree(&acme, &shop);
        let subscription = json!({ "notificationDestination": format!("{}/acme", origins[0]) });
        acme.post(
            &acme.path("ics-device-mapping", "subscriptions"),
            &subscription,
        )
        .expect(201);
        Self {
            domain,
            shop,
            acme,
            receiver,
        }
    }

    fn forget_tokens(&self) {
        self.shop.forget_token();
        self.acme.forget_token();
    }

    /// Reads the store the dead gateway left: every record readable, every index entry there and
    /// none too many.
    fn check_store(&self) {
        let store = ics_store_redb::open(&self.domain.file("store"), Options::default())
            .expect("the store opens");
        let report = store.check().expect("the store can be read");
        assert!(report.is_sound(), "{report:?}");
    }
}

/// One writer's connections and rows.
struct Writer<'a> {
    world: &'a World,
    shop: Connection,
    acme: Connection,
    tokens: (String, String),
    dice: Dice,
    rows: Vec<Row>,
}

impl<'a> Writer<'a> {
    fn start(world: &'a World, seed: u64) -> Option<Self> {
        Some(Self {
            world,
            shop: Dialer::of(&world.shop).dial().ok()?,
            acme: Dialer::of(&world.acme).dial().ok()?,
            tokens: (world.shop.token(), world.acme.token()),
            dice: Dice(seed),
            rows: Vec::new(),
        })
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

/// Every acknowledged row, as the gateway that came back tells it.
struct Reader<'a> {
    world: &'a World,
    shop: Connection,
    acme: Connection,
    tokens: (String, String),
}

impl<'a> Reader<'a> {
    fn start(world: &'a World) -> Self {
        Self {
            world,
            shop: Dialer::of(&world.shop).dial().expect("it listens"),
            acme: Dialer::of(&world.acme).dial().expect("it listens"),
            tokens: (world.shop.token(), world.acme.token()),
        }
    }

    /// Reads the row by its id and by both inquiries; what was asked for and never answered is
    /// settled by what is found.
    fn check(&mut self, row: &mut Row) {
        let path = self
            .world
            .shop
            .path("ics-mapping", &format!("mappings/{}", row.id));
        let shown = self.get_shop(&path).expect(200).json();
        let status = shown["mappingStatus"]
            .as_str()
            .expect("a status")
            .to_owned();
        if let Some(asked) = row.asked.take()
            && status == asked.status()
        {
            row.acknowledged.push(asked);
        }
        assert_eq!(status, row.last().status(), "{row:?} {shown}");
        assert_eq!(
            (&shown["serviceUri"], &shown["uti"]),
            (&json!(row.service), &json!(row.uti))
        );
        let established = row.last() == State::Established;

        let key = json!({ "serviceUri": row.service, "uti": row.uti });
        let answer = self.shop.call(
            ("POST", "/ics-inquiry/v1/retrieve-by-transaction"),
            &self.tokens.0,
            Some(&key),
        );
        let answer = answer
            .expect("an answer")
            .expect(if established { 200 } else { 404 });
        assert!(
            !established || answer.json()["deviceId"] == row.device.as_str(),
            "{answer:?}"
        );

        let key = json!({ "deviceId": row.device });
        let answer = self.acme.call(
            ("POST", "/ics-inquiry/v1/retrieve-by-device"),
            &self.tokens.1,
            Some(&key),
        );
        let answer = answer
            .expect("an answer")
            .expect(if established { 200 } else { 404 });
        if established {
            let mappings = &answer.json()["mappings"];
            assert_eq!(mappings.as_array().map(Vec::len), Some(1), "{answer:?}");
            assert_eq!(mappings[0]["uti"], row.uti.as_str());
            assert_eq!(mappings[0]["serviceUri"], row.service.as_str());
        }
    }

    fn get_shop(&mut self, path: &str) -> Answer {
        self.shop
            .call(("GET", path), &self.tokens.0, None)
            .expect("an answer")
    }

    /// What a list holds, page by page: id and status.
    fn list(&mut self, of_shop: bool, path: &str) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        let mut next = Some(format!("{path}?limit=1000"));
        while let Some(path) = next {
            let (connection, token) = if of_shop {
                (&mut self.shop, &self.tokens.0)
            } else {
                (&mut self.acme, &self.tokens.1)
            };
            let page = connection
                .call(("GET", &path), token, None)
                .expect("an answer")
                .expect(200);
            for row in page.json().as_array().expect("an array") {
                let id = row["self"]
                    .as_str()
                    .expect("a link")
                    .rsplit('/')
                    .next()
                    .expect("an id");
                let status = row["mappingStatus"].as_str().expect("a status").to_owned();
                assert_eq!(rows.insert(id.to_owned(), status), None, "listed twice");
            }
            next = page.header("link").map(|link| {
                let uri = link
                    .strip_prefix('<')
                    .and_then(|l| l.split_once('>'))
                    .expect("a URI")
                    .0;
                uri.strip_prefix(&self.world.shop.root)
                    .expect("one of ours")
                    .to_owned()
            });
        }
        rows
    }
}

/// What has to have been told: (to whom, about which UTI, what).
fn owed(row: &Row) -> Vec<(&'static str, String, &'static str)> {
    let to = |sp, what| (sp, row.uti.clone(), what);
    let mut owed = Vec::new();
    if row.last() == State::Pending {
        owed.push(to("acme", "push"));
    }
    for state in &row.acknowledged {
        match state {
            // Only while it is pending: a push that was overtaken is not sent any more.
            State::Pending => {}
            State::Established => {
                owed.extend([to("acme", "ESTABLISHED"), to("shop", "ESTABLISHED")])
            }
            State::Cancelled => owed.push(to("acme", "DELETED")),
            State::DemappedByShop => owed.push(to("acme", "UTI_INVALID")),
            State::DemappedByAcme => owed.push(to("shop", "DEVICE_UNREGISTERED")),
        }
    }
    owed
}

/// What was told and taken.
fn told(receiver: &Receiver) -> BTreeSet<(&'static str, String, &'static str)> {
    let mut told = BTreeSet::new();
    for received in receiver
        .received()
        .iter()
        .filter(|received| received.answered == 204)
    {
        let body = received.body();
        let to = if received.path == "/acme" {
            "acme"
        } else {
            "shop"
        };
        let what = [
            "ESTABLISHED",
            "DELETED",
            "UTI_INVALID",
            "DEVICE_UNREGISTERED",
        ];
        let said = body["mappingStatus"].as_str().or(body["cause"].as_str());
        let what = match said {
            Some(said) => what.into_iter().find(|w| *w == said),
            None if body["deviceSerialNumber"].is_string() => Some("push"),
            None => None,
        };
        let what = what.unwrap_or_else(|| panic!("unexpected notification {body}"));
        told.insert((to, body["uti"].as_str().expect("a UTI").to_owned(), what));
    }
    told
}

/// A round: writers at work, the gateway killed in the middle of it.
fn write_and_kill(world: &World, round: u32, dice: &mut Dice) -> Vec<Row> {
    world.forget_tokens();
    world.shop.token();
    world.acme.token();
    let rows = Mutex::new(Vec::new());
    let acknowledged = AtomicUsize::new(0);
    // At least a few steps were acknowledged; then at whatever moment.
    let (least, more) = (dice.below(60), Duration::from_micros(dice.below(400_000)));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (rows, acknowledged, seed) = (&rows, &acknowledged, dice.below(u64::MAX) | 1);
            scope.spawn(move || {
                if let Some(mut own) = Writer::start(world, seed) {
                    own.write((round, writer), acknowledged);
                    rows.lock().unwrap().append(&mut own.rows);
                }
            });
        }
        eventually("acknowledgements", || {
            acknowledged.load(Ordering::SeqCst) as u64 > least
        });
        std::thread::sleep(more);
        world.domain.kill();
    });
    rows.into_inner().unwrap()
}

#[test]
fn acknowledged_changes_survive_kill_9_under_16_writers() {
    let rounds =
        std::env::var("ICS_KILL_ROUNDS").map_or(12, |text| text.parse().expect("a number"));
    let seed = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_nanos() as u64
        | 1;
    println!("seed {seed}");
    let (world, mut dice, mut rows) = (World::create(), Dice(seed), Vec::new());
    for round in 0..rounds {
        let mut written = write_and_kill(&world, round, &mut dice);
        // Half of the time the gateway itself is the first to open what was left.
        if dice.below(2) == 0 {
            world.check_store();
        }
        world.domain.serve();
        world.forget_tokens();
        let mut reader = Reader::start(&world);
        for row in &mut written {
            reader.check(row);
        }
        rows.append(&mut written);
    }

    // Every outbox entry was or is delivered.
    eventually("the outbox to be empty", || {
        let outbox = world
            .domain
            .operator("GET", "/operator/v1/outbox", None)
            .expect(200);
        outbox.json()["items"].as_array().is_some_and(Vec::is_empty)
    });
    let told = told(&world.receiver);
    let all_owed: Vec<_> = rows.iter().flat_map(owed).collect();
    let missing: Vec<_> = all_owed
        .iter()
        .filter(|owed| !told.contains(*owed))
        .collect();
    assert!(
        missing.is_empty(),
        "{} never told: {:?}",
        missing.len(),
        missing.first()
    );

    // All of them once more, and in the lists.
    let mut reader = Reader::start(&world);
    for row in &mut rows {
        reader.check(row);
    }
    let (shop, acme) = (&world.shop, &world.acme);
    let mappings = reader.list(true, &shop.path("ics-mapping", "mappings"));
    let assignments = reader.list(false, &acme.path("ics-device-mapping", "assignments"));
    // Beside them only what was asked for and never answered: one a writer and round.
    let unanswered = mappings.len() - rows.len();
    assert!(
        unanswered <= WRITERS * rounds as usize,
        "{unanswered} rows nobody asked for"
    );
    for row in &rows {
        let status = row.last().status();
        assert_eq!(
            mappings.get(&row.id).map(String::as_str),
            Some(status),
            "{row:?}"
        );
        let live = Some(status).filter(|status| *status != "DELETED");
        assert_eq!(
            assignments.get(&row.id).map(String::as_str),
            live,
            "{row:?}"
        );
    }
    assert!(world.domain.stop().success());
    world.check_store();
    let steps: usize = rows.iter().map(|row| row.acknowledged.len()).sum();
    println!(
        "{rounds} rounds of kill -9: {} rows, {steps} acknowledged steps, {} notifications owed, \
         {} received",
        rows.len(),
        all_owed.len(),
        world.receiver.received().len(),
    );
}

#[test]
fn second_gateway_on_the_same_store_is_refused() {
    let domain = Domain::start(|text| text);
    let file = domain.configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    let other = file.with_file_name("second.toml");
    let moved = text
        .replace(&domain.t8_address(), "127.0.0.1:0")
        .replace(&domain.operator_address(), "127.0.0.1:0")
        .replace(
            "public_url = \"https://127.0.0.1:0\"",
            "public_url = \"https://127.0.0.1:1\"",
        );
    std::fs::write(&other, moved).unwrap();
    let run = ics_tests::Gateway::run(&["serve", "--config", other.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    domain
        .operator("GET", "/operator/v1/status", None)
        .expect(200);
}
