//! Requests of this CSE over HTTP: to the registrar, and to points of access that may be called.

use std::net::IpAddr;
use std::time::Duration;

use ics_core::id::Origin;
use ics_core::port::PortFuture;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};

use crate::binding::http::{MOST_CONTENT, read_response, write_request};
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Request, Response};

/// For one answer, connection included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which points of access are called, beside the registrar's. An AE says itself where it is: nobody
/// makes this CSE call where its operator did not say that it may.
#[derive(Clone, Debug)]
pub enum Reach {
    /// These origins.
    Pinned(Vec<Origin>),
    /// Any port of this host, in a sandbox.
    Loopback,
}

/// HTTP as a client. Redirects are not followed: that is the business of `client`.
pub struct HttpOutbound {
    client: Client,
    registrar: Option<Url>,
    reach: Reach,
}

/// The registrar's point of access is no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https URL")]
pub struct InvalidUrl;

impl HttpOutbound {
    /// Calls the registrar at `registrar`, where there is one, and others within `reach`.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(client: Client, registrar: Option<&str>, reach: Reach) -> Result<Self, InvalidUrl> {
        let registrar = registrar
            .map(|url| parse(url).ok_or(InvalidUrl))
            .transpose()?;
        Ok(Self {
            client,
            registrar,
            reach,
        })
    }

    /// Where `request` goes: `to` itself where that is a URL, else its path behind the point of access.
    fn target(&self, via: &Via, path: &str, to: &str) -> Result<Url, Unreachable> {
        let base = match via {
            Via::Registrar => self.registrar.clone().ok_or(Unreachable::Address)?,
            Via::PointOfAccess(point) => {
                let url = parse(point).ok_or(Unreachable::Address)?;
                if !self.may_call(&url) {
                    return Err(Unreachable::Address);
                }
                if to == point {
                    return Ok(url);
                }
                url
            }
        };
        let base = base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|_| Unreachable::Address)
    }

    fn may_call(&self, url: &Url) -> bool {
        match &self.reach {
            Reach::Pinned(origins) => {
                let origin = url.origin().ascii_serialization();
                origins.iter().any(|pinned| pinned.as_str() == origin)
            }
            Reach::Loopback => match url.host_str() {
                Some("localhost") => true,
                Some(host) => {
                    let bare = host.trim_start_matches('[').trim_end_matches(']');
                    bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
                }
                None => false,
            },
        }
    }

    async fn exchange(&self, via: &Via, request: &Request) -> Result<Response, Unreachable> {
        let outgoing = write_request(request);
        let url = self.target(via, &outgoing.path, &request.to)?;
        let method = Method::from_bytes(outgoing.method.as_bytes());
        let method = method.map_err(|_| Unreachable::Address)?;
        let mut http = reqwest::Request::new(method, url);
        for (name, value) in outgoing.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                http.headers_mut().insert(name, value);
            }
        }
        *http.body_mut() = Some(outgoing.body.into());
        let answer = self.client.execute(http).await;
        // The error's own text names the URL, so it goes nowhere.
        let answer = answer.map_err(|error| {
            if error.is_timeout() {
                Unreachable::Timeout
            } else {
                Unreachable::Connection
            }
        })?;
        let headers = answer.headers().clone();
        let body = read_bounded(answer).await?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        read_response(&header, &body, request).map_err(|_| Unreachable::Answer)
    }
}

impl Outbound for HttpOutbound {
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>> {
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, self.exchange(via, request))
                .await
                .unwrap_or(Err(Unreachable::Timeout))
        })
    }
}

/// What a peer answers is bounded: it is no more than what we would take.
async fn read_bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, Unreachable> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|_| Unreachable::Connection)? {
        if body.len().saturating_add(part.len()) > MOST_CONTENT {
            return Err(Unreachable::Answer);
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn parse(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    // Credentials in a URL would end in logs of others.
    (is_http && url.username().is_empty() && url.password().is_none()).then_some(url)
}
