//! What fences do to every other procedure: a row behind one is gone, for whoever looks; whoever
//! would write it ends it first, as the sweep would.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::demapping::{BATCH, Ending};
use super::turn::give_way;
use super::{Failure, IcsService};
use crate::change::Change;
use crate::correlation::Correlation;
use crate::directory::Directory;
use crate::fence::{Fence, FenceScope, date_after};
use crate::id::{DeviceId, SpId, Uti};
use crate::mapping::{Mapping, MappingKey};
use crate::port::Selection;
use crate::procedure::sweep::show_fenced;
use crate::time::Timestamp;

impl IcsService {
    /// The fence `row` is behind, if any.
    pub(super) async fn fence_over(
        &self,
        directory: &Directory,
        row: &Mapping,
    ) -> Result<Option<Arc<Fence>>, Failure> {
        if !row.is_live() {
            return Ok(None);
        }
        match directory.fence_over(row) {
            Some(fence) => Ok(Some(fence.clone())),
            None => {
                let uti = (&row.third_party_sp, &row.key.uti);
                let found = self.fence_over_uti(directory, uti).await?;
                Ok(found.map(|(fence, _)| fence))
            }
        }
    }

    /// Whether a row that an inquiry found is behind a fence. No store is asked unless a fence
    /// kills UTIs.
    pub(super) async fn is_fenced(
        &self,
        directory: &Directory,
        found: &Correlation,
    ) -> Result<bool, Failure> {
        if directory.fence_over_correlation(found).is_some() {
            return Ok(true);
        }
        let uti = (&found.third_party_sp, &found.key.uti);
        Ok(self.fence_over_uti(directory, uti).await?.is_some())
    }

    /// The fence that kills a UTI by covering one of its rows, and that row. The others of the
    /// UTI, outside the fence's own scope, go with it.
    async fn fence_over_uti(
        &self,
        directory: &Directory,
        (third_party_sp, uti): (&SpId, &Uti),
    ) -> Result<Option<(Arc<Fence>, Mapping)>, Failure> {
        let concerns = |fence: &Fence| fence.kills_utis() && fence.may_concern(third_party_sp);
        if !directory.fences().any(|fence| concerns(fence)) {
            return Ok(None);
        }
        let selection = Selection::Uti {
            third_party_sp: third_party_sp.clone(),
            uti: uti.clone(),
        };
        let mut cursor = None;
        loop {
            let store = self.ports.store.as_ref();
            let page = store.walk(&selection, cursor.as_ref(), BATCH).await?;
            for row in page.mappings {
                let fence = directory.fence_over(&row).filter(|f| f.kills_utis());
                if let Some(fence) = fence {
                    return Ok(Some((fence.clone(), row)));
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(None);
            }
            give_way().await;
        }
    }

    /// `row` as it is: one behind a fence is ended first.
    pub(super) async fn settle(&self, row: Mapping, now: Timestamp) -> Result<Mapping, Failure> {
        let directory = self.directory();
        match self.fence_over(&directory, &row).await? {
            None => Ok(row),
            Some(fence) => {
                let id = row.id;
                self.end_fenced(core::slice::from_ref(&row), &fence, now)
                    .await?;
                Ok(self.load(id).await?.unwrap_or(row))
            }
        }
    }

    /// Whether one of `rows` was behind a fence; it is ended by now.
    pub(super) async fn settle_all(
        &self,
        rows: &[Mapping],
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let directory = self.directory();
        let mut was_fenced = false;
        for row in rows {
            if let Some(fence) = self.fence_over(&directory, row).await? {
                self.end_fenced(core::slice::from_ref(row), &fence, now)
                    .await?;
                was_fenced = true;
            }
        }
        Ok(was_fenced)
    }

    /// Sees that a UTI that a fence kills is dead before a request for it is decided.
    pub(super) async fn settle_uti(
        &self,
        directory: &Directory,
        uti: (&SpId, &Uti),
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some((fence, row)) = self.fence_over_uti(directory, uti).await? {
            self.end_fenced(&[row], &fence, now).await?;
        }
        Ok(())
    }

    async fn end_fenced(
        &self,
        rows: &[Mapping],
        fence: &Arc<Fence>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let ending = Ending {
            demapping: &fence.demapping,
            told: &|_| true,
            fence: Some(fence),
        };
        self.end_rows(rows, ending, &Change::default(), now).await?;
        Ok(())
    }

    /// Rows as their parties may see them: those behind a fence as ended.
    pub(super) async fn show_rows(&self, rows: Vec<Mapping>) -> Result<Vec<Mapping>, Failure> {
        let directory = self.directory();
        if directory.fences().next().is_none() {
            return Ok(rows);
        }
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            shown.push(match self.fence_over(&directory, &row).await? {
                Some(fence) => show_fenced(&row, &fence, &self.knobs),
                None => row,
            });
        }
        Ok(shown)
    }

    /// One row as its parties may see it.
    pub(super) async fn show_row(&self, row: Mapping) -> Result<Mapping, Failure> {
        let directory = self.directory();
        Ok(match self.fence_over(&directory, &row).await? {
            Some(fence) => show_fenced(&row, &fence, &self.knobs),
            None => row,
        })
    }
}

/// When a row of `key` that is made at `now` is dated: after the fences over its service and UTI.
pub(super) fn date_request(
    directory: &Directory,
    (sp, key): (&SpId, &MappingKey),
    now: Timestamp,
) -> Timestamp {
    let falls_in = |scope: &FenceScope| match scope {
        FenceScope::Service {
            third_party_sp,
            service_uri,
        } => third_party_sp == sp && *service_uri == key.service_uri,
        FenceScope::Uti {
            third_party_sp,
            uti,
        } => third_party_sp == sp && *uti == key.uti,
        FenceScope::Device { .. } | FenceScope::Agreement { .. } => false,
    };
    date_after(directory.fences(), falls_in, now)
}

/// When `row` is dated that gets the device ID `device` at `now`: after the fences over the device.
pub(super) fn date_establishment(
    directory: &Directory,
    (row, device): (&Mapping, &DeviceId),
    now: Timestamp,
) -> Timestamp {
    let falls_in = |scope: &FenceScope| match scope {
        FenceScope::Device {
            iot_sp, device_id, ..
        } => *iot_sp == row.iot_sp && device_id == device,
        _ => false,
    };
    date_after(directory.fences(), falls_in, now)
}
