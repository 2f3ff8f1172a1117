//! Where everything lies: one ordered keyspace, a byte for the table, then the parts of the key.
//!
//! Parts of variable length are framed so that no two keys are one another's prefix and the order
//! of keys is the order of their parts. Instants and sequences are big-endian. The layout is part
//! of the format: a change of it is a new [`crate::FORMAT`].

use std::fmt;

use ics_core::consent::ConsentRecord;
use ics_core::correlation::Correlation;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryKey;
use ics_core::id::{ConsentId, DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::keepsake::Shelf;
use ics_core::mapping::{Mapping, MappingKey};
use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey, Subject};
use ics_core::port::DuePlace;
use ics_core::sealed::BlindIndex;
use ics_core::time::Timestamp;

use crate::record::{DeviceEntry, LiveEntry, decode, encode, role_byte, subject_bytes};

/// The tables of a store. The number is the first byte of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Format and counters.
    Meta = 0x01,
    /// Rows, tombstones included, by mapping id.
    Mapping = 0x10,
    /// Live rows by (service URI, UTI); the value is the mapping id, and what an inquiry needs.
    Live = 0x11,
    /// Established rows by (IoT SP, device ID, mapping id); the value is what an inquiry needs.
    Device = 0x12,
    /// Live rows by (third party SP, UTI, mapping id).
    Uti = 0x13,
    /// All rows by (third party SP, mapping id).
    ThirdPartySp = 0x14,
    /// Live rows by (IoT SP, serial hash, mapping id).
    IotSp = 0x15,
    /// Rows that fall due, by (instant, mapping id).
    Due = 0x16,
    /// Permanent UTI records by keyed hash.
    UtiRecord = 0x20,
    /// Dead device IDs by keyed hash.
    DeadDevice = 0x21,
    /// Outbox entries by name.
    Outbox = 0x30,
    /// The next entry of each (addressee, subject), by (addressee, next attempt, subject).
    OutboxDue = 0x31,
    /// Directory records by kind and name.
    Directory = 0x40,
    /// Hosted devices by device ID.
    HostedDevice = 0x50,
    /// All hosted devices by (IoT SP, device ID).
    HostedSp = 0x51,
    /// Active hosted devices by (IoT SP, serial hash); the value is the device ID.
    HostedSerial = 0x52,
    /// Hosted devices that fall due, by (instant, device ID).
    HostedDue = 0x53,
    /// What adapters keep for themselves, by (shelf, key).
    Keepsake = 0x60,
    /// Users' consents by consent id.
    Consent = 0x70,
    /// Consents that fall due, by (instant, consent id).
    ConsentDue = 0x71,
    /// Live rows by (owner of the device, mapping id), of those that have one.
    Owner = 0x72,
}

