//! Finding resources (TS-0004 7.3.3.17): filter criteria, the walk below a target, and what the answer
//! holds of what was found (`rcn`, `drt`, `lim`, `ofst`, `lvl`, `arp`).
//!
//! A walk is bounded, in what it looks at and in what it answers: who wants more says where to go on.

use std::collections::HashMap;

use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::access::{Privilege, matches_wildcard, may};
use crate::address::{Address, Start};
use crate::caller::Originator;
use crate::primitive::{Filter, FilterOperation, Refusal, Request};
use crate::resource::{Type, attributes_named};
use crate::rsc::Rsc;
use crate::time;
use crate::tree::{Found, Node, Nodes};

/// The most resources looked at, the most found, and the most bytes of them, in one request.
const MOST_VISITED: usize = 100_000;
const MOST_FOUND: usize = 1_000;
const MOST_BYTES: u64 = 4 << 20;

/// What a filter asks of a resource.
pub(crate) struct View<'a> {
    pub(crate) ty: u16,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    /// Any attribute by its short name.
    pub(crate) attribute: &'a dyn Fn(&str) -> Option<Value>,
}

/// Whether the criteria can be applied.
///
/// # Errors
/// 4000 what is no criterion, or no value of one; 5001 what is not applied here.
pub(crate) fn check(filter: &Filter) -> Result<(), Refusal> {
    if let Some(name) = filter.unsupported.first() {
        let said = "is a criterion that is not applied here";
        return Err(Refusal::about(Rsc::NotImplemented, name, said));
    }
    for (name, value) in times(filter) {
        if value.is_some_and(|text| time::parse(text).is_none()) {
            return Err(Refusal::about(Rsc::BadRequest, name, "is no time"));
        }
    }
    for (name, _) in &filter.attributes {
        let one = std::slice::from_ref(name);
        let mut types = Type::ALL.into_iter();
        if !types.any(|ty| attributes_named(ty, one).is_ok()) {
            let said = "is neither a criterion nor an attribute";
            return Err(Refusal::about(Rsc::BadRequest, name, said));
        }
    }
    Ok(())
}

fn times(filter: &Filter) -> [(&'static str, Option<&str>); 6] {
    [
        ("crb", filter.created_before.as_deref()),
        ("cra", filter.created_after.as_deref()),
        ("ms", filter.modified_since.as_deref()),
        ("us", filter.unmodified_since.as_deref()),
        ("exb", filter.expires_before.as_deref()),
        ("exa", filter.expires_after.as_deref()),
    ]
}

/// Whether the resource meets the criteria: all, any, or one alone of them (`fo`).
pub(crate) fn matches(filter: &Filter, view: &View<'_>) -> bool {
    let mut asked = 0_u32;
    let mut met = 0_u32;
    let mut ask = |answer: Option<bool>| {
        if let Some(answer) = answer {
            asked = asked.saturating_add(1);
            met = met.saturating_add(answer.into());
        }
    };
    let number = |name: &str| (view.attribute)(name).and_then(|value| value.as_u64());
    let [crb, cra, ms, us, exb, exa] =
        times(filter).map(|(_, text)| text.map(|text| time::parse(text).unwrap_or(Timestamp::MAX)));
    ask(crb.map(|limit| view.created < limit));
    ask(cra.map(|limit| view.created > limit));
    ask(ms.map(|limit| view.modified > limit));
    ask(us.map(|limit| view.modified < limit));
    ask(exb.map(|limit| view.expires.is_some_and(|at| at < limit)));
    ask(exa.map(|limit| view.expires.is_some_and(|at| at > limit)));
    ask(filter
        .state_tag_smaller
        .map(|limit| number("st").is_some_and(|st| st < limit)));
    ask(filter
        .state_tag_bigger
        .map(|limit| number("st").is_some_and(|st| st > limit)));
    ask(filter
        .size_above
        .map(|limit| number("cs").is_some_and(|size| size >= limit)));
    ask(filter
        .size_below
        .map(|limit| number("cs").is_some_and(|size| size < limit)));
    if !filter.resource_types.is_empty() {
        ask(Some(filter.resource_types.contains(&view.ty)));
    }
    if !filter.labels.is_empty() {
        ask(Some(has_one_of(&filter.labels, (view.attribute)("lbl"))));
    }
    if !filter.content_types.is_empty() {
        let content_type = (view.attribute)("cnf");
        let content_type = content_type.as_ref().and_then(Value::as_str);
        let is_one = |of: &String| Some(of.as_str()) == content_type;
        ask(Some(filter.content_types.iter().any(is_one)));
    }
    for (name, pattern) in &filter.attributes {
        ask(Some(has_value((view.attribute)(name), pattern)));
    }
    match filter.operation {
        FilterOperation::And => met == asked,
        FilterOperation::Or => met > 0 || asked == 0,
        FilterOperation::Xor => met == 1 || asked == 0,
    }
}

fn has_one_of(wanted: &[String], labels: Option<Value>) -> bool {
    let labels = match labels {
        Some(Value::Array(labels)) => labels,
        _ => return false,
    };
    let mut labels = labels.iter().filter_map(Value::as_str);
    labels.any(|label| {
        wanted
            .iter()
            .any(|pattern| matches_wildcard(pattern, label))
    })
}

fn has_value(value: Option<Value>, pattern: &str) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => matches_wildcard(pattern, &text),
        Some(Value::Array(list)) => list
            .into_iter()
            .any(|one| !one.is_array() && has_value(Some(one), pattern)),
        Some(other) => matches_wildcard(pattern, &other.to_string()),
    }
}

