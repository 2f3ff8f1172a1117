//! ICS-1: request a mapping, see it, amend it, cancel it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::fence::date_request;
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::consent::ConsentRecord;
use crate::device::HostedDevice;
use crate::directory::RoutingFailure;
use crate::id::{CallbackUri, ConsentId, DeviceSerialNumber, MappingId, PairingCode, SpId};
use crate::mapping::{Attribute, Consent, Features, Mapping, MappingKey, MappingStatus, State};
use crate::party::{Party, PartyStatus};
use crate::port::{Cursor, Denied, Selection};
use crate::principal::Principal;
use crate::procedure::Listeners;
use crate::procedure::access::{RequestDenied, RequestedMapping, ShownConsent, authorize_request};
use crate::procedure::mapping::{
    Amendment, AmendmentRefusal, NewMapping, Pairing, RequestFacts, RequestOutcome, RequestRefusal,
    decide_amendment, decide_cancellation, decide_request,
};
use crate::reference_point::{ReferencePoint, Role};
use crate::sealed::{BlindIndex, BlindIndexDomain};
use crate::time::Timestamp;

/// A mapping request as the third party made it, parsed.
#[derive(Clone, Debug)]
pub struct MappingRequest {
    /// Service URI and UTI.
    pub key: MappingKey,
    /// The device, as printed.
    pub serial: DeviceSerialNumber,
    /// Its maker, if told.
    pub device_vendor: Option<Attribute>,
    /// Its model, if told.
    pub device_model: Option<Attribute>,
    /// The IoT SP, if named.
    pub iot_sp: Option<SpId>,
    /// How long to wait for the device, if told.
    pub validity: Option<Duration>,
    /// The consent it asserts.
    pub consent: Option<Consent>,
    /// Where the third party takes notifications.
    pub destination: Option<CallbackUri>,
    /// Whether it takes them over its websocket; heeded where that was negotiated.
    pub websocket: bool,
    /// Negotiated features.
    pub features: Features,
    /// When the UTI stops being valid.
    pub uti_expiry: Option<Timestamp>,
    /// The third party's end-to-end value for the device: opaque bytes.
    pub e2e: Option<Vec<u8>>,
    /// The pairing code of the device, if the user was shown one.
    pub pairing_code: Option<PairingCode>,
    /// Whether a test notification is wanted.
    pub request_test: bool,
}

/// Why a mapping was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not permitted.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No IoT SP could be chosen.
    #[error("no IoT service provider could be chosen")]
    Routing(RoutingFailure),
    /// The notification destination is not at an origin the operator pinned for the caller.
    #[error("notification destination not registered")]
    DestinationNotRegistered,
    /// The wait asked for is outside the operator's range.
    #[error("validity period out of range")]
    ValidityOutOfRange,
    /// The UTI's expiry lies in the past.
    #[error("UTI expiry lies in the past")]
    UtiExpired,
    /// The UTI belongs to another device, or was killed.
    #[error("UTI in use")]
    UtiInUse,
    /// The agreement takes a pairing code, and none was shown.
    #[error("pairing code required")]
    PairingRequired,
    /// Too many of the caller's mappings failed today.
    #[error("quota of failed mappings exceeded")]
    QuotaExceeded,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<RequestDenied> for RequestError {
    fn from(denied: RequestDenied) -> Self {
        match denied {
            RequestDenied::Denied(denied) => Self::Denied(denied),
            RequestDenied::Routing(failure) => Self::Routing(failure),
        }
    }
}

/// Why a mapping could not be seen or changed by its third party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not there, or not the caller's: the same to a stranger.
    #[error("mapping not found")]
    NotFound,
    /// No longer pending.
    #[error("mapping is not pending")]
    NotPending,
    /// The notification destination is not at an origin the operator pinned for the caller.
    #[error("notification destination not registered")]
    DestinationNotRegistered,
    /// Neither a destination nor the websocket would be left.
    #[error("nowhere to notify")]
    NowhereToNotify,
    /// The wait asked for is outside the operator's range.
    #[error("validity period out of range")]
    ValidityOutOfRange,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// What a third party may change while it waits.
#[derive(Clone, Debug, Default)]
pub struct AmendmentInput {
    /// Another destination.
    pub destination: Option<CallbackUri>,
    /// Whether notifications go over the websocket; heeded where that was negotiated.
    pub websocket: Option<bool>,
    /// Another wait, from the row's creation.
    pub validity: Option<Duration>,
}

