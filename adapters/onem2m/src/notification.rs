//! Notifications (TS-0004 7.5.1.2): which event concerns which subscription, what is told of it, and
//! where its targets are. Pure; [`crate::tree`] sends them.

use serde_json::{Map, Value, json};

use crate::access::normal_form;
use crate::address::{Address, Names};
use crate::outbound::Via;
use crate::primitive::Content;
use crate::resource::{Resource, Type};
use crate::tree::{Found, Nodes};

/// The release notifications are in where the target does not say which it speaks.
const RELEASE: &str = "4";

/// Kinds of events (`net`, TS-0004 6.3.4.2.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventType {
    Updated,
    Deleted,
    ChildCreated,
    ChildDeleted,
}

impl EventType {
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Updated => 1,
            Self::Deleted => 2,
            Self::ChildCreated => 3,
            Self::ChildDeleted => 4,
        }
    }
}

/// Something that happened to a resource that may be watched.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventType,
    /// The resource whose subscriptions are asked.
    pub(crate) at: String,
    /// What is told of: that resource, or its child.
    pub(crate) subject: Told,
    /// What an update set.
    pub(crate) modified: Map<String, Value>,
}

/// A resource as it is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) ty: Type,
    pub(crate) ri: String,
    pub(crate) shown: Map<String, Value>,
}

/// What a subscription without `enc`, or with an empty one, is about.
const DEFAULT_EVENTS: [u64; 1] = [1];
/// `nct`.
const MODIFIED_ATTRIBUTES: u64 = 2;
const RESOURCE_ID: u64 = 3;

/// The kinds of events a subscription is about.
pub(crate) fn event_types(subscription: &Resource) -> Vec<u64> {
    numbers(subscription, "net").unwrap_or_else(|| DEFAULT_EVENTS.to_vec())
}

fn numbers(subscription: &Resource, name: &str) -> Option<Vec<u64>> {
    let list = subscription.attributes.get("enc")?.get(name)?.as_array()?;
    Some(list.iter().filter_map(Value::as_u64).collect())
}

/// Whether the event is one that the subscription is about.
pub(crate) fn concerns(subscription: &Resource, event: &Event) -> bool {
    if !event_types(subscription).contains(&event.kind.number()) {
        return false;
    }
    match event.kind {
        EventType::Updated => {
            let criteria = subscription.attributes.get("enc");
            let watched = criteria.and_then(|enc| enc.get("atr"));
            let watched = watched.and_then(Value::as_array);
            watched.is_none_or(|names| {
                let mut names = names.iter().filter_map(Value::as_str);
                names.any(|name| event.modified.contains_key(name))
            })
        }
        EventType::Deleted => true,
        EventType::ChildCreated | EventType::ChildDeleted => numbers(subscription, "chty")
            .is_none_or(|types| types.contains(&event.subject.ty.number().into())),
    }
}

/// `m2m:sgn` for an event, as the subscription wants it (`nct`); without the root.
pub(crate) fn tell(subscription: &Resource, event: &Event, names: &Names) -> Value {
    let subject = &event.subject;
    let representation = match subscription.number("nct") {
        Some(RESOURCE_ID) => json!({ "m2m:uri": names.sp_relative(&subject.ri) }),
        Some(MODIFIED_ATTRIBUTES) => json!({ subject.ty.member(): event.modified }),
        _ => json!({ subject.ty.member(): subject.shown }),
    };
    signal(subscription, event.kind.number(), representation, names)
}

/// `m2m:sgn` with a representation that is made elsewhere; without the root.
pub(crate) fn signal(
    subscription: &Resource,
    net: u64,
    representation: Value,
    names: &Names,
) -> Value {
    let mut told = json!({
        "nev": { "net": net },
        "sur": names.sp_relative(&subscription.ri),
    });
    if let Some(event) = told.get_mut("nev").and_then(Value::as_object_mut) {
        event.insert("rep".into(), representation);
    }
    add_creator(&mut told, subscription.text("cr"));
    told
}

fn add_creator(told: &mut Value, creator: Option<&str>) {
    if let (Some(told), Some(creator)) = (told.as_object_mut(), creator) {
        told.insert("cr".into(), creator.into());
    }
}

