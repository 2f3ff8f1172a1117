//! The user's consent at the gateway (row Y21, AUTH_CODE): offered, given, taken back; what a user
//! has consented to, and its withdrawal.

use alloc::vec::Vec;

use super::demapping::Ending;
use super::turn::give_way;
use super::{ATTEMPTS, Committed, Failure, IcsService, RequestError};
use crate::change::Change;
use crate::consent::{Consent, ConsentBasis, ConsentRecord, ConsentState};
use crate::id::{
    AgreementId, ConsentId, DeviceOwner, DeviceSerialNumber, MappingId, ServiceUri, SpId,
};
use crate::mapping::{
    Attribute, CauseCode, DemappingCause, EndedBy, Mapping, MappingStatus, sub_cause,
};
use crate::party::{Agreement, ConsentMode, PartyStatus};
use crate::port::{Cursor, Denied, Selection};
use crate::principal::Principal;
use crate::procedure::access::{RequestedMapping, ShownConsent, authorize_request};
use crate::procedure::consent::{
    decide_due_consent, decide_given, decide_taken_back, decide_withdrawn,
};
use crate::procedure::demapping::Demapping;
use crate::reference_point::Role;
use crate::time::Timestamp;

/// How many consents one look takes.
const PAGE: usize = 256;

/// What a third party SP wants its user to be asked, parsed.
#[derive(Clone, Debug)]
pub struct ConsentAsk {
    /// For which service.
    pub service_uri: ServiceUri,
    /// For which device, as printed.
    pub serial: DeviceSerialNumber,
    /// Its maker, if told.
    pub vendor: Option<Attribute>,
    /// Its model, if told.
    pub model: Option<Attribute>,
    /// The IoT SP, if named.
    pub iot_sp: Option<SpId>,
    /// Purpose, as a term of a vocabulary.
    pub purpose: Attribute,
    /// When the consent is to end, if it does.
    pub expires: Option<Timestamp>,
}

/// What a user can be asked: under which agreement, and whose user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentOffer {
    /// Who asks.
    pub third_party_sp: SpId,
    /// Whose user is to be asked.
    pub iot_sp: SpId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// Whether the mapping will take a pairing code as well.
    pub pairing_required: bool,
}

/// Why a consent is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// What was offered is no longer so: the agreement ended or changed, or a side is not served.
    #[error("no longer offered")]
    NotOffered,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// A live row of a device, as the user who owns it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The row.
    pub mapping: MappingId,
    /// Whose service.
    pub third_party_sp: SpId,
    /// The service.
    pub service_uri: ServiceUri,
    /// Maker of the device, if told.
    pub device_vendor: Option<Attribute>,
    /// Its model, if told.
    pub device_model: Option<Attribute>,
    /// What for, where that is known.
    pub purpose: Option<Attribute>,
    /// Pending or established, as the third party SP sees it.
    pub status: MappingStatus,
    /// When it was asked for.
    pub since: Timestamp,
    /// When the consent ends by itself, if it does.
    pub until: Option<Timestamp>,
}

