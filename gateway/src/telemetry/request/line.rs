//! The line of the log that a request leaves, and the id that joins it to the decision log's.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::LogFormat;

/// A line being written. Values come from fixed alphabets (ids, patterns, numbers of ours), so
/// nothing in them needs escaping.
pub(super) struct Line {
    text: String,
    json: bool,
}

impl Line {
    pub(super) fn begin(format: LogFormat, now: &str) -> Self {
        let mut line = Self {
            text: String::with_capacity(320),
            json: format == LogFormat::Json,
        };
        // Writing to a string does not fail, here and below.
        let _ = if line.json {
            write!(
                line.text,
                r#"{{"timestamp":"{now}","level":"INFO","target":"{TARGET}","message":"request""#
            )
        } else {
            write!(line.text, "{now}  INFO {TARGET}: request")
        };
        line
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        let (before, between, after) = if self.json {
            (",\"", "\":\"", "\"")
        } else {
            (" ", "=", "")
        };
        for part in [before, name, between, value, after] {
            self.text.push_str(part);
        }
    }

    pub(super) fn plain(&mut self, name: &str, value: impl fmt::Display) {
        let _ = if self.json {
            write!(self.text, r#","{name}":{value}"#)
        } else {
            write!(self.text, " {name}={value}")
        };
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.text.push_str(if self.json { "}\n" } else { "\n" });
        self.text.into_bytes()
    }
}

const TARGET: &str = "ics_gateway::request";

/// Start of the process and a running number.
pub(crate) struct RequestId(u64);

impl RequestId {
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static STARTED: std::sync::OnceLock<u128> = std::sync::OnceLock::new();
        let started = STARTED.get_or_init(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis()
        });
        write!(f, "{started:x}-{:x}", self.0)
    }
}
