//! The tree with what it stands on: how it is read, and how a change becomes one.
//!
//! Reads share a lock that is never held across an await. Changes are made one at a time: decided on
//! the tree as it is, kept on the shelf, applied, told of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use ics_core::port::{Clock, Entropy, StoreError};
use ics_core::time::Timestamp;
use tokio::sync::oneshot;

use crate::primitive::{Answer, Outcome, Refusal};
use crate::resource::Resource;
use crate::rsc::Rsc;
use crate::shelf::{Kept, Shelf};

use super::change::{Change, Load, Parcel, Settled, is_record, settle};
use super::courier::Courier;
use super::nodes::Nodes;
use super::{Ports, Settings, builtin};

/// How long the answer to a delete waits for the subscriber to be told of it.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) courier: Arc<Courier>,
    shelf: Arc<dyn Shelf>,
    nodes: RwLock<Nodes>,
    /// Held from the decision on a change until it is applied.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Records of what has expired, still to be taken off the shelf.
    overdue: Mutex<Vec<Kept>>,
    /// IDs of requests that are being handed on.
    under_way: Mutex<HashSet<String>>,
}

impl State {
    /// What was kept and has not expired.
    ///
    /// # Errors
    /// [`StoreError`]; `Inconsistent` where a record cannot be read, or its parent is missing.
    pub(super) async fn open(
        shelf: Arc<dyn Shelf>,
        settings: &Settings,
        ports: Ports,
    ) -> Result<Self, StoreError> {
        let now = ports.clock.now();
        let mut nodes = Nodes::new(settings.names.clone(), builtin::base(settings, now));
        builtin::add(&mut nodes, settings, now);
        for (resource, weight) in read_records(&shelf.load().await?)? {
            let has_parent = nodes.parent_of(&resource).is_some() || resource.above.is_some();
            if !has_parent {
                return Err(StoreError::Inconsistent);
            }
            nodes.put(resource, weight);
        }
        let state = Self {
            shelf,
            courier: Arc::new(Courier::new(&ports, settings)),
            settings: settings.clone(),
            clock: ports.clock,
            entropy: ports.entropy,
            nodes: RwLock::new(nodes),
            writing: Arc::default(),
            overdue: Mutex::default(),
            under_way: Mutex::default(),
        };
        state.expire(now);
        Ok(state)
    }

