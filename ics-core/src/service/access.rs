//! ICS-5 and ICS-6: what an SP may know of itself (Y.4462 10.4).

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::IcsService;
use crate::party::{Agreement, Party};
use crate::port::Denied;
use crate::principal::Principal;
use crate::reference_point::ReferencePoint;
use crate::time::Timestamp;

/// A party and the agreements it is a side of, oldest first, ended ones included.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The party as the operator onboarded it.
    pub party: Arc<Party>,
    /// Its agreements.
    pub agreements: Vec<Arc<Agreement>>,
}

/// Why a profile was not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl IcsService {
    /// The caller's own profile, over ICS-5 or ICS-6.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn read_profile(
        &self,
        principal: &Principal,
        point: ReferencePoint,
        now: Timestamp,
    ) -> Result<Profile, ProfileError> {
        let directory = self.admit(principal, point, now)?;
        let party = directory.party(&principal.sp).ok_or(Denied::NotServed)?;
        let own =
            |a: &&Arc<Agreement>| a.iot_sp == principal.sp || a.third_party_sp == principal.sp;
        Ok(Profile {
            party: party.clone(),
            agreements: directory.agreements().filter(own).cloned().collect(),
        })
    }
}
