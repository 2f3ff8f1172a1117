//! ICS-7 and ICS-8: Y.4462 10.3. The hot path: one look-up in one index, no write, no allocation to spare.

use alloc::vec::Vec;

use super::turn::give_way;
use super::{Failure, IcsService};
use crate::correlation::Correlation;
use crate::id::{DeviceId, ServiceUri, SpId};
use crate::mapping::MappingKey;
use crate::port::{Denied, Selection};
use crate::principal::Principal;
use crate::procedure::access::authorize_inquiry;
use crate::procedure::inquiry::{answers_by_device, answers_by_transaction};
use crate::reference_point::ReferencePoint;
use crate::time::Timestamp;

/// How many rows of a device one look-up takes.
const PAGE: usize = 256;

/// Answer to a third party: the missing part; it knows the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionAnswer {
    /// The device ID, raw or pairwise as the agreement says.
    pub device_id: DeviceId,
    /// Whose device it is; device IDs are keyed by (IoT SP, device ID).
    pub iot_sp: SpId,
}

/// Answer to an IoT SP: the rows of one device, since when each holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAnswer {
    /// The rows.
    pub mappings: Vec<(MappingKey, Timestamp)>,
}

/// Why an inquiry was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InquiryError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Unknown, pending, deleted, somebody else's, agreement over: all the same.
    #[error("mapping not found")]
    NotFound,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl IcsService {
    /// Case 2: the device ID, only if service URI and UTI are in one row.
    ///
    /// # Errors
    /// [`InquiryError`].
    pub async fn inquire_by_transaction(
        &self,
        principal: &Principal,
        key: &MappingKey,
        now: Timestamp,
    ) -> Result<TransactionAnswer, InquiryError> {
        let point = ReferencePoint::Ics7;
        let directory = self.admit(principal, point, now)?;
        let decision_point = self.ports.decision_point.as_ref();
        let store = self.ports.store.as_ref();
        let found = store
            .correlate(key)
            .await
            .map_err(Failure::from)?
            .filter(|found| answers_by_transaction(found, &principal.sp, now))
            .ok_or(InquiryError::NotFound)?;
        if self.is_fenced(&directory, &found).await? {
            return Err(InquiryError::NotFound);
        }
        let agreement =
            authorize_inquiry(decision_point, &directory, principal, (&found, point), now)
                .map_err(|_| InquiryError::NotFound)?;
        Ok(TransactionAnswer {
            device_id: decision_point.disclose(agreement, &found.device_id),
            iot_sp: found.iot_sp,
        })
    }

    /// Y25: the device of the caller that a third party knows as `shown`. Walks over the caller's rows:
    /// what is shown cannot be turned back.
    ///
    /// # Errors
    /// [`InquiryError`]; not found also where that third party has no row of such a device any more.
    pub async fn resolve_device(
        &self,
        principal: &Principal,
        (third_party_sp, shown): (&SpId, &DeviceId),
        now: Timestamp,
    ) -> Result<DeviceId, InquiryError> {
        let point = ReferencePoint::Ics8;
        let directory = self.admit(principal, point, now)?;
        let decision_point = self.ports.decision_point.as_ref();
        let store = self.ports.store.as_ref();
        let selection = Selection::IotSp(principal.sp.clone());
        let is_shown = |found: &Correlation| {
            let agreement = directory.agreement(&found.agreement);
            found.third_party_sp == *third_party_sp
                && found.iot_sp == principal.sp
                && agreement.is_some_and(|agreement| {
                    decision_point.disclose(agreement, &found.device_id) == *shown
                })
        };
        let mut after = None;
        loop {
            let page = store.walk(&selection, after.as_ref(), PAGE).await;
            let page = page.map_err(Failure::from)?;
            let rows = page.mappings.iter().filter_map(Correlation::of);
            for found in rows.filter(&is_shown) {
                let asked = (&found, point);
                let allowed = authorize_inquiry(decision_point, &directory, principal, asked, now);
                if allowed.is_ok()
                    && found.holds(now)
                    && !self.is_fenced(&directory, &found).await?
                {
                    return Ok(found.device_id);
                }
            }
            after = page.next;
            if after.is_none() {
                return Err(InquiryError::NotFound);
            }
            give_way().await;
        }
    }

    /// Case 1: the rows of one of the caller's devices, of one service or all.
    ///
    /// # Errors
    /// [`InquiryError`].
    pub async fn inquire_by_device(
        &self,
        principal: &Principal,
        (device_id, service_uri): (&DeviceId, Option<&ServiceUri>),
        now: Timestamp,
    ) -> Result<DeviceAnswer, InquiryError> {
        let point = ReferencePoint::Ics8;
        let directory = self.admit(principal, point, now)?;
        let decision_point = self.ports.decision_point.as_ref();
        let device = (&principal.sp, device_id);
        let mut mappings = Vec::new();
        let mut after = None;
        loop {
            let store = self.ports.store.as_ref();
            let page = store
                .correlations(device, after, PAGE)
                .await
                .map_err(Failure::from)?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|found| found.mapping);
            for found in page {
                let asked = service_uri.is_none_or(|uri| *uri == found.key.service_uri);
                if asked
                    && answers_by_device(&found, &principal.sp, now)
                    && authorize_inquiry(
                        decision_point,
                        &directory,
                        principal,
                        (&found, point),
                        now,
                    )
                    .is_ok()
                    && !self.is_fenced(&directory, &found).await?
                {
                    mappings.push((found.key, found.since));
                }
            }
            if is_last {
                break;
            }
            give_way().await;
        }
        // Y.4462 11.1: a device that is not in the list gets the constant error.
        if mappings.is_empty() {
            Err(InquiryError::NotFound)
        } else {
            Ok(DeviceAnswer { mappings })
        }
    }
}
