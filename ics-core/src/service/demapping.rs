//! ICS-3 and ICS-4: Y.4462 10.2, by either side, for rows it is a party to. Up to [`BATCH`] rows
//! end in one transaction; of more, the first transaction is a fence, and a job ends them.

use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::fence::{Fence, FenceScope};
use crate::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use crate::job::{Job, JobOwner};
use crate::mapping::{CauseCode, DemappingCause, EndedBy, Mapping, MappingKey};
use crate::port::{Denied, Selection};
use crate::principal::Principal;
use crate::procedure::demapping::{Demapping, decide_demapping};
use crate::procedure::sweep::decide_fenced_demapping;
use crate::reference_point::{ReferencePoint, Role};
use crate::time::Timestamp;

/// How many rows one transaction ends.
pub(super) const BATCH: usize = 1000;

/// Which of the caller's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// One row.
    Mapping(MappingId),
    /// All rows of a UTI (third party SP).
    Uti(Uti),
    /// One row by its key (third party SP).
    Key(MappingKey),
    /// All rows of a service (third party SP).
    Service(ServiceUri),
    /// All rows of a device, or those of one service (IoT SP).
    Device(DeviceId, Option<ServiceUri>),
}

/// A de-mapping request, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemapRequest {
    /// The condition of 10.2 the caller states.
    pub cause: DemappingCause,
    /// More about it.
    pub sub_cause: Option<CauseCode>,
    /// Which rows.
    pub selector: Selector,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demapped {
    /// The rows, at most [`Demapped::LISTED`] of them.
    pub mappings: Vec<MappingId>,
    /// How many there were.
    pub removed: usize,
}

/// What became of a de-mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemapOutcome {
    /// The rows are ended.
    Removed(Demapped),
    /// There are more than one transaction takes: they are gone, and a job ends them.
    Started(Arc<Job>),
}

impl Demapped {
    /// How many rows an answer lists.
    pub const LISTED: usize = 1000;

    pub(super) fn add(&mut self, more: Self) {
        self.removed = self.removed.saturating_add(more.removed);
        let room = Self::LISTED.saturating_sub(self.mappings.len());
        self.mappings.extend(more.mappings.into_iter().take(room));
    }
}

/// Whether a row is meant.
pub(super) type Wanted<'a> = &'a (dyn Fn(&Mapping) -> bool + Sync);

/// How rows end, and which of them the requester is told of.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    /// Why, in what words, by whom.
    pub(super) demapping: &'a Demapping,
    /// The requester's own rows.
    pub(super) told: Wanted<'a>,
    /// The fence they are behind. Without one, rows that are behind one are left to it.
    pub(super) fence: Option<&'a Fence>,
}

