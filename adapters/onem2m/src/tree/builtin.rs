//! What is there from the start and cannot be changed by a request: the CSEBase, the collections of
//! the ICS, and the access control policies that show who may do what with them.

use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::resource::{Resource, Type};

use super::Settings;
use super::nodes::Nodes;

/// The collections of the ICS (onem2m.md A.2).
const COLLECTIONS: [&str; 4] = ["map", "inq", "pnd", "dmp"];
/// Types that a request may meet here: those of the tree, requests, and rows of the ICS.
const REQUEST: u16 = 17;
const FLEX_CONTAINER: u16 = 28;

/// Originators, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// `acor`.
    pub(crate) originators: Vec<String>,
    /// `acop`.
    pub(crate) operations: u8,
}

/// The CSEBase.
pub(super) fn base(settings: &Settings, now: Timestamp) -> Resource {
    let names = &settings.names;
    let mut types: Vec<u16> = Type::ALL.into_iter().map(Type::number).collect();
    types.extend([REQUEST, FLEX_CONTAINER]);
    types.sort_unstable();
    let attributes = json!({
        "csi": names.sp_relative_cse_id(),
        "cst": 2,
        "csz": ["application/json"],
        "poa": settings.points_of_access,
        "srt": types,
        "srv": settings.releases,
    });
    let mut base = resource(settings, now, (Type::CseBase, &names.cse_id, 0), attributes);
    base.rn.clone_from(&names.cse_name);
    base.pi = String::new();
    base
}

/// The collections and their policies.
pub(super) fn add(nodes: &mut Nodes, settings: &Settings, now: Timestamp) {
    let mut order = 0_u64;
    for collection in COLLECTIONS {
        let policy = policy_id(collection);
        order = order.saturating_add(1);
        let container = json!({ "acpi": [policy] });
        let place = (Type::Container, collection, order);
        nodes.put(resource(settings, now, place, container), 0);
        order = order.saturating_add(1);
        let rules = json!({ "pv": { "acr": [] }, "pvs": own_rules(settings) });
        let place = (Type::AccessControlPolicy, policy.as_str(), order);
        nodes.put(resource(settings, now, place, rules), 0);
    }
}

/// Whose the policies are to read: nobody changes them.
fn own_rules(settings: &Settings) -> Value {
    const RETRIEVE: u8 = 2;
    let mut readers: Vec<String> = settings.peers.iter().map(|id| format!("/{id}")).collect();
    readers.extend(settings.admin.clone());
    json!({ "acr": [{ "acor": readers, "acop": RETRIEVE }] })
}

/// Writes the policy of a collection anew.
pub(super) fn show_grants(nodes: &mut Nodes, collection: &str, grants: &[Grant]) {
    let rule = |grant: &Grant| json!({ "acor": grant.originators, "acop": grant.operations });
    let rules: Vec<Value> = grants.iter().map(rule).collect();
    let Some(node) = nodes.node(&policy_id(collection)) else {
        return;
    };
    let mut policy = node.resource.as_ref().clone();
    policy
        .attributes
        .insert("pv".into(), json!({ "acr": rules }));
    nodes.put(policy, 0);
}

/// Whether it is one of these.
pub(super) const fn is_built_in(resource: &Resource) -> bool {
    resource.expires.is_none()
}

fn policy_id(collection: &str) -> String {
    format!("acp-{collection}")
}

fn resource(
    settings: &Settings,
    now: Timestamp,
    (ty, id, order): (Type, &str, u64),
    attributes: Value,
) -> Resource {
    Resource {
        ty,
        ri: id.to_owned(),
        rn: id.to_owned(),
        pi: settings.names.cse_id.clone(),
        created: now,
        modified: now,
        expires: None,
        state_tag: 0,
        attributes: match attributes {
            Value::Object(attributes) => attributes,
            _ => Map::new(),
        },
        owner: settings.names.sp_relative_cse_id(),
        device: None,
        above: None,
        order,
    }
}
