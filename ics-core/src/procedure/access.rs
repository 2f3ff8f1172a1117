//! Y.4462 7.4 and 10.4: nothing is done without a proof that it may be.
//!
//! [`Authorized`] values are made here alone, by asking the decision point with the facts of the
//! directory; procedures take them as arguments.

use crate::consent::ConsentRecord;
use crate::correlation::Correlation;
use crate::directory::{Directory, RoutingFailure};
use crate::id::{AgreementId, DeviceId, DeviceSerialNumber, MappingId, ServiceUri, SpId};
use crate::mapping::{Attribute, Consent, Mapping};
use crate::party::{Agreement, ConsentMode, PartyStatus};
use crate::port::{AccessRequest, DecisionPoint, Denied, DeviceFacts, Operation};
use crate::principal::Principal;
use crate::reference_point::{ReferencePoint, Role};
use crate::sealed::BlindIndex;
use crate::time::Timestamp;

/// Proof that an operation was permitted, with what it was permitted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized<Op>(Op);

impl<Op> Authorized<Op> {
    /// What was permitted.
    #[must_use]
    pub const fn facts(&self) -> &Op {
        &self.0
    }
}

/// Permission to ask for a mapping with one IoT SP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMapping {
    /// The caller.
    pub third_party_sp: SpId,
    /// The IoT SP the serial number may be sent to, and no other.
    pub iot_sp: SpId,
    /// The agreement it rests on.
    pub agreement: AgreementId,
    /// The version of it; the commit holds only while this is the newest.
    pub agreement_version: u64,
    /// Who establishes the user's consent.
    pub consent_mode: ConsentMode,
    /// The consent it was permitted on, where there is one by now.
    pub consent: Option<Consent>,
    /// The same as the gateway keeps it, where the user gave it here.
    pub given: Option<ConsentRecord>,
    /// Whether it takes a pairing code.
    pub pairing_required: bool,
    /// Whether anything may happen for this device (T9). If not, the row fails before anybody is
    /// asked, and its third party cannot tell that from a device that does not answer.
    pub is_device_allowed: bool,
}

/// Permission to establish a row (the re-check of step 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstablishMapping {
    /// The agreement it rests on.
    pub agreement: AgreementId,
    /// The version of it.
    pub agreement_version: u64,
}

/// Permission to use what is the caller's own, over one reference point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseOwn {
    /// The caller.
    pub sp: SpId,
    /// The side it takes.
    pub role: Role,
}

/// Why a mapping may not be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestDenied {
    /// The decision point said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No IoT SP could be chosen.
    #[error("no IoT service provider could be chosen")]
    Routing(RoutingFailure),
}

/// What a mapping request says that decides who may be asked.
#[derive(Clone, Copy, Debug)]
pub struct RequestedMapping<'a> {
    /// The service.
    pub service_uri: &'a ServiceUri,
    /// The device, as printed.
    pub serial: &'a DeviceSerialNumber,
    /// Its maker, if told.
    pub vendor: Option<&'a Attribute>,
    /// Its model, if told.
    pub model: Option<&'a Attribute>,
    /// The IoT SP, if the caller names one.
    pub iot_sp: Option<&'a SpId>,
    /// The consent it comes with.
    pub consent: ShownConsent<'a>,
}

