//! The times of a request (TS-0004 7.3.2.1): until when it may be answered, until when its answer is
//! of use, when it is to be done. Each is absolute, milliseconds from now, or a period `PT2S`.

use std::time::Duration;

use ics_core::port::Clock;
use ics_core::time::Timestamp;

use crate::primitive::{Refusal, Request};
use crate::rsc::Rsc;
use crate::time;

/// The longest a request waits for the time it is to be done at.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long the answer to a non-blocking request is kept when nothing is said, and at most.
const KEPT: Duration = Duration::from_secs(3600);

/// What a request says of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// `rqet`.
    pub(super) answered_until: Option<Timestamp>,
    execution: Option<Timestamp>,
    persistence: Option<Timestamp>,
    result: Option<Timestamp>,
}

impl Times {
    /// Reads them; 4008 where one is over.
    pub(super) fn read(request: &Request, now: Timestamp) -> Result<Self, Refusal> {
        let read = |name: &str, text: &Option<String>| {
            let wrong = || Refusal::about(Rsc::BadRequest, name, "is no time");
            let time = text.as_deref().map(|text| time::parse_relative(text, now));
            time.map(|time| time.ok_or_else(wrong)).transpose()
        };
        let times = Self {
            answered_until: read("rqet", &request.request_expiration)?,
            execution: read("oet", &request.operation_execution)?,
            persistence: read("rp", &request.result_persistence)?,
            result: read("rset", &request.result_expiration)?,
        };
        for end in [times.answered_until, times.result].into_iter().flatten() {
            if end <= now {
                return Err(Refusal::new(Rsc::RequestTimeout, "the request is over"));
            }
        }
        times.check_order()?;
        if times
            .execution
            .is_some_and(|at| at > now.plus(LONGEST_WAIT))
        {
            let said = "is further away than a request waits here: a minute";
            return Err(Refusal::about(Rsc::NotImplemented, "oet", said));
        }
        Ok(times)
    }

    /// Nothing is answered after it is of use, nor done after it is answered.
    fn check_order(self) -> Result<(), Refusal> {
        let is_after = |a: Option<Timestamp>, b: Option<Timestamp>| {
            a.zip(b).is_some_and(|(earlier, later)| earlier > later)
        };
        let refuse = |name: &str, said: &str| Err(Refusal::about(Rsc::BadRequest, name, said));
        if is_after(self.answered_until, self.result) {
            return refuse("rset", "lies before the end of the request");
        }
        if is_after(self.execution, self.answered_until) || is_after(self.execution, self.result) {
            return refuse("oet", "lies behind the end of the request");
        }
        Ok(())
    }

    /// Returns when the request is to be done.
    pub(super) async fn wait(self, clock: &dyn Clock) {
        if let Some(at) = self.execution {
            tokio::time::sleep(at.since(clock.now()).min(LONGEST_WAIT)).await;
        }
    }

    /// Until when the answer to a non-blocking request is kept.
    pub(super) fn kept_until(self, now: Timestamp) -> Timestamp {
        let latest = now.plus(KEPT);
        let wanted = self.persistence.or(self.result).or(self.answered_until);
        wanted.unwrap_or(latest).min(latest)
    }
}
