//! What an answer, or none, means for an entry and for its lane (t8 A.8).

use std::time::Duration;

use ics_core::outbox::Message;
use ics_core::time::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::cooldown::Sign;
use crate::driver::{Answer, NoAnswer};
use crate::token::NoToken;

/// The longest `Retry-After` that is heeded.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long what goes by websocket alone waits when none is open. It is recalled when one opens.
const NO_SOCKET_WAIT: Duration = Duration::from_secs(600);

/// What trying to deliver came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A 2xx.
    Accepted { status: u16 },
    /// A 4xx that trying again will not change.
    Refused { status: u16 },
    /// Any other answer, redirects among them.
    Struggling {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// No answer.
    Unreachable(NoAnswer),
    /// The SP's token endpoint gave no token.
    NoToken(NoToken),
    /// The entry lacks what it needs: nothing was sent.
    Unsendable,
    /// It went by websocket, and the SP acknowledged it.
    Acknowledged,
    /// It went by websocket, and no acknowledgement came in time.
    Unacknowledged,
    /// The AE, or its CSE, said no: it may have to be let in first, so it comes again.
    RefusedByAe,
    /// It goes by websocket alone, and none is open, or it ended before the acknowledgement.
    NoSocket,
}

impl Outcome {
    /// Reads an answer that came at `now`.
    pub(crate) fn of_answer(answer: &Answer, now: Timestamp) -> Self {
        let status = answer.status;
        match status {
            200..=299 => Self::Accepted { status },
            408 | 425 | 429 => Self::struggling(answer, now),
            400..=499 => Self::Refused { status },
            _ => Self::struggling(answer, now),
        }
    }

    fn struggling(answer: &Answer, now: Timestamp) -> Self {
        let retry_after = answer
            .retry_after()
            .and_then(|text| parse_retry_after(text, now));
        Self::Struggling {
            status: answer.status,
            retry_after,
        }
    }

    /// What it says of the host.
    pub(crate) fn sign(self, message: &Message) -> Sign {
        match self {
            Self::Accepted { .. } => Sign::Well,
            // The push is settled by it; all others come again, and a host that refuses every one
            // must not be asked for each of them each minute.
            Self::Refused { .. } if *message == Message::Assignment => Sign::Well,
            Self::Refused { .. } => Sign::Struggling { stay_away: None },
            Self::Struggling {
                status: 429 | 503,
                retry_after,
            } => Sign::Struggling {
                stay_away: retry_after,
            },
            Self::Struggling { .. } => Sign::Struggling { stay_away: None },
            Self::Unreachable(_) | Self::NoToken(_) => Sign::Gone,
            Self::Acknowledged => Sign::Well,
            Self::Unacknowledged | Self::RefusedByAe => Sign::Struggling { stay_away: None },
            // Says nothing of the host of callbacks, which the same lane serves.
            Self::NoSocket => Sign::NoSocket,
            Self::Unsendable => Sign::None,
        }
    }

    /// The least wait before the same entry is tried again, where the host named one.
    pub(crate) const fn least_wait(self) -> Duration {
        match self {
            Self::Struggling {
                retry_after: Some(least),
                ..
            } => least,
            // Not looked at again before a socket opens: a hundred thousand that wait for one must
            // not be written anew each minute.
            Self::NoSocket => NO_SOCKET_WAIT,
            _ => Duration::ZERO,
        }
    }

    /// The HTTP status, where there was one.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Accepted { status } | Self::Refused { status } => Some(status),
            Self::Struggling { status, .. } => Some(status),
            Self::Unreachable(_)
            | Self::NoToken(_)
            | Self::Unsendable
            | Self::Acknowledged
            | Self::Unacknowledged
            | Self::RefusedByAe
            | Self::NoSocket => None,
        }
    }

    /// What it is called in logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accepted { .. } | Self::Acknowledged => "accepted",
            Self::Refused { .. } | Self::RefusedByAe => "refused",
            Self::Struggling { .. } => "failed",
            Self::Unreachable(NoAnswer::Timeout) => "timeout",
            Self::Unreachable(NoAnswer::Address(_)) => "address-refused",
            Self::Unreachable(_) => "unreachable",
            Self::NoToken(_) => "no-token",
            Self::Unsendable => "unsendable",
            Self::Unacknowledged => "unacknowledged",
            Self::NoSocket => "no-socket",
        }
    }
}

/// Seconds, or an HTTP date (RFC 9110 10.2.3), bounded.
pub(crate) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
            let millis = i64::try_from(date.unix_timestamp_nanos() / 1_000_000).ok()?;
            Timestamp::from_millis(millis).since(now)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