impl Node {
    /// Whether this resource meets the criteria.
    fn meets(&self, filter: &Filter) -> bool {
        let resource = &self.resource;
        let attribute = |name: &str| match name {
            "ri" => Some(resource.ri.as_str().into()),
            "rn" => Some(resource.rn.as_str().into()),
            "pi" => Some(resource.pi.as_str().into()),
            "st" => resource
                .ty
                .has_state_tag()
                .then(|| resource.state_tag.into()),
            "cni" if resource.ty == Type::Container => Some(self.holdings().instances.into()),
            "cbs" if resource.ty == Type::Container => Some(self.holdings().bytes.into()),
            _ => resource.attributes.get(name).cloned(),
        };
        let view = View {
            ty: resource.ty.number(),
            created: resource.created,
            modified: resource.modified,
            expires: resource.expires,
            attribute: &attribute,
        };
        matches(filter, &view)
    }
}

/// What lies below `root`, meets the criteria, and may be seen by `who`, in the order of the tree.
pub(crate) fn walk<'a>(
    nodes: &'a Nodes,
    root: &'a Node,
    (who, privilege): (&Originator, Privilege),
    filter: &Filter,
) -> Vec<&'a Node> {
    let whole = |number: Option<u64>, default: usize| {
        number.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let deepest = whole(filter.level, usize::MAX);
    let most = whole(filter.limit, MOST_FOUND).min(MOST_FOUND);
    let mut skip = whole(filter.offset, 1).saturating_sub(1);
    let (mut found, mut visited, mut bytes) = (Vec::new(), 0_usize, 0_u64);
    let mut open = if deepest == 0 {
        Vec::new()
    } else {
        vec![visible_children(nodes, root)]
    };
    while let Some(children) = open.last_mut() {
        let Some(node) = children.next() else {
            open.pop();
            continue;
        };
        visited = visited.saturating_add(1);
        if visited > MOST_VISITED || found.len() >= most || bytes > MOST_BYTES {
            break;
        }
        if node.meets(filter)
            && let Some(hit) = apply_path(nodes, node, filter)
            && may(nodes, who, hit, privilege)
        {
            if skip > 0 {
                skip = skip.saturating_sub(1);
            } else {
                bytes = bytes.saturating_add(nodes.weight_of(&hit.resource.ri));
                found.push(hit);
            }
        }
        if open.len() < deepest {
            open.push(visible_children(nodes, node));
        }
    }
    found
}

