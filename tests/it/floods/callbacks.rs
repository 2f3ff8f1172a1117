//! Hosts of service providers that are not reached or hang, each with notifications that wait for
//! it: those of the others are told as if nothing were.

use std::time::{Duration, Instant};

use ics_tests::bad_host::{BadHost, Fault};
use ics_tests::{Dialer, Domain, Party, Receiver, eventually, fresh_device, fresh_uuid};
use serde_json::json;

use super::good::{Bound, GoodClient, PATIENCE};

/// Service providers with each fault. Those whose hosts take a notification and never end their answer
/// hold all attempts of the gateway (256) for as long as it waits, and more of theirs wait behind.
const FAULTS: [(Fault, usize); 5] = [
    (Fault::Refuses, 4),
    (Fault::NeverAccepts, 4),
    (Fault::NeverReads, 4),
    (Fault::NeverEndsHandshake, 4),
    (Fault::NeverEndsHead, 40),
];
/// Notifications that wait for each of them: as many as go to one host at once.
const WAITING: usize = 8;
/// All attempts under way at once, beyond one at each host.
const AT_ONCE: u64 = 256;

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
            // Longer than all is looked at.
            .replace("#total_timeout = \"10s\"", "total_timeout = \"60s\"")
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
    for (fault, count) in FAULTS {
        for number in 0..count {
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
    let token = world.acme.token();
    let mut acme = Dialer::of(&world.acme).dial().expect("it listens");
    for row in &rows {
        let accepted = json!({ "result": "ACCEPTED", "deviceId": fresh_device() });
        let path = row
            .assignment
            .strip_prefix(&world.acme.root)
            .expect("its own");
        let answer = acme.call(("PUT", path), &token, Some(&accepted));
        answer.expect("an answer").expect(200);
    }
    let met = |wanted: Fault| {
        let hosts = hosts.iter().filter(|(fault, _)| *fault == wanted);
        hosts.map(|(_, host)| host.met()).sum::<u64>()
    };
    eventually("the hanging hosts to be met", || {
        let met_all = |(fault, count): &(Fault, usize)| met(*fault) >= *count as u64;
        FAULTS[2..].iter().all(met_all) && met(Fault::NeverEndsHead) >= AT_ONCE
    });
    let worst = world.worst_of(10);
    println!("a notification: {normal:.1?} before, worst {worst:.1?} beside 56 bad hosts");
    assert!(worst < PATIENCE, "{worst:?}");
    good.assert_served("56 bad hosts");
    bound.assert_kept("56 bad hosts");
    // Nothing is lost: what they were not told waits, once what the good one took is gone.
    let theirs = rows.len() as u64;
    eventually("theirs alone to wait", || world.waiting() == theirs);
    assert!(world.domain.stop().success());
}
