//! Hosts of service providers as they are on a bad day: each takes what it gets and gives nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::tls;

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Refuses,
    /// It does not answer the first packet: its queue is full.
    NeverAccepts,
    /// It takes the connection and reads nothing.
    NeverReads,
    /// It begins its part of the handshake and does not go on.
    NeverEndsHandshake,
    /// It answers with header fields, one a moment, without end.
    NeverEndsHead,
}

/// A host with a fault; gone when dropped.
pub struct BadHost {
    address: SocketAddr,
    met: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    _queue: Vec<TcpStream>,
}

impl BadHost {
    /// One on a free port of loopback, with a certificate for it.
    pub fn open(fault: Fault, (root, certificate, key): (&Path, &Path, &Path)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (met, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut queue = Vec::new();
        match fault {
            Fault::Refuses => drop(listener),
            Fault::NeverAccepts => {
                fill_queue(address, &mut queue);
                let stopped = Arc::clone(&stopped);
                std::thread::spawn(move || hold(&listener, &stopped));
            }
            _ => {
                let tls = tls::server(root, certificate, key);
                let (met, stopped) = (Arc::clone(&met), Arc::clone(&stopped));
                std::thread::spawn(move || accept(&listener, (fault, &tls), (&met, &stopped)));
            }
        }
        Self {
            address,
            met,
            stopped,
            _queue: queue,
        }
    }

    /// `https://127.0.0.1:port`.
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections it has taken.
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::SeqCst)
    }
}

impl Drop for BadHost {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let wait = Duration::from_millis(100);
        let _ = TcpStream::connect_timeout(&self.address, wait);
    }
}

/// Connects until the next connection is not answered.
fn fill_queue(address: SocketAddr, queue: &mut Vec<TcpStream>) {
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
        assert!(queue.len() < 20_000, "the queue is never full");
    }
}

fn hold(listener: &TcpListener, stopped: &AtomicBool) {
    while !stopped.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = listener.set_nonblocking(true);
}

fn accept(
    listener: &TcpListener,
    (fault, tls): (Fault, &Arc<ServerConfig>),
    (met, stopped): (&AtomicU64, &Arc<AtomicBool>),
) {
    while let Ok((socket, _)) = listener.accept() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        met.fetch_add(1, Ordering::SeqCst);
        let (tls, stopped) = (Arc::clone(tls), Arc::clone(stopped));
        std::thread::spawn(move || serve(socket, (fault, tls), &stopped));
    }
}

/// Until its peer has had enough, or the host is gone.
fn serve(mut socket: TcpStream, (fault, tls): (Fault, Arc<ServerConfig>), stopped: &AtomicBool) {
    let moment = Duration::from_millis(100);
    let _ = socket.set_read_timeout(Some(Duration::from_secs(20)));
    let mut buffer = [0; 4096];
    match fault {
        Fault::NeverEndsHandshake => {
            // The head of a record of 1,000 bytes, and its first bytes.
            let _ = socket.read(&mut buffer);
            let _ = socket.write_all(&[0x16, 3, 3, 3, 0xe8, 2, 0]);
        }
        Fault::NeverEndsHead => {
            let Ok(tls) = ServerConnection::new(tls) else {
                return;
            };
            let mut stream = StreamOwned::new(tls, socket);
            let _ = stream.read(&mut buffer);
            let mut line = "HTTP/1.1 204 No Content\r\n".to_owned();
            while !stopped.load(Ordering::SeqCst) {
                if stream.write_all(line.as_bytes()).is_err() || stream.flush().is_err() {
                    return;
                }
                line = "X-More: to come\r\n".to_owned();
                std::thread::sleep(moment);
            }
            return;
        }
        _ => {}
    }
    while !stopped.load(Ordering::SeqCst) {
        // Gone already? Looked at without taking anything in.
        if fault != Fault::NeverReads && matches!(socket.read(&mut buffer), Ok(0) | Err(_)) {
            return;
        }
        std::thread::sleep(moment);
    }
}