/// Why nothing was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemapError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No live row of the caller matches; rows of others never do.
    #[error("mapping not found")]
    NotFound,
    /// The selector belongs to the other role.
    #[error("selector not open to this role")]
    SelectorOfOtherRole,
    /// The service failed. What was removed before stays removed; ask again for the rest.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl IcsService {
    /// De-maps the caller's rows that match, over ICS-3 or ICS-4 as `role` says.
    ///
    /// # Errors
    /// [`DemapError`].
    pub async fn demap(
        &self,
        principal: &Principal,
        (role, request): (Role, &DemapRequest),
        now: Timestamp,
    ) -> Result<DemapOutcome, DemapError> {
        let point = match role {
            Role::ThirdPartySp => ReferencePoint::Ics3,
            Role::IotSp => ReferencePoint::Ics4,
        };
        self.admit(principal, point, now)?;
        let demapping = Demapping {
            cause: request.cause,
            sub_cause: request.sub_cause.clone(),
            by: EndedBy::Party(role),
        };
        let sp = &principal.sp;
        let own = |row: &Mapping| match role {
            Role::ThirdPartySp => row.third_party_sp == *sp,
            Role::IotSp => row.iot_sp == *sp,
        };
        let ending = Ending {
            demapping: &demapping,
            told: &own,
            fence: None,
        };
        match choose_rows(sp, role, &request.selector)? {
            Chosen::One(id) => {
                let row = self.load(id).await?;
                self.demap_one(row, ending, now).await
            }
            Chosen::Key(key) => {
                let row = self.load_live(&key).await?;
                self.demap_one(row, ending, now).await
            }
            Chosen::Many(scope) => {
                let owner = JobOwner::Party(sp.clone(), role);
                self.demap_many((scope, owner), ending, now).await
            }
        }
    }

    async fn demap_one(
        &self,
        row: Option<Mapping>,
        ending: Ending<'_>,
        now: Timestamp,
    ) -> Result<DemapOutcome, DemapError> {
        let row = row.filter(|row| (ending.told)(row));
        let row = row.ok_or(DemapError::NotFound)?;
        let removed = self
            .end_rows(&[row], ending, &Change::default(), now)
            .await?;
        removed_or_not_found(removed)
    }

    /// Ends all live rows of a selection, a batch at a time; `also` goes with the first batch.
    pub(super) async fn end_selection(
        &self,
        (selection, wanted): (&Selection, Wanted<'_>),
        ending: Ending<'_>,
        also: &Change,
        now: Timestamp,
    ) -> Result<Demapped, Failure> {
        let nothing = Change::default();
        let mut also = also;
        let mut total = Demapped::default();
        let mut cursor = None;
        loop {
            let page = self
                .ports
                .store
                .walk(selection, cursor.as_ref(), BATCH)
                .await?;
            let rows: Vec<_> = page
                .mappings
                .into_iter()
                .filter(|row| row.is_live() && wanted(row))
                .collect();
            total.add(self.end_rows(&rows, ending, also, now).await?);
            also = &nothing;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(total);
            }
            give_way().await;
        }
    }

    /// Ends these rows, and writes `also`, in one transaction; with UTI_INVALID, all rows of their
    /// UTIs.
    pub(super) async fn end_rows(
        &self,
        rows: &[Mapping],
        ending: Ending<'_>,
        also: &Change,
        now: Timestamp,
    ) -> Result<Demapped, Failure> {
        let ids: BTreeSet<MappingId> = rows.iter().map(|row| row.id).collect();
        for _ in 0..ATTEMPTS {
            let change = self.decide_end(&ids, ending, now).await?;
            let change = also.clone().join(change);
            // A UTI's rows may be of several IoT SPs: each is told of its own.
            let told = change
                .mappings()
                .iter()
                .filter_map(|write| write.after.as_ref());
            let mappings: Vec<_> = told
                .filter(|row| (ending.told)(row))
                .map(|row| row.id)
                .collect();
            if self.commit(change).await? == Committed::Yes {
                return Ok(Demapped {
                    removed: mappings.len(),
                    mappings,
                });
            }
        }
        Err(Failure::Busy)
    }

    /// What ends these rows; with UTI_INVALID, all rows of their UTIs.
    pub(super) async fn decide_end(
        &self,
        ids: &BTreeSet<MappingId>,
        ending: Ending<'_>,
        now: Timestamp,
    ) -> Result<Change, Failure> {
        let directory = self.directory();
        let mut by_uti: BTreeMap<(SpId, Uti), BTreeMap<MappingId, Mapping>> = BTreeMap::new();
        for id in ids {
            let Some(row) = self.load(*id).await? else {
                continue;
            };
            let uti = (row.third_party_sp.clone(), row.key.uti.clone());
            by_uti.entry(uti).or_default().insert(row.id, row);
        }
        if ending.demapping.cause == DemappingCause::UtiInvalid {
            self.complete_utis(&mut by_uti).await?;
        }
        let mut change = Change::default();
        for rows in by_uti.into_values() {
            let mut with_facts = Vec::with_capacity(rows.len());
            for row in rows.into_values() {
                // What another fence took is gone already, for its own cause.
                let first = directory.fence_over(&row).map(|fence| fence.job);
                if first.is_none() || first == ending.fence.map(|fence| fence.job) {
                    let facts = self.row_facts(&row).await?;
                    with_facts.push((row, facts));
                }
            }
            let more = match ending.fence {
                None => decide_demapping(&with_facts, ending.demapping, &self.knobs, now),
                Some(fence) => decide_fenced_demapping(&with_facts, fence, &self.knobs, now),
            };
            change = change.join(more.unwrap_or_default());
        }
        Ok(change)
    }

    /// UTI_INVALID takes every live row of the UTI, whoever says it.
    async fn complete_utis(
        &self,
        by_uti: &mut BTreeMap<(SpId, Uti), BTreeMap<MappingId, Mapping>>,
    ) -> Result<(), Failure> {
        for ((third_party_sp, uti), rows) in by_uti.iter_mut() {
            // Not by a tombstone: somebody else may have the UTI's rows by now.
            if !rows.values().any(Mapping::is_live) {
                continue;
            }
            let selection = Selection::Uti {
                third_party_sp: third_party_sp.clone(),
                uti: uti.clone(),
            };
            let mut cursor = None;
            loop {
                let page = self
                    .ports
                    .store
                    .walk(&selection, cursor.as_ref(), BATCH)
                    .await?;
                rows.extend(page.mappings.into_iter().map(|row| (row.id, row)));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
                give_way().await;
            }
        }
        Ok(())
    }
}

pub(super) fn removed_or_not_found(removed: Demapped) -> Result<DemapOutcome, DemapError> {
    if removed.removed == 0 {
        Err(DemapError::NotFound)
    } else {
        Ok(DemapOutcome::Removed(removed))
    }
}

/// How the selected rows are found.
enum Chosen {
    One(MappingId),
    Key(MappingKey),
    Many(FenceScope),
}

fn choose_rows(sp: &SpId, role: Role, selector: &Selector) -> Result<Chosen, DemapError> {
    Ok(match (role, selector) {
        (_, Selector::Mapping(id)) => Chosen::One(*id),
        (Role::ThirdPartySp, Selector::Key(key)) => Chosen::Key(key.clone()),
        (Role::ThirdPartySp, Selector::Uti(uti)) => Chosen::Many(FenceScope::Uti {
            third_party_sp: sp.clone(),
            uti: uti.clone(),
        }),
        (Role::ThirdPartySp, Selector::Service(uri)) => Chosen::Many(FenceScope::Service {
            third_party_sp: sp.clone(),
            service_uri: uri.clone(),
        }),
        (Role::IotSp, Selector::Device(device_id, service)) => Chosen::Many(FenceScope::Device {
            iot_sp: sp.clone(),
            device_id: device_id.clone(),
            service_uri: service.clone(),
        }),
        _ => return Err(DemapError::SelectorOfOtherRole),
    })
}
