//! ICS-2: what an IoT SP is asked, and its answer.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::fence::date_establishment;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::consent::Consent;
use crate::id::{ConsentId, DeviceId, DeviceOwner, DeviceSerialNumber, InvalidId, MappingId};
use crate::mapping::{CauseCode, FailureCause, Mapping, MappingStatus, State};
use crate::port::{Cursor, Denied, SealError, Selection};
use crate::principal::Principal;
use crate::procedure::access::authorize_establishment;
use crate::procedure::assignment::{Answer, AnswerOutcome, AnswerRefusal, decide_answer};
use crate::procedure::hosting::{NotOffered, decide_confirmed_offer};
use crate::procedure::mapping::decide_taken_over;
use crate::reference_point::{ReferencePoint, Role};
use crate::time::Timestamp;

/// A row as its IoT SP may see it; the serial number and the third party's end-to-end value only
/// while it is pending.
#[derive(Clone, Debug)]
pub struct OpenAssignment {
    /// The row.
    pub mapping: Mapping,
    /// The serial number, while pending.
    pub serial: Option<DeviceSerialNumber>,
    /// The end-to-end value, byte-exact.
    pub e2e: Option<Vec<u8>>,
    /// What the acceptance still has to bring, while pending.
    pub owed: Owed,
}

/// What the user's consent asks of the IoT SP's acceptance (Y21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// The consent of its user, which it is to ask for before it accepts (IOT_SP_CONFIRM).
    pub consent: bool,
    /// The user who owns the device, to be the one who consented at the gateway (AUTH_CODE).
    pub owner: bool,
}

/// Step 7 as the IoT SP said it, parsed.
#[derive(Clone, Debug)]
pub enum AnswerInput {
    /// The device stored the pair; this is its ID.
    Accepted {
        /// The device ID.
        device_id: DeviceId,
        /// The user who owns it, if told; must be told where the user consented at the gateway.
        owner: Option<DeviceOwner>,
        /// The consent of its user, if told (IOT_SP_CONFIRM).
        consent: Option<Consent>,
    },
    /// No mapping.
    Rejected(CauseCode),
}

/// What the answer of an IoT SP means for a row of a hosted device.
enum Confirmation {
    /// Nothing special: the row is not for one that is served, or the answer is no ACCEPTED.
    NotHosted,
    /// The device is offered the row, now or already.
    Offered(Box<Mapping>),
    /// Decide again.
    Overtaken,
}

/// Why an assignment could not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not there, or routed to somebody else: the same to a stranger.
    #[error("assignment not found")]
    NotFound,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Why an answer did not establish or fail the row as it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not there, not permitted, or the service failed.
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    /// The device ID gives the serial number away.
    #[error("device ID {0}")]
    DeviceId(InvalidId),
    /// Failed or de-mapped meanwhile: the device must forget.
    #[error("mapping is not pending")]
    NotPending,
    /// Established with another device ID.
    #[error("mapping has another device")]
    DeviceAlreadyAssigned,
    /// The agreement ended meanwhile; the row failed.
    #[error("no agreement in force")]
    NoAgreement,
    /// The consent ended meanwhile; the row failed.
    #[error("consent required")]
    ConsentRequired,
    /// The UTI belongs to another device; the row failed.
    #[error("UTI in use")]
    UtiInUse,
    /// The device ID was unregistered; the row failed.
    #[error("device revoked")]
    DeviceRevoked,
    /// A policy of the operator refuses the device; the row failed.
    #[error("refused by a policy of the operator")]
    NotAllowed,
    /// The device is not the consenting user's; the row failed.
    #[error("device not owned by the consenting user")]
    NotOwner,
    /// The hosted device holds as many rows as it can.
    #[error("device holds as many mappings as it can")]
    DeviceFull,
}

impl From<Failure> for AnswerError {
    fn from(failure: Failure) -> Self {
        Self::Assignment(AssignmentError::Failure(failure))
    }
}

