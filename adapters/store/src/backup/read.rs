//! Reading one: total and strict, a block in memory at a time.

use std::io::Read;
use std::ops::ControlFlow;

use ics_core::time::Timestamp;

use super::audit::Audit;
use super::{BackupSummary, FILE_FORMAT, LARGEST_BLOCK, MAGIC};
use crate::engine::{Engine as _, EngineError, Verdict, WriteKeys as _};
use crate::file_fault::FileFault;
use crate::hashing::HashingReader;
use crate::record::{Canary, checksum, read_pair};
use crate::upkeep::Visit;
use crate::walk::load;
use crate::{EmbeddedStore, FORMAT, MemoryEngine, PrepareError, Table, index};

/// Bytes of the header.
const HEADER: usize = 32;
/// What a block begins with: its length, and how many pairs it holds.
const BLOCK_HEAD: usize = 8;

/// Reads a backup to its end and hands every key with its value to `visit`, in order, until it
/// breaks: then the summary is of what was read so far, and nothing after it was looked at.
///
/// Nothing of the file is known to be good before this has ended well.
///
/// # Errors
/// [`FileFault`].
pub fn read_backup(
    input: &mut dyn Read,
    visit: &mut Visit<'_>,
) -> Result<BackupSummary, FileFault> {
    let mut reader = Reader {
        input: HashingReader::new(input),
        last_key: Vec::new(),
        audit: Audit::default(),
        meta: Some(MemoryEngine::default()),
        summary: BackupSummary {
            taken: Timestamp::from_millis(0),
            keys: 0,
            digest: 0,
            sha256: [0; 32],
            bytes: 0,
            canary: None,
        },
    };
    reader.read_header()?;
    while let Some(block) = reader.read_block()? {
        if reader.read_pairs(&block, visit)?.is_break() {
            return Ok(reader.summary);
        }
    }
    reader.judge_meta()?;
    reader.read_trailer()
}

struct Reader<'r> {
    input: HashingReader<&'r mut dyn Read>,
    last_key: Vec<u8>,
    audit: Audit,
    /// What the store says of itself, until it was judged.
    meta: Option<MemoryEngine>,
    summary: BackupSummary,
}

