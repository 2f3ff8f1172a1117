//! X3: a service URI is its party's once that party has shown it, or the operator vouches for it.

use alloc::sync::Arc;

use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::directory::{Directory, DirectoryRecord};
use crate::id::{ServicePrefix, SpId};
use crate::party::{OwnershipChallenge, Party, PartyStatus, ServiceClaim};
use crate::port::Denied;
use crate::principal::Principal;
use crate::reference_point::ReferencePoint;
use crate::service::OnboardingError;
use crate::time::Timestamp;

/// The most services of a party, shown and not.
const MAX_SERVICES: usize = 256;

/// Why a service was not taken for the caller's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is none of those the caller says it owns.
    #[error("no such service of the caller")]
    NotClaimed,
    /// Another party has shown meanwhile that it is its own.
    #[error("the service is owned by another")]
    Owned,
    /// What was served is not the challenge.
    #[error("what was served is not the challenge")]
    Otherwise,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl IcsService {
    /// Gives a party one more service: its own at once where the operator vouches for it, else as soon
    /// as it has shown it. What it has already is as it was, unless it is vouched for now.
    ///
    /// # Errors
    /// [`OnboardingError`].
    pub async fn add_service(
        &self,
        id: &SpId,
        prefix: &ServicePrefix,
        vouched: bool,
    ) -> Result<Arc<Party>, OnboardingError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory
                .party(id)
                .ok_or_else(|| OnboardingError::NoParty(id.clone()))?;
            if before.status == PartyStatus::Removed {
                return Err(OnboardingError::PartyRemoved(id.clone()));
            }
            if !before.third_party_sp {
                return Err(OnboardingError::GrantsDoNotFitRoles(id.clone()));
            }
            if before.services.contains(prefix) {
                return Ok(before.clone());
            }
            check_owner(&directory, id, prefix)?;
            let claimed = before.claims.iter().any(|claim| claim.prefix == *prefix);
            let mut next = next_of(before);
            if vouched {
                next.claims.retain(|claim| claim.prefix != *prefix);
                next.services.push(prefix.clone());
            } else if claimed {
                return Ok(before.clone());
            } else {
                next.claims.push(self.claim(prefix));
            }
            if next.services.len().saturating_add(next.claims.len()) > MAX_SERVICES {
                return Err(OnboardingError::TooManyServices(id.clone()));
            }
            let next = Arc::new(next);
            if self.commit(replaced(before, &next)).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// What the caller is to serve, for the service it says it owns; `None` where it has shown it.
    ///
    /// # Errors
    /// [`OwnershipError`].
    pub fn read_claim(
        &self,
        principal: &Principal,
        prefix: &ServicePrefix,
        now: Timestamp,
    ) -> Result<Option<ServiceClaim>, OwnershipError> {
        let directory = self.admit(principal, ReferencePoint::Ics5, now)?;
        let party = directory.party(&principal.sp).ok_or(Denied::NotServed)?;
        if party.services.contains(prefix) {
            return Ok(None);
        }
        let mut claims = party.claims.iter();
        let claim = claims.find(|claim| claim.prefix == *prefix);
        Ok(Some(claim.ok_or(OwnershipError::NotClaimed)?.clone()))
    }

    /// Takes the service for the caller's own, if `served` is the challenge: what was just read at it.
    ///
    /// # Errors
    /// [`OwnershipError`]; nothing changed then.
    pub async fn settle_claim(
        &self,
        principal: &Principal,
        (prefix, served): (&ServicePrefix, &[u8]),
        now: Timestamp,
    ) -> Result<(), OwnershipError> {
        for _ in 0..ATTEMPTS {
            let Some(claim) = self.read_claim(principal, prefix, now)? else {
                return Ok(());
            };
            if served.trim_ascii() != claim.challenge.as_str().as_bytes() {
                return Err(OwnershipError::Otherwise);
            }
            let directory = self.directory();
            let before = directory.party(&principal.sp).ok_or(Denied::NotServed)?;
            // Two may say it is theirs; the first that shows it has it.
            check_owner(&directory, &before.id, prefix).map_err(|_| OwnershipError::Owned)?;
            let mut next = next_of(before);
            next.claims.retain(|claim| claim.prefix != *prefix);
            next.services.push(prefix.clone());
            if self.commit(replaced(before, &Arc::new(next))).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }

    /// A claim with a challenge of its own.
    pub(super) fn claim(&self, prefix: &ServicePrefix) -> ServiceClaim {
        let mut random = [0; 16];
        self.ports.entropy.fill(&mut random);
        ServiceClaim {
            prefix: prefix.clone(),
            challenge: OwnershipChallenge::mint(random),
        }
    }
}

/// A service has one owner: neither above nor below a prefix is another's.
pub(super) fn check_owner(
    directory: &Directory,
    id: &SpId,
    prefix: &ServicePrefix,
) -> Result<(), OnboardingError> {
    let mut others = directory
        .parties()
        .filter(|party| party.status != PartyStatus::Removed && party.id != *id);
    let overlaps = |party: &&Arc<Party>| {
        let mut services = party.services.iter();
        services.any(|own| own.covers(prefix) || prefix.covers(own))
    };
    match others.find(overlaps) {
        None => Ok(()),
        Some(owner) => Err(OnboardingError::ServiceOwned {
            prefix: prefix.as_str().into(),
            owner: owner.id.clone(),
        }),
    }
}

fn next_of(party: &Party) -> Party {
    Party {
        version: party.version.saturating_add(1),
        ..party.clone()
    }
}

fn replaced(before: &Arc<Party>, next: &Arc<Party>) -> Change {
    let mut change = Change::default();
    let record = DirectoryRecord::Party(before.clone());
    change.put_record(Some(record), DirectoryRecord::Party(next.clone()));
    change
}
