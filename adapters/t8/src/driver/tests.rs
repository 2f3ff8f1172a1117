mod bulk;
mod devices;
pub(super) mod fakes;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::body::to_bytes;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer};
use fakes::{ROOT, api, peer};
use ics_http::BodyRefusal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::T8Api;

/// The API on a socket of its own, every connection of which belongs to one SP.
struct Face {
    address: std::net::SocketAddr,
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn cause(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        self.json()["cause"].as_str().unwrap_or_default().to_owned()
    }
}

impl Face {
    fn of(api: &Arc<T8Api>, sp: Option<&str>) -> Self {
        let api = api.clone();
        let peer = sp.map(peer);
        let server = HttpServer::new(move || {
            let api = api.clone();
            App::new().configure(|cfg| super::configure(cfg, api))
        })
        .on_connect(move |_, data| {
            if let Some(peer) = &peer {
                data.insert(peer.clone());
            }
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { address }
    }

    async fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = head.replace('\n', "\r\n");
        let request = format!("{head}\r\nHost: ics.example\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.get(9..12).unwrap().parse().unwrap();
        Answer {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(
            &format!("GET {path} HTTP/1.1\nAuthorization: Bearer all"),
            b"",
        )
        .await
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_with(
            method,
            path,
            "application/json",
            body.to_string().as_bytes(),
        )
        .await
    }

    async fn call_with(&self, method: &str, path: &str, media: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\nAuthorization: Bearer all\nContent-Type: {media}\n\
             Content-Length: {}",
            body.len()
        );
        self.send(&head, body).await
    }
}

const UTI: &str = "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
const MAPPINGS: &str = "/ics-mapping/v1/shop/mappings";

fn request(uti: &str) -> Value {
    json!({
        "serviceUri": "https://shop.example/s/eggs",
        "uti": uti,
        "deviceSerialNumber": "acme-00031",
        "notificationDestination": "https://shop.example/cb",
        "supportedFeatures": "3",
        "validityPeriod": 3600,
        "e2e": "AAEC",
        "userConsent": {
            "consentId": "c-81", "grantedAt": "2026-11-21T11:00:00Z",
            "purpose": "dpv:RequestedServiceProvision"
        }
    })
}

fn path_of(answer: &Answer) -> String {
    let own = answer.json()["self"].as_str().unwrap().to_owned();
    own.strip_prefix(ROOT).unwrap().to_owned()
}

#[actix_web::test]
async fn a_mapping_lives_from_request_to_demapping() {
    let (api, _) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));

    let made = shop.call("POST", MAPPINGS, &request(UTI)).await;
    assert_eq!(made.status, 201);
    let mapping = path_of(&made);
    assert_eq!(
        made.header("location"),
        Some(format!("{ROOT}{mapping}").as_str())
    );
    let body = made.json();
    assert_eq!(body["mappingStatus"], "PENDING");
    assert_eq!(body["supportedFeatures"], "3");
    assert_eq!(body["validityPeriod"], 3600);
    assert_eq!(body["mappingCause"], Value::Null);
    for secret in ["deviceSerialNumber", "userConsent", "deviceId", "e2e"] {
        assert!(body.get(secret).is_none(), "{secret}");
    }
    assert_eq!(shop.call("POST", MAPPINGS, &request(UTI)).await.status, 200);

    let pending = acme
        .get("/ics-device-mapping/v1/acme/assignments?status=PENDING")
        .await;
    let assignment = pending.json()[0].clone();
    assert_eq!(assignment["deviceSerialNumber"], "acme-00031");
    assert_eq!(assignment["e2e"], "AAEC");
    assert_eq!(
        assignment["consent"]["purpose"],
        "dpv:RequestedServiceProvision"
    );
    let assignment = assignment["self"]
        .as_str()
        .unwrap()
        .strip_prefix(ROOT)
        .unwrap()
        .to_owned();
    let answer = json!({"result": "ACCEPTED", "deviceId": "d-5f00aa"});
    let done = acme.call("PUT", &assignment, &answer).await;
    assert_eq!(
        (done.status, &done.json()["mappingStatus"]),
        (200, &json!("ESTABLISHED"))
    );
    assert!(done.json().get("deviceSerialNumber").is_none());
    assert_eq!(
        shop.get(&mapping).await.json()["mappingStatus"],
        "ESTABLISHED"
    );

