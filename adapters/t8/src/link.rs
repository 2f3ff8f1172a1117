//! URIs of our own resources: written absolute under the API root, read back from a selector.

use std::fmt;

use ics_core::device::CredentialId;
use ics_core::id::{DeviceId, JobId, MappingId, Origin, SpId, SubscriptionId};
use ics_core::outbox::{Addressee, Subject};
use ics_core::port::ResourceNames;
use ics_core::reference_point::Role;

/// What a link names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A row, as its third party SP sees it.
    Mapping(MappingId),
    /// A row, as its IoT SP sees it.
    Assignment(MappingId),
    /// A subscription.
    Subscription(SubscriptionId),
    /// A job.
    Job(JobId),
    /// The SP's profile.
    Profile,
    /// The list of mappings.
    Mappings,
    /// The list of assignments.
    Assignments,
    /// The list of hosted devices.
    Devices,
    /// A hosted device.
    Device(&'a DeviceId),
    /// A credential of a hosted device.
    Credential(&'a DeviceId, CredentialId),
    /// The websocket of the SP in that role.
    Websocket(Role),
}

/// An absolute URI of one of our resources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    /// The API root, without a slash at its end.
    pub(crate) root: &'a str,
    /// Whose resource.
    pub(crate) sp: &'a SpId,
    /// Which.
    pub(crate) target: Target<'a>,
}

impl Link<'_> {
    /// Where its SP dials for what it is told of such resources: one websocket a role, so that a
    /// hundred thousand rows take one connection.
    pub(crate) const fn websocket(self) -> Self {
        let role = match self.target {
            Target::Mapping(_) | Target::Mappings => Role::ThirdPartySp,
            Target::Websocket(role) => role,
            _ => Role::IotSp,
        };
        Self {
            target: Target::Websocket(role),
            ..self
        }
    }
}

const MAPPINGS: &str = "/ics-mapping/v1/";
const ASSIGNMENTS: &str = "/ics-device-mapping/v1/";
const DEVICES: &str = "/ics-device/v1/";

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, sp, target } = self;
        match target {
            Target::Mapping(id) => write!(f, "{root}{MAPPINGS}{sp}/mappings/{id}"),
            Target::Mappings => write!(f, "{root}{MAPPINGS}{sp}/mappings"),
            Target::Assignment(id) => write!(f, "{root}{ASSIGNMENTS}{sp}/assignments/{id}"),
            Target::Assignments => write!(f, "{root}{ASSIGNMENTS}{sp}/assignments"),
            Target::Subscription(id) => write!(f, "{root}{ASSIGNMENTS}{sp}/subscriptions/{id}"),
            Target::Devices => write!(f, "{root}{DEVICES}{sp}/devices"),
            Target::Device(id) => write!(f, "{root}{DEVICES}{sp}/devices/{}", id.as_str()),
            Target::Credential(id, credential) => {
                let id = id.as_str();
                write!(
                    f,
                    "{root}{DEVICES}{sp}/devices/{id}/credentials/{credential}"
                )
            }
            Target::Job(id) => write!(f, "{root}/ics-demapping/v1/{sp}/jobs/{id}"),
            Target::Websocket(role) => {
                let scheme_less = root.strip_prefix("https").unwrap_or(root);
                let api = match role {
                    Role::ThirdPartySp => MAPPINGS,
                    Role::IotSp => ASSIGNMENTS,
                };
                write!(f, "wss{scheme_less}{api}{sp}/websocket")
            }
            Target::Profile => write!(f, "{root}/ics-access/v1/{sp}/profile"),
        }
    }
}

/// What this API calls rows and subscriptions, for those who tell parties of them.
#[derive(Clone, Debug)]
pub struct ResourceUris {
    root: Origin,
}

impl ResourceUris {
    /// Names under `root`, where callers reach this API.
    #[must_use]
    pub const fn new(root: Origin) -> Self {
        Self { root }
    }
}

impl ResourceNames for ResourceUris {
    fn uri(&self, addressee: &Addressee, subject: Subject) -> String {
        let target = match (addressee.role, subject) {
            (Role::ThirdPartySp, Subject::Mapping(id)) => Target::Mapping(id),
            (Role::IotSp, Subject::Mapping(id)) => Target::Assignment(id),
            (_, Subject::Subscription(id)) => Target::Subscription(id),
        };
        let link = Link {
            root: self.root.as_str(),
            sp: &addressee.sp,
            target,
        };
        link.to_string()
    }
}

/// Which row a link names, and in whose eyes: absolute under the API root, or a path. `None`:
/// not one of ours, or of another SP than `sp`.
pub(crate) fn parse_row_link(root: &str, sp: &SpId, text: &str) -> Option<Target<'static>> {
    let path = text.strip_prefix(root).unwrap_or(text);
    let read = |base: &str, collection: &str| {
        let rest = path.strip_prefix(base)?.strip_prefix(sp.as_str())?;
        MappingId::parse(rest.strip_prefix(collection)?).ok()
    };
    read(MAPPINGS, "/mappings/")
        .map(Target::Mapping)
        .or_else(|| read(ASSIGNMENTS, "/assignments/").map(Target::Assignment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "https://ics.example";

    #[test]
    fn what_a_party_is_told_of_it_can_read_back() {
        let names = ResourceUris::new(Origin::parse(ROOT).unwrap());
        let sp = SpId::parse("shop").unwrap();
        let id = MappingId::from_bytes([7; 16]);
        for (role, target) in [
            (Role::ThirdPartySp, Target::Mapping(id)),
            (Role::IotSp, Target::Assignment(id)),
        ] {
            let addressee = Addressee {
                role,
                sp: sp.clone(),
            };
            let uri = names.uri(&addressee, Subject::Mapping(id));
            assert_eq!(parse_row_link(ROOT, &sp, &uri), Some(target));
        }
    }

    #[test]
    fn a_link_is_read_back_absolute_or_as_a_path_by_its_owner_alone() {
        let sp = SpId::parse("shop").unwrap();
        let other = SpId::parse("shop2").unwrap();
        let id = MappingId::from_bytes([7; 16]);
        for target in [Target::Mapping(id), Target::Assignment(id)] {
            let link = Link {
                root: ROOT,
                sp: &sp,
                target,
            }
            .to_string();
            assert_eq!(parse_row_link(ROOT, &sp, &link), Some(target));
            let path = link.strip_prefix(ROOT).unwrap();
            assert_eq!(parse_row_link(ROOT, &sp, path), Some(target));
            assert_eq!(parse_row_link(ROOT, &other, &link), None);
            assert_eq!(
                parse_row_link("https://elsewhere.example", &sp, &link),
                None
            );
            assert_eq!(parse_row_link(ROOT, &sp, &format!("{link}/")), None);
        }
    }
}
