//! Carries notifications in the background: those of one subscription in their order, a few attempts
//! each, and never more than so many at once or waiting. What waits ends with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ics_core::port::{Clock, Entropy};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::address::Names;
use crate::notification::{self, Target};
use crate::outbound::{Outbound, Unreachable};
use crate::primitive::{Content, Operation, Request, Response};
use crate::rsc::Rsc;
use crate::time;

use super::change::{Batch, Load, Parcel};

/// How many notifications wait for one subscription, and for all.
const MOST_OF_ONE: usize = 256;
const MOST: usize = 16_384;
/// How many are under way at once.
const AT_ONCE: usize = 64;

/// Sends requests of this CSE.
pub(super) struct Courier {
    outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    names: Names,
    /// How long after a failure it is tried again.
    pauses: Vec<Duration>,
    lanes: Mutex<Lanes>,
    permits: Semaphore,
}

#[derive(Default)]
struct Lanes {
    by_subscription: HashMap<String, Lane>,
    waiting: usize,
    /// How many batches were begun.
    batches: u64,
}

/// What waits for one subscription.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Item>,
    is_running: bool,
    batch: Vec<Value>,
    /// How many events it stands for: with `ln` the last alone is kept.
    gathered: u64,
    /// Which batch that is: a timer of an older one finds another.
    batch_number: u64,
}

struct Item {
    targets: Vec<Target>,
    content: Content,
    done: Option<oneshot::Sender<()>>,
}

impl Courier {
    pub(super) fn new(ports: &super::Ports, settings: &super::Settings) -> Self {
        Self {
            outbound: Arc::clone(&ports.outbound),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
            names: settings.names.clone(),
            pauses: settings.pauses.clone(),
            lanes: Mutex::default(),
            permits: Semaphore::new(AT_ONCE),
        }
    }

    /// Takes a parcel. The answer resolves when it was delivered or given up; who does not need to
    /// know drops it.
    pub(super) fn post(self: &Arc<Self>, parcel: Parcel) -> oneshot::Receiver<()> {
        let (done, delivered) = oneshot::channel();
        let Parcel {
            lane,
            targets,
            load,
        } = parcel;
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match load {
            Load::Signal(signal, None) => {
                let content = notification::single(signal);
                self.enqueue(&mut lanes, lane, item(targets, content, Some(done)));
            }
            Load::Signal(signal, Some(batch)) => {
                self.gather(&mut lanes, lane, (signal, batch, targets));
            }
            Load::Gone(whom, content) => {
                let rest = lanes.take_batch(&lane);
                if !rest.is_empty() {
                    let content = notification::aggregate(rest);
                    self.enqueue(&mut lanes, lane.clone(), item(targets, content, None));
                }
                if let Some(content) = content {
                    self.enqueue(&mut lanes, lane, item(whom, content, Some(done)));
                } else {
                    lanes.forget_if_idle(&lane);
                }
            }
        }
        delivered
    }

    fn enqueue(self: &Arc<Self>, lanes: &mut Lanes, name: String, item: Item) {
        if item.targets.is_empty() {
            return;
        }
        let is_full = lanes.waiting >= MOST;
        let lane = lanes.by_subscription.entry(name.clone()).or_default();
        if is_full || lane.waiting.len() >= MOST_OF_ONE {
            tracing::warn!("a notification is dropped: too many wait");
            return;
        }
        lane.waiting.push_back(item);
        lanes.waiting = lanes.waiting.saturating_add(1);
        if !std::mem::replace(&mut lane.is_running, true) {
            let courier = Arc::clone(self);
            tokio::spawn(async move { courier.run(&name).await });
        }
    }

