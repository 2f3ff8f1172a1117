//! What a token opens, and what it does not: bound to one certificate, one SP, its scopes (RFC
//! 6749, 6750, 7009, 7662, 8705; spec/t8.md A; spec/security.md 2).

use std::time::Instant;

use ics_tests::domain::issue;
use ics_tests::{Answer, Domain, Party, Sandbox, eventually, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The scope of each reference point, ICS-1 first.
const SCOPES: [&str; 8] = [
    "ics-mapping:request",
    "ics-mapping:assign",
    "ics-demapping:service",
    "ics-demapping:device",
    "ics-access:service",
    "ics-access:device",
    "ics-inquiry:by-transaction",
    "ics-inquiry:by-device",
];

const NO_SUCH_ID: &str = "01890000-0000-7000-8000-000000000000";

/// A UUID of version 4 that ends in `n`.
fn uti(n: u32) -> String {
    format!("0b7f3a52-7d0a-4b1e-9f35-6a3d{n:08x}")
}

fn mapping(party: &Party, service: &str, uti: &str, serial: &str) -> Value {
    json!({
        "serviceUri": format!("{}{service}", party.grant),
        "uti": uti,
        "deviceSerialNumber": serial,
        "notificationDestination": party.callback,
        "userConsent": { "consentId": "c-1", "grantedAt": "2026-11-01T00:00:00Z",
                         "purpose": "dpv:RequestedServiceProvision" },
    })
}

/// A mapping that the simulated IoT SP established; its id.
fn establish(party: &Party, service: &str, uti: &str, serial: &str) -> String {
    let body = mapping(party, service, uti, serial);
    let answer = party
        .post(&party.path("ics-mapping", "mappings"), &body)
        .expect(201);
    let id = answer.json()["self"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let path = party.path("ics-mapping", &format!("mappings/{id}"));
    eventually("the mapping to be established", || {
        party.get(&path).expect(200).json()["mappingStatus"] == "ESTABLISHED"
    });
    id
}

fn token_of(answer: &Answer) -> String {
    answer.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

#[track_caller]
fn assert_invalid_token(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"invalid_token\""), "{answer:?}");
}

#[test]
fn request_without_token_is_challenged_without_an_error_code() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let answer = shop
        .curl("GET", &shop.path("ics-mapping", "mappings"))
        .send()
        .expect(401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer") && !challenge.contains("error"),
        "{challenge}"
    );
}

#[test]
fn token_of_another_certificate_opens_nothing() {
    let sandbox = Sandbox::start();
    let dir = TempDir::new().unwrap();
    let (shop, music) = (sandbox.shop(), sandbox.music());
    let token = shop.token();
    let list = shop.path("ics-mapping", "mappings");
    shop.get(&list).expect(200);

    // Another SP's certificate.
    let stolen = music.curl("GET", &list).bearer(&token).send();
    assert_invalid_token(&stolen);
    let own_path = music.path("ics-mapping", "mappings");
    assert_invalid_token(&music.curl("GET", &own_path).bearer(&token).send());

    // A second certificate of the same SP.
    let (certificate, key) = issue(dir.path(), "second", |csr| {
        let path = "/operator/v1/sps/shop/certificates";
        sandbox
            .operator("POST", path, Some(&json!({ "csr": csr })))
            .expect(201)
            .json()
    });
    let mut twin = sandbox.shop();
    (twin.certificate, twin.key) = (certificate, key);
    assert_invalid_token(&twin.curl("GET", &list).bearer(&token).send());
    twin.get(&list).expect(200);

    // RFC 6750 2.1: what is no token at all.
    for text in [
        "x",
        "0000000000000000000000000000000000000000000",
        &token[1..],
    ] {
        assert_invalid_token(&shop.curl("GET", &list).bearer(text).send());
    }
    // The answers do not tell a stolen token from an invented one.
    let invented = music.curl("GET", &list).bearer("invented-invented").send();
    assert_eq!(stolen.comparable(), invented.comparable());
}

