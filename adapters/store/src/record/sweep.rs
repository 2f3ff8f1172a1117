//! Fences, and the jobs that sweep behind them: kept among the records of the directory.

use ics_core::fence::{Fence, FenceScope};
use ics_core::id::{AgreementId, JobId, ServiceUri, Uti};
use ics_core::job::{Job, JobOwner, JobStatus};
use ics_core::mapping::EndedBy;
use ics_core::port::Cursor;
use ics_core::procedure::demapping::Demapping;

use super::RecordError;
use super::bytes::{Decoder, Encoder};
use super::mapping::{role_byte, role_of};

impl Encoder {
    pub(super) fn fence(&mut self, fence: &Fence) {
        self.raw(fence.job.as_bytes());
        self.fence_scope(&fence.scope);
        self.demapping_cause(fence.demapping.cause);
        self.option(fence.demapping.sub_cause.as_ref(), |out, v| {
            out.text(v.as_str());
        });
        self.byte(match fence.demapping.by {
            EndedBy::Party(role) => role_byte(role),
            EndedBy::Ics => 2,
        });
        self.instant(fence.at);
    }

    fn fence_scope(&mut self, scope: &FenceScope) {
        match scope {
            FenceScope::Service {
                third_party_sp,
                service_uri,
            } => {
                self.byte(0);
                self.text(third_party_sp.as_str());
                self.text(service_uri.as_str());
            }
            FenceScope::Uti {
                third_party_sp,
                uti,
            } => {
                self.byte(1);
                self.text(third_party_sp.as_str());
                self.text(uti.as_str());
            }
            FenceScope::Device {
                iot_sp,
                device_id,
                service_uri,
            } => {
                self.byte(2);
                self.text(iot_sp.as_str());
                self.text(device_id.as_str());
                self.option(service_uri.as_ref(), |out, v| out.text(v.as_str()));
            }
            FenceScope::Agreement { agreement, iot_sp } => {
                self.byte(3);
                self.raw(agreement.as_bytes());
                self.text(iot_sp.as_str());
            }
        }
    }

    pub(super) fn job(&mut self, job: &Job) {
        self.raw(job.id.as_bytes());
        match &job.owner {
            JobOwner::Party(sp, role) => {
                self.byte(role_byte(*role));
                self.text(sp.as_str());
            }
            JobOwner::Operator => self.byte(2),
        }
        self.byte(match job.status {
            JobStatus::Running => 0,
            JobStatus::Done => 1,
            JobStatus::Failed => 2,
        });
        self.number(job.total);
        self.number(job.done);
        self.number(job.failed);
        self.option(job.cursor.as_ref(), |out, v| out.bytes(&v.0));
        self.instant(job.created);
        self.option(job.finished, Self::instant);
    }
}

impl Decoder<'_> {
    pub(super) fn fence(&mut self) -> Result<Fence, RecordError> {
        Ok(Fence {
            job: JobId::from_bytes(self.array()?),
            scope: self.fence_scope()?,
            demapping: Demapping {
                cause: self.demapping_cause()?,
                sub_cause: self.option(Self::cause_code)?,
                by: match self.byte()? {
                    2 => EndedBy::Ics,
                    role => EndedBy::Party(role_of(role)?),
                },
            },
            at: self.instant()?,
        })
    }

    fn fence_scope(&mut self) -> Result<FenceScope, RecordError> {
        Ok(match self.byte()? {
            0 => FenceScope::Service {
                third_party_sp: self.sp()?,
                service_uri: self.service_uri()?,
            },
            1 => FenceScope::Uti {
                third_party_sp: self.sp()?,
                uti: Uti::from_store(self.text()?)?,
            },
            2 => FenceScope::Device {
                iot_sp: self.sp()?,
                device_id: self.device_id()?,
                service_uri: self.option(Self::service_uri)?,
            },
            3 => FenceScope::Agreement {
                agreement: AgreementId::from_bytes(self.array()?),
                iot_sp: self.sp()?,
            },
            _ => return Err(RecordError::Value),
        })
    }

    fn service_uri(&mut self) -> Result<ServiceUri, RecordError> {
        Ok(ServiceUri::from_store(self.text()?)?)
    }

    pub(super) fn job(&mut self, version: u64) -> Result<Job, RecordError> {
        Ok(Job {
            id: JobId::from_bytes(self.array()?),
            owner: match self.byte()? {
                2 => JobOwner::Operator,
                role => {
                    let role = role_of(role)?;
                    JobOwner::Party(self.sp()?, role)
                }
            },
            status: match self.byte()? {
                0 => JobStatus::Running,
                1 => JobStatus::Done,
                2 => JobStatus::Failed,
                _ => return Err(RecordError::Value),
            },
            total: self.number()?,
            done: self.number()?,
            failed: self.number()?,
            cursor: self.option(|input| Ok(Cursor(input.bytes()?.to_vec())))?,
            created: self.instant()?,
            finished: self.option(Self::instant)?,
            version,
        })
    }
}
