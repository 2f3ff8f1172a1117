//! The API as a value: the service it stands on, and what does not change while it runs.

use std::sync::Arc;

use bytes::Bytes;
use ics_core::id::Origin;
use ics_core::port::{Authenticator, Clock, PortFuture, RateLimiter};
use ics_core::service::IcsService;
use utoipa::openapi::OpenApi;
use utoipa::openapi::server::ServerBuilder;

use crate::resource::bulk::Places;
use crate::resource::discovery;
use crate::socket::Sockets;

/// What the operator and the gateway say of this API.
#[derive(Clone)]
pub struct Settings {
    /// Scheme, host and port under which callers reach it, `https://host[:port]`.
    pub api_root: String,
    /// The public key of callback signatures, as the JSON text of a JWK (RFC 7517).
    pub callback_jwk: Option<String>,
    /// Documents of other packages on the same listener, served in one with this one.
    pub other_documents: Vec<OpenApi>,
}

/// Why settings are not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Not `https://host[:port]`.
    #[error("the API root must be `https://host[:port]`")]
    ApiRoot,
    /// Not the JSON object of a public key.
    #[error("the callback key must be a public JWK")]
    CallbackJwk,
    /// The document cannot be written.
    #[error("the OpenAPI document cannot be written")]
    Document,
}

/// The T8-style API over one service.
pub struct T8Api {
    pub(crate) service: Arc<IcsService>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) root: String,
    pub(crate) discovery: Bytes,
    pub(crate) document: Bytes,
    pub(crate) sockets: Arc<Sockets>,
    /// Places of bulk inquiries under way.
    pub(crate) bulks: Arc<Places>,
    pub(crate) challenges: Option<Arc<dyn ChallengeReader>>,
}

/// Reads what is served at a URL that somebody else named: over https, of an address that may be
/// connected to, without following where it leads.
pub trait ChallengeReader: Send + Sync {
    /// What was answered with 200, the beginning of it; `None` where nothing was.
    fn read<'a>(&'a self, url: &'a str) -> PortFuture<'a, Option<Vec<u8>>>;
}

impl T8Api {
    /// An API over these ports.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn new(
        service: Arc<IcsService>,
        authenticator: Arc<dyn Authenticator>,
        limiter: Arc<dyn RateLimiter>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, InvalidSettings> {
        let origin = Origin::parse(&settings.api_root).map_err(|_| InvalidSettings::ApiRoot)?;
        let root = origin.as_str().to_owned();
        let jwk = settings.callback_jwk.as_deref().map(read_jwk).transpose()?;
        let discovery =
            discovery::write(&root, jwk.as_ref()).map_err(|_| InvalidSettings::Document)?;
        let mut document = crate::openapi();
        for other in settings.other_documents {
            document.merge(other);
        }
        document.servers = Some(vec![ServerBuilder::new().url(root.clone()).build()]);
        let document = document.to_json().map_err(|_| InvalidSettings::Document)?;
        Ok(Self {
            service,
            authenticator,
            limiter,
            clock,
            root,
            discovery: discovery.into(),
            document: document.into(),
            sockets: Arc::default(),
            bulks: Arc::default(),
            challenges: None,
        })
    }

    /// This API with a way to read the challenges that service providers serve; without one none is read.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Arc<dyn ChallengeReader>) -> Self {
        self.challenges = Some(challenges);
        self
    }

    /// This API with its websockets kept in `sockets`, where whoever delivers finds them, and
    /// whoever stops the gateway.
    #[must_use]
    pub fn with_sockets(mut self, sockets: Arc<Sockets>) -> Self {
        self.sockets = sockets;
        self
    }
}

/// A JWK of a key pair's public half: a private member is a mistake nobody must read about.
fn read_jwk(text: &str) -> Result<serde_json::Value, InvalidSettings> {
    let jwk: serde_json::Value =
        serde_json::from_str(text).map_err(|_| InvalidSettings::CallbackJwk)?;
    let members = jwk.as_object().ok_or(InvalidSettings::CallbackJwk)?;
    let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
    if !members.contains_key("kty") || private.iter().any(|name| members.contains_key(*name)) {
        return Err(InvalidSettings::CallbackJwk);
    }
    Ok(jwk)
}

#[cfg(test)]
mod tests;
