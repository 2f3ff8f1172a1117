//! The tree itself: a data structure without I/O and without a clock. Nothing here decides whether
//! somebody may; whoever changes it has decided that.
//!
//! What has expired is taken out before anything is read, so that whatever is in it is alive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;
use serde_json::Value;

use crate::address::{Address, Names, Start};
use crate::resource::{Holdings, Resource, Type};

/// One resource and what lies below it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) resource: Arc<Resource>,
    /// What its record takes.
    weight: u64,
    /// In the order they were made.
    children: BTreeMap<u64, String>,
    names: HashMap<String, String>,
    /// Content instances, oldest first, with the size of their content.
    instances: BTreeMap<u64, (String, u64)>,
    instance_bytes: u64,
    subscriptions: BTreeMap<u64, String>,
}

/// What an originator, or all of them, take up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) resources: u64,
    pub(crate) bytes: u64,
}

/// What an originator has made.
#[derive(Debug, Default)]
struct Owned {
    usage: Usage,
    ids: BTreeSet<String>,
}

/// What an address leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    Node(&'a Node),
    /// `la` of a container.
    Latest(&'a Node),
    /// `ol` of a container.
    Oldest(&'a Node),
}

/// Subscriptions at what is no resource of this tree.
#[derive(Debug, Default)]
struct Elsewhere {
    path: String,
    subscriptions: BTreeMap<u64, String>,
}

/// All resources.
#[derive(Debug)]
pub(crate) struct Nodes {
    names: Names,
    by_id: HashMap<String, Node>,
    elsewhere: HashMap<String, Elsewhere>,
    expiring: BTreeSet<(Timestamp, String)>,
    devices: HashMap<DeviceId, String>,
    of_owner: HashMap<String, Owned>,
    total: Usage,
    next_order: u64,
}

impl Node {
    /// `cni` and `cbs`.
    pub(crate) fn holdings(&self) -> Holdings {
        Holdings {
            instances: self.instances.len() as u64,
            bytes: self.instance_bytes,
        }
    }

    /// Its instances, oldest first: resource ID and content size.
    pub(crate) fn instances(&self) -> impl DoubleEndedIterator<Item = (&str, u64)> {
        self.instances
            .values()
            .map(|(ri, size)| (ri.as_str(), *size))
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &str> {
        self.children.values().map(String::as_str)
    }

    pub(crate) fn child_named(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }
}

impl Nodes {
    /// A tree with its CSEBase alone.
    pub(crate) fn new(names: Names, base: Resource) -> Self {
        let mut nodes = Self {
            names,
            by_id: HashMap::new(),
            elsewhere: HashMap::new(),
            expiring: BTreeSet::new(),
            devices: HashMap::new(),
            of_owner: HashMap::new(),
            total: Usage::default(),
            next_order: base.order.saturating_add(1),
        };
        nodes.put(base, 0);
        nodes
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The place of the next resource in the order of creation.
    pub(crate) const fn next_order(&self) -> u64 {
        self.next_order
    }

    pub(crate) fn node(&self, ri: &str) -> Option<&Node> {
        self.by_id.get(ri)
    }

    pub(crate) fn parent_of(&self, resource: &Resource) -> Option<&Node> {
        self.node(&resource.pi)
    }

    /// The AE of a hosted device.
    pub(crate) fn ae_of(&self, device: &DeviceId) -> Option<&Node> {
        self.node(self.devices.get(device)?)
    }

    /// The hosted devices that have an AE.
    pub(crate) fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        self.devices.keys()
    }

    pub(crate) fn usage_of(&self, owner: &str) -> Usage {
        self.of_owner
            .get(owner)
            .map(|owned| owned.usage)
            .unwrap_or_default()
    }

    /// What an originator has made, wherever it lies.
    pub(crate) fn made_by(&self, owner: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let ids = self
            .of_owner
            .get(owner)
            .into_iter()
            .flat_map(|owned| &owned.ids);
        ids.filter_map(|ri| Some(&self.node(ri)?.resource))
    }

    pub(crate) const fn total(&self) -> Usage {
        self.total
    }

    pub(crate) fn weight_of(&self, ri: &str) -> u64 {
        self.node(ri).map_or(0, |node| node.weight)
    }

    /// Subscriptions at the resource with that ID, oldest first, be it of this tree or not.
    pub(crate) fn subscriptions_at(&self, ri: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let here = self.node(ri).map(|node| &node.subscriptions);
        let there = || self.elsewhere.get(ri).map(|at| &at.subscriptions);
        let all = here.or_else(there).into_iter().flat_map(BTreeMap::values);
        all.filter_map(|ri| Some(&self.node(ri)?.resource))
    }

    /// Where an address leads.
    pub(crate) fn find(&self, address: &Address) -> Option<Found<'_>> {
        let start = match &address.start {
            Start::Base => &self.names.cse_id,
            Start::Resource(ri) => ri,
        };
        let Some(mut node) = self.node(start) else {
            return self.find_elsewhere(start, &address.names);
        };
        for (n, name) in address.names.iter().enumerate() {
            let is_last = n.saturating_add(1) == address.names.len();
            node = match node.child_named(name).and_then(|ri| self.node(ri)) {
                Some(child) => child,
                None if is_last && node.resource.ty == Type::Container && name == "la" => {
                    return Some(Found::Latest(node));
                }
                None if is_last && node.resource.ty == Type::Container && name == "ol" => {
                    return Some(Found::Oldest(node));
                }
                None => return self.find_below(address),
            };
        }
        Some(Found::Node(node))
    }

    /// `map-17/subscription`: the parent is not in this tree.
    fn find_elsewhere(&self, parent: &str, names: &[String]) -> Option<Found<'_>> {
        let at = self.elsewhere.get(parent)?;
        let [name] = names else { return None };
        self.named_elsewhere(at, name)
    }

    fn find_below(&self, address: &Address) -> Option<Found<'_>> {
        let (name, above) = address.names.split_last()?;
        if address.start != Start::Base {
            return None;
        }
        let path = format!("{}/{}", self.names.cse_name, above.join("/"));
        let parent = above.last()?;
        let at = self.elsewhere.get(parent).filter(|at| at.path == path)?;
        self.named_elsewhere(at, name)
    }

    fn named_elsewhere(&self, at: &Elsewhere, name: &str) -> Option<Found<'_>> {
        let mut nodes = at.subscriptions.values().filter_map(|ri| self.node(ri));
        nodes.find(|node| node.resource.rn == name).map(Found::Node)
    }

    /// Where a resource is, CSE-relative and structured: `ics/shop/offers`.
    pub(crate) fn path(&self, resource: &Resource) -> String {
        let mut names = vec![resource.rn.as_str()];
        let mut at = resource;
        while let Some(parent) = self.parent_of(at) {
            names.push(&parent.resource.rn);
            at = &parent.resource;
        }
        names.extend(at.above.as_deref());
        names.reverse();
        names.join("/")
    }

    /// A resource and all that lies below it, the uppermost first.
    pub(crate) fn subtree<'a>(&'a self, ri: &'a str) -> Vec<&'a Arc<Resource>> {
        let mut found = Vec::new();
        let mut open = vec![ri];
        while let Some(ri) = open.pop() {
            if let Some(node) = self.node(ri) {
                found.push(&node.resource);
                let children: Vec<_> = node.children().collect();
                open.extend(children.into_iter().rev());
            }
        }
        found
    }

    /// Puts a resource where its parent is, new or instead of what it was. `weight` is what its record
    /// takes; what is built in takes nothing.
    pub(crate) fn put(&mut self, resource: Resource, weight: u64) {
        let resource = Arc::new(resource);
        self.next_order = self.next_order.max(resource.order.saturating_add(1));
        if let Some(node) = self.by_id.get_mut(&resource.ri) {
            let before = std::mem::replace(&mut node.resource, Arc::clone(&resource));
            let weight_before = std::mem::replace(&mut node.weight, weight);
            self.discount(&before, weight_before);
            self.forget_expiry(&before);
        } else {
            self.link(&resource);
            if let Some(device) = &resource.device {
                self.devices.insert(device.clone(), resource.ri.clone());
            }
            let node = Node {
                resource: Arc::clone(&resource),
                weight,
                children: BTreeMap::new(),
                names: HashMap::new(),
                instances: BTreeMap::new(),
                instance_bytes: 0,
                subscriptions: BTreeMap::new(),
            };
            self.by_id.insert(resource.ri.clone(), node);
        }
        self.count(&resource, weight);
        if let Some(expires) = resource.expires {
            self.expiring.insert((expires, resource.ri.clone()));
        }
    }

    fn link(&mut self, resource: &Resource) {
        let (order, ri) = (resource.order, resource.ri.clone());
        if let Some(parent) = self.by_id.get_mut(&resource.pi) {
            parent.names.insert(resource.rn.clone(), ri.clone());
            parent.children.insert(order, ri.clone());
            match resource.ty {
                Type::ContentInstance => {
                    let size = resource.content_size();
                    parent.instances.insert(order, (ri, size));
                    parent.instance_bytes = parent.instance_bytes.saturating_add(size);
                }
                Type::Subscription => {
                    parent.subscriptions.insert(order, ri);
                }
                _ => {}
            }
        } else if let Some(path) = &resource.above {
            let at = self.elsewhere.entry(resource.pi.clone()).or_default();
            at.path.clone_from(path);
            at.subscriptions.insert(order, ri);
        }
    }

    fn unlink(&mut self, resource: &Resource) {
        let order = resource.order;
        if let Some(parent) = self.by_id.get_mut(&resource.pi) {
            parent.names.remove(&resource.rn);
            parent.children.remove(&order);
            parent.subscriptions.remove(&order);
            if let Some((_, size)) = parent.instances.remove(&order) {
                parent.instance_bytes = parent.instance_bytes.saturating_sub(size);
            }
        } else if let Some(at) = self.elsewhere.get_mut(&resource.pi) {
            at.subscriptions.remove(&order);
            if at.subscriptions.is_empty() {
                self.elsewhere.remove(&resource.pi);
            }
        }
    }

    /// Takes a resource out, with all that lies below it; answers what went, the uppermost first.
    pub(crate) fn remove(&mut self, ri: &str) -> Vec<Arc<Resource>> {
        let gone: Vec<Arc<Resource>> = self.subtree(ri).into_iter().cloned().collect();
        if let Some(root) = gone.first() {
            self.unlink(root);
        }
        for resource in &gone {
            let weight = self
                .by_id
                .remove(&resource.ri)
                .map_or(0, |node| node.weight);
            self.discount(resource, weight);
            self.forget_expiry(resource);
            if let Some(device) = &resource.device {
                self.devices.remove(device);
            }
        }
        gone
    }

    fn forget_expiry(&mut self, resource: &Resource) {
        if let Some(expires) = resource.expires {
            self.expiring.remove(&(expires, resource.ri.clone()));
        }
    }

    /// Counts a resource for its owner, and for all.
    fn count(&mut self, resource: &Resource, weight: u64) {
        // What is built in takes nothing.
        let resources = u64::from(weight > 0);
        let add = |usage: &mut Usage| {
            usage.resources = usage.resources.saturating_add(resources);
            usage.bytes = usage.bytes.saturating_add(weight);
        };
        add(&mut self.total);
        let owned = self.of_owner.entry(resource.owner.clone()).or_default();
        add(&mut owned.usage);
        owned.ids.insert(resource.ri.clone());
    }

    fn discount(&mut self, resource: &Resource, weight: u64) {
        let resources = u64::from(weight > 0);
        let subtract = |usage: &mut Usage| {
            usage.resources = usage.resources.saturating_sub(resources);
            usage.bytes = usage.bytes.saturating_sub(weight);
        };
        subtract(&mut self.total);
        if let Some(owned) = self.of_owner.get_mut(&resource.owner) {
            subtract(&mut owned.usage);
            owned.ids.remove(&resource.ri);
            if owned.ids.is_empty() {
                self.of_owner.remove(&resource.owner);
            }
        }
    }

    /// Whether something has expired.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.expiring
            .first()
            .is_some_and(|(expires, _)| *expires <= now)
    }

    /// What has expired, the earliest first.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let due = self.expiring.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, ri)| ri.as_str())
    }

    /// A resource as it is shown.
    pub(crate) fn show(&self, node: &Node, now: Timestamp) -> serde_json::Map<String, Value> {
        node.resource.show(node.holdings(), now)
    }
}

#[cfg(test)]
mod tests;
