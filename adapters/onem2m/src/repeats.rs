//! What was asked before is not done again (TS-0010 6.4: a broker delivers a message of QoS 1 at least
//! once; over HTTP and CoAP, who lost an answer asks again with the same `rqi`).
//!
//! A repetition is the same request, word by word, from the same caller: with `fr` and `rqi` alone,
//! which are claims and may be overheard, one originator would be told what another was answered.
//! What changes nothing is done again instead, and so is what was not done.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::port::Clock;
use ics_core::time::Timestamp;
use tokio::sync::watch;

use crate::primitive::{Operation, Request, Response};

/// How long an answer is kept: as long as a `tok` may hold.
const KEPT: Duration = Duration::from_secs(300);
/// How many, and bytes of them.
const MOST: usize = 4096;
const MOST_BYTES: usize = 16 << 20;
/// What an answer takes beside its content.
const OVERHEAD: usize = 512;

/// Requests that are at work, or were answered of late. `A` is what was answered.
pub struct Repeats<A> {
    response: fn(&A) -> &Response,
    secret: RandomState,
    known: Mutex<Known<A>>,
}

/// Caller, `fr`, `rqi`.
type Key = (String, String, String);

struct Known<A> {
    entries: HashMap<Key, Entry<A>>,
    /// Those that were answered, with when they are forgotten; oldest first.
    answered: VecDeque<(Timestamp, Key, usize)>,
    bytes: usize,
}

struct Entry<A> {
    /// Tells the request from another with the same id.
    print: u64,
    answer: watch::Receiver<Option<A>>,
}

/// What a request is.
enum Begun<'a, A: Clone> {
    First(Turn<'a, A>),
    /// It was asked before; the answer is there, or comes.
    Repeated(watch::Receiver<Option<A>>),
    /// Another one, with an id that is taken.
    Other,
}

impl<A: Clone> Repeats<A> {
    /// Remembers nothing yet; `response` finds the primitive in an answer.
    #[must_use]
    pub fn new(response: fn(&A) -> &Response) -> Self {
        Self {
            response,
            secret: RandomState::new(),
            known: Mutex::new(Known {
                entries: HashMap::new(),
                answered: VecDeque::new(),
                bytes: 0,
            }),
        }
    }

    /// Does `work`, which answers `request`, unless it was done before: then the answer is the same.
    /// While it is at work, who asks again waits for it.
    pub async fn once(
        &self,
        (caller, request): (&str, &Request),
        clock: &dyn Clock,
        work: impl Future<Output = A>,
    ) -> A {
        if request.operation == Operation::Retrieve || request.request_id.is_empty() {
            return work.await;
        }
        let from = request.from.clone().unwrap_or_default();
        let key = (caller.to_owned(), from, request.request_id.clone());
        let print = self.secret.hash_one(format!("{request:?}"));
        loop {
            match self.begin(&key, print, clock.now()) {
                Begun::Other => return work.await,
                Begun::First(turn) => {
                    let answer = work.await;
                    turn.end(&answer, clock.now());
                    return answer;
                }
                Begun::Repeated(mut answer) => {
                    // Whoever was at it may have left it.
                    if let Ok(answer) = answer.wait_for(Option::is_some).await
                        && let Some(answer) = answer.as_ref()
                    {
                        return answer.clone();
                    }
                }
            }
        }
    }

    fn begin(&self, key: &Key, print: u64, now: Timestamp) -> Begun<'_, A> {
        let mut known = self.lock();
        known.forget(now);
        if let Some(entry) = known.entries.get(key) {
            return if entry.print == print {
                Begun::Repeated(entry.answer.clone())
            } else {
                Begun::Other
            };
        }
        let (tell, answer) = watch::channel(None);
        known.entries.insert(key.clone(), Entry { print, answer });
        Begun::First(Turn {
            repeats: self,
            key: key.clone(),
            tell,
            is_kept: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known<A>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Known<A> {
    fn forget(&mut self, now: Timestamp) {
        while let Some((until, ..)) = self.answered.front() {
            let is_full = self.bytes > MOST_BYTES || self.answered.len() >= MOST;
            if *until > now && !is_full {
                return;
            }
            if let Some((_, key, bytes)) = self.answered.pop_front() {
                self.bytes = self.bytes.saturating_sub(bytes);
                self.entries.remove(&key);
            }
        }
    }
}

/// Who is at a request. Dropped without an answer, it is as if it had never come.
struct Turn<'a, A: Clone> {
    repeats: &'a Repeats<A>,
    key: Key,
    tell: watch::Sender<Option<A>>,
    is_kept: bool,
}

impl<A: Clone> Turn<'_, A> {
    fn end(mut self, answer: &A, now: Timestamp) {
        let response = (self.repeats.response)(answer);
        if response.rsc.is_success() {
            let bytes = OVERHEAD.saturating_add(weight(response));
            let mut known = self.repeats.lock();
            known.bytes = known.bytes.saturating_add(bytes);
            let entry = (now.plus(KEPT), self.key.clone(), bytes);
            known.answered.push_back(entry);
            self.is_kept = true;
        }
        self.tell.send_replace(Some(answer.clone()));
    }
}

impl<A: Clone> Drop for Turn<'_, A> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.repeats.lock().entries.remove(&self.key);
        }
    }
}

fn weight(response: &Response) -> usize {
    let content = response.content.as_ref();
    content.map_or(0, |content| content.to_string().len())
}

#[cfg(test)]
mod tests;
