//! Schemas of the members, for the document: what is read and what is written, no wider and no
//! narrower than a schema can say.
//!
//! Not sayable, and therefore prose: an identifier must not look like a permanent one of a
//! person, a subscription or equipment.

use ics_core::device::{Channel, HostedDevice};
use ics_core::id::{DeviceId, DeviceSerialNumber, PairingCode, PskIdentity, ServiceUri, Uti};
use ics_core::job::JobStatus;
use ics_core::service::{ChosenPassword, DeviceTerms};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::{AgreementView, ApiView, CredentialView, PairView, UnprovenServiceView, UserConsent};
use crate::problem::Cause;
use crate::query::MOST;

/// The causes of Y.4462 10.2.
pub(crate) const DEMAPPING_CAUSES: [&str; 4] = [
    "DEVICE_UNREGISTERED",
    "UTI_INVALID",
    "SERVICE_INVALID",
    "USER_AUTHORIZATION_WITHDRAWN",
];
/// What a third party SP is told of a row that failed or was cancelled.
const THIRD_PARTY_CAUSES: [&str; 4] = [
    "DEVICE_NOT_AVAILABLE",
    "NO_AGREEMENT",
    "CONSENT_REQUIRED",
    "CANCELLED",
];
/// What an IoT SP is told beside those.
const IOT_CAUSES: [&str; 5] = [
    "UTI_IN_USE",
    "DEVICE_REVOKED",
    "REJECTED",
    "UNREACHABLE",
    "TIMED_OUT",
];

/// base64url without padding: groups of four characters, and what it can end with.
pub(crate) const BASE64URL: &str = "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{4}|[A-Za-z0-9_-][AQgw]|\
    [A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])$";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn bounded(min: usize, max: usize) -> ObjectBuilder {
    text().min_length(Some(min)).max_length(Some(max))
}

fn closed() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn uri() -> Option<SchemaFormat> {
    Some(SchemaFormat::Custom("uri".into()))
}

pub(crate) fn one_of(values: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    text().enum_values(Some(values))
}

fn list(items: impl Into<RefOr<Schema>>, max: usize) -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(items.into())
        .max_items(Some(max))
        .into()
}

/// The schema of a structure, written in place.
pub(crate) fn inline<T: PartialSchema>() -> RefOr<Schema> {
    T::schema()
}

/// A reference to the schema of a structure.
pub(crate) fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

pub(crate) fn service_uri() -> RefOr<Schema> {
    bounded(1, ServiceUri::MAX)
        .format(uri())
        .description(Some(
            "Absolute, with a host, in the normal form of RFC 3986 6.2.2, without user \
             information or fragment; compared byte by byte.",
        ))
        .into()
}

pub(crate) fn uti() -> RefOr<Schema> {
    bounded(Uti::MIN, Uti::MAX)
        // Digits alone are never anonymous.
        .pattern(Some("^[!-?A-~]*[!-/:-?A-~][!-?A-~]*$"))
        .description(Some(
            "A UUID of version 4 or 7 (a `urn:uuid:` prefix and capital letters are taken off), \
             or an opaque text. Never something that identifies a person, a subscription or \
             equipment; other versions of UUID are refused.",
        ))
        .into()
}

pub(crate) fn device_id() -> RefOr<Schema> {
    bounded(1, DeviceId::MAX)
        .pattern(Some("^([0-9]{1,4}|[!-~]*[!-/:-~][!-~]*)$"))
        .description(Some(
            "Opaque; unique within its IoT SP. Nothing that looks permanent.",
        ))
        .into()
}

pub(crate) fn serial_number() -> RefOr<Schema> {
    bounded(1, DeviceSerialNumber::MAX)
        .pattern(Some(
            r"^[^\x00-\x1f\x7f\s]([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$",
        ))
        .description(Some(
            "As printed on the device; at most 128 bytes of UTF-8.",
        ))
        .into()
}

pub(crate) fn attribute() -> RefOr<Schema> {
    bounded(1, 64)
        .pattern(Some(
            r"^([0-9]{1,4}|[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f0-9][^\x00-\x1f\x7f-\x9f]*)$",
        ))
        .description(Some(
            "At most 64 bytes of UTF-8. Nothing that looks permanent.",
        ))
        .into()
}

pub(crate) fn sp_id() -> RefOr<Schema> {
    text().pattern(Some("^[a-z][a-z0-9._-]{1,62}$")).into()
}

pub(crate) fn seconds() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(i64::from(u32::MAX)))
        .description(Some("Seconds, within the range the operator allows."))
        .into()
}

