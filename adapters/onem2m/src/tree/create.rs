//! Making resources (TS-0004 7.4, each type's Create).

use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::access::{self, Privilege, may};
use crate::address::Address;
use crate::caller::{Originator, Standing};
use crate::discovery::Speech;
use crate::notification::{Event, EventType, Told};
use crate::primitive::{Answer, Refusal, Request};
use crate::resource::{Holdings, Resource, Type, is_name, read_create};
use crate::rsc::Rsc;
use crate::time;

use super::builtin::is_built_in;
use super::change::Change;
use super::nodes::{Found, Node, Nodes};
use super::{Parent, Settings, no_privilege, not_found, subscription};

/// The largest content of one instance, in bytes.
const MOST_CONTENT: u64 = 64 << 10;
/// Names that stand for something else below a container, a group, a polling channel.
const RESERVED: [&str; 5] = ["la", "ol", "fopt", "pcu", "-"];
/// Types of TS-0004 that a request cannot make anywhere: the CSEBase, a request.
const NOT_TO_BE_MADE: [u16; 2] = [5, 17];
/// The highest number of a type of TS-0004, not counting announced ones (10000 and on).
const LAST_TYPE: u16 = 79;

/// All that a create is decided by, besides the tree.
pub(super) struct Birth<'a> {
    pub(super) settings: &'a Settings,
    pub(super) who: &'a Originator,
    pub(super) request: &'a Request,
    /// Of this the new resource gets its ID.
    pub(super) random: u64,
    pub(super) now: Timestamp,
}

/// Where the new resource is to be.
struct Place<'a> {
    /// `None` where the parent is no resource of this tree.
    parent: Option<&'a Node>,
    ri: &'a str,
    path: String,
}