/// The consent a mapping request comes with.
#[derive(Clone, Copy, Debug)]
pub enum ShownConsent<'a> {
    /// None.
    Nothing,
    /// One the caller asserts.
    Asserted(&'a Consent),
    /// One the user gave at the gateway, which the caller's token was issued for.
    Given {
        /// It.
        record: &'a ConsentRecord,
        /// Keyed hash of the serial number the request names.
        serial: BlindIndex,
        /// The live row that the request repeats, if it repeats one.
        live: Option<MappingId>,
    },
    /// One the user is yet to be asked for, as it would be.
    Wanted(&'a Consent),
}

impl<'a> ShownConsent<'a> {
    /// The consent, as far as it counts under `agreement` for a mapping of that service, and the
    /// gateway's record of it.
    fn under(
        &self,
        agreement: &Agreement,
        service_uri: &ServiceUri,
        now: Timestamp,
    ) -> Option<(Consent, Option<&'a ConsentRecord>)> {
        match *self {
            Self::Nothing => None,
            Self::Asserted(consent) => {
                let counts = agreement.consent_mode != ConsentMode::AuthCode;
                counts.then(|| (consent.clone(), None))
            }
            Self::Given {
                record,
                serial,
                live,
            } => {
                let counts = record.agreement == agreement.id
                    && record.third_party_sp == agreement.third_party_sp
                    && record.iot_sp == agreement.iot_sp
                    && record.service_uri == *service_uri
                    && record.serial_index == serial
                    && record.serves(live, now);
                counts.then(|| (record.statement(), Some(record)))
            }
            Self::Wanted(consent) => {
                let counts = agreement.consent_mode == ConsentMode::AuthCode;
                counts.then(|| (consent.clone(), None))
            }
        }
    }
}

/// Asks for permission to use what is the caller's own over `reference_point`.
///
/// # Errors
/// [`Denied`] for a wrong role or a missing scope.
pub fn authorize_own(
    decision_point: &dyn DecisionPoint,
    directory: &Directory,
    principal: &Principal,
    reference_point: ReferencePoint,
    now: Timestamp,
) -> Result<Authorized<UseOwn>, Denied> {
    // A token for one consent opens nothing but the mapping on it.
    if principal.consent.is_some() {
        return Err(Denied::Scope(reference_point));
    }
    let question = Question {
        decision_point,
        directory,
        principal,
        reference_point,
        now,
    };
    question.ask(Operation::UseOwn)?;
    Ok(Authorized(UseOwn {
        sp: principal.sp.clone(),
        role: reference_point.role(),
    }))
}

/// Asks for permission to request a mapping, and chooses the IoT SP (readings 11 and 25).
///
/// # Errors
/// [`RequestDenied`]: role, scope, service ownership, agreement, consent, in this order; routing
/// where the caller may ask but no agreed IoT SP answers for the serial number.
pub fn authorize_request(
    decision_point: &dyn DecisionPoint,
    directory: &Directory,
    principal: &Principal,
    requested: &RequestedMapping<'_>,
    now: Timestamp,
) -> Result<Authorized<RequestMapping>, RequestDenied> {
    let question = Question {
        decision_point,
        directory,
        principal,
        reference_point: ReferencePoint::Ics1,
        now,
    };
    let RequestedMapping {
        service_uri,
        serial,
        vendor,
        model,
        consent: shown,
        ..
    } = *requested;
    let device = DeviceFacts {
        serial: Some(serial),
        vendor,
        model,
        id: None,
    };
    let decide = |agreement: Option<&Agreement>, consent: Option<&Consent>| {
        question.ask(Operation::RequestMapping {
            service_uri,
            agreement,
            consent,
            device,
        })
    };
    match choose_agreement(directory, &principal.sp, requested, now) {
        Ok(agreement) => {
            let consent = agreement.and_then(|a| shown.under(a, service_uri, now));
            let (consent, given) = match consent {
                Some((consent, given)) => (Some(consent), given),
                None => (None, None),
            };
            let is_device_allowed = match decide(agreement, consent.as_ref()) {
                Ok(()) => true,
                Err(Denied::Device) => false,
                Err(denied) => return Err(denied.into()),
            };
            let agreement = agreement.ok_or(Denied::NoAgreement)?;
            // A token for one consent is for nothing else, whatever the agreement asks for.
            if principal.consent.is_some() && given.is_none() {
                return Err(Denied::ConsentRequired.into());
            }
            Ok(Authorized(RequestMapping {
                third_party_sp: principal.sp.clone(),
                iot_sp: agreement.iot_sp.clone(),
                agreement: agreement.id,
                agreement_version: agreement.version,
                consent_mode: agreement.consent_mode,
                consent,
                given: given.cloned(),
                pairing_required: agreement.pairing_required,
                is_device_allowed,
            }))
        }
        // Role, scope and ownership speak before routing does.
        Err(failure) => match decide(None, None) {
            // Readings 11 and 25: without any agreement there is nobody to route to.
            Err(Denied::NoAgreement | Denied::Device) | Ok(()) => {
                if directory.is_agreed(&principal.sp, service_uri, now) {
                    Err(RequestDenied::Routing(failure))
                } else {
                    Err(Denied::NoAgreement.into())
                }
            }
            Err(denied) => Err(denied.into()),
        },
    }
}

/// The re-check before a row is established: is the agreement still in force, does the consent
/// still stand (Y.4462 7.4 "initialized and unrevoked"), may it be this device (TS 33.187 4.7)?
///
/// # Errors
/// [`Denied::NoAgreement`], [`Denied::ConsentRequired`], [`Denied::Policy`] or [`Denied::Device`];
/// role and scope as ever.
pub fn authorize_establishment(
    decision_point: &dyn DecisionPoint,
    directory: &Directory,
    principal: &Principal,
    (row, serial, id): (&Mapping, Option<&DeviceSerialNumber>, &DeviceId),
    now: Timestamp,
) -> Result<Authorized<EstablishMapping>, Denied> {
    let question = Question {
        decision_point,
        directory,
        principal,
        reference_point: ReferencePoint::Ics2,
        now,
    };
    let service_uri = &row.key.service_uri;
    let agreement = agreement_in_force(directory, (row.agreement, service_uri), now);
    question.ask(Operation::EstablishMapping {
        service_uri,
        agreement,
        consent: row.consent.as_ref(),
        device: DeviceFacts {
            serial,
            vendor: row.device_vendor.as_ref(),
            model: row.device_model.as_ref(),
            id: Some(id),
        },
    })?;
    let agreement = agreement.ok_or(Denied::NoAgreement)?;
    Ok(Authorized(EstablishMapping {
        agreement: agreement.id,
        agreement_version: agreement.version,
    }))
}

/// Whether `principal` may be told of a row over an inquiry point, and under which agreement.
///
/// # Errors
/// [`Denied`]; the caller must answer it like an absent row.
pub fn authorize_inquiry<'d>(
    decision_point: &dyn DecisionPoint,
    directory: &'d Directory,
    principal: &Principal,
    (found, reference_point): (&Correlation, ReferencePoint),
    now: Timestamp,
) -> Result<&'d Agreement, Denied> {
    let question = Question {
        decision_point,
        directory,
        principal,
        reference_point,
        now,
    };
    let service_uri = &found.key.service_uri;
    let agreement = agreement_in_force(directory, (found.agreement, service_uri), now);
    question.ask(Operation::Inquire {
        service_uri,
        agreement,
        device: DeviceFacts {
            id: Some(&found.device_id),
            ..DeviceFacts::default()
        },
    })?;
    agreement.ok_or(Denied::NoAgreement)
}

