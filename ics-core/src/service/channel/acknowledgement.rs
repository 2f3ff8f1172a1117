//! What a device says of the rows it was offered and those it holds: stored, refused, given up
//! (Y.4462 10.1 steps 6 and 7, 10.2).

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::demapping::Ending;
use super::super::fence::date_establishment;
use super::super::{ATTEMPTS, Committed, Failure, IcsService};
use super::{ChannelError, DeviceRefusal, Given, Unauthenticated};
use crate::change::Change;
use crate::device::{Channel, DeviceStatus};
use crate::device_document::{Acknowledgement, AcknowledgementMeaning};
use crate::id::MappingId;
use crate::mapping::{CauseCode, DemappingCause, EndedBy, FailureCause, Mapping, State, sub_cause};
use crate::port::Denied;
use crate::principal::DeviceIdentity;
use crate::procedure::access::authorize_establishment;
use crate::procedure::assignment::{Answer, AnswerOutcome, decide_answer, decide_failure};
use crate::procedure::demapping::Demapping;
use crate::procedure::hosting::decide_acknowledged;
use crate::time::Timestamp;

impl IcsService {
    /// The device says what it holds (Y.4462 10.1 step 6, and the proof of forgetting): rows that
    /// were offered are established, those it refused fail. Idempotent; what it answers is durable.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn acknowledge_document(
        &self,
        (identity, channel): (&Arc<DeviceIdentity>, Channel),
        acknowledgement: &Acknowledgement,
        now: Timestamp,
    ) -> Result<AcknowledgementMeaning, ChannelError> {
        for _ in 0..ATTEMPTS {
            let device = self.admit_device(identity, channel, now).await?;
            let meaning = device.document.meaning_of(acknowledgement);
            match meaning {
                AcknowledgementMeaning::NeverOffered => return Err(ChannelError::NeverOffered),
                AcknowledgementMeaning::Stale => return Ok(meaning),
                AcknowledgementMeaning::Current => {}
            }
            let refused = |id: &MappingId| acknowledgement.refused.contains(id);
            let (refused, stored): (Vec<MappingId>, Vec<MappingId>) =
                device.document.rows.iter().copied().partition(refused);
            for id in stored {
                self.establish_stored(identity, id, now).await?;
            }
            // All it refused goes with what it acknowledged, in one change: no crash leaves half.
            let refusals = self.decide_refused(identity, &refused, now).await?;
            let change = decide_acknowledged(&device).join(refusals);
            if self.commit(change).await? == Committed::Overtaken {
                continue;
            }
            if device.status == DeviceStatus::Active {
                self.offer_waiting(&device, now).await?;
            }
            return Ok(meaning);
        }
        Err(Failure::Busy.into())
    }

    /// The device, or its user by it, gives one of its rows up for ever (Y46): both SPs are told.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn give_up_mapping(
        &self,
        (identity, channel): (&Arc<DeviceIdentity>, Channel),
        given: &Given,
        now: Timestamp,
    ) -> Result<(), ChannelError> {
        self.admit_active(identity, channel, now).await?;
        for _ in 0..ATTEMPTS {
            let row = match given {
                Given::Mapping(id) => self.load(*id).await?,
                Given::Key(key) => self.load_live(key).await?,
            };
            let row = row.filter(Mapping::is_to_be_held);
            let row = row.ok_or(ChannelError::NotFound)?;
            let change = self.decide_refused(identity, &[row.id], now).await?;
            if change.is_empty() {
                return Err(ChannelError::NotFound);
            }
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }

    /// Step 7 in the name of the IoT SP: the device has stored the pair. A row that is answered
    /// already stays so.
    async fn establish_stored(
        &self,
        identity: &Arc<DeviceIdentity>,
        id: MappingId,
        now: Timestamp,
    ) -> Result<(), ChannelError> {
        let principal = identity.principal();
        let device_index = self.device_index(&identity.iot_sp, &identity.device_id);
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let Some(row) = self.load_own(identity, id, now).await? else {
                return Ok(());
            };
            if !matches!(row.state, State::Pending { .. }) {
                return Ok(());
            }
            let dead = self.ports.store.is_device_dead(device_index).await;
            let Some(device) = self.load_hosted(&identity.device_id).await? else {
                return Ok(());
            };
            let answer = Answer::Accepted {
                device_id: identity.device_id.clone(),
                device_index,
                device_dead: dead.map_err(Failure::from)?,
                owner: self.registered_owner(&device),
                consent: None,
            };
            let facts = self.row_facts(&row).await?;
            let decision_point = self.ports.decision_point.as_ref();
            let serial = self.open_serial(&row)?;
            let asked = (&row, serial.as_ref(), &identity.device_id);
            let permission =
                authorize_establishment(decision_point, &directory, &principal, asked, now);
            if let Err(Denied::NotServed) = permission {
                // Suspended since: its rows stay as they are.
                return Err(DeviceRefusal::from(Unauthenticated::SpNotServed).into());
            }
            let since = date_establishment(&directory, (&row, &identity.device_id), now);
            let times = (&self.knobs, self.disclose_at(row.created));
            let outcome = decide_answer(&row, answer, (permission, &facts), times, (now, since));
            let change = match outcome {
                Ok(
                    AnswerOutcome::Settled { change, .. } | AnswerOutcome::Overruled { change, .. },
                ) => change,
                Ok(AnswerOutcome::Replayed(_)) | Err(_) => return Ok(()),
            };
            let change = change.knowing_fences(&directory).knowing_device(&device);
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }

    /// What ends those of these rows that are the device's: it or its user does not want them. One
    /// that was offered fails, one that was held is given up.
    async fn decide_refused(
        &self,
        identity: &DeviceIdentity,
        ids: &[MappingId],
        now: Timestamp,
    ) -> Result<Change, Failure> {
        let directory = self.directory();
        let (mut held, mut offered) = (BTreeSet::new(), Vec::new());
        for id in ids {
            let row = self.load_own(identity, *id, now).await?;
            match row.as_ref().map(|row| &row.state) {
                Some(State::Established { .. }) => held.extend([*id]),
                Some(State::Pending { .. }) => offered.extend(row),
                _ => {}
            }
        }
        // channels.md A: becomes UTI_INVALID / DEVICE_REVOKED at the ICS.
        let demapping = Demapping {
            cause: DemappingCause::UtiInvalid,
            sub_cause: Some(CauseCode::fixed(sub_cause::DEVICE_REVOKED)),
            by: EndedBy::Device,
        };
        let ending = Ending {
            demapping: &demapping,
            told: &|_| true,
            fence: None,
        };
        let mut change = self.decide_end(&held, ending, now).await?;
        for row in offered {
            // A UTI that is killed has taken all its rows along.
            if !change.writes_mapping(row.id) {
                change = change
                    .clone()
                    .followed_by(self.decide_rejection(&row, &change, now).await?);
            }
        }
        Ok(change.knowing_fences(&directory))
    }

    /// What has an offered row fail because its device refused it, after `so_far`.
    async fn decide_rejection(
        &self,
        row: &Mapping,
        so_far: &Change,
        now: Timestamp,
    ) -> Result<Change, Failure> {
        let mut facts = self.row_facts(row).await?;
        facts.uti = so_far.uti_record_after(facts.uti_index).or(facts.uti);
        let cause = FailureCause::Rejected(CauseCode::fixed(sub_cause::DEVICE_REFUSED));
        let times = (&self.knobs, self.disclose_at(row.created));
        Ok(decide_failure(row, cause, &facts, times, now).1)
    }

    /// The row, as it is by now, if it is the device's.
    async fn load_own(
        &self,
        identity: &DeviceIdentity,
        id: MappingId,
        now: Timestamp,
    ) -> Result<Option<Mapping>, Failure> {
        let row = self.load(id).await?;
        let own = row.filter(|row| row.hosted.as_ref() == Some(&identity.device_id));
        match own {
            Some(row) => Ok(Some(self.settle(row, now).await?)),
            None => Ok(None),
        }
    }
}
