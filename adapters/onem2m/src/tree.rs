//! The resources of Mca and Mcc: kept in memory, written through to a [`Shelf`] before the answer.
//!
//! A request is decided on the tree as it is ([`create`], [`retrieve`], [`update`], [`delete`]), the
//! change it comes to is kept, then applied, then told of. Reads share a lock; changes are made one at
//! a time. Requests of this CSE go out by [`Outbound`], none while the tree is locked.

mod builtin;
mod change;
mod courier;
mod create;
mod delete;
mod nodes;
mod retrieve;
mod subscription;
mod update;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::port::{Clock, Entropy, StoreError};
use ics_core::time::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::access::{Privilege, may};
use crate::address::{Address, Names};
use crate::caller::Originator;
use crate::notification;
use crate::outbound::{Outbound, Unreachable};
use crate::primitive::{Answer, Content, Operation, Outcome, Refusal, Request, Response};
use crate::resource::{Resource, Type};
use crate::rsc::Rsc;
use crate::shelf::{Kept, Shelf};

use change::{Batch, Change, Load, Parcel, Settled, settle};
use courier::Courier;

pub(crate) use builtin::Grant;
pub(crate) use nodes::{Found, Node, Nodes, Usage};

/// How long the answer to a delete waits for the subscriber to be told of it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the tree is told at start.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) names: Names,
    /// Where this CSE itself is reached: nothing is notified to there.
    pub(crate) points_of_access: Vec<String>,
    /// The originator that may do everything.
    pub(crate) admin: Option<String>,
    /// The releases spoken.
    pub(crate) releases: Vec<String>,
    /// CSE-IDs, without the slash, that may register here.
    pub(crate) peers: Vec<String>,
    pub(crate) limits: Limits,
    /// How long a resource lives that does not say, and the longest that one may.
    pub(crate) lifetime: Duration,
    /// How long after a failure a notification is sent again, each time.
    pub(crate) pauses: Vec<Duration>,
}

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of one originator.
    pub(crate) of_one: Usage,
    /// Altogether.
    pub(crate) of_all: Usage,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            of_one: Usage {
                resources: 10_000,
                bytes: 64 << 20,
            },
            of_all: Usage {
                resources: 200_000,
                bytes: 512 << 20,
            },
        }
    }
}

impl Settings {
    /// With the limits and times that suit most.
    pub(crate) fn new(names: Names, releases: &[&str]) -> Self {
        Self {
            names,
            points_of_access: Vec::new(),
            admin: None,
            releases: releases.iter().map(|&release| release.to_owned()).collect(),
            peers: Vec::new(),
            limits: Limits::default(),
            lifetime: Duration::from_secs(365 * 86_400),
            pauses: vec![Duration::from_millis(500), Duration::from_secs(3)],
        }
    }
}

/// What the tree stands on.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// What a subscription is at that is no resource of this tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) ri: &'a str,
    /// Where it is, CSE-relative and structured: `ics/map/map-17`.
    pub(crate) path: &'a str,
}

/// A subscription at what is no resource of this tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watch {
    pub(crate) ri: String,
    pub(crate) nu: Vec<String>,
    pub(crate) net: Vec<u64>,
    pub(crate) nct: u64,
    pub(crate) creator: String,
}

/// An AE that is registered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegisteredAe {
    pub(crate) points_of_access: Vec<String>,
    pub(crate) reachable: bool,
    /// The hosted device it is bound to.
    pub(crate) device: Option<DeviceId>,
}

/// The resources.
#[derive(Clone)]
pub(crate) struct Tree {
    inner: Arc<Inner>,
}

struct Inner {
    shelf: Arc<dyn Shelf>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    nodes: RwLock<Nodes>,
    /// Held from the decision on a change until it is applied.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Records of what has expired, still to be taken off the shelf.
    overdue: Mutex<Vec<Kept>>,
    courier: Arc<Courier>,
}

impl Tree {
    /// Opens the tree: what was kept and has not expired.
    ///
    /// # Errors
    /// [`StoreError`]; `Inconsistent` where a record cannot be read, or its parent is missing.
    pub(crate) async fn open(
        shelf: Arc<dyn Shelf>,
        settings: &Settings,
        ports: Ports,
    ) -> Result<Self, StoreError> {
        let now = ports.clock.now();
        let mut nodes = Nodes::new(settings.names.clone(), builtin::base(settings, now));
        builtin::add(&mut nodes, settings, now);
        for (resource, weight) in read_records(shelf.load().await?)? {
            let has_parent = nodes.parent_of(&resource).is_some() || resource.above.is_some();
            if !has_parent {
                return Err(StoreError::Inconsistent);
            }
            nodes.put(resource, weight);
        }
        let tree = Self {
            inner: Arc::new(Inner {
                shelf,
                courier: Arc::new(Courier::new(&ports, settings)),
                settings: settings.clone(),
                clock: ports.clock,
                entropy: ports.entropy,
                nodes: RwLock::new(nodes),
                writing: Arc::default(),
                overdue: Mutex::default(),
            }),
        };
        tree.inner.expire(now);
        Ok(tree)
    }