impl Table {
    /// All of them, by their numbers. New ones are added at the end: the counters are kept in this
    /// order, and backups written.
    pub const ALL: [Self; 21] = [
        Self::Meta,
        Self::Mapping,
        Self::Live,
        Self::Device,
        Self::Uti,
        Self::ThirdPartySp,
        Self::IotSp,
        Self::Due,
        Self::UtiRecord,
        Self::DeadDevice,
        Self::Outbox,
        Self::OutboxDue,
        Self::Directory,
        Self::HostedDevice,
        Self::HostedSp,
        Self::HostedSerial,
        Self::HostedDue,
        Self::Keepsake,
        Self::Consent,
        Self::ConsentDue,
        Self::Owner,
    ];
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The name in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Mapping => "mapping",
            Self::Live => "live",
            Self::Device => "device",
            Self::Uti => "uti",
            Self::ThirdPartySp => "third-party-sp",
            Self::IotSp => "iot-sp",
            Self::Due => "due",
            Self::UtiRecord => "uti-record",
            Self::DeadDevice => "dead-device",
            Self::Outbox => "outbox",
            Self::OutboxDue => "outbox-due",
            Self::Directory => "directory",
            Self::HostedDevice => "hosted-device",
            Self::HostedSp => "hosted-sp",
            Self::HostedSerial => "hosted-serial",
            Self::HostedDue => "hosted-due",
            Self::Keepsake => "keepsake",
            Self::Consent => "consent",
            Self::ConsentDue => "consent-due",
            Self::Owner => "owner",
        }
    }

    /// Whether its values are records, with a checksum of their own; those of other indexes are
    /// empty, or another key.
    pub(crate) const fn holds_records(self) -> bool {
        !matches!(
            self,
            Self::Uti
                | Self::ThirdPartySp
                | Self::IotSp
                | Self::Due
                | Self::OutboxDue
                | Self::HostedSp
                | Self::HostedSerial
                | Self::HostedDue
                | Self::ConsentDue
                | Self::Owner
        )
    }

    /// The place in [`Self::ALL`].
    pub(crate) fn position(self) -> usize {
        Self::ALL
            .into_iter()
            .position(|t| t == self)
            .unwrap_or(usize::MAX)
    }

    /// The table a key belongs to.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let first = key.first()?;
        Self::ALL.into_iter().find(|t| *t as u8 == *first)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn of(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.push(table as u8);
        Self(bytes)
    }

    /// Bytes of fixed length.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes of variable length: 00 is written 00 FF, the end 00 01.
    fn framed(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0.push(*byte);
            if *byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    fn instant(self, instant: Timestamp) -> Self {
        // Never negative, so the order of the bytes is the order of time.
        self.fixed(&instant.millis().to_be_bytes())
    }

    fn sp(self, sp: &SpId) -> Self {
        self.framed(sp.as_str().as_bytes())
    }

    pub(crate) fn id(self, id: MappingId) -> Self {
        self.fixed(id.as_bytes())
    }

    fn addressee(self, addressee: &Addressee) -> Self {
        self.fixed(&[role_byte(addressee.role)]).sp(&addressee.sp)
    }

    fn subject(self, subject: &Subject) -> Self {
        let (kind, id) = subject_bytes(subject);
        self.fixed(&[kind]).fixed(id)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The first key after all keys that begin with this one.
    pub(crate) fn prefix_end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                break;
            }
        }
        end
    }
}

pub(crate) fn format() -> Key {
    Key::of(Table::Meta).fixed(b"format")
}

pub(crate) fn tally() -> Key {
    Key::of(Table::Meta).fixed(b"tally")
}

pub(crate) fn clock_mark() -> Key {
    Key::of(Table::Meta).fixed(b"clock")
}

pub(crate) fn versions() -> Key {
    Key::of(Table::Meta).fixed(b"versions")
}

pub(crate) fn canary() -> Key {
    Key::of(Table::Meta).fixed(b"canary")
}

pub(crate) fn mapping(id: MappingId) -> Key {
    Key::of(Table::Mapping).id(id)
}

pub(crate) fn live(key: &MappingKey) -> Key {
    service(&key.service_uri).framed(key.uti.as_str().as_bytes())
}

/// The prefix of all live rows of a service.
pub(crate) fn service(service_uri: &ServiceUri) -> Key {
    Key::of(Table::Live).framed(service_uri.as_str().as_bytes())
}

/// The prefix of a device's rows.
pub(crate) fn device(iot_sp: &SpId, device_id: &DeviceId) -> Key {
    Key::of(Table::Device)
        .sp(iot_sp)
        .framed(device_id.as_str().as_bytes())
}

/// The prefix of a UTI's rows.
pub(crate) fn uti(third_party_sp: &SpId, uti: &Uti) -> Key {
    Key::of(Table::Uti)
        .sp(third_party_sp)
        .framed(uti.as_str().as_bytes())
}

/// The prefix of a third party SP's rows.
pub(crate) fn third_party_sp(sp: &SpId) -> Key {
    Key::of(Table::ThirdPartySp).sp(sp)
}

/// The prefix of an IoT SP's live rows.
pub(crate) fn iot_sp(sp: &SpId) -> Key {
    Key::of(Table::IotSp).sp(sp)
}

/// The prefix of an IoT SP's live rows for a serial number.
pub(crate) fn iot_sp_serial(sp: &SpId, serial: BlindIndex) -> Key {
    iot_sp(sp).fixed(serial.as_bytes())
}

