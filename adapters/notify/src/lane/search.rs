//! Which of the entries that are due are tried now.
//!
//! From the oldest on, each on its road. As long as no road is blocked that is all, and what is due
//! is looked for from the head each time. Behind entries of a blocked road the search goes on, and
//! remembers how far it came: a hundred thousand that wait for a dead host are passed by once, not
//! at every look. They are looked at again, page by page, when a road opens and once a minute.
//!
//! Nothing of it is kept but places: entries stay in the store, and their order by subject with it.

use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::{OutboxEntry, OutboxKey};
use ics_core::port::DuePlace;
use ics_core::service::Failure;
use ics_core::time::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::road::{Road, Standing};
use super::{Lane, Memory, SHORTEST};

/// Entries of one page behind those that can be tried at once.
const PAGE: usize = 256;
/// Pages of one look; a longer search goes on after [`BREATH`].
const PAGES: usize = 8;
const BREATH: Duration = Duration::from_millis(20);
/// How much later than decided a change may be committed: nothing younger is passed by for good.
const YOUNG: Duration = Duration::from_secs(2);
/// How often what was passed by is looked at again though no road has opened: the clock was set
/// back, a destination changed, a commit took long.
const AGAIN: Duration = Duration::from_secs(60);

/// An entry to try.
pub(super) struct Found {
    pub(super) road: Road,
    pub(super) entry: OutboxEntry,
    /// The permit of the road.
    pub(super) own: Arc<Semaphore>,
}

/// How far the search has come.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// All entries up to here were looked at; `None`: none was passed by, look from the head.
    passed: Option<DuePlace>,
    /// The second look at what was passed by.
    again: Option<Again>,
    /// When the last one began.
    looked_again: Option<Instant>,
    /// Tried meanwhile: the next of their subjects are due where the search has been already.
    tried: Vec<OutboxKey>,
}

/// A second look under way.
#[derive(Clone, Copy, Debug, Default)]
struct Again {
    after: Option<DuePlace>,
    /// Whether it met an entry of a blocked road.
    met_blocked: bool,
}

/// Where a walk ended, and why.
struct Walked {
    /// The last place before that everything was taken, held or passed by.
    place: Option<DuePlace>,
    /// The same, of entries that are not young.
    old_place: Option<DuePlace>,
    met_blocked: bool,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing more is due; then this one.
    Due(Option<Timestamp>),
    /// The next one's road is full.
    Full,
    /// There is more to look at.
    More,
}

impl Search {
    /// A road has opened, or something else has moved: look again at what was passed by.
    pub(super) fn look_again(&mut self, now: Instant) {
        if self.passed.is_some() {
            self.again = Some(Again::default());
            self.looked_again = Some(now);
        }
    }

    /// An entry was tried.
    pub(super) fn note_tried(&mut self, key: OutboxKey) {
        if self.passed.is_some() {
            self.tried.push(key);
        }
    }

    fn note_ahead(&mut self, ahead: &Walked, now: Instant) {
        if self.passed.is_none() && ahead.met_blocked && ahead.old_place.is_some() {
            self.looked_again = Some(now);
        }
        if self.passed.is_some() || ahead.met_blocked {
            self.passed = self.passed.max(ahead.old_place);
        }
    }

    /// Whether there is more to look at again at once.
    fn note_again(&mut self, again: Again, walked: &Walked) -> bool {
        let again = Again {
            after: walked.place.or(again.after),
            met_blocked: again.met_blocked || walked.met_blocked,
        };
        match walked.end {
            End::Due(_) => {
                self.again = None;
                if !again.met_blocked {
                    // Nothing waits there any more.
                    self.passed = None;
                }
                false
            }
            End::Full => {
                self.again = Some(again);
                false
            }
            End::More => {
                self.again = Some(again);
                true
            }
        }
    }
}

