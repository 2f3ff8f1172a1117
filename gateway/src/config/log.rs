//! `[log]`: what is logged, and how.

use serde::Deserialize;

/// `[log]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogSection {
    /// How a line looks.
    pub(crate) format: LogFormat,
    /// What is logged; `info` has one line for each request.
    pub(crate) level: LogLevel,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and everything graver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What stops the service.
    Error,
    /// What an operator should look at.
    Warn,
    /// What was done: one line for each request.
    #[default]
    Info,
    /// How it was done.
    Debug,
    /// Everything.
    Trace,
}
