//! `dmp`: Y.4462 10.2 by key, by either side, with a cause. Of many rows the answer is a job, as on
//! T8: the rows are gone at once, and what is left is housework.

use ics_core::id::{JobId, ServiceUri, Uti};
use ics_core::job::{Job, JobStatus};
use ics_core::mapping::{CauseCode, DemappingCause, MappingKey};
use ics_core::reference_point::Role;
use ics_core::service::{DemapOutcome, DemapRequest, Selector};
use serde_json::json;

use super::content::{Attributes, missing};
use super::{Call, DEMAPPING, Ics, Place, answer_unkept, wrong_result_content};
use crate::primitive::{Answer, Outcome, Refusal};
use crate::rsc::Rsc;

const ASKED: [&str; 7] = ["cnd", "svu", "uti", "did", "mcau", "scau", "cr"];

/// `ty` of a `<request>`, and its `rs` (TS-0004 6.3.4.2.12).
const REQUEST: u16 = 17;
const COMPLETED: u8 = 1;
const FAILED: u8 = 2;
const PENDING: u8 = 3;

impl Ics {
    /// De-maps in the name of the role whose selector it is.
    pub(super) async fn demap(&self, call: &Call<'_>) -> Outcome {
        let attributes = Attributes::of(call.request, DEMAPPING)?.allow(&ASKED)?;
        self.check_definition(attributes, false)?;
        if !matches!(call.request.result_content, None | Some(0 | 1 | 9)) {
            return Err(wrong_result_content());
        }
        let (role, selector) = self.read_selector(attributes)?;
        let cause = attributes.text("mcau")?.ok_or_else(|| missing("mcau"))?;
        let cause = DemappingCause::parse(cause).ok_or_else(|| {
            let said = "must be one of the four causes of Y.4462 10.2";
            Refusal::about(Rsc::ContentsUnacceptable, "mcau", said)
        })?;
        let request = DemapRequest {
            cause,
            sub_cause: attributes.read("scau", CauseCode::parse)?,
            selector,
        };
        let demapped = self
            .ports
            .service
            .demap(&call.principal, (role, &request), call.now)
            .await?;
        match demapped {
            DemapOutcome::Removed(demapped) => {
                for id in &demapped.mappings {
                    self.tell_end(*id, call).await;
                }
                let mut shown = self.unkept(call.now);
                shown.insert("mcau".into(), cause.name().into());
                shown.insert("rmvd".into(), demapped.removed.into());
                answer_unkept(call.request, DEMAPPING, shown)
            }
            DemapOutcome::Started(job) => {
                let address = self.views.address(Place::Job(job.id), true);
                Ok(Answer {
                    location: Some(address.clone()),
                    ..Answer::with(Rsc::AcceptedSynch, "m2m:uri", address.into())
                })
            }
        }
    }

    /// Which rows, and in whose name: a device ID is the IoT SP's to name, the rest the third party's.
    fn read_selector(&self, attributes: Attributes<'_>) -> Result<(Role, Selector), Refusal> {
        let schemes = self.ports.service.schemes();
        let device_id = attributes.read("did", |text| schemes.parse_device_id(text))?;
        let service = attributes.read("svu", ServiceUri::parse)?;
        let uti = attributes.read("uti", Uti::parse)?;
        let third_party = |selector| Ok((Role::ThirdPartySp, selector));
        match (device_id, service, uti) {
            (Some(device_id), service, None) => {
                Ok((Role::IotSp, Selector::Device(device_id, service)))
            }
            (None, Some(service_uri), Some(uti)) => {
                third_party(Selector::Key(MappingKey { service_uri, uti }))
            }
            (None, None, Some(uti)) => third_party(Selector::Uti(uti)),
            (None, Some(service_uri), None) => third_party(Selector::Service(service_uri)),
            (None, None, None) => {
                let said = "says no rows: `svu` and `uti`, one of them, or `did`";
                Err(Refusal::about(Rsc::BadRequest, DEMAPPING, said))
            }
            (Some(_), _, Some(_)) => {
                let said = "does not go with `uti`";
                Err(Refusal::about(Rsc::BadRequest, "did", said))
            }
        }
    }

    /// A job of the caller, in the form of a `<request>`.
    pub(super) fn show_job(&self, id: JobId, call: &Call<'_>) -> Outcome {
        let service = &self.ports.service;
        let (job, _) = service.read_job(&call.principal, &id, call.now)?;
        if !matches!(call.request.result_content, None | Some(1)) {
            return Err(wrong_result_content());
        }
        Ok(Answer::with(Rsc::Ok, "m2m:req", self.view_job(&job)))
    }

    fn view_job(&self, job: &Job) -> serde_json::Value {
        let place = Place::Job(job.id);
        let (status, rsc) = match job.status {
            JobStatus::Running => (PENDING, Rsc::AcceptedSynch),
            JobStatus::Done => (COMPLETED, Rsc::Created),
            JobStatus::Failed => (FAILED, Rsc::InternalServerError),
        };
        json!({
            "ri": place.resource_id(),
            "rn": place.resource_id(),
            "pi": self.views.names().cse_id,
            "ty": REQUEST,
            "ct": crate::time::format(job.created),
            "lt": crate::time::format(job.finished.unwrap_or(job.created)),
            "op": 1,
            "tg": self.views.address(Place::Dmp, false),
            "rs": status,
            "ors": {
                "rsc": rsc.number(),
                "pc": { DEMAPPING: { "rmvd": job.done } },
            },
        })
    }
}
