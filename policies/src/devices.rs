//! `devices.toml`: groups of devices and who is granted them (TS 33.187 4.7: per UE, or per service
//! per UE), as data that policies look at.

use std::sync::Arc;

use ics_core::id::{DeviceId, DeviceSerialNumber, ServicePrefix, ServiceUri, SpId};
use ics_core::mapping::Attribute;
use ics_core::party::{Agreement, SerialMatcher, SerialNamespace};
use ics_core::port::DeviceFacts;
use serde::Deserialize;

/// Groups and grants.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceTable {
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    name: Arc<str>,
    iot_sp: Option<SpId>,
    serials: Vec<SerialNamespace>,
    ids: Vec<DeviceId>,
    restricted: bool,
    grants: Vec<Grant>,
}

#[derive(Clone, Debug)]
struct Grant {
    third_party_sp: SpId,
    /// None: all of them.
    services: Vec<ServicePrefix>,
}

/// What the table says of one device towards one third party and service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) groups: Vec<Arc<str>>,
    pub(crate) restricted: bool,
    pub(crate) granted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    #[serde(default)]
    group: Vec<RawGroup>,
    #[serde(default)]
    grant: Vec<RawGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawGroup {
    name: String,
    iot_sp: Option<String>,
    vendor: Option<String>,
    #[serde(default)]
    serial_prefixes: Vec<String>,
    #[serde(default)]
    serial_patterns: Vec<String>,
    #[serde(default)]
    device_ids: Vec<String>,
    #[serde(default)]
    restricted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawGrant {
    group: String,
    third_party_sp: String,
    #[serde(default)]
    services: Vec<String>,
}

impl DeviceTable {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let raw: RawTable = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut groups: Vec<Group> = Vec::with_capacity(raw.group.len());
        for group in raw.group {
            let name = group.name.clone();
            if groups.iter().any(|known| *known.name == *name) {
                return Err(format!("group `{name}` is there twice"));
            }
            let parsed = parse_group(group).map_err(|why| format!("group `{name}`: {why}"))?;
            groups.push(parsed);
        }
        for grant in raw.grant {
            let name = grant.group.clone();
            let Some(group) = groups.iter_mut().find(|group| *group.name == *name) else {
                return Err(format!("a grant is for group `{name}`, which is not there"));
            };
            let parsed = parse_grant(&grant).map_err(|why| format!("grant of `{name}`: {why}"))?;
            group.grants.push(parsed);
        }
        Ok(Self { groups })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What it says of `device`, asked for by the third party of `agreement` for `service`. A
    /// device of several restricted groups needs a grant of each.
    pub(crate) fn standing(
        &self,
        agreement: &Agreement,
        service: &ServiceUri,
        device: &DeviceFacts<'_>,
    ) -> Standing {
        let mut standing = Standing::default();
        let (mut granted, mut refused) = (false, false);
        let holding = self
            .groups
            .iter()
            .filter(|group| group.holds(&agreement.iot_sp, device));
        for group in holding {
            standing.groups.push(Arc::clone(&group.name));
            let is_granted = group.grants.iter().any(|grant| {
                grant.third_party_sp == agreement.third_party_sp
                    && (grant.services.is_empty()
                        || grant.services.iter().any(|prefix| prefix.owns(service)))
            });
            granted |= is_granted;
            refused |= group.restricted && !is_granted;
            standing.restricted |= group.restricted;
        }
        standing.granted = granted && !refused;
        standing
    }
}

impl Group {
    fn holds(&self, iot_sp: &SpId, device: &DeviceFacts<'_>) -> bool {
        let by_serial = |serial: &DeviceSerialNumber| {
            let mut namespaces = self.serials.iter();
            namespaces.any(|namespace| namespace.holds(serial, device.vendor))
        };
        self.iot_sp.as_ref().is_none_or(|own| own == iot_sp)
            && (device.serial.is_some_and(by_serial)
                || device.id.is_some_and(|id| self.ids.contains(id)))
    }
}

fn parse_group(raw: RawGroup) -> Result<Group, String> {
    let vendor = raw.vendor.as_deref().map(Attribute::parse).transpose();
    let vendor = vendor.map_err(|why| format!("vendor {why}"))?;
    let prefixes = raw
        .serial_prefixes
        .iter()
        .map(|text| SerialMatcher::prefix(text));
    let patterns = raw
        .serial_patterns
        .iter()
        .map(|text| SerialMatcher::pattern(text));
    let matchers: Result<Vec<_>, _> = prefixes.chain(patterns).collect();
    let matchers = matchers.map_err(|why| format!("serial prefix or pattern {why}"))?;
    let ids: Result<Vec<_>, _> = raw
        .device_ids
        .iter()
        .map(|id| DeviceId::parse(id))
        .collect();
    if raw.name.is_empty() || raw.name.len() > 64 || raw.name.chars().any(char::is_control) {
        return Err("a name has 1 to 64 printable characters".into());
    }
    if matchers.is_empty() && raw.device_ids.is_empty() {
        return Err(
            "holds nothing: give `serial-prefixes`, `serial-patterns` or `device-ids`".into(),
        );
    }
    let iot_sp = raw.iot_sp.as_deref().map(SpId::parse).transpose();
    Ok(Group {
        name: raw.name.into(),
        iot_sp: iot_sp.map_err(|why| format!("iot-sp {why}"))?,
        serials: matchers
            .into_iter()
            .map(|matcher| SerialNamespace {
                vendor: vendor.clone(),
                matcher,
            })
            .collect(),
        ids: ids.map_err(|why| format!("device ID {why}"))?,
        restricted: raw.restricted,
        grants: Vec::new(),
    })
}

fn parse_grant(raw: &RawGrant) -> Result<Grant, String> {
    let services: Result<Vec<_>, _> = raw
        .services
        .iter()
        .map(|prefix| ServicePrefix::parse(prefix))
        .collect();
    Ok(Grant {
        third_party_sp: SpId::parse(&raw.third_party_sp)
            .map_err(|why| format!("third-party-sp {why}"))?,
        services: services.map_err(|why| format!("service {why}"))?,
    })
}

#[cfg(test)]
mod tests;
