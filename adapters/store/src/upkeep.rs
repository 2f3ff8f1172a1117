//! What whoever runs a store needs of it beside the core's port: count, check, canary, and a walk
//! over everything.

use std::ops::ControlFlow;
use std::sync::Arc;

use ics_core::port::{Store, StoreError};
use ics_core::sealed::Sealed;

use crate::embedded::EmbeddedStore;
use crate::engine::{Engine, ReadKeys, Verdict, WriteKeys};
use crate::fault::Fault;
use crate::group_commit::CommitWatch;
use crate::index::{self, Key, Table};
use crate::integrity::IntegrityReport;
use crate::record::{Canary, Tally, encode};
use crate::walk;

/// What is handed each key with its value.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// An embedded store, whatever its engine.
pub trait Upkeep: Store {
    /// How many keys a table holds, from the counters: costs no walk.
    ///
    /// # Errors
    /// [`StoreError`].
    fn count_of(&self, table: Table) -> Result<u64, StoreError>;

    /// From now on `watch` is told of transactions; the first one stays.
    fn watch_commits(&self, watch: Arc<dyn CommitWatch>);

    /// How often the engine has synced its files since it was opened.
    fn syncs(&self) -> u64;

    /// How many keys there are in all, from the counters.
    ///
    /// # Errors
    /// [`StoreError`].
    fn total(&self) -> Result<u64, StoreError>;

    /// How many transactions there were since the store was begun: the number of the last one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn transactions(&self) -> Result<u64, StoreError>;

    /// Reads everything and compares records, indexes and counters; `progress` is told of each
    /// key. Damage of the files is in the report, and what lies behind is read on.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be read to the end all the same.
    fn inspect(&self, progress: &mut dyn FnMut()) -> Result<IntegrityReport, StoreError>;

    /// The sealed value kept since the store was begun; `None` when none was ever kept.
    ///
    /// # Errors
    /// [`StoreError`].
    fn canary(&self) -> Result<Option<Sealed>, StoreError>;

    /// Keeps a sealed value, in the place of an earlier one; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    fn keep_canary(&self, sealed: &Sealed) -> Result<(), StoreError>;

    /// Hands every key of `tables` with its value to `visit`, table by table in their order, as of
    /// one instant, until it breaks. Whoever takes long over it holds up nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    fn visit(&self, tables: &[Table], visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

impl<E: Engine> Upkeep for EmbeddedStore<E> {
    fn count_of(&self, table: Table) -> Result<u64, StoreError> {
        self.count(table)
    }

    fn watch_commits(&self, watch: Arc<dyn CommitWatch>) {
        self.watch(watch);
    }

    fn syncs(&self) -> u64 {
        self.engine().syncs()
    }

    fn total(&self) -> Result<u64, StoreError> {
        self.reading(|view| {
            let tally: Option<Tally> = walk::load(view, Table::Meta, &index::tally())?;
            Ok(tally.map_or(0, |tally| tally.total()))
        })
    }

    fn transactions(&self) -> Result<u64, StoreError> {
        self.reading(|view| {
            let tally: Option<Tally> = walk::load(view, Table::Meta, &index::tally())?;
            Ok(tally.map_or(0, |tally| tally.commits))
        })
    }

    fn inspect(&self, progress: &mut dyn FnMut()) -> Result<IntegrityReport, StoreError> {
        self.check_with(progress)
    }

    fn canary(&self) -> Result<Option<Sealed>, StoreError> {
        self.reading(|view| {
            let kept: Option<Canary> = walk::load(view, Table::Meta, &index::canary())?;
            Ok(kept.map(|canary| canary.0))
        })
    }

    fn keep_canary(&self, sealed: &Sealed) -> Result<(), StoreError> {
        let key = index::canary();
        let record = encode(key.as_bytes(), &Canary(sealed.clone()));
        self.writing(|transaction| {
            transaction.put(key.as_bytes(), &record)?;
            Ok(Verdict::Commit)
        })
    }

    fn visit(&self, tables: &[Table], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        // Not begun again after an error: what was visited was visited.
        self.contain(|engine| {
            let view = engine.snapshot()?;
            for table in tables {
                let whole = Key::of(*table);
                let mut is_over = false;
                view.scan(whole.as_bytes(), &whole.prefix_end(), |key, value| {
                    let step = visit(key, value);
                    is_over = step.is_break();
                    step
                })?;
                if is_over {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl<E: Engine> EmbeddedStore<E> {
    fn writing(
        &self,
        work: impl FnOnce(&mut E::Transaction<'_>) -> Result<Verdict, Fault>,
    ) -> Result<(), StoreError> {
        self.contain(|engine| engine.write(work))
    }
}

#[cfg(test)]
mod tests;
