//! X3: a service is its third party's once that party has shown it, or the operator vouches for it.

use std::sync::{Arc, Mutex};

use ics_tests::curl::Answer;
use ics_tests::{Domain, Gateway, Party, Receiver, Reply, fresh_uuid};
use serde_json::{Value, json};

/// A gateway, a vendor, and a host where service providers serve what they like.
struct World {
    domain: Domain,
    acme: Party,
    host: Receiver,
    /// What is served: path, status, body.
    served: Arc<Mutex<Vec<(String, u16, String)>>>,
}

impl World {
    fn start() -> Self {
        let domain = Domain::start(|text| {
            let loopback = "allowed_networks = [\"127.0.0.0/8\"]";
            text.replace("allowed_networks = []", loopback)
        });
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
        }));
        let host = domain.receiver();
        let served: Arc<Mutex<Vec<(String, u16, String)>>> = Arc::default();
        let shown = Arc::clone(&served);
        host.answer(move |received| {
            let shown = shown.lock().unwrap();
            let found = shown.iter().find(|(path, ..)| *path == received.path);
            let mut reply = Reply::status(found.map_or(404, |(_, status, _)| *status));
            reply.body = found.map(|(.., body)| body.clone()).unwrap_or_default();
            reply
        });
        Self {
            domain,
            acme,
            host,
            served,
        }
    }

    /// A third party that says these are its own.
    fn third_party(&self, id: &str, services: &[&str]) -> Party {
        let services: Vec<String> = services.iter().map(|path| self.service(path)).collect();
        let party = self.domain.onboard(&json!({
            "id": id, "roles": ["THIRD_PARTY_SP"], "unprovenServices": services,
            "callbackOrigins": [self.host.origin()],
        }));
        self.domain.agree(&self.acme, &party);
        party
    }

    fn service(&self, path: &str) -> String {
        format!("{}{path}", self.host.origin())
    }

    fn serve(&self, path: &str, status: u16, body: &str) {
        let mut served = self.served.lock().unwrap();
        served.retain(|(known, ..)| known != path);
        served.push((path.to_owned(), status, body.to_owned()));
    }

    fn ask(&self, party: &Party, service: &str) -> Answer {
        let request = json!({
            "serviceUri": service, "uti": fresh_uuid(), "deviceSerialNumber": "FR-1",
            "notificationDestination": self.service("/cb"),
            "userConsent": {
                "consentId": "c-81", "grantedAt": "2026-01-01T00:00:00Z",
                "purpose": "dpv:RequestedServiceProvision",
            },
        });
        party.post_mapping(&request)
    }
}

fn prove(party: &Party, service: &str) -> Answer {
    let path = party.path("ics-access", "service-proofs");
    party.post(&path, &json!({ "service": service }))
}

/// What the profile tells: challenge and where to serve it.
fn challenge(party: &Party, service: &str) -> (String, String) {
    let profile = party.get(&party.path("ics-access", "profile")).expect(200);
    let profile = profile.json();
    let unproven = profile["unprovenServices"].as_array().expect("a list");
    let of_service = unproven.iter().find(|one| one["service"] == service);
    let of_service = of_service.expect("the service");
    let text = |name: &str| of_service[name].as_str().expect("text").to_owned();
    (text("challenge"), text("challengeUrl"))
}

#[test]
fn a_service_can_be_used_once_it_serves_its_challenge() {
    let world = World::start();
    let shop = world.third_party("shop", &["/shop"]);
    let (service, path) = (world.service("/shop"), "/shop/.well-known/ics-challenge");
    let refused = world.ask(&shop, &world.service("/shop/eggs")).expect(403);
    assert_eq!(refused.cause(), "SERVICE_NOT_PROVEN");
    // Somebody else's is another answer.
    let foreign = world.ask(&shop, &world.service("/other")).expect(403);
    assert_eq!(foreign.cause(), "SERVICE_NOT_OWNED");

    let (text, url) = challenge(&shop, &service);
    assert_eq!(url, format!("{service}/.well-known/ics-challenge"));
    assert_eq!(
        prove(&shop, &service).expect(409).cause(),
        "CHALLENGE_NOT_READ"
    );
    for (status, body, cause) in [
        (
            200,
            "ics-challenge-00000000000000000000000000000000",
            "CHALLENGE_NOT_MET",
        ),
        (200, "", "CHALLENGE_NOT_MET"),
        (200, &format!("{text} and more"), "CHALLENGE_NOT_MET"),
        (404, &text, "CHALLENGE_NOT_READ"),
        // Where it leads is not followed.
        (302, &text, "CHALLENGE_NOT_READ"),
    ] {
        world.serve(path, status, body);
        assert_eq!(
            prove(&shop, &service).expect(409).cause(),
            cause,
            "{status} {body}"
        );
        world.ask(&shop, &service).expect(403);
    }
    world.serve(path, 200, &format!("{text}\n"));
    let proven = prove(&shop, &service).expect(200).json();
    assert_eq!(proven, json!({ "service": service, "status": "PROVEN" }));
    world.ask(&shop, &world.service("/shop/eggs")).expect(201);
    // Once shown, it stays, whatever is served.
    world.serve(path, 404, "");
    prove(&shop, &service).expect(200);
    world.ask(&shop, &world.service("/shop/milk")).expect(201);
    let profile = shop
        .get(&shop.path("ics-access", "profile"))
        .expect(200)
        .json();
    assert_eq!(profile["services"], json!([service]));
    assert_eq!(profile["unprovenServices"], Value::Null);
}

