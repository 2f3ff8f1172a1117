use std::io::Write as _;
use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use actix_web::{App, HttpMessage as _, HttpRequest, HttpResponse, test, web};
use ics_core::reference_point::ReferencePoint;

use super::*;
use crate::ambient::SystemClock;

/// Takes lines as they are.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

async fn handler(request: HttpRequest) -> HttpResponse {
    request.extensions_mut().insert(ReferencePoint::Ics7);
    HttpResponse::Ok().body("twelve bytes")
}

fn telemetry(lines: Option<RequestLines>, decisions: Option<DecisionLog>) -> Telemetry {
    Telemetry {
        lines,
        decisions,
        metrics: Arc::new(Metrics::new()),
        clock: Arc::new(SystemClock::new()),
    }
}

/// What is logged when `uri` is asked for by `method`.
async fn logged(section: &LogSection, method: Method, uri: &str) -> String {
    let lines = Lines::default();
    let writer = LogWriter::start(lines.clone());
    let app = App::new()
        .route("/inquiry/{scs_as_id}/retrieve", web::to(handler))
        .wrap(RequestLog::new(
            T8,
            telemetry(request_lines(section, &writer), None),
        ));
    let service = test::init_service(app).await;
    let request = test::TestRequest::with_uri(uri).method(method).to_request();
    test::call_service(&service, request).await;
    drop(service);
    drop(writer);
    lines.text()
}

const fn section(format: LogFormat, level: LogLevel) -> LogSection {
    LogSection { format, level }
}

#[actix_web::test]
async fn a_request_leaves_one_line_with_the_documented_fields() {
    let json = section(LogFormat::Json, LogLevel::Info);
    let text = logged(&json, Method::POST, "/inquiry/shop/retrieve?x=secret").await;
    let mut lines = text.lines();
    let line = lines.next().unwrap();
    assert_eq!(lines.next(), None);
    for field in [
        r#""listener":"t8""#,
        r#""method":"POST""#,
        r#""route":"/inquiry/{scs_as_id}/retrieve""#,
        r#""status":200"#,
        r#""reference_point":"ICS-7""#,
        r#""bytes":12"#,
        r#""duration_us":"#,
        r#""request_id":""#,
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
    assert!(
        !line.contains("secret") && !line.contains(r#""sp""#),
        "{line}"
    );
}

#[actix_web::test]
async fn no_part_of_the_url_and_no_invented_method_is_logged() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let section = section(format, LogLevel::Trace);
        let method = Method::from_bytes(b"IMSI001010123456789").unwrap();
        let uri = "/imsi-001010123456789/x?msisdn=491701234567";
        let text = logged(&section, method, uri).await;
        assert!(text.contains("OTHER") && text.contains("none"), "{text}");
        assert!(
            !text.contains("001010123456789") && !text.contains("491701234567"),
            "{text}"
        );
    }
}

#[actix_web::test]
async fn nothing_is_logged_above_its_level() {
    let text = logged(&section(LogFormat::Text, LogLevel::Warn), Method::GET, "/").await;
    assert_eq!(text, "");
}

#[::core::prelude::v1::test]
fn libraries_are_heard_from_warnings_on() {
    let lines = Lines::default();
    let layer = layer(&section(LogFormat::Text, LogLevel::Trace), lines.clone());
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        tracing::info!(target: "rustls::server", "quiet");
        tracing::warn!(target: "rustls::server", "loud");
        tracing::trace!(target: "ics_notify::driver", "ours");
    });
    let text = lines.text();
    assert!(
        !text.contains("quiet") && text.contains("loud") && text.contains("ours"),
        "{text}"
    );
}

#[::core::prelude::v1::test]
fn a_dropped_writer_has_written_everything() {
    let lines = Lines::default();
    let writer = LogWriter::start(lines.clone());
    let mut sink = writer.sink();
    for n in 0..1000 {
        writeln!(sink, "line {n}").unwrap();
    }
    drop(writer);
    assert_eq!(lines.text().lines().count(), 1000);
}

/// Blocks until it is let go, as a pipe nobody reads.
struct Stuck(std::sync::mpsc::Receiver<()>, Lines);

