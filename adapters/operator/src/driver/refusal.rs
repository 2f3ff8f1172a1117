//! Refusals as the description of the API names them: a status, and when it is given.
//!
//! Each is a type without values, to be named among an operation's `responses`. What is answered
//! in fact is [`crate::error::Refusal`]'s business.

use std::collections::BTreeMap;

use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use super::PROBLEM;
use crate::wire::ProblemView;

macro_rules! refusals {
    ($($name:ident $status:literal $when:literal)*) => {$(
        #[doc = $when]
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                describe_refusal($status, $when)
            }
        }
    )*};
}

refusals! {
    QueryNotValid "400" "Query not valid"
    BodyNotValid "400" "Body not valid"
    OrderNotValid "400" "Request or key not valid"
    NoCertificate "401" "No operator certificate"
    NoParty "404" "No such service provider"
    NoPartyOrEnrolment "404" "No such service provider, or no enrolment served"
    NoAgreement "404" "No such agreement"
    NoMapping "404" "No such mapping"
    NoJob "404" "No such job"
    NoNotification "404" "Delivered meanwhile, or never there"
    NoPlatform "404" "No oneM2M platform is configured"
    Platform "502" "The oneM2M platform did not answer, or refused"
    NoCertificateKnown "404" "Not known"
    NoVerdict "404" "Not among those decided lately"
    NoHost "404" "No such IoT service provider"
    NoDevice "404" "No such device of that service provider"
    NoCredential "404" "No such credential of that device"
    PartyExists "409" "Id given out, or service owned by another"
    PartyRemoved "409" "Removed"
    DeviceNotTaken "409" "Role missing, SP removed, serial number not granted or hosted already"
    Unregistering "409" "Unregistering, or as many credentials as a device may have"
    AgreementExists "409" "Role missing, SP removed, or services already covered"
    SerialTaken "409" "The serial number is on record for another certificate"
    Unconfirmed "409" "Not confirmed: `affectedMappings` rows would go"
    NoStore "503" "Store unavailable"
    StoreDamaged "500" "The store is damaged"
    Extracting "503" "Store unavailable, or two backups or exports are under way"
    NoAuthority "503" "Authority unavailable"
}

/// What every operation with a body may say of it before it is parsed.
pub(super) enum BodyNotRead {}

impl IntoResponses for BodyNotRead {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [
            ("408", "Body did not come in time"),
            ("413", "Body too large"),
            ("415", "Not JSON"),
        ]
        .into_iter()
        .flat_map(|(status, when)| describe_refusal(status, when))
        .collect()
    }
}

fn describe_refusal(status: &str, when: &str) -> BTreeMap<String, RefOr<Response>> {
    let problem = Content::new(Some(Ref::from_schema_name(ProblemView::name())));
    let response = ResponseBuilder::new()
        .description(when)
        .content(PROBLEM, problem);
    BTreeMap::from([(status.to_owned(), response.build().into())])
}