pub(crate) fn seconds_left() -> RefOr<Schema> {
    count_schema()
        .description(Some("Seconds from createTime, while pending."))
        .into()
}

fn count_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
}

pub(crate) fn count() -> RefOr<Schema> {
    count_schema().into()
}

pub(crate) fn positive() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .into()
}

pub(crate) fn flag() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Boolean).into()
}

pub(crate) fn date_time() -> RefOr<Schema> {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        // Not before 1970.
        .pattern(Some("^(19[7-9]|[2-9][0-9][0-9])[0-9]-"))
        .into()
}

pub(crate) fn callback_uri() -> RefOr<Schema> {
    bounded(1, ServiceUri::MAX)
        .format(uri())
        .pattern(Some("^https://"))
        .description(Some("At an origin the operator registered for the caller."))
        .into()
}

pub(crate) fn notification_id() -> RefOr<Schema> {
    bounded(1, 64).into()
}

pub(crate) fn details() -> RefOr<Schema> {
    bounded(0, 1024).into()
}

pub(crate) fn websocket_uri() -> RefOr<Schema> {
    bounded(1, ServiceUri::MAX)
        .format(uri())
        .pattern(Some("^wss://"))
        .description(Some(
            "Dialled with the caller's certificate and token. One for all resources of the caller in \
             this role; each frame is a notification, acknowledged by its `notificationId`.",
        ))
        .into()
}

pub(crate) fn supported_features() -> RefOr<Schema> {
    text()
        .pattern(Some("^[A-Fa-f0-9]*$"))
        .max_length(Some(crate::negotiation::MOST_CHARACTERS))
        .description(Some(
            "Feature 1: Notification_test_event; feature 2: Notification_websocket.",
        ))
        .into()
}

pub(crate) fn end_to_end() -> RefOr<Schema> {
    bounded(1, 1366)
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .description(Some(
            "base64url without padding, at most 1 KiB of bytes, for the device.",
        ))
        .into()
}

pub(crate) fn link() -> RefOr<Schema> {
    text().format(uri()).pattern(Some("^https://")).into()
}

pub(crate) fn links() -> RefOr<Schema> {
    list(link(), MOST)
}

pub(crate) fn mapping_status() -> RefOr<Schema> {
    one_of(["PENDING", "ESTABLISHED", "FAILED", "DELETED"]).into()
}

pub(crate) fn mapping_cause() -> RefOr<Schema> {
    let codes = THIRD_PARTY_CAUSES.into_iter().chain(DEMAPPING_CAUSES);
    let values = codes
        .map(serde_json::Value::from)
        .chain([serde_json::Value::Null]);
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .enum_values(Some(values))
        .into()
}

pub(crate) fn result_cause() -> RefOr<Schema> {
    one_of(
        THIRD_PARTY_CAUSES
            .into_iter()
            .chain(IOT_CAUSES)
            .chain(DEMAPPING_CAUSES),
    )
    .into()
}

pub(crate) fn serial_namespaces() -> RefOr<Schema> {
    let by = |name: &'static str, text: ObjectBuilder| {
        closed()
            .property("vendor", attribute())
            .property(name, text)
            .required(name)
    };
    let prefix = bounded(1, 128).pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]+$"));
    let pattern = bounded(1, 256).pattern(Some("^[ -~]+$")).description(Some(
        "A regular expression of the RE2 kind (no look-around, no back-references) over bytes; \
         it matches the whole serial number.",
    ));
    let either = OneOfBuilder::new()
        .item(by("prefix", prefix))
        .item(by("pattern", pattern));
    list(either, crate::translate::MOST_NAMESPACES)
}

pub(crate) fn pairs() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(reference::<PairView<'static>>())
        .min_items(Some(1))
        .into()
}

pub(crate) fn agreements() -> RefOr<Schema> {
    many::<AgreementView<'static>>()
}

pub(crate) fn apis() -> RefOr<Schema> {
    many::<ApiView>()
}

fn many<T: ToSchema>() -> RefOr<Schema> {
    ArrayBuilder::new().items(reference::<T>()).into()
}

pub(crate) fn roles() -> RefOr<Schema> {
    list(one_of(["THIRD_PARTY_SP", "IOT_SP"]), 2)
}

pub(crate) fn service_uris() -> RefOr<Schema> {
    ArrayBuilder::new().items(service_uri()).into()
}

pub(crate) fn origins() -> RefOr<Schema> {
    ArrayBuilder::new().items(link()).into()
}

