//! ICS-2: the standing registrations of an IoT SP.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ATTEMPTS, Committed, Failure, IcsService};
use crate::change::Change;
use crate::directory::DirectoryRecord;
use crate::id::{CallbackUri, SubscriptionId};
use crate::mapping::Features;
use crate::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use crate::party::{Party, SerialNamespace, Subscription};
use crate::port::Denied;
use crate::principal::Principal;
use crate::reference_point::{ReferencePoint, Role};
use crate::time::Timestamp;

/// A registration as the IoT SP wants it, parsed.
#[derive(Clone, Debug)]
pub struct SubscriptionTerms {
    /// Narrows what the operator granted; none means all of it.
    pub serial_namespaces: Vec<SerialNamespace>,
    /// Where pushes and notices go.
    pub destination: Option<CallbackUri>,
    /// Whether they go over the websocket; heeded where that was negotiated.
    pub websocket: bool,
    /// Negotiated features.
    pub features: Features,
    /// Whether a test notification is wanted.
    pub request_test: bool,
}

/// Why a registration was not made, seen or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// Not permitted by role or scope.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not there, or not the caller's: the same to a stranger.
    #[error("subscription not found")]
    NotFound,
    /// A namespace outside what the operator granted.
    #[error("serial namespace not granted")]
    NamespaceNotGranted,
    /// The notification destination is not at an origin the operator pinned for the caller.
    #[error("notification destination not registered")]
    DestinationNotRegistered,
    /// Neither a destination nor the websocket to push assignments over.
    #[error("nowhere to notify")]
    NowhereToNotify,
    /// More registrations than a party may have.
    #[error("too many subscriptions")]
    TooMany,
    /// The service failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// How many registrations a party may have.
const MOST: usize = 64;

impl IcsService {
    /// Makes a registration.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub async fn create_subscription(
        &self,
        principal: &Principal,
        terms: &SubscriptionTerms,
        now: Timestamp,
    ) -> Result<Arc<Subscription>, SubscriptionError> {
        let party = self.subscriber(principal, now)?;
        check_terms(&party, terms, terms.features)?;
        if self.directory().subscriptions(&principal.sp).count() >= MOST {
            return Err(SubscriptionError::TooMany);
        }
        let id = SubscriptionId::mint(now, self.random_id());
        let subscription = Arc::new(terms_of(terms, (id, principal), (now, 1)));
        let change = self.write_subscription(None, &subscription, terms.request_test, now);
        match self.commit(change).await? {
            Committed::Yes => Ok(subscription),
            // A fresh random id cannot be taken; a store that says so is not to be believed.
            Committed::Overtaken => Err(Failure::Busy.into()),
        }
    }

    /// The caller's registrations, oldest first.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub fn list_subscriptions(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Vec<Arc<Subscription>>, SubscriptionError> {
        self.subscriber(principal, now)?;
        Ok(self
            .directory()
            .subscriptions(&principal.sp)
            .cloned()
            .collect())
    }

    /// One registration of the caller.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub fn read_subscription(
        &self,
        principal: &Principal,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<Arc<Subscription>, SubscriptionError> {
        self.subscriber(principal, now)?;
        self.directory()
            .subscription(&id)
            .filter(|subscription| subscription.iot_sp == principal.sp)
            .cloned()
            .ok_or(SubscriptionError::NotFound)
    }

    /// Replaces a registration of the caller.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub async fn replace_subscription(
        &self,
        principal: &Principal,
        (id, terms): (SubscriptionId, &SubscriptionTerms),
        now: Timestamp,
    ) -> Result<Arc<Subscription>, SubscriptionError> {
        for _ in 0..ATTEMPTS {
            let before = self.read_subscription(principal, id, now)?;
            let party = self.subscriber(principal, now)?;
            check_terms(&party, terms, before.features)?;
            let version = before.version.saturating_add(1);
            let next = Arc::new(Subscription {
                // Features hold for the resource's life (TS 29.122 5.2.7).
                features: before.features,
                websocket: terms.websocket && before.features.contain(Features::WEBSOCKET),
                created: before.created,
                ..terms_of(terms, (id, principal), (now, version))
            });
            let change = self.write_subscription(Some(&before), &next, terms.request_test, now);
            if self.commit(change).await? == Committed::Yes {
                return Ok(next);
            }
        }
        Err(Failure::Busy.into())
    }

    /// Ends a registration of the caller. Rows stay; what is to be told waits for another one.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub async fn delete_subscription(
        &self,
        principal: &Principal,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<(), SubscriptionError> {
        for _ in 0..ATTEMPTS {
            let before = self.read_subscription(principal, id, now)?;
            let mut change = Change::default();
            change.drop_record(DirectoryRecord::Subscription(before));
            if self.commit(change).await? == Committed::Yes {
                return Ok(());
            }
        }
        Err(Failure::Busy.into())
    }

    fn subscriber(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Arc<Party>, SubscriptionError> {
        self.admit(principal, ReferencePoint::Ics2, now)?
            .party(&principal.sp)
            .cloned()
            .ok_or(SubscriptionError::NotFound)
    }

    fn write_subscription(
        &self,
        before: Option<&Arc<Subscription>>,
        after: &Arc<Subscription>,
        request_test: bool,
        now: Timestamp,
    ) -> Change {
        let mut change = Change::default();
        if request_test {
            change.tell(OutboxEntry {
                key: OutboxKey {
                    addressee: Addressee {
                        role: Role::IotSp,
                        sp: after.iot_sp.clone(),
                    },
                    subject: Subject::Subscription(after.id),
                    sequence: after.version,
                },
                message: Message::Test,
                mapping_key: None,
                event_time: now,
                deadline: now.plus(self.knobs.notification_lifetime),
                attempts: 0,
                next_attempt: now,
                dead: None,
            });
        }
        let before = before.map(|record| DirectoryRecord::Subscription(record.clone()));
        change.put_record(before, DirectoryRecord::Subscription(after.clone()));
        change
    }
}

fn check_terms(
    party: &Party,
    terms: &SubscriptionTerms,
    features: Features,
) -> Result<(), SubscriptionError> {
    // t8 top: namespaces are granted by the operator; a subscription can only narrow them.
    let granted =
        |wanted: &SerialNamespace| party.serial_namespaces.iter().any(|g| wanted.narrows(g));
    if !terms.serial_namespaces.iter().all(granted) {
        return Err(SubscriptionError::NamespaceNotGranted);
    }
    if terms
        .destination
        .as_ref()
        .is_some_and(|destination| !party.may_be_notified_at(destination))
    {
        return Err(SubscriptionError::DestinationNotRegistered);
    }
    let by_websocket = terms.websocket && features.contain(Features::WEBSOCKET);
    if terms.destination.is_none() && !by_websocket {
        return Err(SubscriptionError::NowhereToNotify);
    }
    Ok(())
}

fn terms_of(
    terms: &SubscriptionTerms,
    (id, principal): (SubscriptionId, &Principal),
    (created, version): (Timestamp, u64),
) -> Subscription {
    Subscription {
        id,
        iot_sp: principal.sp.clone(),
        serial_namespaces: terms.serial_namespaces.clone(),
        destination: terms.destination.clone(),
        websocket: terms.websocket && terms.features.contain(Features::WEBSOCKET),
        features: terms.features,
        created,
        version,
    }
}