impl std::io::Write for Stuck {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        self.1.write(line)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[::core::prelude::v1::test]
fn a_stuck_standard_error_costs_lines_and_never_blocks() {
    let lines = Lines::default();
    let (release, held) = std::sync::mpsc::channel();
    let writer = LogWriter::start(Stuck(held, lines.clone()));
    let mut sink = writer.sink();
    let line = [b'x'; 4096];
    for _ in 0..1024 {
        sink.write_all(&line).unwrap();
    }
    drop(release);
    drop(writer);
    let text = lines.text();
    assert!(text.contains("dropped_log_lines"), "{}", text.len());
    assert!(text.len() < 3 << 20, "bounded: {}", text.len());
}

/// A decision log of its own in a directory that goes with it.
fn decisions() -> (tempfile::TempDir, DecisionLog, DecisionWriter) {
    let directory = tempfile::tempdir().unwrap();
    let section = crate::config::DecisionsSection {
        directory: directory.path().join("decisions"),
        ..Default::default()
    };
    let (log, writer) = DecisionLog::open(&section, Arc::new(SystemClock::new())).unwrap();
    (directory, log, writer)
}

/// The lines that were written, once the log has ended.
fn written(directory: &tempfile::TempDir, writer: DecisionWriter) -> Vec<serde_json::Value> {
    drop(writer);
    let file = directory.path().join("decisions/decisions.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(read).collect()
}

/// Begins a request by `method`, whose caller goes away before it is answered; says whether its
/// handler came to its end all the same.
async fn hang_up(method: Method, log: &DecisionLog) -> (bool, String) {
    let release = Arc::new(tokio::sync::Notify::new());
    let ended = Arc::new(tokio::sync::Notify::new());
    let (waits, ends) = (Arc::clone(&release), Arc::clone(&ended));
    let handler = move || {
        let (waits, ends) = (Arc::clone(&waits), Arc::clone(&ends));
        async move {
            waits.notified().await;
            ends.notify_one();
            HttpResponse::Created().finish()
        }
    };
    let telemetry = telemetry(None, Some(log.clone()));
    let metrics = Arc::clone(&telemetry.metrics);
    let app = App::new()
        .route("/rows", web::to(handler))
        .wrap(RequestLog::new(T8, telemetry));
    let service = test::init_service(app).await;
    let request = test::TestRequest::with_uri("/rows").method(method);
    let answer = test::call_service(&service, request.to_request());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(20), answer).await;
    assert!(waited.is_err(), "it waits to be released");
    release.notify_one();
    let done = tokio::time::timeout(std::time::Duration::from_secs(5), ended.notified());
    let done = if metrics.render(&Sample::default()).contains(UNANSWERED) {
        false
    } else {
        done.await.is_ok()
    };
    // The task of the handler has its turn once more, to leave its line.
    tokio::task::yield_now().await;
    (done, metrics.render(&Sample::default()))
}

const UNANSWERED: &str = r#"ics_requests_unanswered_total{listener="t8"} 1"#;

#[actix_web::test]
async fn a_change_whose_caller_hangs_up_leaves_its_real_outcome() {
    let (directory, log, writer) = decisions();
    let (done, metrics) = hang_up(Method::POST, &log).await;
    assert!(done, "it runs to its end");
    assert!(!metrics.contains(UNANSWERED), "{metrics}");
    let lines = written(&directory, writer);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["decision"], &lines[0]["status"]),
        (&"allowed".into(), &201.into())
    );
}

#[actix_web::test]
async fn a_read_whose_caller_hangs_up_is_unknown_and_counted() {
    let (directory, log, writer) = decisions();
    let (done, metrics) = hang_up(Method::GET, &log).await;
    assert!(!done && metrics.contains(UNANSWERED), "{metrics}");
    let lines = written(&directory, writer);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["decision"], "unknown");
    assert_eq!(lines[0]["cause"], "ENDED_UNANSWERED");
}

