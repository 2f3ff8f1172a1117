//! Everything that can change under way changes under load: server certificate, authorities, policies.
//! No request fails that should pass, and none passes that should fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ics_tests::openssl::{TestAuthority, openssl, server_extensions};
use ics_tests::{Connection, Dialer, Domain, Party, eventually, fresh_uuid, rounds};
use serde_json::{Value, json};

/// Requests a second, in all.
const RATE: u32 = 200;
const OPEN: &str = "https://shop.example/services/open";
const SWITCHED: &str = "https://shop.example/services/switched";

/// A gateway under load, and what its callers were answered.
struct World {
    domain: Domain,
    shop: Party,
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
}

/// Answers by kind, and what should not have been.
#[derive(Default)]
struct Seen {
    answered: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl Seen {
    fn take(&mut self, kind: &'static str, expected: u16, answered: &std::io::Result<u16>) {
        *self.answered.entry(kind).or_default() += 1;
        match answered {
            Ok(status) if *status == expected => {}
            other => self.wrong.push(format!("{kind}: {other:?}")),
        }
    }
}

fn request(service: &str) -> Value {
    json!({
        "serviceUri": service, "uti": fresh_uuid(), "deviceSerialNumber": fresh_uuid().replace('-', ""),
        "iotSpId": "acme", "notificationDestination": "https://shop.example/cb",
        "userConsent": {
            "consentId": "c-81", "grantedAt": "2026-01-01T00:00:00Z",
            "purpose": "dpv:RequestedServiceProvision",
        },
    })
}

impl World {
    fn start() -> Self {
        let domain = Domain::start(|text| text);
        let shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://shop.example"], "limits": { "requestsPerSecond": 100_000 },
        }));
        let acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "FR-" }],
        }));
        domain.agree(&acme, &shop);
        Self {
            domain,
            shop,
            seen: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// Callers at the rate, half of them with a new connection for each request.
    fn load(&self) -> Vec<std::thread::JoinHandle<()>> {
        let token = self.shop.token();
        let path = self.shop.path("ics-mapping", "mappings");
        let kinds: [(&'static str, u32, bool); 4] = [
            ("inquiry, kept", 120, true),
            ("inquiry, new", 40, false),
            ("mapping, kept", 30, true),
            ("mapping, new", 10, false),
        ];
        assert_eq!(kinds.iter().map(|(_, rate, _)| rate).sum::<u32>(), RATE);
        let threads = kinds.map(|(kind, rate, keeps)| {
            let (seen, ended) = (Arc::clone(&self.seen), Arc::clone(&self.ended));
            let (token, path) = (token.clone(), path.clone());
            let dialer = Dialer::of(&self.shop);
            std::thread::spawn(move || {
                let mut kept: Option<Connection> = None;
                let (began, mut sent) = (Instant::now(), 0_u32);
                while !ended.load(Ordering::Relaxed) {
                    let mut connection = match kept.take() {
                        Some(connection) => connection,
                        None => dialer.dial().expect("a connection"),
                    };
                    let (expected, answered) = if kind.starts_with("inquiry") {
                        let asked = json!({ "serviceUri": OPEN, "uti": fresh_uuid() });
                        let place = ("POST", "/ics-inquiry/v1/retrieve-by-transaction");
                        (404, connection.call(place, &token, Some(&asked)))
                    } else {
                        let asked = request(OPEN);
                        (201, connection.call(("POST", &path), &token, Some(&asked)))
                    };
                    // The gateway may end a connection that has served its share: it says so.
                    let closes = answered.as_ref().is_ok_and(|answer| {
                        answer
                            .header("connection")
                            .is_some_and(|value| value == "close")
                    });
                    let status = answered.map(|answer| answer.status);
                    seen.lock().unwrap().take(kind, expected, &status);
                    if keeps && !closes && status.is_ok() {
                        kept = Some(connection);
                    }
                    sent += 1;
                    // The rate is the load's, and nothing that is waited for.
                    let due = began + Duration::from_secs(1) * sent / rate;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            })
        });
        threads.into()
    }

    fn answered(&self) -> u64 {
        self.seen.lock().unwrap().answered.values().sum()
    }

    /// Whether a request for the switched service is let through.
    fn switched(&self) -> u16 {
        self.shop.post_mapping(&request(SWITCHED)).status
    }

    /// The serial number of the certificate that a new connection is shown.
    fn shown(&self) -> String {
        let address = self.domain.t8_address();
        let script = format!(
            "openssl s_client -connect {address} -cert '{}' -key '{}' </dev/null 2>/dev/null | openssl x509 -noout -serial",
            self.shop.certificate.display(),
            self.shop.key.display()
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .output();
        String::from_utf8(output.expect("bash").stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }
}

fn serial_of(certificate: &std::path::Path) -> String {
    let file = certificate.to_str().expect("UTF-8");
    let output = openssl(&["x509", "-noout", "-serial", "-in", file]);
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

#[test]
fn certificates_authorities_and_policies_change_under_load_and_nothing_fails_that_should_pass() {
    let world = World::start();
    let threads = world.load();
    let domain = &world.domain;
    let authority = TestAuthority {
        certificate: domain.file("authority/sp-ca.pem"),
        key: domain.file("authority/sp-ca.key"),
    };
    // An authority that is believed of `guest` in every other round.
    let guests = TestAuthority::create(&domain.dir(), "guest-ca", "/CN=Guest CA");
    let configuration = std::fs::read_to_string(domain.configuration()).expect("a file");
    let with_guests = configuration.replacen(
        "\n[[t8.anchor]]\n",
        "\n[[t8.anchor]]\ncertificate = \"guest-ca.pem\"\nnamespace = \"urn:ics:sp:guest\"\n[[t8.anchor]]\n",
        1,
    );
    domain.onboard(&json!({ "id": "guest", "roles": ["IOT_SP"] }));
    let extensions = ics_tests::openssl::sp_extensions("guest");
    let issued = guests.issue(domain.scratch(), "guest-leaf", &extensions, &["-days", "2"]);
    let mut guest = domain.party("guest");
    (guest.certificate, guest.key) = (issued.certificate, issued.key);
    let swaps = rounds("ICS_SWAPS", 4);
    for round in 0..swaps {
        let (is_open, is_believed) = (round % 2 == 0, round % 2 == 0);
        let names = server_extensions("IP:127.0.0.1,DNS:localhost");
        let name = format!("server-{round}");
        let server = authority.issue(domain.scratch(), &name, &names, &["-days", "2"]);
        std::fs::copy(&server.certificate, domain.file("t8/server.pem")).expect("copied");
        std::fs::copy(&server.key, domain.file("t8/server.key")).expect("copied");
        let text = if is_believed {
            &with_guests
        } else {
            &configuration
        };
        std::fs::write(domain.configuration(), text).expect("written");
        let policy = format!(
            "forbid (principal, action, resource == Service::\"{SWITCHED}\") when {{ {} }};",
            !is_open
        );
        std::fs::write(domain.file("policies/switched.cedar"), policy).expect("written");
        let before = world.answered();
        domain.signal("HUP");
        let serial = serial_of(&server.certificate);
        eventually("the new certificate is shown", || world.shown() == serial);
        // One swap: what was read together holds together.
        let (let_through, believed) = if is_open {
            (201, Some(200))
        } else {
            (403, None)
        };
        for _ in 0..5 {
            assert_eq!(world.switched(), let_through, "round {round}");
            let mut connection = Dialer::of(&guest).dial().expect("a connection");
            let asked = connection.call(("GET", "/.well-known/ics"), "none", None);
            assert_eq!(
                asked.ok().map(|answer| answer.status),
                believed,
                "round {round}"
            );
        }
        eventually("the load goes on", || {
            world.answered() > before + u64::from(RATE)
        });
    }
    world.ended.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("a caller");
    }
    let seen = world.seen.lock().unwrap();
    assert!(
        seen.wrong.is_empty(),
        "{:?} of {:?}",
        seen.wrong,
        seen.answered
    );
    assert!(seen.answered.len() == 4, "{:?}", seen.answered);
}
