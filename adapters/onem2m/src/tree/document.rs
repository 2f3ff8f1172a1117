//! What the CSE keeps below the AE of a hosted device: `doc`, where the mapping document that the device
//! must hold is the one instance, named by its version; and `ack`, where the device says what it holds.
//!
//! Both are made with the AE, and the device may neither change nor remove them: each has a policy of
//! its own. The instance is not written to the shelf: the document is a projection of rows that are in the
//! store, and what is sealed there must not lie beside it in plain.

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::address::{Address, Names};
use crate::notification::{self, Event, EventType, Told};
use crate::primitive::{Answer, Content, Refusal};
use crate::resource::{Holdings, Resource, Type};
use crate::rsc::Rsc;

use super::change::Change;
use super::create::birth_event;
use super::nodes::{Found, Node, Nodes};
use super::not_found;

/// `rn` of where the document lies.
const DOCUMENT: &str = "doc";
/// `rn` of where it is acknowledged.
const ACKNOWLEDGEMENTS: &str = "ack";
/// What the content is, and that it is encoded no further (TS-0004 `m2m:contentInfo`).
const JSON: &str = "application/json:0";

// `acop` (TS-0004 6.3.4.2.29).
const CREATE: u8 = 1;
const READ: u8 = 2 | 32;
const EVERYTHING: u8 = 63;

/// A version of a document, as text.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) version: u64,
    pub(crate) text: String,
}

/// How it is with the document of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The device's AE-ID.
    pub(crate) ae: String,
    /// The version that lies there.
    pub(crate) version: Option<u64>,
    /// Whether somebody subscribes to new ones.
    pub(crate) is_watched: bool,
    /// Whether the AE says that it can be called.
    pub(crate) is_reachable: bool,
}

/// What is made along with the AE of a hosted device.
pub(super) fn beside(ae: &Resource, names: &Names, random: u128) -> Vec<Resource> {
    let cse = names.sp_relative_cse_id();
    let mut made = Vec::new();
    let limits = [
        (DOCUMENT, Type::Subscription, 1),
        (ACKNOWLEDGEMENTS, Type::ContentInstance, 0),
    ];
    for (name, child, most) in limits {
        let policy = format!("acp-{name}");
        let rules = json!({
            "pv": { "acr": [
                { "acor": [ae.ri], "acop": READ },
                { "acor": [ae.ri], "acop": CREATE, "acod": [{ "chty": [child.number()] }] },
            ] },
            "pvs": { "acr": [{ "acor": [cse], "acop": EVERYTHING }] },
        });
        let policy = (Type::AccessControlPolicy, policy, rules);
        let policy_id = id_beside(Type::AccessControlPolicy, random, made.len());
        let container = json!({ "cr": cse, "acpi": [policy_id], "mni": most });
        let container = (Type::Container, name.to_owned(), container);
        for (ty, name, attributes) in [policy, container] {
            let nth = made.len();
            made.push(Resource {
                ty,
                ri: id_beside(ty, random, nth),
                rn: name,
                pi: ae.ri.clone(),
                // They end with the AE, however long that goes on.
                expires: Some(Timestamp::MAX),
                state_tag: 0,
                attributes: members(attributes),
                owner: cse.clone(),
                device: None,
                order: ae.order.saturating_add(nth as u64).saturating_add(1),
                ..ae.clone()
            });
        }
    }
    made
}

