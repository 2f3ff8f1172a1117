//! A oneM2M client over HTTP (TS-0009): primitives in, primitives out, curl in between.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::curl::{Answer, Curl};

mod mqtt;
mod point_of_access;
mod token;
mod tree;

pub use mqtt::{MqttNotifications, OneM2mMqtt};
pub use point_of_access::{PointOfAccess, answer_primitive};
pub use token::{TokenClaims, TokenKey};
pub use tree::Tree;

/// Somebody who talks to a CSE.
#[derive(Clone)]
pub struct OneM2mClient {
    base: String,
    originator: Option<String>,
    release: String,
    root: Option<PathBuf>,
    shown: Option<(PathBuf, PathBuf)>,
}

/// A request, being put together.
pub struct OneM2mRequest {
    curl: Curl,
    id: String,
}

/// What the CSE answered.
#[derive(Clone, Debug)]
pub struct OneM2mAnswer {
    /// Response status code; 0 when none came.
    pub rsc: u16,
    /// The answer as HTTP has it.
    pub http: Answer,
}

impl OneM2mClient {
    /// One that comes as `originator` to the CSE at `base` (`http://host:port`), in release 4.
    pub fn new(base: &str, originator: &str) -> Self {
        Self {
            base: base.to_owned(),
            originator: Some(originator.to_owned()),
            release: "4".to_owned(),
            root: None,
            shown: None,
        }
    }

    /// Who it comes as.
    pub fn name(&self) -> &str {
        self.originator.as_deref().unwrap_or_default()
    }

    /// Sends `content`, whose one member is signed with `key`, as a request with an id of its own.
    #[track_caller]
    pub fn signed(
        &self,
        key: &TokenKey,
        (method, to): (&str, &str),
        ty: Option<u16>,
        content: &Value,
    ) -> OneM2mAnswer {
        let request = self.request(method, to);
        let operation = if method == "PUT" { 3 } else { 1 };
        let claims = TokenClaims::new(key, operation, to, &request.id);
        request.signed(ty, &key.sign_into(content, &claims))
    }

    /// The same, as somebody else.
    #[must_use]
    pub fn originator(&self, originator: &str) -> Self {
        Self {
            originator: Some(originator.to_owned()),
            ..self.clone()
        }
    }

    /// The same, without saying who.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self {
            originator: None,
            ..self.clone()
        }
    }

    /// The same, in another release.
    #[must_use]
    pub fn release(&self, release: &str) -> Self {
        Self {
            release: release.to_owned(),
            ..self.clone()
        }
    }

    /// The same, believing servers under this root.
    #[must_use]
    pub fn root(&self, root: &Path) -> Self {
        Self {
            root: Some(root.to_owned()),
            ..self.clone()
        }
    }

    /// The same, showing this certificate.
    #[must_use]
    pub fn certificate(&self, certificate: &Path, key: &Path) -> Self {
        Self {
            shown: Some((certificate.to_owned(), key.to_owned())),
            ..self.clone()
        }
    }

    /// CREATE of a resource of that type below `to`.
    pub fn create(&self, to: &str, ty: u16, content: &Value) -> OneM2mAnswer {
        self.request("POST", to).typed(ty, content).send()
    }

    /// RETRIEVE; `to` may go on with a query (`cse-in?fu=1`).
    pub fn retrieve(&self, to: &str) -> OneM2mAnswer {
        self.request("GET", to).send()
    }

    /// UPDATE.
    pub fn update(&self, to: &str, content: &Value) -> OneM2mAnswer {
        self.request("PUT", to).content(content).send()
    }

    /// DELETE.
    pub fn delete(&self, to: &str) -> OneM2mAnswer {
        self.request("DELETE", to).send()
    }

    /// NOTIFY.
    pub fn notify(&self, to: &str, content: &Value) -> OneM2mAnswer {
        self.request("POST", to).content(content).send()
    }

    /// Any request by that method; more can be added to it.
    pub fn request(&self, method: &str, to: &str) -> OneM2mRequest {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        let id = format!("t{}-{number}", std::process::id());
        let mut curl = Curl::new(method, &format!("{}{}", self.base, http_path(to)))
            .option("--globoff")
            .option("--path-as-is")
            .header("X-M2M-RI", &id)
            .header("X-M2M-RVI", &self.release)
            .header("Accept", "application/json");
        curl = match self.originator.as_deref() {
            None => curl,
            // curl's way to say a field with nothing in it.
            Some("") => curl.option("--header").option("X-M2M-Origin;"),
            Some(originator) => curl.header("X-M2M-Origin", originator),
        };
        if let Some(root) = &self.root {
            curl = curl.root(root);
        }
        if let Some((certificate, key)) = &self.shown {
            curl = curl.certificate(certificate, key);
        }
        OneM2mRequest { curl, id }
    }
}

