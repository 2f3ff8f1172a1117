//! A listener: socket, TLS, HTTP/1.1, caps, and who is admitted to it at all.
//!
//! Every brake is set here, knowingly (performance.md, traps): TCP_NODELAY, because a fresh
//! connection waits 40 ms without it; handshakes under way, of an address and of all;
//! connections of a party; timeouts of handshake, request head, answer, goodbye; sizes of head and
//! body; the age of a connection. There is no way to open one without mutual TLS.

mod accept;
mod exchange;
mod gate;
mod guard;
mod mqtt;
mod pace;
mod problem;
mod steps;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::web::{self, ServiceConfig};
use rustls::ServerConfig;
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;

use crate::config::ConnectionsSection;
use crate::telemetry::{RequestLog, Telemetry};

use accept::{Acceptor, Connection, NotTaken};
use exchange::{HeadTimes, Heeding};
pub(crate) use gate::Gate;
pub(crate) use guard::{Admission, PeerGuard};
pub(crate) use mqtt::MqttListener;

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
    /// Where requests and connections leave their traces.
    pub(crate) telemetry: Telemetry,
}

/// A listener that accepts connections once its server is awaited.
pub(crate) struct OpenListener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its caps.
    pub(crate) gate: Arc<Gate>,
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
        let socket = bind(self.address)?;
        let address = socket.local_addr()?;
        let connections = self.connections.clone();
        let gate = Arc::new(Gate::new(&connections));
        let acceptor = self.acceptor(&gate);
        let workers = workers(connections.workers);
        let builder = Server::build()
            .workers(workers)
            .max_concurrent_connections(connections.max_connections.div_ceil(workers))
            .shutdown_timeout(connections.drain.as_secs())
            .disable_signals();
        let draining = builder.graceful_shutdown_signal();
        let (name, admission, telemetry) = (self.name, self.admission, self.telemetry);
        let server = builder.listen(name, socket, move || {
            let draining = draining.clone();
            let app = App::new()
                .configure(configure.clone())
                .default_service(web::to(problem::not_found))
                .wrap(PeerGuard::new(Arc::clone(&admission), connections.max_age))
                .wrap(RequestLog::new(name, telemetry.clone()))
                .into_factory()
                .map_err(|error: actix_web::Error| error.error_response());
            let http = HttpService::build()
                .keep_alive(connections.keep_alive)
                .client_request_timeout(connections.request_timeout)
                .client_disconnect_timeout(connections.disconnect_timeout)
                .graceful_shutdown_signal(move || {
                    let draining = draining.clone();
                    async move { draining.notified().await }
                })
                .on_connect_ext(|connection: &Heeding<Connection>, data| {
                    data.insert(Opened(Instant::now()));
                    data.insert(connection.exchange());
                    connection.get_ref().note_peer(data);
                })
                .finish(map_config(app, |()| AppConfig::default()));
            acceptor.clone().and_then(http.map_err(|_| NotTaken))
        })?;
        Ok(OpenListener {
            address,
            gate,
            server: server.run(),
        })
    }

    fn acceptor(&self, gate: &Arc<Gate>) -> Acceptor {
        let mut tls = self.tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Acceptor {
            listener: self.name,
            tls: TlsAcceptor::from(Arc::new(tls)),
            timeout: self.connections.handshake_timeout,
            answer_timeout: self.connections.answer_timeout,
            heads: HeadTimes {
                head: self.connections.request_timeout,
                whole: self.connections.keep_alive + self.connections.request_timeout,
            },
            gate: Arc::clone(gate),
            admission: Arc::clone(&self.admission),
            telemetry: self.telemetry.clone(),
        }
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

/// Connections that may wait to be accepted (the system may allow fewer): of more, the first packets
/// are dropped, and a good client among them comes again after a second at the earliest.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn workers(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests;
