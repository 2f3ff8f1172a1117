//! Over a socket: what is answered and when a connection ends is actix-web's to do.

use core::time::Duration;

use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::timeout;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::body::{Terms, read_within};

const TERMS: Terms = Terms {
    media_types: &["text/plain"],
    utf8_only: false,
    max_size: 64,
    length_required: false,
};

async fn echo(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    // Far from the real deadline, so that nobody waits for it.
    let deadline = Duration::from_millis(50);
    match read_within(deadline, &request, payload, &TERMS).await {
        Ok(body) => HttpResponse::Ok().body(body),
        Err(refusal) => HttpResponse::RequestTimeout().body(refusal.to_string()),
    }
}

async fn held(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let body = hold_body(&mut request);
    let response = next.call(request).await?;
    Ok(match body {
        Some(body) => body.until_answered(response),
        None => response,
    })
}

/// Refuses by the head alone.
async fn refuse() -> HttpResponse {
    HttpResponse::Unauthorized().finish()
}

/// Sends `parts`, each after an answer to the one before, and reads until the server ends the
/// connection.
async fn talk(parts: &[String]) -> String {
    let server = HttpServer::new(|| {
        App::new()
            .route("/refused", web::to(refuse))
            .default_service(web::to(echo))
            .wrap(from_fn(held))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answers = Vec::new();
    for part in parts {
        stream.write_all(part.as_bytes()).await.unwrap();
        stream.read_buf(&mut answers).await.unwrap();
    }
    let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut answers)).await;
    let answers = String::from_utf8(answers).unwrap().to_ascii_lowercase();
    assert!(end.is_ok(), "open after {parts:?}: {answers}");
    handle.stop(false).await;
    answers
}

const HEAD: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n";
const LATE: [&str; 3] = [
    "Content-Length: 10\r\n\r\n12345",
    "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
];

#[actix_web::test]
async fn a_late_request_is_answered_and_its_connection_ends() {
    // Each is read from for a second more, so that its sender can read the answer.
    join_all(LATE.map(async |rest| {
        let answer = talk(&[format!("{HEAD}{rest}")]).await;
        assert!(answer.starts_with("http/1.1 408 "), "{rest:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nbody too slow"), "{answer}");
    }))
    .await;
}

#[actix_web::test]
async fn a_request_in_time_leaves_its_connection_open() {
    let first = "Content-Length: 5\r\n\r\n12345";
    let last = "Connection: close\r\nContent-Length: 5\r\n\r\n67890";
    let answers = talk(&[format!("{HEAD}{first}"), format!("{HEAD}{last}")]).await;
    assert_eq!(answers.matches("http/1.1 200 ok").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
}

#[actix_web::test]
async fn the_rest_of_a_body_that_nobody_reads_is_not_waited_for() {
    join_all(LATE.map(async |rest| {
        let head = HEAD.replace("POST / ", "POST /refused ");
        let answer = talk(&[format!("{head}{rest}")]).await;
        assert!(answer.starts_with("http/1.1 401 "), "{rest:?}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }))
    .await;
}

#[actix_web::test]
async fn a_chunked_body_in_time_leaves_its_connection_open() {
    let first = "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n";
    let last = "Connection: close\r\nContent-Length: 5\r\n\r\n67890";
    let answers = talk(&[format!("{HEAD}{first}"), format!("{HEAD}{last}")]).await;
    assert_eq!(answers.matches("http/1.1 200 ok").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
}