/// Two say that it is theirs: the first that shows it has it. The challenge of one is none of the other.
#[test]
fn of_two_that_claim_a_service_the_one_that_serves_its_own_challenge_has_it() {
    let world = World::start();
    let (shop, thief) = (
        world.third_party("shop", &["/shop"]),
        world.third_party("thief", &["/shop", "/shop/eggs"]),
    );
    let (service, path) = (world.service("/shop"), "/shop/.well-known/ics-challenge");
    let (of_shop, _) = challenge(&shop, &service);
    let (of_thief, _) = challenge(&thief, &service);
    assert_ne!(of_shop, of_thief);
    world.serve(path, 200, &of_shop);
    assert_eq!(
        prove(&thief, &service).expect(409).cause(),
        "CHALLENGE_NOT_MET"
    );
    prove(&shop, &service).expect(200);
    // Also what lies below it, whatever the thief could serve there.
    let below = world.service("/shop/eggs");
    let (text, _) = challenge(&thief, &below);
    world.serve("/shop/eggs/.well-known/ics-challenge", 200, &text);
    assert_eq!(prove(&thief, &below).expect(409).cause(), "SERVICE_OWNED");
    assert_eq!(
        prove(&shop, &world.service("/none")).expect(404).cause(),
        "SERVICE_NOT_FOUND"
    );
    let later = json!({ "service": below });
    let refused = world
        .domain
        .operator("POST", "/operator/v1/sps/thief/services", Some(&later));
    assert_eq!(refused.expect(409).cause(), "SERVICE_OWNED");
}

#[test]
fn the_operator_vouches_for_a_service_and_gives_one_more() {
    let world = World::start();
    let shop = world.third_party("shop", &["/shop"]);
    let config = world.domain.configuration();
    let config = config.to_str().expect("UTF-8");
    let service = world.service("/shop");
    world.ask(&shop, &service).expect(403);
    let run = |args: &[&str]| {
        let output =
            Gateway::run(&[&["sp", "service", "shop"], args, &["--config", config]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = run(&["--add", &service, "--vouch"]);
    assert!(!shown.contains("unproven"), "{shown}");
    world.ask(&shop, &service).expect(201);
    let more = world.service("/milk");
    assert!(run(&["--add", &more]).contains("unproven services"));
    world.ask(&shop, &more).expect(403);
    // It stands in the store.
    world.domain.kill();
    world.domain.serve();
    shop.forget_token();
    let (text, _) = challenge(&shop, &more);
    world.serve("/milk/.well-known/ics-challenge", 200, &text);
    prove(&shop, &more).expect(200);
    world.ask(&shop, &more).expect(201);
    // What nothing can be served at is for the operator to know.
    let odd = json!({ "service": "coap://shop.example/eggs" });
    let refused = world
        .domain
        .operator("POST", "/operator/v1/sps/shop/services", Some(&odd));
    refused.expect(400);
}

/// The gateway asks for nothing where it must not go: its own listeners, whatever name they have.
#[test]
fn a_challenge_is_not_read_from_the_gateway_itself() {
    let world = World::start();
    let own = format!("https://{}", world.domain.t8_address());
    let shop = world.domain.onboard(&json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"], "unprovenServices": [own],
    }));
    assert_eq!(prove(&shop, &own).expect(409).cause(), "CHALLENGE_NOT_READ");
    assert_eq!(world.host.count(), 0);
}