pub(crate) fn unproven_services() -> RefOr<Schema> {
    many::<UnprovenServiceView<'static>>()
}

pub(crate) fn agreement_status() -> RefOr<Schema> {
    one_of(["ACTIVE", "NOT_IN_FORCE", "ENDED"]).into()
}

pub(crate) fn job_status() -> RefOr<Schema> {
    one_of(JobStatus::ALL.map(JobStatus::name)).into()
}

pub(crate) fn consent_mode() -> RefOr<Schema> {
    one_of(["ASSERTED", "AUTH_CODE", "IOT_SP_CONFIRM"]).into()
}

pub(crate) fn exposure() -> RefOr<Schema> {
    one_of(["raw", "pairwise"]).into()
}

pub(crate) fn words() -> RefOr<Schema> {
    text().min_length(Some(1)).into()
}

pub(crate) fn words_list() -> RefOr<Schema> {
    ArrayBuilder::new().items(words()).into()
}

pub(crate) fn any_object() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Object).into()
}

/// A machine-readable reason of an SP's own.
pub(crate) fn cause_code() -> RefOr<Schema> {
    text().pattern(Some("^[A-Z][A-Z0-9_]{0,63}$")).into()
}

pub(crate) fn hosted_device_id() -> RefOr<Schema> {
    text()
        .pattern(Some("^d-[a-p]{32}$"))
        .description(Some("Minted by the gateway."))
        .into()
}

pub(crate) fn device_status() -> RefOr<Schema> {
    one_of(["ACTIVE", "UNREGISTERING"]).into()
}

pub(crate) fn device_channels() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(one_of(Channel::ALL.map(Channel::name)))
        .min_items(Some(1))
        .max_items(Some(Channel::ALL.len()))
        .unique_items(true)
        .description(Some("Over which protocols the device may come."))
        .into()
}

pub(crate) fn credential_id() -> RefOr<Schema> {
    text().pattern(Some("^[1-9][0-9]{0,9}$")).into()
}

pub(crate) fn credential_kind() -> RefOr<Schema> {
    one_of(["certificate", "password", "psk"]).into()
}

pub(crate) fn credentials() -> RefOr<Schema> {
    list(
        reference::<CredentialView<'static>>(),
        HostedDevice::MOST_CREDENTIALS,
    )
}

pub(crate) fn certificate() -> RefOr<Schema> {
    text()
        .description(Some(
            "PEM; names `urn:ics:dev:<scsAsId>:<deviceId>`, its common name is the device ID.",
        ))
        .into()
}

pub(crate) fn password() -> RefOr<Schema> {
    text()
        .description(Some("The user name that goes with it is the device ID."))
        .into()
}

pub(crate) fn psk_identity() -> RefOr<Schema> {
    bounded(1, PskIdentity::MAX)
        .description(Some(
            "What the device names in a DTLS handshake: 22 characters that stand for the device ID, \
             a dot, and the number of the credential.",
        ))
        .into()
}

pub(crate) fn psk() -> RefOr<Schema> {
    text()
        .pattern(Some("^[0-9a-f]{32}$"))
        .description(Some(
            "The key, of 128 bits, that goes with `pskIdentity` in a DTLS handshake: its 16 bytes \
             in hexadecimal.",
        ))
        .into()
}

pub(crate) fn pairing_code() -> RefOr<Schema> {
    bounded(20, PairingCode::MAX)
        .pattern(Some("^([0-9A-TV-Za-tv-z][ -]?){19}[0-9A-TV-Za-tv-z]$"))
        .description(Some(
            "Of 20 letters and digits, as the device or its maker's app shows it; used once.",
        ))
        .into()
}

/// How long a pairing code shall hold.
pub(crate) fn pairing_validity() -> RefOr<Schema> {
    let seconds = |validity: &core::time::Duration| i64::try_from(validity.as_secs()).ok();
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(seconds(DeviceTerms::PAIRING_VALIDITY.start()))
        .maximum(seconds(DeviceTerms::PAIRING_VALIDITY.end()))
        .description(Some("Seconds; by default 900."))
        .into()
}

/// A merge patch of a hosted device.
pub(crate) fn device_patch() -> RefOr<Schema> {
    closed()
        .property("deviceVendor", nullable(attribute()))
        .property("deviceModel", nullable(attribute()))
        .property("ownerSubject", nullable(attribute()))
        .property("channels", device_channels())
        .into()
}

