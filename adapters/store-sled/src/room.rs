//! Room for what comes next, taken before sled is touched.
//!
//! sled that meets a full disk takes no more writes until it is opened again, and its readers write too:
//! who comes by a node that is due to be split or merged does it, and is refused what lies below when
//! that fails. So a commit first takes blocks for all it may write, behind the end of the file, where
//! nobody else can have them. When there are none the commit is refused and sled has not noticed.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::{Errno, retry_on_intr};

/// Beyond what a commit writes: segments of 512 KiB that are begun, the log's rewriting of old ones,
/// and what readers mend, in bytes.
const HEADROOM: u64 = 4 << 20;
/// How much more is taken than is needed, so that not every commit asks: a segment.
const MORE: u64 = 512 << 10;
/// What a key costs besides itself: the node it lies in may be written anew.
const NODE: u64 = 2 << 10;
/// How often the bytes of a commit may be written: by itself, and in a node that is split.
const COPIES: u64 = 4;
/// Bytes of a block as `stat` counts them.
const BLOCK: u64 = 512;

/// What a commit writes at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    keys: u64,
    bytes: u64,
}

impl Demand {
    /// One more key, of so many bytes with its value.
    pub(crate) const fn add(&mut self, bytes: usize) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    const fn room(self) -> u64 {
        HEADROOM
            .saturating_add(self.bytes.saturating_mul(COPIES))
            .saturating_add(self.keys.saturating_mul(NODE))
    }
}

/// The room of one file.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// There was none for the last commit.
    is_short: AtomicBool,
}

impl Room {
    /// Makes sure that `file` can grow by what `demand` asks for. Once that was refused it takes more:
    /// small commits do not go on where large ones are refused, nor begin and end with each block.
    ///
    /// # Errors
    /// The disk is full, or fails. The file is as it was.
    pub(crate) fn take(&self, file: &File, demand: Demand) -> io::Result<()> {
        let more = if self.is_short.load(Ordering::Relaxed) {
            HEADROOM
        } else {
            0
        };
        let taken = take(file, demand.room().saturating_add(more));
        self.is_short.store(taken.is_err(), Ordering::Relaxed);
        taken
    }
}

/// Makes sure that `file` can grow by `room` bytes whatever others write.
///
/// # Errors
/// The disk is full, or fails. The file is as it was.
fn take(file: &File, room: u64) -> io::Result<()> {
    let found = file.metadata()?;
    let held = found.blocks().saturating_mul(BLOCK);
    let length = found.len();
    if held >= length.saturating_add(room) {
        return Ok(());
    }
    // Holes are filled too: sled writes segments in no order.
    let from = if held < length {
        0
    } else {
        length.saturating_sub(HEADROOM)
    };
    let to = |end: u64| {
        let length = end.saturating_sub(from);
        retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, from, length))
    };
    let end = length.saturating_add(room);
    match to(end.saturating_add(MORE)).or_else(|_| to(end)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => find(file, room),
        taken => Ok(taken?),
    }
}

/// On a file system that keeps nothing for anybody: whether there is room now.
fn find(file: &File, room: u64) -> io::Result<()> {
    let free = fstatvfs(file)?;
    if free.f_bavail.saturating_mul(free.f_frsize) < room {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
