//! What waits to be sent: one lane a subscription, batches that are not full yet, and how much there
//! may be. A data structure: nothing is sent here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::notification::Target;
use crate::primitive::Content;
use crate::tree::change::Batch;

/// How many notifications wait for one subscription, for those of one originator, and for all.
const MOST_OF_LANE: usize = 256;
const MOST_OF_OWNER: usize = 2_048;
const MOST: usize = 16_384;
/// How many of one originator are under way at once: those of others are not to be held up by targets
/// that do not answer.
const TURNS: usize = 8;

/// One notification.
pub(super) struct Item {
    /// Whose subscription it is of.
    pub(super) owner: String,
    pub(super) targets: Vec<Target>,
    pub(super) content: Content,
    /// Told when it was delivered, or given up.
    pub(super) done: Option<oneshot::Sender<()>>,
}

/// What came of adding to a batch.
#[derive(Debug, PartialEq)]
pub(super) enum Gathered {
    /// It is the first of a batch with that number: somebody has to close it in time.
    First(u64),
    More,
    /// These are to be sent.
    Full(Vec<Value>),
}

#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<String, Lane>,
    owners: HashMap<String, Owner>,
    waiting: usize,
    batches: u64,
}

#[derive(Default)]
struct Lane {
    owner: String,
    waiting: VecDeque<Item>,
    is_running: bool,
    batch: Vec<Value>,
    /// How many events it stands for: with `ln` the last alone is kept.
    gathered: u64,
    number: u64,
}

struct Owner {
    waiting: usize,
    turns: Arc<Semaphore>,
}

impl Default for Owner {
    fn default() -> Self {
        Self {
            waiting: 0,
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }
}

impl Lanes {
    /// Appends to a lane; what is too much is dropped. Whoever is answered the turns of the originator
    /// is to run the lane.
    pub(super) fn push(&mut self, name: &str, item: Item) -> Option<Arc<Semaphore>> {
        if item.targets.is_empty() {
            return None;
        }
        let lane = self.lanes.entry(name.to_owned()).or_default();
        let owner = self.owners.entry(item.owner.clone()).or_default();
        if self.waiting >= MOST
            || owner.waiting >= MOST_OF_OWNER
            || lane.waiting.len() >= MOST_OF_LANE
        {
            tracing::warn!("a notification is dropped: too many wait");
            return None;
        }
        self.waiting = self.waiting.saturating_add(1);
        owner.waiting = owner.waiting.saturating_add(1);
        lane.owner.clone_from(&item.owner);
        lane.waiting.push_back(item);
        let was_running = std::mem::replace(&mut lane.is_running, true);
        (!was_running).then(|| Arc::clone(&owner.turns))
    }

    /// The next of a lane; `None` ends its run.
    pub(super) fn next(&mut self, name: &str) -> Option<Item> {
        let lane = self.lanes.get_mut(name)?;
        let Some(item) = lane.waiting.pop_front() else {
            lane.is_running = false;
            let owner = std::mem::take(&mut lane.owner);
            self.forget_if_idle(name);
            self.forget_owner(&owner);
            return None;
        };
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(owner) = self.owners.get_mut(&item.owner) {
            owner.waiting = owner.waiting.saturating_sub(1);
        }
        Some(item)
    }

    /// Adds to the batch of a lane.
    pub(super) fn gather(&mut self, name: &str, signal: Value, batch: Batch) -> Gathered {
        let lane = self.lanes.entry(name.to_owned()).or_default();
        if batch.latest {
            lane.batch.clear();
        }
        lane.batch.push(signal);
        lane.gathered = lane.gathered.saturating_add(1);
        let is_full = batch.number.is_some_and(|most| lane.gathered >= most);
        if is_full || lane.batch.len() >= MOST_OF_LANE {
            return Gathered::Full(self.take_batch(name));
        }
        if lane.gathered == 1 {
            self.batches = self.batches.saturating_add(1);
            lane.number = self.batches;
            return Gathered::First(lane.number);
        }
        Gathered::More
    }

    /// What is in the batch of a lane.
    pub(super) fn take_batch(&mut self, name: &str) -> Vec<Value> {
        let Some(lane) = self.lanes.get_mut(name) else {
            return Vec::new();
        };
        lane.gathered = 0;
        lane.number = 0;
        let batch = std::mem::take(&mut lane.batch);
        self.forget_if_idle(name);
        batch
    }

    /// The same, if it is still the batch of that number.
    pub(super) fn take_batch_numbered(&mut self, name: &str, number: u64) -> Vec<Value> {
        match self.lanes.get(name) {
            Some(lane) if lane.number == number => self.take_batch(name),
            _ => Vec::new(),
        }
    }

    /// The turns are held here, and by whoever runs a lane: the one that ends now may be the last.
    fn forget_owner(&mut self, name: &str) {
        let is_idle = |owner: &Owner| owner.waiting == 0 && Arc::strong_count(&owner.turns) <= 2;
        if self.owners.get(name).is_some_and(is_idle) {
            self.owners.remove(name);
        }
    }

    fn forget_if_idle(&mut self, name: &str) {
        let is_idle =
            |lane: &Lane| !lane.is_running && lane.waiting.is_empty() && lane.batch.is_empty();
        if self.lanes.get(name).is_some_and(is_idle) {
            self.lanes.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