/// A live row under its IoT SP.
pub(crate) fn iot_sp_row(row: &Mapping) -> Key {
    iot_sp_serial(&row.iot_sp, row.serial_index).id(row.id)
}

/// The prefix of the rows due at `instant`.
pub(crate) fn due(instant: Timestamp) -> Key {
    Key::of(Table::Due).instant(instant)
}

pub(crate) fn uti_record(index: BlindIndex) -> Key {
    Key::of(Table::UtiRecord).fixed(index.as_bytes())
}

pub(crate) fn dead_device(index: BlindIndex) -> Key {
    Key::of(Table::DeadDevice).fixed(index.as_bytes())
}

pub(crate) fn outbox(key: &OutboxKey) -> Key {
    outbox_subject(&key.addressee, &key.subject).fixed(&key.sequence.to_be_bytes())
}

/// The prefix of the entries of one (addressee, subject).
pub(crate) fn outbox_subject(addressee: &Addressee, subject: &Subject) -> Key {
    Key::of(Table::Outbox).addressee(addressee).subject(subject)
}

/// The prefix of the due entries of an addressee.
pub(crate) fn outbox_addressee(addressee: &Addressee) -> Key {
    Key::of(Table::OutboxDue).addressee(addressee)
}

/// Where the head of a subject waits; its value is the entry's key in [`Table::Outbox`].
pub(crate) fn outbox_due(entry: &OutboxEntry) -> Key {
    outbox_place(&entry.key.addressee, &DuePlace::of(entry))
}

/// A place among the due entries of an addressee.
pub(crate) fn outbox_place(addressee: &Addressee, place: &DuePlace) -> Key {
    outbox_addressee(addressee)
        .instant(place.next_attempt)
        .subject(&place.subject)
}

/// The instant in a key of [`Table::OutboxDue`] behind the prefix of its addressee.
pub(crate) fn instant_after(prefix: &Key, key: &[u8]) -> Option<Timestamp> {
    let (instant, _) = key.get(prefix.0.len()..)?.split_first_chunk::<8>()?;
    Some(Timestamp::from_millis(i64::from_be_bytes(*instant)))
}

pub(crate) fn directory(key: &DirectoryKey) -> Key {
    let table = Key::of(Table::Directory);
    match key {
        DirectoryKey::Party(id) => parties().sp(id),
        DirectoryKey::Agreement(id) => table.fixed(&[1]).fixed(id.as_bytes()),
        DirectoryKey::Subscription(id) => table.fixed(&[2]).fixed(id.as_bytes()),
        DirectoryKey::Certificate(serial) => table.fixed(&[3]).framed(serial.as_bytes()),
        DirectoryKey::Fence(job) => fences().fixed(job.as_bytes()),
        DirectoryKey::Job(job) => table.fixed(&[5]).fixed(job.as_bytes()),
    }
}

/// The prefix of all parties.
pub(crate) fn parties() -> Key {
    Key::of(Table::Directory).fixed(&[0])
}

/// The prefix of all fences; the job's id is the tail.
pub(crate) fn fences() -> Key {
    Key::of(Table::Directory).fixed(&[4])
}

pub(crate) fn hosted_device(id: &DeviceId) -> Key {
    Key::of(Table::HostedDevice).fixed(id.as_str().as_bytes())
}

/// The prefix of the hosted devices of an IoT SP; the device ID is the tail.
pub(crate) fn hosted_sp(sp: &SpId) -> Key {
    Key::of(Table::HostedSp).sp(sp)
}

/// Where the hosted device of a serial number is told.
pub(crate) fn hosted_serial(sp: &SpId, serial: BlindIndex) -> Key {
    Key::of(Table::HostedSerial).sp(sp).fixed(serial.as_bytes())
}

/// The prefix of the hosted devices due at `instant`; the device ID is the tail.
pub(crate) fn hosted_due(instant: Timestamp) -> Key {
    Key::of(Table::HostedDue).instant(instant)
}

