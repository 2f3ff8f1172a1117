//! A listener: socket, TLS, HTTP/1.1, caps, and who is admitted to it at all.
//!
//! Every brake is set here, knowingly (performance.md, traps): TCP_NODELAY, because a fresh
//! connection waits 40 ms without it; the number of handshakes under way; timeouts of handshake,
//! request head, goodbye; sizes of head and body; the age of a connection. There is no way to
//! open one without mutual TLS.

mod guard;
mod problem;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use rustls::ServerConfig;

use crate::config::ConnectionsSection;
use crate::telemetry::{RequestLines, RequestLog};

pub(crate) use guard::{Admission, PeerGuard};

/// What it takes to open a listener.
pub(crate) struct Listener {
    /// Its name in the log: `t8`, `operator`.
    pub(crate) name: &'static str,
    /// Where; port 0 for any free one.
    pub(crate) address: SocketAddr,
    /// From [`crate::tls::server_config`].
    pub(crate) tls: ServerConfig,
    /// Caps and timeouts.
    pub(crate) connections: ConnectionsSection,
    /// Who is admitted.
    pub(crate) admission: Arc<Admission>,
    /// Where requests leave their lines.
    pub(crate) log: Option<RequestLines>,
}

/// A listener that accepts connections once its server is awaited.
pub(crate) struct OpenListener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Runs until it is stopped through its handle; signals are the caller's business.
    pub(crate) server: Server,
}

impl Listener {
    /// Binds the socket and starts the workers; `configure` mounts the routes, once for each
    /// worker. Unknown routes are answered with a constant 404.
    ///
    /// # Errors
    /// [`io::Error`] when the address cannot be bound.
    pub(crate) fn open<F>(self, configure: F) -> io::Result<OpenListener>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let Self {
            name,
            address,
            tls,
            connections,
            admission,
            log,
        } = self;
        let note_peer = admission.note();
        let max_age = connections.max_age;
        let max_body = connections.max_body;
        let server = HttpServer::new(move || {
            let configure = configure.clone();
            App::new()
                .app_data(web::PayloadConfig::new(max_body))
                .app_data(web::JsonConfig::default().limit(max_body))
                .configure(configure)
                .default_service(web::to(problem::not_found))
                .wrap(PeerGuard::new(Arc::clone(&admission), max_age))
                .wrap(RequestLog::new(name, log.clone()))
        })
        // Before any bind: sockets bound earlier would not have the hook.
        .on_connect(move |stream, data| {
            data.insert(Opened(Instant::now()));
            note_peer(stream, data);
        })
        .workers(workers(connections.workers))
        .tcp_nodelay(true)
        .backlog(1024)
        .max_connections(connections.max_connections)
        .max_connection_rate(connections.max_handshakes)
        .tls_handshake_timeout(connections.handshake_timeout)
        .client_request_timeout(connections.request_timeout)
        .client_disconnect_timeout(connections.disconnect_timeout)
        .keep_alive(connections.keep_alive)
        .shutdown_timeout(connections.drain.as_secs())
        .disable_signals()
        .bind_rustls_0_23(address, tls)?;
        let address = server.addrs().first().copied().unwrap_or(address);
        Ok(OpenListener {
            address,
            server: server.run(),
        })
    }
}

/// When a connection was opened; kept in its data.
#[derive(Clone, Copy)]
struct Opened(Instant);

impl Opened {
    fn is_older_than(self, age: Duration) -> bool {
        self.0.elapsed() > age
    }
}

fn workers(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests;
