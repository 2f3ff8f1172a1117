//! The notifications the sandbox's service providers have received, to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

/// How many notifications are kept for each service provider; the oldest go first.
const KEPT: usize = 20_000;

/// One notification as it came.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    /// When, RFC 3339.
    pub(crate) received_at: String,
    /// The path of the request target.
    pub(crate) path: String,
    /// The header fields, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body, byte by byte where it is JSON, as text else: signatures cover its bytes.
    pub(crate) body: Box<RawValue>,
}

/// All of them, by service provider.
pub(crate) struct Inbox {
    received: Mutex<BTreeMap<String, VecDeque<Received>>>,
    arrivals: UnboundedSender<(String, Received)>,
}

impl Inbox {
    /// An empty one; each arrival is also told to `arrivals`.
    pub(crate) fn new(arrivals: UnboundedSender<(String, Received)>) -> Self {
        Self {
            received: Mutex::default(),
            arrivals,
        }
    }

    /// Takes one in.
    pub(crate) fn put(&self, sp: &str, notification: Received) {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let own = received.entry(sp.to_owned()).or_default();
        if own.len() >= KEPT {
            own.pop_front();
        }
        own.push_back(notification.clone());
        drop(received);
        // Nobody listens any more when the sandbox is going down.
        let _ = self.arrivals.send((sp.to_owned(), notification));
    }

    /// What `sp` has received so far, oldest first.
    pub(crate) fn of(&self, sp: &str) -> Vec<Received> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received
            .get(sp)
            .map(|own| own.iter().cloned().collect())
            .unwrap_or_default()
    }
}
