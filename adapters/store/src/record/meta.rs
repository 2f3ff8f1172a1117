//! What a store says of itself: the version of its layout, and how much it holds.

use ics_core::timekeeping::ClockMark;

use ics_core::sealed::Sealed;

use super::fields::{Sink, Source};
use super::value::{put_sealed, sealed};
use super::{Record, RecordError};
use crate::index::Table;

/// The version of the layout of keys and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format(pub(crate) u32);

impl Record for Format {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.number("format", u64::from(self.0));
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self(input.small("format")?))
    }
}

/// Keys of each table, and the sum of the checksums of all mapping records; written in every
/// transaction, so that a silent loss shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    counts: [u64; Table::COUNT],
    /// Wrapping sum: independent of the order of writes.
    pub(crate) digest: u64,
    /// Transactions so far; the number of the last one. Zero in stores of before it was counted.
    pub(crate) commits: u64,
}

impl Tally {
    /// All keys, those of [`Table::Meta`] apart.
    pub(crate) fn total(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum: u64, n| sum.saturating_add(*n))
    }

    /// How many keys `table` holds.
    pub(crate) fn count(&self, table: Table) -> u64 {
        self.counts.get(table.position()).copied().unwrap_or(0)
    }

    /// Counts a key of `table` in; `false` when there is no room.
    #[must_use]
    pub(crate) fn count_in(&mut self, table: Table) -> bool {
        self.step(table, |n| n.checked_add(1))
    }

    /// Counts a key of `table` out; `false` when there is none.
    #[must_use]
    pub(crate) fn count_out(&mut self, table: Table) -> bool {
        self.step(table, |n| n.checked_sub(1))
    }

    fn step(&mut self, table: Table, step: impl FnOnce(u64) -> Option<u64>) -> bool {
        let Some(count) = self.counts.get_mut(table.position()) else {
            return false;
        };
        let Some(next) = step(*count) else {
            return false;
        };
        *count = next;
        true
    }
}

impl Record for Tally {
    /// 2: the number of the last transaction.
    const VERSION: u8 = 2;

    fn write(&self, out: &mut impl Sink) {
        out.list("counts", &self.counts, |out, name, n| out.number(name, *n));
        out.fixed("digest", &self.digest.to_le_bytes());
        out.number("commits", self.commits);
    }

    fn read(version: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        let read = input.list("counts", Source::number)?;
        // A store from before a table was added holds nothing of it.
        let mut counts = [0; Table::COUNT];
        if read.len() > counts.len() {
            return Err(RecordError::Value);
        }
        counts
            .iter_mut()
            .zip(read)
            .for_each(|(to, from)| *to = from);
        Ok(Self {
            counts,
            digest: u64::from_le_bytes(input.fixed("digest")?),
            commits: if version < 2 {
                0
            } else {
                input.number("commits")?
            },
        })
    }
}

impl Record for ClockMark {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.instant("seen", self.seen);
        out.flag("trusted", self.trusted);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            seen: input.instant("seen")?,
            trusted: input.flag("trusted")?,
        })
    }
}

/// The newest version of each kind of record that a store may hold. Written before the first such
/// record can be, so that software that does not know one refuses the store when it opens it, and
/// not half a day later when it meets the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versions(pub(crate) Vec<(String, u8)>);

impl Record for Versions {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.list("kinds", &self.0, |out, name, (kind, version)| {
            out.group(name, |out| {
                out.text("kind", kind);
                out.fixed("version", &[*version]);
            });
        });
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        let kinds = input.list("kinds", |input, name| {
            input.group(name, |input| {
                let kind = input.text("kind")?.into_owned();
                let [version] = input.fixed("version")?;
                Ok((kind, version))
            })
        })?;
        Ok(Self(kinds))
    }
}

/// A value sealed by the vault when the store was begun: whoever cannot open it has another
/// keyring. What it says is the gateway's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canary(pub(crate) Sealed);

impl Record for Canary {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        put_sealed(out, "sealed", &self.0);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self(sealed(input, "sealed")?))
    }
}
