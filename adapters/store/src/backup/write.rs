//! Writing one, from a snapshot, a block in memory at a time.

use std::io::{self, Write};
use std::ops::ControlFlow;

use ics_core::time::Timestamp;

use super::audit::Audit;
use super::{BLOCK, BackupSummary, FILE_FORMAT, MAGIC};
use crate::file_fault::WriteFault;
use crate::hashing::HashingWriter;
use crate::record::{Canary, checksum, decode, write_pair};
use crate::{FORMAT, Table, Upkeep, index};

/// Writes everything that `store` holds as of one instant, which `taken` names. Commits go on
/// meanwhile.
///
/// # Errors
/// [`WriteFault`]; what was written then has no trailer.
pub fn write_backup(
    store: &dyn Upkeep,
    taken: Timestamp,
    out: &mut dyn Write,
) -> Result<BackupSummary, WriteFault> {
    let mut writer = BackupWriter::new(taken, out);
    let mut written = Ok(());
    let visited = store.visit(&Table::ALL, &mut |key, value| {
        written = writer.add(key, value);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    visited.map_err(WriteFault::Read)?;
    if !writer.audit.is_complete() {
        return Err(WriteFault::Damaged(Table::Meta));
    }
    writer.end().map_err(WriteFault::Write)
}

struct BackupWriter<'w> {
    out: HashingWriter<'w>,
    taken: Timestamp,
    is_begun: bool,
    block: Vec<u8>,
    pairs: u32,
    audit: Audit,
    digest: u64,
    canary: Option<Canary>,
}

/// Writes a backup of these pairs.
#[cfg(feature = "fuzzing")]
pub(crate) fn write_pairs(
    pairs: &[(Vec<u8>, Vec<u8>)],
    taken: Timestamp,
    out: &mut dyn Write,
) -> Result<BackupSummary, WriteFault> {
    let mut writer = BackupWriter::new(taken, out);
    for (key, value) in pairs {
        writer.add(key, value)?;
    }
    writer.end().map_err(WriteFault::Write)
}

impl<'w> BackupWriter<'w> {
    fn new(taken: Timestamp, out: &'w mut dyn Write) -> Self {
        Self {
            out: HashingWriter::new(out),
            taken,
            is_begun: false,
            block: Vec::with_capacity(BLOCK),
            pairs: 0,
            audit: Audit::default(),
            digest: 0,
            canary: None,
        }
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), WriteFault> {
        let table = Table::of_key(key).unwrap_or(Table::Meta);
        if !self.audit.take(table, key, value) {
            return Err(WriteFault::Damaged(table));
        }
        if table != Table::Meta {
            self.begin().map_err(WriteFault::Write)?;
            self.digest = self.digest.wrapping_add(checksum(key, value));
        } else if key == index::canary().as_bytes() {
            self.canary = decode(key, value).ok();
        }
        write_pair(&mut self.block, key, value);
        self.pairs = self.pairs.saturating_add(1);
        if self.is_begun && self.block.len() >= BLOCK {
            self.flush_block().map_err(WriteFault::Write)?;
        }
        Ok(())
    }

    /// The header, once what the store says of itself went by.
    fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            return Ok(());
        }
        self.out.put(&MAGIC)?;
        self.out.put(&FILE_FORMAT.to_le_bytes())?;
        self.out.put(&FORMAT.to_le_bytes())?;
        self.out.put(&self.taken.millis().to_le_bytes())?;
        self.out.put(&self.audit.tally().total().to_le_bytes())
    }

    fn flush_block(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.block.len()).map_err(io::Error::other)?;
        self.out.put(&length.to_le_bytes())?;
        self.out.put(&self.pairs.to_le_bytes())?;
        self.out.put(&self.block)?;
        self.block.clear();
        self.pairs = 0;
        Ok(())
    }

    fn end(mut self) -> Result<BackupSummary, io::Error> {
        self.begin()?;
        if self.pairs > 0 {
            self.flush_block()?;
        }
        self.flush_block()?;
        self.out.put(&self.audit.keys().to_le_bytes())?;
        self.out.put(&self.digest.to_le_bytes())?;
        let sha256 = self.out.hash();
        self.out.put(&sha256)?;
        self.out.flush()?;
        Ok(BackupSummary {
            taken: self.taken,
            keys: self.audit.keys(),
            digest: self.digest,
            sha256,
            bytes: self.out.bytes,
            canary: self.canary.map(|canary| canary.0),
        })
    }
}
