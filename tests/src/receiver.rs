//! A receiver of notifications in the test's own process: HTTPS with mutual TLS, as a service
//! provider would run one, or plain HTTP; answering as the test says. It outlives the gateway under
//! test.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::condition::wait_for;
use crate::message::Message;
use crate::tls;

/// What came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and path.
    pub method: String,
    /// The target of the request.
    pub path: String,
    /// Header fields, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The status it was answered with.
    pub answered: u16,
}

impl Received {
    /// The body as JSON; `Null` when it is none.
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status; 0 for no answer at all.
    pub status: u16,
    /// Header fields besides `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// Nothing but a status.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// No answer: the connection stays as it is until the peer has had enough.
    pub fn silence() -> Self {
        Self::status(0)
    }
}

/// Decides how a request is answered.
pub type Answering = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

/// A running receiver; dropped, it takes nothing more.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` for plain HTTP.
    tls: Mutex<Option<Arc<ServerConfig>>>,
    answering: Mutex<Arc<Answering>>,
    received: Mutex<Vec<Received>>,
    connections: Mutex<BTreeMap<u64, TcpStream>>,
    accepted: AtomicU64,
    stopped: AtomicBool,
}

impl Receiver {
    /// Opens one on a free port of loopback that answers 204; its clients must come with a
    /// certificate under `root`.
    pub fn open(root: &Path, certificate: &Path, key: &Path) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::open_at(anywhere, (root, certificate, key))
    }

    /// The same, where another one was before.
    pub fn open_at(address: SocketAddr, (root, certificate, key): (&Path, &Path, &Path)) -> Self {
        Self::listen(address, Some(tls::server(root, certificate, key)))
    }

    /// One on a free port of loopback that speaks plain HTTP, answering 204.
    pub fn open_plain() -> Self {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    fn listen(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let always: Answering = Box::new(|_| Reply::status(204));
        let shared = Arc::new(Shared {
            tls: Mutex::new(tls),
            answering: Mutex::new(Arc::new(always)),
            received: Mutex::default(),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// `https://127.0.0.1:port`, or `http://..`.
    pub fn origin(&self) -> String {
        let scheme = match *self.shared.tls.lock().unwrap() {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, answering: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        *self.shared.answering.lock().unwrap() = Arc::new(Box::new(answering));
    }

    /// Shows this certificate from now on; open connections end.
    pub fn show(&self, root: &Path, certificate: &Path, key: &Path) {
        *self.shared.tls.lock().unwrap() = Some(tls::server(root, certificate, key));
        self.shared.hang_up();
    }

    /// How many TCP connections were made to it so far.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How much has come so far.
    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything so far, in the order it came.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits for something that fits.
    pub fn wait(&self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        wait_for(what, || {
            self.received().into_iter().find(|received| fits(received))
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then ends.
        let _ = TcpStream::connect(self.address);
        self.shared.hang_up();
    }
}

impl Shared {
    fn hang_up(&self) {
        for (_, connection) in std::mem::take(&mut *self.connections.lock().unwrap()) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        if let Ok(twin) = socket.try_clone() {
            shared.connections.lock().unwrap().insert(number, twin);
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A peer that hangs up ends its own connection only.
            let _ = serve(socket, &shared);
            shared.connections.lock().unwrap().remove(&number);
        });
    }
}

fn serve(socket: TcpStream, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(120)))?;
    let tls = shared.tls.lock().unwrap().clone();
    match tls {
        Some(tls) => {
            let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
            converse(StreamOwned::new(tls, socket), shared)
        }
        None => converse(socket, shared),
    }
}

fn converse(stream: impl Read + Write, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(message) = Message::read(&mut stream, |_| true)? {
        let mut target = message.start.split(' ');
        let mut next = || target.next().unwrap_or_default().to_owned();
        let mut received = Received {
            method: next(),
            path: next(),
            headers: message.headers,
            bytes: message.body,
            answered: 0,
        };
        let answering = Arc::clone(&shared.answering.lock().unwrap());
        let reply = answering(&received);
        received.answered = reply.status;
        // On record before it is answered: what the gateway takes for delivered is here.
        shared.received.lock().unwrap().push(received);
        if reply.status == 0 {
            stream.fill_buf()?;
            return Ok(());
        }
        let mut text = format!("HTTP/1.1 {} -\r\n", reply.status);
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if reply.status != 204 {
            text.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&reply.body);
        let stream = stream.get_mut();
        stream.write_all(text.as_bytes())?;
        stream.flush()?;
    }
    Ok(())
}
