//! Fences, and the jobs that sweep behind them: kept among the records of the directory.

use ics_core::fence::{Fence, FenceScope};
use ics_core::id::{AgreementId, JobId};
use ics_core::job::{Job, JobOwner, JobStatus};
use ics_core::port::Cursor;
use ics_core::procedure::demapping::Demapping;
use ics_core::reference_point::Role;

use super::RecordError;
use super::fields::{Sink, Source, named};
use super::value::{cause_code, device_id, put_cause_code, role_byte, service_uri, sp, uti};

pub(super) fn write_fence(out: &mut impl Sink, fence: &Fence) {
    out.id("jobId", fence.job.as_bytes());
    out.group("scope", |out| write_scope(out, &fence.scope));
    out.choice("cause", fence.demapping.cause);
    out.option(
        "subCause",
        fence.demapping.sub_cause.as_ref(),
        put_cause_code,
    );
    out.choice("by", fence.demapping.by);
    out.instant("at", fence.at);
}

pub(super) fn read_fence(input: &mut impl Source) -> Result<Fence, RecordError> {
    Ok(Fence {
        job: JobId::from_bytes(input.id("jobId")?),
        scope: input.group("scope", read_scope)?,
        demapping: Demapping {
            cause: input.choice("cause")?,
            sub_cause: input.option("subCause", cause_code)?,
            by: input.choice("by")?,
        },
        at: input.instant("at")?,
    })
}

const SCOPES: [&str; 4] = ["SERVICE", "UTI", "DEVICE", "AGREEMENT"];

fn write_scope(out: &mut impl Sink, scope: &FenceScope) {
    let mut tag = |number| out.tag("of", number, &SCOPES);
    match scope {
        FenceScope::Service {
            third_party_sp,
            service_uri,
        } => {
            tag(0);
            out.text("thirdPartySpId", third_party_sp.as_str());
            out.text("serviceUri", service_uri.as_str());
        }
        FenceScope::Uti {
            third_party_sp,
            uti,
        } => {
            tag(1);
            out.text("thirdPartySpId", third_party_sp.as_str());
            out.text("uti", uti.as_str());
        }
        FenceScope::Device {
            iot_sp,
            device_id,
            service_uri,
        } => {
            tag(2);
            out.text("iotSpId", iot_sp.as_str());
            out.text("deviceId", device_id.as_str());
            out.option("serviceUri", service_uri.as_ref(), |out, name, v| {
                out.text(name, v.as_str());
            });
        }
        FenceScope::Agreement { agreement, iot_sp } => {
            tag(3);
            out.id("agreementId", agreement.as_bytes());
            out.text("iotSpId", iot_sp.as_str());
        }
    }
}

fn read_scope<S: Source>(input: &mut S) -> Result<FenceScope, RecordError> {
    Ok(match input.tag("of", &SCOPES)? {
        0 => FenceScope::Service {
            third_party_sp: sp(input, "thirdPartySpId")?,
            service_uri: service_uri(input, "serviceUri")?,
        },
        1 => FenceScope::Uti {
            third_party_sp: sp(input, "thirdPartySpId")?,
            uti: uti(input, "uti")?,
        },
        2 => FenceScope::Device {
            iot_sp: sp(input, "iotSpId")?,
            device_id: device_id(input, "deviceId")?,
            service_uri: input.option("serviceUri", service_uri)?,
        },
        3 => FenceScope::Agreement {
            agreement: AgreementId::from_bytes(input.id("agreementId")?),
            iot_sp: sp(input, "iotSpId")?,
        },
        _ => return Err(RecordError::Value),
    })
}

/// By number: those of [`Role`], and the operator.
const OWNERS: [&str; 3] = ["THIRD_PARTY_SP", "IOT_SP", "OPERATOR"];

named!(JobStatus {
    "RUNNING": [JobStatus::Running],
    "DONE": [JobStatus::Done],
    "FAILED": [JobStatus::Failed],
});

pub(super) fn write_job(out: &mut impl Sink, job: &Job) {
    out.id("jobId", job.id.as_bytes());
    match &job.owner {
        JobOwner::Party(sp, role) => {
            out.tag("owner", role_byte(*role), &OWNERS);
            out.text("spId", sp.as_str());
        }
        JobOwner::Operator => out.tag("owner", 2, &OWNERS),
    }
    out.choice("status", job.status);
    out.number("total", job.total);
    out.number("done", job.done);
    out.number("failed", job.failed);
    out.option("cursor", job.cursor.as_ref(), |out, name, v| {
        out.bytes(name, &v.0);
    });
    out.instant("createTime", job.created);
    out.option("finishTime", job.finished, Sink::instant);
}

pub(super) fn read_job(input: &mut impl Source, version: u64) -> Result<Job, RecordError> {
    Ok(Job {
        id: JobId::from_bytes(input.id("jobId")?),
        owner: match input.tag("owner", &OWNERS)? {
            0 => JobOwner::Party(sp(input, "spId")?, Role::ThirdPartySp),
            1 => JobOwner::Party(sp(input, "spId")?, Role::IotSp),
            _ => JobOwner::Operator,
        },
        status: input.choice("status")?,
        total: input.number("total")?,
        done: input.number("done")?,
        failed: input.number("failed")?,
        cursor: input.option("cursor", |input, name| {
            Ok(Cursor(input.bytes(name)?.into_owned()))
        })?,
        created: input.instant("createTime")?,
        finished: input.option("finishTime", Source::instant)?,
        version,
    })
}
