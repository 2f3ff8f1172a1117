//! The port of persistence.

use alloc::vec::Vec;

use crate::change::Change;
use crate::consent::ConsentRecord;
use crate::correlation::Correlation;
use crate::device::HostedDevice;
use crate::directory::DirectoryRecord;
use crate::id::{ConsentId, DeviceId, MappingId, ServiceUri, SpId, Uti};
use crate::keepsake::{Keepsake, Shelf};
use crate::mapping::{Mapping, MappingKey, UtiRecord};
use crate::outbox::{Addressee, OutboxEntry, OutboxKey, Subject};
use crate::port::PortFuture;
use crate::sealed::BlindIndex;
use crate::time::Timestamp;
use crate::timekeeping::ClockMark;

/// Why a store gave no answer. Its own words go to its log, not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// Not now: disk full, connection lost. Nothing was written; asking again may help.
    #[error("store unavailable")]
    Unavailable,
    /// What is stored contradicts itself or cannot be read. Asking again does not help.
    #[error("store inconsistent")]
    Inconsistent,
}

/// Why a change was not committed. Nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CommitError {
    /// Something it was decided on is no longer so: load again, decide again.
    #[error("overtaken by another change")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which rows to walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All rows of a third party SP, tombstones included, oldest first.
    ThirdPartySp(SpId),
    /// All live rows routed to an IoT SP.
    IotSp(SpId),
    /// The established rows of a device.
    Device {
        /// Whose device.
        iot_sp: SpId,
        /// Which.
        device_id: DeviceId,
    },
    /// The live rows of a UTI.
    Uti {
        /// Who administers it.
        third_party_sp: SpId,
        /// Which.
        uti: Uti,
    },
    /// The live rows routed to an IoT SP for a serial number, by its keyed hash.
    Serial {
        /// The IoT SP.
        iot_sp: SpId,
        /// Of the serial number.
        serial: BlindIndex,
    },
    /// The live rows of the devices of a user, by keyed hash of (IoT SP, subject).
    Owner(BlindIndex),
    /// The live rows of a service URI.
    Service(ServiceUri),
    /// Rows whose [`Mapping::due`] is at or before an instant, most overdue first.
    Due(Timestamp),
    /// All rows, oldest first.
    All,
}

/// Where a walk stopped: bytes a store can go on from. Opaque, safe to hand out and take back:
/// a store must refuse or ignore one that does not fit the selection, never leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// Some rows, and where to go on, if there is more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub mappings: Vec<Mapping>,
    /// Where to go on.
    pub next: Option<Cursor>,
}

/// A place in the order in which an addressee's entries are due: by when, then by subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DuePlace {
    /// [`OutboxEntry::next_attempt`] of the entry there.
    pub next_attempt: Timestamp,
    /// Its subject.
    pub subject: Subject,
}

impl DuePlace {
    /// The place of `entry`.
    #[must_use]
    pub const fn of(entry: &OutboxEntry) -> Self {
        Self {
            next_attempt: entry.next_attempt,
            subject: entry.key.subject,
        }
    }
}

/// The entries an addressee is due, and when to look again if there is nothing more now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueEntries {
    /// Due now; at most one for each subject, the one with the lowest sequence.
    pub entries: Vec<OutboxEntry>,
    /// The earliest `next_attempt` among the rest.
    pub next: Option<Timestamp>,
}

/// A hosted device and the rows of its document, of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRows {
    /// The device.
    pub device: HostedDevice,
    /// The rows that its document names, in its order; without those that are purged.
    pub rows: Vec<Mapping>,
}

/// Durable, atomic, consistent keeping of rows, outbox and directory.
///
/// Reads see every change committed before they began. A wrong "committed" loses a user's
/// mapping or revives a revoked one; a wrong "conflict" costs a retry.
pub trait Store: Send + Sync {
    /// The row of that id, tombstones included.
    fn load(&self, id: MappingId) -> PortFuture<'_, Result<Option<Mapping>, StoreError>>;

    /// The live row of (service URI, UTI).
    fn load_live<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Mapping>, StoreError>>;

    /// Y.4462 10.3 case 2: the established row of (service URI, UTI).
    fn correlate<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Correlation>, StoreError>>;

    /// Y.4462 10.3 case 1: at most `limit` established rows of a device of `iot_sp`, in the order
    /// of their ids, after `after`.
    fn correlations<'a>(
        &'a self,
        device: (&'a SpId, &'a DeviceId),
        after: Option<MappingId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Correlation>, StoreError>>;

    /// At most `limit` rows of `selection`, after `after`.
    fn walk<'a>(
        &'a self,
        selection: &'a Selection,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, StoreError>>;

    /// The permanent record of a UTI, by keyed hash of (third party SP, UTI).
    fn load_uti_record(
        &self,
        index: BlindIndex,
    ) -> PortFuture<'_, Result<Option<UtiRecord>, StoreError>>;

    /// Whether the device ID with this keyed hash was unregistered.
    fn is_device_dead(&self, index: BlindIndex) -> PortFuture<'_, Result<bool, StoreError>>;

    /// The hosted device of that ID.
    fn load_device<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>>;

    /// The hosted device of that ID, with the rows of its document.
    fn load_device_rows<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<DeviceRows>, StoreError>>;

    /// The hosted device of `iot_sp` whose serial number has this keyed hash; none that is
    /// unregistering.
    fn find_device<'a>(
        &'a self,
        iot_sp: &'a SpId,
        serial: BlindIndex,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>>;

    /// At most `limit` hosted devices of `iot_sp`, those that are unregistering included, in the
    /// order of their IDs, after `after`.
    fn walk_devices<'a>(
        &'a self,
        iot_sp: &'a SpId,
        after: Option<&'a DeviceId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<HostedDevice>, StoreError>>;

    /// At most `limit` hosted devices whose [`HostedDevice::due`] is at or before an instant, most
    /// overdue first.
    fn due_devices(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<HostedDevice>, StoreError>>;

    /// Every record of the directory.
    fn load_directory(&self) -> PortFuture<'_, Result<Vec<DirectoryRecord>, StoreError>>;

    /// The entry of that name.
    fn load_entry<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, StoreError>>;

    /// At most `limit` entries due to `addressee` after a place (if any) and at an instant, in the
    /// order of their places. Dead letters are never due. Of one subject only the entry with the
    /// lowest sequence is due: order within a row is kept.
    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        range: (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>>;

    /// At most `limit` outbox entries of everybody, dead letters included, after `after`, in the
    /// order of their keys.
    fn walk_outbox<'a>(
        &'a self,
        after: Option<&'a OutboxKey>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>>;

    /// At most `limit` keepsakes of `shelf` behind the key `after`, in the order of their keys.
    fn walk_keepsakes<'a>(
        &'a self,
        shelf: Shelf,
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Keepsake>, StoreError>>;

    /// The consent of that id.
    fn load_consent(
        &self,
        id: ConsentId,
    ) -> PortFuture<'_, Result<Option<ConsentRecord>, StoreError>>;

    /// At most `limit` consents whose [`ConsentRecord::due`] is at or before an instant, most overdue
    /// first.
    fn due_consents(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<ConsentRecord>, StoreError>>;

    /// What was last remembered of time; `None` in a store that never was told.
    fn load_clock_mark(&self) -> PortFuture<'_, Result<Option<ClockMark>, StoreError>>;

    /// Commits a change whole and durably, or not at all. Answers only after the change would
    /// survive a power cut.
    fn commit(&self, change: Change) -> PortFuture<'_, Result<(), CommitError>>;
}