#[test]
fn every_scope_opens_its_own_reference_point_and_no_other() {
    let sandbox = Sandbox::start();
    let new = json!({
        "id": "both", "roles": ["THIRD_PARTY_SP", "IOT_SP"],
        "services": ["https://both.example/services"],
        "serialNamespaces": [{ "prefix": "BOTH-" }],
        "callbackOrigins": [sandbox.env("ICS_CALLBACK_URL")],
        "limits": { "requestsPerSecond": 50_000, "failedMappingsPerDay": 1_000_000 },
    });
    sandbox
        .operator("POST", "/operator/v1/sps", Some(&new))
        .expect(201);
    let dir = TempDir::new().unwrap();
    let (certificate, key) = issue(dir.path(), "both", |csr| {
        let path = "/operator/v1/sps/both/certificates";
        sandbox
            .operator("POST", path, Some(&json!({ "csr": csr })))
            .expect(201)
            .json()
    });
    let mut both = sandbox.shop();
    (both.id, both.certificate, both.key) = ("both".into(), certificate, key);

    let (service, uti) = ("https://both.example/services/1", uti(1));
    let inquiry = json!({ "serviceUri": service, "uti": uti });
    let device = json!({ "deviceId": "dev-nobody-knows" });
    let demap = |selector: Value| {
        let mut body = json!({ "cause": "USER_AUTHORIZATION_WITHDRAWN" });
        body.as_object_mut()
            .unwrap()
            .extend(selector.as_object().unwrap().clone());
        body
    };
    let of_mapping = format!("mappings/{NO_SUCH_ID}");
    let of_assignment = format!("assignments/{NO_SUCH_ID}");
    // Real calls of each reference point, ICS-1 first; none needs anything to be there.
    let calls: [Vec<(&str, String, Option<Value>)>; 8] = [
        vec![
            ("GET", both.path("ics-mapping", "mappings"), None),
            (
                "POST",
                both.path("ics-mapping", "mappings"),
                Some(json!({})),
            ),
            ("GET", both.path("ics-mapping", &of_mapping), None),
            (
                "PATCH",
                both.path("ics-mapping", &of_mapping),
                Some(json!({})),
            ),
            ("DELETE", both.path("ics-mapping", &of_mapping), None),
        ],
        vec![
            ("GET", both.path("ics-device-mapping", "assignments"), None),
            ("GET", both.path("ics-device-mapping", &of_assignment), None),
            (
                "PUT",
                both.path("ics-device-mapping", &of_assignment),
                Some(json!({})),
            ),
            (
                "GET",
                both.path("ics-device-mapping", "subscriptions"),
                None,
            ),
        ],
        vec![(
            "POST",
            both.path("ics-demapping", "demap"),
            Some(demap(json!({ "uti": uti }))),
        )],
        vec![(
            "POST",
            both.path("ics-demapping", "demap"),
            Some(demap(json!({ "deviceId": "dev-nobody-knows" }))),
        )],
        vec![("GET", both.path("ics-access", "profile"), None)],
        vec![("GET", both.path("ics-access", "profile"), None)],
        vec![(
            "POST",
            "/ics-inquiry/v1/retrieve-by-transaction".into(),
            Some(inquiry),
        )],
        vec![(
            "POST",
            "/ics-inquiry/v1/retrieve-by-device".into(),
            Some(device),
        )],
    ];
    // The resources that two points share are open with the token of either.
    let shared = |a: usize, b: usize| matches!((a, b), (4, 5) | (5, 4));
    for (held, scope) in SCOPES.iter().enumerate() {
        let answer = both.ask_token(scope).expect(200);
        assert_eq!(answer.json()["scope"], *scope);
        let token = token_of(&answer);
        for (needed, calls) in calls.iter().enumerate() {
            for (method, path, body) in calls {
                let curl = both.curl(method, path).bearer(&token);
                let answer = match body {
                    Some(body) => curl.json(body).send(),
                    None => curl.send(),
                };
                let what = format!(
                    "ICS-{} with {scope}: {method} {path}: {answer:?}",
                    needed + 1
                );
                if held == needed || shared(held, needed) {
                    assert!(![401, 403].contains(&answer.status), "{what}");
                    continue;
                }
                assert_eq!(answer.status, 403, "{what}");
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                assert!(challenge.contains("error=\"insufficient_scope\""), "{what}");
                // Where two points share a resource, the first is named until the body is read.
                let named = challenge.contains(&format!("scope=\"{}\"", SCOPES[needed]));
                let first = challenge.contains(&format!("scope=\"{}\"", SCOPES[needed & !1]));
                assert!(named || (matches!(needed, 3 | 5) && first), "{what}");
            }
        }
    }
}

