//! The core's `Store` over an engine. Reads run where they are asked, in one snapshot each; writes
//! go through the group committer.

use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ics_core::change::Change;
use ics_core::correlation::Correlation;
use ics_core::directory::DirectoryRecord;
use ics_core::id::{DeviceId, MappingId, SpId};
use ics_core::mapping::{Mapping, MappingKey, UtiRecord};
use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey};
use ics_core::port::{
    CommitError, Cursor, DueEntries, Page, PortFuture, Selection, Store, StoreError,
};
use ics_core::sealed::BlindIndex;
use ics_core::time::Timestamp;

use crate::engine::{Engine, EngineError, ReadKeys, Verdict, WriteKeys};
use crate::fault::Fault;
use crate::group_commit::{BatchLimits, GroupCommitter};
use crate::index::{self, Table};
use crate::integrity::{self, IntegrityReport};
use crate::record::{Format, LiveEntry, RecordError, Tally, encode};
use crate::walk;

/// The version of the layout of keys and tables that this code writes and reads.
pub const FORMAT: u32 = 1;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A later version of this software wrote it.
    #[error("store has format {found}, the newest this software reads is {known}")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// It holds something, but no word of what wrote it.
    #[error("store holds data but does not say in which format")]
    NotAStore,
    /// What it says of itself cannot be read.
    #[error("store's own record cannot be read")]
    Unreadable(#[source] RecordError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The writer thread did not start.
    #[error("writer thread did not start")]
    Thread(#[source] io::Error),
}

/// A store on an embedded engine.
#[derive(Debug)]
pub struct EmbeddedStore<E> {
    // Dropped first: what waits is written before the engine goes.
    committer: GroupCommitter,
    engine: Arc<E>,
}

impl<E: Engine> EmbeddedStore<E> {
    /// Opens what lies in `engine`, or begins a new store where there is nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(engine: E, limits: BatchLimits) -> Result<Self, OpenError> {
        prepare(&engine)?;
        let engine = Arc::new(engine);
        let committer =
            GroupCommitter::start(Arc::clone(&engine), limits).map_err(OpenError::Thread)?;
        Ok(Self { committer, engine })
    }

    /// Reads the whole store and compares records, indexes and counters, as of one instant.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it could not be read to the end. What was read and is
    /// wrong is in the report.
    pub fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.reading(|view| integrity::check(view))
    }

    /// How many keys a table holds, from the counters kept with every commit: costs no walk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count(&self, table: Table) -> Result<u64, StoreError> {
        self.reading(|view| {
            let tally: Option<Tally> = walk::load(view, Table::Meta, &index::tally())?;
            Ok(tally.map_or(0, |tally| tally.count(table)))
        })
    }

    #[cfg(test)]
    pub(crate) fn engine(&self) -> &E {
        &self.engine
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&E::Snapshot<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        // An engine that panics on a damaged page must not take the caller with it.
        catch_unwind(AssertUnwindSafe(|| read(&self.engine.snapshot()?)))
            .unwrap_or(Err(Fault::Panicked))
            .map_err(|fault| fault.tell())
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&E::Snapshot<'_>) -> Result<T, Fault> + Send + 'a,
    ) -> PortFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { self.reading(read) })
    }
}

impl EmbeddedStore<crate::MemoryEngine> {
    /// A new, empty store in memory.
    ///
    /// # Errors
    /// [`OpenError::Thread`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::open(crate::MemoryEngine::default(), BatchLimits::default())
    }
}

impl<E: Engine> Store for EmbeddedStore<E> {
    fn load(&self, id: MappingId) -> PortFuture<'_, Result<Option<Mapping>, StoreError>> {
        self.answer(move |view| walk::load(view, Table::Mapping, &index::mapping(id)))
    }

    fn load_live<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Mapping>, StoreError>> {
        self.answer(move |view| {
            let entry = walk::load::<LiveEntry, _>(view, Table::Live, &index::live(key))?;
            entry
                .map(|entry| walk::load_indexed(view, entry.id))
                .transpose()
        })
    }

    fn correlate<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Correlation>, StoreError>> {
        self.answer(move |view| {
            let entry = walk::load::<LiveEntry, _>(view, Table::Live, &index::live(key))?;
            Ok(entry.and_then(|entry| entry.correlation(key)))
        })
    }

    fn correlations<'a>(
        &'a self,
        (iot_sp, device_id): (&'a SpId, &'a DeviceId),
        after: Option<MappingId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Correlation>, StoreError>> {
        self.answer(move |view| walk::correlations(view, (iot_sp, device_id), after, limit))
    }

    fn walk<'a>(
        &'a self,
        selection: &'a Selection,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, StoreError>> {
        self.answer(move |view| walk::walk(view, selection, after, limit))
    }

    fn load_uti_record(
        &self,
        index: BlindIndex,
    ) -> PortFuture<'_, Result<Option<UtiRecord>, StoreError>> {
        self.answer(move |view| walk::load(view, Table::UtiRecord, &index::uti_record(index)))
    }

    fn is_device_dead(&self, index: BlindIndex) -> PortFuture<'_, Result<bool, StoreError>> {
        self.answer(move |view| Ok(view.holds(index::dead_device(index).as_bytes())?))
    }

    fn load_directory(&self) -> PortFuture<'_, Result<Vec<DirectoryRecord>, StoreError>> {
        self.answer(move |view| walk::collect(view, Table::Directory, None, usize::MAX))
    }

    fn load_entry<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, StoreError>> {
        self.answer(move |view| walk::load(view, Table::Outbox, &index::outbox(key)))
    }

    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>> {
        self.answer(move |view| walk::due_entries(view, addressee, now, limit))
    }

    fn walk_outbox<'a>(
        &'a self,
        after: Option<&'a OutboxKey>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>> {
        self.answer(move |view| walk::walk_outbox(view, after, limit))
    }

    fn commit(&self, change: Change) -> PortFuture<'_, Result<(), CommitError>> {
        Box::pin(self.committer.commit(change))
    }
}

/// Sees that the store is one this code reads; begins one where there is nothing at all.
fn prepare<E: Engine>(engine: &E) -> Result<(), OpenError> {
    let key = index::format();
    let found = walk::load::<Format, _>(&engine.snapshot()?, Table::Meta, &key);
    match found {
        Ok(Some(Format(FORMAT))) => Ok(()),
        Ok(Some(Format(found))) => Err(OpenError::NewerFormat {
            found,
            known: FORMAT,
        }),
        Ok(None) => begin(engine),
        Err(Fault::Record { source, .. }) => Err(OpenError::Unreadable(source)),
        Err(Fault::Engine(error)) => Err(error.into()),
        Err(_) => Err(OpenError::NotAStore),
    }
}

fn begin<E: Engine>(engine: &E) -> Result<(), OpenError> {
    engine.write(|transaction| {
        let mut is_empty = true;
        transaction.scan(&[], &[0xff; 4], |_, _| {
            is_empty = false;
            ControlFlow::Break(())
        })?;
        if !is_empty {
            return Err(OpenError::NotAStore);
        }
        let (format, tally) = (index::format(), index::tally());
        transaction.put(
            format.as_bytes(),
            &encode(format.as_bytes(), &Format(FORMAT)),
        )?;
        transaction.put(
            tally.as_bytes(),
            &encode(tally.as_bytes(), &Tally::default()),
        )?;
        Ok(Verdict::Commit)
    })
}