#[actix_web::test]
async fn the_end_of_a_bulk_inquiry_tells_what_became_of_its_lines() {
    async fn bulk() -> HttpResponse {
        let tally = ics_core::audit::BulkTally::new(3);
        [200, 404]
            .into_iter()
            .for_each(|status| tally.count(status));
        let mut response = HttpResponse::Ok();
        response.extensions_mut().insert(tally);
        response.body("two lines of three")
    }
    // Routes are found by the decoded path.
    for path in [
        "/ics-inquiry/v1/retrieve-bulk",
        "/ics-inquiry/v1/retrieve%2Dbulk",
        "/%69cs-inquiry/v1/retrieve-bulk",
    ] {
        let (directory, log, writer) = decisions();
        let app = App::new()
            .route("/ics-inquiry/v1/retrieve-bulk", web::to(bulk))
            .wrap(RequestLog::new(T8, telemetry(None, Some(log))));
        let service = test::init_service(app).await;
        let request = test::TestRequest::with_uri(path).method(Method::POST);
        let response = test::call_service(&service, request.to_request()).await;
        drop(response);
        let lines = written(&directory, writer);
        assert_eq!(lines.len(), 2, "{path}: {lines:?}");
        assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
        assert_eq!(lines[1]["event"], "BULK_ENDED");
        let counts = ["asked", "allowed", "not_found", "denied", "failed"];
        assert_eq!(
            counts.map(|name| lines[1][name].as_u64()),
            [3, 1, 1, 0, 0].map(Some)
        );
        assert_eq!(lines[1]["whole"], false, "cut off before the third");
    }
}

#[actix_web::test]
async fn what_a_request_was_about_stands_in_its_line_under_its_own_name() {
    const ID: &str = "0193a5b2-1c1f-7cc0-8000-000000000001";
    const OTHER: &str = "0193a5b2-1c1f-7cc0-8000-000000000002";
    async fn answer(request: HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(made) = request.headers().get("made") {
            response.insert_header((LOCATION, made.clone()));
        }
        response.finish()
    }
    let routes = [
        "/operator/v1/agreements",
        "/operator/v1/agreements/{id}/end",
        "/operator/v1/mappings/{id}",
        "/operator/v1/sps/{id}",
        "/ics-mapping/v1/{scsAsId}/mappings/{mappingId}",
        "/ics-device-mapping/v1/{scsAsId}/subscriptions",
        "/ics-demapping/v1/{scsAsId}/demap",
    ];
    let of = |path: &str, made: &str| (path.replace("ID", ID), made.replace("ID", OTHER));
    for ((path, made), told) in [
        (
            of("/operator/v1/agreements", "/operator/v1/agreements/ID"),
            Some(("agreement", OTHER)),
        ),
        (
            of("/operator/v1/agreements/ID/end", "/operator/v1/jobs/ID"),
            Some(("agreement", ID)),
        ),
        (of("/operator/v1/mappings/ID", ""), Some(("mapping", ID))),
        (of("/operator/v1/sps/shop", ""), None),
        (
            of("/ics-mapping/v1/shop/mappings/ID", ""),
            Some(("mapping", ID)),
        ),
        (of("/ics-mapping/v1/shop/mappings/no-id", ""), None),
        (
            of(
                "/ics-device-mapping/v1/acme/subscriptions",
                "https://ics.example/ics-device-mapping/v1/acme/subscriptions/ID",
            ),
            Some(("subscription", OTHER)),
        ),
        (
            of(
                "/ics-demapping/v1/shop/demap",
                "https://ics.example/ics-demapping/v1/shop/jobs/ID",
            ),
            Some(("job", OTHER)),
        ),
        (of("/nowhere/mappings/ID", ""), None),
    ] {
        let (directory, log, writer) = decisions();
        let app = routes
            .into_iter()
            .fold(App::new(), |app, route| app.route(route, web::to(answer)));
        let app = app.wrap(RequestLog::new(T8, telemetry(None, Some(log))));
        let service = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(&path);
        if !made.is_empty() {
            request = request.insert_header(("made", made));
        }
        drop(test::call_service(&service, request.to_request()).await);
        let lines = written(&directory, writer);
        let kinds = ["mapping", "agreement", "subscription", "job"];
        let found: Vec<_> = kinds
            .into_iter()
            .filter_map(|kind| Some((kind, lines[0].get(kind)?.as_str()?.to_owned())))
            .collect();
        let told: Vec<_> = told
            .map(|(kind, id)| (kind, id.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(found, told, "{path}: {lines:?}");
    }
}
