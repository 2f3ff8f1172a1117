//! One atomic write: what a procedure decided, for a store to commit whole or not at all.
//!
//! Only this crate makes changes; stores read them. Each write says what it was decided on
//! (`before`), so that a store can refuse it when that is no longer so.

use alloc::vec::Vec;

use crate::consent::ConsentRecord;
use crate::device::HostedDevice;
use crate::directory::{Directory, DirectoryKey, DirectoryRecord};
use crate::id::{AeId, AgreementId, DeviceId, JobId, MappingId, SpId};
use crate::keepsake::Keeping;
use crate::mapping::{Mapping, UtiRecord};
use crate::outbox::OutboxEntry;
use crate::party::OneM2mAe;
use crate::sealed::BlindIndex;
use crate::timekeeping::ClockMark;

/// A record before and after. `None` before: it must not be there; `None` after: it goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write<T> {
    /// What was read.
    pub before: Option<T>,
    /// What shall be.
    pub after: Option<T>,
}

/// A fact that was read and not written, and must still hold at commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Assumption {
    /// The agreement is in the version it was read in (not ended meanwhile).
    AgreementUnchanged {
        /// Which.
        id: AgreementId,
        /// The version that was read.
        version: u64,
    },
    /// This device ID (keyed hash) was not unregistered.
    DeviceAlive(BlindIndex),
    /// The device the gateway hosts under a serial number is still the one that was read, as it was
    /// read; or there is still none.
    DeviceUnchanged {
        /// Whose device.
        iot_sp: SpId,
        /// Keyed hash of the serial number.
        serial: BlindIndex,
        /// The device and the version it was read in, if there was one.
        device: Option<(DeviceId, u64)>,
    },
    /// Every fence in force is one of these: no row is made or established by a decision that
    /// did not know of it.
    FencesKnown(Vec<JobId>),
    /// No party but this one, of those that were not removed, speaks as that AE.
    AeUntaken {
        /// Which.
        ae: AeId,
        /// Whom it may speak for.
        sp: SpId,
    },
}

/// Everything one decision writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    pub(crate) mappings: Vec<Write<Mapping>>,
    pub(crate) uti_records: Vec<(BlindIndex, Write<UtiRecord>)>,
    pub(crate) dead_devices: Vec<BlindIndex>,
    pub(crate) devices: Vec<Write<HostedDevice>>,
    pub(crate) outbox: Vec<Write<OutboxEntry>>,
    pub(crate) directory: Vec<(DirectoryKey, Write<DirectoryRecord>)>,
    pub(crate) consents: Vec<Write<ConsentRecord>>,
    pub(crate) keepsakes: Vec<Keeping>,
    pub(crate) clock_mark: Option<ClockMark>,
    pub(crate) assumptions: Vec<Assumption>,
}

impl Change {
    /// Rows written. Compared by version.
    #[must_use]
    pub fn mappings(&self) -> &[Write<Mapping>] {
        &self.mappings
    }

    /// Permanent UTI records written, by keyed hash of (third party SP, UTI). Compared whole.
    #[must_use]
    pub fn uti_records(&self) -> &[(BlindIndex, Write<UtiRecord>)] {
        &self.uti_records
    }

    /// Device IDs that die, by keyed hash; idempotent.
    #[must_use]
    pub fn dead_devices(&self) -> &[BlindIndex] {
        &self.dead_devices
    }

    /// Hosted devices written. Compared by version.
    #[must_use]
    pub fn devices(&self) -> &[Write<HostedDevice>] {
        &self.devices
    }

    /// Outbox entries written. Compared by existence and attempts.
    #[must_use]
    pub fn outbox(&self) -> &[Write<OutboxEntry>] {
        &self.outbox
    }

    /// Directory records written. Compared by version.
    #[must_use]
    pub fn directory(&self) -> &[(DirectoryKey, Write<DirectoryRecord>)] {
        &self.directory
    }

    /// Consents written. Compared by version.
    #[must_use]
    pub fn consents(&self) -> &[Write<ConsentRecord>] {
        &self.consents
    }