impl Reader<'_> {
    fn read_header(&mut self) -> Result<(), FileFault> {
        let magic = self.input.array().map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => FOREIGN,
            _ => FileFault::Io(error),
        })?;
        if magic != MAGIC {
            return Err(FOREIGN);
        }
        for known in [FILE_FORMAT, FORMAT] {
            let found = u32::from_le_bytes(self.input.array()?);
            if found > known {
                return Err(FileFault::NewerFormat {
                    found: found.into(),
                    known: known.into(),
                });
            }
        }
        let millis = i64::from_le_bytes(self.input.array()?);
        self.summary.taken = Timestamp::from_millis(millis);
        // How many keys are to come is for who watches; the trailer's number is the one that counts.
        self.input.array::<8>()?;
        Ok(())
    }

    fn read_block(&mut self) -> Result<Option<Block>, FileFault> {
        let length = u32::from_le_bytes(self.input.array()?);
        let pairs = u32::from_le_bytes(self.input.array()?);
        if length == 0 && pairs == 0 {
            return Ok(None);
        }
        if length > LARGEST_BLOCK || length == 0 || pairs == 0 {
            return Err(FileFault::Damaged("a block has no such length"));
        }
        // Room as it comes, not as it is said to.
        let mut bytes = Vec::new();
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        while left > 0 {
            let from = bytes.len();
            let step = left.min(1 << 20);
            bytes.resize(from.saturating_add(step), 0);
            if let Some(room) = bytes.get_mut(from..) {
                self.input.fill(room)?;
            }
            left = left.saturating_sub(step);
        }
        Ok(Some(Block { bytes, pairs }))
    }

    fn read_pairs(
        &mut self,
        block: &Block,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, FileFault> {
        let mut rest = block.bytes.as_slice();
        for _ in 0..block.pairs {
            let (key, value) =
                read_pair(&mut rest).map_err(|_| FileFault::Damaged("a pair has no end"))?;
            self.take(key, value)?;
            if visit(key, value).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if rest.is_empty() {
            Ok(ControlFlow::Continue(()))
        } else {
            Err(FileFault::Damaged("a block goes on after its last pair"))
        }
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), FileFault> {
        if key <= self.last_key.as_slice() {
            return Err(FileFault::Damaged("its keys are not in order"));
        }
        key.clone_into(&mut self.last_key);
        let table = Table::of_key(key).ok_or(FileFault::Damaged("a key belongs to no table"))?;
        if !self.audit.take(table, key, value) {
            return Err(FileFault::Damaged("a record in it is not what was written"));
        }
        match (table, &self.meta) {
            (Table::Meta, Some(meta)) => {
                let put = meta.write(|transaction| {
                    transaction.put(key, value)?;
                    Ok::<_, EngineError>(Verdict::Commit)
                });
                put.map_err(|error| FileFault::Content(error.into()))?;
            }
            _ => {
                self.judge_meta()?;
                self.summary.keys = self.audit.keys();
                let digest = self.summary.digest.wrapping_add(checksum(key, value));
                self.summary.digest = digest;
            }
        }
        Ok(())
    }

    /// Sees that this version reads such a store, once all is known that it says of itself.
    fn judge_meta(&mut self) -> Result<(), FileFault> {
        let Some(meta) = self.meta.take() else {
            return Ok(());
        };
        EmbeddedStore::<MemoryEngine>::prepare(&meta).map_err(FileFault::Content)?;
        let view = meta
            .snapshot()
            .map_err(|error| FileFault::Content(error.into()))?;
        let canary = load::<Canary, _>(&view, Table::Meta, &index::canary());
        let canary = canary.map_err(|fault| FileFault::Content(PrepareError::from(fault)))?;
        self.summary.canary = canary.map(|canary| canary.0);
        Ok(())
    }

    fn read_trailer(mut self) -> Result<BackupSummary, FileFault> {
        let keys = u64::from_le_bytes(self.input.array()?);
        let digest = u64::from_le_bytes(self.input.array()?);
        let hash = self.input.hash();
        self.summary.sha256 = self.input.array()?;
        if hash != self.summary.sha256 {
            return Err(FileFault::Damaged("its SHA-256 is another"));
        }
        if !self.audit.is_complete() {
            return Err(FileFault::Damaged(
                "it does not hold what the store had counted",
            ));
        }
        if (keys, digest) != (self.summary.keys, self.summary.digest) {
            return Err(FileFault::Damaged("its trailer tells of other content"));
        }
        if !self.input.is_over()? {
            return Err(FileFault::GoesOn);
        }
        self.summary.bytes = self.input.bytes;
        Ok(self.summary)
    }
}

const FOREIGN: FileFault = FileFault::Foreign("no backup of an ICS gateway");

struct Block {
    bytes: Vec<u8>,
    pairs: u32,
}

/// Tells how far a backup is that passes by in pieces, without keeping or checking it.
#[derive(Debug, Default)]
pub struct BackupMeter {
    /// Bytes of the header, or of the block that is passing, still to come.
    skip: usize,
    is_begun: bool,
    head: Vec<u8>,
    pairs: u64,
}

impl BackupMeter {
    /// Takes the next piece; answers how many pairs passed so far, those of the last block
    /// included.
    pub fn feed(&mut self, mut piece: &[u8]) -> u64 {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.skip = HEADER;
        }
        while !piece.is_empty() {
            let skipped = self.skip.min(piece.len());
            self.skip = self.skip.saturating_sub(skipped);
            piece = piece.get(skipped..).unwrap_or_default();
            let (wanted, rest) = piece
                .split_at_checked(BLOCK_HEAD.saturating_sub(self.head.len()))
                .unwrap_or((piece, &[]));
            self.head.extend_from_slice(wanted);
            piece = rest;
            if let Some((length, pairs)) = self.head.split_first_chunk::<4>()
                && let Some((pairs, _)) = pairs.split_first_chunk::<4>()
            {
                let length = u32::from_le_bytes(*length);
                // Behind the last block comes the trailer, which is no block.
                let is_last = length == 0;
                self.skip = match usize::try_from(length) {
                    Ok(length) if !is_last => length,
                    _ => usize::MAX,
                };
                self.pairs = self.pairs.saturating_add(u32::from_le_bytes(*pairs).into());
                self.head.clear();
            }
        }
        self.pairs
    }
}
