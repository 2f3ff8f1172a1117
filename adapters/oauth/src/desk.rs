//! What the code grant needs of the service: whether a consent may be asked for, and that one is
//! taken back.

use ics_core::id::ConsentId;
use ics_core::port::{Denied, PortFuture};
use ics_core::principal::Principal;
use ics_core::service::{ConsentAsk, ConsentOffer, IcsService, RequestError};
use ics_core::time::Timestamp;

/// Why no user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// The client may not ask for that mapping, or not in this way.
    #[error("the client may not ask for that mapping: {0}")]
    Denied(&'static str),
    /// No IoT SP could be chosen whose user could be asked.
    #[error("no IoT service provider could be chosen for that device")]
    Routing,
    /// The IoT SP has no provider at which its users could log in.
    #[error("users of that IoT service provider cannot log in here")]
    NoLogin,
    /// What is asked for is over already.
    #[error("the consent would have ended")]
    Over,
    /// The service failed.
    #[error("the service failed")]
    Failed,
}

/// Where consents are asked for and taken back.
///
/// A wrong offer asks a user for something that cannot come true; it gives nobody anything.
pub trait ConsentDesk: Send + Sync {
    /// Whose user is to be asked, if the client may ask.
    ///
    /// # Errors
    /// [`NotOffered`].
    fn offer(
        &self,
        client: &Principal,
        ask: &ConsentAsk,
        now: Timestamp,
    ) -> Result<ConsentOffer, NotOffered>;

    /// A consent that nothing stands on is forgotten; any other stays.
    fn take_back(&self, id: ConsentId) -> PortFuture<'_, ()>;
}

impl ConsentDesk for IcsService {
    fn offer(
        &self,
        client: &Principal,
        ask: &ConsentAsk,
        now: Timestamp,
    ) -> Result<ConsentOffer, NotOffered> {
        let offer = self.offer_consent(client, ask, now).map_err(not_offered)?;
        let directory = self.directory();
        let iot_sp = directory.party(&offer.iot_sp);
        if iot_sp.is_some_and(|party| party.presence.is_some()) {
            Ok(offer)
        } else {
            Err(NotOffered::NoLogin)
        }
    }

    fn take_back(&self, id: ConsentId) -> PortFuture<'_, ()> {
        Box::pin(async move {
            // It lapses by itself where this fails.
            if let Err(error) = self.take_back_consent(id).await {
                tracing::warn!(%error, "a consent could not be taken back");
            }
        })
    }
}

const fn not_offered(error: RequestError) -> NotOffered {
    let denied = match error {
        RequestError::Denied(denied) => denied,
        RequestError::Routing(_) => return NotOffered::Routing,
        RequestError::ValidityOutOfRange => return NotOffered::Over,
        RequestError::QuotaExceeded => {
            return NotOffered::Denied("too many of its mappings failed today");
        }
        RequestError::DestinationNotRegistered
        | RequestError::UtiExpired
        | RequestError::UtiInUse
        | RequestError::PairingRequired
        | RequestError::Failure(_) => return NotOffered::Failed,
    };
    NotOffered::Denied(match denied {
        Denied::NotServed => "it is not served",
        Denied::Role(_) | Denied::Scope(_) => "it offers no services",
        Denied::ServiceNotOwned => "the service is not its own",
        Denied::ServiceNotProven => "it has not shown that the service is its own",
        Denied::NoAgreement => "no agreement in force covers it",
        Denied::ConsentRequired => "the agreement has consent established in another way",
        Denied::Policy | Denied::Device => "a policy of the operator refuses it",
    })
}
