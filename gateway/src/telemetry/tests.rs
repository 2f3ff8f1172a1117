use std::io::Write as _;
use std::sync::{Arc, Mutex};

use actix_web::http::Method;
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
