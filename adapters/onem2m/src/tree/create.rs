//! Making resources (TS-0004 7.4, each type's Create).

use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::access::{self, Privilege, may};
use crate::address::Address;
use crate::caller::{Originator, Standing};
use crate::discovery::Speech;
use crate::notification::{Event, EventType, Told};
use crate::primitive::{Answer, Refusal, Request};
use crate::resource::{Holdings, Resource, Type, read_create};
use crate::rsc::Rsc;
use crate::time;

use super::builtin::is_built_in;
use super::change::Change;
use super::document;
use super::nodes::{Found, Node, Nodes};
use super::{Parent, Settings, no_privilege, not_found, subscription};

/// Names that stand for something else below a container, a group, a polling channel.
/// RFC 3986 5.2.4: a client takes dots out of a path before it sends it.
const RESERVED: [&str; 7] = ["la", "ol", "fopt", "pcu", "-", ".", ".."];
/// The longest structured address, and the most levels.
const LONGEST: usize = 900;
const DEEPEST: usize = 24;
/// The most subscriptions at one resource: each is asked whenever something happens there.
const MOST_SUBSCRIPTIONS: usize = 64;
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
    pub(super) random: u128,
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
            _ => format!("{}{:032x}", ty.short_name(), self.random),
        };
        if nodes.node(&id).is_some() {
            return Err(Refusal::new(Rsc::Conflict, "the resource ID is taken"));
        }
        let name = self.name(nodes, &mut attributes, (&id, place))?;
        let path = format!("{}/{name}", place.path);
        check_depth(&path)?;
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
                if nodes.subscriptions_at(place.ri).count() >= MOST_SUBSCRIPTIONS {
                    let said = "the parent has as many subscriptions as it may have";
                    return Err(Refusal::new(Rsc::OriginatorHasNoPrivilege, said));
                }
                let own = &self.settings.points_of_access;
                subscription::check_targets(nodes, own, (self.who, &resource))?;
            }
            _ => {}
        }
        let shown = resource.show(Holdings::default(), self.now);
        change.events.extend(birth_event(&resource, &shown));
        let answer = self.answer(nodes, &resource, (shown, &given), path);
        if resource.device.is_some() {
            let beside = document::beside(&resource, nodes.names(), self.random);
            change.put.extend(beside);
        }
        change.put.insert(0, resource);
        Ok((change, answer))
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

/// A resource that no address reaches is not made (see [`Address`]).
fn check_depth(path: &str) -> Result<(), Refusal> {
    if path.len() > LONGEST || path.split('/').count() > DEEPEST {
        let said = "would lie deeper than anything here may";
        return Err(Refusal::about(Rsc::OriginatorHasNoPrivilege, "to", said));
    }
    Ok(())
}

/// What the CSE set itself, or otherwise than it was asked to.
pub(super) fn not_given(shown: Map<String, Value>, given: &Value) -> Map<String, Value> {
    let own = shown.into_iter();
    own.filter(|(name, value)| given.get(name) != Some(value))
        .collect()
}

pub(super) fn birth_event(resource: &Resource, shown: &Map<String, Value>) -> Option<Event> {
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
