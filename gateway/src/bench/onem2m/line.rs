//! A client of a CSE over HTTP (TS-0009).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::bench::BenchError;
use crate::bench::load::{Measured, cpu_time};

/// Makes request `n`.
pub(super) type Make = dyn Fn(usize) -> Ask + Sync;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// SP-relative, or relative to the CSE.
    pub(super) to: String,
    /// Of a CREATE.
    pub(super) ty: Option<u16>,
    pub(super) content: Option<Value>,
    /// The answer that counts.
    pub(super) rsc: u16,
}

impl Ask {
    /// RETRIEVE.
    pub(super) fn retrieve(to: &str) -> Self {
        Self {
            method: Method::GET,
            to: to.to_owned(),
            ty: None,
            content: None,
            rsc: 2000,
        }
    }

    /// CREATE of a resource of the service.
    pub(super) fn create(to: &str, content: Value) -> Self {
        Self::create_of(to, 28, content)
    }

    /// CREATE of a resource of that type.
    pub(super) fn create_of(to: &str, ty: u16, content: Value) -> Self {
        Self {
            method: Method::POST,
            to: to.to_owned(),
            ty: Some(ty),
            content: Some(content),
            rsc: 2001,
        }
    }

    /// UPDATE.
    pub(super) fn update(to: &str, content: Value) -> Self {
        Self {
            method: Method::PUT,
            to: to.to_owned(),
            ty: None,
            content: Some(content),
            rsc: 2004,
        }
    }
}

/// An AE, as it comes to a CSE. A connection is kept as long as the CSE keeps it.
pub(super) struct Line {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    from: String,
    /// The process of the CSE.
    pid: u32,
    asked: AtomicU64,
}

type Connection = SendRequest<Full<Bytes>>;

impl Line {
    pub(super) fn new(address: SocketAddr, from: &str, pid: u32) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            from: from.to_owned(),
            pid,
            asked: AtomicU64::new(0),
        }
    }

    /// Asks; the content of the answer.
    ///
    /// # Errors
    /// [`BenchError`], where the answer is not the one that counts.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Value, BenchError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let relative = if ask.to.starts_with('/') { "/~" } else { "/" };
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{relative}{}", ask.to))
            .header(HOST, self.address.to_string())
            .header("X-M2M-Origin", &self.from)
            .header("X-M2M-RI", format!("{}-{number}", self.from))
            .header("X-M2M-RVI", "4");
        if ask.content.is_some() {
            let media = match ask.ty {
                Some(ty) => format!("application/json;ty={ty}"),
                None => "application/json".to_owned(),
            };
            request = request.header(CONTENT_TYPE, media);
        }
        let content = ask.content.as_ref().map(Value::to_string);
        let body = Full::from(content.unwrap_or_default());
        let request = request.body(body).map_err(io::Error::other)?;
        let (answer, connection) = self.send(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let word = |name: &str| head.headers.get(name)?.to_str().ok();
        if !word(CONNECTION.as_str()).is_some_and(|said| said.eq_ignore_ascii_case("close")) {
            self.idle().push(connection);
        }
        let code = word("x-m2m-rsc").and_then(|code| code.parse().ok());
        if code != Some(ask.rsc) {
            return Err(BenchError::OneM2mAnswer(ask.to.clone(), code.unwrap_or(0)));
        }
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Over a connection that was kept, if it still takes a request, else over a new one.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), BenchError> {
        while let Some(mut kept) = self.kept() {
            match kept.send_request(request.clone()).await {
                Err(closed) if closed.is_canceled() || closed.is_closed() => {}
                answer => return Ok((answer?, kept)),
            }
        }
        let mut connection = self.connect().await?;
        Ok((connection.send_request(request).await?, connection))
    }

    fn kept(&self) -> Option<Connection> {
        self.idle().pop()
    }

    async fn connect(&self) -> Result<Connection, BenchError> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for `span`, so many at a time.
    ///
    /// # Errors
    /// [`BenchError`]; any other answer than the one that counts ends it.
    pub(super) async fn load(
        &self,
        make: &Make,
        (parallel, span): (usize, Duration),
    ) -> Result<Measured, BenchError> {
        let answered = Arc::new(AtomicU64::new(0));
        let (cpu, start) = (cpu_time(self.pid)?, Instant::now());
        let asking = (0..parallel).map(|n| {
            let answered = Arc::clone(&answered);
            async move {
                while start.elapsed() < span {
                    self.ask(&make(n)).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, BenchError>(())
            }
        });
        try_join_all(asking).await?;
        Measured::since(start, (self.pid, cpu), &answered)
    }

    /// Asks until the answer fits, for a while.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn wait(
        &self,
        ask: &Ask,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, BenchError> {
        let begun = Instant::now();
        loop {
            let answer = self.ask(ask).await?;
            if fits(&answer) {
                return Ok(answer);
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
