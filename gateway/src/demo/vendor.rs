//! The cloud of the light's vendor: it takes a command for a device from a third party SP, asks the
//! ICS whether that service is mapped to that device (figure 5), and passes it on or refuses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::DemoError;
use crate::sandbox::Sandbox;
use crate::t8_client::{T8Client, member};

/// A running command desk.
pub(super) struct CommandDesk {
    address: SocketAddr,
    handle: ServerHandle,
    /// What is to be done by devices.
    pub(super) passed_on: mpsc::UnboundedReceiver<Value>,
}

struct Desk {
    client: T8Client,
    pass_on: mpsc::UnboundedSender<Value>,
}

impl CommandDesk {
    /// Opens that of `sp`, with the certificate of the sandbox's receivers.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) fn open(sandbox: &Sandbox, sp: &str) -> Result<Self, DemoError> {
        let (pass_on, passed_on) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            client: sandbox.client(sp)?,
            pass_on,
        });
        let tls = sandbox.receiver_tls()?;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::from(Arc::clone(&desk)))
                .route("/commands", web::post().to(take_command))
        })
        .workers(1)
        .tcp_nodelay(true)
        .disable_signals()
        .bind_rustls_0_23((Ipv4Addr::LOCALHOST, 0), tls)?;
        let address = server.addrs().first().copied();
        let address = address
            .ok_or(std::io::ErrorKind::AddrNotAvailable)
            .map_err(std::io::Error::from)?;
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self {
            address,
            handle,
            passed_on,
        })
    }

    /// Where commands go.
    pub(super) fn url(&self) -> String {
        format!("https://{}/commands", self.address)
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.handle.stop(true).await;
    }
}

/// A command holds only while its service is mapped to the device.
async fn take_command(command: Json<Value>, desk: Data<Desk>) -> HttpResponse {
    let inquiry = json!({
        "deviceId": member(&command, "deviceId"),
        "serviceUri": member(&command, "serviceUri"),
    });
    let path = "/ics-inquiry/v1/retrieve-by-device";
    match desk.client.call(Method::POST, path, Some(&inquiry)).await {
        Ok(answer) if answer.status == StatusCode::OK => {
            // The story ended before the command came.
            let _ = desk.pass_on.send(command.into_inner());
            HttpResponse::Accepted().finish()
        }
        Ok(_) => HttpResponse::Forbidden().finish(),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}
