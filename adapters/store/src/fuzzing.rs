//! For `tests/fuzz` alone, behind the feature `fuzzing`.

use std::ops::ControlFlow;

use ics_core::consent::ConsentRecord;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::id::{DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::keepsake::Keepsake;
use ics_core::mapping::{Mapping, MappingKey, UtiRecord};
use ics_core::outbox::OutboxEntry;

use crate::index;
use crate::record::{
    Canary, DeadDevice, DeviceEntry, Format, LiveEntry, Record, Tally, Versions, checksum, decode,
    encode, peek_version,
};

/// How many kinds of records there are.
pub const KINDS: usize = 14;

/// Version byte and fields with the checksum they need under `key`.
#[must_use]
pub fn complete(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(&checksum(key, body).to_le_bytes());
    bytes
}

/// The record of that kind under `key`, written again; `None` when it is refused.
#[must_use]
pub fn rewrite(kind: usize, key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<R: Record>(key: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let record: R = decode(key, bytes).ok()?;
        Some(encode(key, &record))
    }
    match kind {
        0 => again::<Mapping>(key, bytes),
        1 => again::<LiveEntry>(key, bytes),
        2 => again::<DeviceEntry>(key, bytes),
        3 => again::<UtiRecord>(key, bytes),
        4 => again::<DeadDevice>(key, bytes),
        5 => again::<OutboxEntry>(key, bytes),
        6 => {
            let _ = peek_version(key, bytes);
            again::<DirectoryRecord>(key, bytes)
        }
        7 => again::<Tally>(key, bytes),
        8 => again::<Versions>(key, bytes),
        9 => again::<Canary>(key, bytes),
        10 => again::<Format>(key, bytes),
        11 => again::<Keepsake>(key, bytes),
        12 => again::<HostedDevice>(key, bytes),
        _ => again::<ConsentRecord>(key, bytes),
    }
}

/// The key of a live row.
#[must_use]
pub fn live_key(service_uri: &ServiceUri, uti: &Uti) -> Vec<u8> {
    let key = MappingKey {
        service_uri: service_uri.clone(),
        uti: uti.clone(),
    };
    index::live(&key).into_bytes()
}

/// The key of a device's row.
#[must_use]
pub fn device_key(iot_sp: &SpId, device_id: &DeviceId, id: MappingId) -> Vec<u8> {
    index::device(iot_sp, device_id).id(id).into_bytes()
}

/// The row an index entry of any store stands for.
#[must_use]
pub fn row_of_entry(key: &[u8], value: &[u8]) -> Option<MappingId> {
    index::row_of_entry(key, value)
}

/// The pairs of a backup.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A backup with the hash its last bytes must be.
#[must_use]
pub fn complete_backup(bytes: &[u8]) -> Vec<u8> {
    let body = bytes.len().saturating_sub(32);
    let body = bytes.get(..body).unwrap_or_default();
    let mut complete = body.to_vec();
    complete.extend_from_slice(&crate::hashing::hash_of(body));
    complete
}

/// The pairs of a backup, and the backup that is written of them; `None` when it is refused.
#[must_use]
pub fn rewrite_backup(bytes: &[u8]) -> Option<(Pairs, Vec<u8>)> {
    let mut pairs = Pairs::new();
    let read = crate::read_backup(&mut &*bytes, &mut |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    let taken = read.ok()?.taken;
    let mut again = Vec::new();
    crate::backup::write_pairs(&pairs, taken, &mut again).ok()?;
    Some((pairs, again))
}

/// The versions in which the lines of a state are written, by kind.
#[must_use]
pub fn line_versions() -> Vec<u8> {
    crate::state::own_versions().to_vec()
}

/// A line of an exported state, written again; `None` when it is refused.
#[must_use]
pub fn rewrite_line(bytes: &[u8], versions: &[u8]) -> Option<Vec<u8>> {
    let line = crate::state::Line::parse(bytes, versions).ok()?;
    Some(line.render())
}

/// What is wrong with such a line.
#[must_use]
pub fn fault_of_line(bytes: &[u8], versions: &[u8]) -> Option<String> {
    let misfit = crate::state::Line::parse(bytes, versions).err()?;
    Some(format!("{} {}", misfit.field, misfit.wrong))
}

/// Reads a whole state.
#[must_use]
pub fn reads_state(bytes: &[u8]) -> bool {
    crate::read_state(&mut &*bytes, &mut || ()).is_ok()
}