/// Who asks, over which point, when; and who answers.
#[derive(Clone, Copy)]
struct Question<'a> {
    decision_point: &'a dyn DecisionPoint,
    directory: &'a Directory,
    principal: &'a Principal,
    reference_point: ReferencePoint,
    now: Timestamp,
}

impl Question<'_> {
    /// May this be done? Of a party that is not served nothing else is asked.
    fn ask(&self, operation: Operation<'_>) -> Result<(), Denied> {
        let Self {
            principal,
            reference_point,
            now,
            ..
        } = *self;
        let party = self
            .directory
            .party(&principal.sp)
            .filter(|party| party.status == PartyStatus::Active)
            .ok_or(Denied::NotServed)?;
        self.decision_point.decide(&AccessRequest {
            principal,
            party,
            reference_point,
            operation,
            now,
        })
    }
}

/// The agreement a row stands on, if it is still in force.
fn agreement_in_force<'d>(
    directory: &'d Directory,
    (id, service_uri): (AgreementId, &ServiceUri),
    now: Timestamp,
) -> Option<&'d Agreement> {
    directory
        .agreement(&id)
        .map(AsRef::as_ref)
        .filter(|agreement| agreement.is_active(now) && agreement.covers(service_uri))
}

/// By name where the request names an IoT SP, by serial number else. `Ok(None)`: named, but there
/// is no agreement with it.
fn choose_agreement<'d>(
    directory: &'d Directory,
    third_party_sp: &SpId,
    requested: &RequestedMapping<'_>,
    now: Timestamp,
) -> Result<Option<&'d Agreement>, RoutingFailure> {
    let RequestedMapping {
        service_uri,
        serial,
        vendor,
        iot_sp,
        ..
    } = *requested;
    match iot_sp {
        Some(iot_sp) => Ok(directory
            .active_agreement(iot_sp, third_party_sp, service_uri, now)
            .filter(|_| {
                directory
                    .party(iot_sp)
                    .is_some_and(|p| p.status == PartyStatus::Active)
            })
            .map(AsRef::as_ref)),
        None => directory
            .route(third_party_sp, service_uri, (serial, vendor), now)
            .map(|agreement| Some(agreement.as_ref())),
    }
}
