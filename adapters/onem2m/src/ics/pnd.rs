//! `pnd`: what waits for its IoT SP (Y.4462 10.1 step 3, pull mode), and its answer (step 7). To
//! everybody else there is nothing here.

use ics_core::id::{DeviceOwner, MappingId};
use ics_core::mapping::{CauseCode, MappingStatus};
use ics_core::service::{AnswerError, AnswerInput, OpenAssignment, Owed};

use super::content::{Attributes, missing};
use super::discovery::Conditions;
use super::map::show_row;
use super::{Call, Ics, Place, ROW, Shown, refusal, wrong_result_content};
use crate::primitive::{Answer, Outcome, Refusal};
use crate::rsc::Rsc;

const COMPLETION: [&str; 4] = ["did", "msta", "mcau", "owsu"];

/// `msta` of an answer.
const MAPPED: u64 = 2;
const FAILED: u64 = 4;

/// How many rows one look at the store takes.
const PAGE: usize = 256;

impl Ics {
    /// The rows that wait for the caller, oldest first, with their serial numbers.
    pub(super) async fn list_pending(
        &self,
        conditions: &Conditions<'_>,
        call: &Call<'_>,
    ) -> Result<Vec<(Place, Shown)>, Refusal> {
        let (mut passed, taken) = conditions.window();
        let mut found = Vec::new();
        let mut cursor = None;
        while found.len() < taken {
            let filter = (Some(MappingStatus::Pending), cursor.as_ref(), PAGE);
            let service = &self.ports.service;
            let (rows, next) = service
                .list_assignments(&call.principal, filter, call.now)
                .await?;
            for open in &rows {
                let place = Place::Pending(open.mapping.id);
                let shown = self.views.to_iot_sp(open, place);
                if !conditions.hold(&shown) {
                    continue;
                }
                if passed > 0 {
                    passed = passed.saturating_sub(1);
                } else if found.len() < taken {
                    found.push((place, shown));
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// One of them. To read it is to take it over: it is not notified any more.
    pub(super) async fn retrieve_pending(&self, id: MappingId, call: &Call<'_>) -> Outcome {
        let service = &self.ports.service;
        let open = service
            .take_over_assignment(&call.principal, id, call.now)
            .await?;
        show_row(self.views.to_iot_sp(&open, Place::Pending(id)), call)
    }

    /// Step 7: `did` completes the row, with `owsu` where its owner is asked for; `msta` 4 with a cause rejects it.
    pub(super) async fn complete_pending(&self, id: MappingId, call: &Call<'_>) -> Outcome {
        let attributes = Attributes::of(call.request, ROW)?.allow(&COMPLETION)?;
        if !matches!(call.request.result_content, None | Some(0 | 1 | 9)) {
            return Err(wrong_result_content());
        }
        let input = self.read_completion(attributes)?;
        let service = &self.ports.service;
        let answered = service
            .answer_assignment(&call.principal, (id, &input), call.now)
            .await;
        let mapping = match answered {
            Ok(mapping) => mapping,
            Err(AnswerError::NotPending) => {
                let open = service.take_over_assignment(&call.principal, id, call.now);
                return Err(refusal::refuse_completion(&open.await?.mapping));
            }
            Err(error) => return Err(error.into()),
        };
        if call.request.result_content == Some(0) {
            return Ok(Answer::empty(Rsc::Updated));
        }
        let open = OpenAssignment {
            mapping,
            serial: None,
            e2e: None,
            owed: Owed::default(),
        };
        let shown = self.views.to_iot_sp(&open, Place::Pending(id));
        Ok(Answer::with(Rsc::Updated, ROW, shown.into()))
    }

    fn read_completion(&self, attributes: Attributes<'_>) -> Result<AnswerInput, Refusal> {
        let refuse = |name: &str, said: &str| Err(Refusal::about(Rsc::BadRequest, name, said));
        match attributes.number("msta")? {
            None | Some(MAPPED) if attributes.has("mcau") => refuse("mcau", "goes with `msta` 4"),
            None | Some(MAPPED) => {
                let schemes = self.ports.service.schemes();
                let device_id = attributes.need("did", |text| schemes.parse_device_id(text))?;
                Ok(AnswerInput::Accepted {
                    device_id,
                    owner: attributes.read("owsu", DeviceOwner::parse)?,
                    consent: None,
                })
            }
            Some(FAILED) if attributes.has("did") => refuse("did", "does not go with `msta` 4"),
            Some(FAILED) if attributes.has("owsu") => refuse("owsu", "does not go with `msta` 4"),
            Some(FAILED) => {
                let cause = attributes.read("mcau", CauseCode::parse)?;
                Ok(AnswerInput::Rejected(cause.ok_or_else(|| missing("mcau"))?))
            }
            Some(_) => refuse("msta", "can be set to 2 and to 4"),
        }
    }
}
