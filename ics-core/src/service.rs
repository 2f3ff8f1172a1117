//! Joins the pure procedures to the ports: load, decide, commit, ring.
//!
//! Thin on purpose: nothing is decided here. A commit that was overtaken is loaded and decided
//! again, a bounded number of times.

mod access;
mod assignment;
mod bulk;
mod channel;
mod consent;
mod delivery;
mod demapping;
mod device;
mod expiry;
mod fence;
mod inquiry;
mod job;
mod keepsake;
mod mapping;
mod onboarding;
mod ownership;
mod presence;
mod subscription;
mod turn;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

pub use access::{Profile, ProfileError};
pub use assignment::{AnswerError, AnswerInput, AssignmentError, OpenAssignment, Owed};
pub use channel::{
    ChannelError, DeviceClaim, DeviceRefusal, Given, OwnMapping, PreSharedKey, Unauthenticated,
};
pub use consent::{ConsentAsk, ConsentError, ConsentOffer, Link, LinkError};
pub use delivery::{Consignment, Route};
pub use demapping::{DemapError, DemapOutcome, DemapRequest, Demapped, Selector};
pub use device::{
    AwaitedPage, AwaitedPlace, ChosenPassword, DeviceAmendment, DeviceError, DeviceTerms,
    InvalidPassword, IssuedCredential, Manager, NewCredential, RegisteredDevice,
};
pub use inquiry::{DeviceAnswer, InquiryError, TransactionAnswer};
pub use job::JobError;
pub use keepsake::KeepError;
pub use mapping::{AmendmentInput, MappingError, MappingRequest, RequestError, StatusFilter};
pub use onboarding::{AgreementTerms, EndedRows, OnboardingError, PartyTerms};
pub use ownership::OwnershipError;
pub use presence::PresenceTerms;
pub use subscription::{SubscriptionError, SubscriptionTerms};

use crate::change::{Change, Write};
use crate::device::HostedDevice;
use crate::directory::{Directory, DirectoryKey};
use crate::id::{DeviceId, IdentifierSchemes, MappingId, SpId, Uti};
use crate::mapping::{Mapping, MappingKey, State, UtiRecord};
use crate::party::PartyStatus;
use crate::port::{
    CommitError, DecisionPoint, Denied, DeviceAuthority, DeviceBell, DirectorySource, Entropy,
    OutboxBell, PasswordHasher, RateLimiter, SealError, Sealer, Store, StoreError,
};
use crate::principal::Principal;
use crate::procedure::access::authorize_own;
use crate::procedure::demapping::RowFacts;
use crate::procedure::hosting::{revise_document, turnovers};
use crate::procedure::{Knobs, Listeners};
use crate::reference_point::ReferencePoint;
use crate::sealed::{BlindIndex, BlindIndexDomain};
use crate::time::Timestamp;

/// How often a change that was overtaken is decided anew before the caller is asked to come back.
const ATTEMPTS: usize = 16;

/// What the service stands on.
pub struct Ports {
    /// Rows, outbox, directory.
    pub store: Arc<dyn Store>,
    /// Secrets at rest.
    pub sealer: Arc<dyn Sealer>,
    /// Who may do what.
    pub decision_point: Arc<dyn DecisionPoint>,
    /// Parties and agreements.
    pub directory: Arc<dyn DirectorySource>,
    /// Limits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Wakes the deliverer.
    pub bell: Arc<dyn OutboxBell>,
    /// Wakes the device channels.
    pub device_bell: Arc<dyn DeviceBell>,
    /// Certificates of hosted devices.
    pub device_authority: Arc<dyn DeviceAuthority>,
    /// Stretches passwords that IoT SPs choose for their devices; without it none are taken.
    pub password_hasher: Option<Arc<dyn PasswordHasher>>,
}

/// The identity correlation service.
pub struct IcsService {
    ports: Ports,
    knobs: Knobs,
    schemes: IdentifierSchemes,
}

/// Why the service itself failed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault gave no answer.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Overtaken too often; come back.
    #[error("too many changes at once")]
    Busy,
}

/// Whether a commit took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Committed {
    Yes,
    Overtaken,
}

impl IcsService {
    /// A service over these ports.
    #[must_use]
    pub fn new(ports: Ports, knobs: Knobs) -> Self {
        Self {
            ports,
            knobs,
            schemes: IdentifierSchemes::default(),
        }
    }

    /// This service, reading identifiers by these schemes.
    #[must_use]
    pub fn with_schemes(self, schemes: IdentifierSchemes) -> Self {
        Self { schemes, ..self }
    }

    /// The schemes identifiers that come in are read by.
    #[must_use]
    pub const fn schemes(&self) -> &IdentifierSchemes {
        &self.schemes
    }

