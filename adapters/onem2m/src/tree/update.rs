//! Changing attributes (TS-0004 7.4, each type's Update).

use ics_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::access::{Privilege, may, may_change_policies};
use crate::address::Address;
use crate::caller::Originator;
use crate::notification::{Event, EventType, Told};
use crate::primitive::{Answer, Refusal, Request};
use crate::resource::{Changes, Holdings, Resource, Type, read_update};
use crate::rsc::Rsc;

use super::builtin::is_built_in;
use super::change::Change;
use super::create::{expiration, not_given, resolve_policies};
use super::instance::InstanceLimits;
use super::nodes::{Found, Node, Nodes};
use super::{Settings, no_privilege, not_found, subscription};

/// What an update comes to.
pub(super) fn plan(
    nodes: &Nodes,
    settings: &Settings,
    (who, address): (&Originator, &Address),
    request: &Request,
    now: Timestamp,
) -> Result<(Change, Answer), Refusal> {
    let has_filter = !request.filter.attribute_list.is_empty();
    if has_filter || !matches!(request.result_content, None | Some(0 | 1 | 9)) {
        return Err(Refusal::about(
            Rsc::BadRequest,
            "rcn",
            "is not for an update",
        ));
    }
    let node = target(nodes, address, request)?;
    check_access(nodes, who, node, request)?;
    let changes = read_update(node.resource.ty, request.content.as_ref())?;
    let given: Map<String, Value> = changes
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().unwrap_or(Value::Null)))
        .collect();
    let mut resource = node.resource.as_ref().clone();
    apply(nodes, settings, (&mut resource, changes), now)?;
    let mut change = Change::default();
    match resource.ty {
        Type::Container => {
            resource.state_tag = resource.state_tag.saturating_add(1);
            change.evict = make_room(node, &resource);
        }
        Type::Subscription => {
            let above = nodes.parent_of(&resource).map(|parent| parent.resource.ty);
            subscription::complete(&mut resource.attributes, above)?;
            let own = &settings.points_of_access;
            if given.contains_key("nu") {
                subscription::check_targets(nodes, own, (who, &resource))?;
            }
        }
        _ => {}
    }
    let shown = resource.show(remaining(node, &change.evict), now);
    change.events.push(Event {
        kind: EventType::Updated,
        at: resource.ri.clone(),
        subject: Told {
            ty: resource.ty,
            ri: resource.ri.clone(),
            shown: shown.clone(),
        },
        modified: given.clone(),
    });
    let content = match request.result_content {
        Some(0) => None,
        Some(9) => {
            let before = Value::Object(nodes.show(node, now));
            let changed = not_given(shown, &before);
            Some(resource.wrap(not_given(changed, &Value::Object(given))))
        }
        _ => Some(resource.wrap(shown)),
    };
    change.put.push(resource);
    let answer = Answer {
        rsc: Rsc::Updated,
        content,
        location: None,
    };
    Ok((change, answer))
}

fn target<'a>(nodes: &'a Nodes, address: &Address, request: &Request) -> Result<&'a Node, Refusal> {
    let found = nodes.find(address).ok_or_else(not_found)?;
    if request.content.is_none() {
        return Err(Refusal::new(Rsc::BadRequest, "there is no content"));
    }
    match found {
        Found::Node(node)
            if !is_built_in(&node.resource) && node.resource.ty != Type::ContentInstance =>
        {
            Ok(node)
        }
        _ => Err(Refusal::new(
            Rsc::OperationNotAllowed,
            "this cannot be updated",
        )),
    }
}

/// Which policies hold is changed alone, and by whom these let (TS-0001 9.6.2.1).
fn check_access(
    nodes: &Nodes,
    who: &Originator,
    node: &Node,
    request: &Request,
) -> Result<(), Refusal> {
    let content = request.content.as_ref();
    let members = content.and_then(|content| content.get(node.resource.ty.member()));
    let members = members.and_then(Value::as_object);
    let may_update = match members {
        Some(members) if members.contains_key("acpi") => {
            if members.len() > 1 {
                let said = "must be the only attribute of an update";
                return Err(Refusal::about(Rsc::BadRequest, "acpi", said));
            }
            may_change_policies(nodes, who, &node.resource)
        }
        _ => may(nodes, who, node, Privilege::Update),
    };
    if may_update {
        Ok(())
    } else {
        Err(no_privilege())
    }
}

fn apply(
    nodes: &Nodes,
    settings: &Settings,
    (resource, changes): (&mut Resource, Changes),
    now: Timestamp,
) -> Result<(), Refusal> {
    let has_policies = changes
        .iter()
        .any(|(name, value)| name == "acpi" && value.is_some());
    for (name, value) in changes {
        if name == "et" {
            let parent = nodes.parent_of(resource);
            let expires = expiration(settings, value.as_ref(), parent, now)?;
            resource.expires = Some(expires);
        } else if let Some(value) = value {
            resource.attributes.insert(name, value);
        } else {
            resource.attributes.remove(&name);
        }
    }
    if has_policies {
        resolve_policies(nodes, resource)?;
    }
    resource.modified = now;
    Ok(())
}

/// The instances that go with the update of their container: those that are too many now, or all of
/// them where they may be retrieved again (TS-0001 9.6.6 `disableRetrieval`).
fn make_room(node: &Node, after: &Resource) -> Vec<String> {
    if node.resource.flag("disr") && !after.flag("disr") {
        return node.instances().map(|(ri, _)| ri.to_owned()).collect();
    }
    InstanceLimits::of(after).overflow(node, None)
}

fn remaining(node: &Node, evicted: &[String]) -> Holdings {
    let holdings = node.holdings();
    let gone = node.instances().take(evicted.len());
    Holdings {
        instances: holdings.instances.saturating_sub(evicted.len() as u64),
        bytes: holdings
            .bytes
            .saturating_sub(gone.map(|(_, size)| size).sum()),
    }
}
