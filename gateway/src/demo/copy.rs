//! What a hosted device keeps of its mapping document, whatever it speaks, and what it writes of it.

use serde_json::{Value, json};

use crate::t8_client::member;

/// A pair the device stores (figure 3 step 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) mapping: String,
    pub(super) service_uri: String,
    pub(super) uti: String,
}

/// A device's copy of its document.
#[derive(Debug, Default)]
pub(super) struct Copy {
    version: u64,
    pub(super) pairs: Vec<Pair>,
}

impl Copy {
    /// Takes a document for the copy if it is newer; whether it was.
    pub(super) fn replace(&mut self, document: &Value) -> bool {
        let version = member(document, "v").as_u64().unwrap_or_default();
        let is_newer = version > self.version;
        if is_newer {
            let rows = member(document, "m").as_array().into_iter().flatten();
            self.version = version;
            self.pairs = rows.map(Pair::read).collect();
        }
        is_newer
    }

    /// That it is stored (figure 3 step 6).
    pub(super) fn acknowledgement(&self) -> String {
        json!({ "v": self.version }).to_string()
    }
}

impl Pair {
    /// That of a row of a document.
    pub(super) fn read(row: &Value) -> Self {
        let text = |name| member(row, name).as_str().unwrap_or_default().to_owned();
        Self {
            mapping: text("id"),
            service_uri: text("svc"),
            uti: text("uti"),
        }
    }

    /// That something happened; `data` is JSON, and stays as it is.
    pub(super) fn event(&self, data: &str) -> String {
        format!(r#"{{"id":"{}","data":{data}}}"#, self.mapping)
    }

    /// That the device gives it up.
    pub(super) fn revocation(&self) -> String {
        json!({ "id": self.mapping }).to_string()
    }
}
