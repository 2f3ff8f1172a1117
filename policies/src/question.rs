//! What a policy may look at of one request: facts, computed before any policy is asked.

use ics_core::mapping::Consent;
use ics_core::party::{Agreement, ConsentMode, Exposure, PartyStatus};
use ics_core::port::{AccessRequest, DeviceFacts as KnownDevice, Operation};
use ics_core::reference_point::{ReferencePoint, Role};
use serde::{Deserialize, Serialize};

use crate::devices::{DeviceTable, Standing};
use crate::mention::Mentions;

/// What is asked for: the actions of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Y.4462 10.1 step 1.
    RequestMapping,
    /// Y.4462 10.1 step 7.
    EstablishMapping,
    /// Y.4462 10.3.
    Inquire,
    /// What needs no more than role and scope.
    UseOwn,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::RequestMapping,
        Self::EstablishMapping,
        Self::Inquire,
        Self::UseOwn,
    ];

    /// Its name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestMapping => "requestMapping",
            Self::EstablishMapping => "establishMapping",
            Self::Inquire => "inquire",
            Self::UseOwn => "useOwn",
        }
    }

    const fn of(operation: &Operation<'_>) -> Self {
        match operation {
            Operation::RequestMapping { .. } => Self::RequestMapping,
            Operation::EstablishMapping { .. } => Self::EstablishMapping,
            Operation::Inquire { .. } => Self::Inquire,
            Operation::UseOwn => Self::UseOwn,
        }
    }
}

/// One request as policies see it: the schema's context, under the schema's names.
///
/// A fact that no policy of the set mentions may be one of an earlier request with the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// What is asked for.
    pub action: Action,
    /// `ICS-1` to `ICS-8`.
    pub reference_point: String,
    /// Who asks.
    pub caller: CallerFacts,
    /// For which service; absent of [`Action::UseOwn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceFacts>,
    /// Under which agreement, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementFacts>,
    /// With which consent, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentFacts>,
    /// For which device; absent of [`Action::UseOwn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceFacts>,
    /// When: RFC 3339, UTC.
    pub now: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallerFacts {
    /// Its id.
    pub sp: String,
    /// Proved to be the party whose grants are looked at.
    pub authenticated: bool,
    /// Neither suspended nor removed.
    pub served: bool,
    /// Has that role.
    pub third_party_sp: bool,
    /// Has that role.
    pub iot_sp: bool,
    /// How it is known who asks, in a word.
    pub proof: String,
    /// The token opens the reference point.
    pub holds_scope: bool,
}

/// For which service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceFacts {
    /// Its URI.
    pub uri: String,
    /// Lies under a prefix that the caller registered.
    pub owned: bool,
    /// The caller has shown that, or the operator vouches for it.
    pub proven: bool,
}

/// Under which agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreementFacts {
    /// Its id.
    pub agreement_id: String,
    /// The side with the devices.
    pub iot_sp_id: String,
    /// The side with the services.
    pub third_party_sp_id: String,
    /// The caller takes the side that the reference point faces.
    pub of_caller: bool,
    /// In force now.
    pub in_force: bool,
    /// Covers the service.
    pub covers_service: bool,
    /// `ASSERTED`, `AUTH_CODE` or `IOT_SP_CONFIRM`.
    pub consent_mode: String,
    /// `raw` or `pairwise`.
    pub exposure: String,
}

/// With which consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsentFacts {
    /// A term of a vocabulary.
    pub purpose: String,
    /// Given, and not over.
    pub stands: bool,
}

/// For which device. Its serial number is no fact: groups are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceFacts {
    /// Those of `devices.toml` that hold it.
    pub groups: Vec<String>,
    /// One of them is restricted.
    pub restricted: bool,
    /// A grant is for this third party and this service.
    pub granted: bool,
    /// Its maker, if told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Its model, if told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its ID, if known and some policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
}