    let key = json!({"serviceUri": "https://shop.example/s/eggs", "uti": UTI});
    let found = shop
        .call("POST", "/ics-inquiry/v1/retrieve-by-transaction", &key)
        .await;
    let golden = format!(
        r#"{{"deviceId":"d-5f00aa","iotSpId":"acme","serviceUri":"https://shop.example/s/eggs","uti":"{UTI}"}}"#
    );
    assert_eq!(String::from_utf8(found.body).unwrap(), golden);
    let device = json!({"deviceId": "d-5f00aa"});
    let found = acme
        .call("POST", "/ics-inquiry/v1/retrieve-by-device", &device)
        .await;
    let golden = format!(
        r#"{{"deviceId":"d-5f00aa","mappings":[{{"serviceUri":"https://shop.example/s/eggs","uti":"{UTI}","establishedTime":"2026-11-21T12:00:00.000Z"}}]}}"#
    );
    assert_eq!(String::from_utf8(found.body).unwrap(), golden);

    let refused = shop.call("DELETE", &mapping, &Value::Null).await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (409, "MAPPING_NOT_PENDING")
    );
    let demap = json!({"cause": "SERVICE_INVALID", "mapping": format!("{ROOT}{mapping}")});
    let gone = shop
        .call("POST", "/ics-demapping/v1/shop/demap", &demap)
        .await;
    assert_eq!(
        gone.json(),
        json!({"removed": 1, "mappings": [format!("{ROOT}{mapping}")]})
    );
    let again = shop
        .call("POST", "/ics-demapping/v1/shop/demap", &demap)
        .await;
    assert_eq!(
        (again.status, again.cause().as_str()),
        (404, "MAPPING_NOT_FOUND")
    );
    assert_eq!(
        shop.get(&mapping).await.json()["mappingCause"],
        "SERVICE_INVALID"
    );
}

#[actix_web::test]
async fn not_yours_and_not_there_are_the_same_bytes() {
    let (api, _) = api();
    let (shop, shop2) = (Face::of(&api, Some("shop")), Face::of(&api, Some("shop2")));
    let made = path_of(&shop.call("POST", MAPPINGS, &request(UTI)).await);
    let id = made.rsplit('/').next().unwrap();
    let strip = |answer: &Answer| {
        let head = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("date:"));
        (
            head.map(str::to_owned).collect::<Vec<_>>(),
            answer.body.clone(),
        )
    };
    let own = format!("/ics-mapping/v1/shop2/mappings/{id}");
    let absent = format!("/ics-mapping/v1/shop2/mappings/{}", id.replace('0', "1"));
    let garbage = "/ics-mapping/v1/shop2/mappings/what".to_owned();
    let expected = strip(&shop2.get(&own).await);
    for path in [&absent, &garbage] {
        assert_eq!(strip(&shop2.get(path).await), expected);
    }
    for link in [own, absent, made] {
        let demap = json!({"cause": "SERVICE_INVALID", "mapping": link});
        let answer = shop2
            .call("POST", "/ics-demapping/v1/shop2/demap", &demap)
            .await;
        assert_eq!(strip(&answer), expected);
    }
}

#[actix_web::test]
async fn checks_are_made_in_one_order() {
    let (api, _) = api();
    let nobody = Face::of(&api, None);
    let shop = Face::of(&api, Some("shop"));
    let bad_body = "POST {} HTTP/1.1\nContent-Type: text/plain\nContent-Length: 0";
    let with = |path: &str, authorization: &str| {
        format!(
            "{}\nAuthorization: {authorization}",
            bad_body.replace("{}", path)
        )
    };
    let other = "/ics-mapping/v1/shop2/mappings?x=1";

    let answer = nobody.send(&with(other, "Bearer all"), b"").await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer realm=\"ics\""))
    );
    assert_eq!(nobody.get("/.well-known/ics").await.status, 401);
    assert_eq!(nobody.get("/nowhere").await.status, 401);

    let answer = shop.send(&bad_body.replace("{}", other), b"").await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"ics\"")
    );
    let answer = shop.send(&with(other, "bearer nonsense"), b"").await;
    let invalid = "Bearer realm=\"ics\", error=\"invalid_token\"";
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some(invalid))
    );
    let twice = format!("{}\nAuthorization: Bearer all", with(other, "Bearer all"));
    let answer = shop.send(&twice, b"").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .contains("invalid_request")
    );

    let answer = shop
        .send(&with(other, "Bearer ics-mapping:assign"), b"")
        .await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "INSUFFICIENT_SCOPE")
    );
    let scope = "Bearer realm=\"ics\", error=\"insufficient_scope\", scope=\"ics-mapping:request\"";
    assert_eq!(answer.header("www-authenticate"), Some(scope));
    let answer = shop.send(&with(other, "Bearer all"), b"").await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "SCS_AS_ID_MISMATCH")
    );

    let busy = Face::of(&api, Some("busy"));
    let answer = busy
        .send(
            &with("/ics-mapping/v1/busy/mappings?x=1", "Bearer all"),
            b"",
        )
        .await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("2"))
    );
    let answer = shop
        .send(
            &with("/ics-mapping/v1/shop/mappings?x=1", "Bearer all"),
            b"",
        )
        .await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (400, "INVALID_MSG_FORMAT")
    );
    // A role that is not the caller's is answered like a scope it lacks.
    let answer = shop.get("/ics-device-mapping/v1/shop/assignments").await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "INSUFFICIENT_SCOPE")
    );
}

