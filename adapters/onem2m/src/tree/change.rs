//! A change of the tree: decided whole, kept whole, then applied, then told of. It is worked out
//! against the tree as it is and changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ics_core::time::Timestamp;

use crate::access::{Privilege, may};
use crate::caller::{Originator, Standing};
use crate::notification::{self, Event, EventType, Told};
use crate::primitive::{Content, Refusal};
use crate::resource::{Resource, Type};
use crate::rsc::Rsc;
use crate::shelf::Kept;

use super::nodes::{Nodes, Usage};
use super::{Limits, Settings};

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// New resources, and those that are to be as they are here.
    pub(super) put: Vec<Resource>,
    /// These go, with all that lies below them.
    pub(super) remove: Vec<String>,
    /// These too, and nobody is told: instances that had to make room.
    pub(super) evict: Vec<String>,
    /// As `put`, but not written to the shelf: after a start they are made again.
    pub(super) unkept: Vec<Resource>,
    /// What happened besides what went.
    pub(super) events: Vec<Event>,
}

/// A notification that is to be sent when the change is kept.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// Whose notifications are sent in their order: a subscription's.
    pub(super) lane: String,
    /// Whose subscription it is.
    pub(super) owner: String,
    pub(super) targets: Vec<notification::Target>,
    pub(super) load: Load,
}

/// What is in it.
#[derive(Clone, Debug)]
pub(super) enum Load {
    /// An event.
    Signal(serde_json::Value, Option<Batch>),
    /// The subscription is gone: whatever waits to be batched is sent before.
    Gone(Vec<notification::Target>, Option<Content>),
}

/// `bn`, `ln`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) number: Option<u64>,
    pub(super) duration: std::time::Duration,
    pub(super) latest: bool,
}

/// A change worked out.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) put: Vec<(Resource, u64)>,
    /// All that goes: resource IDs of the uppermost.
    pub(super) remove: Vec<String>,
    pub(super) records: Vec<Kept>,
    pub(super) parcels: Vec<Parcel>,
}

/// The key of a resource's record.
pub(super) fn key_of(ri: &str) -> Vec<u8> {
    format!("r/{ri}").into_bytes()
}

/// Whether a record is to be written, and not to be taken off.
pub(super) const fn is_record(kept: &Kept) -> bool {
    kept.1.is_some()
}

/// Works out what a change comes to: whom to tell, which subscriptions end with it, what is written.
///
/// # Errors
/// Where it would be more than there may be.
pub(super) fn settle(
    change: Change,
    nodes: &Nodes,
    settings: &Settings,
    now: Timestamp,
) -> Result<Settled, Refusal> {
    let mut put: BTreeMap<String, Resource> = BTreeMap::new();
    let mut order = Vec::new();
    for resource in change.put {
        order.push(resource.ri.clone());
        put.insert(resource.ri.clone(), resource);
    }
    let mut remove = uppermost(nodes, change.remove);
    let mut events = events_of_removal(nodes, &remove, now);
    events.extend(change.events);
    let mut parcels = Vec::new();
    let mut ended = Vec::new();
    for event in &events {
        for subscription in nodes.subscriptions_at(&event.at) {
            let current = put.get(&subscription.ri).unwrap_or(subscription).clone();
            let is_own_end = event.subject.ri == current.ri;
            if is_own_end || ended.contains(&current.ri) || !notification::concerns(&current, event)
            {
                continue;
            }
            if may_still_see(nodes, settings, &current, event) {
                parcels.push(parcel(nodes, settings, &current, event));
                count_down(current, (&mut put, &mut order, &mut ended));
            }
        }
    }
    remove.extend(ended);
    remove.extend(change.evict);
    bequeath(nodes, (&mut put, &mut order), &mut remove);
    let gone = gone(nodes, &remove);
    for resource in &gone {
        if resource.ty == Type::Subscription {
            parcels.push(farewell(nodes, settings, resource));
        }
    }
    let ids: HashSet<&str> = gone.iter().map(|resource| resource.ri.as_str()).collect();
    let kept = gone.iter().filter(|r| nodes.weight_of(&r.ri) > 0);
    let mut records: Vec<Kept> = kept.map(|r| (key_of(&r.ri), None)).collect();
    let mut settled = Vec::new();
    for ri in order {
        if let Some(resource) = put.remove(&ri).filter(|_| !ids.contains(ri.as_str())) {
            let unreadable = |_| Refusal::new(Rsc::InternalServerError, "cannot be kept");
            let record = resource.to_record().map_err(unreadable)?;
            let weight = record.len() as u64;
            records.push((key_of(&ri), Some(record)));
            settled.push((resource, weight));
        }
    }
    check_limits(nodes, &settings.limits, &settled, &gone)?;
    let unkept = change.unkept.into_iter();
    settled.extend(unkept.map(|resource| {
        let weight = nodes.weight_of(&resource.ri);
        (resource, weight)
    }));
    Ok(Settled {
        put: settled,
        remove,
        records,
        parcels,
    })
}

