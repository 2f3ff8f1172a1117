//! Which tokens were used, until they are over: each is good for one request. The same token again is
//! the same request again, which is told what the first was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ics_core::id::SpId;
use ics_core::time::Timestamp;
use tokio::sync::watch;

use super::NotProved;
use crate::primitive::{Outcome, Refusal};
use crate::rsc::Rsc;

/// How many are remembered, of all and of one service provider: nobody can take all places.
const MOST: usize = 65_536;
const MOST_OF_ONE: usize = 16_384;

/// The tokens that were used.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    tokens: HashMap<Name, Entry>,
    ends: BTreeSet<(Timestamp, Name)>,
    of: HashMap<SpId, usize>,
}

/// Whose token, and its `jti`.
type Name = (SpId, String);

#[derive(Debug)]
struct Entry {
    digest: [u8; 32],
    answer: watch::Receiver<Option<Outcome>>,
}

/// What using a token comes to.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is used for the first time; the answer is to be left here.
    First(Slot),
    /// It was used before, for this very request.
    Again(Answered),
}

/// Where the answer of the first request is left.
#[derive(Debug)]
pub(crate) struct Slot(watch::Sender<Option<Outcome>>);

/// Where the answer of the first request is found, or will be.
#[derive(Debug)]
pub(crate) struct Answered(watch::Receiver<Option<Outcome>>);

impl Memory {
    /// Uses a token: by whom, its `jti`, the digest of all of it, and when it is over.
    pub(crate) fn enter(
        &self,
        (sp, jti): (&SpId, String),
        digest: [u8; 32],
        (expires, now): (Timestamp, Timestamp),
    ) -> Result<Entered, Refusal> {
        let mut used = self.lock();
        used.forget_until(now);
        let name = (sp.clone(), jti);
        if let Some(entry) = used.tokens.get(&name) {
            if entry.digest != digest {
                return Err(NotProved::Replayed.into());
            }
            return Ok(Entered::Again(Answered(entry.answer.clone())));
        }
        let of_one = used.of.get(sp).copied().unwrap_or(0);
        if used.tokens.len() >= MOST || of_one >= MOST_OF_ONE {
            let said = "too many requests with `tok`: come back in 300 s";
            return Err(Refusal::new(Rsc::InternalServerError, said));
        }
        let (sender, answer) = watch::channel(None);
        used.of.insert(sp.clone(), of_one.saturating_add(1));
        used.ends.insert((expires, name.clone()));
        used.tokens.insert(name, Entry { digest, answer });
        Ok(Entered::First(Slot(sender)))
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn forget_until(&mut self, now: Timestamp) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, name)) = self.ends.pop_first() else {
                return;
            };
            self.tokens.remove(&name);
            if let Some(count) = self.of.get_mut(&name.0) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.of.remove(&name.0);
                }
            }
        }
    }
}

impl Slot {
    /// Leaves the answer for whoever asks the same again.
    pub(crate) fn fill(self, outcome: &Outcome) {
        self.0.send_replace(Some(outcome.clone()));
    }
}

impl Answered {
    /// The answer of the first request; waits for it where that is still at work.
    pub(crate) async fn wait(mut self) -> Outcome {
        let answer = self.0.wait_for(Option::is_some).await;
        let answer = answer.ok().and_then(|answer| answer.clone());
        // Whoever asked first went away, and its request with it.
        answer.unwrap_or_else(|| {
            let said = "the request was given up before it was answered: sign again";
            Err(Refusal::new(Rsc::InternalServerError, said))
        })
    }
}

#[cfg(test)]
mod tests;
