//! Reading resources, and finding them (TS-0004 7.3.3.9, 7.5.2 table 7.5.2-2 for `rcn`).

use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::access::{Privilege, may};
use crate::address::Address;
use crate::caller::Originator;
use crate::discovery::{Speech, check, walk};
use crate::primitive::{Answer, FilterUsage, Refusal, Request};
use crate::resource::{Type, attributes_named};
use crate::rsc::Rsc;

use super::change::Change;
use super::nodes::{Found, Node, Nodes};
use super::{no_privilege, not_found};

/// What a retrieve comes to.
pub(super) enum Retrieved {
    Answer(Answer),
    /// The resource counts how often it is retrieved: it is answered with a change.
    Counted,
}

/// What a retrieve or a discovery answers.
pub(super) fn answer(
    nodes: &Nodes,
    (who, address): (&Originator, &Address),
    request: &Request,
    now: Timestamp,
) -> Result<Retrieved, Refusal> {
    check(&request.filter)?;
    let is_discovery = request.filter.usage == FilterUsage::Discovery;
    let rcn = result_content(request, is_discovery)?;
    let node = locate(nodes, address)?;
    let privilege = if is_discovery {
        Privilege::Discover
    } else {
        Privilege::Retrieve
    };
    if !may(nodes, who, node, privilege) {
        return Err(no_privilege());
    }
    if node.resource.ty == Type::ContentInstance && is_closed(nodes, node) {
        let said = "the container has its retrieval disabled";
        return Err(Refusal::about(Rsc::OperationNotAllowed, "disr", said));
    }
    if !is_discovery && node.resource.number("dcnt").is_some() {
        return Ok(Retrieved::Counted);
    }
    Ok(Retrieved::Answer(respond(
        nodes,
        (who, node),
        (rcn, request),
        now,
    )?))
}

/// The same of an instance that counts: one retrieval less is left (TS-0001 9.6.7 `deletionCnt`).
pub(super) fn count(
    nodes: &Nodes,
    (who, address): (&Originator, &Address),
    request: &Request,
    now: Timestamp,
) -> Result<(Change, Answer), Refusal> {
    let node = locate(nodes, address)?;
    if !may(nodes, who, node, Privilege::Retrieve) {
        return Err(no_privilege());
    }
    let rcn = result_content(request, false)?;
    let answer = respond(nodes, (who, node), (rcn, request), now)?;
    let mut change = Change::default();
    match node.resource.number("dcnt") {
        None => {}
        Some(0 | 1) => change.remove.push(node.resource.ri.clone()),
        Some(left) => {
            let mut resource = node.resource.as_ref().clone();
            let left = left.saturating_sub(1);
            resource.attributes.insert("dcnt".into(), left.into());
            change.put.push(resource);
        }
    }
    Ok((change, answer))
}

/// Which result content is asked for, if it is one for a retrieve.
fn result_content(request: &Request, is_discovery: bool) -> Result<u8, Refusal> {
    let wanted = request.result_content;
    let is_good = match wanted {
        None => true,
        Some(rcn) if is_discovery => matches!(rcn, 6 | 11),
        Some(rcn) => matches!(rcn, 1 | 4 | 5 | 6 | 8),
    };
    let default = if is_discovery { 11 } else { 1 };
    let rcn = wanted.unwrap_or(default);
    let is_partial = !request.filter.attribute_list.is_empty();
    if is_good && (rcn == 1 || !is_partial) {
        Ok(rcn)
    } else {
        Err(Refusal::about(
            Rsc::BadRequest,
            "rcn",
            "is not for this retrieve",
        ))
    }
}

/// The resource an address leads to; `la` and `ol` are one.
pub(super) fn locate<'a>(nodes: &'a Nodes, address: &Address) -> Result<&'a Node, Refusal> {
    let instance = |at: Option<(&'a str, u64)>| nodes.node(at?.0);
    match nodes.find(address).ok_or_else(not_found)? {
        Found::Node(node) => Some(node),
        Found::Latest(container) => instance(container.instances().next_back()),
        Found::Oldest(container) => instance(container.instances().next()),
    }
    .ok_or_else(not_found)
}

fn is_closed(nodes: &Nodes, instance: &Node) -> bool {
    let container = nodes.parent_of(&instance.resource);
    container.is_some_and(|container| container.resource.flag("disr"))
}

fn respond(
    nodes: &Nodes,
    (who, node): (&Originator, &Node),
    (rcn, request): (u8, &Request),
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let wanted = &request.filter.attribute_list;
    attributes_named(node.resource.ty, wanted)?;
    let content = if wanted.is_empty() {
        content_of(nodes, (who, node), (rcn, request), now)
    } else {
        let mut shown = nodes.show(node, now);
        shown.retain(|name, _| wanted.contains(name));
        node.resource.wrap(shown)
    };
    Ok(Answer {
        rsc: Rsc::Ok,
        content: Some(content),
        location: None,
    })
}

/// The content for an `rcn`.
pub(super) fn content_of(
    nodes: &Nodes,
    (who, node): (&Originator, &Node),
    (rcn, request): (u8, &Request),
    now: Timestamp,
) -> Value {
    let speech = Speech::to(nodes, who, request, now);
    let is_discovery = request.filter.usage == FilterUsage::Discovery;
    let privilege = if is_discovery {
        Privilege::Discover
    } else {
        Privilege::Retrieve
    };
    let found = || walk(nodes, node, (who, privilege), &request.filter);
    let shown = || nodes.show(node, now);
    match rcn {
        4 => node.resource.wrap(speech.nest(node, &found(), shown())),
        5 => {
            let mut shown = shown();
            shown.insert("ch".into(), speech.references(&found()));
            node.resource.wrap(shown)
        }
        6 => json!({ "m2m:rrl": { "rrf": speech.references(&found()) } }),
        8 => node.resource.wrap(speech.nest(node, &found(), Map::new())),
        11 => speech.addresses(&found()),
        _ => node.resource.wrap(shown()),
    }
}
