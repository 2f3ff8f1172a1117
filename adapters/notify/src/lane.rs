//! One lane: what one addressee is due, some at a time, never two of one subject.
//!
//! A lane holds no entries of its own: it asks the store for as many as it can send now. So a
//! hundred thousand that wait for a dead host are not in memory, a suspended SP is frozen at the
//! next look, and a restart has nothing to restore.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use ics_core::outbox::{Addressee, OutboxEntry, Subject};
use ics_core::service::Failure;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::attempt::Shared;
use crate::cooldown::{Cooldown, Sign};

/// How many entries are looked through at a time for those past their deadline.
const SWEEP: usize = 64;

/// The shortest wait for what the store calls due in a moment.
const SHORTEST: Duration = Duration::from_millis(5);

/// The lane of one addressee.
pub(crate) struct Lane {
    pub(crate) addressee: Addressee,
    pub(crate) ring: Arc<Notify>,
    pub(crate) shared: Arc<Shared>,
}

/// What a lane remembers between looks.
#[derive(Default)]
struct Memory {
    cooldown: Cooldown,
    /// Subjects with an attempt under way.
    held: HashSet<Subject>,
    /// Whether there may be something the store was not asked for yet.
    news: bool,
    /// The websocket that was open at the last look.
    socket: Option<u64>,
    /// Whether what waits for the websocket is to be recalled.
    recall: bool,
    /// Whether a rest has just begun, in which entries may outlive their deadlines.
    sweep: bool,
}

impl Lane {
    /// Delivers until the deliverer stops, then waits for what is under way. `rested`: it starts
    /// with a rest, for the lane before it fell.
    pub(crate) async fn run(self, rested: bool) {
        let mut stop = self.shared.stop.clone();
        let mut memory = Memory {
            news: true,
            ..Memory::default()
        };
        if rested {
            self.note(&mut memory, Sign::Gone);
        }
        let mut under_way = FuturesUnordered::new();
        while !self.shared.is_stopping() {
            let (entries, pause) = self.look(&mut memory).await;
            under_way.extend(entries.into_iter().map(|entry| self.attempt(entry)));
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping) => break,
                Some((subject, sign)) = under_way.next() => {
                    memory.held.remove(&subject);
                    memory.news = true;
                    self.note(&mut memory, sign);
                }
                () = self.ring.notified() => memory.news = true,
                () = sleep(pause) => memory.news = true,
            }
        }
        while under_way.next().await.is_some() {}
    }

    fn attempt(&self, entry: OutboxEntry) -> impl Future<Output = (Subject, Sign)> + use<> {
        let shared = self.shared.clone();
        async move { (entry.key.subject, shared.attempt(&entry).await) }
    }

    fn note(&self, memory: &mut Memory, sign: Sign) {
        // Put off after the recall of a socket that has opened meanwhile.
        memory.recall |= sign == Sign::NoSocket && memory.socket.is_some();
        let knobs = self.shared.outbox.knobs();
        let draw = |limit| self.shared.draw(limit);
        let rests = memory.cooldown.note(sign, (&knobs, Instant::now()), draw);
        memory.sweep |= rests;
    }

    /// What to try now, and how long to wait if nothing happens meanwhile.
    async fn look(&self, memory: &mut Memory) -> (Vec<OutboxEntry>, Duration) {
        let poll = self.shared.pace.poll;
        if std::mem::take(&mut memory.sweep)
            && let Err(failure) = self.bury_expired(memory).await
        {
            self.shared.note_failure(&self.addressee, failure);
        }
        self.note_socket(memory).await;
        if let Some(rest) = memory.cooldown.rest(Instant::now()) {
            return (Vec::new(), rest);
        }
        let width = memory.cooldown.width(self.shared.pace.lane_in_flight);
        let free = width.saturating_sub(memory.held.len());
        if free == 0 || !memory.news {
            return (Vec::new(), poll);
        }
        memory.news = false;
        let now = self.shared.clock.now();
        // Those under way may still be due in the store's eyes.
        let limit = memory.held.len().saturating_add(free);
        let outbox = &self.shared.outbox;
        let due = match outbox.due_entries(&self.addressee, now, limit).await {
            Ok(due) => due,
            Err(failure) => {
                let sign = self.shared.note_failure(&self.addressee, failure);
                self.note(memory, sign);
                let rest = memory.cooldown.rest(Instant::now());
                return (Vec::new(), rest.unwrap_or(poll));
            }
        };
        let mut entries = due.entries;
        entries.retain(|entry| !memory.held.contains(&entry.key.subject));
        entries.truncate(free);
        // Whatever the store says, never two of one subject at once.
        entries.retain(|entry| memory.held.insert(entry.key.subject));
        let pause = due.next.map_or(poll, |next| next.since(now).max(SHORTEST));
        (entries, pause.min(poll))
    }

    /// Recalls what waits for the websocket once one opens; it deserves a fresh start.
    async fn note_socket(&self, memory: &mut Memory) {
        let shared = &self.shared;
        let open = shared.carrier.open_socket(&self.addressee);
        if open != memory.socket {
            memory.socket = open;
            memory.recall = open.is_some();
            if open.is_some() {
                memory.cooldown = Cooldown::default();
            }
        }
        if std::mem::take(&mut memory.recall) && memory.socket.is_some() {
            let now = shared.clock.now();
            let recalled = shared.outbox.recall_for_websocket(&self.addressee, now);
            if let Err(failure) = recalled.await {
                shared.note_failure(&self.addressee, failure);
                memory.recall = true;
            }
            memory.news = true;
        }
    }

    /// Gives up what waits behind a dead host past its deadline; all else stays as it is.
    async fn bury_expired(&self, memory: &Memory) -> Result<(), Failure> {
        let shared = &self.shared;
        loop {
            let now = shared.clock.now();
            let due = shared.outbox.due_entries(&self.addressee, now, SWEEP);
            let mut expired = due.await?.entries;
            expired
                .retain(|entry| entry.deadline <= now && !memory.held.contains(&entry.key.subject));
            if expired.is_empty() || shared.is_stopping() {
                return Ok(());
            }
            let reports = expired.into_iter().map(|entry| {
                let shared = shared.clone();
                async move { shared.bury(&entry).await }
            });
            let mut buried = stream::iter(reports).buffer_unordered(shared.pace.lane_in_flight);
            while let Some(report) = buried.next().await {
                report?;
            }
        }
    }
}

#[cfg(test)]
mod tests;
