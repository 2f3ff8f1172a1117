//! Everything the operator set and the service must know on every request, as one snapshot:
//! parties, agreements, subscriptions, certificates; fences and the jobs behind them.
//!
//! A snapshot is immutable; a change makes the next one. Lookups are pure.

mod revocation_list;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use revocation_list::RevocationList;

use crate::change::Change;
use crate::correlation::Correlation;
use crate::fence::Fence;
use crate::id::{AeId, AgreementId, DeviceSerialNumber, JobId, ServiceUri, SpId, SubscriptionId};
use crate::job::Job;
use crate::mapping::{Attribute, Mapping};
use crate::party::{Agreement, CertificateRecord, Party, PartyStatus, Subscription};
use crate::principal::{
    AuthenticationFailure, CertificateSerial, CertificateThumbprint, PeerCertificate,
};
use crate::time::Timestamp;

/// One record of the directory, as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryRecord {
    /// A service provider.
    Party(Arc<Party>),
    /// An agreement.
    Agreement(Arc<Agreement>),
    /// A subscription of an IoT SP.
    Subscription(Arc<Subscription>),
    /// A certificate issued or revoked.
    Certificate(Arc<CertificateRecord>),
    /// A bulk de-mapping in force.
    Fence(Arc<Fence>),
    /// What sweeps the rows behind a fence.
    Job(Arc<Job>),
}

/// What names a record of the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectoryKey {
    /// A service provider.
    Party(SpId),
    /// An agreement.
    Agreement(AgreementId),
    /// A subscription.
    Subscription(SubscriptionId),
    /// A certificate.
    Certificate(CertificateSerial),
    /// A fence, by its job.
    Fence(JobId),
    /// A job.
    Job(JobId),
}

impl DirectoryRecord {
    /// What names this record.
    #[must_use]
    pub fn key(&self) -> DirectoryKey {
        match self {
            Self::Party(r) => DirectoryKey::Party(r.id.clone()),
            Self::Agreement(r) => DirectoryKey::Agreement(r.id),
            Self::Subscription(r) => DirectoryKey::Subscription(r.id),
            Self::Certificate(r) => DirectoryKey::Certificate(r.serial.clone()),
            Self::Fence(r) => DirectoryKey::Fence(r.job),
            Self::Job(r) => DirectoryKey::Job(r.id),
        }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Party(r) => r.version,
            Self::Agreement(r) => r.version,
            Self::Subscription(r) => r.version,
            Self::Certificate(r) => r.version,
            // Never written twice.
            Self::Fence(_) => 1,
            Self::Job(r) => r.version,
        }
    }
}

/// A snapshot of all records, with the lookups that requests need.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    parties: BTreeMap<SpId, Arc<Party>>,
    /// Of those that are not removed.
    aes: BTreeMap<AeId, SpId>,
    agreements: BTreeMap<AgreementId, Arc<Agreement>>,
    pairs: BTreeMap<(SpId, SpId), BTreeSet<AgreementId>>,
    subscriptions: BTreeMap<SubscriptionId, Arc<Subscription>>,
    certificates: BTreeMap<CertificateSerial, Arc<CertificateRecord>>,
    revoked: BTreeSet<CertificateThumbprint>,
    /// Of authorities that are not ours. They lie in files, not in the store.
    lists: Arc<[RevocationList]>,
    /// In the order they were set up; few, and mostly none.
    fences: BTreeMap<JobId, Arc<Fence>>,
    jobs: BTreeMap<JobId, Arc<Job>>,
}

/// Why no IoT SP could be chosen for a serial number (reading 11: never broadcast one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoutingFailure {
    /// No agreed IoT SP answers for it.
    NotFound,
    /// More than one does: the request must name one.
    Ambiguous,
}

impl Directory {
    /// A snapshot of these records.
    pub fn from_records(records: impl IntoIterator<Item = DirectoryRecord>) -> Self {
        let mut directory = Self::default();
        for record in records {
            directory.put(record);
        }
        directory
    }

