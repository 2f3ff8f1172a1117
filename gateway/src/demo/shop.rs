//! The shop's order desk: it takes an order that names a service URI and a UTI, asks the ICS
//! whether both stand in one row (figure 6), and delivers or refuses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{DemoError, shop_client};
use crate::http_client::mutual_tls_client;
use crate::sandbox::Sandbox;
use crate::t8_client::{ClientError, T8Client, WAITS, member};

/// A running order desk.
pub(super) struct OrderDesk {
    address: SocketAddr,
    handle: ServerHandle,
}

impl OrderDesk {
    /// Opens one with the certificate of the sandbox's receivers.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) fn open(sandbox: &Sandbox) -> Result<Self, DemoError> {
        let client = shop_client(sandbox)?;
        let tls = sandbox.receiver_tls()?;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(Arc::clone(&client)))
                .route("/orders", web::post().to(take_order))
        })
        .workers(1)
        .tcp_nodelay(true)
        .disable_signals()
        .bind_rustls_0_23((Ipv4Addr::LOCALHOST, 0), tls)?;
        let address = server
            .addrs()
            .first()
            .copied()
            .ok_or(std::io::ErrorKind::AddrNotAvailable)
            .map_err(std::io::Error::from)?;
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self { address, handle })
    }

    /// Where orders go.
    pub(super) fn url(&self) -> String {
        format!("https://{}/orders", self.address)
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.handle.stop(true).await;
    }
}

/// An order holds only while the pair stands in one row.
async fn take_order(order: Json<Value>, client: Data<Arc<T8Client>>) -> HttpResponse {
    let inquiry =
        json!({ "serviceUri": member(&order, "serviceUri"), "uti": member(&order, "uti") });
    let path = "/ics-inquiry/v1/retrieve-by-transaction";
    match client.call(Method::POST, path, Some(&inquiry)).await {
        Ok(answer) if answer.status == StatusCode::OK => {
            HttpResponse::Ok().json(json!({ "delivered": member(&order, "order") }))
        }
        Ok(_) => HttpResponse::Forbidden().finish(),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

/// The vendor's cloud places an order, with its own certificate.
///
/// # Errors
/// [`ClientError`].
pub(super) async fn place_order(
    sandbox: &Sandbox,
    sp: &str,
    url: &str,
    order: &Value,
) -> Result<StatusCode, ClientError> {
    let client = mutual_tls_client(sandbox.files_of(sp).as_client(), WAITS)?;
    let sent = client.post(url).json(order).send().await;
    sent.map(|response| response.status())
        .map_err(|error| ClientError::Unreachable(url.to_owned(), error))
}
