//! What the HTTP adapters and their listeners share on actix-web: how a body is read, and how a
//! request whose body was not read is ended (RFC 9110 8.3, 8.4, 15.5; RFC 9112 9.6); what is noted while a
//! request is under way, for the line it leaves.
//!
//! Each adapter says its own terms and gives refusals its own shape: no status, no error body and
//! no identifier of anybody is known here.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answer;
mod body;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod media_type;
mod note;
mod unread;

use core::time::Duration;

pub use answer::hold_until_out;
pub use body::{BodyRefusal, DEADLINE, Terms, read_body};
pub use note::{carry, note, noted_during};
pub use unread::{HeldBody, hold_body};

/// `wait` for a `Retry-After` header (RFC 9110 10.2.3), in seconds: rounded up, so that who comes
/// back then is served, and never 0.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_second_counts_and_none_is_not_zero() {
        for (wait, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1001), 2),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(whole_seconds(wait), seconds, "{wait:?}");
        }
    }
}
