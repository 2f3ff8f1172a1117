//! The sockets: HTTP/1.1 over mutual TLS to the hosts of SPs. The only file, with the resolver
//! beside it, that names the HTTP client.
//!
//! Never follows a redirect, uses no proxy, speaks nothing but https, connects to vetted addresses
//! alone, waits for nobody longer than it was told, and reads no more of an answer than it needs.

mod resolver;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Request, Response, Url};
use rustls::ClientConfig;

use crate::vetting::{AddressRefused, AddressRules};
use resolver::VettingResolver;

/// The most bytes read of an answer.
const ANSWER_MAX: usize = 16 * 1024;

/// How long a connection is kept for the next callback to the same host.
const IDLE: Duration = Duration::from_secs(30);

/// Clients kept at once; above, all are dropped and made again as needed.
const CLIENTS_MAX: usize = 1024;

/// How long to wait for a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the connection, TLS included.
    pub(crate) connect: Duration,
    /// From the first byte sent to the last one read, the connection included.
    pub(crate) total: Duration,
}

/// Sends requests to vetted addresses.
///
/// One client for each host and port, for the address rules know ports and a pool must not be
/// shared by hosts of different SPs. A name is resolved, vetted and connected to in one step; a
/// kept connection goes to the address that was vetted when it was made.
pub(crate) struct Driver {
    tls: ClientConfig,
    rules: Arc<AddressRules>,
    patience: Patience,
    clients: Mutex<HashMap<(String, u16), Client>>,
}

/// What a host answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body, or its beginning where it was too long or broke off.
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Not a URL that can be sent to.
    #[error("not a sendable url")]
    Url,
    /// Its address may not be connected to.
    #[error(transparent)]
    Address(#[from] AddressRefused),
    /// The name has no address, nobody listens, or TLS failed: another certificate than needed.
    #[error("connection failed")]
    Connect,
    /// Nothing in time.
    #[error("timed out")]
    Timeout,
    /// The connection broke before there was an answer; with TLS 1.3 also a refused certificate of
    /// ours.
    #[error("connection broke")]
    Broken,
}

impl Driver {
    /// A driver over `tls`, which brings the trusted roots and our own certificate.
    pub(crate) fn new(mut tls: ClientConfig, rules: AddressRules, patience: Patience) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.enable_early_data = false;
        Self {
            tls,
            rules: Arc::new(rules),
            patience,
            clients: Mutex::default(),
        }
    }

    /// Reads a destination; the text of the result is what will be asked for.
    pub(crate) fn parse_target(text: &str) -> Result<Url, NoAnswer> {
        let url = Url::parse(text).map_err(|_| NoAnswer::Url)?;
        let plain = url.scheme() == "https" && url.username().is_empty();
        if plain && url.has_host() && url.password().is_none() && url.fragment().is_none() {
            Ok(url)
        } else {
            Err(NoAnswer::Url)
        }
    }

    /// Sends `request` and waits for the answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, NoAnswer> {
        let client = self.client_for(request.url())?;
        let response = client.execute(request).await;
        Ok(read_answer(response.map_err(|error| classify(&error))?).await)
    }

    fn client_for(&self, url: &Url) -> Result<Client, NoAnswer> {
        let url = Self::parse_target(url.as_str())?;
        let host = url.host_str().ok_or(NoAnswer::Url)?;
        let port = url.port_or_known_default().ok_or(NoAnswer::Url)?;
        // An IP literal never meets the resolver.
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = literal.parse::<IpAddr>() {
            self.rules.check(SocketAddr::new(ip, port))?;
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (host.to_owned(), port);
        if let Some(client) = clients.get(&name) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let client = self.build_client(port)?;
        clients.insert(name, client.clone());
        Ok(client)
    }

    fn build_client(&self, port: u16) -> Result<Client, NoAnswer> {
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(self.patience.connect)
            .timeout(self.patience.total)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(8)
            .dns_resolver(VettingResolver::new(port, self.rules.clone()))
            .build()
            .map_err(|_| NoAnswer::Connect)
    }
}

impl Answer {
    /// `Retry-After` as it was sent (RFC 9110 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<&str> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()
    }
}

/// The status counts; a body that breaks off or runs over does not undo it.
async fn read_answer(mut response: Response) -> Answer {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_MAX.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body,
    }
}

/// The error's own text names the URL, so it goes nowhere.
fn classify(error: &reqwest::Error) -> NoAnswer {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<AddressRefused>() {
            return NoAnswer::Address(*refused);
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        NoAnswer::Timeout
    } else if error.is_connect() {
        NoAnswer::Connect
    } else if error.is_builder() {
        NoAnswer::Url
    } else {
        NoAnswer::Broken
    }
}

#[cfg(test)]
pub(crate) mod tests;
