//! Values that many records hold, and the words of the fixed sets among them.

use ics_core::id::{CallbackUri, DeviceId, ServicePrefix, ServiceUri, SpId, Uti};
use ics_core::mapping::{
    Attribute, CauseCode, DemappingCause, EndedBy, MappingKey, MappingStatus, ResultCause,
};
use ics_core::reference_point::Role;
use ics_core::sealed::{BlindIndex, Sealed};

use super::RecordError;
use super::fields::{Sink, Source, named};

/// The byte a role is kept as; keeps the order of [`Role`].
pub(crate) const fn role_byte(role: Role) -> u8 {
    match role {
        Role::ThirdPartySp => 0,
        Role::IotSp => 1,
    }
}

named!(Role {
    "THIRD_PARTY_SP": [Role::ThirdPartySp],
    "IOT_SP": [Role::IotSp],
});

named!(EndedBy {
    "THIRD_PARTY_SP": [EndedBy::Party(Role::ThirdPartySp)],
    "IOT_SP": [EndedBy::Party(Role::IotSp)],
    "ICS": [EndedBy::Ics],
    "DEVICE": [EndedBy::Device],
    "USER": [EndedBy::User],
});

named!(DemappingCause {
    "DEVICE_UNREGISTERED": [DemappingCause::DeviceUnregistered],
    "UTI_INVALID": [DemappingCause::UtiInvalid],
    "SERVICE_INVALID": [DemappingCause::ServiceInvalid],
    "USER_AUTHORIZATION_WITHDRAWN": [DemappingCause::UserAuthorizationWithdrawn],
});

named!(MappingStatus {
    "PENDING": [MappingStatus::Pending],
    "ESTABLISHED": [MappingStatus::Established],
    "FAILED": [MappingStatus::Failed],
    "DELETED": [MappingStatus::Deleted],
});

named!(ResultCause {
    "DEVICE_NOT_AVAILABLE": [ResultCause::DeviceNotAvailable],
    "NO_AGREEMENT": [ResultCause::NoAgreement],
    "CONSENT_REQUIRED": [ResultCause::ConsentRequired],
    "CANCELLED": [ResultCause::Cancelled],
    "UTI_IN_USE": [ResultCause::UtiInUse],
    "DEVICE_REVOKED": [ResultCause::DeviceRevoked],
    "REJECTED": [ResultCause::Rejected],
    "UNREACHABLE": [ResultCause::Unreachable],
    "TIMED_OUT": [ResultCause::TimedOut],
    "NOT_ALLOWED": [ResultCause::NotAllowed],
    "NOT_OWNER": [ResultCause::NotOwner],
});

pub(super) fn put_mapping_key(out: &mut impl Sink, key: &MappingKey) {
    out.text("serviceUri", key.service_uri.as_str());
    out.text("uti", key.uti.as_str());
}

pub(super) fn mapping_key(input: &mut impl Source) -> Result<MappingKey, RecordError> {
    Ok(MappingKey {
        service_uri: service_uri(input, "serviceUri")?,
        uti: uti(input, "uti")?,
    })
}

pub(super) fn put_attribute(out: &mut impl Sink, name: &'static str, value: &Attribute) {
    out.text(name, value.as_str());
}

pub(super) fn put_cause_code(out: &mut impl Sink, name: &'static str, value: &CauseCode) {
    out.text(name, value.as_str());
}

pub(super) fn put_callback(out: &mut impl Sink, name: &'static str, value: &CallbackUri) {
    out.text(name, value.as_str());
}

pub(super) fn put_sealed(out: &mut impl Sink, name: &'static str, value: &Sealed) {
    out.bytes(name, value.as_bytes());
}

pub(super) fn put_index(out: &mut impl Sink, name: &'static str, value: BlindIndex) {
    out.fixed(name, value.as_bytes());
}

pub(super) fn sp(input: &mut impl Source, name: &'static str) -> Result<SpId, RecordError> {
    Ok(SpId::parse(&input.text(name)?)?)
}

pub(super) fn service_uri<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<ServiceUri, RecordError> {
    let value = ServiceUri::from_store(&input.text(name)?)?;
    input.judge(|| ServiceUri::parse(value.as_str()).is_ok_and(|taken| taken == value));
    Ok(value)
}

pub(super) fn uti(input: &mut impl Source, name: &'static str) -> Result<Uti, RecordError> {
    let value = Uti::from_store(&input.text(name)?)?;
    input.judge(|| Uti::parse(value.as_str()).is_ok_and(|taken| taken == value));
    Ok(value)
}

pub(super) fn device_id<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<DeviceId, RecordError> {
    let value = DeviceId::from_store(&input.text(name)?)?;
    input.judge(|| DeviceId::parse(value.as_str()).is_ok_and(|taken| taken == value));
    Ok(value)
}

pub(super) fn attribute<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<Attribute, RecordError> {
    let value = Attribute::from_store(&input.text(name)?)?;
    input.judge(|| Attribute::parse(value.as_str()).is_ok_and(|taken| taken == value));
    Ok(value)
}

pub(super) fn callback<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<CallbackUri, RecordError> {
    let value = CallbackUri::from_store(&input.text(name)?)?;
    input.judge(|| CallbackUri::parse(value.as_str()).is_ok_and(|taken| taken == value));
    Ok(value)
}

pub(super) fn cause_code<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<CauseCode, RecordError> {
    Ok(CauseCode::parse(&input.text(name)?)?)
}

pub(super) fn service_prefix<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<ServicePrefix, RecordError> {
    Ok(ServicePrefix::parse(&input.text(name)?)?)
}

pub(super) fn sealed<S: Source>(input: &mut S, name: &'static str) -> Result<Sealed, RecordError> {
    Ok(Sealed::from_bytes(input.bytes(name)?.into_owned()))
}

pub(super) fn index<S: Source>(
    input: &mut S,
    name: &'static str,
) -> Result<BlindIndex, RecordError> {
    input.fixed(name).map(BlindIndex::from_bytes)
}
