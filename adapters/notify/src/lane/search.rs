//! Which of the entries that are due are tried now.
//!
//! From the oldest on, each on its road. As long as no road is blocked that is all, and what is due
//! is looked for from the head each time. Entries of a blocked road are passed by, and the search
//! remembers how far it came, and where the first of each road lies that it passed by: a hundred
//! thousand that wait for a dead host are passed by once, not at every look, and a probe of it reads
//! one. What was passed by goes before what came later, as soon as its road is free.
//!
//! Nothing of it is kept but places: entries stay in the store, and their order by subject with it.
//! Once a minute all that was passed by is reviewed, for what may go another way now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::{OutboxEntry, OutboxKey};
use ics_core::port::{DueEntries, DuePlace};
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
/// How often what was passed by is reviewed: the clock was set back, a destination changed, a commit
/// took long.
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
    /// Of each road with entries that were passed by: nothing of it waits up to here.
    behind: HashMap<Road, DuePlace>,
    review: Option<Review>,
    /// When the last review began.
    reviewed: Option<Instant>,
    /// Tried meanwhile: the next of their subjects are due where the search has been already.
    tried: Vec<OutboxKey>,
}

/// How far a review has come.
#[derive(Clone, Copy, Debug, Default)]
struct Review {
    after: Option<DuePlace>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing more is due; then this one.
    Due(Option<Timestamp>),
    /// The next one's road is full, or none is free.
    Full,
    /// There is more to look at.
    More,
}

impl Search {
    /// Which way entries go has changed: review what was passed by.
    pub(super) fn review_anew(&mut self, now: Instant) {
        if self.passed.is_some() {
            self.review = Some(Review::default());
            self.reviewed = Some(now);
        }
    }

    /// An entry was tried.
    pub(super) fn note_tried(&mut self, key: OutboxKey) {
        if self.passed.is_some() {
            self.tried.push(key);
        }
    }

    /// An entry of `road` waits at a place; it is looked at when the road is free.
    pub(super) fn note_waiting(&mut self, road: Road, place: DuePlace) {
        if self.passed.is_some_and(|passed| place <= passed) {
            self.pass_by(road, place);
        }
    }

    fn pass_by(&mut self, road: Road, place: DuePlace) {
        let millis = place.next_attempt.millis().saturating_sub(1);
        let before = DuePlace {
            next_attempt: Timestamp::from_millis(millis),
            ..place
        };
        let first = self.behind.entry(road).or_insert(before);
        *first = before.min(*first);
    }

    /// All entries up to `place` were looked at.
    fn come_to(&mut self, place: DuePlace) {
        if self.passed.is_none() && self.behind.is_empty() {
            return;
        }
        if self.passed.is_none() {
            self.reviewed = Some(Instant::now());
        }
        self.passed = self.passed.max(Some(place));
    }