#[actix_web::test]
async fn frames_that_do_not_fit_are_refused() {
    let (api, _) = api();
    let shop = Face::of(&api, Some("shop"));
    let body = request(UTI).to_string();
    let body = body.as_bytes();
    assert_eq!(
        shop.call_with("POST", MAPPINGS, "text/plain", body)
            .await
            .status,
        415
    );
    assert_eq!(
        shop.call_with("POST", MAPPINGS, "application/merge-patch+json", body)
            .await
            .status,
        415
    );
    assert_eq!(
        shop.call_with("POST", MAPPINGS, "application/json", &[b' '; 65_537])
            .await
            .status,
        413
    );
    let post = format!(
        "POST {MAPPINGS} HTTP/1.1\nAuthorization: Bearer all\nContent-Type: application/json"
    );
    assert_eq!(shop.send(&post, b"").await.status, 411);
    let big = [b"10001\r\n".as_slice(), &[b' '; 65_537], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(
        shop.send(&format!("{post}\nTransfer-Encoding: chunked"), &big)
            .await
            .status,
        413
    );
    let get = format!("GET {MAPPINGS} HTTP/1.1\nAuthorization: Bearer all\nAccept: ");
    assert_eq!(shop.send(&format!("{get}text/html"), b"").await.status, 406);
    assert_eq!(
        shop.send(&format!("{get}text/html\nAccept: */*;q=0.1"), b"")
            .await
            .status,
        200
    );
    assert_eq!(
        shop.get(&format!("{MAPPINGS}?{}", "a".repeat(2048)))
            .await
            .status,
        414
    );
    for method in ["TRACE", "PUT", "OPTIONS", "BREW"] {
        let answer = shop
            .send(&format!("{method} {MAPPINGS} HTTP/1.1"), b"")
            .await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, POST")),
            "{method}"
        );
    }
    let answer = shop.get("/ics-inquiry/v1/retrieve-all").await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
    );
}

