//! Agreements.

use ics_core::id::{ServicePrefix, SpId};
use ics_core::party::{Agreement, ConsentMode, Exposure};
use ics_core::service::AgreementTerms;
use ics_core::time::Timestamp;

use super::Faults;
use crate::error::Refusal;
use crate::wire::{
    AgreementStatusName, AgreementView, ConsentModeName, ExposureName, NewAgreement,
};

/// The most services an agreement names.
const MAX_SERVICES: usize = 256;

/// What the operator wants, parsed; all faults at once.
pub(crate) fn agreement_terms(
    new: &NewAgreement,
    now: Timestamp,
) -> Result<AgreementTerms, Refusal> {
    let mut faults = Faults::default();
    if new.services.len() > MAX_SERVICES {
        faults.add("/services", "must have at most 256 items");
        return Err(faults.refuse());
    }
    let iot_sp = faults.take("/iotSpId", SpId::parse(&new.iot_sp_id));
    let third_party_sp = faults.take("/thirdPartySpId", SpId::parse(&new.third_party_sp_id));
    let services = faults.take_all("/services", &new.services, ServicePrefix::parse);
    let valid_from = parse_instant("/validFrom", new.valid_from.as_deref(), &mut faults);
    let valid_from = valid_from.unwrap_or(now);
    let valid_until = parse_instant("/validUntil", new.valid_until.as_deref(), &mut faults);
    if valid_until.is_some_and(|end| end <= valid_from || end <= now) {
        faults.add(
            "/validUntil",
            "must lie in the future and after `validFrom`",
        );
    }
    faults.check()?;
    Ok(AgreementTerms {
        iot_sp: iot_sp.ok_or(Refusal::Interrupted)?,
        third_party_sp: third_party_sp.ok_or(Refusal::Interrupted)?,
        services,
        valid_from,
        valid_until,
        consent_mode: match new.consent_mode {
            ConsentModeName::Asserted => ConsentMode::Asserted,
            ConsentModeName::AuthCode => ConsentMode::AuthCode,
            ConsentModeName::IotSpConfirm => ConsentMode::IotSpConfirm,
        },
        exposure: match new.device_id_exposure {
            ExposureName::Raw => Exposure::Raw,
            ExposureName::Pairwise => Exposure::Pairwise,
        },
        pairing_required: new.pairing_required,
    })
}

fn parse_instant(param: &str, text: Option<&str>, faults: &mut Faults) -> Option<Timestamp> {
    let parsed = Timestamp::parse(text?);
    parsed
        .map_err(|invalid| faults.add(param, invalid.to_string()))
        .ok()
}

/// An agreement as the operator sees it at `now`.
pub(crate) fn show_agreement(agreement: &Agreement, now: Timestamp) -> AgreementView {
    AgreementView {
        agreement_id: agreement.id.to_string(),
        iot_sp_id: agreement.iot_sp.to_string(),
        third_party_sp_id: agreement.third_party_sp.to_string(),
        status: if agreement.ended.is_some() {
            AgreementStatusName::Ended
        } else if agreement.is_active(now) {
            AgreementStatusName::Active
        } else if now < agreement.valid_from {
            AgreementStatusName::Scheduled
        } else {
            AgreementStatusName::Expired
        },
        services: agreement
            .services
            .iter()
            .map(|prefix| prefix.as_str().into())
            .collect(),
        valid_from: agreement.valid_from.to_rfc3339(),
        valid_until: agreement.valid_until.map(Timestamp::to_rfc3339),
        end_time: agreement.ended.map(Timestamp::to_rfc3339),
        consent_mode: match agreement.consent_mode {
            ConsentMode::Asserted => ConsentModeName::Asserted,
            ConsentMode::AuthCode => ConsentModeName::AuthCode,
            ConsentMode::IotSpConfirm => ConsentModeName::IotSpConfirm,
        },
        device_id_exposure: match agreement.exposure {
            Exposure::Raw => ExposureName::Raw,
            Exposure::Pairwise => ExposureName::Pairwise,
        },
        pairing_required: agreement.pairing_required,
    }
}
