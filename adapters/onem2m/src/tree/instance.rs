//! What is particular of content instances: how many a container holds, and which make room (TS-0001
//! 9.6.6, 9.6.7, 10.2.4.5).

use std::time::Duration;

use serde_json::Value;

use crate::primitive::Refusal;
use crate::resource::Resource;
use crate::rsc::Rsc;

use super::change::Change;
use super::create::Birth;
use super::nodes::Node;
use super::not_found;

/// The largest content of one instance, in bytes.
const MOST_CONTENT: u64 = 64 << 10;

impl Birth<'_> {
    /// A new instance, and the oldest that have to make room for it (TS-0001 10.2.4.5).
    pub(super) fn fit(
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
            let oldest = self.now.plus(Duration::from_secs(age));
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
