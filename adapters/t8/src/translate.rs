//! Between bodies and the vocabulary of the core. Total: every body becomes a value or a refusal
//! that names the member and repeats nothing.

mod assignment;
mod demapping;
mod device;
mod inquiry;
mod mapping;
mod profile;
mod subscription;

use ics_core::id::{InvalidId, find_permanent_identifier};
use ics_core::mapping::ResultCause;

pub(crate) use assignment::{read_answer, show_assignment};
pub(crate) use demapping::{read_demap, show_demapped, show_job};
pub(crate) use device::{
    Beside, LONGEST_REQUEST, read_credential, read_device_patch, read_pairing_order,
    read_registration, show_credential, show_device,
};
pub(crate) use inquiry::{
    read_device_inquiry, read_resolution, read_transaction_inquiry, show_device_answer,
    show_transaction_answer,
};
pub(crate) use mapping::{nowhere_to_notify, read_amendment, read_request, show_mapping};
pub(crate) use profile::{read_service_proof, show_profile};
pub(crate) use subscription::{
    MOST_NAMESPACES, patch_subscription, read_subscription, show_subscription,
};

use crate::error::refuse_member;
use crate::problem::{Cause, Problem};
use crate::wire::{Fault, InvalidBody, Text};

/// Whether a body can do without a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It cannot.
    Mandatory,
    /// It can.
    Optional,
}

impl From<InvalidBody> for Problem {
    fn from(invalid: InvalidBody) -> Self {
        let (cause, reason) = match invalid.fault {
            Fault::NotJson => (Cause::InvalidMsgFormat, "the body is not one JSON object"),
            Fault::Missing => (Cause::MandatoryIeMissing, "is missing"),
            Fault::MandatoryIncorrect => (Cause::MandatoryIeIncorrect, "has the wrong type"),
            Fault::OptionalIncorrect => (Cause::OptionalIeIncorrect, "has the wrong type"),
            Fault::Unknown => (
                Cause::InvalidMsgFormat,
                "is, or has, a member that does not belong here",
            ),
            Fault::Duplicate => (Cause::InvalidMsgFormat, "came more than once"),
        };
        Self::from(cause).at(invalid.pointer, reason)
    }
}

/// Reads a member as a value of the core.
pub(crate) fn read_member<T>(
    text: &Text<'_>,
    parse: impl FnOnce(&str) -> Result<T, InvalidId>,
    pointer: &'static str,
    need: Need,
) -> Result<T, Problem> {
    parse(text.as_str()).map_err(|invalid| {
        // What is a permanent identifier is called one, though its form alone was refused. A URI
        // with user information is not: its `@` is no mail address. One of another scheme was looked at.
        let invalid = match invalid {
            InvalidId::UriParts
            | InvalidId::Scheme
            | InvalidId::NotAnonymous
            | InvalidId::Permanent(_) => invalid,
            other => find_permanent_identifier(text.as_str()).map_or(other, InvalidId::Permanent),
        };
        refuse_member(pointer, need == Need::Mandatory, invalid)
    })
}

/// Reads an optional member, if it is there.
pub(crate) fn read_optional<T>(
    text: Option<&Text<'_>>,
    parse: impl FnOnce(&str) -> Result<T, InvalidId>,
    pointer: &'static str,
) -> Result<Option<T>, Problem> {
    text.map(|text| read_member(text, parse, pointer, Need::Optional))
        .transpose()
}

/// Why a row ended, as `role` may know it.
fn show_end(
    row: &ics_core::mapping::Mapping,
    role: ics_core::reference_point::Role,
) -> Option<&'static str> {
    match &row.state {
        ics_core::mapping::State::Deleted {
            cause: Some(cause), ..
        } => Some(cause.name()),
        _ => row.cause_towards(role).map(ResultCause::name),
    }
}

#[cfg(test)]
mod tests;