impl Lane {
    /// Adds to `found` what to try now, and tells how long to wait if nothing happens meanwhile.
    pub(super) async fn search(
        &self,
        memory: &mut Memory,
        found: &mut Vec<Found>,
    ) -> Result<Duration, Failure> {
        let now = self.shared.clock.now();
        let poll = self.shared.pace.poll;
        let search = &mut memory.search;
        let is_over = |began: Instant| began.elapsed() >= AGAIN;
        if search.looked_again.is_some_and(is_over) {
            search.look_again(Instant::now());
        }
        self.take_successors(memory, now, found).await?;
        let range = (memory.search.passed, None);
        let ahead = self.walk(memory, range, now, found).await?;
        memory.search.note_ahead(&ahead, Instant::now());
        let mut is_unfinished = ahead.end == End::More;
        if let Some(again) = memory.search.again {
            let range = (again.after, memory.search.passed);
            let walked = self.walk(memory, range, now, found).await?;
            is_unfinished |= memory.search.note_again(again, &walked);
        }
        let pause = match ahead.end {
            End::Due(Some(next)) => next.since(now).max(SHORTEST),
            End::Due(None) | End::Full | End::More => poll,
        };
        if is_unfinished {
            memory.news = true;
            return Ok(BREATH.min(poll));
        }
        Ok(pause.min(poll))
    }

    /// The heads of the subjects that were tried, where the search has been already.
    async fn take_successors(
        &self,
        memory: &mut Memory,
        now: Timestamp,
        found: &mut Vec<Found>,
    ) -> Result<(), Failure> {
        let mut tried = std::mem::take(&mut memory.search.tried).into_iter();
        while let Some(key) = tried.next() {
            match self.take_successor(memory, (&key, now), found).await {
                Ok(Standing::Free | Standing::Blocked) => {}
                Ok(Standing::Full) => memory.search.tried.push(key),
                Err(failure) => {
                    memory.search.tried.push(key);
                    memory.search.tried.extend(tried);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    async fn take_successor(
        &self,
        memory: &mut Memory,
        (key, now): (&OutboxKey, Timestamp),
        found: &mut Vec<Found>,
    ) -> Result<Standing, Failure> {
        // Itself, if it was put off: it is due ahead.
        let head = self.shared.outbox.load_head(key).await?;
        let successor = head.filter(|entry| entry.key != *key && entry.next_attempt <= now);
        match successor.filter(|entry| !memory.held.contains(&entry.key.subject)) {
            Some(entry) => self.take(memory, entry, found).await,
            None => Ok(Standing::Free),
        }
    }

    /// Takes what can be tried of the entries in `after..=until`.
    async fn walk(
        &self,
        memory: &mut Memory,
        (after, until): (Option<DuePlace>, Option<DuePlace>),
        now: Timestamp,
        found: &mut Vec<Found>,
    ) -> Result<Walked, Failure> {
        let mut walked = Walked {
            place: None,
            old_place: None,
            met_blocked: false,
            end: End::More,
        };
        // Those under way may still be due in the store's eyes.
        let width = self.shared.pace.lane_in_flight;
        let mut limit = memory.held.len().saturating_add(width).max(1);
        for _ in 0..PAGES {
            let range = (walked.place.or(after), now);
            let due = self
                .shared
                .outbox
                .due_entries(&self.addressee, range, limit);
            let due = due.await?;
            let is_last = due.entries.len() < limit;
            for entry in due.entries {
                let place = DuePlace::of(&entry);
                if until.is_some_and(|until| place > until) {
                    walked.end = End::Due(None);
                    return Ok(walked);
                }
                if !memory.held.contains(&entry.key.subject) {
                    match self.take(memory, entry, found).await? {
                        Standing::Free => {}
                        Standing::Blocked => walked.met_blocked = true,
                        Standing::Full => {
                            walked.end = End::Full;
                            return Ok(walked);
                        }
                    }
                }
                walked.place = Some(place);
                if place.next_attempt.plus(YOUNG) <= now {
                    walked.old_place = Some(place);
                }
            }
            if is_last {
                walked.end = End::Due(due.next);
                return Ok(walked);
            }
            limit = PAGE;
        }
        Ok(walked)
    }

    /// Takes `entry`, if its road is free.
    async fn take(
        &self,
        memory: &mut Memory,
        entry: OutboxEntry,
        found: &mut Vec<Found>,
    ) -> Result<Standing, Failure> {
        let route = self.shared.outbox.route(&entry).await?;
        let road = Road::of(route, memory.socket.is_some());
        let now = Instant::now();
        let probes = memory.own.is_in_trouble();
        let standing = memory.roads.standing(&road, probes, now);
        if standing == Standing::Free {
            let own = memory.roads.begin(&road, now);
            memory.held.insert(entry.key.subject);
            found.push(Found { road, entry, own });
        }
        Ok(standing)
    }
}
