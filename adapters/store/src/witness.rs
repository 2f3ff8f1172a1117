//! What was last acknowledged, beside the engine's own files: 40 bytes in a file of their own, twice.
//!
//! An engine that recovers from a log drops a damaged tail as a whole, counters included, and is
//! consistent afterwards; nothing within it can tell. The witness can: it knows the number of the
//! last transaction and a hash of the counters after it. It is written after each commit without
//! a sync of its own (a power cut may leave it some seconds old, never ahead of the store), and
//! synced when the store is opened and closed.
//!
//! Commits write its two places in turn, each in a sector of its own: a power cut can tear one at most.
//! So one that says nothing was never made, or was damaged or taken away; which of these, the store
//! knows by the transactions that it counts.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::index;
use crate::record::{Tally, checksum, encode};

/// The file in the store's directory.
pub(crate) const WITNESS: &str = "ics-store.witness";

const MAGIC: [u8; 8] = *b"ICSWIT\x00\x01";

/// Where in the file it is said. Of older versions there is the first alone.
const PLACES: [u64; 2] = [0, 512];

/// What a witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Testimony {
    /// The number of the last transaction.
    pub(crate) commits: u64,
    /// A hash of the counters after it.
    pub(crate) counters: u64,
    /// The store was closed in order; nothing was written since.
    pub(crate) is_closed: bool,
}

impl Testimony {
    const LENGTH: u64 = 40;

    pub(crate) fn of(tally: &Tally, is_closed: bool) -> Self {
        let key = index::tally();
        Self {
            commits: tally.commits,
            counters: checksum(key.as_bytes(), &encode(key.as_bytes(), tally)),
            is_closed,
        }
    }

    fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let sum = checksum(WITNESS.as_bytes(), &self.fields());
        for (to, from) in bytes
            .iter_mut()
            .zip(self.fields().into_iter().chain(sum.to_le_bytes()))
        {
            *to = from;
        }
        bytes
    }

    fn fields(self) -> Vec<u8> {
        let mut fields = MAGIC.to_vec();
        fields.extend_from_slice(&self.commits.to_le_bytes());
        fields.extend_from_slice(&self.counters.to_le_bytes());
        fields.extend_from_slice(&u64::from(self.is_closed).to_le_bytes());
        fields
    }

    fn of_bytes(bytes: &[u8; 40]) -> Option<Self> {
        let (fields, sum) = bytes.split_last_chunk::<8>()?;
        let (magic, numbers) = fields.split_first_chunk::<8>()?;
        if *magic != MAGIC || checksum(WITNESS.as_bytes(), fields) != u64::from_le_bytes(*sum) {
            return None;
        }
        let (numbers, _) = numbers.as_chunks::<8>();
        let [commits, counters, closed] = numbers else {
            return None;
        };
        Some(Self {
            commits: u64::from_le_bytes(*commits),
            counters: u64::from_le_bytes(*counters),
            is_closed: u64::from_le_bytes(*closed) == 1,
        })
    }
}

/// What there is of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It says this.
    Said(Testimony),
    /// It says nothing: it is so.
    Silent(&'static str),
}

/// The file, open while the store is.
#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    file: File,
    last: Testimony,
    /// Where it was said last.
    place: u64,
}

impl Witness {
    /// What the witness in `directory` says.
    pub(crate) fn ask(directory: &Path) -> io::Result<Asked> {
        let path = directory.join(WITNESS);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Asked::Silent("missing"));
            }
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() == 0 {
            return Ok(Asked::Silent("empty"));
        }
        let [first, second] = PLACES.map(|place| read_place(&file, place));
        let (first, second) = (first?, second?);
        if first.is_none() != second.is_none() && file.metadata()?.len() > Testimony::LENGTH {
            tracing::warn!(path = %path.display(), "half of the store's witness cannot be read; the other half is taken");
        }
        // Of two that name one transaction the one that says less.
        let newest = [first, second].into_iter().flatten();
        let newest = newest.max_by_key(|said| (said.commits, !said.is_closed));
        Ok(newest.map_or(Asked::Silent("damaged"), Asked::Said))
    }

    /// Begins to witness a store that is open, with these counters; durable when this returns.
    pub(crate) fn begin(directory: &Path, tally: &Tally) -> io::Result<Self> {
        let path = directory.join(WITNESS);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        let [place, _] = PLACES;
        let witness = Self {
            path,
            file,
            last: Testimony::of(tally, false),
            place,
        };
        witness.say_everywhere()?;
        File::open(directory)?.sync_all()?;
        Ok(witness)
    }

    /// A transaction is durable. A witness that cannot be written is no reason to refuse it.
    pub(crate) fn note(&mut self, tally: &Tally) {
        self.last = Testimony::of(tally, false);
        let [first, second] = PLACES;
        self.place = if self.place == first { second } else { first };
        self.report(self.file.write_all_at(&self.last.to_bytes(), self.place));
    }

    /// The store is closed.
    pub(crate) fn close(mut self) {
        self.last.is_closed = true;
        self.report(self.say_everywhere());
    }

    fn say_everywhere(&self) -> io::Result<()> {
        for place in PLACES {
            self.file.write_all_at(&self.last.to_bytes(), place)?;
        }
        self.file.sync_all()
    }

    fn report(&self, written: io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "store's witness not written");
        }
    }
}

fn read_place(file: &File, place: u64) -> io::Result<Option<Testimony>> {
    let mut bytes = [0; 40];
    match file.read_exact_at(&mut bytes, place) {
        Ok(()) => Ok(Testimony::of_bytes(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
