//! Y25: under `pairwise` each third party knows a device by an ID of its own, which its IoT SP alone
//! resolves.

use std::collections::BTreeSet;

use ics_tests::{Domain, Party, fresh_uuid, rounds};
use serde_json::{Value, json};

struct World {
    domain: Domain,
    shop: Party,
    music: Party,
    acme: Party,
}

/// A row: service, UTI.
type Pair = (String, String);

impl World {
    fn start(exposure: &str) -> Self {
        let domain = Domain::start(|text| text);
        let third_party = |id: &str| {
            domain.onboard(&json!({
                "id": id, "roles": ["THIRD_PARTY_SP"], "services": [format!("https://{id}.example/")],
                "callbackOrigins": [format!("https://{id}.example")],
                "limits": { "requestsPerSecond": 100_000 },
            }))
        };
        let (shop, music) = (third_party("shop"), third_party("music"));
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
            "limits": { "requestsPerSecond": 100_000 },
        }));
        for party in [&shop, &music] {
            let agreement = json!({
                "iotSpId": acme.id, "thirdPartySpId": party.id, "deviceIdExposure": exposure,
            });
            domain
                .operator("POST", "/operator/v1/agreements", Some(&agreement))
                .expect(201);
        }
        Self {
            domain,
            shop,
            music,
            acme,
        }
    }

    /// Has the device mapped for the third party.
    fn establish(&self, party: &Party, device: &str) -> Pair {
        let (service, uti) = (format!("https://{}.example/x", party.id), fresh_uuid());
        let request = json!({
            "serviceUri": service, "uti": uti, "deviceSerialNumber": format!("FR-{device}"),
            "notificationDestination": format!("https://{}.example/cb", party.id),
            "userConsent": {
                "consentId": "c-81", "grantedAt": "2026-01-01T00:00:00Z",
                "purpose": "dpv:RequestedServiceProvision",
            },
        });
        let row = party.post_mapping(&request).expect(201).json();
        let id = row["self"]
            .as_str()
            .and_then(|link| link.rsplit('/').next());
        let link = format!("assignments/{}", id.expect("an id"));
        let accept = json!({ "result": "ACCEPTED", "deviceId": device });
        let link = self.acme.path("ics-device-mapping", &link);
        self.acme.put(&link, &accept).expect(200);
        (service, uti)
    }

    fn seen(party: &Party, (service, uti): &Pair) -> String {
        let answer = party.inquire(service, uti).expect(200).json();
        answer["deviceId"].as_str().expect("an id").to_owned()
    }
}

fn resolve(by: &Party, device: &str, third_party: &str) -> ics_tests::Answer {
    let asked = json!({ "deviceId": device, "thirdPartySpId": third_party });
    by.post("/ics-inquiry/v1/resolve-device", &asked)
}

#[test]
fn two_third_parties_have_no_device_id_in_common_and_the_iot_sp_knows_which_is_which() {
    let world = World::start("pairwise");
    let devices: Vec<String> = (0..rounds("ICS_EXPOSURE_DEVICES", 10))
        .map(|n| format!("d-{n:04}-x"))
        .collect();
    let mut seen: [BTreeSet<String>; 2] = Default::default();
    for device in &devices {
        let mut known = Vec::new();
        for party in [&world.shop, &world.music] {
            let pair = world.establish(party, device);
            let shown = World::seen(party, &pair);
            // Always the same, for whichever service and row.
            let again = world.establish(party, device);
            assert_eq!(World::seen(party, &again), shown);
            known.push(shown);
        }
        for (ids, shown) in seen.iter_mut().zip(&known) {
            assert!(ids.insert(shown.clone()), "{shown} stands for two devices");
        }
        for (party, shown) in [&world.shop, &world.music].into_iter().zip(&known) {
            let resolved = resolve(&world.acme, shown, &party.id).expect(200).json();
            assert_eq!(
                resolved,
                json!({ "deviceId": device, "thirdPartySpId": party.id })
            );
        }
        assert_eq!(resolve(&world.acme, &known[0], "music").status, 404);
    }
    let [shop, music] = &seen;
    let real: BTreeSet<String> = devices.iter().cloned().collect();
    assert!(shop.is_disjoint(music) && shop.is_disjoint(&real) && music.is_disjoint(&real));
}

#[test]
fn nobody_but_the_iot_sp_resolves_and_what_is_de_mapped_is_not_found() {
    let world = World::start("pairwise");
    let pair = world.establish(&world.shop, "d-0001-x");
    let shown = World::seen(&world.shop, &pair);
    let bolt = world
        .domain
        .onboard(&json!({ "id": "bolt", "roles": ["IOT_SP"] }));
    for third_party in [&world.shop, &world.music] {
        let refused = resolve(third_party, &shown, "shop").expect(403);
        assert_eq!(refused.cause(), "INSUFFICIENT_SCOPE");
    }
    let stranger = resolve(&bolt, &shown, "shop").expect(404);
    let absent = resolve(&world.acme, "p-none", "shop").expect(404);
    let without = |answer: &ics_tests::Answer| -> Value { answer.json()["cause"].clone() };
    assert_eq!(without(&stranger), without(&absent));
    // The pseudonym opens nothing where the device's own ID belongs.
    world.acme.inquire_device(&shown).expect(404);
    let (service, uti) = &pair;
    let key = json!({ "serviceUri": service, "uti": uti });
    world.shop.demap("SERVICE_INVALID", &key).expect(200);
    resolve(&world.acme, &shown, "shop").expect(404);
}

#[test]
fn under_raw_both_see_the_device_id_of_the_iot_sp() {
    let world = World::start("raw");
    for party in [&world.shop, &world.music] {
        let pair = world.establish(party, "d-0001-x");
        assert_eq!(World::seen(party, &pair), "d-0001-x");
        resolve(&world.acme, "d-0001-x", &party.id).expect(200);
    }
}
