//! A service provider of a sandbox, as its own developer would act for it: with curl.

use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::condition::wait_for;
use crate::curl::{Answer, Curl};

/// A service provider: its id, its files, what it was granted.
pub struct Party {
    /// scsAsId = OAuth client = certificate identity.
    pub id: String,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Key, PEM.
    pub key: PathBuf,
    /// A service URI (third party SP) or a serial number prefix (IoT SP).
    pub grant: String,
    /// `https://host:port` of the T8 listener.
    pub root: String,
    /// The authority that server certificates are checked against.
    pub authority: PathBuf,
    /// Where its notifications go.
    pub callback: String,
    /// Where they can be looked at.
    pub inbox: Inbox,
    pub(crate) token: Mutex<Option<String>>,
}

/// The notifications a party has received.
#[derive(Clone)]
pub struct Inbox {
    /// `http://host:port/<sp id>`.
    pub url: String,
}

impl Inbox {
    /// All of them so far, oldest first: `{receivedAt, path, headers, body}`.
    pub fn all(&self) -> Vec<Value> {
        let answer = Curl::new("GET", &self.url).send().expect(200);
        answer.json().as_array().cloned().unwrap_or_default()
    }

    /// All of them so far, each byte by byte as the inbox shows it.
    pub fn items(&self) -> Vec<String> {
        let answer = Curl::new("GET", &self.url).send().expect(200);
        let items: Vec<&RawValue> = serde_json::from_str(&answer.body).expect("a JSON array");
        items.iter().map(|item| item.get().to_owned()).collect()
    }

    /// The bodies of those that are about this mapping, or carry this service URI and UTI.
    pub fn about(&self, uti: &str) -> Vec<Value> {
        let bodies = self
            .all()
            .into_iter()
            .map(|received| received["body"].clone());
        bodies.filter(|body| body["uti"] == uti).collect()
    }

    /// Waits until a body about `uti` fits.
    pub fn wait(&self, uti: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.about(uti).into_iter().find(|body| fits(body)))
    }
}

impl Party {
    /// curl with the party's certificate, to a path below the root or an absolute link.
    pub fn curl(&self, method: &str, path: &str) -> Curl {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.root)
        };
        Curl::new(method, &url)
            .root(&self.authority)
            .certificate(&self.certificate, &self.key)
    }

    /// Asks for a token; `scope` empty for all of the party's roles.
    pub fn ask_token(&self, scope: &str) -> Answer {
        let form = if scope.is_empty() {
            "grant_type=client_credentials".to_owned()
        } else {
            format!(
                "grant_type=client_credentials&scope={}",
                scope.replace(' ', "+")
            )
        };
        self.curl("POST", "/oauth2/token").form(&form).send()
    }

    /// A token for all scopes, fetched once.
    pub fn token(&self) -> String {
        let mut known = self.token.lock().unwrap();
        known
            .get_or_insert_with(|| {
                let answer = self.ask_token("").expect(200);
                answer.json()["access_token"]
                    .as_str()
                    .expect("a token")
                    .to_owned()
            })
            .clone()
    }

    /// Forgets the token, for instance after a restart of the gateway.
    pub fn forget_token(&self) {
        *self.token.lock().unwrap() = None;
    }

    /// Calls with certificate and token.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let curl = self.curl(method, path).bearer(&self.token());
        match body {
            Some(body) => curl.json(body).send(),
            None => curl.send(),
        }
    }

    /// `GET` with certificate and token.
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// `POST` with certificate and token.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// `PUT` with certificate and token.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, Some(body))
    }

    /// `DELETE` with certificate and token.
    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None)
    }

    /// A path of one of its APIs: `/<api>/v1/<its id>/<rest>`.
    pub fn path(&self, api: &str, rest: &str) -> String {
        format!("/{api}/v1/{}/{rest}", self.id)
    }
}
