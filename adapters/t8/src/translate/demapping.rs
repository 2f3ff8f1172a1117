//! `ics-demapping`: which rows, in whose name, and what was removed.

use ics_core::id::{IdentifierSchemes, ServiceUri, SpId, Uti};
use ics_core::job::Job;
use ics_core::mapping::{CauseCode, DemappingCause, MappingKey};
use ics_core::reference_point::Role;
use ics_core::service::{DemapRequest, Demapped, Selector};

use super::{Need, read_member, read_optional};
use crate::link::{Link, Target, parse_row_link};
use crate::problem::{Cause, Problem};
use crate::wire::{Demap, DemappedView, JobView, Shown, Text};

/// A de-mapping request as the core takes it, and in whose name: the selector tells. A device ID
/// or a link to an assignment is the IoT SP's; a UTI, a service URI or a link to a mapping the
/// third party SP's. Whether the caller may speak in that name is the core's to say.
pub(crate) fn read_demap(
    body: &Demap<'_>,
    (root, sp): (&str, &SpId),
    schemes: &IdentifierSchemes,
) -> Result<(Role, DemapRequest), Problem> {
    let cause = DemappingCause::parse(body.cause.as_str())
        .ok_or_else(|| wrong("/cause", "must be one of the four causes of Y.4462 10.2"))?;
    let sub_cause = read_optional(body.sub_cause.as_ref(), CauseCode::parse, "/subCause")?;
    let (role, selector) = read_selector(body, (root, sp), schemes)?;
    Ok((
        role,
        DemapRequest {
            cause,
            sub_cause,
            selector,
        },
    ))
}

fn read_selector(
    body: &Demap<'_>,
    (root, sp): (&str, &SpId),
    schemes: &IdentifierSchemes,
) -> Result<(Role, Selector), Problem> {
    use Need::Mandatory;
    let service = |text: &Text<'_>| read_member(text, ServiceUri::parse, "/serviceUri", Mandatory);
    let uti = |text: &Text<'_>| read_member(text, Uti::parse, "/uti", Mandatory);
    let members = (&body.mapping, &body.device_id, &body.uti, &body.service_uri);
    match members {
        (Some(link), None, None, None) => read_link(link, (root, sp)),
        (None, Some(device_id), None, uri) => {
            let role = Role::IotSp;
            let parse = |text: &str| schemes.parse_device_id(text);
            let device_id = read_member(device_id, parse, "/deviceId", Mandatory)?;
            let uri = uri.as_ref().map(service).transpose()?;
            Ok((role, Selector::Device(device_id, uri)))
        }
        (None, None, Some(text), None) => {
            let role = Role::ThirdPartySp;
            Ok((role, Selector::Uti(uti(text)?)))
        }
        (None, None, Some(text), Some(uri)) => {
            let role = Role::ThirdPartySp;
            let key = MappingKey {
                service_uri: service(uri)?,
                uti: uti(text)?,
            };
            Ok((role, Selector::Key(key)))
        }
        (None, None, None, Some(uri)) => {
            let role = Role::ThirdPartySp;
            Ok((role, Selector::Service(service(uri)?)))
        }
        (None, None, None, None) => {
            Err(Problem::from(Cause::MandatoryIeMissing).at("", "a selector is missing"))
        }
        _ => Err(wrong("", "has more than one selector")),
    }
}

/// A link the caller was given, in the eyes of the role it was given to. Any other text is a row
/// that is not there.
fn read_link(link: &Text<'_>, (root, sp): (&str, &SpId)) -> Result<(Role, Selector), Problem> {
    let (role, id) = match parse_row_link(root, sp, link.as_str()) {
        Some(Target::Mapping(id)) => (Role::ThirdPartySp, id),
        Some(Target::Assignment(id)) => (Role::IotSp, id),
        _ => return Err(Cause::MappingNotFound.into()),
    };
    Ok((role, Selector::Mapping(id)))
}

fn wrong(pointer: &'static str, reason: &'static str) -> Problem {
    Problem::from(Cause::MandatoryIeIncorrect).at(pointer, reason)
}

/// How a job stands.
pub(crate) const fn show_job(job: &Job) -> JobView {
    JobView {
        status: job.status.name(),
        total: job.total,
        done: job.done,
        failed: job.failed,
    }
}

/// What was removed, by links as the caller sees its rows.
pub(crate) fn show_demapped<'a>(
    demapped: &Demapped,
    role: Role,
    link: impl Fn(Target<'a>) -> Link<'a>,
) -> DemappedView<'a> {
    let target = match role {
        Role::ThirdPartySp => Target::Mapping,
        Role::IotSp => Target::Assignment,
    };
    DemappedView {
        removed: demapped.removed,
        mappings: demapped
            .mappings
            .iter()
            .map(|id| Shown(link(target(*id))))
            .collect(),
    }
}
