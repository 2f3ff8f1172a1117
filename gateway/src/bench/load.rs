//! Load over kept-alive mutual-TLS connections, and what it cost the server's process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BenchError;

/// One kind of request: where it goes, and how the body of request `n` reads.
pub(super) struct Target {
    /// The server.
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) pid: u32,
    /// The path.
    pub(super) path: &'static str,
    /// The bearer token; the bare handler gets one of the same length.
    pub(super) token: String,
    /// The body for key `n`.
    pub(super) body: Body,
    /// The answer that counts.
    pub(super) answer: StatusCode,
}

/// Makes the body for a key.
pub(super) type Body = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// Which keys are asked for.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    /// Any below this, at random.
    Random(usize),
    /// Each once, in order.
    Fresh(Arc<AtomicUsize>),
}

impl Keys {
    /// Keys below `rows`, at random.
    pub(super) const fn random(rows: usize) -> Self {
        Self::Random(rows)
    }

    /// Keys from `first` on, each once.
    pub(super) fn fresh(first: usize) -> Self {
        Self::Fresh(Arc::new(AtomicUsize::new(first)))
    }

    fn next(&self, random: &mut Random) -> usize {
        match self {
            Self::Random(rows) => random.below(*rows),
            Self::Fresh(next) => next.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// What a stretch of load came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// CPU time of the server's process for one request.
    pub(super) cpu_per_request: Duration,
    /// Requests answered a second.
    pub(super) requests_per_second: f64,
    /// Requests answered.
    pub(super) answered: u64,
}

/// Connections held open to one target.
pub(super) struct Loader {
    connections: Vec<SendRequest<Full<Bytes>>>,
    target: Arc<Target>,
    keys: Keys,
}

impl Loader {
    /// Opens `connections` of them.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn connect(
        target: Target,
        tls: &Arc<ClientConfig>,
        (connections, keys): (usize, Keys),
    ) -> Result<Self, BenchError> {
        let target = Arc::new(target);
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut connection = connect(target.address, tls).await?;
            // A connection that has answered once may rest; a new one is cut off after seconds.
            let first = keys.next(&mut Random(1));
            exchange(&mut connection, &target, first).await?;
            open.push(connection);
        }
        Ok(Self {
            connections: open,
            target,
            keys,
        })
    }

    /// The answer to one request, to check it and to know its size.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn ask(&mut self, n: usize) -> Result<Bytes, BenchError> {
        let connection = self
            .connections
            .first_mut()
            .ok_or(io::ErrorKind::NotConnected)
            .map_err(io::Error::from)?;
        exchange(connection, &self.target, n).await
    }

    /// Loads the target for `span`, each connection one request at a time.
    ///
    /// # Errors
    /// [`BenchError`]; any other answer than the one that counts ends it.
    pub(super) async fn run(&mut self, span: Duration, seed: u64) -> Result<Measured, BenchError> {
        let answered = Arc::new(AtomicU64::new(0));
        let (cpu, start) = (cpu_time(self.target.pid)?, Instant::now());
        let mut tasks = Vec::with_capacity(self.connections.len());
        for (n, mut connection) in self.connections.drain(..).enumerate() {
            let (target, answered, keys) = (
                Arc::clone(&self.target),
                Arc::clone(&answered),
                self.keys.clone(),
            );
            let mut random = Random(seed.wrapping_add(n as u64).wrapping_mul(0x9e37_79b9) | 1);
            tasks.push(tokio::spawn(async move {
                while start.elapsed() < span {
                    exchange(&mut connection, &target, keys.next(&mut random)).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, BenchError>(connection)
            }));
        }
        for task in tasks {
            let connection = task.await.map_err(io::Error::other)??;
            self.connections.push(connection);
        }
        Measured::since(start, (self.target.pid, cpu), &answered)
    }
}

impl Measured {
    /// What has come of it since `start`.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn since(
        start: Instant,
        (pid, cpu): (u32, Duration),
        answered: &AtomicU64,
    ) -> Result<Self, BenchError> {
        let (elapsed, spent) = (start.elapsed(), cpu_time(pid)?.saturating_sub(cpu));
        let count = answered.load(Ordering::Relaxed).max(1);
        Ok(Self {
            cpu_per_request: spent.div_f64(count as f64),
            requests_per_second: count as f64 / elapsed.as_secs_f64(),
            answered: count,
        })
    }
}

/// Loads the target for `span` with a connection of its own for each request, `parallel` at once,
/// keys at random below `rows`.
///
/// # Errors
/// [`BenchError`]; any other answer than the one that counts ends it.
pub(super) async fn run_fresh(
    target: &Arc<Target>,
    tls: &Arc<ClientConfig>,
    (parallel, rows, span): (usize, usize, Duration),
) -> Result<Measured, BenchError> {
    let answered = Arc::new(AtomicU64::new(0));
    let (cpu, start) = (cpu_time(target.pid)?, Instant::now());
    let mut tasks = Vec::with_capacity(parallel);
    for n in 0..parallel {
        let (target, tls, answered) = (Arc::clone(target), Arc::clone(tls), Arc::clone(&answered));
        let mut random = Random((n as u64).wrapping_mul(0x9e37_79b9) | 1);
        tasks.push(tokio::spawn(async move {
            while start.elapsed() < span {
                let mut connection = connect(target.address, &tls).await?;
                exchange(&mut connection, &target, random.below(rows)).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, BenchError>(())
        }));
    }
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Measured::since(start, (target.pid, cpu), &answered)
}

async fn connect(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
) -> Result<SendRequest<Full<Bytes>>, BenchError> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, socket)
        .await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(
    connection: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    n: usize,
) -> Result<Bytes, BenchError> {
    let request = Request::post(target.path)
        .header("host", "gateway")
        .header("content-type", "application/json")
        .header("authorization", &target.token)
        .body(Full::new(Bytes::from((target.body)(n))))
        .map_err(io::Error::other)?;
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status == target.answer {
        Ok(body)
    } else {
        Err(BenchError::Answer(target.path, status))
    }
}

/// The CPU time all threads of a process have used (`schedstat`, nanoseconds).
///
/// # Errors
/// [`BenchError::Io`].
pub(super) fn cpu_time(pid: u32) -> Result<Duration, BenchError> {
    let mut total = 0_u64;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = match std::fs::read_to_string(thread?.path().join("schedstat")) {
            // It has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        let spent = text
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
        total = total.saturating_add(spent);
    }
    Ok(Duration::from_nanos(total))
}

/// Memory that a process holds (`VmRSS`), bytes.
///
/// # Errors
/// [`BenchError::Io`].
pub(super) fn resident(pid: u32) -> Result<u64, BenchError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmRSS:")?;
        rest.trim().split(' ').next()?.parse::<u64>().ok()
    });
    let kib = kib.ok_or_else(|| io::Error::other("no VmRSS in /proc"))?;
    Ok(kib.saturating_mul(1024))
}

/// xorshift64: keys need to be scattered, not secret.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap_or(0)
    }
}
