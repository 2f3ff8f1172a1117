//! The command line's way to the running gateway: the operator API over mutual TLS.
//!
//! Bodies are those of `ics_operator::wire`, from the other side. Redirects and proxies are not
//! followed; servers are believed under the operator's own authority alone.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::path::PathBuf;
use std::time::Duration;

use hyper::body::Bytes;
use ics_operator::wire::{Page, ProblemView};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::config::Config;
use crate::http_client::{ClientFiles, Waits, mutual_tls_client};
use crate::tls::CredentialError;

const WAITS: Waits = Waits {
    connection: Duration::from_secs(5),
    // De-mapping a million rows takes its time.
    answer: Duration::from_secs(600),
};
/// An answer that goes on for as long as it takes to read a store.
const LONG_ANSWER: Duration = Duration::from_secs(7 * 86_400);
/// How long nothing of it may come, its head included.
const SILENCE: Duration = Duration::from_secs(120);
/// About how many things such an answer has.
const COUNT: &str = "Ics-Count";
/// The path of the API.
const API: &str = "/operator/v1";
/// Items of one page.
const PAGE: usize = 500;

/// A call that was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Certificate, key or authority, or no client could be made of them.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Nobody answered.
    #[error("{}", unreachable_text(.0, .1))]
    Unreachable(String, reqwest::Error),
    /// The gateway said no.
    #[error("{}", refusal_text(.0))]
    Refused(Box<ProblemView>),
    /// It took the call, and said nothing.
    #[error("no answer from {0} for two minutes: the gateway hangs, or its store does")]
    Silent(String),
    /// It took the call, and did not answer to the end.
    #[error("the answer of {0} was cut off: {1}")]
    CutOff(String, String),
    /// An answer that is none of the operator API.
    #[error("unexpected answer {0}: is this the operator's listener of a gateway of this version?")]
    Unexpected(StatusCode),
}

impl CallError {
    /// Whether somebody listens there, who did not answer as hoped.
    pub(crate) fn is_from_a_listener(&self) -> bool {
        let Self::Unreachable(_, error) = self else {
            return !matches!(self, Self::Credential(_));
        };
        let was_refused = causes(error).any(|cause| {
            let of_socket = cause.downcast_ref::<io::Error>();
            of_socket.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
        // Nobody may be there at all, or silent.
        !was_refused && !error.is_timeout()
    }
}

/// Where the operator API is, and what to show to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `https://host:port`.
    pub(crate) url: String,
    /// The operator's authority, PEM.
    pub(crate) ca: PathBuf,
    /// The client certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// Its key, PEM, mode 0600.
    pub(crate) key: PathBuf,
}

impl Endpoint {
    /// The operator listener of the gateway that `config` is for, and the command line's
    /// certificate beside its own.
    pub(crate) fn of(config: &Config) -> Self {
        let beside = |name: &str| config.operator.certificate.with_file_name(name);
        Self {
            url: format!("https://{}", config.listen.operator),
            ca: config.operator.anchor.clone(),
            certificate: beside("cli.pem"),
            key: beside("cli.key"),
        }
    }
}

/// A client of the operator API.
pub(crate) struct OperatorClient {
    http: Client,
    root: String,
    /// How long nothing of a long answer may come.
    silence: Duration,
}

impl OperatorClient {
    /// A client of the gateway at `endpoint`.
    ///
    /// # Errors
    /// [`CallError::Credential`].
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, CallError> {
        let files = ClientFiles {
            certificate: &endpoint.certificate,
            key: &endpoint.key,
            root: &endpoint.ca,
        };
        let http = mutual_tls_client(files, WAITS)?;
        // Taken with the path of the API too, as its documents write it.
        let url = endpoint.url.trim_end_matches('/');
        let root = format!("{}{API}", url.strip_suffix(API).unwrap_or(url));
        Ok(Self {
            http,
            root,
            silence: SILENCE,
        })
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.send(Method::GET, path, None::<&()>).await
    }

    /// Reads `path` as text.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn read_text(&self, path: &str) -> Result<String, CallError> {
        let (status, bytes) = self.exchange(Method::GET, path, None::<&()>).await?;
        if !status.is_success() {
            return Err(refusal_of(status, &bytes));
        }
        String::from_utf8(bytes.into()).map_err(|_| CallError::Unexpected(status))
    }