impl Birth<'_> {
    /// What making it comes to.
    pub(super) fn plan(
        &self,
        nodes: &Nodes,
        address: &Address,
    ) -> Result<(Change, Answer), Refusal> {
        let ty = self.resource_type()?;
        self.check_result_content()?;
        let parent = match nodes.find(address).ok_or_else(not_found)? {
            Found::Node(node) => node,
            Found::Latest(_) | Found::Oldest(_) => {
                let said = "the latest and the oldest instance hold nothing";
                return Err(Refusal::new(Rsc::OperationNotAllowed, said));
            }
        };
        self.check_access(nodes, parent, ty)?;
        if is_built_in(&parent.resource) && parent.resource.ty != Type::CseBase {
            let said = "what lies here is made by the ICS";
            return Err(Refusal::new(Rsc::OperationNotAllowed, said));
        }
        if !parent.resource.ty.may_hold(ty) {
            return Err(if ty == Type::Subscription {
                Refusal::new(Rsc::TargetNotSubscribable, "the parent cannot be watched")
            } else {
                Refusal::new(Rsc::InvalidChildType, "no child of that type lies there")
            });
        }
        let place = Place {
            parent: Some(parent),
            ri: &parent.resource.ri,
            path: nodes.path(&parent.resource),
        };
        self.make(nodes, ty, &place)
    }

    /// A subscription at what is no resource of this tree.
    pub(super) fn plan_at(
        &self,
        nodes: &Nodes,
        parent: &Parent<'_>,
    ) -> Result<(Change, Answer), Refusal> {
        let ty = self.resource_type()?;
        self.check_result_content()?;
        if ty != Type::Subscription {
            return Err(Refusal::new(
                Rsc::InvalidChildType,
                "no child of that type lies there",
            ));
        }
        let place = Place {
            parent: nodes.node(parent.ri),
            ri: parent.ri,
            path: parent.path.to_owned(),
        };
        self.make(nodes, ty, &place)
    }

    fn resource_type(&self) -> Result<Type, Refusal> {
        let number = self.request.resource_type;
        let number = number.ok_or(Refusal::about(Rsc::BadRequest, "ty", "is missing"))?;
        if NOT_TO_BE_MADE.contains(&number) {
            let said = "is of a type that no request makes";
            return Err(Refusal::about(Rsc::OperationNotAllowed, "ty", said));
        }
        Type::of_number(number).ok_or_else(|| match number {
            1..=LAST_TYPE | 10_001..=10_079 => {
                Refusal::about(Rsc::NotImplemented, "ty", "is of a type not offered here")
            }
            _ => Refusal::about(Rsc::BadRequest, "ty", "is no type"),
        })
    }

    fn check_result_content(&self) -> Result<(), Refusal> {
        let has_filter = !self.request.filter.attribute_list.is_empty();
        match self.request.result_content {
            None | Some(0..=3 | 9) if !has_filter => Ok(()),
            _ => Err(Refusal::about(
                Rsc::BadRequest,
                "rcn",
                "is not for a create",
            )),
        }
    }

    fn check_access(&self, nodes: &Nodes, parent: &Node, ty: Type) -> Result<(), Refusal> {
        let is_base = parent.resource.ty == Type::CseBase;
        match ty {
            // Whoever may not is told so by `registration`.
            Type::Ae => Ok(()),
            Type::RemoteCse if is_base => self.check_peer(),
            Type::Subscription => {
                if !may(nodes, self.who, parent, Privilege::Create(ty)) {
                    return Err(no_privilege());
                }
                if !may(nodes, self.who, parent, Privilege::Retrieve) {
                    let said = "the originator may not retrieve what it wants to watch";
                    return Err(Refusal::new(Rsc::SubscriptionCreatorHasNoPrivilege, said));
                }
                Ok(())
            }
            _ if may(nodes, self.who, parent, Privilege::Create(ty)) => Ok(()),
            _ => Err(no_privilege()),
        }
    }

    fn check_peer(&self) -> Result<(), Refusal> {
        let is_itself = matches!(self.who.standing, Standing::Hop | Standing::Believed);
        let id = self.who.id.strip_prefix('/').unwrap_or_default();
        if is_itself && self.settings.peers.iter().any(|peer| peer == id) {
            Ok(())
        } else {
            let said = "the CSE is not one that may register here";
            Err(Refusal::new(Rsc::OriginatorHasNoPrivilege, said))
        }
    }

    fn make(
        &self,
        nodes: &Nodes,
        ty: Type,
        place: &Place<'_>,
    ) -> Result<(Change, Answer), Refusal> {
        let mut attributes = read_create(ty, self.request.content.as_ref())?;
        let given = Value::Object(attributes.clone());
        let id = match ty {
            Type::Ae => self.registration(nodes, &mut attributes)?,
            Type::RemoteCse => self.peer_id(nodes, &attributes)?,
            _ => format!("{}{:016x}", ty.short_name(), self.random),
        };
        if nodes.node(&id).is_some() {
            return Err(Refusal::new(Rsc::Conflict, "the resource ID is taken"));
        }
        let name = self.name(nodes, &mut attributes, (&id, place))?;
        let wanted = attributes.remove("et");
        let expires = expiration(self.settings, wanted.as_ref(), place.parent, self.now)?;
        let mut resource = Resource {
            ty,
            ri: id,
            rn: name,
            pi: place.ri.to_owned(),
            created: self.now,
            modified: self.now,
            expires: Some(expires),
            state_tag: 0,
            attributes,
            owner: self.who.id.clone(),
            device: None,
            above: place.parent.is_none().then(|| place.path.clone()),
            order: nodes.next_order(),
        };
        if ty == Type::Ae {
            resource.owner.clone_from(&resource.ri);
            if let Standing::Device(identity) = &self.who.standing {
                resource.device = Some(identity.device_id.clone());
            }
        }
        if let Some(creator) = resource.attributes.get_mut("cr") {
            *creator = self.who.id.as_str().into();
        }
        resolve_policies(nodes, &mut resource)?;
        let mut change = Change::default();
        match ty {
            Type::ContentInstance => self.fit(place.parent, &mut resource, &mut change)?,
            Type::Subscription => {
                let above = place.parent.map(|parent| parent.resource.ty);
                subscription::complete(&mut resource.attributes, above)?;
                let own = &self.settings.points_of_access;
                subscription::check_targets(nodes, own, (self.who, &resource))?;
            }
            _ => {}
        }
        let shown = resource.show(Holdings::default(), self.now);
        change.events.extend(birth_event(&resource, &shown));
        let path = format!("{}/{}", place.path, resource.rn);
        let answer = self.answer(nodes, &resource, (shown, &given), path);
        change.put.insert(0, resource);
        Ok((change, answer))
    }

    /// The AE-ID a registration leads to (TS-0001 10.2.2.2; TS-0004 7.4.5.2.1).
    fn registration(
        &self,
        nodes: &Nodes,
        attributes: &mut Map<String, Value>,
    ) -> Result<String, Refusal> {
        if !matches!(
            self.who.standing,
            Standing::Admin | Standing::Device(_) | Standing::Believed
        ) {
            return Err(no_privilege());
        }
        let is_registered = if let Standing::Device(identity) = &self.who.standing {
            nodes.ae_of(&identity.device_id).is_some()
        } else {
            false
        };
        let id = match self.who.id.as_str() {
            "" | "C" => format!("C{:016x}", self.random),
            "S" => format!("S{:016x}", self.random),
            id if id.starts_with(['C', 'S']) && is_name(id) => id.to_owned(),
            _ => {
                let said = "an AE-ID begins with C or S";
                return Err(Refusal::about(Rsc::SecurityAssociationRequired, "fr", said));
            }
        };
        let has_type = |node: &Node| node.resource.ty == Type::Ae;
        if is_registered || nodes.node(&id).is_some_and(has_type) {
            let said = "the originator is registered already";
            return Err(Refusal::new(Rsc::AlreadyRegistered, said));
        }
        let release = self.request.release.as_deref();
        let is_early = matches!(release, Some("2a" | "3"));
        let application = attributes.get("api").and_then(Value::as_str).unwrap_or("");
        let is_application = match application.chars().next() {
            Some('N' | 'R') => true,
            Some('r') => is_early,
            _ => false,
        };
        if !is_application || application.len() < 2 {
            let said = "is an App-ID: it begins with N or R";
            return Err(Refusal::about(Rsc::BadRequest, "api", said));
        }
        // `srv` came with release 3.
        if !attributes.contains_key("srv") && release != Some("2a") {
            return Err(Refusal::about(Rsc::BadRequest, "srv", "is missing"));
        }
        attributes.insert("aei".into(), id.as_str().into());
        Ok(id)
    }

    /// The ID of a `<remoteCSE>` is the CSE-ID without its slash.
    fn peer_id(&self, nodes: &Nodes, attributes: &Map<String, Value>) -> Result<String, Refusal> {
        let csi = attributes.get("csi").and_then(Value::as_str);
        if csi != Some(self.who.id.as_str()) {
            let said = "is not the CSE-ID of the originator";
            return Err(Refusal::about(Rsc::BadRequest, "csi", said));
        }
        let id = self.who.id.trim_start_matches('/').to_owned();
        if nodes.node(&id).is_some() {
            return Err(Refusal::new(Rsc::Conflict, "the CSE is registered already"));
        }
        Ok(id)
    }

    fn name(
        &self,
        nodes: &Nodes,
        attributes: &mut Map<String, Value>,
        (id, place): (&str, &Place<'_>),
    ) -> Result<String, Refusal> {
        let name = match attributes.remove("rn") {
            Some(Value::String(name)) => name,
            _ => id.to_owned(),
        };
        if RESERVED.contains(&name.as_str()) {
            return Err(Refusal::about(
                Rsc::BadRequest,
                "rn",
                "stands for something else",
            ));
        }
        let is_taken = match place.parent {
            Some(parent) => parent.child_named(&name).is_some(),
            None => nodes
                .subscriptions_at(place.ri)
                .any(|other| other.rn == name),
        };
        if is_taken {
            return Err(Refusal::about(Rsc::Conflict, "rn", "is taken"));
        }
        Ok(name)
    }

    /// A new instance, and the oldest that have to make room for it (TS-0001 10.2.4.5).
    fn fit(
        &self,
        container: Option<&Node>,
        instance: &mut Resource,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        let Some(container) = container else {
            return Err(not_found());
        };
        let content = instance.attributes.get("con").unwrap_or(&Value::Null);
        let size = match content {
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        } as u64;
        let limits = InstanceLimits::of(&container.resource);
        let too_large = limits.bytes.is_some_and(|most| size > most) || limits.number == Some(0);
        if size > MOST_CONTENT || too_large {
            return Err(Refusal::about(
                Rsc::NotAcceptable,
                "con",
                "is larger than it may be",
            ));
        }
        if let (Some(age), Some(expires)) = (limits.age, instance.expires) {
            let oldest = self.now.plus(std::time::Duration::from_secs(age));
            instance.expires = Some(expires.min(oldest));
        }
        let mut parent = container.resource.as_ref().clone();
        parent.state_tag = parent.state_tag.saturating_add(1);
        parent.modified = self.now;
        instance.state_tag = parent.state_tag;
        instance.attributes.insert("cs".into(), size.into());
        change.evict = limits.overflow(container, Some(size));
        change.put.push(parent);
        Ok(())
    }

    fn answer(
        &self,
        nodes: &Nodes,
        resource: &Resource,
        (shown, given): (Map<String, Value>, &Value),
        path: String,
    ) -> Answer {
        let speech = Speech::to(nodes, self.who, self.request, self.now);
        let location = speech.scoped(if self.request.unstructured_result {
            resource.ri.clone()
        } else {
            path
        });
        let member = resource.ty.member();
        let content = match self.request.result_content {
            Some(0) => None,
            Some(2) => Some(json!({ "m2m:uri": location })),
            Some(3) => Some(json!({ "m2m:rce": { "uri": location, member: shown } })),
            Some(9) => Some(json!({ member: not_given(shown, given) })),
            _ => Some(resource.wrap(shown)),
        };
        Answer {
            rsc: Rsc::Created,
            content,
            location: Some(location),
        }
    }
}

