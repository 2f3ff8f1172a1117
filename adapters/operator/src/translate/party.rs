//! Service providers.

use ics_core::id::{CallbackUri, InvalidId, Origin, ServicePrefix, SpId};
use ics_core::mapping::Attribute;
use ics_core::party::{Limits, OneM2mAe, Party, PartyStatus, SerialMatcher, SerialNamespace};
use ics_core::service::PartyTerms;

use super::onem2m::{parse_ae, show_ae};
use super::{Faults, role_name};
use crate::error::Refusal;
use crate::wire::{
    LimitsView, NewOneM2mAe, NewParty, NewService, PartyStatusName, PartyView, RoleName,
    SerialNamespaceView,
};

/// Nothing can be served at it.
const NOT_TO_BE_SHOWN: &str =
    "must be https to be proven: vouch for it, if it is the service provider's";
/// The most grants of one kind.
const MAX_GRANTS: usize = 256;

/// What the operator wants, parsed; all faults at once.
pub(crate) fn party_terms(new: &NewParty, defaults: Limits) -> Result<PartyTerms, Refusal> {
    let mut faults = Faults::default();
    if new.roles.is_empty() {
        faults.add("/roles", "must name at least one role");
    }
    for (param, count) in [
        ("/services", new.services.len()),
        ("/unprovenServices", new.unproven_services.len()),
        ("/serialNamespaces", new.serial_namespaces.len()),
        ("/callbackOrigins", new.callback_origins.len()),
    ] {
        if count > MAX_GRANTS {
            faults.add(param, "must have at most 256 items");
            return Err(faults.refuse());
        }
    }
    let id = faults.take("/id", SpId::parse(&new.id));
    let services = faults.take_all("/services", &new.services, ServicePrefix::parse);
    let claims = faults.take_all(
        "/unprovenServices",
        &new.unproven_services,
        ServicePrefix::parse,
    );
    for (n, claim) in claims.iter().enumerate() {
        if claim.challenge_url().is_none() {
            faults.add(format!("/unprovenServices/{n}"), NOT_TO_BE_SHOWN);
        }
    }
    let serial_namespaces = parse_namespaces(&new.serial_namespaces, &mut faults);
    let callback_origins =
        faults.take_all("/callbackOrigins", &new.callback_origins, Origin::parse);
    let token_endpoint = new
        .token_endpoint
        .as_deref()
        .and_then(|text| faults.take("/tokenEndpoint", CallbackUri::parse(text)));
    let onem2m = new
        .onem2m
        .as_ref()
        .and_then(|view| parse_ae(view, &mut faults));
    faults.check()?;
    Ok(PartyTerms {
        id: id.ok_or(Refusal::Interrupted)?,
        third_party_sp: new.roles.contains(&RoleName::ThirdPartySp),
        iot_sp: new.roles.contains(&RoleName::IotSp),
        services,
        claims,
        serial_namespaces,
        callback_origins,
        token_endpoint,
        onem2m,
        limits: Limits {
            requests_per_second: new
                .limits
                .requests_per_second
                .unwrap_or(defaults.requests_per_second),
            failed_mappings_per_day: new
                .limits
                .failed_mappings_per_day
                .unwrap_or(defaults.failed_mappings_per_day),
        },
    })
}

/// A service, parsed, and whether the operator vouches for it.
pub(crate) fn party_service(new: &NewService) -> Result<ServicePrefix, Refusal> {
    let mut faults = Faults::default();
    let prefix = faults.take("/service", ServicePrefix::parse(&new.service));
    if let Some(prefix) = &prefix
        && !new.vouched
        && prefix.challenge_url().is_none()
    {
        faults.add("/service", NOT_TO_BE_SHOWN);
    }
    faults.check()?;
    prefix.ok_or(Refusal::Interrupted)
}

/// The AE that a service provider is to speak as, parsed.
pub(crate) fn party_ae(new: &NewOneM2mAe) -> Result<Option<OneM2mAe>, Refusal> {
    let mut faults = Faults::default();
    let onem2m = new
        .onem2m
        .as_ref()
        .and_then(|view| parse_ae(view, &mut faults));
    faults.check()?;
    Ok(onem2m)
}

fn parse_namespaces(views: &[SerialNamespaceView], faults: &mut Faults) -> Vec<SerialNamespace> {
    let mut namespaces = Vec::with_capacity(views.len());
    for (n, view) in views.iter().enumerate() {
        let place = format!("/serialNamespaces/{n}");
        let matcher = match (&view.prefix, &view.pattern) {
            (Some(prefix), None) => {
                faults.take(format!("{place}/prefix"), SerialMatcher::prefix(prefix))
            }
            (None, Some(pattern)) => {
                faults.take(format!("{place}/pattern"), SerialMatcher::pattern(pattern))
            }
            _ => {
                faults.add(
                    place.clone(),
                    "must have exactly one of `prefix` and `pattern`",
                );
                None
            }
        };
        let vendor: Result<_, InvalidId> = view.vendor.as_deref().map(Attribute::parse).transpose();
        let vendor = faults.take(format!("{place}/vendor"), vendor);
        if let (Some(matcher), Some(vendor)) = (matcher, vendor) {
            namespaces.push(SerialNamespace { vendor, matcher });
        }
    }
    namespaces
}

/// A service provider as the operator sees it.
pub(crate) fn show_party(party: &Party) -> PartyView {
    PartyView {
        id: party.id.to_string(),
        roles: party.roles().map(role_name).collect(),
        status: match party.status {
            PartyStatus::Active => PartyStatusName::Active,
            PartyStatus::Suspended => PartyStatusName::Suspended,
            PartyStatus::Removed => PartyStatusName::Removed,
        },
        services: party
            .services
            .iter()
            .map(|prefix| prefix.as_str().into())
            .collect(),
        unproven_services: party
            .claims
            .iter()
            .map(|claim| claim.prefix.as_str().into())
            .collect(),
        serial_namespaces: party.serial_namespaces.iter().map(show_namespace).collect(),
        callback_origins: party
            .callback_origins
            .iter()
            .map(|o| o.as_str().into())
            .collect(),
        token_endpoint: party.token_endpoint.as_ref().map(|uri| uri.as_str().into()),
        onem2m: party.onem2m.as_ref().map(show_ae),
        limits: LimitsView {
            requests_per_second: party.limits.requests_per_second.get(),
            failed_mappings_per_day: party.limits.failed_mappings_per_day.get(),
        },
        create_time: party.created.to_rfc3339(),
    }
}

fn show_namespace(namespace: &SerialNamespace) -> SerialNamespaceView {
    let (is_pattern, text) = namespace.matcher.as_text();
    let text = Some(text.to_owned());
    let (prefix, pattern) = if is_pattern {
        (None, text)
    } else {
        (text, None)
    };
    SerialNamespaceView {
        vendor: namespace
            .vendor
            .as_ref()
            .map(|vendor| vendor.as_str().into()),
        prefix,
        pattern,
    }
}
