//! For `tests/fuzz` alone, behind the feature `fuzzing`.

use std::time::Duration;

use ics_core::id::CallbackUri;
use ics_core::time::Timestamp;

/// How long a `Retry-After` asks to wait.
#[must_use]
pub fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    crate::outcome::parse_retry_after(text, now)
}

/// The `Authorization` header made of a token endpoint's answer, and until when it is used.
#[must_use]
pub fn hold_token(
    body: &[u8],
    endpoint: &CallbackUri,
    now: Timestamp,
) -> Option<(Vec<u8>, Timestamp)> {
    let response = serde_json::from_slice(body).ok()?;
    let held = crate::token::hold(&response, endpoint, now).ok()?;
    Some((held.authorization.as_bytes().to_vec(), held.usable_until))
}

/// Host and port that a destination is sent to.
#[must_use]
pub fn parse_target(text: &str) -> Option<(String, u16)> {
    let url = crate::driver::Driver::parse_target(text).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}
