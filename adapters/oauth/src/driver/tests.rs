//! Over real sockets: the certificate comes as connection data, as the gateway gives it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use actix_web::body::to_bytes;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, rt};
use ics_core::principal::PeerCertificate;
use ics_http::BodyRefusal;
use serde_json::{Value, json};

use crate::error::Refusal;
use crate::fixture::{AUTHORIZE, BOTH, ISSUER, SHOP, VENDOR, World, certificate};
use crate::metadata::Metadata;

type Peer = Option<Arc<PeerCertificate>>;

struct Listener {
    world: World,
    peer: Arc<Mutex<Peer>>,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Listener {
    fn start() -> Self {
        let world = World::new();
        let peer: Arc<Mutex<Peer>> = Arc::default();
        let (server, next_peer) = (world.server.clone(), peer.clone());
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            rt::System::new().block_on(async move {
                let listener = HttpServer::new(move || {
                    let server = server.clone();
                    App::new().configure(|cfg| super::configure(cfg, server))
                })
                .on_connect(move |_, data| {
                    if let Some(peer) = next_peer.lock().unwrap().clone() {
                        data.insert(peer);
                    }
                })
                .workers(1)
                .disable_signals()
                .bind("127.0.0.1:0")
                .unwrap();
                let address = listener.addrs()[0];
                let running = listener.run();
                tell.send((address, running.handle())).unwrap();
                running.await.unwrap();
            });
        });
        let (address, handle) = told.recv().unwrap();
        Self {
            world,
            peer,
            address,
            handle,
            thread: Some(thread),
        }
    }

    fn connect_as(&self, peer: Peer) {
        *self.peer.lock().unwrap() = peer;
    }

    fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request).unwrap();
        let mut bytes = Vec::new();
        // A reset after the answer is no matter: the server need not read a body it refused.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.into(),
        }
    }

    fn call(&self, start: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!("{start} HTTP/1.1\r\nHost: ics\r\nConnection: close\r\n{headers}");
        self.send(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.call(&format!("POST {path}"), FORM, body)
    }

    fn token(&self) -> String {
        let answer = self.post("/oauth2/token", GRANT);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let stopped = self.handle.stop(false);
        rt::System::new().block_on(stopped);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.has("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const GRANT: &str = "grant_type=client_credentials";
const POSTS: [&str; 3] = ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"];

#[test]
fn a_token_is_issued_introspected_and_revoked() {
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    let issued = listener.post("/oauth2/token", GRANT);
    assert_eq!(issued.status, 200);
    assert!(issued.has("cache-control: no-store") && issued.has("pragma: no-cache"));
    let answer = issued.json();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 600);
    let body = format!(
        "token={}&token_type_hint=access_token",
        answer["access_token"].as_str().unwrap()
    );

    listener.connect_as(Some(certificate(BOTH, 1)));
    let told = listener.post("/oauth2/introspect", &body);
    assert_eq!(told.json()["active"], true);
    assert_eq!(told.json()["cnf"]["x5t#S256"].as_str().unwrap().len(), 43);
    assert!(told.has("cache-control: no-store"));

    listener.connect_as(Some(certificate(VENDOR, 1)));
    let refused = listener.post("/oauth2/introspect", &body);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"], "unauthorized_client");
    assert_eq!(listener.post("/oauth2/revoke", &body).status, 200);

    listener.connect_as(Some(certificate(BOTH, 1)));
    assert_eq!(
        listener.post("/oauth2/introspect", &body).json()["active"],
        true
    );
    listener.connect_as(Some(certificate(SHOP, 1)));
    let revoked = listener.post("/oauth2/revoke", &body);
    assert_eq!((revoked.status, revoked.body.as_str()), (200, ""));
    listener.connect_as(Some(certificate(BOTH, 1)));
    assert_eq!(
        listener.post("/oauth2/introspect", &body).json(),
        json!({ "active": false })
    );
}

#[test]
fn a_connection_without_certificate_is_nobodys() {
    let listener = Listener::start();
    listener.connect_as(None);
    for path in POSTS {
        let answer = listener.post(path, GRANT);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.json()["error"], "invalid_client");
        assert!(
            answer.has("www-authenticate: tls_client_auth realm=\"ics\""),
            "{}",
            answer.head
        );
        assert!(answer.has("cache-control: no-store"));
    }
}

#[test]
fn each_client_mistake_has_its_error() {
    let too_large = format!("{GRANT}&x={}", "a".repeat(super::MAX_BODY));
    let json_type = "Content-Type: application/json\r\n";
    let odd_type = "Content-Type: \u{fc}\r\n";
    let charset = "Content-Type: Application/X-WWW-form-urlencoded ; charset=utf-8\r\n";
    let latin = "Content-Type: application/x-www-form-urlencoded; charset=ISO-8859-1\r\n";
    let basic = format!("{FORM}Authorization: basic c2hvcDp4\r\n");
    let bearer = format!("{FORM}Authorization: Bearer {}\r\n", "A".repeat(43));
    let digest = format!("{FORM}Authorization: Digest a=b\r\n");
    let gzip = format!("{FORM}Content-Encoding: gzip\r\n");
    let token = "/oauth2/token";
    let table = [
        (token, FORM, GRANT, 200, ""),
        (token, charset, GRANT, 200, ""),
        (token, latin, GRANT, 200, ""),
        (token, &bearer, GRANT, 200, ""),
        ("/oauth2/token?", FORM, GRANT, 200, ""),
        (
            "/oauth2/token?grant_type=client_credentials",
            FORM,
            "",
            400,
            "invalid_request",
        ),
        (
            "/oauth2/revoke?token=x",
            FORM,
            "token=x",
            400,
            "invalid_request",
        ),
        (token, "", GRANT, 415, "invalid_request"),
        (
            token,
            json_type,
            "{\"grant_type\":\"client_credentials\"}",
            415,
            "invalid_request",
        ),
        (token, odd_type, GRANT, 415, "invalid_request"),
        (token, &gzip, GRANT, 415, "invalid_request"),
        (token, FORM, &too_large, 413, "invalid_request"),
        (token, FORM, "", 400, "invalid_request"),
        (token, FORM, "grant_type=%zz", 400, "invalid_request"),
        (token, FORM, "grant_type=%ff", 400, "invalid_request"),
        (
            token,
            FORM,
            "grant_type=client_credentials&grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (
            token,
            FORM,
            "grant_type=client_credentials&scope=a&scope=a",
            400,
            "invalid_request",
        ),
        (
            token,
            FORM,
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
        (
            token,
            FORM,
            "grant_type=client_credentials&scope=ics-mapping:assign",
            400,
            "invalid_scope",
        ),
        (
            token,
            FORM,
            "grant_type=client_credentials&client_secret=x",
            400,
            "invalid_request",
        ),
        (
            token,
            FORM,
            "grant_type=client_credentials&client_id=vendor",
            401,
            "invalid_client",
        ),
        (token, &basic, GRANT, 401, "invalid_client"),
        (token, &digest, GRANT, 400, "invalid_request"),
        ("/oauth2/revoke", FORM, "", 400, "invalid_request"),
        (
            "/oauth2/revoke",
            FORM,
            "token=a&token=b",
            400,
            "invalid_request",
        ),
        (
            "/oauth2/revoke",
            FORM,
            "token=a&client_id=vendor",
            401,
            "invalid_client",
        ),
        (
            "/oauth2/introspect",
            FORM,
            "token=",
            403,
            "unauthorized_client",
        ),
        ("/oauth2/par", FORM, "", 400, "invalid_request"),
        (
            "/oauth2/par",
            FORM,
            "response_type=token",
            400,
            "unsupported_response_type",
        ),
        (
            "/oauth2/introspect",
            json_type,
            "{\"token\":\"a\"}",
            415,
            "invalid_request",
        ),
    ];
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    for (path, headers, body, status, error) in table {
        let answer = listener.call(&format!("POST {path}"), headers, body);
        assert_eq!(answer.status, status, "{path} {headers} {body:.80}");
        if status != 200 {
            let told = answer.json();
            assert_eq!(told["error"], error, "{path} {headers} {body:.80}");
            assert!(told["error_description"].is_string());
            assert_eq!(told.as_object().unwrap().len(), 2);
            assert!(answer.has("cache-control: no-store"));
        }
        assert_eq!(
            answer.head.contains("www-authenticate"),
            status == 401,
            "{path} {body:.80}"
        );
    }
}

#[test]
fn a_password_is_answered_with_the_challenge_of_its_scheme() {
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    let headers = format!("{FORM}Authorization: Basic c2hvcDp4\r\n");
    let answer = listener.call("POST /oauth2/token", &headers, GRANT);
    assert!(
        answer.has("www-authenticate: basic realm=\"ics\""),
        "{}",
        answer.head
    );
}

#[test]
fn a_client_over_its_limit_is_told_when_to_come_back() {
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    listener.world.exceed_limit();
    for path in POSTS {
        let answer = listener.post(path, GRANT);
        assert_eq!(answer.status, 429);
        assert!(answer.has("retry-after: 2"), "rounded up: {}", answer.head);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
}

#[test]
fn other_methods_are_refused_with_those_allowed() {
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    let metadata = "/.well-known/oauth-authorization-server";
    for method in [
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "POST",
    ] {
        for (path, allowed) in POSTS
            .map(|p| (p, "POST"))
            .into_iter()
            .chain([(metadata, "GET")])
        {
            if method == allowed {
                continue;
            }
            let answer = listener.call(&format!("{method} {path}"), FORM, "");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.has(&format!("allow: {allowed}").to_ascii_lowercase()));
            assert_eq!(answer.json()["error"], "invalid_request");
        }
    }
}

#[test]
fn a_body_cut_short_hurts_nobody_else() {
    let listener = Listener::start();
    listener.connect_as(Some(certificate(SHOP, 1)));
    let mut cut = TcpStream::connect(listener.address).unwrap();
    let head =
        format!("POST /oauth2/token HTTP/1.1\r\nHost: ics\r\n{FORM}Content-Length: 99\r\n\r\n");
    cut.write_all(head.as_bytes()).unwrap();
    drop(cut);
    assert_eq!(listener.token().len(), 43);
}

#[test]
fn the_metadata_claims_what_is_there() {
    let listener = Listener::start();
    listener.connect_as(None);
    let answer = listener.call("GET /.well-known/oauth-authorization-server", "", "");
    assert_eq!(answer.status, 200);
    let told = answer.json();
    assert_eq!(told["issuer"], ISSUER);
    assert_eq!(told["token_endpoint"], format!("{ISSUER}/oauth2/token"));
    assert_eq!(
        told["revocation_endpoint"],
        format!("{ISSUER}/oauth2/revoke")
    );
    assert_eq!(
        told["introspection_endpoint"],
        format!("{ISSUER}/oauth2/introspect")
    );
    assert_eq!(
        told["token_endpoint_auth_methods_supported"],
        json!(["tls_client_auth"])
    );
    assert_eq!(
        told["grant_types_supported"],
        json!(["client_credentials", "authorization_code"])
    );
    assert_eq!(told["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(told["scopes_supported"].as_array().unwrap().len(), 8);
    assert_eq!(told["response_types_supported"], json!(["code"]));
    assert_eq!(told["authorization_endpoint"], AUTHORIZE);
    assert_eq!(
        told["pushed_authorization_request_endpoint"],
        format!("{ISSUER}/oauth2/par")
    );
    assert_eq!(told["require_pushed_authorization_requests"], true);
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    let without = serde_json::to_value(Metadata::of(ISSUER, None)).unwrap();
    assert_eq!(without["response_types_supported"], json!([]));
    assert_eq!(
        without["grant_types_supported"],
        json!(["client_credentials"])
    );
    assert!(without.get("authorization_endpoint").is_none());
}

#[test]
fn the_document_describes_every_answer_given() {
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 5);
    for path in POSTS {
        let operation = &paths[path]["post"];
        let form = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"];
        assert!(form["schema"]["$ref"].is_string(), "{path}");
        for status in ["200", "400", "401", "405", "408", "413", "415", "429"] {
            assert!(
                operation["responses"][status].is_object(),
                "{path} {status}"
            );
        }
        assert_eq!(operation["security"], json!([{ "mutualTLS": [] }]));
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in [
        "AccessTokenRequest",
        "AccessTokenResponse",
        "AuthorizationServerMetadata",
        "OAuthError",
        "OAuthErrorCode",
        "PushedAuthorizationRequest",
        "PushedAuthorizationResponse",
        "TokenIntrospectionRequest",
        "TokenIntrospectionResponse",
        "TokenRevocationRequest",
    ] {
        assert!(schemas.contains_key(name), "{name}");
    }
    assert_eq!(schemas.len(), 10);
    let asked = &schemas["AccessTokenRequest"]["properties"];
    for optional in ["scope", "client_id"] {
        let pattern = asked[optional]["pattern"].as_str().unwrap();
        assert!(pattern.ends_with(")?$"), "empty is absent: {optional}");
    }
    for answer in [
        "AccessTokenResponse",
        "AuthorizationServerMetadata",
        "OAuthError",
    ] {
        assert_eq!(schemas[answer]["additionalProperties"], false, "{answer}");
    }
    assert_eq!(
        document["components"]["securitySchemes"]["mutualTLS"]["type"],
        "mutualTLS"
    );
}

#[actix_web::test]
async fn a_form_that_does_not_come_is_an_invalid_request() {
    let refusal = Refusal::from(BodyRefusal::TooSlow);
    let response = super::answer_refusal(&refusal).json(refusal.body());
    assert_eq!(response.status(), 408);
    let body = to_bytes(response.into_body()).await.unwrap();
    let expected = json!({
        "error": "invalid_request",
        "error_description": "the body did not come in time"
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}