#[test]
fn scopes_beyond_the_role_are_not_given() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    for (n, scope) in SCOPES.iter().enumerate() {
        let (owner, other) = if n % 2 == 0 {
            (&shop, &acme)
        } else {
            (&acme, &shop)
        };
        owner.ask_token(scope).expect(200);
        let refused = other.ask_token(scope).expect(400);
        assert_eq!(refused.json()["error"], "invalid_scope");
    }
    let all = shop.ask_token("").expect(200).json();
    let odd: Vec<_> = SCOPES.iter().step_by(2).copied().collect();
    let mut given: Vec<_> = all["scope"].as_str().unwrap().split(' ').collect();
    given.sort_unstable();
    let mut expected = odd.clone();
    expected.sort_unstable();
    assert_eq!(given, expected);
}

#[test]
fn path_of_another_sp_is_refused_by_name() {
    let sandbox = Sandbox::start();
    let (shop, music, acme, bolt) = (
        sandbox.shop(),
        sandbox.music(),
        sandbox.acme(),
        sandbox.bolt(),
    );
    let own = establish(&music, "/1", &uti(1), "ACME-AUTO-1");
    let cases = [
        (&shop, "GET", music.path("ics-mapping", "mappings"), None),
        (
            &shop,
            "POST",
            music.path("ics-mapping", "mappings"),
            Some(json!({})),
        ),
        (
            &shop,
            "GET",
            music.path("ics-mapping", &format!("mappings/{own}")),
            None,
        ),
        (
            &shop,
            "GET",
            "/ics-mapping/v1/nobody/mappings".to_owned(),
            None,
        ),
        (
            &shop,
            "POST",
            music.path("ics-demapping", "demap"),
            Some(json!({})),
        ),
        (&shop, "GET", music.path("ics-access", "profile"), None),
        (
            &bolt,
            "GET",
            acme.path("ics-device-mapping", "assignments"),
            None,
        ),
        (
            &bolt,
            "GET",
            acme.path("ics-device-mapping", &format!("assignments/{own}")),
            None,
        ),
        (
            &bolt,
            "GET",
            acme.path("ics-device-mapping", "subscriptions"),
            None,
        ),
        (
            &bolt,
            "POST",
            acme.path("ics-demapping", "demap"),
            Some(json!({})),
        ),
    ];
    let mut answers = Vec::new();
    for (caller, method, path, body) in cases {
        let answer = caller.call(method, &path, body.as_ref()).expect(403);
        assert_eq!(answer.cause(), "SCS_AS_ID_MISMATCH", "{method} {path}");
        // The body of a POST was not read, so its connection ends: by its method, not its path.
        let (status, mut headers, body) = answer.comparable();
        headers.retain(|(name, _)| method != "POST" || name != "connection");
        answers.push((status, headers, body));
    }
    answers.dedup();
    assert_eq!(
        answers.len(),
        1,
        "an id that exists looks like one that does not: {answers:?}"
    );
}

/// The same call twice, to what is another's and to what is not there.
#[track_caller]
fn assert_alike(what: &str, of_another: &Answer, of_nobody: &Answer) {
    assert_eq!(of_another.comparable(), of_nobody.comparable(), "{what}");
    assert_eq!(of_another.status, 404, "{what}: {of_another:?}");
}