/// Instances that are not to be retrieved (`disr`) are not found either.
fn visible_children<'a>(
    nodes: &'a Nodes,
    node: &'a Node,
) -> Box<dyn Iterator<Item = &'a Node> + 'a> {
    let is_closed = node.resource.flag("disr");
    let children = node.children().filter_map(|ri| nodes.node(ri));
    Box::new(children.filter(move |child| !is_closed || child.resource.ty != Type::ContentInstance))
}

/// `arp`: not what matched, but what lies there below it.
fn apply_path<'a>(nodes: &'a Nodes, node: &'a Node, filter: &Filter) -> Option<&'a Node> {
    let Some(path) = &filter.apply_relative_path else {
        return Some(node);
    };
    let address = Address {
        start: Start::Resource(node.resource.ri.clone()),
        names: path.split('/').map(str::to_owned).collect(),
    };
    let instance = |ri: Option<(&'a str, u64)>| nodes.node(ri?.0);
    match nodes.find(&address)? {
        Found::Node(node) => Some(node),
        Found::Latest(container) => instance(container.instances().next_back()),
        Found::Oldest(container) => instance(container.instances().next()),
    }
}

/// How the answer speaks of resources.
pub(crate) struct Speech<'a> {
    pub(crate) nodes: &'a Nodes,
    /// `drt` 2: by their IDs.
    pub(crate) unstructured: bool,
    /// The originator is elsewhere: it needs the CSE-ID too.
    pub(crate) sp_relative: bool,
    pub(crate) now: Timestamp,
}

impl<'a> Speech<'a> {
    pub(crate) fn to(
        nodes: &'a Nodes,
        who: &Originator,
        request: &Request,
        now: Timestamp,
    ) -> Self {
        Self {
            nodes,
            unstructured: request.unstructured_result,
            sp_relative: who.id.starts_with('/'),
            now,
        }
    }

    /// The address of a resource.
    pub(crate) fn address(&self, node: &Node) -> String {
        let address = if self.unstructured {
            node.resource.ri.clone()
        } else {
            self.nodes.path(&node.resource)
        };
        self.scoped(address)
    }

    pub(crate) fn scoped(&self, address: String) -> String {
        if self.sp_relative {
            self.nodes.names().sp_relative(&address)
        } else {
            address
        }
    }

    /// `m2m:uril`.
    pub(crate) fn addresses(&self, found: &[&Node]) -> Value {
        let addresses: Vec<String> = found.iter().map(|node| self.address(node)).collect();
        json!({ "m2m:uril": addresses })
    }

    /// `rrf` of `m2m:rrl`, or `ch`.
    pub(crate) fn references(&self, found: &[&Node]) -> Value {
        let reference = |node: &&Node| {
            json!({
                "nm": node.resource.rn,
                "typ": node.resource.ty.number(),
                "val": self.address(node),
            })
        };
        Value::Array(found.iter().map(reference).collect())
    }

    /// What was found within `shown`, each below the next above it that was found too.
    pub(crate) fn nest(
        &self,
        root: &Node,
        found: &[&Node],
        shown: Map<String, Value>,
    ) -> Map<String, Value> {
        let root = root.resource.ri.as_str();
        let mut below: HashMap<&str, Vec<&Node>> = HashMap::new();
        let is_found: HashMap<&str, ()> = found
            .iter()
            .map(|node| (node.resource.ri.as_str(), ()))
            .collect();
        for node in found {
            let mut above = node.resource.pi.as_str();
            while above != root && !is_found.contains_key(above) {
                match self.nodes.node(above) {
                    Some(parent) => above = &parent.resource.pi,
                    None => above = root,
                }
            }
            below.entry(above).or_default().push(node);
        }
        self.fill(root, &below, shown)
    }

    fn fill(
        &self,
        ri: &str,
        below: &HashMap<&str, Vec<&Node>>,
        mut shown: Map<String, Value>,
    ) -> Map<String, Value> {
        for node in below.get(ri).into_iter().flatten() {
            let child = self.fill(&node.resource.ri, below, self.nodes.show(node, self.now));
            let list = shown
                .entry(node.resource.ty.member())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::Object(child));
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests;
