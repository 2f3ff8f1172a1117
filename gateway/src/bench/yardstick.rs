//! The yardstick: a bare actix-web handler that parses a body and answers one of the same size,
//! under the same TLS configuration, as a process of its own.

use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use serde::{Deserialize, Serialize};

use super::BenchError;
use crate::compose::t8_tls;
use crate::config::Config;

/// How long its answers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerSizes {
    /// To an inquiry by device.
    pub(crate) by_device: usize,
    /// To an inquiry by transaction.
    pub(crate) by_transaction: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ByDevice {
    device_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ByTransaction {
    service_uri: String,
    uti: String,
}

#[derive(Serialize)]
struct Echo<'a> {
    a: &'a str,
    b: &'a str,
}

/// Serves until the process is ended; tells its address on standard output.
///
/// # Errors
/// [`BenchError`].
pub(crate) async fn serve(config: &Config, sizes: AnswerSizes) -> Result<(), BenchError> {
    let tls = t8_tls(config)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(sizes))
            .route("/by-device", web::post().to(by_device))
            .route("/by-transaction", web::post().to(by_transaction))
    })
    .workers(super::workers(config))
    .tcp_nodelay(true)
    .keep_alive(config.t8.connections.keep_alive)
    .disable_signals()
    .bind_rustls_0_23("127.0.0.1:0", tls)?;
    for address in server.addrs() {
        super::say(&format!("yardstick {address}"));
    }
    Ok(server.run().await?)
}

async fn by_device(body: Json<ByDevice>, sizes: Data<AnswerSizes>) -> HttpResponse {
    answer(&body.device_id, sizes.by_device)
}

async fn by_transaction(body: Json<ByTransaction>, sizes: Data<AnswerSizes>) -> HttpResponse {
    answer(
        if body.uti.is_empty() {
            &body.service_uri
        } else {
            &body.uti
        },
        sizes.by_transaction,
    )
}

/// `{"a":"<what came>","b":"<filling>"}` of `size` bytes.
fn answer(echo: &str, size: usize) -> HttpResponse {
    const FILLING: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                           xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                           xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    let rest = size.saturating_sub(echo.len().saturating_add(15));
    HttpResponse::Ok().json(Echo {
        a: echo,
        b: FILLING.get(..rest).unwrap_or(FILLING),
    })
}
