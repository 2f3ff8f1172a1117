//! The database as it was at its last sync, read while its disk takes no writes.
//!
//! redb writes when it opens a file that was not closed in order, so a disk that fails keeps even
//! readers out. Here those writes stay in memory; what is read is what the last sync made durable:
//! a commit whose own sync failed does not show.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, Builder, Database, DatabaseError, StorageBackend};

use crate::watched::Head;

/// Bytes of a block that is kept in memory.
const BLOCK: usize = 4096;

/// Memory for the pages of a standby, in bytes.
const CACHE: usize = 64 << 20;

/// Opens the file at `path` with this head, and writes nothing to it.
pub(crate) fn open(path: &Path, head: Option<Head>) -> Result<Database, DatabaseError> {
    let file = StandbyFile::open(path, head)?;
    Builder::new()
        .set_cache_size(CACHE)
        .create_with_backend(file)
}

/// A file that is never written: what is written shows to who reads through this alone.
#[derive(Debug)]
struct StandbyFile {
    file: File,
    /// Bytes of the file itself.
    size: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    blocks: HashMap<u64, Vec<u8>>,
}

impl StandbyFile {
    fn open(path: &Path, head: Option<Head>) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let written = Mutex::new(Written {
            length: size,
            blocks: HashMap::new(),
        });
        let standby = Self {
            file,
            size,
            written,
        };
        if let Some(head) = head {
            standby.write(0, &head)?;
        }
        Ok(standby)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block of that number as the file has it; zeros beyond its end.
    fn load(&self, number: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK];
        let at = number.saturating_mul(BLOCK as u64);
        let there = usize::try_from(self.size.saturating_sub(at)).unwrap_or(BLOCK);
        if let Some(there) = block.get_mut(..there.min(BLOCK)) {
            self.file.read_exact_at(there, at)?;
        }
        Ok(block)
    }
}

/// Hands each part of `offset..offset + length` that lies in one block to `visit`: the number of the
/// block, where in it, and which part of the whole.
fn each_block(
    (offset, length): (u64, usize),
    mut visit: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        let at = offset.saturating_add(done as u64);
        let number = at / BLOCK as u64;
        let from = usize::try_from(at % BLOCK as u64).unwrap_or_default();
        let part = (BLOCK - from).min(length - done);
        visit(number, from..from + part, done..done + part)?;
        done += part;
    }
    Ok(())
}

fn outside() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

impl StorageBackend for StandbyFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let written = self.lock();
        if offset.saturating_add(out.len() as u64) > written.length {
            return Err(outside());
        }
        each_block((offset, out.len()), |number, within, part| {
            let to = out.get_mut(part).ok_or_else(outside)?;
            match written.blocks.get(&number) {
                Some(block) => to.copy_from_slice(block.get(within).ok_or_else(outside)?),
                None => to.copy_from_slice(self.load(number)?.get(within).ok_or_else(outside)?),
            }
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.lock().length = length;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut written = self.lock();
        written.length = written.length.max(offset.saturating_add(data.len() as u64));
        each_block((offset, data.len()), |number, within, part| {
            let block = match written.blocks.entry(number) {
                std::collections::hash_map::Entry::Occupied(block) => block.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(self.load(number)?)
                }
            };
            let to = block.get_mut(within).ok_or_else(outside)?;
            to.copy_from_slice(data.get(part).ok_or_else(outside)?);
            Ok(())
        })
    }

    // Nobody else knows of what is in memory here.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