/// Why a link was not withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not there, or not of a device of that user: the same to a stranger.
    #[error("link not found")]
    NotFound,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl IcsService {
    /// Whether the caller may ask for the mapping it wants a consent for, and whose user is to be
    /// asked. Nothing is written.
    ///
    /// # Errors
    /// [`RequestError`]; [`Denied::ConsentRequired`] where the agreement has consent established in
    /// another way than at the gateway.
    pub fn offer_consent(
        &self,
        principal: &Principal,
        ask: &ConsentAsk,
        now: Timestamp,
    ) -> Result<ConsentOffer, RequestError> {
        let directory = self.directory();
        if ask.expires.is_some_and(|end| end <= now) {
            return Err(RequestError::ValidityOutOfRange);
        }
        let wanted = ask.as_consent(ConsentId::mint(now, self.random_id()), now);
        let requested = RequestedMapping {
            service_uri: &ask.service_uri,
            serial: &ask.serial,
            vendor: ask.vendor.as_ref(),
            model: ask.model.as_ref(),
            iot_sp: ask.iot_sp.as_ref(),
            consent: ShownConsent::Wanted(&wanted),
        };
        let decision_point = self.ports.decision_point.as_ref();
        let permission = authorize_request(decision_point, &directory, principal, &requested, now)?;
        let permitted = permission.facts();
        // Another mode that needs no consent at this point is none the gateway asks in.
        if permitted.consent_mode != ConsentMode::AuthCode {
            return Err(Denied::ConsentRequired.into());
        }
        let party = directory.party(&principal.sp);
        let has_quota = party.is_some_and(|p| self.ports.limiter.has_failure_quota(p, now));
        if !has_quota {
            return Err(RequestError::QuotaExceeded);
        }
        Ok(ConsentOffer {
            third_party_sp: permitted.third_party_sp.clone(),
            iot_sp: permitted.iot_sp.clone(),
            agreement: permitted.agreement,
            pairing_required: permitted.pairing_required,
        })
    }

    /// The user `owner` of the offer's IoT SP consents: one mapping may be made on it, within
    /// [`ConsentRecord::USABLE`].
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn give_consent(
        &self,
        (offer, ask): (&ConsentOffer, &ConsentAsk),
        owner: &DeviceOwner,
        now: Timestamp,
    ) -> Result<ConsentRecord, ConsentError> {
        for _ in 0..ATTEMPTS {
            let agreement = self.offered_agreement(offer, ask, now)?;
            let until = now.plus(ConsentRecord::USABLE);
            let record = ConsentRecord {
                id: ConsentId::mint(now, self.random_id()),
                third_party_sp: offer.third_party_sp.clone(),
                iot_sp: offer.iot_sp.clone(),
                agreement: offer.agreement,
                service_uri: ask.service_uri.clone(),
                serial_index: self.serial_index(&ask.serial),
                basis: ConsentBasis::User {
                    owner: self.owner_index(&offer.iot_sp, owner.expose()),
                },
                purpose: ask.purpose.clone(),
                granted_at: now,
                expires: ask.expires,
                state: ConsentState::Given { until },
                due: until,
                version: 1,
            };
            let change = decide_given(record.clone(), &agreement);
            if self.commit(change).await? == Committed::Yes {
                return Ok(record);
            }
        }
        Err(Failure::Busy.into())
    }

    /// The agreement of an offer, as long as what was offered stands.
    fn offered_agreement(
        &self,
        offer: &ConsentOffer,
        ask: &ConsentAsk,
        now: Timestamp,
    ) -> Result<Agreement, ConsentError> {
        let directory = self.directory();
        let is_served = |sp: &SpId| {
            let party = directory.party(sp);
            party.is_some_and(|party| party.status == PartyStatus::Active)
        };
        let agreement = directory.agreement(&offer.agreement).filter(|agreement| {
            agreement.is_active(now)
                && agreement.covers(&ask.service_uri)
                && agreement.consent_mode == ConsentMode::AuthCode
                && is_served(&offer.iot_sp)
                && is_served(&offer.third_party_sp)
        });
        let agreement = agreement.ok_or(ConsentError::NotOffered)?;
        Ok(Agreement::clone(agreement))
    }

    /// Takes back a consent that nothing stands on: whoever held its code was not who it was for.
    /// `false`: a row stands on it, or it is gone already.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn take_back_consent(&self, id: ConsentId) -> Result<bool, Failure> {
        for _ in 0..ATTEMPTS {
            let Some(record) = self.ports.store.load_consent(id).await? else {
                return Ok(false);
            };
            let Some(change) = decide_taken_back(&record) else {
                return Ok(false);
            };
            if self.commit(change).await? == Committed::Yes {
                return Ok(true);
            }
        }
        Err(Failure::Busy)
    }

    /// Lets go of consents whose time is over; tells how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep_consents(&self, now: Timestamp) -> Result<usize, Failure> {
        let mut gone = 0_usize;
        loop {
            let page = self.ports.store.due_consents(now, PAGE).await?;
            let is_last = page.len() < PAGE;
            for record in page {
                let row = match record.mapping() {
                    Some(id) => self.load(id).await?,
                    None => None,
                };
                let times = (&self.knobs, now);
                if let Some(change) = decide_due_consent(&record, row.as_ref(), times)
                    && self.commit(change).await? == Committed::Yes
                {
                    gone = gone.saturating_add(1);
                }
            }
            if is_last {
                return Ok(gone);
            }
            give_way().await;
        }
    }

    /// The live rows of the devices that are `owner`'s at `iot_sp`, at most `limit` looked at, and
    /// where to go on.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn list_links(
        &self,
        (iot_sp, owner): (&SpId, &DeviceOwner),
        (after, limit): (Option<&Cursor>, usize),
    ) -> Result<(Vec<Link>, Option<Cursor>), Failure> {
        let selection = Selection::Owner(self.owner_index(iot_sp, owner.expose()));
        let (rows, next) = self
            .collect(&selection, (after, limit), Mapping::is_live)
            .await?;
        Ok((rows.iter().map(Link::of).collect(), next))
    }

    /// The user withdraws a link (Y46): its row ends on every channel, both SPs are told, and what is
    /// kept of the consent says so. Answers the consent it stood on: its tokens are to be revoked.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn withdraw_link(
        &self,
        (iot_sp, owner): (&SpId, &DeviceOwner),
        id: MappingId,
        now: Timestamp,
    ) -> Result<Option<ConsentId>, LinkError> {
        let owner = self.owner_index(iot_sp, owner.expose());
        let demapping = Demapping {
            cause: DemappingCause::UserAuthorizationWithdrawn,
            sub_cause: Some(CauseCode::fixed(sub_cause::WITHDRAWN_BY_USER)),
            by: EndedBy::User,
        };
        let ending = Ending {
            demapping: &demapping,
            told: &|_| true,
            fence: None,
        };
        for _ in 0..ATTEMPTS {
            let row = self.load(id).await?;
            let own = row.filter(|row| row.iot_sp == *iot_sp && row.owner == Some(owner));
            let row = self.settle(own.ok_or(LinkError::NotFound)?, now).await?;
            if !row.is_live() {
                return Err(LinkError::NotFound);
            }
            let kept = match row.consent_record {
                Some(kept) => self.ports.store.load_consent(kept).await,
                None => Ok(None),
            };
            let kept = kept.map_err(Failure::from)?;
            let also = kept
                .as_ref()
                .map(|kept| decide_withdrawn(kept, &self.knobs, now));
            let ended = self.decide_end(&[row.id].into(), ending, now).await?;
            // Ended meanwhile by somebody else.
            if !ended.writes_mapping(row.id) {
                return Err(LinkError::NotFound);
            }
            let change: Change = also.unwrap_or_default().join(ended);
            if self.commit(change).await? == Committed::Yes {
                return Ok(row.consent_record);
            }
        }
        Err(Failure::Busy.into())
    }
}

impl ConsentAsk {
    fn as_consent(&self, id: ConsentId, now: Timestamp) -> Consent {
        Consent {
            id: Attribute::of_consent(id),
            purpose: self.purpose.clone(),
            subject: None,
            granted_at: now,
            expires: self.expires,
        }
    }
}

impl Link {
    fn of(row: &Mapping) -> Self {
        let consent = row.consent.as_ref();
        Self {
            mapping: row.id,
            third_party_sp: row.third_party_sp.clone(),
            service_uri: row.key.service_uri.clone(),
            device_vendor: row.device_vendor.clone(),
            device_model: row.device_model.clone(),
            purpose: consent.map(|consent| consent.purpose.clone()),
            status: row.status_towards(Role::ThirdPartySp),
            since: row.created,
            until: consent.and_then(|consent| consent.expires),
        }
    }
}