    /// Looks from the head again, if nothing waits that was passed by.
    fn forget_passed(&mut self) {
        if self.behind.is_empty() && self.review.is_none() {
            self.passed = None;
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
        let is_over = search
            .reviewed
            .is_some_and(|began| began.elapsed() >= AGAIN);
        if search.review.is_none() && is_over {
            search.review_anew(Instant::now());
        }
        self.take_successors(memory, now, found).await?;
        let ahead = self.walk_ahead(memory, now, found).await?;
        let mut is_unfinished = ahead == End::More;
        is_unfinished |= self.review(memory, now).await? == End::More;
        for road in free_roads_behind(memory) {
            // At its end, those ahead have their turn.
            is_unfinished |= self.walk_behind(memory, (&road, now), found).await? != End::Full;
        }
        memory.search.forget_passed();
        let pause = match ahead {
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
            Some(entry) => {
                let road = self.find_road(memory, &entry).await?;
                let place = DuePlace::of(&entry);
                let standing = self.take(memory, (&road, entry), found);
                if standing == Standing::Blocked {
                    memory.search.note_waiting(road, place);
                }
                Ok(standing)
            }
            None => Ok(Standing::Free),
        }
    }

    /// Takes what can be tried of what was not looked at yet.
    async fn walk_ahead(
        &self,
        memory: &mut Memory,
        now: Timestamp,
        found: &mut Vec<Found>,
    ) -> Result<End, Failure> {
        let mut after = memory.search.passed;
        for page in 0..PAGES {
            let limit = self.page_size(memory, page).await;
            let range = (after, now);
            let outbox = &self.shared.outbox;
            let due = outbox.due_entries(&self.addressee, range, limit).await?;
            let is_last = due.entries.len() < limit;
            for entry in due.entries {
                let place = DuePlace::of(&entry);
                let is_young = place.next_attempt.plus(YOUNG) > now;
                if !memory.held.contains(&entry.key.subject) {
                    let road = self.find_road(memory, &entry).await?;
                    // Those behind go first.
                    let standing = if memory.search.behind.contains_key(&road) {
                        Standing::Blocked
                    } else {
                        self.take(memory, (&road, entry), found)
                    };
                    match standing {
                        Standing::Free if self.may_try(memory, Instant::now()) => {}
                        Standing::Free | Standing::Full => return Ok(End::Full),
                        Standing::Blocked if is_young => {}
                        Standing::Blocked => memory.search.pass_by(road, place),
                    }
                }
                after = Some(place);
                if !is_young {
                    memory.search.come_to(place);
                }
            }
            if is_last {
                return Ok(End::Due(due.next));
            }
        }
        Ok(End::More)
    }

    /// Takes what can be tried of the entries of `road` that were passed by.
    async fn walk_behind(
        &self,
        memory: &mut Memory,
        (road, now): (&Road, Timestamp),
        found: &mut Vec<Found>,
    ) -> Result<End, Failure> {
        for page in 0..PAGES {
            let limit = self.page_size(memory, page).await;
            let Some(after) = memory.search.behind.get(road).copied() else {
                break;
            };
            let outbox = &self.shared.outbox;
            let range = (Some(after), now);
            let due = outbox.due_entries(&self.addressee, range, limit).await?;
            let is_last = due.entries.len() < limit;
            if due == DueEntries::default() && self.is_nothing_due(now).await? {
                memory.search = Search::default();
                return Ok(End::Due(None));
            }
            for entry in due.entries {
                let place = DuePlace::of(&entry);
                if memory.search.passed < Some(place) {
                    memory.search.behind.remove(road);
                    return Ok(End::Due(None));
                }
                let is_held = memory.held.contains(&entry.key.subject);
                if !is_held && self.find_road(memory, &entry).await? == *road {
                    self.take(memory, (road, entry), found);
                }
                if let Some(behind) = memory.search.behind.get_mut(road) {
                    *behind = place;
                }
                if !is_free(memory, road) {
                    return Ok(End::Full);
                }
            }
            if is_last {
                memory.search.behind.remove(road);
                return Ok(End::Due(None));
            }
        }
        Ok(End::More)
    }

    /// Whether nothing is due at all: everything is told, or the addressee is suspended.
    async fn is_nothing_due(&self, now: Timestamp) -> Result<bool, Failure> {
        let outbox = &self.shared.outbox;
        let due = outbox.due_entries(&self.addressee, (None, now), 1).await?;
        Ok(due == DueEntries::default())
    }

    /// Goes on with a review: notes which roads have entries among what was passed by.
    async fn review(&self, memory: &mut Memory, now: Timestamp) -> Result<End, Failure> {
        for page in 0..PAGES {
            let Some(Review { after }) = memory.search.review else {
                return Ok(End::Due(None));
            };
            let limit = self.page_size(memory, page).await;
            let outbox = &self.shared.outbox;
            let range = (after, now);
            let due = outbox.due_entries(&self.addressee, range, limit).await?;
            let mut is_over = due.entries.len() < limit;
            for entry in due.entries {
                let place = DuePlace::of(&entry);
                if memory.search.passed < Some(place) {
                    is_over = true;
                    break;
                }
                if !memory.held.contains(&entry.key.subject) {
                    let road = self.find_road(memory, &entry).await?;
                    memory.search.pass_by(road, place);
                }
                memory.search.review = Some(Review { after: Some(place) });
            }
            if is_over {
                memory.search.review = None;
            }
        }
        Ok(End::More)
    }

    /// How many entries the next page of a walk has; lets others have their turn before it.
    async fn page_size(&self, memory: &Memory, page: usize) -> usize {
        if page == 0 {
            // Those under way may still be due in the store's eyes.
            let width = self.shared.pace.lane_in_flight;
            return memory.held.len().saturating_add(width).max(1);
        }
        // An embedded store answers at once: without this a walk holds a thread of all.
        tokio::task::yield_now().await;
        PAGE
    }

    async fn find_road(&self, memory: &Memory, entry: &OutboxEntry) -> Result<Road, Failure> {
        let route = self.shared.outbox.route(entry).await?;
        Ok(Road::of(route, memory.socket.is_some()))
    }

    /// Takes `entry`, if its road is free.
    fn take(
        &self,
        memory: &mut Memory,
        (road, entry): (&Road, OutboxEntry),
        found: &mut Vec<Found>,
    ) -> Standing {
        let now = Instant::now();
        let probes = memory.own.is_in_trouble();
        let standing = memory.roads.standing(road, probes, now);
        if standing == Standing::Free {
            let own = memory.roads.begin(road, now);
            memory.held.insert(entry.key.subject);
            let road = road.clone();
            found.push(Found { road, entry, own });
        }
        standing
    }
}

fn is_free(memory: &Memory, road: &Road) -> bool {
    let probes = memory.own.is_in_trouble();
    memory.roads.standing(road, probes, Instant::now()) == Standing::Free
}

/// Roads that are free and have entries that were passed by.
fn free_roads_behind(memory: &Memory) -> Vec<Road> {
    let roads = memory.search.behind.keys();
    let free = roads.filter(|road| is_free(memory, road));
    free.cloned().collect()
}
