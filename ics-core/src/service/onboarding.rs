//! The operator's side: parties, agreements, certificates (Y.4462 7.4 NOTE leaves it open).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ownership::check_owner;
use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::directory::{Directory, DirectoryRecord};
use crate::fence::FenceScope;
use crate::id::{AgreementId, CallbackUri, Origin, ServicePrefix, SpId};
use crate::job::Job;
use crate::party::{
    Agreement, CertificateRecord, ConsentMode, Exposure, Limits, OneM2mAe, Party, PartyStatus,
    SerialNamespace,
};
use crate::principal::CertificateSerial;
use crate::time::Timestamp;

/// A party as the operator wants it, parsed.
#[derive(Clone, Debug)]
pub struct PartyTerms {
    /// Its id.
    pub id: SpId,
    /// Offers services.
    pub third_party_sp: bool,
    /// Manages devices.
    pub iot_sp: bool,
    /// Service URIs it owns: the operator vouches for them.
    pub services: Vec<ServicePrefix>,
    /// Service URIs it says it owns, and has to show.
    pub claims: Vec<ServicePrefix>,
    /// Serial numbers it answers for.
    pub serial_namespaces: Vec<SerialNamespace>,
    /// Where its notifications may go.
    pub callback_origins: Vec<Origin>,
    /// Its own token endpoint.
    pub token_endpoint: Option<CallbackUri>,
    /// The AE it speaks as over oneM2M.
    pub onem2m: Option<OneM2mAe>,
    /// How much it may ask.
    pub limits: Limits,
}

/// An agreement as the operator wants it, parsed.
#[derive(Clone, Debug)]
pub struct AgreementTerms {
    /// The side with the devices.
    pub iot_sp: SpId,
    /// The side with the services.
    pub third_party_sp: SpId,
    /// The services it covers; none means all.
    pub services: Vec<ServicePrefix>,
    /// First instant it is valid.
    pub valid_from: Timestamp,
    /// First instant it is no longer valid.
    pub valid_until: Option<Timestamp>,
    /// Who establishes consent.
    pub consent_mode: ConsentMode,
    /// How device IDs are shown.
    pub exposure: Exposure,
    /// Whether a mapping request must show a pairing code of the device.
    pub pairing_required: bool,
}

/// Why the operator's wish was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnboardingError {
    /// That id was given out before; ids are not given out again.
    #[error("service provider id `{0}` is taken")]
    PartyExists(SpId),
    /// No such party.
    #[error("no service provider `{0}`")]
    NoParty(SpId),
    /// The party was off-boarded.
    #[error("service provider `{0}` was removed")]
    PartyRemoved(SpId),
    /// The party does not take that side.
    #[error("service provider `{0}` does not have the role needed")]
    WrongRole(SpId),
    /// Neither role, or a grant without its role.
    #[error("grants do not fit the roles of `{0}`")]
    GrantsDoNotFitRoles(SpId),
    /// A service prefix overlaps one of another third party SP: a service has one owner.
    #[error("service prefix `{prefix}` overlaps one of `{owner}`")]
    ServiceOwned {
        /// The prefix asked for.
        prefix: alloc::string::String,
        /// Who has it.
        owner: SpId,
    },
    /// As many services as a party may have.
    #[error("`{0}` has as many services as it may have")]
    TooManyServices(SpId),
    /// An AE speaks for one party.
    #[error("the AE speaks for `{0}`")]
    AeTaken(SpId),
    /// An agreement between the two that overlaps this one is in force.
    #[error("agreement `{0}` already covers these services")]
    AgreementExists(AgreementId),
    /// No such agreement.
    #[error("no agreement `{0}`")]
    NoAgreement(AgreementId),
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The rows that ended with an agreement or a party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedRows {
    /// How many are swept.
    pub demapped: usize,
    /// What sweeps the others: gone already, like these.
    pub jobs: Vec<Arc<Job>>,
}

impl EndedRows {
    fn swept_by(job: Arc<Job>) -> Self {
        Self {
            demapped: 0,
            jobs: alloc::vec![job],
        }
    }
}