fn id_beside(ty: Type, random: u128, nth: usize) -> String {
    let nth = (nth as u128).wrapping_add(1);
    format!("{}{:032x}", ty.short_name(), random ^ (nth << 64))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Puts a version where the one before it was; no older one in place of a newer. Who watches is told of it
/// if the device is to be.
pub(super) fn plan_issue(
    nodes: &Nodes,
    (device, issue): (&DeviceId, &Issue),
    (random, is_told): (u128, bool),
    now: Timestamp,
) -> Result<(Change, Answer), Refusal> {
    let container = find(nodes, device, DOCUMENT).ok_or_else(not_found)?;
    let mut change = Change::default();
    if version_in(nodes, container).is_none_or(|present| present < issue.version) {
        let instance = instance(nodes, (container, issue), random, now);
        let shown = instance.show(Holdings::default(), now);
        change
            .events
            .extend(birth_event(&instance, &shown).filter(|_| is_told));
        let instances = container.instances();
        change.evict = instances.map(|(ri, _)| ri.to_owned()).collect();
        let mut container = container.resource.as_ref().clone();
        container.state_tag = issue.version;
        container.modified = now;
        change.unkept = vec![container, instance];
    }
    Ok((change, Answer::empty(Rsc::Ok)))
}

fn instance(
    nodes: &Nodes,
    (container, issue): (&Node, &Issue),
    random: u128,
    now: Timestamp,
) -> Resource {
    let cse = nodes.names().sp_relative_cse_id();
    let attributes = json!({
        "cr": cse,
        "cnf": JSON,
        "con": issue.text,
        "cs": issue.text.len(),
    });
    Resource {
        ty: Type::ContentInstance,
        ri: format!("{}{random:032x}", Type::ContentInstance.short_name()),
        rn: format!("v{}", issue.version),
        pi: container.resource.ri.clone(),
        created: now,
        modified: now,
        expires: Some(Timestamp::MAX),
        state_tag: issue.version,
        attributes: members(attributes),
        owner: cse,
        device: None,
        above: None,
        order: nodes.next_order(),
    }
}

/// Tells once more of the version that lies there.
pub(super) fn plan_repetition(
    nodes: &Nodes,
    device: &DeviceId,
    now: Timestamp,
) -> Result<(Change, Answer), Refusal> {
    let instance = latest(nodes, device).ok_or_else(not_found)?;
    let change = Change {
        events: vec![Event {
            kind: EventType::ChildCreated,
            at: instance.resource.pi.clone(),
            subject: Told {
                ty: instance.resource.ty,
                ri: instance.resource.ri.clone(),
                shown: nodes.show(instance, now),
            },
            modified: Map::new(),
        }],
        ..Change::default()
    };
    Ok((change, Answer::empty(Rsc::Ok)))
}

/// The AE of a device that is no more goes, with all that lies below it.
pub(super) fn plan_end(nodes: &Nodes, device: &DeviceId) -> (Change, Answer) {
    let ae = nodes.ae_of(device).map(|ae| ae.resource.ri.clone());
    let change = Change {
        remove: ae.into_iter().collect(),
        ..Change::default()
    };
    (change, Answer::empty(Rsc::Ok))
}

/// How it is with the document of a device that has an AE here.
pub(super) fn standing(nodes: &Nodes, device: &DeviceId) -> Option<Standing> {
    let ae = &nodes.ae_of(device)?.resource;
    let container = find(nodes, device, DOCUMENT)?;
    let mut watching = nodes.subscriptions_at(&container.resource.ri);
    let created = EventType::ChildCreated.number();
    Some(Standing {
        ae: ae.ri.clone(),
        version: version_in(nodes, container),
        is_watched: watching.any(|s| notification::event_types(s).contains(&created)),
        is_reachable: ae.flag("rr") && ae.texts("poa").next().is_some(),
    })
}

/// What an AE is told that does not subscribe.
pub(super) fn notice(nodes: &Nodes, device: &DeviceId, now: Timestamp) -> Option<Content> {
    let instance = latest(nodes, device)?;
    let shown = nodes.show(instance, now);
    Some(notification::single(json!({
        "nev": {
            "net": EventType::ChildCreated.number(),
            "rep": instance.resource.wrap(shown),
        },
        "sur": nodes.names().sp_relative(&instance.resource.pi),
    })))
}

/// The device whose acknowledgements are taken at that address, if it is such a place.
pub(super) fn acknowledging<'a>(nodes: &'a Nodes, address: &Address) -> Option<&'a DeviceId> {
    let Found::Node(node) = nodes.find(address)? else {
        return None;
    };
    let device = nodes.parent_of(&node.resource)?.resource.device.as_ref()?;
    let place = find(nodes, device, ACKNOWLEDGEMENTS)?;
    (place.resource.ri == node.resource.ri).then_some(device)
}

/// What the CSE keeps for the device under that name.
fn find<'a>(nodes: &'a Nodes, device: &DeviceId, name: &str) -> Option<&'a Node> {
    let own = nodes.ae_of(device)?.child_named(name)?;
    let is_of_cse = |node: &&Node| node.resource.owner == nodes.names().sp_relative_cse_id();
    nodes.node(own).filter(is_of_cse)
}

fn latest<'a>(nodes: &'a Nodes, device: &DeviceId) -> Option<&'a Node> {
    let container = find(nodes, device, DOCUMENT)?;
    let (ri, _) = container.instances().next_back()?;
    nodes.node(ri)
}

fn version_in(nodes: &Nodes, container: &Node) -> Option<u64> {
    let (ri, _) = container.instances().next_back()?;
    Some(nodes.node(ri)?.resource.state_tag)
}
