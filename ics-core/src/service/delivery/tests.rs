use alloc::collections::BTreeMap;
use core::future::Future;
use core::task::{Context, Poll, Waker};

use super::*;
use crate::change::Change;
use crate::consent::ConsentRecord;
use crate::correlation::Correlation;
use crate::device::HostedDevice;
use crate::directory::DirectoryRecord;
use crate::id::{ConsentId, DeviceId, MappingId, SpId, SubscriptionId};
use crate::keepsake::{self, Keepsake};
use crate::mapping::{MappingKey, UtiRecord};
use crate::outbox::DeadReason;
use crate::port::{CommitError, DeviceRows, Page, PortFuture, Selection};
use crate::sealed::BlindIndex;
use crate::timekeeping::ClockMark;

/// An outbox and nothing else.
#[derive(Default)]
struct Shelf(BTreeMap<OutboxKey, OutboxEntry>);

fn unavailable<'a, T: Send + 'a>() -> PortFuture<'a, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::Unavailable) })
}

impl Store for Shelf {
    fn load_entry<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, StoreError>> {
        Box::pin(async { Ok(self.0.get(key).cloned()) })
    }

    fn walk_outbox<'a>(
        &'a self,
        after: Option<&'a OutboxKey>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>> {
        Box::pin(async move {
            let behind = self.0.values().filter(|e| Some(&e.key) > after);
            Ok(behind.take(limit).cloned().collect())
        })
    }

    fn load(&self, _: MappingId) -> PortFuture<'_, Result<Option<Mapping>, StoreError>> {
        unavailable()
    }

    fn load_live<'a>(
        &'a self,
        _: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Mapping>, StoreError>> {
        unavailable()
    }

    fn correlate<'a>(
        &'a self,
        _: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Correlation>, StoreError>> {
        unavailable()
    }

    fn correlations<'a>(
        &'a self,
        _: (&'a SpId, &'a DeviceId),
        _: Option<MappingId>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<Correlation>, StoreError>> {
        unavailable()
    }

    fn walk<'a>(
        &'a self,
        _: &'a Selection,
        _: Option<&'a Cursor>,
        _: usize,
    ) -> PortFuture<'a, Result<Page, StoreError>> {
        unavailable()
    }

    fn load_uti_record(
        &self,
        _: BlindIndex,
    ) -> PortFuture<'_, Result<Option<UtiRecord>, StoreError>> {
        unavailable()
    }

    fn is_device_dead(&self, _: BlindIndex) -> PortFuture<'_, Result<bool, StoreError>> {
        unavailable()
    }

    fn load_device<'a>(
        &'a self,
        _: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        unavailable()
    }

    fn load_device_rows<'a>(
        &'a self,
        _: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<DeviceRows>, StoreError>> {
        unavailable()
    }

    fn find_device<'a>(
        &'a self,
        _: &'a SpId,
        _: BlindIndex,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        unavailable()
    }

    fn walk_devices<'a>(
        &'a self,
        _: &'a SpId,
        _: Option<&'a DeviceId>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<HostedDevice>, StoreError>> {
        unavailable()
    }

    fn due_devices(
        &self,
        _: Timestamp,
        _: usize,
    ) -> PortFuture<'_, Result<Vec<HostedDevice>, StoreError>> {
        unavailable()
    }

    fn load_directory(&self) -> PortFuture<'_, Result<Vec<DirectoryRecord>, StoreError>> {
        unavailable()
    }

    fn due_entries<'a>(
        &'a self,
        _: &'a Addressee,
        _: (Option<DuePlace>, Timestamp),
        _: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>> {
        unavailable()
    }

    fn walk_keepsakes<'a>(
        &'a self,
        _: keepsake::Shelf,
        _: Option<&'a [u8]>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<Keepsake>, StoreError>> {
        unavailable()
    }

    fn load_consent(
        &self,
        _: ConsentId,
    ) -> PortFuture<'_, Result<Option<ConsentRecord>, StoreError>> {
        unavailable()
    }

    fn due_consents(
        &self,
        _: Timestamp,
        _: usize,
    ) -> PortFuture<'_, Result<Vec<ConsentRecord>, StoreError>> {
        unavailable()
    }

    fn load_clock_mark(&self) -> PortFuture<'_, Result<Option<ClockMark>, StoreError>> {
        unavailable()
    }

    fn commit(&self, _: Change) -> PortFuture<'_, Result<(), CommitError>> {
        Box::pin(async { Err(CommitError::Store(StoreError::Unavailable)) })
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn row(n: u8) -> Subject {
    Subject::Mapping(MappingId::from_bytes([n; 16]))
}