#[test]
fn what_is_another_s_cannot_be_told_from_what_is_not_there() {
    let sandbox = Sandbox::start();
    let (shop, music, acme, bolt) = (
        sandbox.shop(),
        sandbox.music(),
        sandbox.acme(),
        sandbox.bolt(),
    );
    // Everything at acme and of music; shop and bolt are the strangers.
    let established = establish(&music, "/1", &uti(1), "ACME-AUTO-1");
    let body = mapping(&music, "/2", &uti(2), "ACME-PENDING-2");
    let pending = music
        .post(&music.path("ics-mapping", "mappings"), &body)
        .expect(201);
    let pending = pending.json()["self"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let body = mapping(&music, "/3", &uti(3), "ACME-CANCELLED-3");
    let gone = music
        .post(&music.path("ics-mapping", "mappings"), &body)
        .expect(201);
    let gone = gone.json()["self"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    music
        .delete(&music.path("ics-mapping", &format!("mappings/{gone}")))
        .expect(204);
    let service = format!("{}/1", music.grant);
    let inquiry = "/ics-inquiry/v1/retrieve-by-transaction";
    let known = music
        .post(inquiry, &json!({ "serviceUri": service, "uti": uti(1) }))
        .expect(200);
    let device = known.json()["deviceId"].as_str().unwrap().to_owned();

    let patch = json!({ "validityPeriod": 3600 });
    let accepted = json!({ "result": "ACCEPTED", "deviceId": "dev-of-a-stranger" });
    let rejected = json!({ "result": "REJECTED", "cause": "SERIAL_NUMBER_UNKNOWN" });
    for id in [&established, &pending, &gone] {
        let call = |party: &Party, api: &str, what: &str, method: &str, body: Option<&Value>| {
            let of_another = party.call(method, &party.path(api, &format!("{what}/{id}")), body);
            let nobody = party.path(api, &format!("{what}/{NO_SUCH_ID}"));
            assert_alike(method, &of_another, &party.call(method, &nobody, body));
        };
        call(&shop, "ics-mapping", "mappings", "GET", None);
        call(&shop, "ics-mapping", "mappings", "PATCH", Some(&patch));
        call(&shop, "ics-mapping", "mappings", "DELETE", None);
        call(&bolt, "ics-device-mapping", "assignments", "GET", None);
        call(
            &bolt,
            "ics-device-mapping",
            "assignments",
            "PUT",
            Some(&accepted),
        );
        call(
            &bolt,
            "ics-device-mapping",
            "assignments",
            "PUT",
            Some(&rejected),
        );
    }

    let demap = |party: &Party, selector: Value| {
        let mut body = json!({ "cause": "UTI_INVALID" });
        body.as_object_mut()
            .unwrap()
            .extend(selector.as_object().unwrap().clone());
        party.post(&party.path("ics-demapping", "demap"), &body)
    };
    let nobody_s = format!("{}/nobody", shop.grant);
    let link = |party: &Party, path: String| json!({ "mapping": format!("{}{path}", party.root) });
    let mapping_link =
        |party: &Party, id: &str| link(party, party.path("ics-mapping", &format!("mappings/{id}")));
    let assignment_link = |party: &Party, id: &str| {
        link(
            party,
            party.path("ics-device-mapping", &format!("assignments/{id}")),
        )
    };
    let pairs = [
        (
            &shop,
            mapping_link(&music, &established),
            mapping_link(&music, NO_SUCH_ID),
        ),
        (
            &shop,
            mapping_link(&shop, &established),
            mapping_link(&shop, NO_SUCH_ID),
        ),
        (&shop, json!({ "uti": uti(1) }), json!({ "uti": uti(99) })),
        (
            &shop,
            json!({ "serviceUri": service }),
            json!({ "serviceUri": nobody_s }),
        ),
        (
            &shop,
            json!({ "serviceUri": service, "uti": uti(1) }),
            json!({ "serviceUri": nobody_s, "uti": uti(99) }),
        ),
        (
            &bolt,
            assignment_link(&bolt, &established),
            assignment_link(&bolt, NO_SUCH_ID),
        ),
        (
            &bolt,
            json!({ "deviceId": device }),
            json!({ "deviceId": "dev-nobody-knows" }),
        ),
        (
            &bolt,
            json!({ "deviceId": device, "serviceUri": service }),
            json!({ "deviceId": "dev-nobody-knows", "serviceUri": nobody_s }),
        ),
    ];
    for (party, of_another, of_nobody) in pairs {
        let what = format!("{}: {of_another}", party.id);
        let nobody_answer = demap(party, of_nobody);
        assert_alike(&what, &demap(party, of_another), &nobody_answer);
    }

    let ask = |party: &Party, case: &str, body: Value| {
        party.post(&format!("/ics-inquiry/v1/{case}"), &body)
    };
    let nobody = ask(
        &shop,
        "retrieve-by-transaction",
        json!({ "serviceUri": nobody_s, "uti": uti(99) }),
    );
    // Another's; pending; de-mapped; right UTI with a wrong URI and the other way round.
    for (service, n) in [
        ("/1", 1),
        ("/2", 2),
        ("/3", 3),
        ("/2", 1),
        ("/1", 2),
        ("/9", 1),
        ("/1", 9),
    ] {
        let body = json!({ "serviceUri": format!("{}{service}", music.grant), "uti": uti(n) });
        let answer = ask(&shop, "retrieve-by-transaction", body.clone());
        assert_alike("case 2 by a stranger", &answer, &nobody);
        if (service, n) != ("/1", 1) {
            let answer = ask(&music, "retrieve-by-transaction", body);
            assert_alike("case 2 by the owner", &answer, &nobody);
        }
    }
    let nobody = ask(
        &bolt,
        "retrieve-by-device",
        json!({ "deviceId": "dev-nobody-knows" }),
    );
    let known = ask(&bolt, "retrieve-by-device", json!({ "deviceId": device }));
    assert_alike("case 1 by a stranger", &known, &nobody);
    let known = ask(
        &bolt,
        "retrieve-by-device",
        json!({ "deviceId": device, "serviceUri": service }),
    );
    assert_alike("case 1 by a stranger, of a service", &known, &nobody);
    let other = ask(
        &acme,
        "retrieve-by-device",
        json!({ "deviceId": device, "serviceUri": format!("{}/2", music.grant) }),
    );
    assert_alike("case 1 by the owner, of another service", &other, &nobody);

    // Nothing of all that did any harm.
    let path = |id: &str| music.path("ics-mapping", &format!("mappings/{id}"));
    assert_eq!(
        music.get(&path(&established)).json()["mappingStatus"],
        "ESTABLISHED"
    );
    assert_eq!(
        music.get(&path(&pending)).json()["mappingStatus"],
        "PENDING"
    );
    ask(&acme, "retrieve-by-device", json!({ "deviceId": device })).expect(200);
    assert_eq!(
        shop.get(&shop.path("ics-mapping", "mappings"))
            .expect(200)
            .json(),
        json!([])
    );
    let listed = bolt
        .get(&bolt.path("ics-device-mapping", "assignments"))
        .expect(200)
        .json();
    assert_eq!(listed, json!([]));
}

#[test]
fn token_in_the_query_is_never_taken() {
    let sandbox = Sandbox::start();
    let shop = sandbox.shop();
    let token = shop.token();
    let list = shop.path("ics-mapping", "mappings");
    let answer = shop
        .curl("GET", &format!("{list}?access_token={token}"))
        .send();
    assert_eq!(answer.status, 401, "{answer:?}");
    // RFC 6750 2.2: nor in a form.
    let form = format!("access_token={token}");
    let answer = shop
        .curl("POST", "/ics-inquiry/v1/retrieve-by-transaction")
        .form(&form)
        .send();
    assert_eq!(answer.status, 401, "{answer:?}");
    // Beside a header it is an unknown parameter, and does not reach the log.
    let answer = shop.get(&format!("{list}?access_token={token}"));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(!sandbox.log().contains(&token));
    assert!(!answer.body.contains(&token));
}

#[test]
fn revoked_token_opens_nothing_and_is_inactive() {
    let domain = checked_domain("");
    let [shop, music, checker] =
        ["shop", "music", "checker"].map(|id| onboard_service(&domain, id));
    let token = token_of(&shop.ask_token("").expect(200));
    let list = shop.path("ics-mapping", "mappings");
    let form = format!("token={token}");
    let introspect = |party: &Party| party.curl("POST", "/oauth2/introspect").form(&form).send();
    let active = introspect(&checker).expect(200).json();
    assert_eq!(
        (&active["active"], &active["client_id"]),
        (&json!(true), &json!("shop"))
    );
    assert!(active["cnf"]["x5t#S256"].is_string(), "{active}");
    // Not even its own: only whom the operator named.
    for party in [&shop, &music] {
        let refused = introspect(party).expect(403).json();
        assert_eq!(refused["error"], "unauthorized_client");
    }

    // Another's revocation is answered alike and does nothing.
    music
        .curl("POST", "/oauth2/revoke")
        .form(&form)
        .send()
        .expect(200);
    shop.curl("GET", &list).bearer(&token).send().expect(200);

    shop.curl("POST", "/oauth2/revoke")
        .form(&form)
        .send()
        .expect(200);
    assert_invalid_token(&shop.curl("GET", &list).bearer(&token).send());
    assert_eq!(
        introspect(&checker).expect(200).json(),
        json!({ "active": false })
    );
    shop.curl("POST", "/oauth2/revoke")
        .form("token=unknown")
        .send()
        .expect(200);
    // Its other tokens stand.
    shop.get(&list).expect(200);
}

#[test]
fn expired_token_opens_nothing() {
    let domain = checked_domain("lifetime = \"30s\"");
    let [shop, checker] = ["shop", "checker"].map(|id| onboard_service(&domain, id));
    let asked = Instant::now();
    let answer = shop.ask_token("").expect(200);
    assert_eq!(answer.json()["expires_in"], 30);
    let token = token_of(&answer);
    let list = shop.path("ics-mapping", "mappings");
    shop.curl("GET", &list).bearer(&token).send().expect(200);
    let refused = wait_for("the token to expire", || {
        let answer = shop.curl("GET", &list).bearer(&token).send();
        (answer.status != 200).then_some(answer)
    });
    assert_invalid_token(&refused);
    assert!(asked.elapsed().as_secs() >= 29, "{:?}", asked.elapsed());
    let form = format!("token={token}");
    let answer = checker
        .curl("POST", "/oauth2/introspect")
        .form(&form)
        .send()
        .expect(200);
    assert_eq!(answer.json(), json!({ "active": false }));
}

/// A domain in which `checker` is a resource server.
fn checked_domain(tokens: &str) -> Domain {
    let own = format!("[tokens]\nresource_servers = [\"checker\"]\n{tokens}\n");
    Domain::start(|text| text.replace("[tokens]\n", &own))
}

fn onboard_service(domain: &Domain, id: &str) -> Party {
    domain.onboard(&json!({ "id": id, "roles": ["THIRD_PARTY_SP"],
        "services": [format!("https://{id}.example/services")] }))
}

#[test]
fn rate_beyond_the_limit_is_refused_with_a_time_to_come_back() {
    let domain = Domain::start(|text| text);
    let slow = domain.onboard(&json!({ "id": "slow", "roles": ["THIRD_PARTY_SP"],
        "services": ["https://slow.example/services"], "limits": { "requestsPerSecond": 1 } }));
    let token = wait_for("a token", || {
        let answer = slow.ask_token("");
        (answer.status == 200).then(|| token_of(&answer))
    });
    let list = slow.path("ics-mapping", "mappings");
    let refused = wait_for("a refusal", || {
        let answer = slow.curl("GET", &list).bearer(&token).send();
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 429, "{refused:?}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{refused:?}");
    // The token endpoint counts too, and whoever comes back is served.
    let refused = wait_for("a refused token request", || {
        let answer = slow.ask_token("");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    wait_for("to be served again", || {
        (slow.curl("GET", &list).bearer(&token).send().status == 200).then_some(())
    });
}
