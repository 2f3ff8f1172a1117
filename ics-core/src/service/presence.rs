//! Where the users of an IoT SP log in: its OpenID provider, as the operator registers it (Y21).

use alloc::string::String;
use alloc::sync::Arc;

use super::{ATTEMPTS, Committed, Failure, IcsService, OnboardingError};
use crate::change::Change;
use crate::directory::DirectoryRecord;
use crate::id::{CallbackUri, InvalidId, SpId};
use crate::party::{Party, PartyStatus, Presence};

/// An OpenID provider as the operator registers it, parsed.
#[derive(Clone)]
pub struct PresenceTerms {
    issuer: CallbackUri,
    client_id: String,
    client_secret: Option<String>,
}

impl PresenceTerms {
    /// The provider at `issuer`, where the gateway has this client id, and this secret if any: 1 to
    /// 255 visible ASCII characters each.
    ///
    /// # Errors
    /// [`InvalidId::Form`].
    pub fn new(
        issuer: CallbackUri,
        client_id: &str,
        client_secret: Option<&str>,
    ) -> Result<Self, InvalidId> {
        let fits = |text: &str| {
            (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if !fits(client_id) || client_secret.is_some_and(|secret| !fits(secret)) {
            return Err(InvalidId::Form);
        }
        Ok(Self {
            issuer,
            client_id: client_id.into(),
            client_secret: client_secret.map(String::from),
        })
    }
}

impl IcsService {
    /// Says where the users of an IoT SP log in from now on; none: it has no provider.
    ///
    /// # Errors
    /// [`OnboardingError`]; [`OnboardingError::WrongRole`] for one that is no IoT SP.
    pub async fn change_presence(
        &self,
        id: &SpId,
        terms: Option<&PresenceTerms>,
    ) -> Result<Arc<Party>, OnboardingError> {
        for _ in 0..ATTEMPTS {
            let directory = self.directory();
            let before = directory
                .party(id)
                .ok_or_else(|| OnboardingError::NoParty(id.clone()))?;
            if before.status == PartyStatus::Removed {
                return Err(OnboardingError::PartyRemoved(id.clone()));
            }
            if !before.iot_sp {
                return Err(OnboardingError::WrongRole(id.clone()));
            }
            let presence = terms
                .map(|terms| self.seal_presence(id, terms))
                .transpose()?;
            let next = Arc::new(Party {
                presence,
                version: before.version.saturating_add(1),
                ..Party::clone(before)
            });
            let mut change = Change::default();
            let record = DirectoryRecord::Party(before.clone());
            change.put_record(Some(record), DirectoryRecord::Party(next.clone()));
            if self.commit(change).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// The gateway's secret at the provider of `party`, if it has one there.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_client_secret(&self, party: &Party) -> Result<Option<String>, Failure> {
        let sealed = party
            .presence
            .as_ref()
            .and_then(|p| p.client_secret.as_ref());
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let bytes = self
            .ports
            .sealer
            .open(party.id.as_str().as_bytes(), sealed)?;
        let text = String::from_utf8(bytes).map_err(|_| crate::port::SealError::DoesNotOpen)?;
        Ok(Some(text))
    }

    fn seal_presence(&self, id: &SpId, terms: &PresenceTerms) -> Result<Presence, Failure> {
        let seal = |secret: &String| {
            self.ports
                .sealer
                .seal(id.as_str().as_bytes(), secret.as_bytes())
        };
        Ok(Presence {
            issuer: terms.issuer.clone(),
            client_id: terms.client_id.clone(),
            client_secret: terms.client_secret.as_ref().map(seal).transpose()?,
        })
    }
}
