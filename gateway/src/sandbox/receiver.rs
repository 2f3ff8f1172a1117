//! The receivers of the sandbox's service providers: HTTPS with mutual TLS, as an SP would run
//! one, and a plain HTTP page on loopback that shows what came in.

use std::io;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use ics_core::port::Clock;
use rustls::ServerConfig;
use serde_json::value::{RawValue, to_raw_value};

use super::inbox::{Inbox, Received};
use super::plan::loopback;

/// What both servers share.
#[derive(Clone)]
pub(crate) struct Receiving {
    /// Where notifications are kept.
    pub(crate) inbox: Arc<Inbox>,
    /// The time they came.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Takes notifications at `/<sp id>` and below.
///
/// # Errors
/// [`io::Error`] when the port is taken.
pub(crate) fn open_callbacks(
    port: u16,
    tls: ServerConfig,
    receiving: Receiving,
) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(receiving.clone()))
            .route("/{sp}", web::post().to(take))
            .route("/{sp}/{rest:.*}", web::post().to(take))
    })
    .workers(1)
    .tcp_nodelay(true)
    .disable_signals()
    .bind_rustls_0_23(loopback(port), tls)?;
    Ok(server.run())
}

/// Shows notifications at `/<sp id>`. Plain HTTP, loopback, sandbox only.
///
/// # Errors
/// [`io::Error`] when the port is taken.
pub(crate) fn open_inbox(port: u16, receiving: Receiving) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(receiving.clone()))
            .route("/{sp}", web::get().to(show))
    })
    .workers(1)
    .disable_signals()
    .bind(loopback(port))?;
    Ok(server.run())
}

async fn take(request: HttpRequest, body: Bytes, receiving: Data<Receiving>) -> HttpResponse {
    let Some(sp) = request.match_info().get("sp") else {
        return HttpResponse::NotFound().finish();
    };
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let Some(body) = read_body(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let received = Received {
        received_at: receiving.clock.now().to_rfc3339(),
        path: request.uri().path().to_owned(),
        headers,
        body,
    };
    match receiving.inbox.put(sp, received) {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => {
            tracing::error!(%error, "the sandbox's inbox cannot be written");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

fn read_body(body: &[u8]) -> Option<Box<RawValue>> {
    let text = || to_raw_value(&String::from_utf8_lossy(body)).ok();
    serde_json::from_slice(body).ok().or_else(text)
}

async fn show(request: HttpRequest, receiving: Data<Receiving>) -> HttpResponse {
    let sp = request.match_info().get("sp").unwrap_or_default();
    HttpResponse::Ok().json(receiving.inbox.of(sp))
}
