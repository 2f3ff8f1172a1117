//! Carries notifications in the background: those of one subscription in their order, a few attempts
//! each, and never more than so many at once or waiting. What waits ends with the process.

mod lanes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::port::{Clock, Entropy};
use tokio::sync::{Semaphore, oneshot};

use crate::address::Names;
use crate::notification::{self, Target};
use crate::outbound::{Outbound, Unreachable};
use crate::primitive::{Content, Operation, Request, Response};
use crate::rsc::Rsc;
use crate::time;

use super::change::{Load, Parcel};
use super::{Ports, Settings};

use lanes::{Gathered, Item, Lanes};

/// How many notifications are under way at once.
const AT_ONCE: usize = 256;

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

impl Courier {
    pub(super) fn new(ports: &Ports, settings: &Settings) -> Self {
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
        let lane = parcel.lane.as_str();
        let item = |targets: Vec<Target>, content: Content, done| Item {
            owner: parcel.owner.clone(),
            targets,
            content,
            done,
        };
        let mut lanes = self.lock();
        match parcel.load {
            Load::Signal(signal, None) => {
                let content = notification::single(signal);
                self.enqueue(&mut lanes, lane, item(parcel.targets, content, Some(done)));
            }
            Load::Signal(signal, Some(batch)) => match lanes.gather(lane, signal, batch) {
                Gathered::Full(signals) => {
                    let content = notification::aggregate(signals);
                    self.enqueue(&mut lanes, lane, item(parcel.targets, content, None));
                }
                Gathered::First(number) => {
                    let empty = item(parcel.targets, Content::new(), None);
                    self.close_later(lane, (number, batch.duration), empty);
                }
                Gathered::More => {}
            },
            Load::Gone(whom, content) => {
                let rest = lanes.take_batch(lane);
                if !rest.is_empty() {
                    let rest = item(parcel.targets, notification::aggregate(rest), None);
                    self.enqueue(&mut lanes, lane, rest);
                }
                if let Some(content) = content {
                    self.enqueue(&mut lanes, lane, item(whom, content, Some(done)));
                }
            }
        }
        delivered
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(self: &Arc<Self>, lanes: &mut Lanes, lane: &str, item: Item) {
        if let Some(turns) = lanes.push(lane, item) {
            let courier = Arc::clone(self);
            let lane = lane.to_owned();
            tokio::spawn(async move { courier.run(&lane, &turns).await });
        }
    }

    /// A batch that is not full by then is sent as it is (TS-0001 9.6.8).
    fn close_later(self: &Arc<Self>, lane: &str, (number, after): (u64, Duration), empty: Item) {
        let courier = Arc::clone(self);
        let lane = lane.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let mut lanes = courier.lock();
            let signals = lanes.take_batch_numbered(&lane, number);
            if !signals.is_empty() {
                let content = notification::aggregate(signals);
                courier.enqueue(&mut lanes, &lane, Item { content, ..empty });
            }
        });
    }

    /// Sends what waits for one subscription, until nothing does.
    async fn run(&self, lane: &str, turns: &Semaphore) {
        let mut is_failing = false;
        loop {
            let item = self.lock().next(lane);
            let Some(item) = item else {
                return;
            };
            // A target that was given up is tried once, until it answers again.
            let pauses = if is_failing {
                &[]
            } else {
                self.pauses.as_slice()
            };
            is_failing = false;
            for target in &item.targets {
                let delivered = self.deliver(target, &item.content, (turns, pauses)).await;
                is_failing |= delivered.is_err();
            }
            if let Some(done) = item.done {
                let _ = done.send(());
            }
        }
    }

    async fn deliver(
        &self,
        target: &Target,
        content: &Content,
        (turns, pauses): (&Semaphore, &[Duration]),
    ) -> Result<(), Unreachable> {
        let mut pauses = pauses.iter();
        loop {
            let error = match self.send_in_turn(target, content, turns).await {
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

    async fn send_in_turn(
        &self,
        target: &Target,
        content: &Content,
        turns: &Semaphore,
    ) -> Result<Response, Unreachable> {
        // Neither is ever closed.
        let closed = |_| Unreachable::Connection;
        let _turn = turns.acquire().await.map_err(closed)?;
        let _permit = self.permits.acquire().await.map_err(closed)?;
        self.send(target, content).await
    }

    /// Sends once, by the first way that works.
    pub(super) async fn send(
        &self,
        target: &Target,
        content: &Content,
    ) -> Result<Response, Unreachable> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        let id = format!("{:032x}", u128::from_be_bytes(random));
        let own = self.names.sp_relative_cse_id();
        self.send_as((&own, &id), target, content).await
    }

    /// Sends a request of another, under its ID.
    pub(super) async fn send_as(
        &self,
        (from, id): (&str, &str),
        target: &Target,
        content: &Content,
    ) -> Result<Response, Unreachable> {
        let mut error = Unreachable::Address;
        for (via, to) in &target.ways {
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