#[actix_web::test]
async fn bodies_that_do_not_fit_are_refused_without_an_echo() {
    let (api, store) = api();
    let shop = Face::of(&api, Some("shop"));
    let with = |member: &str, value: Value| {
        let mut body = request(UTI);
        body[member] = value;
        body
    };
    let secret = "262011234567890";
    for (body, status, cause, param) in [
        (
            with("uti", json!(secret)),
            400,
            "PERMANENT_ID_NOT_ALLOWED",
            "/uti",
        ),
        (
            with("serviceUri", json!(secret)),
            400,
            "PERMANENT_ID_NOT_ALLOWED",
            "/serviceUri",
        ),
        (
            with("deviceId", json!(secret)),
            400,
            "INVALID_MSG_FORMAT",
            "/deviceId",
        ),
        (with(secret, json!(1)), 400, "INVALID_MSG_FORMAT", ""),
        (
            with("uti", json!(262011234567890_u64)),
            400,
            "MANDATORY_IE_INCORRECT",
            "/uti",
        ),
        (
            with("validityPeriod", json!(secret)),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/validityPeriod",
        ),
        (
            with("deviceVendor", Value::Null),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/deviceVendor",
        ),
        (
            with("userConsent", json!([secret])),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/userConsent",
        ),
        (
            with("uti", json!("c232ab00-9414-11ec-b3c8-9f6bdeced846")),
            400,
            "UTI_NOT_ANONYMOUS",
            "/uti",
        ),
        (
            with("validityPeriod", json!(5)),
            400,
            "OPTIONAL_IE_INCORRECT",
            "/validityPeriod",
        ),
        (
            with("serviceUri", json!("https://else.example/")),
            403,
            "SERVICE_NOT_OWNED",
            "/serviceUri",
        ),
        (with("iotSpId", json!("acme2")), 403, "NO_AGREEMENT", ""),
        (
            with("deviceSerialNumber", json!("unknown")),
            404,
            "IOT_SP_NOT_FOUND",
            "",
        ),
    ] {
        let answer = shop.call("POST", MAPPINGS, &body).await;
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (status, cause),
            "{param}"
        );
        if let Some(invalid) = answer.json()["invalidParams"][0]["param"].as_str() {
            assert_eq!(invalid, param);
        }
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(secret),
            "{param}"
        );
    }
    for body in ["", "[]", "null", "{", "{} {}", "\u{0}", &"[".repeat(60_000)] {
        let answer = shop
            .call_with("POST", MAPPINGS, "application/json", body.as_bytes())
            .await;
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (
                400,
                if body == "{} {}" {
                    "MANDATORY_IE_MISSING"
                } else {
                    "INVALID_MSG_FORMAT"
                }
            )
        );
    }
    store.down.store(true, Ordering::SeqCst);
    let answer = shop.call("POST", MAPPINGS, &request(UTI)).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (503, "INSUFFICIENT_RESOURCES")
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[actix_web::test]
async fn a_pending_mapping_is_amended_by_merge_patch_and_cancelled_once() {
    let (api, _) = api();
    let shop = Face::of(&api, Some("shop"));
    let made = path_of(&shop.call("POST", MAPPINGS, &request(UTI)).await);
    let patch = async |body: Value| {
        let media = "application/merge-patch+json";
        shop.call_with("PATCH", &made, media, body.to_string().as_bytes())
            .await
    };
    let moved = patch(json!({"notificationDestination": "https://shop.example/new"})).await;
    assert_eq!(
        moved.json()["notificationDestination"],
        "https://shop.example/new"
    );
    let reset = patch(json!({"validityPeriod": null})).await;
    assert_eq!(reset.json()["validityPeriod"], 86_400);
    assert_eq!(patch(json!({})).await.status, 200);
    let removed = patch(json!({"notificationDestination": null})).await;
    assert_eq!(
        (removed.status, removed.cause().as_str()),
        (400, "MANDATORY_IE_INCORRECT")
    );
    for fixed in ["uti", "self", "mappingStatus"] {
        let answer = patch(json!({fixed: {"deep": [1]}})).await;
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (403, "MODIFICATION_NOT_ALLOWED")
        );
    }
    assert_eq!(patch(json!({"unknown": 1})).await.status, 400);
    assert_eq!(shop.call("DELETE", &made, &Value::Null).await.status, 204);
    assert_eq!(shop.call("DELETE", &made, &Value::Null).await.status, 404);
    let late = patch(json!({"validityPeriod": 90})).await;
    assert_eq!(
        (late.status, late.cause().as_str()),
        (403, "MODIFICATION_NOT_ALLOWED")
    );
}

#[actix_web::test]
async fn lists_go_by_pages() {
    let (api, _) = api();
    let shop = Face::of(&api, Some("shop"));
    for n in 0..3 {
        let body = request(&format!("opaque-transaction-{n}"));
        assert_eq!(shop.call("POST", MAPPINGS, &body).await.status, 201);
    }
    let mut path = format!("{MAPPINGS}?limit=2&mapping-status=PENDING");
    let mut seen = Vec::new();
    loop {
        let page = shop.get(&path).await;
        assert_eq!(page.status, 200);
        seen.extend(
            page.json()
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["uti"].to_string()),
        );
        let Some(link) = page.header("link") else {
            break;
        };
        let uri = link
            .strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap();
        path = uri.strip_prefix(ROOT).unwrap().to_owned();
        assert!(path.contains("mapping-status=PENDING"));
    }
    assert_eq!(seen.len(), 3);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=1&limit=1",
        "page-token=*",
        "mapping-status=X",
        "x=1",
    ] {
        assert_eq!(
            shop.get(&format!("{MAPPINGS}?{query}")).await.status,
            400,
            "{query}"
        );
    }
    assert_eq!(
        shop.get(&format!("{MAPPINGS}?mapping-status=FAILED"))
            .await
            .json(),
        json!([])
    );
}

