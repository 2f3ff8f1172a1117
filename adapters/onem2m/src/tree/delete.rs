//! Removing resources, with all that lies below them (TS-0004 7.3.3.11).

use ics_core::time::Timestamp;

use crate::access::{Privilege, may};
use crate::address::Address;
use crate::caller::Originator;
use crate::primitive::{Answer, Refusal, Request};
use crate::resource::Type;
use crate::rsc::Rsc;

use super::builtin::is_built_in;
use super::change::Change;
use super::no_privilege;
use super::nodes::{Node, Nodes};
use super::retrieve::{content_of, locate};

/// What a delete comes to.
pub(super) fn plan(
    nodes: &Nodes,
    (who, address): (&Originator, &Address),
    request: &Request,
    now: Timestamp,
) -> Result<(Change, Answer), Refusal> {
    let has_filter = !request.filter.attribute_list.is_empty();
    if has_filter || !matches!(request.result_content, None | Some(0 | 1 | 4 | 5 | 6 | 8)) {
        return Err(Refusal::about(
            Rsc::BadRequest,
            "rcn",
            "is not for a delete",
        ));
    }
    let node = locate(nodes, address)?;
    if is_built_in(&node.resource) {
        return Err(Refusal::new(
            Rsc::OperationNotAllowed,
            "this cannot be deleted",
        ));
    }
    if !may(nodes, who, node, Privilege::Delete) {
        return Err(no_privilege());
    }
    if holds_what_is_closed(nodes, node) {
        let said = "the container has its retrieval disabled";
        return Err(Refusal::about(Rsc::OperationNotAllowed, "disr", said));
    }
    let content = match request.result_content {
        None | Some(0) => None,
        Some(rcn) => Some(content_of(nodes, (who, node), (rcn, request), now)),
    };
    let change = Change {
        remove: vec![node.resource.ri.clone()],
        ..Change::default()
    };
    let answer = Answer {
        rsc: Rsc::Deleted,
        content,
        location: None,
    };
    Ok((change, answer))
}

/// An instance that may not be retrieved may not be deleted either, nor its container with it.
fn holds_what_is_closed(nodes: &Nodes, node: &Node) -> bool {
    let is_closed = |node: &Node| node.resource.flag("disr");
    match node.resource.ty {
        Type::ContentInstance => nodes.parent_of(&node.resource).is_some_and(is_closed),
        Type::Container => is_closed(node) && node.holdings().instances > 0,
        _ => false,
    }
}