fn key(role: Role, subject: Subject, sequence: u64) -> OutboxKey {
    let sp = SpId::parse("shop").unwrap();
    OutboxKey {
        addressee: Addressee { role, sp },
        subject,
        sequence,
    }
}

impl Shelf {
    fn put(&mut self, key: &OutboxKey, is_dead: bool) {
        let entry = OutboxEntry {
            key: key.clone(),
            message: Message::Test,
            mapping_key: None,
            event_time: NOW,
            deadline: NOW,
            attempts: 0,
            next_attempt: NOW,
            dead: is_dead.then_some(DeadReason::DeadlinePassed),
        };
        self.0.insert(key.clone(), entry);
    }

    /// The sequence of the head of the subject of `key`.
    fn head(&self, key: &OutboxKey) -> Option<u64> {
        let mut head = core::pin::pin!(load_head(self, key));
        let mut context = Context::from_waker(Waker::noop());
        match head.as_mut().poll(&mut context) {
            Poll::Ready(head) => head.unwrap().map(|entry| entry.key.sequence),
            Poll::Pending => panic!("nothing to wait for"),
        }
    }
}

#[test]
fn one_that_the_operator_tries_again_goes_before_those_behind_it() {
    let keys = [1, 2, 3].map(|n| key(Role::ThirdPartySp, row(1), n));
    let mut shelf = Shelf::default();
    for key in &keys {
        shelf.put(key, false);
    }
    // Whichever was tried, settled or not.
    for key in &keys {
        assert_eq!(shelf.head(key), Some(1));
    }
    shelf.put(&keys[0], true);
    assert_eq!(shelf.head(&keys[1]), Some(2));
    shelf.0.remove(&keys[1]);
    assert_eq!(shelf.head(&keys[1]), Some(3));
}

#[test]
fn many_dead_letters_hide_no_head() {
    let mut shelf = Shelf::default();
    for n in 1..=20 {
        shelf.put(&key(Role::ThirdPartySp, row(1), n), true);
    }
    let tried = key(Role::ThirdPartySp, row(1), 1);
    assert_eq!(shelf.head(&tried), None);
    shelf.put(&key(Role::ThirdPartySp, row(1), 21), false);
    assert_eq!(shelf.head(&tried), Some(21));
}

#[test]
fn head_is_of_the_same_subject_and_addressee() {
    let mut shelf = Shelf::default();
    shelf.put(&key(Role::ThirdPartySp, row(0), 1), false);
    shelf.put(&key(Role::ThirdPartySp, row(2), 1), false);
    shelf.put(&key(Role::IotSp, row(1), 1), false);
    assert_eq!(shelf.head(&key(Role::ThirdPartySp, row(1), 1)), None);
    assert_eq!(shelf.head(&key(Role::IotSp, row(1), 7)), Some(1));
}

#[test]
fn test_notification_of_a_subscription_is_a_head() {
    let subject = Subject::Subscription(SubscriptionId::mint(NOW, [9; 10]));
    let test = key(Role::IotSp, subject, 0);
    let mut shelf = Shelf::default();
    shelf.put(&test, false);
    assert_eq!(shelf.head(&test), Some(0));
}
