//! One lane: what one addressee is due, some at a time, never two of one subject. Each host it is
//! called back at is a road of its own, and so is its AE: while one rests, the others are served.
//!
//! A lane holds no entries of its own: it asks the store for as many as it can send now. So a
//! hundred thousand that wait for a dead host are not in memory, a suspended SP is frozen at the
//! next look, and a restart has nothing to restore.

mod road;
mod search;
mod sweep;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::{Addressee, OutboxKey, Subject};
use ics_core::port::DuePlace;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use crate::attempt::Shared;
use crate::cooldown::{Cooldown, Sign};
use road::{Road, Roads, Standing};
use search::{Found, Search};
use sweep::{Sweep, Swept};

/// The shortest wait for what the store calls due in a moment.
const SHORTEST: Duration = Duration::from_millis(5);

/// The lane of one addressee.
pub(crate) struct Lane {
    pub(crate) addressee: Addressee,
    pub(crate) ring: Arc<Notify>,
    pub(crate) shared: Arc<Shared>,
}

/// What a lane remembers between looks.
struct Memory {
    /// How the service on our own side fares.
    own: Cooldown,
    roads: Roads,
    /// What goes on beside the looks, each a task of its own: none waits for a look.
    under_way: JoinSet<Ended>,
    /// Subjects with something under way.
    held: HashSet<Subject>,
    search: Search,
    sweep: Sweep,
    /// Whether there may be something the store was not asked for yet.
    news: bool,
    /// The websocket that was open at the last look.
    socket: Option<u64>,
    /// Whether what waits for the websocket is to be recalled.
    recall: bool,
}

/// What was under way has ended.
enum Ended {
    Tried(Tried),
    Swept(Swept),
}

/// An attempt that ended.
struct Tried {
    key: OutboxKey,
    place: DuePlace,
    road: Road,
    sign: Sign,
}

impl Lane {
    /// Delivers until the deliverer stops, then waits for what is under way. `rested`: it starts
    /// with a rest, for the lane before it fell.
    pub(crate) async fn run(self, rested: bool) {
        let mut stop = self.shared.stop.clone();
        let mut memory = Memory {
            own: Cooldown::default(),
            roads: Roads::new(self.shared.pace.lane_in_flight),
            under_way: JoinSet::new(),
            held: HashSet::new(),
            search: Search::default(),
            sweep: Sweep::default(),
            news: true,
            socket: None,
            recall: false,
        };
        if rested {
            self.note_own(&mut memory, Sign::Gone);
        }
        while !self.shared.is_stopping() {
            let (found, pause) = self.look(&mut memory).await;
            for found in found {
                memory.under_way.spawn(self.attempt(found));
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping) => break,
                Some(ended) = memory.under_way.join_next() => {
                    memory.news = true;
                    self.note_ended(&mut memory, ended);
                }
                () = self.ring.notified() => memory.news = true,
                () = sleep(pause) => memory.news = true,
            }
        }
        while memory.under_way.join_next().await.is_some() {}
    }

    fn attempt(&self, found: Found) -> impl Future<Output = Ended> + use<> {
        let Found { road, entry, own } = found;
        let shared = self.shared.clone();
        async move {
            let sign = shared.attempt(&entry, &own).await;
            let place = DuePlace::of(&entry);
            let key = entry.key;
            Ended::Tried(Tried {
                key,
                place,
                road,
                sign,
            })
        }
    }

    fn note_ended(&self, memory: &mut Memory, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(Ended::Tried(tried)) => {
                memory.held.remove(&tried.key.subject);
                self.note(memory, tried);
            }
            Ok(Ended::Swept(swept)) => self.note_swept(memory, swept),
            // The lane falls with it, and is opened again.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts one: the runtime itself is going.
            Err(_) => {}
        }
    }

    fn note(&self, memory: &mut Memory, tried: Tried) {
        let Tried {
            key,
            place,
            road,
            sign,
        } = tried;
        // Put off after the recall of a socket that has opened meanwhile.
        memory.recall |= sign == Sign::NoSocket && memory.socket.is_some();
        let now = Instant::now();
        let knobs = self.shared.outbox.knobs();
        let draw = |limit| self.shared.draw(limit);
        if memory.roads.end((&road, sign), (&knobs, now), draw) {
            memory.sweep.begin();
        }
        match sign {
            Sign::Unserved => self.note_own(memory, Sign::Gone),
            Sign::None => {}
            _ => memory.own = Cooldown::default(),
        }
        // Not tried at all: it is where it was.
        if matches!(sign, Sign::None | Sign::Unserved) {
            memory.search.note_waiting(road, place);
        }
        memory.search.note_tried(key);
    }

    /// Takes in how the service on our own side does.
    fn note_own(&self, memory: &mut Memory, sign: Sign) {
        let knobs = self.shared.outbox.knobs();
        let draw = |limit| self.shared.draw(limit);
        memory.own.note(sign, (&knobs, Instant::now()), draw);
    }

    /// What to try now, and how long to wait if nothing happens meanwhile.
    async fn look(&self, memory: &mut Memory) -> (Vec<Found>, Duration) {
        let poll = self.shared.pace.poll;
        self.sweep(memory).await;
        self.note_socket(memory).await;
        let now = Instant::now();
        if let Some(rest) = memory.own.rest(now) {
            return (Vec::new(), rest);
        }
        memory.news |= memory.roads.wake(now);
        if !memory.news || !self.may_try(memory, now) {
            let change = memory.roads.next_change(now);
            return (Vec::new(), change.map_or(poll, |change| change.min(poll)));
        }
        memory.news = false;
        let mut found = Vec::new();
        match self.search(memory, &mut found).await {
            Ok(pause) => {
                let change = memory.roads.next_change(Instant::now());
                (found, change.map_or(pause, |change| change.min(pause)))
            }
            Err(failure) => {
                self.shared.note_failure(&self.addressee, failure);
                self.note_own(memory, Sign::Gone);
                let rest = memory.own.rest(Instant::now());
                (found, rest.unwrap_or(poll))
            }
        }
    }

    /// Whether there is a road that takes an entry.
    fn may_try(&self, memory: &Memory, now: Instant) -> bool {
        let origins = self.shared.outbox.callback_origins(&self.addressee);
        let mut roads: Vec<Road> = origins.into_iter().map(Road::Callback).collect();
        if self.shared.outbox.speaks_onem2m(&self.addressee) {
            roads.push(Road::OneM2m);
        }
        if memory.socket.is_some() || roads.is_empty() {
            roads.push(Road::Websocket);
        }
        let probes = memory.own.is_in_trouble();
        let is_free = |road| memory.roads.standing(road, probes, now) == Standing::Free;
        roads.iter().any(is_free)
    }

    /// Recalls what waits for the websocket once one opens; it deserves a fresh start.
    async fn note_socket(&self, memory: &mut Memory) {
        let shared = &self.shared;
        let open = shared.carrier.open_socket(&self.addressee);
        if open != memory.socket {
            memory.socket = open;
            memory.recall = open.is_some();
            memory.search.review_anew(Instant::now());
            if open.is_some() {
                memory.roads.forgive(&Road::Websocket);
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
}

#[cfg(test)]
mod tests;