/// What the CSE set itself, or otherwise than it was asked to.
pub(super) fn not_given(shown: Map<String, Value>, given: &Value) -> Map<String, Value> {
    let own = shown.into_iter();
    own.filter(|(name, value)| given.get(name) != Some(value))
        .collect()
}

fn birth_event(resource: &Resource, shown: &Map<String, Value>) -> Option<Event> {
    Some(Event {
        kind: EventType::ChildCreated,
        at: resource.pi.clone(),
        subject: Told {
            ty: resource.ty,
            ri: resource.ri.clone(),
            shown: shown.clone(),
        },
        modified: Map::new(),
    })
}

/// `et`: as wanted, but not beyond what a resource may live, nor beyond its parent.
pub(super) fn expiration(
    settings: &Settings,
    wanted: Option<&Value>,
    parent: Option<&Node>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let latest = now.plus(settings.lifetime);
    let latest = match parent.and_then(|parent| parent.resource.expires) {
        Some(of_parent) => latest.min(of_parent),
        None => latest,
    };
    match wanted.and_then(Value::as_str).map(time::parse) {
        None => Ok(latest),
        Some(Some(wanted)) if wanted > now => Ok(wanted.min(latest)),
        Some(_) => Err(Refusal::about(Rsc::BadRequest, "et", "lies in the past")),
    }
}