    /// Does what `request` asks for.
    pub(crate) async fn handle(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let registers = request.operation == Operation::Create
            && request.resource_type == Some(Type::Ae.number());
        if who.id.is_empty() && !registers {
            return Err(Refusal::about(Rsc::BadRequest, "fr", "is missing"));
        }
        match request.operation {
            Operation::Create => self.create((who, address), request, now).await,
            Operation::Retrieve => self.retrieve((who, address), request, now).await,
            Operation::Update => self.update((who, address), request, now).await,
            Operation::Delete => {
                let plan = |nodes: &Nodes| delete::plan(nodes, (who, address), request, now);
                self.write(now, plan).await
            }
            Operation::Notify => self.hand_on((who, address), request, now).await,
        }
    }

    async fn create(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let settings = &self.inner.settings;
        let birth = create::Birth {
            settings,
            who,
            request,
            random: self.random(),
            now,
        };
        if request.resource_type == Some(Type::Subscription.number()) {
            let parent = |nodes: &Nodes| birth.plan(nodes, address).map(|(change, _)| change);
            let change = self.read(now, parent).await?;
            self.verify(who, &change, &[], now).await?;
        }
        self.write(now, |nodes| birth.plan(nodes, address)).await
    }

    /// Makes a subscription at what is no resource of this tree. That `who` may is checked before.
    pub(crate) async fn subscribe_at(
        &self,
        parent: &Parent<'_>,
        who: &Originator,
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let birth = create::Birth {
            settings: &self.inner.settings,
            who,
            request,
            random: self.random(),
            now,
        };
        let plan = |nodes: &Nodes| birth.plan_at(nodes, parent);
        let change = self
            .read(now, |nodes| plan(nodes).map(|(change, _)| change))
            .await?;
        self.verify(who, &change, &[], now).await?;
        self.write(now, plan).await
    }

    async fn retrieve(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let retrieve = |nodes: &Nodes| retrieve::answer(nodes, (who, address), request, now);
        match self.read(now, retrieve).await? {
            retrieve::Retrieved::Answer(answer) => Ok(answer),
            // An instance that counts its retrievals (`dcnt`).
            retrieve::Retrieved::Counted => {
                let count = |nodes: &Nodes| retrieve::count(nodes, (who, address), request, now);
                self.write(now, count).await
            }
        }
    }

    async fn update(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let settings = &self.inner.settings;
        let plan = |nodes: &Nodes| update::plan(nodes, settings, (who, address), request, now);
        if request
            .content
            .as_ref()
            .is_some_and(|c| c.contains_key(Type::Subscription.member()))
        {
            let (change, before) = self
                .read(now, |nodes| {
                    let (change, _) = plan(nodes)?;
                    let before = change.put.first().and_then(|put| nodes.node(&put.ri));
                    let before = before.map(|node| node.resource.texts("nu").map(str::to_owned));
                    let before: Vec<String> = before.into_iter().flatten().collect();
                    Ok::<_, Refusal>((change, before))
                })
                .await?;
            self.verify(who, &change, &before, now).await?;
        }
        self.write(now, plan).await
    }

    /// NOTIFY to an AE is handed on to it (TS-0004 7.5.1.2.1).
    async fn hand_on(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let own = &self.inner.settings.points_of_access;
        let (target, content) = self
            .read(now, |nodes| {
                let node = match nodes.find(address) {
                    Some(Found::Node(node)) => node,
                    _ => return Err(not_found()),
                };
                let content = request
                    .content
                    .as_ref()
                    .filter(|content| is_notification(content));
                if node.resource.ty == Type::CseBase || content.is_none() {
                    let said = "is no notification for an AE";
                    return Err(Refusal::about(Rsc::BadRequest, "pc", said));
                }
                if !may(nodes, who, node, Privilege::Notify) {
                    return Err(no_privilege());
                }
                if node.resource.ty != Type::Ae {
                    let said = "an AE alone is notified";
                    return Err(Refusal::new(Rsc::OperationNotAllowed, said));
                }
                let target = notification::ways(nodes, own, &node.resource.ri);
                let said = "the AE has no point of access that can be called";
                let target = target.map_err(|_| Refusal::new(Rsc::TargetNotReachable, said))?;
                Ok((target, content.cloned().unwrap_or_default()))
            })
            .await?;
        let sent = self
            .inner
            .courier
            .send_from(&who.id, &target, &content)
            .await;
        let said = "the AE does not answer";
        let response = sent.map_err(|_| Refusal::new(Rsc::TargetNotReachable, said))?;
        Ok(Answer {
            rsc: response.rsc,
            content: response.content,
            location: None,
        })
    }

