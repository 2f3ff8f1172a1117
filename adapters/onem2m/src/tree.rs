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
mod document;
mod instance;
mod nodes;
mod registration;
mod retrieve;
mod state;
mod subscription;
mod update;

use std::sync::Arc;
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::port::{Clock, Entropy, StoreError};
use ics_core::time::Timestamp;
use serde_json::Value;

use crate::access::{Privilege, may};
use crate::address::{Address, Names};
use crate::caller::Originator;
use crate::notification;
use crate::outbound::{Outbound, Unreachable};
use crate::primitive::{Answer, Content, Operation, Outcome, Refusal, Request, Response};
use crate::resource::{Resource, Type};
use crate::rsc::Rsc;
use crate::shelf::Shelf;

use change::{Batch, Change, Load, Parcel};
use state::State;

pub(crate) use builtin::Grant;
pub(crate) use document::{Issue, Standing as DocumentStanding};
pub(crate) use nodes::{Found, Node, Nodes, Usage};

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
    state: Arc<State>,
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
        let state = State::open(shelf, settings, ports).await?;
        Ok(Self {
            state: Arc::new(state),
        })
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
                self.state.write(now, plan).await
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
        let settings = &self.state.settings;
        let birth = create::Birth {
            settings,
            who,
            request,
            random: self.random(),
            now,
        };
        if request.resource_type == Some(Type::Subscription.number()) {
            let parent = |nodes: &Nodes| birth.plan(nodes, address).map(|(change, _)| change);
            let change = self.state.read(now, parent).await?;
            self.verify(who, &change, &[], now).await?;
        }
        self.state
            .write(now, |nodes| birth.plan(nodes, address))
            .await
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
            settings: &self.state.settings,
            who,
            request,
            random: self.random(),
            now,
        };
        let plan = |nodes: &Nodes| birth.plan_at(nodes, parent);
        let change = self
            .state
            .read(now, |nodes| plan(nodes).map(|(change, _)| change))
            .await?;
        self.verify(who, &change, &[], now).await?;
        self.state.write(now, plan).await
    }

    async fn retrieve(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let retrieve = |nodes: &Nodes| retrieve::answer(nodes, (who, address), request, now);
        match self.state.read(now, retrieve).await? {
            retrieve::Retrieved::Answer(answer) => Ok(answer),
            // An instance that counts its retrievals (`dcnt`).
            retrieve::Retrieved::Counted => {
                let count = |nodes: &Nodes| retrieve::count(nodes, (who, address), request, now);
                self.state.write(now, count).await
            }
        }
    }

    async fn update(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let settings = &self.state.settings;
        let plan = |nodes: &Nodes| update::plan(nodes, settings, (who, address), request, now);
        if request
            .content
            .as_ref()
            .is_some_and(|c| c.contains_key(Type::Subscription.member()))
        {
            let (change, before) = self
                .state
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
        self.state.write(now, plan).await
    }

    /// NOTIFY to an AE is handed on to it (TS-0004 7.5.1.2.1).
    async fn hand_on(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let own = &self.state.settings.points_of_access;
        let (target, content) = self
            .state
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
        let _under_way = self.state.set_under_way(&request.request_id)?;
        let sender = (who.id.as_str(), request.request_id.as_str());
        let sent = self.state.courier.send_as(sender, &target, &content).await;
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
        let own = &self.state.settings.points_of_access;
        let targets = self
            .state
            .read(now, |nodes| {
                subscription::to_verify(nodes, own, who, (subscription, before))
            })
            .await;
        let content =
            notification::verification(&subscription.ri, &who.id, &self.state.settings.names);
        let asked = targets
            .iter()
            .map(|target| self.state.courier.send(target, &content));
        let answers = futures_util::future::join_all(asked).await;
        let confirms = |answer: &Result<Response, Unreachable>| {
            answer
                .as_ref()
                .is_ok_and(|response| response.rsc == Rsc::Ok)
        };
        if answers.iter().all(confirms) {
            Ok(())
        } else {
            let said = "leads to a target that does not confirm that it wants to be notified";
            Err(Refusal::about(
                Rsc::SubscriptionVerificationFailed,
                "nu",
                said,
            ))
        }
    }

    /// Subscriptions at the resource with that ID, be it of this tree or not.
    pub(crate) fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch> {
        let now = self.state.clock.now();
        let nodes = self.state.lock();
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
        let nodes = self.state.lock();
        let Some(node) = nodes.node(subscription_ri) else {
            return;
        };
        let signal = notification::signal(&node.resource, net, representation, nodes.names());
        let parcel = Parcel {
            lane: subscription_ri.to_owned(),
            owner: node.resource.owner.clone(),
            targets: change::targets(&nodes, &self.state.settings, &node.resource),
            load: Load::Signal(signal, Batch::of(&node.resource)),
        };
        drop(self.state.courier.post(parcel));
    }

    /// The AE of that ID.
    pub(crate) fn ae(&self, stem: &str) -> Option<RegisteredAe> {
        let now = self.state.clock.now();
        let nodes = self.state.lock();
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
            let nodes = self.state.lock();
            let ways = notification::ways(&nodes, &self.state.settings.points_of_access, to);
            ways.map_err(|_| Unreachable::Address)?
        };
        self.state.courier.send(&target, &content).await
    }

    /// The hosted devices that have an AE here.
    pub(crate) fn devices(&self) -> Vec<DeviceId> {
        self.state.lock().devices().cloned().collect()
    }

    /// Whether the device has an AE here.
    pub(crate) fn has_device(&self, device: &DeviceId) -> bool {
        self.state.lock().ae_of(device).is_some()
    }

    /// How it is with the document of a device that has an AE here.
    pub(crate) async fn document(
        &self,
        device: &DeviceId,
        now: Timestamp,
    ) -> Option<DocumentStanding> {
        let look = |nodes: &Nodes| document::standing(nodes, device);
        self.state.read(now, look).await
    }

    /// Puts a version of its document where the device finds it. Who watches is told of it if the device
    /// is to be.
    pub(crate) async fn issue_document(
        &self,
        (device, issue): (&DeviceId, &Issue),
        is_told: bool,
        now: Timestamp,
    ) -> Outcome {
        let with = (self.random(), is_told);
        let plan = |nodes: &Nodes| document::plan_issue(nodes, (device, issue), with, now);
        self.state.write(now, plan).await
    }

    /// Tells who watches once more of the version that lies there.
    pub(crate) async fn repeat_document(&self, device: &DeviceId, now: Timestamp) -> Outcome {
        let plan = |nodes: &Nodes| document::plan_repetition(nodes, device, now);
        self.state.write(now, plan).await
    }

    /// What an AE is told of it that does not subscribe.
    pub(crate) async fn document_notice(
        &self,
        device: &DeviceId,
        now: Timestamp,
    ) -> Option<Content> {
        let look = |nodes: &Nodes| document::notice(nodes, device, now);
        self.state.read(now, look).await
    }

    /// Takes away the AE of a device that is no more, with all that lies below it.
    pub(crate) async fn end_device(&self, device: &DeviceId, now: Timestamp) -> Outcome {
        let plan = |nodes: &Nodes| Ok(document::plan_end(nodes, device));
        self.state.write(now, plan).await
    }

    /// The device whose acknowledgements are taken at that address, if it is such a place.
    pub(crate) async fn acknowledging(
        &self,
        address: &Address,
        now: Timestamp,
    ) -> Option<DeviceId> {
        let look = |nodes: &Nodes| document::acknowledging(nodes, address).cloned();
        self.state.read(now, look).await
    }

    /// Who may do what with a collection of the ICS, as the owner of the platform reads it.
    pub(crate) fn show_grants(&self, collection: &str, grants: &[Grant]) {
        let mut nodes = self.state.lock_for_write();
        builtin::show_grants(&mut nodes, collection, grants);
    }

    /// Takes out what has expired, also of the shelf. To be called now and then.
    ///
    /// # Errors
    /// [`StoreError`]: it is tried again with the next change.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.state.sweep(now).await
    }

    fn random(&self) -> u128 {
        let mut random = [0; 16];
        self.state.entropy.fill(&mut random);
        u128::from_be_bytes(random)
    }
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
pub(crate) mod tests;
