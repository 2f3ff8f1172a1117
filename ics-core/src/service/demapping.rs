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
use crate::procedure::access::authorize_own;
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
        let directory = self.directory();
        authorize_own(
            self.ports.decision_point.as_ref(),
            &directory,
            principal,
            point,
            now,
        )?;
        let demapping = Demapping {
            cause: request.cause,
            sub_cause: request.sub_cause.clone(),
            by: EndedBy::Party(role),
        };
        let selection = choose_rows(&principal.sp, role, &request.selector)?;
        // t8 A.3: from the IoT SP by device ID, the device ID is dead; even before any row has it,
        // so that an answer on its way cannot bring it in.
        if let (Selector::Device(device_id, _), DemappingCause::DeviceUnregistered) =
            (&request.selector, request.cause)
        {
            let device = self.device_index(&principal.sp, device_id);
            self.commit(decide_device_death(device)).await?;
        }
        let own = |row: &Mapping| match role {
            Role::ThirdPartySp => row.third_party_sp == principal.sp,
            Role::IotSp => row.iot_sp == principal.sp,
        };
        let removed = match &selection {
            Chosen::One(id) => {
                let row = self.ports.store.load(*id).await.map_err(Failure::from)?;
                let row = row.filter(|row| own(row)).ok_or(DemapError::NotFound)?;
                self.end_rows(&[row], &demapping, now).await?
            }
            Chosen::Key(key) => {
                let row = self
                    .ports
                    .store
                    .load_live(key)
                    .await
                    .map_err(Failure::from)?;
                let row = row.filter(|row| own(row)).ok_or(DemapError::NotFound)?;
                self.end_rows(&[row], &demapping, now).await?
            }
            Chosen::Many(selection, service) => {
                let wanted = |row: &Mapping| {
                    own(row)
                        && service
                            .as_ref()
                            .is_none_or(|uri| *uri == row.key.service_uri)
                };
                self.end_selection(selection, wanted, &demapping, now)
                    .await?
            }
        };
        if removed.removed == 0 {
            Err(DemapError::NotFound)
        } else {
            Ok(removed)
        }
    }

    /// Ends all live rows of a selection, a batch at a time.
    pub(super) async fn end_selection(
        &self,
        selection: &Selection,
        wanted: impl Fn(&Mapping) -> bool,
        demapping: &Demapping,
        now: Timestamp,
    ) -> Result<Demapped, Failure> {
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
            let ended = self.end_rows(&rows, demapping, now).await?;
            let room = Demapped::LISTED.saturating_sub(total.mappings.len());
            total.removed = total.removed.saturating_add(ended.removed);
            total.mappings.extend(ended.mappings.into_iter().take(room));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(total);
            }
        }
    }

    /// Ends these rows in one transaction; with UTI_INVALID, all rows of their UTIs.
    pub(super) async fn end_rows(
        &self,
        rows: &[Mapping],
        demapping: &Demapping,
        now: Timestamp,
    ) -> Result<Demapped, Failure> {
        let ids: BTreeSet<MappingId> = rows.iter().map(|row| row.id).collect();
        for _ in 0..ATTEMPTS {
            let mut by_uti: BTreeMap<(SpId, Uti), BTreeMap<MappingId, Mapping>> = BTreeMap::new();
            for id in &ids {
                let Some(row) = self.ports.store.load(*id).await? else {
                    continue;
                };
                let uti = (row.third_party_sp.clone(), row.key.uti.clone());
                by_uti.entry(uti).or_default().insert(row.id, row);
            }
            if demapping.cause == DemappingCause::UtiInvalid {
                self.complete_utis(&mut by_uti).await?;
            }
            let mut change = Change::default();
            for rows in by_uti.into_values() {
                let mut with_facts = Vec::with_capacity(rows.len());
                for row in rows.into_values() {
                    let facts = self.row_facts(&row).await?;
                    with_facts.push((row, facts));
                }
                if let Some(more) = decide_demapping(&with_facts, demapping, &self.knobs, now) {
                    change = change.join(more);
                }
            }
            let ended: Vec<MappingId> = change
                .mappings()
                .iter()
                .filter_map(|write| write.after.as_ref().map(|row| row.id))
                .collect();
            if self.commit(change).await? == Committed::Yes {
                return Ok(Demapped {
                    removed: ended.len(),
                    mappings: ended,
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