    /// Keepsakes written, in this order. Compared with nothing.
    #[must_use]
    pub fn keepsakes(&self) -> &[Keeping] {
        &self.keepsakes
    }

    /// What is to be remembered of time; replaces what was.
    #[must_use]
    pub const fn clock_mark(&self) -> Option<ClockMark> {
        self.clock_mark
    }

    /// Facts that must still hold.
    #[must_use]
    pub fn assumptions(&self) -> &[Assumption] {
        &self.assumptions
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
            && self.uti_records.is_empty()
            && self.dead_devices.is_empty()
            && self.devices.is_empty()
            && self.outbox.is_empty()
            && self.directory.is_empty()
            && self.consents.is_empty()
            && self.keepsakes.is_empty()
            && self.clock_mark.is_none()
    }

    /// Both changes as one, for a store to commit together. They must not touch the same records.
    #[must_use]
    pub fn join(mut self, mut other: Self) -> Self {
        self.uti_records.append(&mut other.uti_records);
        self.extend(other);
        self
    }

    /// This change, and then `next`, which was decided on what this one makes of UTI records. They
    /// must not touch the same records otherwise.
    #[must_use]
    pub fn followed_by(mut self, mut next: Self) -> Self {
        for (index, write) in core::mem::take(&mut next.uti_records) {
            match self.uti_records.iter_mut().find(|(of, _)| *of == index) {
                Some((_, earlier)) => earlier.after = write.after,
                None => self.uti_records.push((index, write)),
            }
        }
        self.extend(next);
        self
    }

    /// Takes in all of `other` but its UTI records.
    fn extend(&mut self, other: Self) {
        self.mappings.extend(other.mappings);
        self.dead_devices.extend(other.dead_devices);
        self.devices.extend(other.devices);
        self.outbox.extend(other.outbox);
        self.directory.extend(other.directory);
        self.consents.extend(other.consents);
        self.keepsakes.extend(other.keepsakes);
        self.clock_mark = other.clock_mark.or(self.clock_mark);
        self.assumptions.extend(other.assumptions);
    }

    /// This change, valid only as long as every fence in force is one of `directory`'s.
    #[must_use]
    pub fn knowing_fences(mut self, directory: &Directory) -> Self {
        let known = directory.fences().map(|fence| fence.job).collect();
        self.assumptions.push(Assumption::FencesKnown(known));
        self
    }

    /// This change, valid only as long as `device` is as it was read.
    pub(crate) fn knowing_device(mut self, device: &HostedDevice) -> Self {
        self.assumptions.push(Assumption::DeviceUnchanged {
            iot_sp: device.iot_sp.clone(),
            serial: device.serial_index,
            device: Some((device.id.clone(), device.version)),
        });
        self
    }

    /// This change, valid only as long as no other party than `sp` speaks as that AE.
    pub(crate) fn knowing_ae(mut self, sp: &SpId, onem2m: Option<&OneM2mAe>) -> Self {
        let untaken = onem2m.map(|onem2m| Assumption::AeUntaken {
            ae: onem2m.ae.clone(),
            sp: sp.clone(),
        });
        self.assumptions.extend(untaken);
        self
    }

    /// Whether that row is written.
    pub(crate) fn writes_mapping(&self, id: MappingId) -> bool {
        let named = |write: &Write<Mapping>| {
            let row = write.before.as_ref().or(write.after.as_ref());
            row.is_some_and(|row| row.id == id)
        };
        self.mappings.iter().any(named)
    }

    /// What becomes of that UTI record, if it is written.
    pub(crate) fn uti_record_after(&self, index: BlindIndex) -> Option<UtiRecord> {
        let mut writes = self.uti_records.iter();
        let (_, write) = writes.find(|(of, _)| *of == index)?;
        write.after
    }

    pub(crate) fn put_mapping(&mut self, before: Option<&Mapping>, after: Mapping) {
        self.mappings.push(Write {
            before: before.cloned(),
            after: Some(after),
        });
    }

    pub(crate) fn drop_mapping(&mut self, before: &Mapping) {
        self.mappings.push(Write {
            before: Some(before.clone()),
            after: None,
        });
    }