impl IcsService {
    /// Onboards a party.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn onboard_party(
        &self,
        terms: &PartyTerms,
        now: Timestamp,
    ) -> Result<Arc<Party>, OnboardingError> {
        let party = Arc::new(Party {
            id: terms.id.clone(),
            third_party_sp: terms.third_party_sp,
            iot_sp: terms.iot_sp,
            status: PartyStatus::Active,
            services: terms.services.clone(),
            claims: terms
                .claims
                .iter()
                .map(|prefix| self.claim(prefix))
                .collect(),
            serial_namespaces: terms.serial_namespaces.clone(),
            callback_origins: terms.callback_origins.clone(),
            token_endpoint: terms.token_endpoint.clone(),
            onem2m: terms.onem2m.clone(),
            presence: None,
            limits: terms.limits,
            created: now,
            version: 1,
        });
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            if directory.party(&terms.id).is_some() {
                return Err(OnboardingError::PartyExists(terms.id.clone()));
            }
            check_grants(&directory, terms)?;
            check_ae(&directory, &terms.id, terms.onem2m.as_ref())?;
            let mut change = Change::default().knowing_ae(&terms.id, terms.onem2m.as_ref());
            change.put_record(None, DirectoryRecord::Party(party.clone()));
            if self.commit(change).await? == Committed::Yes {
                return Ok(party);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Says which AE a party speaks as over oneM2M from now on; none: it does not.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn change_party_ae(
        &self,
        id: &SpId,
        onem2m: Option<&OneM2mAe>,
    ) -> Result<Arc<Party>, OnboardingError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory
                .party(id)
                .ok_or_else(|| OnboardingError::NoParty(id.clone()))?;
            if before.status == PartyStatus::Removed {
                return Err(OnboardingError::PartyRemoved(id.clone()));
            }
            check_ae(&directory, id, onem2m)?;
            let next = Arc::new(Party {
                onem2m: onem2m.cloned(),
                version: before.version.saturating_add(1),
                ..Party::clone(before)
            });
            let mut change = Change::default().knowing_ae(id, onem2m);
            let record = DirectoryRecord::Party(before.clone());
            change.put_record(Some(record), DirectoryRecord::Party(next.clone()));
            if self.commit(change).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Suspends, resumes or removes a party. Suspending freezes at once and deletes nothing;
    /// removing ends its agreements and de-maps their rows, many of them by jobs.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn change_party_status(
        &self,
        id: &SpId,
        status: PartyStatus,
        now: Timestamp,
    ) -> Result<(Arc<Party>, EndedRows), OnboardingError> {
        let mut changed = None;
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory
                .party(id)
                .ok_or_else(|| OnboardingError::NoParty(id.clone()))?;
            if before.status == PartyStatus::Removed && status != PartyStatus::Removed {
                return Err(OnboardingError::PartyRemoved(id.clone()));
            }
            let next = Arc::new(Party {
                status,
                version: before.version.saturating_add(1),
                ..Party::clone(before)
            });
            let mut change = Change::default();
            let record = DirectoryRecord::Party(before.clone());
            change.put_record(Some(record), DirectoryRecord::Party(next.clone()));
            if self.commit(change).await? == Committed::Yes {
                changed = Some(next);
                break;
            }
        }
        let party = changed.ok_or(Failure::Busy)?;
        let mut ended = EndedRows::default();
        if status == PartyStatus::Removed {
            let directory = self.directory();
            for agreement in directory.agreements() {
                if agreement.iot_sp == *id || agreement.third_party_sp == *id {
                    let (_, rows) = self.end_agreement(&agreement.id, now).await?;
                    ended.demapped = ended.demapped.saturating_add(rows.demapped);
                    ended.jobs.extend(rows.jobs);
                }
            }
        }
        // What waited for a suspended party goes out now.
        for role in party.roles() {
            let sp = party.id.clone();
            self.ports.bell.ring(&crate::outbox::Addressee { role, sp });
        }
        Ok((party, ended))
    }

    /// Puts an agreement in force (Y20).
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn add_agreement(
        &self,
        terms: &AgreementTerms,
        now: Timestamp,
    ) -> Result<Arc<Agreement>, OnboardingError> {
        let directory = self.directory();
        for (sp, wanted) in [(&terms.iot_sp, true), (&terms.third_party_sp, false)] {
            let party = directory
                .party(sp)
                .ok_or_else(|| OnboardingError::NoParty(sp.clone()))?;
            if party.status == PartyStatus::Removed {
                return Err(OnboardingError::PartyRemoved(sp.clone()));
            }
            if !(if wanted {
                party.iot_sp
            } else {
                party.third_party_sp
            }) {
                return Err(OnboardingError::WrongRole(sp.clone()));
            }
        }
        if let Some(other) = directory
            .agreements()
            .find(|other| overlaps(other, terms, now))
        {
            return Err(OnboardingError::AgreementExists(other.id));
        }
        let agreement = Arc::new(Agreement {
            id: AgreementId::mint(now, self.random_id()),
            iot_sp: terms.iot_sp.clone(),
            third_party_sp: terms.third_party_sp.clone(),
            services: terms.services.clone(),
            valid_from: terms.valid_from,
            valid_until: terms.valid_until,
            consent_mode: terms.consent_mode,
            exposure: terms.exposure,
            pairing_required: terms.pairing_required,
            ended: None,
            version: 1,
        });
        let mut change = Change::default();
        change.put_record(None, DirectoryRecord::Agreement(agreement.clone()));
        match self.commit(change).await? {
            Committed::Yes => Ok(agreement),
            Committed::Overtaken => Err(Failure::Busy.into()),
        }
    }

    /// Ends an agreement and de-maps its rows; both sides are told. More rows than one transaction
    /// takes are fenced off by the transaction that ends it, and swept by a job.
    ///
    /// # Errors
    /// [`OnboardingError`]. When it fails half way, the agreement is over all the same, its rows
    /// answer nothing, and [`IcsService::sweep_ended_agreements`] ends the rest.
    pub async fn end_agreement(
        &self,
        id: &AgreementId,
        now: Timestamp,
    ) -> Result<(Arc<Agreement>, EndedRows), OnboardingError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory
                .agreement(id)
                .ok_or(OnboardingError::NoAgreement(*id))?
                .clone();
            let mut change = Change::default();
            let mut next = before.clone();
            if before.ended.is_none() {
                next = Arc::new(Agreement {
                    ended: Some(now),
                    version: before.version.saturating_add(1),
                    ..Agreement::clone(&before)
                });
                let record = DirectoryRecord::Agreement(before);
                change.put_record(Some(record), DirectoryRecord::Agreement(next.clone()));
            } else if let Some(job) = self.job_of_agreement(id) {
                return Ok((next, EndedRows::swept_by(job)));
            }
            let scope = FenceScope::Agreement {
                agreement: *id,
                iot_sp: next.iot_sp.clone(),
            };
            let why = self.end_of_agreement(&next);
            let fenced = self.fence_agreement(scope, &why, change.clone(), now);
            match fenced.await {
                Ok(Some(job)) => return Ok((next, EndedRows::swept_by(job))),
                Ok(None) => {}
                // Overtaken: by another end, perhaps.
                Err(Failure::Busy) => continue,
                Err(failure) => return Err(failure.into()),
            }
            if self.commit(change).await? == Committed::Yes {
                let demapped = self.end_agreement_rows(&next, now).await?;
                let jobs = Vec::new();
                return Ok((next, EndedRows { demapped, jobs }));
            }
        }
        Err(Failure::Busy.into())
    }

    /// Remembers a certificate that was issued, or revokes one: from the next request on, on new,
    /// resumed and open connections alike.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn record_certificate(
        &self,
        record: &CertificateRecord,
    ) -> Result<Arc<CertificateRecord>, OnboardingError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory.certificate(&record.serial).cloned();
            if let Some(known) = before.as_ref().filter(|known| known.revoked.is_some()) {
                return Ok(known.clone());
            }
            let next = Arc::new(CertificateRecord {
                version: before.as_ref().map_or(1, |b| b.version.saturating_add(1)),
                ..record.clone()
            });
            let mut change = Change::default();
            let record = before.map(DirectoryRecord::Certificate);
            change.put_record(record, DirectoryRecord::Certificate(next.clone()));
            if self.commit(change).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Revokes a certificate the gateway knows by its serial number. `None`: not known.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn revoke_certificate(
        &self,
        serial: &CertificateSerial,
        now: Timestamp,
    ) -> Result<Option<Arc<CertificateRecord>>, OnboardingError> {
        let Some(known) = self.directory().certificate(serial).cloned() else {
            return Ok(None);
        };
        let revoked = CertificateRecord {
            revoked: Some(now),
            ..CertificateRecord::clone(&known)
        };
        self.record_certificate(&revoked).await.map(Some)
    }
}

