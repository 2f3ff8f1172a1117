//! How records lie in a store: a version byte, the fields, a checksum.
//!
//! Decoding is total. The checksum covers the key too, so that a record under a foreign key is
//! found out; it guards against damage, not against an attacker. Each kind counts its own
//! versions: an older one stays readable, a newer one is refused by name.

mod bytes;
mod consent;
mod correlation;
mod device;
mod directory;
mod fields;
mod json;
mod keepsake;
mod mapping;
mod message;
mod meta;
mod sweep;
mod uti;
mod value;

use ics_core::consent::ConsentRecord;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::id::InvalidId;
use ics_core::keepsake::Keepsake;
use ics_core::mapping::{Mapping, UtiRecord};
use ics_core::outbox::OutboxEntry;
use ics_core::timekeeping::ClockMark;

use bytes::{Decoder, Encoder};
pub(crate) use bytes::{read_pair, write_pair};
pub(crate) use correlation::{DeviceEntry, LiveEntry};
pub(crate) use directory::peek_version;
pub(crate) use fields::{Sink, Source};
pub(crate) use json::{JsonSink, JsonSource, Misfit};
pub(crate) use message::subject_bytes;
pub(crate) use meta::{Canary, Format, Tally, Versions};
pub(crate) use uti::DeadDevice;
pub(crate) use value::role_byte;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They end too early.
    #[error("record ends too early")]
    Truncated,
    /// They go on after the last field.
    #[error("record goes on after its last field")]
    Trailing,
    /// They are not those that were written under this key.
    #[error("record does not match its checksum")]
    Checksum,
    /// A later version of this software wrote them.
    #[error("record has version {found}, the newest known is {known}")]
    Newer {
        /// The version of the record.
        found: u8,
        /// The newest this code reads.
        known: u8,
    },
    /// A field has a value it cannot have.
    #[error("record has a field that cannot be")]
    Value,
}

impl From<InvalidId> for RecordError {
    fn from(_: InvalidId) -> Self {
        Self::Value
    }
}

/// Something kept under a key.
pub(crate) trait Record: Sized {
    /// The version written.
    const VERSION: u8;

    /// Appends the fields.
    fn write(&self, out: &mut impl Sink);

    /// Reads the fields as `version` (at most [`Self::VERSION`]) wrote them.
    fn read(version: u8, input: &mut impl Source) -> Result<Self, RecordError>;
}

/// The kinds of records, and the newest version of each that this code reads. Every kind stands
/// here: what does not is not refused by an older version when it opens the store.
pub(crate) const KINDS: &[(&str, u8)] = &[
    ("tally", Tally::VERSION),
    ("canary", Canary::VERSION),
    ("clock mark", ClockMark::VERSION),
    ("mapping", Mapping::VERSION),
    ("live entry", LiveEntry::VERSION),
    ("device entry", DeviceEntry::VERSION),
    ("UTI record", UtiRecord::VERSION),
    ("dead device", DeadDevice::VERSION),
    ("outbox entry", OutboxEntry::VERSION),
    ("directory record", DirectoryRecord::VERSION),
    ("hosted device", HostedDevice::VERSION),
    ("keepsake", Keepsake::VERSION),
    ("consent", ConsentRecord::VERSION),
];

/// The bytes of `record` under `key`.
pub(crate) fn encode<R: Record>(key: &[u8], record: &R) -> Vec<u8> {
    let mut out = Encoder(Vec::with_capacity(320));
    out.byte(R::VERSION);
    record.write(&mut out);
    let sum = checksum(key, &out.0);
    out.raw(&sum.to_le_bytes());
    out.0
}

/// The record in `bytes`, which lie under `key`.
pub(crate) fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, RecordError> {
    let (version, fields) = open(key, bytes, R::VERSION)?;
    let mut input = Decoder::new(key, fields);
    let record = R::read(version, &mut input)?;
    if input.is_empty() {
        Ok(record)
    } else {
        Err(RecordError::Trailing)
    }
}

/// The checksum a record carries; what the rolling digest of a table adds up.
pub(crate) fn stored_checksum(bytes: &[u8]) -> u64 {
    bytes.last_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// Whether `bytes` are a record that was written under `key`, whatever its kind and version.
pub(crate) fn is_intact(key: &[u8], bytes: &[u8]) -> bool {
    open(key, bytes, u8::MAX).is_ok()
}

/// Version and fields of a record whose checksum holds.
fn open<'a>(key: &[u8], bytes: &'a [u8], known: u8) -> Result<(u8, &'a [u8]), RecordError> {
    let (body, sum) = bytes
        .split_last_chunk::<8>()
        .ok_or(RecordError::Truncated)?;
    let (version, fields) = body.split_first().ok_or(RecordError::Truncated)?;
    if checksum(key, body) != u64::from_le_bytes(*sum) {
        return Err(RecordError::Checksum);
    }
    if *version > known {
        return Err(RecordError::Newer {
            found: *version,
            known,
        });
    }
    Ok((*version, fields))
}

/// A hash of key and body, eight bytes a step. Each step is a bijection of the state, so any
/// damage within one word is always found. Part of the format: it must never change.
pub(crate) fn checksum(key: &[u8], body: &[u8]) -> u64 {
    let mut state = 0x6963_735f_7374_6f72;
    for part in [key, body] {
        let (words, tail) = part.as_chunks::<8>();
        for word in words {
            state = mix(state ^ u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        state = mix(state ^ u64::from_le_bytes(last));
        state = mix(state ^ u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    state ^ (state >> 29)
}

const fn mix(state: u64) -> u64 {
    let state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^ (state >> 32)
}

#[cfg(test)]
mod tests;