    /// Asks each new target whether it wants to be notified (TS-0004 7.4.8.2.1).
    async fn verify(
        &self,
        who: &Originator,
        change: &Change,
        before: &[String],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(subscription) = change.put.first() else {
            return Ok(());
        };
        let own = &self.inner.settings.points_of_access;
        let targets = self
            .read(now, |nodes| {
                subscription::to_verify(nodes, own, who, (subscription, before))
            })
            .await;
        let content =
            notification::verification(&subscription.ri, &who.id, &self.inner.settings.names);
        for target in &targets {
            let answer = self.inner.courier.send(target, &content).await;
            if !answer.is_ok_and(|response| response.rsc == Rsc::Ok) {
                let said = "leads to a target that does not confirm that it wants to be notified";
                return Err(Refusal::about(
                    Rsc::SubscriptionVerificationFailed,
                    "nu",
                    said,
                ));
            }
        }
        Ok(())
    }

    /// Subscriptions at the resource with that ID, be it of this tree or not.
    pub(crate) fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch> {
        let now = self.inner.clock.now();
        let nodes = self.inner.lock();
        let alive = |s: &&Arc<Resource>| s.expires.is_none_or(|expires| expires > now);
        let subscriptions = nodes.subscriptions_at(parent_ri).filter(alive);
        let watches = subscriptions.map(|subscription| Watch {
            ri: subscription.ri.clone(),
            nu: subscription.texts("nu").map(str::to_owned).collect(),
            net: notification::event_types(subscription),
            nct: subscription.number("nct").unwrap_or(1),
            creator: subscription.owner.clone(),
        });
        watches.collect()
    }

    /// Sends a notification of the subscription with that ID, in the background, after those before it.
    /// What it says is made by who knows the resource.
    pub(crate) fn tell(&self, subscription_ri: &str, net: u64, representation: Value) {
        let nodes = self.inner.lock();
        let Some(node) = nodes.node(subscription_ri) else {
            return;
        };
        let signal = notification::signal(&node.resource, net, representation, nodes.names());
        let parcel = Parcel {
            lane: subscription_ri.to_owned(),
            targets: change::targets(&nodes, &self.inner.settings, &node.resource),
            load: Load::Signal(signal, Batch::of(&node.resource)),
        };
        drop(self.inner.courier.post(parcel));
    }

    /// The resource with that ID is gone, which is none of this tree: its subscriptions go too.
    ///
    /// # Errors
    /// Where that cannot be kept.
    pub(crate) async fn drop_children_of(
        &self,
        parent_ri: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let drop_all = |nodes: &Nodes| {
            let subscriptions = nodes.subscriptions_at(parent_ri);
            let change = Change {
                remove: subscriptions
                    .map(|subscription| subscription.ri.clone())
                    .collect(),
                ..Change::default()
            };
            Ok((change, Answer::empty(Rsc::Deleted)))
        };
        self.write(now, drop_all).await.map(|_| ())
    }

    /// The AE of that ID.
    pub(crate) fn ae(&self, stem: &str) -> Option<RegisteredAe> {
        let now = self.inner.clock.now();
        let nodes = self.inner.lock();
        let resource = &nodes.node(stem)?.resource;
        let is_alive = resource.expires.is_none_or(|expires| expires > now);
        (resource.ty == Type::Ae && is_alive).then(|| RegisteredAe {
            points_of_access: resource.texts("poa").map(str::to_owned).collect(),
            reachable: resource.flag("rr"),
            device: resource.device.clone(),
        })
    }

