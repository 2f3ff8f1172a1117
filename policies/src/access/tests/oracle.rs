//! The rules as they were before there was an engine, in plain Rust: what the shipped policies must
//! answer like, whatever the facts.

use ics_core::id::{ServiceUri, SpId};
use ics_core::mapping::Consent;
use ics_core::party::{Agreement, ConsentMode, PartyStatus};
use ics_core::port::{AccessRequest, Denied, Operation};
use ics_core::reference_point::{ReferencePoint, Role};
use ics_core::time::Timestamp;

pub(super) fn decide(request: &AccessRequest<'_>) -> Result<(), Denied> {
    check_role(request)?;
    check_scope(request)?;
    check_operation(request)
}

/// The caller is who it was authenticated as, is served, and has the side of the reference point.
fn check_role(request: &AccessRequest<'_>) -> Result<(), Denied> {
    let (party, role) = (request.party, request.reference_point.role());
    // Y.4462 10.4 steps 1 and 4: the grants looked at are those of the party that authenticated.
    let is_caller = request.principal.sp == party.id && *request.principal.proof.sp() == party.id;
    // Y.4462 clause 9: odd reference points face a third party SP, even ones an IoT SP.
    if !is_caller {
        return Err(Denied::Role(role));
    }
    if party.status != PartyStatus::Active {
        return Err(Denied::NotServed);
    }
    if party.has_role(role) {
        Ok(())
    } else {
        Err(Denied::Role(role))
    }
}

/// The token opens the reference point, and the operation belongs on it.
fn check_scope(request: &AccessRequest<'_>) -> Result<(), Denied> {
    let point = request.reference_point;
    // Y.4462 10.4 steps 3 and 6: access control per function; one scope a reference point.
    if !request.principal.scopes.contains(point) {
        return Err(Denied::Scope(point));
    }
    // Y.4462 clause 9: mapping goes over ICS-1 and ICS-2, inquiry over ICS-7 and ICS-8; a token for
    // another function does not open these by the way the adapter was written.
    match (&request.operation, point) {
        (Operation::RequestMapping { .. }, ReferencePoint::Ics1)
        | (Operation::EstablishMapping { .. }, ReferencePoint::Ics2)
        | (Operation::Inquire { .. }, ReferencePoint::Ics7 | ReferencePoint::Ics8)
        | (Operation::UseOwn, _) => Ok(()),
        (Operation::RequestMapping { .. }, _) => Err(Denied::Scope(ReferencePoint::Ics1)),
        (Operation::EstablishMapping { .. }, _) => Err(Denied::Scope(ReferencePoint::Ics2)),
        (Operation::Inquire { .. }, _) => Err(Denied::Scope(match point.role() {
            Role::ThirdPartySp => ReferencePoint::Ics7,
            Role::IotSp => ReferencePoint::Ics8,
        })),
    }
}

/// Service, agreement and consent, as far as the operation stands on them.
fn check_operation(request: &AccessRequest<'_>) -> Result<(), Denied> {
    match request.operation {
        Operation::RequestMapping {
            service_uri,
            agreement,
            consent,
            ..
        } => {
            check_service(request, service_uri)?;
            let agreement = check_agreement(request, service_uri, agreement)?;
            check_consent(agreement.consent_mode, consent, request.now)
        }
        // 10.1 step 7: the caller is the IoT SP, the service is the third party's.
        Operation::EstablishMapping {
            service_uri,
            agreement,
            consent,
            ..
        } => {
            let agreement = check_agreement(request, service_uri, agreement)?;
            check_consent(agreement.consent_mode, consent, request.now)
        }
        Operation::Inquire {
            service_uri,
            agreement,
            ..
        } => {
            if request.reference_point.role() == Role::ThirdPartySp {
                check_service(request, service_uri)?;
            }
            check_agreement(request, service_uri, agreement).map(|_| ())
        }
        Operation::UseOwn => Ok(()),
    }
}

/// Y.4462 7.1 (Y13): the service URI is one the third party registered, or lies under one.
fn check_service(request: &AccessRequest<'_>, service_uri: &ServiceUri) -> Result<(), Denied> {
    if request.party.owns_service(service_uri) {
        Ok(())
    } else {
        Err(Denied::ServiceNotOwned)
    }
}

/// Y.4462 7.4 (Y20): a commercial agreement of the caller is in force and covers the service.
fn check_agreement<'a>(
    request: &AccessRequest<'_>,
    service_uri: &ServiceUri,
    agreement: Option<&'a Agreement>,
) -> Result<&'a Agreement, Denied> {
    agreement
        .filter(|agreement| {
            *side_of(agreement, request.reference_point.role()) == request.party.id
                && agreement.is_active(request.now)
                && agreement.covers(service_uri)
        })
        .ok_or(Denied::NoAgreement)
}

/// The SP that takes `role` in `agreement`.
const fn side_of(agreement: &Agreement, role: Role) -> &SpId {
    match role {
        Role::ThirdPartySp => &agreement.third_party_sp,
        Role::IotSp => &agreement.iot_sp,
    }
}

/// Y.4462 7.4 (Y21): the user's consent, in the way the agreement says.
fn check_consent(
    mode: ConsentMode,
    consent: Option<&Consent>,
    now: Timestamp,
) -> Result<(), Denied> {
    let stands = match mode {
        ConsentMode::Asserted | ConsentMode::AuthCode => {
            consent.is_some_and(|consent| consent.stands_at(now))
        }
        // The IoT SP asks its user between steps 3 and 7; that it takes step 7 says yes.
        ConsentMode::IotSpConfirm => true,
    };
    if stands {
        Ok(())
    } else {
        Err(Denied::ConsentRequired)
    }
}
