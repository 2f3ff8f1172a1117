//! ICS-3 and ICS-4: Y.4462 10.2, by either side, for rows it is a party to.

use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use crate::mapping::{CauseCode, DemappingCause, EndedBy, Mapping, MappingKey};
use crate::port::{Denied, Selection};
use crate::principal::Principal;
use crate::procedure::demapping::{Demapping, decide_demapping, decide_device_death};
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

impl Demapped {
    /// How many rows an answer lists.
    pub const LISTED: usize = 1000;

    fn add(&mut self, more: Self) {
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
    ) -> Result<Demapped, DemapError> {
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
        let selection = choose_rows(&principal.sp, role, &request.selector)?;
        // t8 A.3: from the IoT SP by device ID alone, the device ID is dead.
        let death = match (&request.selector, request.cause) {
            (Selector::Device(device_id, None), DemappingCause::DeviceUnregistered) => {
                decide_device_death(self.device_index(&principal.sp, device_id))
            }
            _ => Change::default(),
        };
        let own = |row: &Mapping| match role {
            Role::ThirdPartySp => row.third_party_sp == principal.sp,
            Role::IotSp => row.iot_sp == principal.sp,
        };
        let ending = Ending {
            demapping: &demapping,
            told: &own,
        };
        let removed = match &selection {
            Chosen::One(id) => {
                let row = self.load(*id).await?;
                let row = row.filter(|row| own(row)).ok_or(DemapError::NotFound)?;
                self.end_rows(&[row], ending, &death, now).await?
            }
            Chosen::Key(key) => {
                let row = self.load_live(key).await?;
                let row = row.filter(|row| own(row)).ok_or(DemapError::NotFound)?;
                self.end_rows(&[row], ending, &death, now).await?
            }
            Chosen::Many(selection, service) => {
                let wanted = |row: &Mapping| {
                    own(row)
                        && service
                            .as_ref()
                            .is_none_or(|uri| *uri == row.key.service_uri)
                };
                let which = (selection, &wanted as Wanted<'_>);
                let mut removed = self.end_selection(which, ending, &death, now).await?;
                if !death.is_empty() {
                    // Rows that got the device ID while it was dying; none can from now on.
                    let late = self
                        .end_selection(which, ending, &Change::default(), now)
                        .await?;
                    removed.add(late);
                }
                removed
            }
        };
        if removed.removed == 0 {
            Err(DemapError::NotFound)
        } else {
            Ok(removed)
        }
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
            let mut by_uti: BTreeMap<(SpId, Uti), BTreeMap<MappingId, Mapping>> = BTreeMap::new();
            for id in &ids {
                let Some(row) = self.load(*id).await? else {
                    continue;
                };
                let uti = (row.third_party_sp.clone(), row.key.uti.clone());
                by_uti.entry(uti).or_default().insert(row.id, row);
            }
            if ending.demapping.cause == DemappingCause::UtiInvalid {
                self.complete_utis(&mut by_uti).await?;
            }
            let mut change = also.clone();
            for rows in by_uti.into_values() {
                let mut with_facts = Vec::with_capacity(rows.len());
                for row in rows.into_values() {
                    let facts = self.row_facts(&row).await?;
                    with_facts.push((row, facts));
                }
                let more = decide_demapping(&with_facts, ending.demapping, &self.knobs, now);
                change = change.join(more.unwrap_or_default());
            }
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
            }
        }
        Ok(())
    }
}

/// How the selected rows are found.
enum Chosen {
    One(MappingId),
    Key(MappingKey),
    Many(Selection, Option<ServiceUri>),
}

fn choose_rows(sp: &SpId, role: Role, selector: &Selector) -> Result<Chosen, DemapError> {
    Ok(match (role, selector) {
        (_, Selector::Mapping(id)) => Chosen::One(*id),
        (Role::ThirdPartySp, Selector::Key(key)) => Chosen::Key(key.clone()),
        (Role::ThirdPartySp, Selector::Uti(uti)) => Chosen::Many(
            Selection::Uti {
                third_party_sp: sp.clone(),
                uti: uti.clone(),
            },
            None,
        ),
        (Role::ThirdPartySp, Selector::Service(uri)) => {
            Chosen::Many(Selection::Service(uri.clone()), None)
        }
        (Role::IotSp, Selector::Device(device_id, service)) => Chosen::Many(
            Selection::Device {
                iot_sp: sp.clone(),
                device_id: device_id.clone(),
            },
            service.clone(),
        ),
        _ => return Err(DemapError::SelectorOfOtherRole),
    })
}