    /// Sends a notification once, and waits for the answer: to a URL, an AE or CSE registered here, or
    /// through the registrar.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub(crate) async fn notify(&self, to: &str, content: Content) -> Result<Response, Unreachable> {
        let target = {
            let nodes = self.inner.lock();
            let ways = notification::ways(&nodes, &self.inner.settings.points_of_access, to);
            ways.map_err(|_| Unreachable::Address)?
        };
        self.inner.courier.send(&target, &content).await
    }

    /// Who may do what with a collection of the ICS, as the owner of the platform reads it.
    pub(crate) fn show_grants(&self, collection: &str, grants: &[Grant]) {
        let mut nodes = self
            .inner
            .nodes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        builtin::show_grants(&mut nodes, collection, grants);
    }

    /// Takes out what has expired, also of the shelf. To be called now and then.
    ///
    /// # Errors
    /// [`StoreError`]: it is tried again with the next change.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let writing = Arc::clone(&self.inner.writing).lock_owned().await;
        self.inner.expire(now);
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let kept = inner.keep(Vec::new()).await;
            drop(writing);
            kept
        });
        task.await.map_err(|_| StoreError::Unavailable)?
    }

    fn random(&self) -> u64 {
        let mut random = [0; 8];
        self.inner.entropy.fill(&mut random);
        u64::from_be_bytes(random)
    }

    async fn read<T>(&self, now: Timestamp, look: impl FnOnce(&Nodes) -> T) -> T {
        let is_due = self.inner.lock().is_due(now);
        if is_due {
            let _writing = self.inner.writing.lock().await;
            self.inner.expire(now);
        }
        look(&self.inner.lock())
    }

    /// Decides, keeps, applies, tells. Once it is being kept it is done to the end, also when nobody
    /// waits for the answer any more.
    async fn write(
        &self,
        now: Timestamp,
        decide: impl FnOnce(&Nodes) -> Result<(Change, Answer), Refusal>,
    ) -> Outcome {
        let writing = Arc::clone(&self.inner.writing).lock_owned().await;
        self.inner.expire(now);
        let (settled, answer) = {
            let nodes = self.inner.lock();
            let (change, answer) = decide(&nodes)?;
            (settle(change, &nodes, &self.inner.settings, now)?, answer)
        };
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let committed = inner.commit(settled).await;
            drop(writing);
            committed
        });
        let not_kept = || Refusal::new(Rsc::InternalServerError, "cannot be kept now");
        let farewells = task
            .await
            .map_err(|_| not_kept())?
            .map_err(|_| not_kept())?;
        let told = async {
            for farewell in farewells {
                let _ = farewell.await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, told).await;
        Ok(answer)
    }
}

impl Inner {
    fn lock(&self) -> RwLockReadGuard<'_, Nodes> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn commit(&self, settled: Settled) -> Result<Vec<oneshot::Receiver<()>>, StoreError> {
        if !settled.records.is_empty() {
            self.keep(settled.records).await?;
        }
        {
            let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
            for ri in &settled.remove {
                nodes.remove(ri);
            }
            for (resource, weight) in settled.put {
                nodes.put(resource, weight);
            }
        }
        Ok(self.post(settled.parcels))
    }

    /// Keeps these records, and takes off those that are overdue.
    async fn keep(&self, mut records: Vec<Kept>) -> Result<(), StoreError> {
        let overdue = {
            let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *overdue)
        };
        if overdue.is_empty() && records.is_empty() {
            return Ok(());
        }
        // What was made anew under the ID of one that expired is to stay.
        let mut all: Vec<Kept> = overdue
            .iter()
            .filter(|(key, _)| records.iter().all(|(other, _)| other != key))
            .cloned()
            .collect();
        all.append(&mut records);
        let kept = self.shelf.keep(all).await;
        if kept.is_err() {
            let mut waiting = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(overdue);
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
            let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
            let due = Change {
                remove: nodes.due(now).map(str::to_owned).collect(),
                ..Change::default()
            };
            let Ok(settled) = settle(due, &nodes, &self.settings, now) else {
                return;
            };
            for ri in &settled.remove {
                nodes.remove(ri);
            }
            // A subscription may count down with what went: that is kept with its next change.
            for (resource, weight) in settled.put {
                nodes.put(resource, weight);
            }
            let gone = settled
                .records
                .into_iter()
                .filter(|(_, record)| record.is_none());
            let mut overdue = self.overdue.lock().unwrap_or_else(PoisonError::into_inner);
            overdue.extend(gone);
            settled.parcels
        };
        drop(self.post(parcels));
    }
}

/// Records in the order their resources were made: parents first.
fn read_records(records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<(Resource, u64)>, StoreError> {
    let mut read = Vec::with_capacity(records.len());
    for (_, record) in records.iter().filter(|(key, _)| key.starts_with(b"r/")) {
        let resource = Resource::from_record(record).map_err(|_| StoreError::Inconsistent)?;
        read.push((resource, record.len() as u64));
    }
    read.sort_by_key(|(resource, _)| resource.order);
    Ok(read)
}

fn is_notification(content: &Content) -> bool {
    let mut names = content.keys().map(String::as_str);
    let is_known = |name: &str| matches!(name, "m2m:sgn" | "m2m:agn" | "m2m:seci");
    content.len() == 1 && names.any(is_known)
}

const fn not_found() -> Refusal {
    Refusal::new(Rsc::NotFound, "no such resource")
}

const fn no_privilege() -> Refusal {
    Refusal::new(
        Rsc::OriginatorHasNoPrivilege,
        "the originator may not do that",
    )
}

#[cfg(test)]
mod tests;