/// The facts of one request before they are written down: cheap, borrowed.
pub(crate) struct Facts<'a> {
    request: &'a AccessRequest<'a>,
    action: Action,
    authenticated: bool,
    holds_scope: bool,
    owned: bool,
    proven: bool,
    agreement: Option<(&'a Agreement, AgreementStanding)>,
    consent: Option<(&'a Consent, bool)>,
    device: KnownDevice<'a>,
    standing: Standing,
}

#[derive(Clone, Copy)]
struct AgreementStanding {
    of_caller: bool,
    in_force: bool,
    covers_service: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(request: &'a AccessRequest<'a>, devices: &DeviceTable) -> Self {
        let (service, agreement, consent, device) = match request.operation {
            Operation::RequestMapping {
                service_uri,
                agreement,
                consent,
                device,
            }
            | Operation::EstablishMapping {
                service_uri,
                agreement,
                consent,
                device,
            } => (Some(service_uri), agreement, consent, device),
            Operation::Inquire {
                service_uri,
                agreement,
                device,
            } => (Some(service_uri), agreement, None, device),
            Operation::UseOwn => (None, None, None, KnownDevice::default()),
        };
        let (principal, party) = (request.principal, request.party);
        let stands = |agreement: &'a Agreement| {
            let side = match request.reference_point.role() {
                Role::ThirdPartySp => &agreement.third_party_sp,
                Role::IotSp => &agreement.iot_sp,
            };
            AgreementStanding {
                of_caller: *side == party.id,
                in_force: agreement.is_active(request.now),
                covers_service: service.is_some_and(|service| agreement.covers(service)),
            }
        };
        let standing = match (agreement, service) {
            (Some(agreement), Some(service)) if !devices.is_empty() => {
                devices.standing(agreement, service, &device)
            }
            _ => Standing::default(),
        };
        Self {
            request,
            action: Action::of(&request.operation),
            authenticated: principal.sp == party.id && *principal.proof.sp() == party.id,
            holds_scope: principal.scopes.contains(request.reference_point),
            owned: service.is_some_and(|service| {
                party.owns_service(service) || party.claims_service(service)
            }),
            proven: service.is_some_and(|service| party.owns_service(service)),
            agreement: agreement.map(|agreement| (agreement, stands(agreement))),
            consent: consent.map(|consent| (consent, consent.stands_at(request.now))),
            device,
            standing,
        }
    }

    /// Everything the answer depends on, and nothing else: equal keys have equal answers, as long
    /// as the policies and the devices of `mentions` are the same.
    pub(crate) fn key(&self, mentions: &Mentions) -> Vec<u8> {
        let party = self.request.party;
        let mut key = Vec::with_capacity(128);
        key.push(self.action as u8);
        key.push(self.request.reference_point as u8);
        key.extend_from_slice(self.request.principal.proof.name().as_bytes());
        key.push(bits([
            self.authenticated,
            party.status == PartyStatus::Active,
            party.third_party_sp,
            party.iot_sp,
            self.holds_scope,
            self.owned,
            self.standing.restricted,
            self.standing.granted,
        ]));
        key.push(u8::from(self.proven));
        match &self.agreement {
            None => key.push(0),
            Some((agreement, standing)) => {
                key.push(1);
                key.push(bits([
                    standing.of_caller,
                    standing.in_force,
                    standing.covers_service,
                    agreement.exposure == Exposure::Pairwise,
                    agreement.consent_mode == ConsentMode::Asserted,
                    agreement.consent_mode == ConsentMode::AuthCode,
                    false,
                    false,
                ]));
                if mentions.parties {
                    key.extend_from_slice(agreement.id.as_bytes());
                }
            }
        }
        match &self.consent {
            None => key.push(0),
            Some((consent, stands)) => {
                key.push(if *stands { 2 } else { 1 });
                if mentions.purpose {
                    put(&mut key, consent.purpose.as_str());
                }
            }
        }
        if mentions.caller {
            put(&mut key, party.id.as_str());
        }
        if mentions.service
            && let Some(service) = self.service_uri()
        {
            put(&mut key, service);
        }
        if mentions.groups {
            self.standing
                .groups
                .iter()
                .for_each(|group| put(&mut key, group));
            key.push(0xff);
        }
        if mentions.device_kind {
            put(
                &mut key,
                self.device.vendor.map_or("", |vendor| vendor.as_str()),
            );
            put(
                &mut key,
                self.device.model.map_or("", |model| model.as_str()),
            );
        }
        if mentions.device_id {
            put(&mut key, self.device.id.map_or("", |id| id.as_str()));
        }
        if mentions.now {
            key.extend_from_slice(&self.request.now.millis().to_be_bytes());
        }
        key
    }

    fn service_uri(&self) -> Option<&str> {
        match self.request.operation {
            Operation::RequestMapping { service_uri, .. }
            | Operation::EstablishMapping { service_uri, .. }
            | Operation::Inquire { service_uri, .. } => Some(service_uri.as_str()),
            Operation::UseOwn => None,
        }
    }

    /// The facts written down. A device ID only where a policy looks at it.
    pub(crate) fn question(&self, mentions: &Mentions) -> Question {
        let (principal, party) = (self.request.principal, self.request.party);
        let device = || DeviceFacts {
            groups: self.standing.groups.iter().map(|g| g.to_string()).collect(),
            restricted: self.standing.restricted,
            granted: self.standing.granted,
            vendor: self.device.vendor.map(|vendor| vendor.as_str().to_owned()),
            model: self.device.model.map(|model| model.as_str().to_owned()),
            device_id: self
                .device
                .id
                .filter(|_| mentions.device_id)
                .map(|id| id.as_str().to_owned()),
        };
        Question {
            action: self.action,
            reference_point: self.request.reference_point.label().to_owned(),
            caller: CallerFacts {
                sp: party.id.to_string(),
                authenticated: self.authenticated,
                served: party.status == PartyStatus::Active,
                third_party_sp: party.third_party_sp,
                iot_sp: party.iot_sp,
                proof: principal.proof.name().to_owned(),
                holds_scope: self.holds_scope,
            },
            service: self.service_uri().map(|uri| ServiceFacts {
                uri: uri.to_owned(),
                owned: self.owned,
                proven: self.proven,
            }),
            agreement: self
                .agreement
                .as_ref()
                .map(|(agreement, standing)| AgreementFacts {
                    agreement_id: agreement.id.to_string(),
                    iot_sp_id: agreement.iot_sp.to_string(),
                    third_party_sp_id: agreement.third_party_sp.to_string(),
                    of_caller: standing.of_caller,
                    in_force: standing.in_force,
                    covers_service: standing.covers_service,
                    consent_mode: consent_mode(agreement.consent_mode).to_owned(),
                    exposure: exposure(agreement.exposure).to_owned(),
                }),
            consent: self.consent.map(|(consent, stands)| ConsentFacts {
                purpose: consent.purpose.as_str().to_owned(),
                stands,
            }),
            device: (self.action != Action::UseOwn).then(device),
            now: self.request.now.to_rfc3339(),
        }
    }
}