/// Of what goes, what does not go with another.
fn uppermost(nodes: &Nodes, remove: Vec<String>) -> Vec<String> {
    let all: HashSet<String> = remove.iter().cloned().collect();
    let goes_with_another = |ri: &String| {
        let mut above = nodes.node(ri).map(|node| node.resource.pi.as_str());
        while let Some(ri) = above {
            if all.contains(ri) {
                return true;
            }
            above = nodes.node(ri).map(|node| node.resource.pi.as_str());
        }
        false
    };
    remove
        .into_iter()
        .filter(|ri| !goes_with_another(ri))
        .collect()
}

/// Everything below what goes tells its own subscriptions; the parent of the uppermost is told too.
fn events_of_removal(nodes: &Nodes, remove: &[String], now: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    for root in remove {
        for resource in nodes.subtree(root) {
            let Some(node) = nodes.node(&resource.ri) else {
                continue;
            };
            let event = |kind, at: &str| Event {
                kind,
                at: at.to_owned(),
                subject: Told {
                    ty: resource.ty,
                    ri: resource.ri.clone(),
                    shown: nodes.show(node, now),
                },
                modified: serde_json::Map::new(),
            };
            if nodes.subscriptions_at(&resource.ri).next().is_some() {
                events.push(event(EventType::Deleted, &resource.ri));
            }
            if resource.ri == *root && nodes.subscriptions_at(&resource.pi).next().is_some() {
                events.push(event(EventType::ChildDeleted, &resource.pi));
            }
        }
    }
    events
}

/// TS-0001 10.2.10: who may not read it is not told of it, whatever he once subscribed to.
fn may_still_see(
    nodes: &Nodes,
    settings: &Settings,
    subscription: &Resource,
    event: &Event,
) -> bool {
    let is_admin = settings.admin.as_ref() == Some(&subscription.owner);
    let Some(node) = nodes.node(&event.at) else {
        return true;
    };
    let who = Originator {
        id: subscription.owner.clone(),
        standing: Standing::Believed,
    };
    is_admin || may(nodes, &who, node, Privilege::Retrieve)
}

fn parcel(nodes: &Nodes, settings: &Settings, subscription: &Resource, event: &Event) -> Parcel {
    let signal = notification::tell(subscription, event, nodes.names());
    Parcel {
        lane: subscription.ri.clone(),
        owner: subscription.owner.clone(),
        targets: targets(nodes, settings, subscription),
        load: Load::Signal(signal, Batch::of(subscription)),
    }
}

/// What an AE made elsewhere and leaves behind: its subscriptions go with it, the rest is the admin's.
/// Whoever gets its AE-ID next does not get what was its.
fn bequeath(
    nodes: &Nodes,
    (put, order): (&mut BTreeMap<String, Resource>, &mut Vec<String>),
    remove: &mut Vec<String>,
) {
    let gone = gone(nodes, remove);
    let ids: HashSet<&str> = gone.iter().map(|resource| resource.ri.as_str()).collect();
    let aes = gone.iter().filter(|resource| resource.ty == Type::Ae);
    let left = aes.flat_map(|ae| nodes.made_by(&ae.ri));
    let left: Vec<_> = left
        .filter(|resource| !ids.contains(resource.ri.as_str()))
        .collect();
    for resource in left {
        if resource.ty == Type::Subscription {
            remove.push(resource.ri.clone());
        } else {
            let mut resource = put
                .remove(&resource.ri)
                .unwrap_or_else(|| resource.as_ref().clone());
            resource.owner = nodes.names().sp_relative_cse_id();
            order.push(resource.ri.clone());
            put.insert(resource.ri.clone(), resource);
        }
    }
}

/// Where a subscription's notifications go; a target that cannot be reached now is left out.
pub(super) fn targets(
    nodes: &Nodes,
    settings: &Settings,
    subscription: &Resource,
) -> Vec<notification::Target> {
    let ways = |to| notification::ways(nodes, &settings.points_of_access, to).ok();
    subscription.texts("nu").filter_map(ways).collect()
}