/// One notification.
pub(crate) fn single(signal: Value) -> Content {
    content("m2m:sgn", signal)
}

/// Several of them at once (`bn`).
pub(crate) fn aggregate(signals: Vec<Value>) -> Content {
    let signals = content("m2m:sgn", Value::Array(signals));
    content("m2m:agn", Value::Object(signals))
}

fn content(name: &str, value: Value) -> Content {
    let mut content = Content::new();
    content.insert(name.to_owned(), value);
    content
}

/// Asks a target whether it wants to be notified (TS-0004 7.5.1.2.2).
pub(crate) fn verification(ri: &str, creator: &str, names: &Names) -> Content {
    single(json!({ "vrq": true, "sur": names.sp_relative(ri), "cr": creator }))
}

/// Tells that a subscription is gone (TS-0004 7.5.1.2.4).
pub(crate) fn deletion(subscription: &Resource, names: &Names) -> Content {
    let mut told = json!({ "sud": true, "sur": names.sp_relative(&subscription.ri) });
    add_creator(&mut told, subscription.text("cr"));
    single(told)
}

/// Where a notification goes: the first way that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) ways: Vec<(Via, String)>,
    pub(crate) release: String,
}

/// Why there is no way to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// It is this CSE itself.
    Own,
    /// It is nobody, or nobody that can be reached.
    Unreachable,
}

/// The ways to a target: a URL, an AE or CSE registered here, or somebody behind the registrar.
pub(crate) fn ways(nodes: &Nodes, own_points: &[String], to: &str) -> Result<Target, NoWay> {
    let direct = |url: &str| {
        if own_points.iter().any(|own| is_below(url, own)) {
            return Err(NoWay::Own);
        }
        Ok((Via::PointOfAccess(url.to_owned()), url.to_owned()))
    };
    if to.contains("://") {
        return Ok(Target {
            ways: vec![direct(to)?],
            release: RELEASE.into(),
        });
    }
    let names = nodes.names();
    let local = normal_form(to, names);
    let remote = || Target {
        ways: vec![(Via::Registrar, to.to_owned())],
        release: RELEASE.into(),
    };
    let resource = match local.strip_prefix('/') {
        Some("") => return Err(NoWay::Unreachable),
        Some(below) => {
            let cse = below.split('/').next().unwrap_or_default();
            if cse == names.cse_id {
                return Err(NoWay::Own);
            }
            match nodes.node(cse) {
                Some(node) if node.resource.ty == Type::RemoteCse => &node.resource,
                _ => return Ok(remote()),
            }
        }
        None => {
            let address = Address::parse(local, names).map_err(|_| NoWay::Unreachable)?;
            match nodes.find(&address) {
                Some(Found::Node(node)) => &node.resource,
                _ => return Err(NoWay::Unreachable),
            }
        }
    };
    match resource.ty {
        Type::CseBase => Err(NoWay::Own),
        Type::Ae | Type::RemoteCse if resource.flag("rr") => {
            let ways = resource.texts("poa").map(|point| {
                let (via, url) = direct(point)?;
                // HTTP is sent to the point itself: who is meant there needs no path.
                let is_http = point.starts_with("http");
                let is_ae = resource.ty == Type::Ae;
                Ok((via, if is_http && is_ae { url } else { to.to_owned() }))
            });
            let ways = ways.collect::<Result<Vec<_>, _>>()?;
            if ways.is_empty() {
                return Err(NoWay::Unreachable);
            }
            let release = resource.texts("srv").max().unwrap_or(RELEASE).to_owned();
            Ok(Target { ways, release })
        }
        _ => Err(NoWay::Unreachable),
    }
}

fn is_below(url: &str, own: &str) -> bool {
    let own = own.trim_end_matches('/');
    let rest = url
        .get(..own.len())
        .filter(|start| start.eq_ignore_ascii_case(own));
    rest.is_some()
        && matches!(
            url.as_bytes().get(own.len()),
            None | Some(b'/' | b'?' | b'#')
        )
}

#[cfg(test)]
mod tests;
