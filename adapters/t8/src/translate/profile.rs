//! `ics-access`: a party as it sees itself.

use ics_core::id::{Origin, ServicePrefix};
use ics_core::party::{Agreement, ConsentMode, Exposure, ServiceClaim};
use ics_core::reference_point::Role;
use ics_core::service::Profile;
use ics_core::time::Timestamp;

use super::subscription::show_namespace;
use super::{Need, read_member};
use crate::link::Link;
use crate::problem::Problem;
use crate::wire::{
    AgreementView, LimitsView, ProfileView, ServiceProofOrder, Shown, UnprovenServiceView,
};

/// The service that is to be proven.
pub(crate) fn read_service_proof(body: &ServiceProofOrder<'_>) -> Result<ServicePrefix, Problem> {
    read_member(
        &body.service,
        ServicePrefix::parse,
        "/service",
        Need::Mandatory,
    )
}

/// What the operator granted the caller.
pub(crate) fn show_profile<'a>(
    profile: &'a Profile,
    own: Link<'a>,
    now: Timestamp,
) -> ProfileView<'a> {
    let party = &profile.party;
    ProfileView {
        own: Shown(own),
        scs_as_id: party.id.as_str(),
        roles: party.roles().map(show_role).collect(),
        services: party.services.iter().map(ServicePrefix::as_str).collect(),
        unproven_services: party.claims.iter().map(show_claim).collect(),
        serial_namespaces: party.serial_namespaces.iter().map(show_namespace).collect(),
        callback_origins: party.callback_origins.iter().map(Origin::as_str).collect(),
        limits: LimitsView {
            requests_per_second: party.limits.requests_per_second.get(),
            failed_mappings_per_day: party.limits.failed_mappings_per_day.get(),
        },
        agreements: profile
            .agreements
            .iter()
            .map(|a| show_agreement(a, now))
            .collect(),
    }
}

fn show_claim(claim: &ServiceClaim) -> UnprovenServiceView<'_> {
    UnprovenServiceView {
        service: claim.prefix.as_str(),
        challenge: claim.challenge.as_str(),
        challenge_url: claim.prefix.challenge_url().unwrap_or_default(),
    }
}

fn show_agreement(agreement: &Agreement, now: Timestamp) -> AgreementView<'_> {
    AgreementView {
        iot_sp_id: agreement.iot_sp.as_str(),
        third_party_sp_id: agreement.third_party_sp.as_str(),
        status: match agreement.ended {
            Some(_) => "ENDED",
            None if agreement.is_active(now) => "ACTIVE",
            None => "NOT_IN_FORCE",
        },
        services: agreement
            .services
            .iter()
            .map(ServicePrefix::as_str)
            .collect(),
        valid_from: Shown(agreement.valid_from),
        valid_until: agreement.valid_until.map(Shown),
        consent_mode: match agreement.consent_mode {
            ConsentMode::Asserted => "ASSERTED",
            ConsentMode::AuthCode => "AUTH_CODE",
            ConsentMode::IotSpConfirm => "IOT_SP_CONFIRM",
        },
        device_id_exposure: match agreement.exposure {
            Exposure::Raw => "raw",
            Exposure::Pairwise => "pairwise",
        },
        pairing_required: agreement.pairing_required,
    }
}

const fn show_role(role: Role) -> &'static str {
    match role {
        Role::ThirdPartySp => "THIRD_PARTY_SP",
        Role::IotSp => "IOT_SP",
    }
}
