//! Notifications that wait for a service provider that is dead, a hundred thousand of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ics_tests::{Domain, Party, Receiver, fresh_device, fresh_uuid, rounds, wait_for};
use serde_json::json;

use super::good::{Bound, GoodClient};
use crate::bulk::fill_like;

const SERVICE: &str = "https://shop.example/services/eggs";

struct World {
    domain: Domain,
    shop: Party,
    acme: Party,
}

impl World {
    fn start(dead: &str) -> Self {
        let domain = Domain::start(|text| {
            text.replace(
                "allowed_networks = []",
                "allowed_networks = [\"127.0.0.0/8\"]",
            )
            .replace("#longest_retry = \"60s\"", "longest_retry = \"1s\"")
            .replace("#level = \"info\"", "level = \"warn\"")
            .replace("#cache = \"1GiB\"", "cache = \"64MiB\"")
        });
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": [dead], "limits": limits,
        }));
        shop.callback = format!("{dead}/shop");
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": [dead], "limits": limits,
        }));
        acme.grant = "ACME-".into();
        domain.agree(&acme, &shop);
        let body = json!({ "notificationDestination": format!("{dead}/acme") });
        acme.post(&acme.path("ics-device-mapping", "subscriptions"), &body)
            .expect(201);
        Self { domain, shop, acme }
    }

    fn serve(&self) -> Duration {
        let began = Instant::now();
        self.domain.serve();
        self.shop.forget_token();
        self.acme.forget_token();
        began.elapsed()
    }

    fn waiting(&self) -> u64 {
        let status = self.domain.operator("GET", "/operator/v1/status", None);
        status.expect(200).json()["outboxDepth"]
            .as_u64()
            .expect("a depth")
    }
}

/// The rows that the notifications in `receiver` tell of, to `/acme` with this cause.
fn told(receiver: &Receiver) -> BTreeSet<String> {
    let received = receiver.received();
    let of_acme = received.iter().filter(|received| received.path == "/acme");
    let bodies = of_acme.map(|received| received.body());
    bodies
        .filter(|body| body["cause"] == "SERVICE_INVALID")
        .map(|body| body["uti"].as_str().expect("a UTI").to_owned())
        .collect()
}

#[test]
fn many_notifications_wait_for_a_dead_host_and_are_told_when_it_is_back() {
    let rows = rounds("ICS_FLOOD_ROWS", 5_000) as usize;
    // Somebody's place, empty for now.
    let place = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = place.local_addr().expect("an address");
    drop(place);
    let world = World::start(&format!("https://{address}"));
    let (certificate, key) = world.domain.server_certificate("receiver", "IP:127.0.0.1");
    let root = world.domain.file("authority/sp-ca.pem");

    let (uti, serial) = (fresh_uuid(), world.acme.fresh_serial());
    let first = world.shop.ask_for(&world.acme, SERVICE, &uti, &serial);
    world.acme.accept(&first, &fresh_device()).expect(200);
    world.domain.stop();
    let store = ics_store_redb::open(
        &world.domain.file("store"),
        ics_store_redb::Options::default(),
    );
    fill_like(&store.expect("the store opens"), first.id(), rows);
    world.serve();

    let mut good = GoodClient::of(&world.shop);
    good.assert_served("before");
    let bound = Bound::begin(world.domain.pid(), 192 << 20);
    let gone = json!({ "serviceUri": SERVICE });
    world.shop.demap("SERVICE_INVALID", &gone).expect(202);
    good.assert_served("while they come to be");
    // One for each row, beside those of the first one's establishment.
    let waiting = wait_for("all to wait", || {
        Some(world.waiting()).filter(|waiting| *waiting >= rows as u64)
    });
    println!("{waiting} notifications wait for a dead host");
    good.assert_served("while they wait");
    bound.assert_kept("notifications that wait");

    world.domain.kill();
    println!("killed; accepts again after {:.1?}", world.serve());
    assert_eq!(world.waiting(), waiting, "lost over the kill");
    let mut good = GoodClient::of(&world.shop);
    let bound = Bound::begin(world.domain.pid(), 192 << 20);
    good.assert_served("after the kill");

    let receiver = Receiver::open_at(address, (&root, &certificate, &key));
    let began = Instant::now();
    receiver.wait("the first", |_| true);
    good.assert_served("while they are told");
    let mut before = u64::MAX;
    while before > 0 {
        // Each wait is for some of them: so many take their time.
        before = wait_for("some more to be told", || {
            Some(world.waiting()).filter(|now| *now < before)
        });
    }
    let took = began.elapsed();
    println!(
        "{waiting} told in {took:.1?}, {:.0} a second; {} requests",
        waiting as f64 / took.as_secs_f64(),
        receiver.count()
    );
    bound.assert_kept("notifications that are told");
    assert_eq!(told(&receiver).len(), rows, "each row is told of");
    assert!(world.domain.stop().success());
}