#[actix_web::test]
async fn a_change_is_done_to_its_end_though_the_caller_hangs_up() {
    let (api, store) = api();
    let acme = Face::of(&api, Some("acme"));
    let base = "/ics-device-mapping/v1/acme/subscriptions";
    let body = json!({ "notificationDestination": "https://acme.example/cb" }).to_string();
    store.held.store(true, Ordering::SeqCst);
    let mut stream = TcpStream::connect(acme.address).await.unwrap();
    let head = format!(
        "POST {base} HTTP/1.1\r\nHost: ics.example\r\nAuthorization: Bearer all\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    while !store.begun.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    // Reset, not closed: the server's connection ends at once.
    stream.set_zero_linger().unwrap();
    drop(stream);
    // The server has met the end of it before it answers a later request.
    assert_eq!(acme.get(base).await.json(), json!([]));
    store.held.store(false, Ordering::SeqCst);
    let began = Instant::now();
    while acme.get(base).await.json().as_array().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "it was dropped");
    }
}

#[actix_web::test]
async fn subscriptions_are_made_replaced_amended_and_ended() {
    let (api, _) = api();
    let acme = Face::of(&api, Some("acme"));
    let base = "/ics-device-mapping/v1/acme/subscriptions";
    let terms = json!({
        "serialNamespaces": [{"prefix": "acme-1", "vendor": "acme"}],
        "notificationDestination": "https://acme.example/in", "supportedFeatures": "1"
    });
    let made = acme.call("POST", base, &terms).await;
    assert_eq!(made.status, 201);
    let own = path_of(&made);
    assert_eq!(acme.get(base).await.json().as_array().unwrap().len(), 1);
    let patch = json!({"serialNamespaces": null});
    let amended = acme.call("PATCH", &own, &patch).await;
    assert_eq!(amended.json()["serialNamespaces"], json!([]));
    assert_eq!(amended.json()["supportedFeatures"], "1");
    assert_eq!(acme.call("PUT", &own, &terms).await.json(), made.json());
    for (namespaces, status) in [
        (json!([{"prefix": "other"}]), 403),
        (json!([{"prefix": "acme-", "pattern": "x"}]), 400),
        (json!([null]), 400),
        (json!([{"pattern": "("}]), 400),
    ] {
        let body = json!({"serialNamespaces": namespaces, "notificationDestination": "https://acme.example/in"});
        assert_eq!(
            acme.call("POST", base, &body).await.status,
            status,
            "{namespaces}"
        );
    }
    assert_eq!(acme.call("DELETE", &own, &Value::Null).await.status, 204);
    let gone = acme.get(&own).await;
    assert_eq!(
        (gone.status, gone.cause().as_str()),
        (404, "SUBSCRIPTION_NOT_FOUND")
    );
}

#[actix_web::test]
async fn documents_and_profile_are_shown() {
    let (api, _) = api();
    let both = Face::of(&api, Some("both"));
    let discovery = both.send("GET /.well-known/ics HTTP/1.1", b"").await.json();
    assert_eq!(
        discovery["apis"][0]["uri"],
        "https://ics.example/ics-mapping/v1"
    );
    assert_eq!(discovery["callbackSignature"]["jwk"]["kty"], "OKP");
    let document = both.send("GET /openapi.json HTTP/1.1", b"").await.json();
    assert_eq!(document["openapi"].as_str().unwrap().get(..3), Some("3.1"));
    assert_eq!(document["servers"][0]["url"], ROOT);
    let profile = both.get("/ics-access/v1/both/profile").await.json();
    assert_eq!(profile["roles"], json!(["THIRD_PARTY_SP", "IOT_SP"]));
    let shop = Face::of(&api, Some("shop"));
    let agreements = shop.get("/ics-access/v1/shop/profile").await.json()["agreements"].clone();
    assert_eq!(agreements[0]["iotSpId"], "acme");
    assert_eq!(agreements[0]["status"], "ACTIVE");
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_a_problem_of_its_own() {
    let response = super::refuse(&BodyRefusal::TooSlow.into());
    assert_eq!(response.status(), 408);
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/problem+json"
    );
    let body = to_bytes(response.into_body()).await.unwrap();
    assert_eq!(body, r#"{"title":"Request Timeout","status":408}"#);
}
