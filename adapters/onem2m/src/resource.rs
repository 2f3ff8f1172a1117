//! Resources: their types, what attributes they have, and how they are kept (TS-0004 7.4, 9).

mod attribute;
mod content;
mod record;
mod table;

use ics_core::id::DeviceId;
use ics_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::time;

pub(crate) use attribute::is_name;
pub(crate) use content::{Changes, attributes_named, read_create, read_update};

/// Types of resources that are kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Type {
    AccessControlPolicy,
    Ae,
    Container,
    ContentInstance,
    CseBase,
    RemoteCse,
    Subscription,
}

impl Type {
    pub(crate) const ALL: [Self; 7] = [
        Self::AccessControlPolicy,
        Self::Ae,
        Self::Container,
        Self::ContentInstance,
        Self::CseBase,
        Self::RemoteCse,
        Self::Subscription,
    ];

    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::AccessControlPolicy => 1,
            Self::Ae => 2,
            Self::Container => 3,
            Self::ContentInstance => 4,
            Self::CseBase => 5,
            Self::RemoteCse => 16,
            Self::Subscription => 23,
        }
    }

    pub(crate) fn of_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.number() == number)
    }

    /// Its short name.
    pub(crate) const fn short_name(self) -> &'static str {
        match self {
            Self::AccessControlPolicy => "acp",
            Self::Ae => "ae",
            Self::Container => "cnt",
            Self::ContentInstance => "cin",
            Self::CseBase => "cb",
            Self::RemoteCse => "csr",
            Self::Subscription => "sub",
        }
    }

    /// The member that holds one.
    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::AccessControlPolicy => "m2m:acp",
            Self::Ae => "m2m:ae",
            Self::Container => "m2m:cnt",
            Self::ContentInstance => "m2m:cin",
            Self::CseBase => "m2m:cb",
            Self::RemoteCse => "m2m:csr",
            Self::Subscription => "m2m:sub",
        }
    }

    /// What may lie below (TS-0001 9.6), of the types that are kept here.
    pub(crate) const fn may_hold(self, child: Self) -> bool {
        matches!(
            (self, child),
            (
                Self::CseBase,
                Self::AccessControlPolicy
                    | Self::Ae
                    | Self::Container
                    | Self::RemoteCse
                    | Self::Subscription
            ) | (
                Self::Ae | Self::RemoteCse,
                Self::AccessControlPolicy | Self::Container | Self::Subscription
            ) | (
                Self::Container,
                Self::Container | Self::ContentInstance | Self::Subscription
            ) | (Self::AccessControlPolicy, Self::Subscription)
        )
    }

    /// Whether it counts its changes (`st`).
    pub(crate) const fn has_state_tag(self) -> bool {
        matches!(self, Self::Container | Self::ContentInstance)
    }
}

/// One resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) ty: Type,
    /// `ri`: without a slash.
    pub(crate) ri: String,
    /// `rn`.
    pub(crate) rn: String,
    /// `pi`.
    pub(crate) pi: String,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// `et`; what is built in never expires.
    pub(crate) expires: Option<Timestamp>,
    /// `st`, where the type has one.
    pub(crate) state_tag: u64,
    /// Attributes of the type, and `lbl`, `acpi`, `cstn`, `cr` where they are set.
    pub(crate) attributes: Map<String, Value>,
    /// Who made it, whether or not `cr` says so.
    pub(crate) owner: String,
    /// Of an AE: the hosted device it is bound to. Never shown.
    pub(crate) device: Option<DeviceId>,
    /// Of a subscription at what is no resource of this tree: where that lies.
    pub(crate) above: Option<String>,
    /// In which order they were made.
    pub(crate) order: u64,
}

/// What of a container's attributes follows from its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// `cni`.
    pub(crate) instances: u64,
    /// `cbs`.
    pub(crate) bytes: u64,
}

impl Resource {
    /// A text attribute.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.attributes.get(name)?.as_u64()
    }

    /// A flag; absent is `false`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.attributes.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A list of texts; absent is empty.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.attributes.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The size of an instance's content.
    pub(crate) fn content_size(&self) -> u64 {
        self.number("cs").unwrap_or_default()
    }

    /// All its attributes, as they are shown.
    pub(crate) fn show(&self, holdings: Holdings, now: Timestamp) -> Map<String, Value> {
        let mut shown = self.attributes.clone();
        let mut show = |name: &str, value: Value| {
            shown.insert(name.to_owned(), value);
        };
        show("ty", self.ty.number().into());
        show("ri", self.ri.as_str().into());
        show("rn", self.rn.as_str().into());
        show("pi", self.pi.as_str().into());
        show("ct", time::format(self.created).into());
        show("lt", time::format(self.modified).into());
        if let Some(expires) = self.expires {
            show("et", time::format(expires).into());
        }
        if self.ty.has_state_tag() {
            show("st", self.state_tag.into());
        }
        match self.ty {
            Type::Container => {
                show("cni", holdings.instances.into());
                show("cbs", holdings.bytes.into());
            }
            Type::CseBase => show("ctm", time::format(now).into()),
            _ => {}
        }
        shown
    }

    /// In its member: `{"m2m:cnt":{..}}`.
    pub(crate) fn wrap(&self, shown: Map<String, Value>) -> Value {
        let mut wrapped = Map::new();
        wrapped.insert(self.ty.member().to_owned(), Value::Object(shown));
        Value::Object(wrapped)
    }
}

#[cfg(test)]
mod tests;
