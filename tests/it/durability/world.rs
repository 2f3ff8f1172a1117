//! A domain on one engine whose service providers are in the test's own process: they survive
//! the gateway, and know what they were told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ics_tests::{Domain, Party, Receiver, Reply, eventually};
use serde_json::json;

use super::reader::Reader;
use super::row::{Row, owed, told};
use crate::engine::Engine;

pub(crate) const SERVICE: &str = "https://shop.example/services";

/// The domain, its parties, and who takes what they are told.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) domain: Domain,
    pub(crate) shop: Party,
    pub(crate) acme: Party,
    /// Takes what goes to either.
    pub(crate) receiver: Receiver,
    store: PathBuf,
}

/// What a test has shown, to be printed.
pub(crate) struct Shown {
    rows: usize,
    steps: usize,
    owed: usize,
    received: usize,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            rows,
            steps,
            owed,
            received,
        } = self;
        write!(
            f,
            "{rows} rows, {steps} acknowledged steps, {owed} notifications owed, {received} received"
        )
    }
}

impl World {
    /// A domain whose store lies where `init` would have it.
    pub(crate) fn create(engine: Engine) -> Self {
        Self::serve_first(engine, Self::prepare(engine, None))
    }

    /// A domain whose store lies in `store`.
    pub(crate) fn create_at(engine: Engine, store: &Path) -> Self {
        Self::serve_first(engine, Self::prepare(engine, Some(store)))
    }

    /// A domain that was never served.
    pub(crate) fn prepare(engine: Engine, store: Option<&Path>) -> Domain {
        Domain::create(|text| {
            let text = engine
                .configure(&text)
                .replace(
                    "allowed_networks = []",
                    "allowed_networks = [\"127.0.0.0/8\"]",
                )
                .replace("#first_retry = \"1s\"", "first_retry = \"50ms\"")
                .replace("#longest_retry = \"60s\"", "longest_retry = \"500ms\"")
                .replace("#level = \"info\"", "level = \"warn\"");
            match store {
                Some(store) => {
                    let written = format!("directory = \"{}\"", store.display());
                    let text = text.replacen("directory = \"store\"", &written, 1);
                    assert!(text.contains(&written), "the template has the key");
                    text
                }
                None => text,
            }
        })
    }

    fn serve_first(engine: Engine, domain: Domain) -> Self {
        domain.serve();
        Self::people(engine, domain)
    }

    /// Onboards the parties in a domain that is served and empty.
    pub(crate) fn people(engine: Engine, domain: Domain) -> Self {
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
        let store = store_of(&domain);
        Self {
            engine,
            domain,
            shop,
            acme,
            receiver,
            store,
        }
    }

    /// Serves it again.
    pub(crate) fn serve(&self) {
        self.domain.serve();
        self.forget_tokens();
    }

    pub(crate) fn forget_tokens(&self) {
        self.shop.forget_token();
        self.acme.forget_token();
    }

    /// Reads the store the dead gateway left: every record readable, every index entry there and
    /// none too many.
    pub(crate) fn check_store(&self) {
        self.engine.open(&self.store).assert_sound();
    }

    /// The end of a test: everything owed is told, everything acknowledged is there and listed,
    /// beside it at most `unanswered` rows; the gateway is stopped and its store read whole.
    pub(crate) fn settle(&self, rows: &mut [Row], unanswered: usize) -> Shown {
        eventually("the outbox to be empty", || {
            let outbox = self.domain.operator("GET", "/operator/v1/outbox", None);
            let outbox = outbox.expect(200).json();
            outbox["items"].as_array().is_some_and(Vec::is_empty)
        });
        let told = told(&self.receiver);
        let all_owed: Vec<_> = rows.iter().flat_map(owed).collect();
        let missing: Vec<_> = all_owed
            .iter()
            .filter(|owed| !told.contains(*owed))
            .collect();
        let first = missing.first();
        assert!(
            missing.is_empty(),
            "{} never told: {first:?}",
            missing.len()
        );
        let mut reader = Reader::start(self);
        for row in rows.iter_mut() {
            reader.check(row);
        }
        reader.check_lists(rows, unanswered);
        assert!(self.domain.stop().success());
        self.check_store();
        Shown {
            rows: rows.len(),
            steps: rows.iter().map(|row| row.acknowledged.len()).sum(),
            owed: all_owed.len(),
            received: self.receiver.received().len(),
        }
    }
}

/// Where the store of a domain lies, as its configuration says.
fn store_of(domain: &Domain) -> PathBuf {
    let text = std::fs::read_to_string(domain.configuration()).expect("a file");
    let (_, section) = text.split_once("\n[store]\n").expect("a section");
    let mut lines = section.lines();
    let directory = lines.find_map(|line| line.strip_prefix("directory = \""));
    domain.file(directory.expect("a directory").trim_end_matches('"'))
}