/// Rows of one status, or all.
pub type StatusFilter = Option<MappingStatus>;

impl IcsService {
    /// Y.4462 10.1 steps 1 and 2. `true`: a new row, durable by now; `false`: the same request
    /// came before.
    ///
    /// # Errors
    /// [`RequestError`]; nothing was stored then, and nothing will be pushed.
    pub async fn request_mapping(
        &self,
        principal: &Principal,
        request: &MappingRequest,
        now: Timestamp,
    ) -> Result<(Mapping, bool), RequestError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let live = match self.load_live(&request.key).await? {
                Some(row) => Some(self.settle(row, now).await?).filter(Mapping::is_live),
                None => None,
            };
            let given = self.load_given(principal).await?;
            let shown = match (&given, &request.consent) {
                (Some(record), _) => ShownConsent::Given {
                    record,
                    serial: self.serial_index(&request.serial),
                    live: live.as_ref().map(|row| row.id),
                },
                (None, Some(consent)) => ShownConsent::Asserted(consent),
                (None, None) => ShownConsent::Nothing,
            };
            let requested = RequestedMapping {
                service_uri: &request.key.service_uri,
                serial: &request.serial,
                vendor: request.device_vendor.as_ref(),
                model: request.device_model.as_ref(),
                iot_sp: request.iot_sp.as_ref(),
                consent: shown,
            };
            let decision_point = self.ports.decision_point.as_ref();
            let asked = authorize_request(decision_point, &directory, principal, &requested, now);
            let permission = match asked {
                Ok(permission) => permission,
                Err(denied) => {
                    let frozen = self.find_frozen(principal, (request, denied), now).await?;
                    return match frozen {
                        Some(row) => Ok((row, false)),
                        None => Err(denied.into()),
                    };
                }
            };
            self.check_request(principal, request, now)?;
            let uti = (&principal.sp, &request.key.uti);
            self.settle_uti(&directory, uti, now).await?;
            let (uti_index, uti) = self.load_uti(&principal.sp, &request.key.uti).await?;
            let made = date_request(&directory, (&principal.sp, &request.key), now);
            let mut new = self.seal_request(request, made)?;
            let (iot_sp, vendor) = (&permission.facts().iot_sp, request.device_vendor.as_ref());
            new.subscription = directory
                .push_subscription(iot_sp, &request.serial, vendor)
                .map(|s| s.id);
            let hosted = self.ports.store.find_device(iot_sp, new.serial_index).await;
            let hosted = hosted.map_err(Failure::from)?;
            let speaks = |sp| {
                let party = directory.party(sp);
                party.is_some_and(|party| party.onem2m.is_some())
            };
            // One with registrations pulls what none of them wants.
            let has_registered = directory.subscriptions(iot_sp).next().is_some();
            let listeners = Listeners {
                third_party_sp: new.has_listener() || speaks(&principal.sp),
                iot_sp: new.subscription.is_some() || (!has_registered && speaks(iot_sp)),
            };
            let facts = RequestFacts {
                live: live.as_ref(),
                uti_index,
                uti,
                listeners,
                hosted: hosted.as_ref(),
                hosted_owner: hosted
                    .as_ref()
                    .and_then(|device| self.registered_owner(device)),
                pairing: self.show_pairing(request, hosted.as_ref()),
                disclose_at: self.disclose_at(made),
            };
            let outcome = decide_request(&permission, &new, &facts, &self.knobs, made).map_err(
                |refusal| match refusal {
                    RequestRefusal::UtiInUse => RequestError::UtiInUse,
                    RequestRefusal::PairingRequired => RequestError::PairingRequired,
                },
            )?;
            match outcome {
                RequestOutcome::Existing(mapping) => return Ok((mapping, false)),
                RequestOutcome::Created { mapping, change } => {
                    let change = change.knowing_fences(&directory);
                    if self.commit(change).await? == Committed::Yes {
                        if matches!(mapping.state, State::Failing { .. }) {
                            self.ports.limiter.count_failure(&principal.sp, now);
                        }
                        return Ok((mapping, true));
                    }
                }
            }
        }
        Err(Failure::Busy.into())
    }

    /// The row that a request repeats, where only that its IoT SP is suspended keeps the request
    /// from being permitted. t8 A.8: it is frozen, not gone; its third party may look at it, and a
    /// repeated request is told of it as ever.
    async fn find_frozen(
        &self,
        principal: &Principal,
        (request, denied): (&MappingRequest, RequestDenied),
        now: Timestamp,
    ) -> Result<Option<Mapping>, Failure> {
        // Role, scope and ownership have been asked by then, in this order.
        let (RequestDenied::Routing(_) | RequestDenied::Denied(Denied::NoAgreement)) = denied
        else {
            return Ok(None);
        };
        let Some(row) = self.load_live(&request.key).await? else {
            return Ok(None);
        };
        let row = self.settle(row, now).await?;
        let serial = self.serial_index(&request.serial);
        let same = row.third_party_sp == principal.sp && row.serial_index == serial;
        let directory = self.directory();
        let iot_sp = directory.party(&row.iot_sp);
        let frozen = iot_sp.is_some_and(|party| party.status == PartyStatus::Suspended);
        let agreement = directory.agreement(&row.agreement);
        let agreed = agreement.is_some_and(|a| a.is_active(now) && a.covers(&row.key.service_uri));
        Ok(Some(row).filter(|row| row.is_live() && same && frozen && agreed))
    }

    /// The consent that the caller's token was issued for. One that is gone serves nobody.
    async fn load_given(&self, principal: &Principal) -> Result<Option<ConsentRecord>, Failure> {
        match principal.consent {
            Some(id) => Ok(self.ports.store.load_consent(id).await?),
            None => Ok(None),
        }
    }

    pub(super) fn serial_index(&self, serial: &DeviceSerialNumber) -> BlindIndex {
        let serial = serial.expose().as_bytes();
        self.ports
            .sealer
            .blind_index(BlindIndexDomain::Serial, &[serial])
    }

    /// A code is hashed whether or not there is a device it could be of: that costs the same.
    fn show_pairing(&self, request: &MappingRequest, hosted: Option<&HostedDevice>) -> Pairing {
        let Some(code) = &request.pairing_code else {
            return Pairing::NotShown;
        };
        let device = hosted.map_or("", |device| device.id.as_str());
        let index = self.pairing_index(device, code);
        Pairing::Code(hosted.map(|_| index))
    }

    fn check_request(
        &self,
        principal: &Principal,
        request: &MappingRequest,
        now: Timestamp,
    ) -> Result<(), RequestError> {
        let directory = self.directory();
        let party = directory.party(&principal.sp);
        if !may_be_notified(party, request.destination.as_ref()) {
            return Err(RequestError::DestinationNotRegistered);
        }
        if !self.allows_wait(request.validity) {
            return Err(RequestError::ValidityOutOfRange);
        }
        if request.uti_expiry.is_some_and(|end| end <= now) {
            return Err(RequestError::UtiExpired);
        }
        if !party.is_some_and(|p| self.ports.limiter.has_failure_quota(p, now)) {
            return Err(RequestError::QuotaExceeded);
        }
        Ok(())
    }

    /// What the caller leaves open is the operator's choice.
    fn allows_wait(&self, wait: Option<Duration>) -> bool {
        let range = self.knobs.pending_min..=self.knobs.pending_max;
        wait.is_none_or(|wait| range.contains(&wait))
    }

    fn seal_request(
        &self,
        request: &MappingRequest,
        now: Timestamp,
    ) -> Result<NewMapping, Failure> {
        let id = MappingId::mint(now, self.random_id());
        let sealer = self.ports.sealer.as_ref();
        let serial = request.serial.expose().as_bytes();
        let seal = |value: &[u8]| sealer.seal(id.as_bytes(), value);
        Ok(NewMapping {
            id,
            key: request.key.clone(),
            serial: seal(serial)?,
            serial_index: self.serial_index(&request.serial),
            device_vendor: request.device_vendor.clone(),
            device_model: request.device_model.clone(),
            e2e: request.e2e.as_deref().map(seal).transpose()?,
            destination: request.destination.clone(),
            websocket: request.websocket && request.features.contain(Features::WEBSOCKET),
            subscription: None,
            features: request.features,
            uti_expiry: request.uti_expiry,
            consent_id: ConsentId::mint(now, self.random_id()),
            deadline: now.plus(request.validity.unwrap_or(self.knobs.pending_default)),
            request_test: request.request_test,
        })
    }

    /// One row of the caller.
    ///
    /// # Errors
    /// [`MappingError`].
    pub async fn read_mapping(
        &self,
        principal: &Principal,
        id: MappingId,
        now: Timestamp,
    ) -> Result<Mapping, MappingError> {
        self.admit(principal, ReferencePoint::Ics1, now)?;
        let row = self.load(id).await?;
        let row = row.filter(|row| row.third_party_sp == principal.sp);
        let row = row.ok_or(MappingError::NotFound)?;
        Ok(self.show_row(row).await?)
    }

    /// Rows of the caller, oldest first, tombstones included; at most `limit` are looked at.
    ///
    /// # Errors
    /// [`MappingError`].
    pub async fn list_mappings(
        &self,
        principal: &Principal,
        (status, after, limit): (StatusFilter, Option<&Cursor>, usize),
        now: Timestamp,
    ) -> Result<(Vec<Mapping>, Option<Cursor>), MappingError> {
        self.admit(principal, ReferencePoint::Ics1, now)?;
        let selection = Selection::ThirdPartySp(principal.sp.clone());
        let wanted = |row: &Mapping| {
            status.is_none_or(|status| row.status_towards(Role::ThirdPartySp) == status)
        };
        self.collect(&selection, (after, limit), wanted)
            .await
            .map_err(MappingError::from)
    }

    /// Walks on until `limit` wanted rows are found or there are no more.
    pub(super) async fn collect(
        &self,
        selection: &Selection,
        (after, limit): (Option<&Cursor>, usize),
        wanted: impl Fn(&Mapping) -> bool,
    ) -> Result<(Vec<Mapping>, Option<Cursor>), Failure> {
        let mut found = Vec::new();
        let mut cursor = after.cloned();
        loop {
            let room = limit.saturating_sub(found.len());
            let page = self
                .ports
                .store
                .walk(selection, cursor.as_ref(), room)
                .await?;
            let rows = self.show_rows(page.mappings).await?;
            found.extend(rows.into_iter().filter(&wanted));
            cursor = page.next;
            if cursor.is_none() || found.len() >= limit {
                return Ok((found, cursor));
            }
            give_way().await;
        }
    }

    /// Amends a pending row of the caller.
    ///
    /// # Errors
    /// [`MappingError`].
    pub async fn amend_mapping(
        &self,
        principal: &Principal,
        (id, input): (MappingId, &AmendmentInput),
        now: Timestamp,
    ) -> Result<Mapping, MappingError> {
        for _ in 0..ATTEMPTS {
            let row = self.read_mapping(principal, id, now).await?;
            // Behind a fence it is shown as ended, and cannot be amended.
            let directory = self.directory();
            let party = directory.party(&principal.sp);
            if !may_be_notified(party, input.destination.as_ref()) {
                return Err(MappingError::DestinationNotRegistered);
            }
            if !self.allows_wait(input.validity) {
                return Err(MappingError::ValidityOutOfRange);
            }
            let amendment = Amendment {
                destination: input.destination.clone(),
                websocket: input.websocket,
                deadline: input.validity.map(|wait| row.created.plus(wait)),
            };
            let (next, change) =
                decide_amendment(&row, &amendment, now).map_err(|refusal| match refusal {
                    AmendmentRefusal::NotPending(_) => MappingError::NotPending,
                    AmendmentRefusal::NowhereToNotify => MappingError::NowhereToNotify,
                })?;
            if self.commit(change).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Cancels a pending row of the caller.
    ///
    /// # Errors
    /// [`MappingError`]; [`MappingError::NotFound`] when it was cancelled before.
    pub async fn cancel_mapping(
        &self,
        principal: &Principal,
        id: MappingId,
        now: Timestamp,
    ) -> Result<(), MappingError> {
        for _ in 0..ATTEMPTS {
            let row = self.read_mapping(principal, id, now).await?;
            // t8 A.7: a repeated DELETE finds nothing.
            if !row.is_live() {
                return Err(MappingError::NotFound);
            }
            let facts = self.row_facts(&row).await?;
            let change = decide_cancellation(&row, &facts, &self.knobs, now)
                .map_err(|_| MappingError::NotPending)?;
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }
}

/// Whether `destination`, if there is one, is at an origin the operator pinned for the party.
fn may_be_notified(party: Option<&Arc<Party>>, destination: Option<&CallbackUri>) -> bool {
    destination.is_none_or(|uri| party.is_some_and(|party| party.may_be_notified_at(uri)))
}