fn check_ae(
    directory: &Directory,
    id: &SpId,
    onem2m: Option<&OneM2mAe>,
) -> Result<(), OnboardingError> {
    let owner = onem2m.and_then(|onem2m| directory.party_of_ae(&onem2m.ae));
    match owner.filter(|party| party.id != *id) {
        Some(other) => Err(OnboardingError::AeTaken(other.id.clone())),
        None => Ok(()),
    }
}

fn check_grants(directory: &Directory, terms: &PartyTerms) -> Result<(), OnboardingError> {
    let some_role = terms.third_party_sp || terms.iot_sp;
    let has_services = !(terms.services.is_empty() && terms.claims.is_empty());
    let services_fit = !has_services || terms.third_party_sp;
    let namespaces_fit = terms.serial_namespaces.is_empty() || terms.iot_sp;
    let fits = some_role && services_fit && namespaces_fit;
    if !fits {
        return Err(OnboardingError::GrantsDoNotFitRoles(terms.id.clone()));
    }
    let mut services = terms.services.iter().chain(&terms.claims);
    services.try_for_each(|prefix| check_owner(directory, &terms.id, prefix))
}

/// Whether `other` and the new terms could both cover one service at one time.
fn overlaps(other: &Agreement, terms: &AgreementTerms, now: Timestamp) -> bool {
    let same_pair = other.iot_sp == terms.iot_sp && other.third_party_sp == terms.third_party_sp;
    let in_time = other.ended.is_none()
        && other
            .valid_until
            .is_none_or(|end| end > terms.valid_from && end > now)
        && terms.valid_until.is_none_or(|end| end > other.valid_from);
    let services = other.services.is_empty()
        || terms.services.is_empty()
        || other
            .services
            .iter()
            .any(|a| terms.services.iter().any(|b| a.covers(b) || b.covers(a)));
    same_pair && in_time && services
}
