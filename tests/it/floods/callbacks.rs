//! Hosts of service providers that are not reached or hang, each with notifications that wait for
//! it: those of the others are told as if nothing were.

use std::time::{Duration, Instant};

use ics_tests::bad_host::{BadHost, Fault};
use ics_tests::{Domain, Party, Receiver, eventually, fresh_device, fresh_uuid};
use serde_json::json;

use super::good::{Bound, GoodClient, PATIENCE};

const FAULTS: [Fault; 5] = [
    Fault::Refuses,
    Fault::NeverAccepts,
    Fault::NeverReads,
    Fault::NeverEndsHandshake,
    Fault::NeverEndsHead,
];
/// Service providers with each fault.
const EACH: usize = 8;
/// Notifications that wait for each of them.
const WAITING: usize = 8;

fn onboard(domain: &Domain, id: &str, origin: &str) -> Party {
    let mut party = domain.onboard(&json!({
        "id": id, "roles": ["THIRD_PARTY_SP"],
        "services": [format!("https://{id}.example/services")],
        "callbackOrigins": [origin],
        "limits": { "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000 },
    }));
    party.grant = format!("https://{id}.example/services");
    party.callback = format!("{origin}/results");
    party
}

struct World {
    domain: Domain,
    acme: Party,
    shop: Party,
    receiver: Receiver,
}

impl World {
    fn start() -> Self {
        let domain = Domain::start(|text| {
            text.replace(
                "allowed_networks = []",
                "allowed_networks = [\"127.0.0.0/8\"]",
            )
            .replace("#level = \"info\"", "level = \"warn\"")
        });
        let receiver = domain.receiver();
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": ["https://acme.example"],
            "limits": { "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000 },
        }));
        acme.grant = "ACME-".into();
        let shop = onboard(&domain, "shop", &receiver.origin());
        domain.agree(&acme, &shop);
        Self {
            domain,
            acme,
            shop,
            receiver,
        }
    }

    /// From the request that makes a row established to the notification of it.
    fn time_a_notification(&self) -> Duration {
        let service = self.shop.service("eggs");
        let (uti, serial) = (fresh_uuid(), self.acme.fresh_serial());
        let mapping = self.shop.ask_for(&self.acme, &service, &uti, &serial);
        let began = Instant::now();
        self.acme.accept(&mapping, &fresh_device()).expect(200);
        self.receiver.wait("the notification", |received| {
            received.body()["uti"] == uti.as_str()
        });
        began.elapsed()
    }

    fn worst_of(&self, count: usize) -> Duration {
        let times = (0..count).map(|_| self.time_a_notification());
        times.max().expect("some")
    }

    fn waiting(&self) -> u64 {
        let status = self.domain.operator("GET", "/operator/v1/status", None);
        status.expect(200).json()["outboxDepth"]
            .as_u64()
            .expect("a depth")
    }
}

#[test]
fn hosts_that_are_not_reached_or_hang_hold_up_no_other_s_notifications() {
    let world = World::start();
    let mut good = GoodClient::of(&world.shop);
    let normal = world.worst_of(5);
    let (certificate, key) = world.domain.server_certificate("bad", "IP:127.0.0.1");
    let root = world.domain.file("authority/sp-ca.pem");
    let files = (root.as_path(), certificate.as_path(), key.as_path());
    let mut hosts = Vec::new();
    let mut rows = Vec::new();
    for fault in FAULTS {
        for number in 0..EACH {
            let host = BadHost::open(fault, files);
            // Letters alone, as ids of service providers are.
            let name = format!("{fault:?}").to_lowercase();
            let party = onboard(&world.domain, &format!("{name}-{number}"), &host.origin());
            world.domain.agree(&world.acme, &party);
            for _ in 0..WAITING {
                rows.push(party.ask(&world.acme, "eggs"));
            }
            hosts.push((fault, host));
        }
    }
    let bound = Bound::begin(world.domain.pid(), 96 << 20);
    // All at once, as fast as one IoT SP can say it.
    for row in &rows {
        world.acme.accept(row, &fresh_device()).expect(200);
    }
    let met = |wanted: Fault| {
        let hosts = hosts.iter().filter(|(fault, _)| *fault == wanted);
        hosts.map(|(_, host)| host.met()).sum::<u64>()
    };
    eventually("the hanging hosts to be met", || {
        FAULTS[2..].iter().all(|fault| met(*fault) >= EACH as u64)
    });
    let worst = world.worst_of(10);
    good.assert_served("40 bad hosts");
    println!("a notification: {normal:.1?} before, worst {worst:.1?} beside 40 bad hosts");
    assert!(worst < PATIENCE, "{worst:?}");
    bound.assert_kept("40 bad hosts");
    // Nothing is lost: what they were not told waits.
    assert_eq!(world.waiting(), rows.len() as u64);
    assert!(world.domain.stop().success());
}