    pub(crate) fn put_uti_record(
        &mut self,
        index: BlindIndex,
        before: Option<UtiRecord>,
        after: UtiRecord,
    ) {
        if before != Some(after) {
            self.uti_records.push((
                index,
                Write {
                    before,
                    after: Some(after),
                },
            ));
        }
    }

    pub(crate) fn put_device(&mut self, before: Option<&HostedDevice>, after: HostedDevice) {
        self.devices.push(Write {
            before: before.cloned(),
            after: Some(after),
        });
    }

    pub(crate) fn drop_device(&mut self, before: &HostedDevice) {
        self.devices.push(Write {
            before: Some(before.clone()),
            after: None,
        });
    }

    pub(crate) fn put_consent(&mut self, before: Option<&ConsentRecord>, after: ConsentRecord) {
        self.consents.push(Write {
            before: before.cloned(),
            after: Some(after),
        });
    }

    pub(crate) fn drop_consent(&mut self, before: &ConsentRecord) {
        self.consents.push(Write {
            before: Some(before.clone()),
            after: None,
        });
    }

    pub(crate) fn tell(&mut self, entry: OutboxEntry) {
        self.outbox.push(Write {
            before: None,
            after: Some(entry),
        });
    }

    pub(crate) fn settle(&mut self, entry: &OutboxEntry) {
        self.outbox.push(Write {
            before: Some(entry.clone()),
            after: None,
        });
    }

    pub(crate) fn replace_entry(&mut self, before: &OutboxEntry, after: OutboxEntry) {
        self.outbox.push(Write {
            before: Some(before.clone()),
            after: Some(after),
        });
    }

    pub(crate) fn put_record(&mut self, before: Option<DirectoryRecord>, after: DirectoryRecord) {
        self.directory.push((
            after.key(),
            Write {
                before,
                after: Some(after),
            },
        ));
    }

    pub(crate) fn drop_record(&mut self, before: DirectoryRecord) {
        self.directory.push((
            before.key(),
            Write {
                before: Some(before),
                after: None,
            },
        ));
    }
}

/// Changes made by hand, to put a store to the test. Not for production code: a change that no
/// procedure decided is one nobody was authorized for.
#[cfg(feature = "test-support")]
#[doc(hidden)]
impl Change {
    #[must_use]
    pub fn with_mapping(mut self, before: Option<Mapping>, after: Option<Mapping>) -> Self {
        self.mappings.push(Write { before, after });
        self
    }

    #[must_use]
    pub fn with_uti_record(mut self, index: BlindIndex, write: Write<UtiRecord>) -> Self {
        self.uti_records.push((index, write));
        self
    }

    #[must_use]
    pub fn with_clock_mark(mut self, mark: ClockMark) -> Self {
        self.clock_mark = Some(mark);
        self
    }

    #[must_use]
    pub fn with_dead_device(mut self, index: BlindIndex) -> Self {
        self.dead_devices.push(index);
        self
    }

    #[must_use]
    pub fn with_device(
        mut self,
        before: Option<HostedDevice>,
        after: Option<HostedDevice>,
    ) -> Self {
        self.devices.push(Write { before, after });
        self
    }

    #[must_use]
    pub fn with_entry(mut self, before: Option<OutboxEntry>, after: Option<OutboxEntry>) -> Self {
        self.outbox.push(Write { before, after });
        self
    }

    #[must_use]
    pub fn with_record(mut self, key: DirectoryKey, write: Write<DirectoryRecord>) -> Self {
        self.directory.push((key, write));
        self
    }

    #[must_use]
    pub fn with_consent(
        mut self,
        before: Option<ConsentRecord>,
        after: Option<ConsentRecord>,
    ) -> Self {
        self.consents.push(Write { before, after });
        self
    }

    #[must_use]
    pub fn with_keeping(mut self, keeping: Keeping) -> Self {
        self.keepsakes.push(keeping);
        self
    }

    #[must_use]
    pub fn with_assumption(mut self, assumption: Assumption) -> Self {
        self.assumptions.push(assumption);
        self
    }
}
