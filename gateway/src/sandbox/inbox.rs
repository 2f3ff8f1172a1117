//! The notifications the sandbox's service providers have received, to look at. They outlive the
//! sandbox: whoever acknowledges a notification must not forget it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;

/// How many notifications are kept for each service provider; the oldest go first.
const KEPT: usize = 200_000;

/// One notification as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    kept: Mutex<Kept>,
    arrivals: UnboundedSender<(String, Received)>,
}

struct Kept {
    received: BTreeMap<String, VecDeque<Received>>,
    file: File,
}

impl Kept {
    fn push(&mut self, sp: &str, notification: Received) {
        let own = self.received.entry(sp.to_owned()).or_default();
        if own.len() >= KEPT {
            own.pop_front();
        }
        own.push_back(notification);
    }
}

impl Inbox {
    /// What was received before, from the file at `path`; each new arrival is written to it, and
    /// told to `arrivals`.
    ///
    /// # Errors
    /// [`io::Error`]. A line cut off by an abrupt end is passed over: it was never acknowledged.
    pub(crate) fn open(
        path: &Path,
        arrivals: UnboundedSender<(String, Received)>,
    ) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut kept = Kept {
            received: BTreeMap::new(),
            file,
        };
        let mut is_whole = true;
        for line in BufReader::new(kept.file.try_clone()?).split(b'\n') {
            let read = read_line(&line?);
            is_whole = read.is_some();
            if let Some((sp, received)) = read {
                kept.push(&sp, received);
            }
        }
        if !is_whole {
            kept.file.write_all(b"\n")?;
        }
        Ok(Self {
            kept: Mutex::new(kept),
            arrivals,
        })
    }

    /// Takes one in. It may be acknowledged then, and not before.
    ///
    /// # Errors
    /// [`io::Error`] when it could not be written down.
    pub(crate) fn put(&self, sp: &str, notification: Received) -> io::Result<()> {
        let mut line = STANDARD.encode(serde_json::to_vec(&(sp, &notification))?);
        line.push('\n');
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.file.write_all(line.as_bytes())?;
        kept.push(sp, notification.clone());
        drop(kept);
        // Nobody listens any more when the sandbox is going down.
        let _ = self.arrivals.send((sp.to_owned(), notification));
        Ok(())
    }

    /// What `sp` has received so far, oldest first.
    pub(crate) fn of(&self, sp: &str) -> Vec<Received> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.received
            .get(sp)
            .map(|own| own.iter().cloned().collect())
            .unwrap_or_default()
    }
}

/// A line of the file: whose, and what, as JSON in base64. Who searches the sandbox's directory
/// for an identifier shall find what the gateway keeps, not what a service provider was sent.
fn read_line(line: &[u8]) -> Option<(String, Received)> {
    serde_json::from_slice(&STANDARD.decode(line).ok()?).ok()
}
