//! What time does by itself, a batch at a time. The gateway calls this on its own clock.

use alloc::sync::Arc;

use super::demapping::{Ending, Wanted};
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::fence::{Fence, FenceScope};
use crate::id::AgreementId;
use crate::job::Job;
use crate::mapping::{CauseCode, DemappingCause, EndedBy, FailureCause, Mapping, State, sub_cause};
use crate::party::{Agreement, PartyStatus};
use crate::port::Selection;
use crate::procedure::demapping::Demapping;
use crate::procedure::expiry::{Due, decide_due};
use crate::time::Timestamp;
use crate::timekeeping::ClockMark;

/// How many due rows one look takes.
const PAGE: usize = 256;

impl IcsService {
    /// Does what is due at `now`; tells how many rows it changed.
    ///
    /// # Errors
    /// [`Failure`]; what was done before stays done.
    pub async fn sweep_due(&self, now: Timestamp) -> Result<usize, Failure> {
        let selection = Selection::Due(now);
        let mut cursor = None;
        let mut changed = 0_usize;
        loop {
            let page = self
                .ports
                .store
                .walk(&selection, cursor.as_ref(), PAGE)
                .await?;
            for row in page.mappings {
                if self.expire(&row, now).await? {
                    changed = changed.saturating_add(1);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(changed);
            }
            give_way().await;
        }
    }

    /// Keeps what the next start compares the wall clock with.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn remember_time(&self, mark: ClockMark) -> Result<(), Failure> {
        let change = Change {
            clock_mark: Some(mark),
            ..Change::default()
        };
        self.commit(change).await.map(drop)
    }

    async fn expire(&self, row: &Mapping, now: Timestamp) -> Result<bool, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(row) = self.ports.store.load(row.id).await? else {
                return Ok(false);
            };
            if row.is_live() && self.is_frozen(&row) {
                return Ok(false);
            }
            let row = self.settle(row, now).await?;
            let facts = self.row_facts(&row).await?;
            match decide_due(
                &row,
                &facts,
                (&self.knobs, self.disclose_at(row.created)),
                now,
            ) {
                None => return Ok(false),
                Some(Due::Demap(demapping)) => {
                    let ending = Ending {
                        demapping: &demapping,
                        told: &|_| true,
                        fence: None,
                    };
                    let ended = self
                        .end_rows(&[row], ending, &Change::default(), now)
                        .await?;
                    return Ok(ended.removed > 0);
                }
                Some(Due::Change(change)) => {
                    let timed_out = change.mappings().iter().any(|write| {
                        matches!(
                            write.after.as_ref().map(|row| &row.state),
                            Some(
                                State::Failed {
                                    cause: FailureCause::TimedOut,
                                    ..
                                } | State::Failing {
                                    cause: FailureCause::TimedOut,
                                    ..
                                }
                            )
                        )
                    });
                    if self.commit(change).await? == Committed::Yes {
                        if timed_out && row.is_live() {
                            self.ports.limiter.count_failure(&row.third_party_sp, now);
                        }
                        return Ok(true);
                    }
                }
            }
        }
        Err(Failure::Busy)
    }

    /// A suspended party's rows stay as they are: nothing deleted, nothing lost (t8 A.8).
    fn is_frozen(&self, row: &Mapping) -> bool {
        let directory = self.directory();
        [&row.third_party_sp, &row.iot_sp].into_iter().any(|sp| {
            directory
                .party(sp)
                .is_some_and(|party| party.status == PartyStatus::Suspended)
        })
    }

    /// De-maps what still lives under agreements that are over: an operator's `agreement end` or
    /// `sp remove` that was cut off half way, an agreement that ran out.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep_ended_agreements(&self, now: Timestamp) -> Result<usize, Failure> {
        let directory = self.directory();
        let mut ended = 0_usize;
        for agreement in directory.agreements() {
            let over =
                agreement.ended.is_some() || agreement.valid_until.is_some_and(|end| end <= now);
            // What a job sweeps, it sweeps.
            if over && self.job_of_agreement(&agreement.id).is_none() {
                let more = self.end_agreement_rows(agreement, now).await?;
                ended = ended.saturating_add(more);
            }
        }
        Ok(ended)
    }

    pub(super) async fn end_agreement_rows(
        &self,
        agreement: &Agreement,
        now: Timestamp,
    ) -> Result<usize, Failure> {
        let demapping = self.end_of_agreement(agreement);
        let selection = Selection::IotSp(agreement.iot_sp.clone());
        let of_agreement = |row: &Mapping| row.agreement == agreement.id;
        let ending = Ending {
            demapping: &demapping,
            told: &|_| true,
            fence: None,
        };
        let which = (&selection, &of_agreement as Wanted<'_>);
        Ok(self
            .end_selection(which, ending, &Change::default(), now)
            .await?
            .removed)
    }

    /// The job of the fence over an agreement's rows, as long as that stands: one at work, or one
    /// that failed, whose rows wait for [`IcsService::retry_job`] and are nobody else's to sweep.
    pub(super) fn job_of_agreement(&self, id: &AgreementId) -> Option<Arc<Job>> {
        let directory = self.directory();
        let of_agreement = |fence: &&Arc<Fence>| matches!(&fence.scope, FenceScope::Agreement { agreement, .. } if agreement == id);
        let fence = directory.fences().find(of_agreement)?;
        directory.job(&fence.job).cloned()
    }

    /// Why rows end with an agreement.
    pub(super) fn end_of_agreement(&self, agreement: &Agreement) -> Demapping {
        let directory = self.directory();
        let removed = |sp| {
            directory
                .party(sp)
                .is_some_and(|party| party.status == PartyStatus::Removed)
        };
        let why = if removed(&agreement.iot_sp) || removed(&agreement.third_party_sp) {
            sub_cause::SP_REMOVED
        } else {
            sub_cause::AGREEMENT_ENDED
        };
        Demapping {
            cause: DemappingCause::ServiceInvalid,
            sub_cause: Some(CauseCode::fixed(why)),
            by: EndedBy::Ics,
        }
    }

    /// How many live rows stand on `agreement`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn count_agreement_rows(&self, agreement: &Agreement) -> Result<usize, Failure> {
        let selection = Selection::IotSp(agreement.iot_sp.clone());
        let mut count = 0_usize;
        let mut cursor = None;
        loop {
            let page = self
                .ports
                .store
                .walk(&selection, cursor.as_ref(), PAGE)
                .await?;
            let directory = self.directory();
            let own = page
                .mappings
                .iter()
                .filter(|row| row.agreement == agreement.id && directory.fence_over(row).is_none());
            count = count.saturating_add(own.count());
            cursor = page.next;
            if cursor.is_none() {
                return Ok(count);
            }
            give_way().await;
        }
    }
}
