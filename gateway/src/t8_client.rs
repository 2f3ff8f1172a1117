//! A T8 client as a service provider would write one: mutual TLS, client credentials, JSON.
//!
//! Used by the sandbox's simulated IoT SPs, the demo and the bench; never by the service.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::http_client::{ClientFiles, Waits, mutual_tls_client};
use crate::tls::CredentialError;

/// A call that did not come to an answer, or to one that was not hoped for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Certificate, key or root.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No answer.
    #[error("no answer from {0}: {1}")]
    Unreachable(String, reqwest::Error),
    /// Another status than the call is good for.
    #[error("{method} {url} was answered {status}: {body}")]
    Refused {
        /// The method.
        method: Method,
        /// Where.
        url: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body.
        body: String,
    },
}

/// How long the sandbox's own calls may take.
pub(crate) const WAITS: Waits = Waits {
    connection: Duration::from_secs(3),
    answer: Duration::from_secs(30),
};

/// A member of a JSON object; `Null` where there is none.
pub(crate) fn member<'a>(body: &'a Value, name: &str) -> &'a Value {
    body.get(name).unwrap_or(&Value::Null)
}

/// One service provider's way to the gateway.
pub(crate) struct T8Client {
    http: Client,
    root: String,
    token: Mutex<Option<String>>,
}

/// An answer: status, `Location` and the next page where there are any, body as JSON (`Null` when
/// empty).
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Where what was created is.
    pub(crate) location: Option<String>,
    /// Where a list goes on.
    pub(crate) next: Option<String>,
    /// Its body.
    pub(crate) body: Value,
}

impl T8Client {
    /// A client of the gateway at `root` (`https://host:port`).
    ///
    /// # Errors
    /// [`CredentialError`].
    pub(crate) fn new(root: &str, files: ClientFiles<'_>) -> Result<Self, CredentialError> {
        Ok(Self {
            http: mutual_tls_client(files, WAITS)?,
            root: root.into(),
            token: Mutex::default(),
        })
    }

    /// Calls `path` with a token; a fresh one when there is none yet, or it has run out.
    ///
    /// # Errors
    /// [`ClientError`] when no answer or no token came. Any status is an answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let known = self.known_token();
        let token = match known {
            Some(token) => token,
            None => self.fetch_token().await?,
        };
        let answer = self.send(method.clone(), path, body, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.fetch_token().await?;
        self.send(method, path, body, &token).await
    }

    /// Calls, and takes nothing but a 2xx.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn expect(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let answer = self.call(method.clone(), path, body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(ClientError::Refused {
            method,
            url: self.url(path),
            status: answer.status,
            body: answer.body.to_string(),
        })
    }

    /// A new token for all scopes of the client's roles (RFC 6749 4.4, RFC 8705).
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn fetch_token(&self) -> Result<String, ClientError> {
        let url = self.url("/oauth2/token");
        let unreachable = |error| ClientError::Unreachable(url.clone(), error);
        let response = self
            .http
            .post(&url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        match body.get("access_token").and_then(Value::as_str) {
            Some(token) if status.is_success() => {
                let mut known = self
                    .token
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                *known = Some(token.into());
                Ok(token.into())
            }
            _ => Err(ClientError::Refused {
                method: Method::POST,
                url,
                status,
                body: text,
            }),
        }
    }

    fn known_token(&self) -> Option<String> {
        self.token
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Links in answers are absolute; paths are below the root.
    fn url(&self, path: &str) -> String {
        if path.starts_with("https://") {
            path.into()
        } else {
            format!("{}{path}", self.root)
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: &str,
    ) -> Result<Answer, ClientError> {
        let url = self.url(path);
        let mut request = self.http.request(method.clone(), &url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |error| ClientError::Unreachable(url.clone(), error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let location = header("location");
        let next = header("link").and_then(|link| {
            let uri = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
            Some(uri.to_owned())
        });
        let text = response.text().await.map_err(unreachable)?;
        Ok(Answer {
            status,
            location,
            next,
            body: serde_json::from_str(&text).unwrap_or_default(),
        })
    }
}
