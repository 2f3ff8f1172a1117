//! Tokens towards SPs that registered a token endpoint (reading 27: the gateway is an OAuth client
//! of theirs). Client credentials (RFC 6749 4.4), the client known by its certificate (RFC 8705).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ics_core::id::{CallbackUri, SpId};
use ics_core::party::Party;
use ics_core::time::Timestamp;
use oauth2::basic::{BasicClient, BasicTokenResponse, BasicTokenType};
use oauth2::{AuthType, ClientId, HttpRequest, HttpResponse, TokenResponse as _, TokenUrl, http};
use reqwest::Request;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex as AsyncMutex;

use crate::driver::{Driver, NoAnswer};

/// A token is not used in the last moments of its life.
const MARGIN: Duration = Duration::from_secs(30);

/// How long a token lives whose endpoint does not say.
const LIFETIME_UNSAID: Duration = Duration::from_secs(300);

/// Why there is no token. What the endpoint said goes nowhere: it is foreign text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoToken {
    /// The token endpoint gave no answer.
    #[error(transparent)]
    Unreachable(NoAnswer),
    /// It answered, but with no usable bearer token.
    #[error("token endpoint gave no token")]
    Refused,
}

/// The tokens held, by SP.
pub(crate) struct Tokens {
    client_id: String,
    held: Mutex<HashMap<SpId, Cell>>,
}

/// Locked while a token is fetched: many deliveries, one request.
type Cell = Arc<AsyncMutex<Option<Held>>>;

pub(crate) struct Held {
    endpoint: CallbackUri,
    pub(crate) authorization: HeaderValue,
    pub(crate) usable_until: Timestamp,
}

impl Tokens {
    pub(crate) fn new(client_id: String) -> Self {
        Self {
            client_id,
            held: Mutex::default(),
        }
    }

    /// The `Authorization` header `party` wants; `None` where it registered no token endpoint.
    pub(crate) async fn authorization(
        &self,
        driver: &Arc<Driver>,
        party: &Party,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, NoToken> {
        let Some(endpoint) = &party.token_endpoint else {
            return Ok(None);
        };
        let cell = self.cell(&party.id);
        let mut held = cell.lock().await;
        if let Some(token) = held.as_ref()
            && token.endpoint == *endpoint
            && now < token.usable_until
        {
            return Ok(Some(token.authorization.clone()));
        }
        *held = None;
        let response = self.request_token(driver, endpoint).await?;
        let token = hold(&response, endpoint, now)?;
        let authorization = token.authorization.clone();
        *held = Some(token);
        Ok(Some(authorization))
    }

    /// Forgets the token of `sp`, which was just refused, unless there is a newer one.
    pub(crate) async fn discard(&self, sp: &SpId, refused: &HeaderValue) {
        let cell = self.cell(sp);
        let mut held = cell.lock().await;
        if held.as_ref().is_some_and(|t| t.authorization == *refused) {
            *held = None;
        }
    }

    fn cell(&self, sp: &SpId) -> Cell {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(sp.clone()).or_default().clone()
    }

    async fn request_token(
        &self,
        driver: &Arc<Driver>,
        endpoint: &CallbackUri,
    ) -> Result<BasicTokenResponse, NoToken> {
        let url = TokenUrl::new(endpoint.as_str().to_owned())
            .map_err(|_| NoToken::Unreachable(NoAnswer::Url))?;
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(url)
            // RFC 8705 2: `client_id` in the form, no secret.
            .set_auth_type(AuthType::RequestBody);
        let driver = driver.clone();
        let exchange = move |request: HttpRequest| exchange(driver.clone(), request);
        let answer = client
            .exchange_client_credentials()
            .request_async(&exchange)
            .await;
        answer.map_err(|error| match error {
            oauth2::RequestTokenError::Request(no_answer) => NoToken::Unreachable(no_answer),
            _ => NoToken::Refused,
        })
    }
}

/// One exchange of the OAuth client over our own driver: vetted, mutual TLS, no redirects.
async fn exchange(driver: Arc<Driver>, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
    let request = Request::try_from(request).map_err(|_| NoAnswer::Url)?;
    let answer = driver.send(request).await?;
    let mut response = http::Response::new(answer.body);
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).map_err(|_| NoAnswer::Broken)?;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

pub(crate) fn hold(
    response: &BasicTokenResponse,
    endpoint: &CallbackUri,
    now: Timestamp,
) -> Result<Held, NoToken> {
    if !matches!(response.token_type(), BasicTokenType::Bearer) {
        return Err(NoToken::Refused);
    }
    let text = format!("Bearer {}", response.access_token().secret());
    let mut authorization = HeaderValue::try_from(text).map_err(|_| NoToken::Refused)?;
    authorization.set_sensitive(true);
    let lifetime = response.expires_in().unwrap_or(LIFETIME_UNSAID);
    Ok(Held {
        endpoint: endpoint.clone(),
        authorization,
        usable_until: now.plus(lifetime.saturating_sub(MARGIN)),
    })
}

#[cfg(test)]
mod tests;