    /// Holds certificates of other authorities against these lists, and no others.
    pub fn set_lists(&mut self, lists: Vec<RevocationList>) {
        self.lists = lists.into();
    }

    /// Takes a record in, replacing the one of the same key.
    pub fn put(&mut self, record: DirectoryRecord) {
        match record {
            DirectoryRecord::Party(party) => {
                self.forget_ae(&party.id);
                if let Some(onem2m) = &party.onem2m
                    && party.status != PartyStatus::Removed
                {
                    self.aes.insert(onem2m.ae.clone(), party.id.clone());
                }
                self.parties.insert(party.id.clone(), party);
            }
            DirectoryRecord::Agreement(agreement) => {
                let pair = (agreement.iot_sp.clone(), agreement.third_party_sp.clone());
                self.pairs.entry(pair).or_default().insert(agreement.id);
                self.agreements.insert(agreement.id, agreement);
            }
            DirectoryRecord::Subscription(subscription) => {
                self.subscriptions.insert(subscription.id, subscription);
            }
            DirectoryRecord::Certificate(certificate) => {
                if let (Some(thumbprint), Some(_)) = (certificate.thumbprint, certificate.revoked) {
                    self.revoked.insert(thumbprint);
                }
                self.certificates
                    .insert(certificate.serial.clone(), certificate);
            }
            DirectoryRecord::Fence(fence) => {
                self.fences.insert(fence.job, fence);
            }
            DirectoryRecord::Job(job) => {
                self.jobs.insert(job.id, job);
            }
        }
    }

    /// Takes in the directory writes of a committed change, in whatever order changes arrive: an
    /// older version never replaces a newer one.
    pub fn apply(&mut self, change: &Change) {
        for (key, write) in change.directory() {
            match &write.after {
                Some(after) if self.version(key).is_none_or(|v| v < after.version()) => {
                    self.put(after.clone());
                }
                Some(_) => {}
                None => self.remove(key),
            }
        }
    }

    fn version(&self, key: &DirectoryKey) -> Option<u64> {
        match key {
            DirectoryKey::Party(id) => self.parties.get(id).map(|r| r.version),
            DirectoryKey::Agreement(id) => self.agreements.get(id).map(|r| r.version),
            DirectoryKey::Subscription(id) => self.subscriptions.get(id).map(|r| r.version),
            DirectoryKey::Certificate(serial) => self.certificates.get(serial).map(|r| r.version),
            DirectoryKey::Fence(id) => self.fences.get(id).map(|_| 1),
            DirectoryKey::Job(id) => self.jobs.get(id).map(|r| r.version),
        }
    }

    /// Takes a record out. Parties, agreements and certificates end; the others go.
    pub fn remove(&mut self, key: &DirectoryKey) {
        match key {
            DirectoryKey::Subscription(id) => {
                self.subscriptions.remove(id);
            }
            DirectoryKey::Fence(id) => {
                self.fences.remove(id);
            }
            DirectoryKey::Job(id) => {
                self.jobs.remove(id);
            }
            DirectoryKey::Party(_) | DirectoryKey::Agreement(_) | DirectoryKey::Certificate(_) => {}
        }
    }

    fn forget_ae(&mut self, of: &SpId) {
        let known = self.parties.get(of);
        let ae = known.and_then(|party| Some(party.onem2m.as_ref()?.ae.clone()));
        if let Some(ae) = ae
            && self.aes.get(&ae) == Some(of)
        {
            self.aes.remove(&ae);
        }
    }

    /// All fences, oldest first.
    pub fn fences(&self) -> impl Iterator<Item = &Arc<Fence>> {
        self.fences.values()
    }

    /// The fence that `job` sweeps behind.
    #[must_use]
    pub fn fence(&self, job: &JobId) -> Option<&Arc<Fence>> {
        self.fences.get(job)
    }

    /// The first fence that covers `row`: by it the row is gone.
    #[must_use]
    pub fn fence_over(&self, row: &Mapping) -> Option<&Arc<Fence>> {
        self.fences.values().find(|fence| fence.covers(row))
    }

