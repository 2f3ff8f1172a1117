//! Over real sockets: the certificate comes as connection data, as the gateway gives it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::body::to_bytes;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, ResponseError as _, rt};
use ics_core::principal::OperatorCertificate;
use ics_http::BodyRefusal;
use serde_json::{Value, json};

use crate::error::Refusal;
use crate::fixture::{World, at, operator};

type Peer = Option<Arc<OperatorCertificate>>;

struct Listener {
    peer: Arc<Mutex<Peer>>,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Listener {
    fn start() -> Self {
        Self::serve(&World::new())
    }

    fn serve(world: &World) -> Self {
        let api = Arc::clone(&world.api);
        let peer = Arc::new(Mutex::new(Some(Arc::new(operator()))));
        let next_peer: Arc<Mutex<Peer>> = peer.clone();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            rt::System::new().block_on(async move {
                let listener = HttpServer::new(move || {
                    let api = api.clone();
                    App::new().configure(|cfg| super::configure(cfg, api))
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
            peer,
            address,
            handle,
            thread: Some(thread),
        }
    }

    fn connect_as(&self, peer: Option<OperatorCertificate>) {
        *self.peer.lock().unwrap() = peer.map(Arc::new);
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, ("", b""))
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send(
            "POST",
            path,
            ("Content-Type: application/json\r\n", body.as_bytes()),
        )
    }

    fn send(&self, method: &str, path: &str, (headers, body): (&str, &[u8])) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} /operator/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server need not read a body it refused.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let stopped = self.handle.stop(false);
        rt::System::new().block_on(stopped);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, cause: &str) {
    assert_eq!(
        (answer.status, answer.body["cause"].as_str()),
        (status, Some(cause))
    );
    assert_eq!(answer.body["status"], status);
    assert!(
        answer
            .head
            .contains("content-type: application/problem+json"),
        "{}",
        answer.head
    );
}

#[test]
fn nothing_is_told_to_a_connection_without_an_operator_certificate() {
    let listener = Listener::start();
    let over = OperatorCertificate {
        not_after: at(-1),
        ..operator()
    };
    for (peer, cause) in [
        (None, "CERTIFICATE_REQUIRED"),
        (Some(over), "CERTIFICATE_EXPIRED"),
    ] {
        listener.connect_as(peer);
        for path in [
            "/sps",
            "/health/live",
            "/health/ready",
            "/openapi.json",
            "/status",
            "/xyz",
        ] {
            assert_problem(&listener.get(path), 401, cause);
        }
        let party = json!({"id": "shop", "roles": ["THIRD_PARTY_SP"]});
        assert_problem(&listener.post("/sps", &party), 401, cause);
    }
    listener.connect_as(Some(operator()));
    assert_eq!(listener.get("/sps").body, json!({"items": []}));
}

#[test]
fn party_is_onboarded_shown_and_paged() {
    let listener = Listener::start();
    for id in ["a1", "b2", "c3"] {
        let party = json!({"id": id, "roles": ["IOT_SP"], "serialNamespaces": [{"prefix": "X"}]});
        let answer = listener.post("/sps", &party);
        assert_eq!(answer.status, 201);
        assert!(
            answer
                .head
                .contains(&format!("location: /operator/v1/sps/{id}"))
        );
        assert!(answer.head.contains("cache-control: no-store"));
    }
    assert_eq!(listener.get("/sps/b2").body["status"], "ACTIVE");
    let first = listener.get("/sps?limit=2").body;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let token = first["nextPageToken"].as_str().unwrap();
    let second = listener
        .get(&format!("/sps?limit=2&page-token={token}"))
        .body;
    assert_eq!(second["items"][0]["id"], "c3");
    assert!(second.get("nextPageToken").is_none());
    assert_eq!(
        listener.post("/sps/b2/suspend", &json!({})).body["status"],
        "SUSPENDED"
    );
    assert_problem(&listener.get("/sps/nobody"), 404, "SP_NOT_FOUND");
}

#[test]
fn removal_asks_for_confirmation() {
    let listener = Listener::start();
    listener.post("/sps", &json!({"id": "shop", "roles": ["THIRD_PARTY_SP"]}));
    for body in [json!({}), json!({"confirm": false})] {
        let answer = listener.post("/sps/shop/remove", &body);
        assert_problem(&answer, 409, "CONFIRMATION_REQUIRED");
        assert_eq!(answer.body["affectedMappings"], 0);
    }
    let answer = listener.post("/sps/shop/remove", &json!({"confirm": true}));
    assert_eq!((answer.status, &answer.body["demapped"]), (200, &json!(0)));
}

#[test]
fn refusals_are_problems_and_repeat_nothing() {
    const SECRET: &str = "310150123456789";
    let listener = Listener::start();
    let answer = listener.post("/sps", &json!({"id": SECRET, "roles": ["IOT_SP"]}));
    assert_problem(&answer, 400, "MANDATORY_IE_INCORRECT");
    assert_eq!(answer.body["invalidParams"][0]["param"], "/id");
    assert!(!answer.body.to_string().contains(SECRET));
    let answer = listener.post("/sps", &json!({"id": "a1", "roles": [], SECRET: 1}));
    assert_problem(&answer, 400, "MANDATORY_IE_INCORRECT");
    assert!(!answer.body.to_string().contains(SECRET));
    assert_problem(
        &listener.post("/sps", &json!({"id": "a1"})),
        400,
        "MANDATORY_IE_MISSING",
    );
    for path in [
        "/sps?limit=0",
        "/sps?colour=red",
        "/sps?limit=x",
        "/sps?page-token=zz",
    ] {
        assert_problem(&listener.get(path), 400, "MANDATORY_IE_INCORRECT");
    }
    assert_problem(
        &listener.get("/mappings?status=LOST"),
        400,
        "MANDATORY_IE_INCORRECT",
    );
}

#[test]
fn bodies_are_bounded_json() {
    let listener = Listener::start();
    let json = "Content-Type: application/json\r\n";
    let answer = listener.send("POST", "/sps", (json, b"{"));
    assert_problem(&answer, 400, "INVALID_MSG_FORMAT");
    let answer = listener.send("POST", "/sps", ("Content-Type: text/plain\r\n", b"{}"));
    assert_problem(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    let answer = listener.send("POST", "/sps", ("", b"{}"));
    assert_problem(&answer, 415, "UNSUPPORTED_MEDIA_TYPE");
    let answer = listener.send("POST", "/sps", (json, &vec![b' '; (512 << 10) + 1]));
    assert_problem(&answer, 413, "BODY_TOO_LARGE");
}

#[test]
fn unknown_routes_are_404_and_other_methods_405_with_allow() {
    let listener = Listener::start();
    assert_problem(&listener.get("/nothing"), 404, "RESOURCE_NOT_FOUND");
    for (method, path, allowed) in [
        ("DELETE", "/sps", "allow: get, post"),
        ("TRACE", "/status", "allow: get"),
        ("GET", "/outbox/retry", "allow: post"),
        ("PUT", "/agreements/x/end", "allow: post"),
    ] {
        let answer = listener.send(method, path, ("", b""));
        assert_problem(&answer, 405, "METHOD_NOT_ALLOWED");
        assert!(answer.head.contains(allowed), "{}", answer.head);
    }
}

#[test]
fn description_names_every_route() {
    let listener = Listener::start();
    let document = listener.get("/openapi.json").body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    let mut probed = 0;
    for (path, item) in paths {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|m| *m != "parameters")
        {
            let path = path.strip_prefix("/operator/v1").unwrap();
            let path = path.replace("{id}", "x1").replace("{notificationId}", "x1");
            let answer = listener.send(&method.to_uppercase(), &path, ("", b""));
            assert_ne!(
                answer.body["cause"], "RESOURCE_NOT_FOUND",
                "{method} {path}"
            );
            assert_ne!(answer.status, 405, "{method} {path}");
            probed += 1;
        }
    }
    assert_eq!(probed, 46);
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_a_problem_of_its_own() {
    let response = Refusal::from(BodyRefusal::TooSlow).error_response();
    assert_eq!(response.status(), 408);
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/problem+json"
    );
    let body = to_bytes(response.into_body()).await.unwrap();
    let expected = json!({
        "status": 408,
        "title": "Body did not come in time",
        "cause": "BODY_TOO_SLOW"
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}

/// Begins a backup and takes its head and first bytes, not more.
fn begin_backup(listener: &Listener) -> TcpStream {
    let mut stream = TcpStream::connect(listener.address).unwrap();
    stream
        .write_all(b"GET /operator/v1/backup HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut first = [0; 1024];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 "));
    stream
}

#[test]
fn what_is_written_out_comes_whole_with_its_type_and_count() {
    let world = World::new();
    let agreement = "0193a5b2-1c1f-7cc0-8000-000000000001";
    for number in 1..=3 {
        world
            .store
            .put(crate::fixture::established(number, agreement));
    }
    let listener = Listener::serve(&world);
    for (path, media_type, name, time) in [
        ("/backup", "application/octet-stream", "Backup", at(0)),
        ("/export/state", "application/x-ndjson", "State", at(0)),
        (
            "/export/table",
            "text/csv; charset=utf-8; header=present",
            "Table",
            // By the later of both clocks, as inquiries.
            at(60),
        ),
    ] {
        let mut stream = TcpStream::connect(listener.address).unwrap();
        let head =
            format!("GET /operator/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains(&format!("content-type: {media_type}")),
            "{head}"
        );
        assert!(head.contains("ics-count: 3") && head.contains("cache-control: no-store"));
        assert!(body.contains(&format!("{name} {time}")), "{body}");
        assert!(body.ends_with("\r\n0\r\n\r\n"), "{body}");
    }
}

#[test]
fn two_are_written_at_a_time_each_no_faster_than_it_is_taken() {
    let world = World::new();
    world.store.is_endless.store(true, Ordering::SeqCst);
    let listener = Listener::serve(&world);
    let taken = [begin_backup(&listener), begin_backup(&listener)];
    let refused = listener.get("/export/table");
    assert_problem(&refused, 503, "EXTRACTS_UNDER_WAY");
    // One that hangs up makes room, though its snapshot was nowhere near its end.
    let [gone, mut kept] = taken;
    drop(gone);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut next = loop {
        let mut stream = TcpStream::connect(listener.address).unwrap();
        let head = b"GET /operator/v1/backup HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut first = [0; 13];
        stream.read_exact(&mut first).unwrap();
        if &first == b"HTTP/1.1 200 " {
            break stream;
        }
        assert!(std::time::Instant::now() < deadline, "no room was made");
        thread::yield_now();
    };
    // What ends badly is cut off: no client takes it for whole.
    world.store.is_off.store(true, Ordering::SeqCst);
    world.store.put(crate::fixture::established(
        1,
        "0193a5b2-1c1f-7cc0-8000-000000000001",
    ));
    world.store.is_endless.store(false, Ordering::SeqCst);
    for stream in [&mut kept, &mut next] {
        let mut body = Vec::new();
        let _ = stream.read_to_end(&mut body);
        assert!(!body.ends_with(b"0\r\n\r\n"));
    }
}

#[test]
fn what_of_a_damaged_store_cannot_be_written_out_is_refused_by_name_or_cut_off() {
    let world = World::new();
    let listener = Listener::serve(&world);
    world.store.is_endless.store(true, Ordering::SeqCst);
    let mut begun = begin_backup(&listener);
    world.store.is_damaged.store(true, Ordering::SeqCst);
    world.store.is_endless.store(false, Ordering::SeqCst);
    let mut body = Vec::new();
    let _ = begun.read_to_end(&mut body);
    assert!(!body.ends_with(b"0\r\n\r\n"), "it had begun");
    for path in ["/backup", "/export/state", "/export/table"] {
        let refused = listener.get(path);
        assert_problem(&refused, 500, "STORE_DAMAGED");
        let way = refused.body["detail"].as_str().unwrap();
        assert!(
            way.contains("store check") && way.contains("ics-gateway restore"),
            "{way}"
        );
    }
}
