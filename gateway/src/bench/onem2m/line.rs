//! A client of a CSE over HTTP (TS-0009).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use reqwest::{Client, Method, Url};
use serde_json::Value;

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

/// An AE, as it comes to a CSE.
pub(super) struct Line {
    client: Client,
    base: Url,
    from: String,
    /// The process of the CSE.
    pid: u32,
    asked: AtomicU64,
}

impl Line {
    pub(super) fn new(base: &Url, from: &str, pid: u32) -> Self {
        Self {
            client: Client::new(),
            base: base.clone(),
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
        let url = format!(
            "{}{relative}{}",
            self.base.as_str().trim_end_matches('/'),
            ask.to
        );
        let mut request = self
            .client
            .request(ask.method.clone(), url)
            .header("X-M2M-Origin", &self.from)
            .header("X-M2M-RI", format!("{}-{number}", self.from))
            .header("X-M2M-RVI", "4");
        if let Some(content) = &ask.content {
            let media = match ask.ty {
                Some(ty) => format!("application/json;ty={ty}"),
                None => "application/json".to_owned(),
            };
            request = request.header("Content-Type", media);
            request = request.body(content.to_string());
        }
        let answer = request.send().await?;
        let code = answer.headers().get("x-m2m-rsc");
        let code = code.and_then(|code| code.to_str().ok()?.parse().ok());
        let body = answer.bytes().await?;
        if code != Some(ask.rsc) {
            return Err(BenchError::OneM2mAnswer(ask.to.clone(), code.unwrap_or(0)));
        }
        Ok(serde_json::from_slice(&body).unwrap_or_default())
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