/// `acpi`: policies that are there, by their IDs.
pub(super) fn resolve_policies(nodes: &Nodes, resource: &mut Resource) -> Result<(), Refusal> {
    if !resource.attributes.contains_key("acpi") {
        return Ok(());
    }
    let policies = resource.texts("acpi").map(|text| {
        let address = Address::parse(access::normal_form(text, nodes.names()), nodes.names());
        match nodes.find(&address.ok()?)? {
            Found::Node(node) if node.resource.ty == Type::AccessControlPolicy => {
                Some(node.resource.ri.clone())
            }
            _ => None,
        }
    });
    let said = "names what is no access control policy here";
    let policies: Option<Vec<String>> = policies.collect();
    let policies = policies.ok_or(Refusal::about(Rsc::BadRequest, "acpi", said))?;
    resource.attributes.insert("acpi".into(), policies.into());
    Ok(())
}

/// `mni`, `mbs`, `mia`.
pub(super) struct InstanceLimits {
    number: Option<u64>,
    bytes: Option<u64>,
    age: Option<u64>,
}

impl InstanceLimits {
    pub(super) fn of(container: &Resource) -> Self {
        Self {
            number: container.number("mni"),
            bytes: container.number("mbs"),
            age: container.number("mia"),
        }
    }

    /// The oldest instances that are too many, with one of `incoming` bytes to come.
    pub(super) fn overflow(&self, container: &Node, incoming: Option<u64>) -> Vec<String> {
        let holdings = container.holdings();
        let mut number = holdings.instances.saturating_add(incoming.is_some().into());
        let mut bytes = holdings.bytes.saturating_add(incoming.unwrap_or(0));
        let mut evicted = Vec::new();
        for (ri, size) in container.instances() {
            let fits = self.number.is_none_or(|most| number <= most)
                && self.bytes.is_none_or(|most| bytes <= most);
            if fits {
                break;
            }
            number = number.saturating_sub(1);
            bytes = bytes.saturating_sub(size);
            evicted.push(ri.to_owned());
        }
        evicted
    }
}
