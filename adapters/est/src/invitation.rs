//! Who may enrol with a code: one invitation of a service provider at a time, its hash on the adapter's shelf.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::SpId;
use ics_core::keepsake::Shelf;
use ics_core::party::PartyStatus;
use ics_core::port::{Entropy, SignatureVerifier};
use ics_core::service::{Failure, IcsService, KeepError};
use ics_core::time::Timestamp;
use subtle::ConstantTimeEq as _;

/// Records of one read.
const PAGE: usize = 500;

/// A code that was just made; nobody can read it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// 22 characters of base64url: 128 bits.
    pub code: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why nobody was invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// There is no such service provider, or it was off-boarded.
    #[error("no such service provider")]
    NoParty,
    /// The service failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What is known of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kept {
    digest: [u8; 32],
    expires: Timestamp,
}

/// The invitations that stand.
pub(crate) struct Invitations {
    service: Arc<IcsService>,
    verifier: Arc<dyn SignatureVerifier>,
    standing: Mutex<BTreeMap<SpId, Kept>>,
}

impl Invitations {
    pub(crate) async fn open(
        service: Arc<IcsService>,
        verifier: Arc<dyn SignatureVerifier>,
    ) -> Result<Self, Failure> {
        let mut standing = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let walk = service.walk_keepsakes(Shelf::Enrolment, after.as_deref(), PAGE);
            let page = walk.await?;
            let is_last = page.len() < PAGE;
            for record in page {
                if let Some((sp, kept)) = read(&record.key, &record.value) {
                    standing.insert(sp, kept);
                }
                after = Some(record.key);
            }
            if is_last {
                return Ok(Self {
                    service,
                    verifier,
                    standing: Mutex::new(standing),
                });
            }
        }
    }

    /// A new code; the one before it is good for nothing any more.
    pub(crate) async fn invite(
        &self,
        sp: &SpId,
        (entropy, lifetime): (&dyn Entropy, Duration),
        now: Timestamp,
    ) -> Result<Invitation, InviteError> {
        let directory = self.service.directory();
        let party = directory.party(sp);
        if party.is_none_or(|party| party.status == PartyStatus::Removed) {
            return Err(InviteError::NoParty);
        }
        let mut random = [0; 16];
        entropy.fill(&mut random);
        let code = URL_SAFE_NO_PAD.encode(random);
        let kept = Kept {
            digest: self.verifier.sha256(code.as_bytes()),
            expires: now.plus(lifetime),
        };
        self.keep(sp, Some(kept)).await?;
        Ok(Invitation {
            code,
            expires: kept.expires,
        })
    }

    /// Whether this is the code of that service provider, now. Of one that was not invited it takes as long.
    pub(crate) fn is_good(&self, (sp, code): (&str, &str), now: Timestamp) -> Option<SpId> {
        let digest = self.verifier.sha256(code.as_bytes());
        let sp = SpId::parse(sp).ok()?;
        let kept = self.lock().get(&sp).copied();
        let expected = kept.map_or([0; 32], |kept| kept.digest);
        let is_equal = bool::from(digest.ct_eq(&expected));
        let is_standing = kept.is_some_and(|kept| now < kept.expires);
        (is_equal && is_standing).then_some(sp)
    }

    /// It is good for nothing any more.
    pub(crate) async fn use_up(&self, sp: &SpId) -> Result<(), Failure> {
        self.keep(sp, None).await
    }

    async fn keep(&self, sp: &SpId, kept: Option<Kept>) -> Result<(), Failure> {
        let value = kept.map(|kept| write(&kept));
        let record = (sp.as_str().as_bytes().to_vec(), value);
        let written = self.service.keep(vec![record], Shelf::Enrolment).await;
        written.map_err(|error| match error {
            KeepError::Failed(failure) => failure,
            // A record has some hundred bytes.
            KeepError::TooLong => Failure::Busy,
        })?;
        let mut standing = self.lock();
        match kept {
            Some(kept) => standing.insert(sp.clone(), kept),
            None => standing.remove(sp),
        };
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SpId, Kept>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest, then milliseconds since 1970, big-endian.
fn write(kept: &Kept) -> Vec<u8> {
    let expires = kept.expires.millis().to_be_bytes();
    [&kept.digest[..], &expires].concat()
}

fn read(key: &[u8], value: &[u8]) -> Option<(SpId, Kept)> {
    let sp = SpId::parse(core::str::from_utf8(key).ok()?).ok()?;
    let (digest, expires) = value.split_first_chunk::<32>()?;
    let expires = i64::from_be_bytes(expires.try_into().ok()?);
    let kept = Kept {
        digest: *digest,
        expires: Timestamp::from_millis(expires),
    };
    Some((sp, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let kept = Kept {
            digest: [7; 32],
            expires: Timestamp::from_millis(1_700_000_000_123),
        };
        let (sp, read_back) = read(b"shop", &write(&kept)).unwrap();
        assert!(sp.as_str() == "shop" && read_back == kept);
        for (key, value) in [(&b"SHOP"[..], write(&kept)), (b"shop", vec![7; 39])] {
            assert!(read(key, &value).is_none());
        }
    }
}