    /// The newest directory snapshot.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.ports.directory.snapshot()
    }

    /// The times it works by.
    #[must_use]
    pub const fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// Commits, then tells the directory and the deliverer what is new.
    async fn commit(&self, change: Change) -> Result<Committed, Failure> {
        if change.is_empty() {
            return Ok(Committed::Yes);
        }
        let change = self.with_documents(change).await?;
        let addressees: BTreeSet<_> = change
            .outbox()
            .iter()
            .filter_map(|w| w.after.as_ref().or(w.before.as_ref()))
            .map(|entry| entry.key.addressee.clone())
            .collect();
        let directory = (!change.directory().is_empty()).then(|| Change {
            directory: change.directory.clone(),
            ..Change::default()
        });
        let devices = change.devices.clone();
        let parties = parties_of(&change);
        match self.ports.store.commit(change).await {
            Ok(()) => {}
            Err(CommitError::Conflict) => return Ok(Committed::Overtaken),
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
        if let Some(directory) = directory {
            self.ports.directory.update(&directory);
        }
        for party in &parties {
            self.ports.device_bell.recheck(party);
        }
        for addressee in &addressees {
            self.ports.bell.ring(addressee);
        }
        for Write { before, after } in &devices {
            if let Some(device) = after.as_ref().or(before.as_ref()) {
                self.ports.device_bell.ring(&device.id, after.as_ref());
            }
        }
        Ok(Committed::Yes)
    }

    /// `change`, with the documents of the hosted devices whose rows it writes.
    async fn with_documents(&self, mut change: Change) -> Result<Change, Failure> {
        for (device, turnover) in turnovers(change.mappings()) {
            let stored = self.ports.store.load_device(&device).await?;
            revise_document(&mut change, (&device, stored), &turnover);
        }
        Ok(change)
    }

    /// The directory of now, if `principal` may use what is its own over `point`.
    fn admit(
        &self,
        principal: &Principal,
        point: ReferencePoint,
        now: Timestamp,
    ) -> Result<Arc<Directory>, Denied> {
        let directory = self.directory();
        let decision_point = self.ports.decision_point.as_ref();
        authorize_own(decision_point, &directory, principal, point, now)?;
        Ok(directory)
    }

    async fn load(&self, id: MappingId) -> Result<Option<Mapping>, Failure> {
        Ok(self.ports.store.load(id).await?)
    }

    async fn load_live(&self, key: &MappingKey) -> Result<Option<Mapping>, Failure> {
        Ok(self.ports.store.load_live(key).await?)
    }

    /// What is kept of a UTI for ever, and under which index.
    async fn load_uti(
        &self,
        third_party_sp: &SpId,
        uti: &Uti,
    ) -> Result<(BlindIndex, Option<UtiRecord>), Failure> {
        let parts = [third_party_sp.as_str().as_bytes(), uti.as_str().as_bytes()];
        let index = self
            .ports
            .sealer
            .blind_index(BlindIndexDomain::UtiRecord, &parts);
        Ok((index, self.ports.store.load_uti_record(index).await?))
    }

    /// Everything a procedure needs to end or settle `row`.
    async fn row_facts(&self, row: &Mapping) -> Result<RowFacts, Failure> {
        let (uti_index, uti) = self.load_uti(&row.third_party_sp, &row.key.uti).await?;
        let push = match row.state {
            State::Pending { .. } => {
                self.ports
                    .store
                    .load_entry(&crate::procedure::telling::push_key(row))
                    .await?
            }
            _ => None,
        };
        Ok(RowFacts {
            listeners: self.listeners(row),
            uti_index,
            uti,
            push,
        })
    }

    fn listeners(&self, row: &Mapping) -> Listeners {
        let directory = self.directory();
        let listens = |sp, is_named: bool| {
            let party = directory.party(sp);
            let onboard = party.filter(|party| party.status != PartyStatus::Removed);
            onboard.is_some_and(|party| is_named || party.onem2m.is_some())
        };
        let is_subscribed = directory.subscription_of(row).is_some();
        Listeners {
            third_party_sp: listens(&row.third_party_sp, row.has_listener()),
            iot_sp: listens(&row.iot_sp, is_subscribed),
        }
    }

    fn device_index(&self, iot_sp: &SpId, device_id: &DeviceId) -> BlindIndex {
        let parts = [iot_sp.as_str().as_bytes(), device_id.as_str().as_bytes()];
        self.ports
            .sealer
            .blind_index(BlindIndexDomain::Device, &parts)
    }

    /// Of a user, as the IoT SP of their devices knows them.
    fn owner_index(&self, iot_sp: &SpId, subject: &str) -> BlindIndex {
        let parts = [iot_sp.as_str().as_bytes(), subject.as_bytes()];
        self.ports
            .sealer
            .blind_index(BlindIndexDomain::Owner, &parts)
    }

    /// Of the user a hosted device is registered for.
    fn registered_owner(&self, device: &HostedDevice) -> Option<BlindIndex> {
        let owner = device.owner.as_ref()?;
        Some(self.owner_index(&device.iot_sp, owner.as_str()))
    }

    async fn load_hosted(&self, id: &DeviceId) -> Result<Option<HostedDevice>, Failure> {
        Ok(self.ports.store.load_device(id).await?)
    }

    /// When the third party may learn that a row of that time failed: floor and jitter after its request.
    fn disclose_at(&self, created: Timestamp) -> Timestamp {
        let mut random = [0_u8; 4];
        self.ports.entropy.fill(&mut random);
        let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        let jitter = self.knobs.failure_jitter.mul_f64(share);
        if self.knobs.failure_floor == Duration::ZERO {
            return created;
        }
        created.plus(self.knobs.failure_floor).plus(jitter)
    }

    fn random_id(&self) -> [u8; 10] {
        let mut random = [0_u8; 10];
        self.ports.entropy.fill(&mut random);
        random
    }
}

/// The parties that `change` writes: what their devices may do has changed with them.
fn parties_of(change: &Change) -> Vec<SpId> {
    let keys = change.directory.iter().map(|(key, _)| key);
    keys.filter_map(|key| match key {
        DirectoryKey::Party(id) => Some(id.clone()),
        _ => None,
    })
    .collect()
}
