//! What is particular of subscriptions (TS-0004 7.4.8): what they may ask for, and of whom.

use serde_json::{Map, Value, json};

use crate::access::is;
use crate::caller::Originator;
use crate::notification::{NoWay, Target, ways};
use crate::primitive::Refusal;
use crate::resource::{Resource, Type};
use crate::rsc::Rsc;

use super::nodes::{Found, Nodes};
use crate::address::Address;

/// The most targets of one subscription.
const MOST_TARGETS: usize = 8;
/// `net` of TS-0004, and those of them that are done here.
const EVENT_TYPES: std::ops::RangeInclusive<u64> = 1..=10;
const DONE: std::ops::RangeInclusive<u64> = 1..=4;
/// Those that hold up the request.
const BLOCKING: [u64; 3] = [7, 9, 10];
/// After how long a batch is sent that says only after how many.
const BATCH_DURATION: &str = "PT10S";

/// Holds the attributes against each other, and fills in what was left out.
pub(super) fn complete(
    attributes: &mut Map<String, Value>,
    above: Option<Type>,
) -> Result<(), Refusal> {
    let wrong = |name: &str, said: &str| Err(Refusal::about(Rsc::BadRequest, name, said));
    let criteria = attributes.entry("enc").or_insert_with(|| json!({}));
    if let Some(criteria) = criteria.as_object_mut() {
        criteria.entry("net").or_insert_with(|| json!([1]));
    }
    let numbers = |name: &str| {
        let list = criteria.get(name).and_then(Value::as_array);
        let numbers = list.into_iter().flatten().filter_map(Value::as_u64);
        numbers.collect::<Vec<_>>()
    };
    let events = numbers("net");
    if events.len() > 1 && events.iter().any(|net| BLOCKING.contains(net)) {
        return wrong("net", "has a blocking event beside others");
    }
    if let Some(unknown) = events.iter().find(|net| !DONE.contains(net)) {
        return if *unknown == 8 || !EVENT_TYPES.contains(unknown) {
            wrong("net", "is no kind of event that this parent has")
        } else {
            let said = "has a kind of event that is not told of here";
            Err(Refusal::about(Rsc::NotImplemented, "net", said))
        };
    }
    let child_types = numbers("chty");
    let is_child = |number: &u64| {
        let child = u16::try_from(*number).ok().and_then(Type::of_number);
        above.is_none_or(|above| child.is_some_and(|child| above.may_hold(child)))
    };
    if !child_types.iter().all(is_child) {
        return wrong("chty", "has a type that does not lie below the parent");
    }
    let content_type = attributes.entry("nct").or_insert_with(|| json!(1)).as_u64();
    if content_type == Some(2) && events.iter().any(|net| *net != 1) {
        return wrong("nct", "2 is for updates alone");
    }
    if let Some(batch) = attributes.get_mut("bn").and_then(Value::as_object_mut) {
        batch.entry("dur").or_insert_with(|| BATCH_DURATION.into());
    }
    let targets = attributes.get("nu").and_then(Value::as_array);
    if targets.is_none_or(|targets| targets.len() > MOST_TARGETS) {
        return wrong("nu", "has too many targets");
    }
    Ok(())
}

/// Whether each target is one that can be notified, and none of them this CSE itself.
pub(super) fn check_targets(
    nodes: &Nodes,
    own: &[String],
    (who, subscription): (&Originator, &Resource),
) -> Result<(), Refusal> {
    let own_target = "leads to this CSE itself";
    for to in subscription.texts("nu") {
        match ways(nodes, own, to) {
            Err(NoWay::Own) => return Err(Refusal::about(Rsc::BadRequest, "nu", own_target)),
            Err(NoWay::Unreachable) if !is_originator(nodes, who, to) => {
                let said = "leads to nobody that can be notified";
                return Err(Refusal::about(
                    Rsc::SubscriptionVerificationFailed,
                    "nu",
                    said,
                ));
            }
            _ => {}
        }
    }
    match subscription.text("su").map(|to| ways(nodes, own, to)) {
        Some(Err(NoWay::Own)) => Err(Refusal::about(Rsc::BadRequest, "su", own_target)),
        _ => Ok(()),
    }
}

/// The targets that are asked first: all but the originator itself, and but those of `before`.
pub(super) fn to_verify(
    nodes: &Nodes,
    own: &[String],
    who: &Originator,
    (subscription, before): (&Resource, &[String]),
) -> Vec<Target> {
    let new = subscription.texts("nu");
    new.filter(|to| !before.iter().any(|old| old == to) && !is_originator(nodes, who, to))
        .filter_map(|to| ways(nodes, own, to).ok())
        .collect()
}

/// Whether a target is the originator itself: by its AE-ID, or by the address of its AE.
fn is_originator(nodes: &Nodes, who: &Originator, to: &str) -> bool {
    if is(who, to, nodes.names()) {
        return true;
    }
    if to.contains("://") {
        return false;
    }
    let address = Address::parse(to, nodes.names()).ok();
    match address.and_then(|address| nodes.find(&address)) {
        Some(Found::Node(node)) => {
            node.resource.ty == Type::Ae && is(who, &node.resource.ri, nodes.names())
        }
        _ => false,
    }
}