/// `exc`: the subscription goes with the last notification it was for.
fn count_down(
    mut subscription: Resource,
    (put, order, ended): (
        &mut BTreeMap<String, Resource>,
        &mut Vec<String>,
        &mut Vec<String>,
    ),
) {
    let Some(left) = subscription.number("exc") else {
        return;
    };
    let ri = subscription.ri.clone();
    if left <= 1 {
        ended.push(ri);
    } else {
        let left = left.saturating_sub(1);
        subscription.attributes.insert("exc".into(), left.into());
        order.push(ri.clone());
        put.insert(ri, subscription);
    }
}

fn farewell(nodes: &Nodes, settings: &Settings, subscription: &Resource) -> Parcel {
    let whom = subscription.text("su");
    let ways = |to| notification::ways(nodes, &settings.points_of_access, to).ok();
    let content = whom.map(|_| notification::deletion(subscription, nodes.names()));
    Parcel {
        lane: subscription.ri.clone(),
        owner: subscription.owner.clone(),
        targets: targets(nodes, settings, subscription),
        load: Load::Gone(whom.and_then(ways).into_iter().collect(), content),
    }
}

/// All that goes, once each.
fn gone<'a>(nodes: &'a Nodes, remove: &'a [String]) -> Vec<&'a Arc<Resource>> {
    let mut seen = HashSet::new();
    let all = remove.iter().flat_map(|ri| nodes.subtree(ri));
    all.filter(|resource| seen.insert(resource.ri.as_str()))
        .collect()
}

/// Neither more resources nor more bytes than there may be, of one originator and of all.
fn check_limits(
    nodes: &Nodes,
    limits: &Limits,
    put: &[(Resource, u64)],
    gone: &[&Arc<Resource>],
) -> Result<(), Refusal> {
    let mut owners: BTreeMap<&str, (Usage, Usage)> = BTreeMap::new();
    for (resource, weight) in put {
        let (more, less) = owners.entry(&resource.owner).or_default();
        let is_new = nodes.node(&resource.ri).is_none();
        more.resources = more.resources.saturating_add(is_new.into());
        more.bytes = more.bytes.saturating_add(*weight);
        less.bytes = less.bytes.saturating_add(nodes.weight_of(&resource.ri));
    }
    for resource in gone {
        let (_, less) = owners.entry(&resource.owner).or_default();
        less.resources = less.resources.saturating_add(1);
        less.bytes = less.bytes.saturating_add(nodes.weight_of(&resource.ri));
    }
    // What the CSE keeps by itself is bounded by those it keeps it for.
    owners.remove(nodes.names().sp_relative_cse_id().as_str());
    let mut sum = (Usage::default(), Usage::default());
    for (owner, (more, less)) in owners {
        if exceeds(nodes.usage_of(owner), more, less, limits.of_one) {
            let said = "the originator has as many resources as it may have";
            return Err(Refusal::new(Rsc::OriginatorHasNoPrivilege, said));
        }
        sum.0.resources = sum.0.resources.saturating_add(more.resources);
        sum.0.bytes = sum.0.bytes.saturating_add(more.bytes);
        sum.1.resources = sum.1.resources.saturating_add(less.resources);
        sum.1.bytes = sum.1.bytes.saturating_add(less.bytes);
    }
    if exceeds(nodes.total(), sum.0, sum.1, limits.of_all) {
        let said = "this CSE holds as many resources as it may hold";
        return Err(Refusal::new(Rsc::InternalServerError, said));
    }
    Ok(())
}

/// Whether it grows, and beyond the limit: what makes it less is done even if it is too much.
fn exceeds(now: Usage, more: Usage, less: Usage, limit: Usage) -> bool {
    let is_over = |now: u64, more: u64, less: u64, limit: u64| {
        more > less && now.saturating_add(more).saturating_sub(less) > limit
    };
    is_over(
        now.resources,
        more.resources,
        less.resources,
        limit.resources,
    ) || is_over(now.bytes, more.bytes, less.bytes, limit.bytes)
}

impl Batch {
    /// After how long a batch is sent that says only after how many.
    const DURATION: std::time::Duration = std::time::Duration::from_secs(10);

    pub(super) fn of(subscription: &Resource) -> Option<Self> {
        let batch = subscription.attributes.get("bn")?;
        let duration = batch.get("dur").and_then(serde_json::Value::as_str);
        let duration = duration.and_then(crate::time::parse_duration);
        Some(Self {
            number: batch.get("num").and_then(serde_json::Value::as_u64),
            duration: duration.unwrap_or(Self::DURATION),
            latest: subscription.flag("ln"),
        })
    }
}