    /// The tree as it is; what has expired just now may still be there.
    pub(super) fn lock(&self) -> RwLockReadGuard<'_, Nodes> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_for_write(&self) -> RwLockWriteGuard<'_, Nodes> {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the tree without what has expired.
    pub(super) async fn read<T>(&self, now: Timestamp, look: impl FnOnce(&Nodes) -> T) -> T {
        let is_due = self.lock().is_due(now);
        if is_due {
            let _writing = self.writing.lock().await;
            self.expire(now);
        }
        look(&self.lock())
    }

    /// Decides, keeps, applies, tells. Once it is being kept it is done to the end, also when nobody
    /// waits for the answer any more.
    pub(super) async fn write(
        self: &Arc<Self>,
        now: Timestamp,
        decide: impl FnOnce(&Nodes) -> Result<(Change, Answer), Refusal>,
    ) -> Outcome {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        self.expire(now);
        let (settled, answer) = {
            let nodes = self.lock();
            let (change, answer) = decide(&nodes)?;
            (settle(change, &nodes, &self.settings, now)?, answer)
        };
        let state = Arc::clone(self);
        let task = tokio::spawn(async move {
            let committed = state.commit(settled).await;
            drop(writing);
            committed
        });
        let committed = task.await.unwrap_or(Err(StoreError::Unavailable));
        let not_kept = |_| Refusal::new(Rsc::InternalServerError, "cannot be kept now");
        let farewells = committed.map_err(not_kept)?;
        let told = futures_util::future::join_all(farewells);
        let _ = tokio::time::timeout(FAREWELL, told).await;
        Ok(answer)
    }

    /// Takes out what has expired, also of the shelf.
    pub(super) async fn sweep(self: &Arc<Self>, now: Timestamp) -> Result<(), StoreError> {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        self.expire(now);
        let state = Arc::clone(self);
        let task = tokio::spawn(async move {
            let kept = state.keep(Vec::new()).await;
            drop(writing);
            kept
        });
        task.await.unwrap_or(Err(StoreError::Unavailable))
    }

    async fn commit(&self, settled: Settled) -> Result<Vec<oneshot::Receiver<()>>, StoreError> {
        if !settled.records.is_empty() {
            self.keep(settled.records).await?;
        }
        apply(&mut self.lock_for_write(), &settled.remove, settled.put);
        Ok(self.post(settled.parcels))
    }

    /// Keeps these records, and takes off those that are overdue.
    async fn keep(&self, mut records: Vec<Kept>) -> Result<(), StoreError> {
        let overdue = std::mem::take(&mut *lock(&self.overdue));
        if overdue.is_empty() && records.is_empty() {
            return Ok(());
        }
        // What was made anew under the ID of one that expired is to stay.
        let new: HashSet<&[u8]> = records.iter().map(|(key, _)| key.as_slice()).collect();
        let old = overdue
            .iter()
            .filter(|(key, _)| !new.contains(key.as_slice()));
        let mut all: Vec<Kept> = old.cloned().collect();
        all.append(&mut records);
        let kept = self.shelf.keep(all).await;
        if kept.is_err() {
            lock(&self.overdue).extend(overdue);
        }
        kept
    }

    /// Answers those that wait for a farewell to be delivered.
    fn post(&self, parcels: Vec<Parcel>) -> Vec<oneshot::Receiver<()>> {
        let mut farewells = Vec::new();
        for parcel in parcels {
            let is_farewell = matches!(parcel.load, Load::Gone(_, Some(_)));
            let delivered = self.courier.post(parcel);
            if is_farewell {
                farewells.push(delivered);
            }
        }
        farewells
    }

    /// What has expired goes at once; its records go with the next change, and are not read again in
    /// any case. The caller is the only one that changes anything now.
    fn expire(&self, now: Timestamp) {
        if !self.lock().is_due(now) {
            return;
        }
        let parcels = {
            let mut nodes = self.lock_for_write();
            let due = Change {
                remove: nodes.due(now).map(str::to_owned).collect(),
                ..Change::default()
            };
            let Ok(settled) = settle(due, &nodes, &self.settings, now) else {
                return;
            };
            // A subscription may count down with what went: that is kept with its next change.
            apply(&mut nodes, &settled.remove, settled.put);
            let gone = settled.records.into_iter().filter(|kept| !is_record(kept));
            lock(&self.overdue).extend(gone);
            settled.parcels
        };
        drop(self.post(parcels));
    }

    /// Marks a request as one that is being handed on, until what is answered is dropped.
    ///
    /// # Errors
    /// It is already: it came back to here.
    pub(super) fn set_under_way(self: &Arc<Self>, request_id: &str) -> Result<UnderWay, Refusal> {
        if lock(&self.under_way).insert(request_id.to_owned()) {
            Ok(UnderWay {
                state: Arc::clone(self),
                request_id: request_id.to_owned(),
            })
        } else {
            let said = "the request is handed on already, or came back to where it was";
            Err(Refusal::new(Rsc::BadRequest, said))
        }
    }
}

/// A request that is being handed on.
pub(super) struct UnderWay {
    state: Arc<State>,
    request_id: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.state.under_way).remove(&self.request_id);
    }
}

fn apply(nodes: &mut Nodes, remove: &[String], put: Vec<(Resource, u64)>) {
    for ri in remove {
        nodes.remove(ri);
    }
    for (resource, weight) in put {
        nodes.put(resource, weight);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records in the order their resources were made: parents first.
fn read_records(records: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<(Resource, u64)>, StoreError> {
    let mut read = Vec::with_capacity(records.len());
    for (_, record) in records.iter().filter(|(key, _)| key.starts_with(b"r/")) {
        let resource = Resource::from_record(record).map_err(|_| StoreError::Inconsistent)?;
        read.push((resource, record.len() as u64));
    }
    read.sort_by_key(|(resource, _)| resource.order);
    Ok(read)
}