/// A credential to be made, of any kind.
pub(crate) fn credential_order() -> RefOr<Schema> {
    let validity = || {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(i64::try_from(DeviceTerms::LONGEST_VALIDITY.as_secs()).ok())
            .description(Some("Seconds; by default 365 days."))
    };
    let request = bounded(1, crate::translate::LONGEST_REQUEST).description(Some(
        "PKCS#10 request, PEM. Nothing but its public key is used.",
    ));
    let certificate = closed()
        .property("request", request)
        .property("validity", validity())
        .required("request");
    let value = bounded(ChosenPassword::MIN, ChosenPassword::MAX).description(Some(
        "One you insist on, where the operator takes those; it is not told again. By default one is \
         minted, of 128 random bits.",
    ));
    let password = closed()
        .property("value", value)
        .property("validity", validity());
    let psk = closed().property("validity", validity());
    let of =
        |name: &'static str, order: ObjectBuilder| closed().property(name, order).required(name);
    OneOfBuilder::new()
        .item(of("certificate", certificate))
        .item(of("password", password))
        .item(of("psk", psk))
        .into()
}

pub(crate) fn credential_orders() -> RefOr<Schema> {
    ArrayBuilder::new()
        .items(Ref::from_schema_name("DeviceCredentialRequest"))
        .min_items(Some(1))
        .max_items(Some(HostedDevice::MOST_CREDENTIALS))
        .into()
}

/// Either answer of step 7.
pub(crate) fn answer() -> RefOr<Schema> {
    let accepted = closed()
        .property("result", one_of(["ACCEPTED"]))
        .property("deviceId", device_id())
        .property("ownerSubject", owner_subject())
        .property("userConsent", inline::<UserConsent<'static>>())
        .required("result")
        .required("deviceId");
    let rejected = closed()
        .property("result", one_of(["REJECTED"]))
        .property("cause", cause_code())
        .required("result")
        .required("cause");
    OneOfBuilder::new().item(accepted).item(rejected).into()
}

fn owner_subject() -> RefOr<Schema> {
    let of_user = "`sub` of the device's owner at the IoT SP's OpenID provider.";
    let text = text().min_length(Some(1)).max_length(Some(255));
    text.description(Some(of_user)).into()
}

/// A cause and exactly one selector, each role its own.
pub(crate) fn demap() -> RefOr<Schema> {
    let row_link = text()
        .min_length(Some(1))
        .max_length(Some(1024))
        .description(Some(
            "The caller's own link to a row: of its mapping (ICS-3) or its assignment (ICS-4).",
        ));
    let with = |members: &[(&str, RefOr<Schema>)]| {
        let base = closed()
            .property("cause", one_of(DEMAPPING_CAUSES))
            .property("subCause", cause_code())
            .required("cause");
        members.iter().fold(base, |object, (name, schema)| {
            object.property(*name, schema.clone()).required(*name)
        })
    };
    OneOfBuilder::new()
        .item(with(&[("mapping", row_link.into())]))
        .item(with(&[("uti", uti())]))
        .item(with(&[("serviceUri", service_uri())]))
        .item(with(&[("serviceUri", service_uri()), ("uti", uti())]))
        .item(with(&[("deviceId", device_id())]))
        .item(with(&[
            ("deviceId", device_id()),
            ("serviceUri", service_uri()),
        ]))
        .into()
}

/// A merge patch of a pending mapping.
pub(crate) fn mapping_patch() -> RefOr<Schema> {
    patch()
        .property("validityPeriod", nullable(seconds()))
        .into()
}

/// A merge patch of a subscription.
pub(crate) fn subscription_patch() -> RefOr<Schema> {
    patch()
        .property("serialNamespaces", nullable(serial_namespaces()))
        .property("requestTestNotification", nullable(flag()))
        .into()
}

/// What every merge patch may change: where notifications go.
fn patch() -> ObjectBuilder {
    closed()
        .property("notificationDestination", callback_uri())
        .property(
            "websockNotifConfig",
            nullable(inline::<super::WebsockNotifConfig>()),
        )
}

fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(null).item(schema).into()
}

/// ProblemDetails.
pub(crate) fn problem() -> RefOr<Schema> {
    let mut causes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    causes.sort_unstable();
    causes.dedup();
    let invalid = closed()
        .property("param", text())
        .property("reason", text())
        .required("param")
        .required("reason");
    closed()
        .property("title", words())
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("detail", words())
        .property("cause", one_of(causes))
        .property(
            "invalidParams",
            ArrayBuilder::new().items(invalid).min_items(Some(1)),
        )
        .required("title")
        .required("status")
        .into()
}
