//! The endpoint of a trial: TLS and MQTT as the gateway's listener has them, one connection after
//! another, each cut off when the trial wants it broken.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ics_channel::Rate;
use ics_mqtt::{Endpoint, Limits, PeerDevice};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::stand::Stand;
use crate::ambient::SystemClock;
use crate::tls::read_device;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A device on a desk comes back as often as the trial cuts it off.
const OFTEN: Rate = Rate {
    per_second: 1_000,
    burst: 1_000,
};

/// Serves until it is dropped.
pub(super) async fn serve(
    socket: TcpListener,
    tls: Arc<ServerConfig>,
    stand: Arc<Stand>,
) -> Infallible {
    let limits = Limits {
        messages: OFTEN,
        connects: OFTEN,
        ..Limits::default()
    };
    let (service, sessions) = (Arc::clone(&stand), Arc::clone(&stand.sessions));
    let clock = Arc::new(SystemClock::new());
    let endpoint = Arc::new(Endpoint::new(service as _, sessions, clock, limits));
    let mut connections = JoinSet::new();
    loop {
        match socket.accept().await {
            Ok((io, _)) => {
                let tls = TlsAcceptor::from(Arc::clone(&tls));
                let (endpoint, mut cuts) = (Arc::clone(&endpoint), stand.cuts());
                connections.spawn(async move {
                    tokio::select! {
                        () = attend(io, &tls, &endpoint) => {}
                        // Dropped as it is: the device's last packet may have no answer.
                        _ = cuts.changed() => {}
                    }
                });
            }
            // Descriptors are short, and come back.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(io: TcpStream, tls: &TlsAcceptor, endpoint: &Endpoint) {
    let Ok(address) = io.peer_addr() else {
        return;
    };
    // Small packets, each waited for.
    let _ = io.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(io)).await else {
        return;
    };
    let peer = PeerDevice {
        certificate: read_device(stream.get_ref().1),
        address,
    };
    endpoint.serve(stream, peer, std::future::pending()).await;
}
