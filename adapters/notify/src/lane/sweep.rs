//! Giving up what waits behind a dead host past its deadline; all else stays as it is.
//!
//! Looked for when a rest begins: at the head of what is due, where the oldest are, and a page
//! further on each time, for those that may live longer lie before those that may not. They are
//! given up beside the attempts, a page at a time: a hundred thousand that expire together hold up
//! no other host.

use futures_util::StreamExt as _;
use futures_util::stream;
use ics_core::outbox::{OutboxEntry, OutboxKey};
use ics_core::port::DuePlace;
use ics_core::service::Failure;
use ics_core::time::Timestamp;

use super::{Ended, Lane, Memory};

/// How many entries are looked through at a time.
const PAGE: usize = 64;

/// How far giving up has come.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Whether a rest has begun since nothing was found.
    wanted: bool,
    /// Whether a page is being given up.
    under_way: bool,
    /// Nothing expired lay from the head to here when it was looked at.
    after: Option<DuePlace>,
}

/// A page that was given up, as far as the service took it.
pub(super) struct Swept {
    keys: Vec<OutboxKey>,
    failure: Option<Failure>,
}

/// What a page holds.
struct Looked {
    expired: Vec<OutboxEntry>,
    /// Where the next page begins, if there is one.
    end: Option<DuePlace>,
}

impl Sweep {
    /// A rest begins: entries may outlive their deadlines in it.
    pub(super) const fn begin(&mut self) {
        self.wanted = true;
    }
}

impl Lane {
    /// Begins to give up a page, if there is one to give up and none is under way.
    pub(super) async fn sweep(&self, memory: &mut Memory) {
        if !memory.sweep.wanted || memory.sweep.under_way {
            return;
        }
        match self.find_expired(memory).await {
            Ok(expired) if expired.is_empty() => memory.sweep.wanted = false,
            Ok(expired) => {
                let subjects = expired.iter().map(|entry| entry.key.subject);
                memory.held.extend(subjects);
                memory.sweep.under_way = true;
                memory.under_way.spawn(self.give_up(expired));
            }
            Err(failure) => {
                memory.sweep.wanted = false;
                self.shared.note_failure(&self.addressee, failure);
            }
        }
    }

    /// A page was given up.
    pub(super) fn note_swept(&self, memory: &mut Memory, swept: Swept) {
        memory.sweep.under_way = false;
        for key in swept.keys {
            memory.held.remove(&key.subject);
            memory.search.note_tried(key);
        }
        if let Some(failure) = swept.failure {
            // The next rest begins it anew.
            memory.sweep.wanted = false;
            self.shared.note_failure(&self.addressee, failure);
        }
    }

    async fn find_expired(&self, memory: &mut Memory) -> Result<Vec<OutboxEntry>, Failure> {
        let now = self.shared.clock.now();
        let head = self.look_for_expired(memory, (None, now)).await?;
        if !head.expired.is_empty() || head.end.is_none() {
            return Ok(head.expired);
        }
        let after = memory.sweep.after.max(head.end);
        let further = self.look_for_expired(memory, (after, now)).await?;
        if further.expired.is_empty() {
            memory.sweep.after = further.end;
        }
        Ok(further.expired)
    }

    async fn look_for_expired(
        &self,
        memory: &Memory,
        range: (Option<DuePlace>, Timestamp),
    ) -> Result<Looked, Failure> {
        let outbox = &self.shared.outbox;
        let due = outbox.due_entries(&self.addressee, range, PAGE).await?;
        let mut expired = due.entries;
        let last = expired.last().map(DuePlace::of);
        let end = last.filter(|_| expired.len() >= PAGE);
        let is_held = |entry: &OutboxEntry| memory.held.contains(&entry.key.subject);
        expired.retain(|entry| entry.deadline <= range.1 && !is_held(entry));
        Ok(Looked { expired, end })
    }

    fn give_up(&self, expired: Vec<OutboxEntry>) -> impl Future<Output = Ended> + use<> {
        let shared = self.shared.clone();
        async move {
            let reports = expired.into_iter().map(|entry| {
                let shared = &shared;
                async move {
                    let buried = if shared.is_stopping() {
                        Ok(())
                    } else {
                        shared.bury(&entry).await
                    };
                    (entry.key, buried.err())
                }
            });
            let mut reports = stream::iter(reports).buffer_unordered(shared.pace.lane_in_flight);
            let (mut keys, mut failure) = (Vec::new(), None);
            while let Some((key, failed)) = reports.next().await {
                keys.push(key);
                failure = failure.or(failed);
            }
            Ended::Swept(Swept { keys, failure })
        }
    }
}