    /// The first fence that covers a row as an inquiry sees it.
    #[must_use]
    pub fn fence_over_correlation(&self, found: &Correlation) -> Option<&Arc<Fence>> {
        self.fences
            .values()
            .find(|fence| fence.covers_correlation(found))
    }

    /// All jobs, oldest first, those that ended included.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values()
    }

    /// The job of that id.
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Arc<Job>> {
        self.jobs.get(id)
    }

    /// The party of that id, whatever its status.
    #[must_use]
    pub fn party(&self, id: &SpId) -> Option<&Arc<Party>> {
        self.parties.get(id)
    }

    /// The party that speaks as that AE, unless it was removed. That is asked of what
    /// comes over oneM2M.
    #[must_use]
    pub fn party_of_ae(&self, ae: &AeId) -> Option<&Arc<Party>> {
        self.aes.get(ae).and_then(|id| self.parties.get(id))
    }

    /// All parties, by id.
    pub fn parties(&self) -> impl Iterator<Item = &Arc<Party>> {
        self.parties.values()
    }

    /// All agreements, oldest first.
    pub fn agreements(&self) -> impl Iterator<Item = &Arc<Agreement>> {
        self.agreements.values()
    }

    /// The certificate that ends first of those that matter: of each active party the one that holds
    /// for longest. One that was renewed or revoked is nobody's concern; one that is over and was
    /// not renewed is, for its party is locked out.
    #[must_use]
    pub fn next_expiry(&self) -> Option<&Arc<CertificateRecord>> {
        let mut newest: BTreeMap<&SpId, &Arc<CertificateRecord>> = BTreeMap::new();
        let is_active = |sp: &SpId| {
            let party = self.party(sp);
            party.is_some_and(|party| party.status == PartyStatus::Active)
        };
        let in_use = self
            .certificates()
            .filter(|c| c.revoked.is_none() && is_active(&c.sp));
        for certificate in in_use {
            let held = newest.entry(&certificate.sp).or_insert(certificate);
            if held.not_after < certificate.not_after {
                *held = certificate;
            }
        }
        newest.into_values().min_by_key(|c| c.not_after)
    }

    /// All certificates issued or revoked, by serial number.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<CertificateRecord>> {
        self.certificates.values()
    }

    /// All subscriptions of an IoT SP, oldest first.
    pub fn subscriptions<'a>(
        &'a self,
        iot_sp: &'a SpId,
    ) -> impl Iterator<Item = &'a Arc<Subscription>> {
        self.subscriptions
            .values()
            .filter(move |s| s.iot_sp == *iot_sp)
    }

    /// The agreement of that id.
    #[must_use]
    pub fn agreement(&self, id: &AgreementId) -> Option<&Arc<Agreement>> {
        self.agreements.get(id)
    }

    /// The certificate record of that serial number.
    #[must_use]
    pub fn certificate(&self, serial: &CertificateSerial) -> Option<&Arc<CertificateRecord>> {
        self.certificates.get(serial)
    }

    /// The subscription of that id.
    #[must_use]
    pub fn subscription(&self, id: &SubscriptionId) -> Option<&Arc<Subscription>> {
        self.subscriptions.get(id)
    }

    /// An agreement in force between the two that covers `service_uri`.
    #[must_use]
    pub fn active_agreement(
        &self,
        iot_sp: &SpId,
        third_party_sp: &SpId,
        service_uri: &ServiceUri,
        now: Timestamp,
    ) -> Option<&Arc<Agreement>> {
        self.pairs
            .get(&(iot_sp.clone(), third_party_sp.clone()))?
            .iter()
            .filter_map(|id| self.agreements.get(id))
            .find(|agreement| agreement.is_active(now) && agreement.covers(service_uri))
    }

    /// The IoT SP that answers for `serial`, among those with an agreement in force with the
    /// caller: an unknown serial number and an unagreed namespace get the same answer.
    ///
    /// # Errors
    /// [`RoutingFailure`] when there is none, or more than one.
    pub fn route(
        &self,
        third_party_sp: &SpId,
        service_uri: &ServiceUri,
        (serial, vendor): (&DeviceSerialNumber, Option<&Attribute>),
        now: Timestamp,
    ) -> Result<&Arc<Agreement>, RoutingFailure> {
        let mut found = None;
        for party in self
            .parties
            .values()
            .filter(|p| p.iot_sp && p.status == PartyStatus::Active)
        {
            let Some(agreement) =
                self.active_agreement(&party.id, third_party_sp, service_uri, now)
            else {
                continue;
            };
            if !self.answers_for(party, serial, vendor) {
                continue;
            }
            if found.replace(agreement).is_some() {
                return Err(RoutingFailure::Ambiguous);
            }
        }
        found.ok_or(RoutingFailure::NotFound)
    }

    /// Whether the caller has an agreement in force that covers the service, with anybody.
    #[must_use]
    pub fn is_agreed(
        &self,
        third_party_sp: &SpId,
        service_uri: &ServiceUri,
        now: Timestamp,
    ) -> bool {
        let mut partners = self.parties.values().filter(|party| party.iot_sp);
        partners.any(|party| {
            self.active_agreement(&party.id, third_party_sp, service_uri, now)
                .is_some()
        })
    }

    /// Whether `party` was granted the serial number, and its subscriptions, if any, want it.
    #[must_use]
    pub fn answers_for(
        &self,
        party: &Party,
        serial: &DeviceSerialNumber,
        vendor: Option<&Attribute>,
    ) -> bool {
        let granted = party
            .serial_namespaces
            .iter()
            .any(|n| n.holds(serial, vendor));
        let mut subscriptions = self.subscriptions(&party.id).peekable();
        granted
            && (subscriptions.peek().is_none() || subscriptions.any(|s| wants(s, serial, vendor)))
    }

    /// The registration under which `iot_sp` takes the push for `serial`; `None` is pull mode.
    #[must_use]
    pub fn push_subscription<'a>(
        &'a self,
        iot_sp: &'a SpId,
        serial: &DeviceSerialNumber,
        vendor: Option<&Attribute>,
    ) -> Option<&'a Arc<Subscription>> {
        self.subscriptions(iot_sp)
            .find(|s| wants(s, serial, vendor))
    }

    /// The registration under which the IoT SP of a row is told: the row's own, or the oldest one
    /// if that is gone. `None`: it pulls.
    #[must_use]
    pub fn subscription_of<'a>(&'a self, row: &'a Mapping) -> Option<&'a Arc<Subscription>> {
        row.subscription
            .and_then(|id| self.subscriptions.get(&id))
            .or_else(|| self.subscriptions(&row.iot_sp).next())
    }

    /// The party behind a verified certificate, if it is served now.
    ///
    /// # Errors
    /// [`AuthenticationFailure`] when the certificate was revoked or is over, or the party is
    /// unknown, suspended or removed. Asked on every request, not only at the handshake.
    pub fn admit(
        &self,
        peer: &PeerCertificate,
        now: Timestamp,
    ) -> Result<&Arc<Party>, AuthenticationFailure> {
        let by_serial = self
            .certificates
            .get(&peer.serial)
            .is_some_and(|c| c.revoked.is_some());
        if by_serial || self.revoked.contains(&peer.thumbprint) {
            return Err(AuthenticationFailure::CertificateRevoked);
        }
        for list in &*self.lists {
            list.check(peer, now)?;
        }
        if peer.not_after < now {
            return Err(AuthenticationFailure::CertificateExpired);
        }
        self.parties
            .get(&peer.sp)
            .filter(|party| party.status == PartyStatus::Active)
            .ok_or(AuthenticationFailure::PartyNotServed)
    }
}

fn wants(
    subscription: &Subscription,
    serial: &DeviceSerialNumber,
    vendor: Option<&Attribute>,
) -> bool {
    subscription.serial_namespaces.is_empty()
        || subscription
            .serial_namespaces
            .iter()
            .any(|n| n.holds(serial, vendor))
}

#[cfg(test)]
mod tests;