/// TS-0009 6.2.2: an SP-relative `to` begins with `/~`, an absolute one with `/_`.
fn http_path(to: &str) -> String {
    if let Some(absolute) = to.strip_prefix("//") {
        format!("/_/{absolute}")
    } else if to.starts_with('/') {
        format!("/~{to}")
    } else {
        format!("/{to}")
    }
}

impl OneM2mRequest {
    /// One more header field.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self {
            curl: self.curl.header(name, value),
            ..self
        }
    }

    /// The content of a CREATE, with the type in the media type.
    #[must_use]
    pub fn typed(self, ty: u16, content: &Value) -> Self {
        self.header("Content-Type", &format!("application/json;ty={ty}"))
            .bytes(content.to_string().as_bytes())
    }

    /// The content of an UPDATE or a NOTIFY.
    #[must_use]
    pub fn content(self, content: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .bytes(content.to_string().as_bytes())
    }

    /// These bytes; their media type is the caller's business.
    #[must_use]
    pub fn bytes(self, content: &[u8]) -> Self {
        Self {
            curl: self.curl.bytes(content),
            ..self
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Asks with that content, of a CREATE where it has a type.
    #[track_caller]
    pub fn signed(self, ty: Option<u16>, content: &Value) -> OneM2mAnswer {
        match ty {
            Some(ty) => self.typed(ty, content).send(),
            None => self.content(content).send(),
        }
    }

    /// Asks. An answer to another request ends the test.
    #[track_caller]
    pub fn send(self) -> OneM2mAnswer {
        let http = self.curl.send();
        let code = http.header("x-m2m-rsc").map(str::parse);
        if code.is_some() {
            assert_eq!(http.header("x-m2m-ri"), Some(&*self.id), "{http:?}");
        }
        let rsc = code.map_or(0, |code| code.expect("a number in X-M2M-RSC"));
        OneM2mAnswer { rsc, http }
    }
}

impl OneM2mAnswer {
    /// This answer, when it has that response status code.
    #[track_caller]
    pub fn expect(self, rsc: u16) -> Self {
        assert_eq!(self.rsc, rsc, "{self:?}");
        self
    }

    /// Its content; `Null` when there is none.
    pub fn content(&self) -> Value {
        if self.http.body.trim().is_empty() {
            return Value::Null;
        }
        self.http.json()
    }

    /// What is in the content under that name: `m2m:ae`, `m2m:uril`.
    #[track_caller]
    pub fn member(&self, name: &str) -> Value {
        let mut content = self.content();
        assert!(content.get(name).is_some(), "no {name} in {self:?}");
        content[name].take()
    }
}

#[cfg(test)]
mod tests {
    use super::http_path;

    #[test]
    fn each_form_of_an_address_has_its_path() {
        assert_eq!(http_path("cse-in/a?fu=1"), "/cse-in/a?fu=1");
        assert_eq!(http_path("/id-in/cse-in/a"), "/~/id-in/cse-in/a");
        assert_eq!(http_path("//sp.example/id-in/-"), "/_/sp.example/id-in/-");
    }
}