/// The prefix of the keepsakes of a shelf.
pub(crate) fn shelf(shelf: Shelf) -> Key {
    Key::of(Table::Keepsake).fixed(&[shelf as u8])
}

pub(crate) fn keepsake(of: Shelf, key: &[u8]) -> Key {
    shelf(of).framed(key)
}

pub(crate) fn consent(id: ConsentId) -> Key {
    Key::of(Table::Consent).fixed(id.as_bytes())
}

/// The prefix of the consents due at `instant`; the consent id is the tail.
pub(crate) fn consent_due(instant: Timestamp) -> Key {
    Key::of(Table::ConsentDue).instant(instant)
}

/// The prefix of the live rows of a user's devices.
pub(crate) fn owner(owner: BlindIndex) -> Key {
    Key::of(Table::Owner).fixed(owner.as_bytes())
}

/// All index entries a consent must have, and no others: key and value.
pub(crate) fn entries_of_consent(record: &ConsentRecord) -> Vec<(Key, Vec<u8>)> {
    let key = consent_due(record.due).fixed(record.id.as_bytes());
    vec![(key, Vec::new())]
}

/// The consent id an entry of [`Table::ConsentDue`] stands for: its key's tail.
pub(crate) fn consent_of_entry(key: &[u8]) -> Option<ConsentId> {
    key.last_chunk().copied().map(ConsentId::from_bytes)
}

/// All index entries a hosted device must have, and no others: key and value.
pub(crate) fn entries_of_device(device: &HostedDevice) -> Vec<(Key, Vec<u8>)> {
    let id = device.id.as_str().as_bytes();
    let mut entries = vec![(hosted_sp(&device.iot_sp).fixed(id), Vec::new())];
    match device.due() {
        None => entries.push((
            hosted_serial(&device.iot_sp, device.serial_index),
            id.to_vec(),
        )),
        Some(instant) => entries.push((hosted_due(instant).fixed(id), Vec::new())),
    }
    entries
}

/// The device ID an index entry stands for: in its value in [`Table::HostedSerial`], else behind
/// what its key begins with.
pub(crate) fn device_of_entry(table: Table, key: &[u8], value: &[u8]) -> Option<DeviceId> {
    let id = match table {
        Table::HostedSerial => value,
        Table::HostedDue => key.get(9..)?,
        // The name of an SP holds no zeros: its end is the first.
        _ => {
            let end = key.windows(2).position(|pair| pair == [0, 1])?;
            key.get(end.checked_add(2)?..)?
        }
    };
    DeviceId::from_store(std::str::from_utf8(id).ok()?).ok()
}

/// All index entries a row must have, and no others: key and value.
pub(crate) fn entries_of(row: &Mapping) -> Vec<(Key, Vec<u8>)> {
    let mut entries = vec![(third_party_sp(&row.third_party_sp).id(row.id), Vec::new())];
    if row.is_live() {
        let key = live(&row.key);
        let value = encode(key.as_bytes(), &LiveEntry::of(row));
        entries.push((key, value));
        entries.push((
            uti(&row.third_party_sp, &row.key.uti).id(row.id),
            Vec::new(),
        ));
        entries.push((iot_sp_row(row), Vec::new()));
        if let Some(of) = row.owner {
            entries.push((owner(of).id(row.id), Vec::new()));
        }
    }
    if let Some(correlation) = Correlation::of(row) {
        let key = device(&row.iot_sp, &correlation.device_id).id(row.id);
        let value = encode(key.as_bytes(), &DeviceEntry::of(&correlation));
        entries.push((key, value));
    }
    if let Some(instant) = row.due() {
        entries.push((due(instant).id(row.id), Vec::new()));
    }
    entries
}

/// The mapping id an index entry stands for: in its value in [`Table::Live`], else its key's tail.
pub(crate) fn row_of_entry(key: &[u8], value: &[u8]) -> Option<MappingId> {
    if key.first() == Some(&(Table::Live as u8)) {
        return decode(key, value).ok().map(|entry: LiveEntry| entry.id);
    }
    key.last_chunk().copied().map(MappingId::from_bytes)
}

#[cfg(test)]
mod tests;
