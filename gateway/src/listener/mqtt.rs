//! The listener of hosted devices over MQTT: socket, TLS and caps as everywhere; what is said over
//! them is `ics-mqtt`'s.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ics_mqtt::{Endpoint, PeerDevice};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::accept::Acceptor;
use super::gate::Gate;
use super::{Listener, bind};
use crate::background::{Background, Stopping};

/// How long accepting rests after it failed: descriptors are short, and come back.
const REST: Duration = Duration::from_millis(100);

/// A listener of devices that accepts.
pub(crate) struct MqttListener {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What accepts and serves; asked to stop, it says goodbye to every device.
    pub(crate) task: Background,
}

impl Listener {
    /// Binds the socket and serves devices on it with `endpoint`.
    ///
    /// # Errors
    /// [`io::Error`] when the address cannot be bound.
    pub(crate) fn open_mqtt(self, endpoint: Arc<Endpoint>) -> io::Result<MqttListener> {
        let socket = bind(self.address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let gate = Arc::new(Gate::new(&self.connections));
        let most = self.connections.max_connections;
        let socket = TcpListener::from_std(socket)?;
        let acceptor = self.acceptor(&gate);
        let devices = |stopping| Devices {
            socket,
            acceptor,
            endpoint,
            open: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            stopping,
        };
        Ok(MqttListener {
            address,
            task: Background::begin(|stopping| devices(stopping).serve()),
        })
    }
}

struct Devices {
    socket: TcpListener,
    acceptor: Acceptor,
    endpoint: Arc<Endpoint>,
    open: Arc<Semaphore>,
    stopping: Stopping,
}

impl Devices {
    async fn serve(mut self) {
        let mut connections = JoinSet::new();
        loop {
            // More wait in the kernel.
            let Ok(place) = Arc::clone(&self.open).acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                () = self.stopping.asked() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => {
                    let connection = self.connection(socket, address);
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no device accepted");
                    tokio::time::sleep(REST).await;
                }
            }
            // Those that ended leave nothing behind.
            while connections.try_join_next().is_some() {}
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }

    /// One connection, from its handshake to its end.
    fn connection(
        &self,
        socket: TcpStream,
        address: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (acceptor, endpoint) = (self.acceptor.clone(), Arc::clone(&self.endpoint));
        let mut stopping = self.stopping.clone();
        async move {
            let Ok(connection) = acceptor.accept(socket).await else {
                return;
            };
            let peer = PeerDevice {
                certificate: connection.device(),
                address,
            };
            let stopped = async move { stopping.asked().await };
            let ended = endpoint.serve(connection, peer, stopped).await;
            tracing::debug!(?ended, "device connection ended");
        }
    }
}