    /// Batches: sent when there are so many, or the first has waited so long (TS-0001 9.6.8).
    fn gather(
        self: &Arc<Self>,
        lanes: &mut Lanes,
        name: String,
        (signal, batch, targets): (Value, Batch, Vec<Target>),
    ) {
        let lane = lanes.by_subscription.entry(name.clone()).or_default();
        if batch.latest {
            lane.batch.clear();
        }
        lane.batch.push(signal);
        lane.gathered = lane.gathered.saturating_add(1);
        let is_first = lane.gathered == 1;
        if is_first {
            lanes.batches = lanes.batches.saturating_add(1);
            lane.batch_number = lanes.batches;
        }
        let is_full = batch.number.is_some_and(|most| lane.gathered >= most)
            || lane.batch.len() >= MOST_OF_ONE;
        if is_full {
            let signals = lanes.take_batch(&name);
            self.enqueue(
                lanes,
                name,
                item(targets, notification::aggregate(signals), None),
            );
        } else if is_first {
            let number = lane.batch_number;
            let courier = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(batch.duration).await;
                courier.close_batch(name, number, targets);
            });
        }
    }

    fn close_batch(self: &Arc<Self>, name: String, number: u64, targets: Vec<Target>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.by_subscription.get(&name);
        if lane.is_some_and(|lane| lane.batch_number == number) {
            let signals = lanes.take_batch(&name);
            let content = notification::aggregate(signals);
            self.enqueue(&mut lanes, name, item(targets, content, None));
        }
    }

    /// Sends what waits for one subscription, until nothing does.
    async fn run(self: Arc<Self>, name: &str) {
        let mut is_failing = false;
        while let Some(item) = self.next(name) {
            let attempts = if is_failing {
                &[]
            } else {
                self.pauses.as_slice()
            };
            is_failing = false;
            for target in &item.targets {
                is_failing |= self.deliver(target, &item.content, attempts).await.is_err();
            }
            if let Some(done) = item.done {
                let _ = done.send(());
            }
        }
    }

    fn next(&self, name: &str) -> Option<Item> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.by_subscription.get_mut(name)?;
        let item = lane.waiting.pop_front();
        if item.is_some() {
            lanes.waiting = lanes.waiting.saturating_sub(1);
        } else {
            lane.is_running = false;
            lanes.forget_if_idle(name);
        }
        item
    }

    async fn deliver(
        &self,
        target: &Target,
        content: &Content,
        pauses: &[Duration],
    ) -> Result<(), Unreachable> {
        let mut pauses = pauses.iter();
        loop {
            let error = match self.send(target, content).await {
                Ok(response) => {
                    if response.rsc != Rsc::Ok {
                        tracing::debug!(rsc = response.rsc.number(), "notification refused");
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => {
                    tracing::info!(%error, "notification not delivered");
                    return Err(error);
                }
            }
        }
    }

    /// Sends once, by the first way that works.
    pub(super) async fn send(
        &self,
        target: &Target,
        content: &Content,
    ) -> Result<Response, Unreachable> {
        self.send_from(&self.names.sp_relative_cse_id(), target, content)
            .await
    }

    /// Sends on behalf of another.
    pub(super) async fn send_from(
        &self,
        from: &str,
        target: &Target,
        content: &Content,
    ) -> Result<Response, Unreachable> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| Unreachable::Connection)?;
        let mut error = Unreachable::Address;
        for (via, to) in &target.ways {
            let mut random = [0; 16];
            self.entropy.fill(&mut random);
            let id = format!("{:032x}", u128::from_be_bytes(random));
            let mut request = Request::new(Operation::Notify, to, id);
            request.from = Some(from.to_owned());
            request.release = Some(target.release.clone());
            request.originating_timestamp = Some(time::format(self.clock.now()));
            request.content = Some(content.clone());
            match self.outbound.send(via, &request).await {
                Ok(response) => return Ok(response),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }
}

const fn item(targets: Vec<Target>, content: Content, done: Option<oneshot::Sender<()>>) -> Item {
    Item {
        targets,
        content,
        done,
    }
}

impl Lanes {
    fn take_batch(&mut self, name: &str) -> Vec<Value> {
        let Some(lane) = self.by_subscription.get_mut(name) else {
            return Vec::new();
        };
        lane.batch_number = 0;
        lane.gathered = 0;
        std::mem::take(&mut lane.batch)
    }

    fn forget_if_idle(&mut self, name: &str) {
        let lane = self.by_subscription.get(name);
        let is_idle =
            |lane: &Lane| !lane.is_running && lane.waiting.is_empty() && lane.batch.is_empty();
        if lane.is_some_and(is_idle) {
            self.by_subscription.remove(name);
        }
    }
}