impl IcsService {
    /// The caller's own list: live rows routed to it (pull mode, recovery after an outage).
    ///
    /// # Errors
    /// [`AssignmentError`].
    pub async fn list_assignments(
        &self,
        principal: &Principal,
        (status, after, limit): (Option<MappingStatus>, Option<&Cursor>, usize),
        now: Timestamp,
    ) -> Result<(Vec<OpenAssignment>, Option<Cursor>), AssignmentError> {
        self.authorize_ics2(principal, now)?;
        let selection = Selection::IotSp(principal.sp.clone());
        let wanted = |row: &Mapping| {
            let own = row.status_towards(Role::IotSp);
            row.iot_sp == principal.sp
                && matches!(own, MappingStatus::Pending | MappingStatus::Established)
                && status.is_none_or(|status| own == status)
        };
        let (rows, next) = self.collect(&selection, (after, limit), wanted).await?;
        let open: Result<Vec<_>, Failure> = rows
            .into_iter()
            .map(|row| self.open_assignment(row))
            .collect();
        Ok((open?, next))
    }

    /// One assignment. A GET means "taken over": the push stops (t8 A.2).
    ///
    /// # Errors
    /// [`AssignmentError`].
    pub async fn take_over_assignment(
        &self,
        principal: &Principal,
        id: MappingId,
        now: Timestamp,
    ) -> Result<OpenAssignment, AssignmentError> {
        self.authorize_ics2(principal, now)?;
        for _ in 0..ATTEMPTS {
            let row = self.load_routed((principal, id), now).await?;
            let facts = self.row_facts(&row).await?;
            let change = decide_taken_over(&row, facts.push.as_ref());
            if self.commit(change).await? == Committed::Yes {
                return Ok(self.open_assignment(row)?);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Y.4462 10.1 steps 7 to 9.
    ///
    /// # Errors
    /// [`AnswerError`]. After `NoAgreement`, `ConsentRequired`, `UtiInUse`, `DeviceRevoked`,
    /// `NotAllowed` and `NotOwner` the row has failed; after the others it is unchanged.
    pub async fn answer_assignment(
        &self,
        principal: &Principal,
        (id, input): (MappingId, &AnswerInput),
        now: Timestamp,
    ) -> Result<Mapping, AnswerError> {
        self.authorize_ics2(principal, now)?;
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let row = self.load_routed((principal, id), now).await?;
            let facts = self.row_facts(&row).await?;
            match self.confirm_hosted(&row, input, now).await? {
                Confirmation::NotHosted => {}
                Confirmation::Offered(row) => return Ok(*row),
                Confirmation::Overtaken => continue,
            }
            let answer = self.complete_answer(&row, input, now).await?;
            let since = match &answer {
                Answer::Accepted { device_id, .. } => {
                    date_establishment(&directory, (&row, device_id), now)
                }
                Answer::Rejected { .. } => now,
            };
            let decision_point = self.ports.decision_point.as_ref();
            let serial = self.open_serial(&row)?;
            let permission = match &answer {
                Answer::Accepted { device_id, .. } => {
                    let asked = (&row, serial.as_ref(), device_id);
                    authorize_establishment(decision_point, &directory, principal, asked, now)
                }
                // Nothing is established by it, whatever else may be.
                Answer::Rejected { .. } => Err(self
                    .admit(principal, ReferencePoint::Ics2, now)
                    .map_or_else(|denied| denied, |_| Denied::Device)),
            };
            if let Err(denied @ Denied::NotServed) = permission {
                // Suspended since: its rows stay as they are.
                return Err(AssignmentError::Denied(denied).into());
            }
            let times = (&self.knobs, self.disclose_at(row.created));
            let instants = (now, since);
            let outcome = decide_answer(&row, answer, (permission, &facts), times, instants)
                .map_err(|refusal| match refusal {
                    AnswerRefusal::NotPending => AnswerError::NotPending,
                    AnswerRefusal::DeviceAlreadyAssigned => AnswerError::DeviceAlreadyAssigned,
                })?;
            let (mapping, change, overruled) = match outcome {
                AnswerOutcome::Replayed(mapping) => return Ok(mapping),
                AnswerOutcome::Settled { mapping, change } => (mapping, change, None),
                AnswerOutcome::Overruled {
                    cause,
                    mapping,
                    change,
                } => (mapping, change, Some(cause)),
            };
            let changed = !change.is_empty();
            let change = change.knowing_fences(&directory);
            if self.commit(change).await? == Committed::Overtaken {
                continue;
            }
            if changed && mapping.device_id().is_none() {
                self.ports
                    .limiter
                    .count_failure(&mapping.third_party_sp, now);
            }
            return overruled.map_or(Ok(mapping), |cause| Err(overruled_by(&cause)));
        }
        Err(Failure::Busy.into())
    }

    fn authorize_ics2(&self, principal: &Principal, now: Timestamp) -> Result<(), AssignmentError> {
        self.admit(principal, ReferencePoint::Ics2, now)?;
        Ok(())
    }

    /// The row, if it was routed to the caller (t8 A.7: else it is not found).
    async fn load_routed(
        &self,
        (principal, id): (&Principal, MappingId),
        now: Timestamp,
    ) -> Result<Mapping, AssignmentError> {
        let row = self.load(id).await?;
        let row = row.filter(|row| row.iot_sp == principal.sp);
        let row = row.ok_or(AssignmentError::NotFound)?;
        Ok(self.settle(row, now).await?)
    }

    /// An ACCEPTED for a device the gateway hosts is not step 7, but the leave to offer it the row:
    /// step 7 follows the device's acknowledgement.
    async fn confirm_hosted(
        &self,
        row: &Mapping,
        input: &AnswerInput,
        now: Timestamp,
    ) -> Result<Confirmation, AnswerError> {
        let (
            AnswerInput::Accepted {
                device_id: answered,
                consent,
                ..
            },
            State::Pending { deadline, .. },
        ) = (input, &row.state)
        else {
            return Ok(Confirmation::NotHosted);
        };
        let store = self.ports.store.as_ref();
        let hosted = match &row.hosted {
            Some(hosted) => hosted.clone(),
            // It may be hosted since the request came.
            None => {
                let since = store.find_device(&row.iot_sp, row.serial_index).await;
                let since = since.map_err(Failure::from)?.map(|device| device.id);
                match since.filter(|id| id == answered) {
                    Some(hosted) => hosted,
                    None => return Ok(Confirmation::NotHosted),
                }
            }
        };
        if *answered != hosted {
            return Err(AnswerError::DeviceAlreadyAssigned);
        }
        if row.is_to_be_held() {
            return Ok(Confirmation::Offered(Box::new(row.clone())));
        }
        if *deadline <= now {
            return Err(AnswerError::NotPending);
        }
        let device = store.load_device(&hosted).await.map_err(Failure::from)?;
        // One that was unregistered is dead, as if its IoT SP had reached it itself.
        let Some(device) = device else {
            return Ok(Confirmation::NotHosted);
        };
        let facts = self.row_facts(row).await?;
        let confirmed = self.confirmed_consent(row, consent.as_ref(), now);
        let confirmed = confirmed.as_ref().map(|(id, consent)| (*id, consent));
        let times = (&self.knobs, now);
        let push = facts.push.as_ref();
        let (next, change) = match decide_confirmed_offer(row, &device, push, confirmed, times) {
            Ok(offered) => offered,
            Err(NotOffered::NotWaiting | NotOffered::Unregistering) => {
                return Ok(Confirmation::NotHosted);
            }
            Err(NotOffered::DeviceFull) => return Err(AnswerError::DeviceFull),
        };
        Ok(match self.commit(change).await? {
            Committed::Yes => Confirmation::Offered(Box::new(next)),
            Committed::Overtaken => Confirmation::Overtaken,
        })
    }

    async fn complete_answer(
        &self,
        row: &Mapping,
        input: &AnswerInput,
        now: Timestamp,
    ) -> Result<Answer, AnswerError> {
        let (device_id, owner, consent) = match input {
            AnswerInput::Rejected(cause) => {
                return Ok(Answer::Rejected {
                    cause: cause.clone(),
                });
            }
            AnswerInput::Accepted {
                device_id,
                owner,
                consent,
            } => (device_id.clone(), owner, consent),
        };
        if let Some(serial) = self.open_serial(row)? {
            device_id
                .check_differs_from(&serial)
                .map_err(AnswerError::DeviceId)?;
        }
        let device_index = self.device_index(&row.iot_sp, &device_id);
        let device_dead = self
            .ports
            .store
            .is_device_dead(device_index)
            .await
            .map_err(Failure::from)?;
        Ok(Answer::Accepted {
            device_id,
            device_index,
            device_dead,
            owner: owner
                .as_ref()
                .map(|owner| self.owner_index(&row.iot_sp, owner.expose())),
            consent: self.confirmed_consent(row, consent.as_ref(), now),
        })
    }

    /// What an acceptance of `row` says of its user's consent, and the id that is kept under; `None`
    /// where the IoT SP is not the one to ask (Y21).
    pub(super) fn confirmed_consent(
        &self,
        row: &Mapping,
        told: Option<&Consent>,
        now: Timestamp,
    ) -> Option<(ConsentId, Consent)> {
        self.is_for_confirmation(row).then(|| {
            let id = ConsentId::mint(now, self.random_id());
            let consent = told.cloned();
            (id, consent.unwrap_or_else(|| Consent::implied(id, now)))
        })
    }

    pub(super) fn open_serial(&self, row: &Mapping) -> Result<Option<DeviceSerialNumber>, Failure> {
        let State::Pending { serial, .. } = &row.state else {
            return Ok(None);
        };
        let bytes = self.ports.sealer.open(row.id.as_bytes(), serial)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| SealError::DoesNotOpen)?;
        let serial = DeviceSerialNumber::parse(text).map_err(|_| SealError::DoesNotOpen)?;
        Ok(Some(serial))
    }

    pub(super) fn open_e2e(&self, row: &Mapping) -> Result<Option<Vec<u8>>, Failure> {
        let sealer = self.ports.sealer.as_ref();
        Ok(row
            .e2e
            .as_ref()
            .map(|e2e| sealer.open(row.id.as_bytes(), e2e))
            .transpose()?)
    }

    pub(super) fn open_assignment(&self, mapping: Mapping) -> Result<OpenAssignment, Failure> {
        let serial = self.open_serial(&mapping)?;
        let e2e = self.open_e2e(&mapping)?;
        let is_pending = matches!(mapping.state, State::Pending { .. });
        let owed = Owed {
            consent: is_pending
                && mapping.consent_record.is_none()
                && self.is_for_confirmation(&mapping),
            owner: is_pending && mapping.owner.is_some(),
        };
        Ok(OpenAssignment {
            mapping,
            serial,
            e2e,
            owed,
        })
    }
}

const fn overruled_by(cause: &FailureCause) -> AnswerError {
    match cause {
        FailureCause::ConsentRequired => AnswerError::ConsentRequired,
        FailureCause::UtiInUse => AnswerError::UtiInUse,
        FailureCause::DeviceRevoked => AnswerError::DeviceRevoked,
        FailureCause::NotAllowed => AnswerError::NotAllowed,
        FailureCause::NotOwner => AnswerError::NotOwner,
        FailureCause::NoAgreement => AnswerError::NoAgreement,
        FailureCause::Rejected(_) | FailureCause::Unreachable | FailureCause::TimedOut => {
            AnswerError::NotPending
        }
    }
}