impl Question {
    /// The reference point, if it is one.
    #[must_use]
    pub fn point(&self) -> Option<ReferencePoint> {
        ReferencePoint::ALL
            .into_iter()
            .find(|point| point.label() == self.reference_point)
    }

    /// The point on which what is asked for belongs, where it does not belong on this one, or the
    /// one itself.
    pub(crate) fn point_needed(&self) -> Option<ReferencePoint> {
        let point = self.point()?;
        if !self.caller.holds_scope {
            return Some(point);
        }
        Some(match (self.action, point) {
            (Action::RequestMapping, _) => ReferencePoint::Ics1,
            (Action::EstablishMapping, _) => ReferencePoint::Ics2,
            (Action::Inquire, ReferencePoint::Ics7 | ReferencePoint::Ics8)
            | (Action::UseOwn, _) => point,
            (Action::Inquire, _) => match point.role() {
                Role::ThirdPartySp => ReferencePoint::Ics7,
                Role::IotSp => ReferencePoint::Ics8,
            },
        })
    }
}

const fn consent_mode(mode: ConsentMode) -> &'static str {
    match mode {
        ConsentMode::Asserted => "ASSERTED",
        ConsentMode::AuthCode => "AUTH_CODE",
        ConsentMode::IotSpConfirm => "IOT_SP_CONFIRM",
    }
}

const fn exposure(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Raw => "raw",
        Exposure::Pairwise => "pairwise",
    }
}

/// With its length, so that no two lists of texts read alike.
fn put(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&text.len().to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

fn bits(flags: [bool; 8]) -> u8 {
    flags
        .into_iter()
        .enumerate()
        .fold(0, |byte, (n, flag)| byte | (u8::from(flag) << n))
}