    /// Posts `body` to `path`.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// At most `wanted` items of the list at `path`, page by page, and whether there are more.
    /// `filters` are names with values that need no escaping.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        filters: &[(&str, String)],
        wanted: usize,
    ) -> Result<(Vec<T>, bool), CallError> {
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let room = wanted.saturating_sub(items.len()).clamp(1, PAGE);
            let target = list_target(path, filters, (room, token.as_deref()));
            let page: Page<T> = self.read(&target).await?;
            items.extend(page.items);
            token = page.next_page_token;
            if token.is_none() || items.len() >= wanted {
                return Ok((items, token.is_some()));
            }
        }
    }

    /// Reads `path` piece by piece.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn stream(&self, path: &str) -> Result<Pieces, CallError> {
        let url = format!("{}{path}", self.root);
        let request = self.http.get(url).timeout(LONG_ANSWER);
        let failed = |error: reqwest::Error| {
            if was_closed(&error) && !error.is_connect() {
                CallError::CutOff(self.root.clone(), reason_of(&error))
            } else {
                CallError::Unreachable(self.root.clone(), error)
            }
        };
        let silent = |_| CallError::Silent(self.root.clone());
        let response = timeout(self.silence, request.send()).await;
        let response = response.map_err(silent)?.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            let bytes = timeout(self.silence, response.bytes()).await;
            let bytes = bytes.map_err(silent)?.map_err(failed)?;
            return Err(parse_answer::<()>(status, &bytes)
                .err()
                .unwrap_or(CallError::Unexpected(status)));
        }
        let count = response.headers().get(COUNT);
        let count = count.and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Pieces {
            root: self.root.clone(),
            count: count.ok_or(CallError::Unexpected(status))?,
            response,
            silence: self.silence,
        })
    }

    /// Where it calls.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let (status, bytes) = self.exchange(method, path, body).await?;
        parse_answer(status, &bytes)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let request = self.http.request(method, format!("{}{path}", self.root));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let unreachable = |error| CallError::Unreachable(self.root.clone(), error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        Ok((status, bytes))
    }
}

/// An answer as it comes.
pub(crate) struct Pieces {
    root: String,
    /// About how many keys, records or rows are to come.
    pub(crate) count: u64,
    response: Response,
    silence: Duration,
}

impl Pieces {
    /// The next piece; `None` when all came.
    ///
    /// # Errors
    /// [`CallError::CutOff`].
    pub(crate) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, CallError> {
        let cut_off = |reason| CallError::CutOff(self.root.clone(), reason);
        match timeout(self.silence, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(cut_off(reason_of(&error))),
            Err(_) => Err(cut_off("nothing came for two minutes".to_owned())),
        }
    }
}

/// What an answer says.
fn parse_answer<T: DeserializeOwned>(status: StatusCode, bytes: &[u8]) -> Result<T, CallError> {
    if status.is_success() {
        return serde_json::from_slice(bytes).map_err(|_| CallError::Unexpected(status));
    }
    Err(refusal_of(status, bytes))
}

/// What an answer that is no success says.
fn refusal_of(status: StatusCode, bytes: &[u8]) -> CallError {
    match serde_json::from_slice::<ProblemView>(bytes) {
        Ok(problem) => CallError::Refused(Box::new(problem)),
        Err(_) => CallError::Unexpected(status),
    }
}

fn list_target(
    path: &str,
    filters: &[(&str, String)],
    (limit, token): (usize, Option<&str>),
) -> String {
    let mut target = format!("{path}?limit={limit}");
    for (name, value) in filters {
        target.push_str(&format!("&{name}={value}"));
    }
    if let Some(token) = token {
        target.push_str(&format!("&page-token={token}"));
    }
    target
}

/// The gateway's refusal, plainly.
fn refusal_text(problem: &ProblemView) -> String {
    let mut text = format!("{} ({})", problem.title, problem.cause);
    if let Some(rows) = problem.affected_mappings {
        text = format!("{rows} live mappings would be de-mapped for good; repeat with --yes");
    } else if let Some(detail) = &problem.detail {
        text.push_str(&format!("\n  {detail}"));
    }
    if let Some(other) = &problem.conflicts_with {
        text.push_str(&format!("\n  in the way: {other}"));
    }
    for param in &problem.invalid_params {
        text.push_str(&format!("\n  {}: {}", param.param, param.reason));
    }
    text
}

/// The error and all that is behind it, the innermost last.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    successors(Some(first), |cause| (*cause).source())
}

/// Whether whoever answered closed the connection before the answer was through.
fn was_closed(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        let of_http = cause.downcast_ref::<hyper::Error>();
        let of_socket = cause.downcast_ref::<io::Error>();
        of_http.is_some_and(hyper::Error::is_incomplete_message)
            || of_socket.is_some_and(|error| {
                use io::ErrorKind::{
                    BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof,
                };
                let closed = [
                    BrokenPipe,
                    ConnectionAborted,
                    ConnectionReset,
                    UnexpectedEof,
                ];
                closed.contains(&error.kind())
            })
    })
}

/// The innermost cause, in words for whoever runs the gateway.
fn reason_of(error: &reqwest::Error) -> String {
    if was_closed(error) {
        return "the connection was closed before its end".to_owned();
    }
    let reason = causes(error).last().map(ToString::to_string);
    let reason = reason.unwrap_or_default();
    // Where a library explains itself is of no use here.
    let plain = reason
        .split_once(": https://")
        .map(|(plain, _)| plain.to_owned());
    plain.unwrap_or(reason)
}

fn unreachable_text(url: &str, error: &reqwest::Error) -> String {
    let reason = reason_of(error);
    format!(
        "no answer from {url}: {reason}\n  is the gateway running (`ics-gateway serve`), and are \
         --operator-url, --ca, --cert and --key those of its operator listener?"
    )
}

#[cfg(test)]
mod tests;
