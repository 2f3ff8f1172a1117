//! The core's `Store` over an engine. Reads run where they are asked, in one snapshot each; writes
//! go through the group committer.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use ics_core::change::Change;
use ics_core::consent::ConsentRecord;
use ics_core::correlation::Correlation;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::id::{ConsentId, DeviceId, MappingId, SpId};
use ics_core::keepsake::{Keepsake, Shelf, decide_forgotten};
use ics_core::mapping::{Mapping, MappingKey, UtiRecord};
use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey};
use ics_core::port::{
    CommitError, Cursor, DeviceRows, DueEntries, DuePlace, Page, PortFuture, Selection, Store,
    StoreError,
};
use ics_core::procedure::hosting::decide_documents_after_restore;
use ics_core::sealed::BlindIndex;
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;

use crate::engine::{Engine, EngineError, ReadKeys, Verdict, WriteKeys};
use crate::fault::Fault;
use crate::group_commit::{BatchLimits, CommitWatch, GroupCommitter};
use crate::index::{self, Key, Table};
use crate::integrity::{self, Difference, IntegrityReport};
use crate::panics::contain_panics;
use crate::place::Place;
use crate::record::{Format, KINDS, LiveEntry, Record, RecordError, Tally, Versions, encode};
use crate::walk;
use crate::witness::Witness;

/// The version of the layout of keys and tables that this code writes and reads.
pub const FORMAT: u32 = 1;

/// Hosted devices of one transaction whose documents are raised, and invitations that are forgotten.
const RAISED_AT_ONCE: usize = 1000;

/// How often a read is tried before it is unavailable.
const READ_ATTEMPTS: u32 = 4;

/// Why what lies in an engine is no store that can be served.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A later version of this software wrote it.
    #[error("it has format {found}, the newest this version reads is {known}")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// A later version of this software keeps records in it.
    #[error(
        "it may hold records `{kind}` of version {found}, the newest this version reads is {known}"
    )]
    NewerRecord {
        /// Which.
        kind: String,
        /// The version found.
        found: u8,
        /// The newest known; 0 when the kind is not known at all.
        known: u8,
    },
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It holds something, but no word of what wrote it.
    #[error("it holds data but does not say in which format")]
    NotAStore,
    /// What it says of itself cannot be read.
    #[error("what it says of itself cannot be read")]
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
    // Dropped last: nobody else may come before the engine is gone.
    place: Option<Place>,
}

impl<E: Engine> EmbeddedStore<E> {
    /// Opens what lies in `engine`, or begins a new store where there is nothing. For engines
    /// without files; those with files are opened by [`crate::open_store`].
    ///
    /// # Errors
    /// [`PrepareError`].
    pub fn open(engine: E, limits: BatchLimits) -> Result<Self, PrepareError> {
        match Self::prepare(&engine) {
            Err(PrepareError::Empty) => {
                Self::begin(&engine)?;
                Self::prepare(&engine)?
            }
            prepared => prepared?,
        };
        Self::start(engine, limits, (None, None))
    }

    pub(crate) fn start(
        engine: E,
        limits: BatchLimits,
        (witness, place): (Option<Witness>, Option<Place>),
    ) -> Result<Self, PrepareError> {
        let engine = Arc::new(engine);
        let committer = GroupCommitter::start(Arc::clone(&engine), limits, witness)
            .map_err(PrepareError::Thread)?;
        Ok(Self {
            committer,
            engine,
            place,
        })
    }

    /// From now on `watch` is told of transactions; the first one stays.
    pub(crate) fn watch(&self, watch: Arc<dyn CommitWatch>) {
        self.committer.watch(watch);
    }

    /// Sees that what lies in `engine` is a store that this code reads, and says in it which
    /// records it may hold from now on; answers its counters.
    pub(crate) fn prepare(engine: &E) -> Result<Tally, PrepareError> {
        contained(|| prepare(engine))
    }

    /// Begins a store in an engine that holds nothing.
    pub(crate) fn begin(engine: &E) -> Result<(), PrepareError> {
        contained(|| begin(engine))
    }

    /// What differs between the counters and what is there, without reading the records.
    pub(crate) fn recount(engine: &E) -> Result<Option<Difference>, PrepareError> {
        contained(|| integrity::recount(&engine.snapshot()?).map_err(PrepareError::from))
    }

    /// Reads the whole store and compares records, indexes and counters, as of one instant.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it could not be read to the end. What was read and is
    /// wrong is in the report.
    pub fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.check_with(&mut || ())
    }

    /// [`Self::check`], telling `progress` of each key.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_with(&self, progress: &mut dyn FnMut()) -> Result<IntegrityReport, StoreError> {
        self.contain(|engine| integrity::check(&engine.snapshot()?, progress))
    }

    /// Raises the document versions of all hosted devices: what was put back to an earlier state must
    /// be newer to each device than anything it was told since. Answers how many there are.
    pub(crate) fn raise_documents(&self, now: Timestamp) -> Result<u64, CommitError> {
        let (mut raised, mut last) = (0_u64, None::<Key>);
        loop {
            let page: Vec<HostedDevice> = self.reading(|view| {
                walk::collect(view, Table::HostedDevice, last.clone(), RAISED_AT_ONCE)
            })?;
            let Some(device) = page.last() else {
                return Ok(raised);
            };
            last = Some(index::hosted_device(&device.id));
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            self.committer
                .commit_blocking(decide_documents_after_restore(&page, now))?;
            raised = raised.saturating_add(count);
        }
    }

    /// Forgets the invitations that stood: a code that was used since must not be good again. Answers how
    /// many there were.
    pub(crate) fn forget_invitations(&self) -> Result<u64, CommitError> {
        let shelf = Shelf::Enrolment;
        let mut forgotten = 0_u64;
        loop {
            let page =
                self.reading(|view| walk::walk_keepsakes(view, shelf, None, RAISED_AT_ONCE))?;
            if page.is_empty() {
                return Ok(forgotten);
            }
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            let change = decide_forgotten(page);
            self.committer.commit_blocking(change)?;
            forgotten = forgotten.saturating_add(count);
        }
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

    /// The engine under the store.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// Reads as of one instant. A write that fails may take the engine away from under those who
    /// read: they look again, for reads go on.
    pub(crate) fn reading<T>(
        &self,
        read: impl Fn(&E::Snapshot<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        for _ in 1..READ_ATTEMPTS {
            let read = || -> Result<T, Fault> { read(&self.engine.snapshot()?) };
            match contain_panics(read) {
                Ok(Err(Fault::Engine(EngineError::Unavailable(_)))) => {}
                Ok(done) => return done.map_err(|fault| self.tell(&fault)),
                Err(_) => return Err(self.tell(&Fault::Panicked)),
            }
        }
        self.contain(|engine| read(&engine.snapshot()?))
    }

    /// An engine that panics on a damaged page must not take the caller with it.
    pub(crate) fn contain<T>(
        &self,
        work: impl FnOnce(&E) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        contain_panics(|| work(&self.engine))
            .unwrap_or(Err(Fault::Panicked))
            .map_err(|fault| self.tell(&fault))
    }

    /// What the port says of a fault; of damage, whoever watches learns first.
    fn tell(&self, fault: &Fault) -> StoreError {
        let told = fault.tell();
        if told == StoreError::Inconsistent {
            self.committer.note_damage();
        }
        told
    }

    /// Closes the store and keeps its directory.
    pub(crate) fn into_place(self) -> Option<Place> {
        let Self {
            committer,
            engine,
            place,
        } = self;
        drop(committer);
        drop(engine);
        place
    }

    fn answer<'a, T: Send + 'a>(
        &'a self,
        read: impl Fn(&E::Snapshot<'_>) -> Result<T, Fault> + Send + 'a,
    ) -> PortFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { self.reading(read) })
    }
}

impl EmbeddedStore<crate::MemoryEngine> {
    /// A new, empty store in memory.
    ///
    /// # Errors
    /// [`PrepareError::Thread`].
    pub fn in_memory() -> Result<Self, PrepareError> {
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

    fn load_device<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        self.answer(move |view| walk::load(view, Table::HostedDevice, &index::hosted_device(id)))
    }

    fn load_device_rows<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<DeviceRows>, StoreError>> {
        self.answer(move |view| walk::load_device_rows(view, id))
    }

    fn find_device<'a>(
        &'a self,
        iot_sp: &'a SpId,
        serial: BlindIndex,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        self.answer(move |view| walk::find_device(view, (iot_sp, serial)))
    }

    fn walk_devices<'a>(
        &'a self,
        iot_sp: &'a SpId,
        after: Option<&'a DeviceId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<HostedDevice>, StoreError>> {
        self.answer(move |view| walk::walk_devices(view, iot_sp, after, limit))
    }

    fn due_devices(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<HostedDevice>, StoreError>> {
        self.answer(move |view| walk::due_devices(view, now, limit))
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
        range: (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>> {
        self.answer(move |view| walk::due_entries(view, addressee, range, limit))
    }

    fn walk_outbox<'a>(
        &'a self,
        after: Option<&'a OutboxKey>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>> {
        self.answer(move |view| walk::walk_outbox(view, after, limit))
    }

    fn walk_keepsakes<'a>(
        &'a self,
        shelf: Shelf,
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Keepsake>, StoreError>> {
        self.answer(move |view| walk::walk_keepsakes(view, shelf, after, limit))
    }

    fn load_consent(
        &self,
        id: ConsentId,
    ) -> PortFuture<'_, Result<Option<ConsentRecord>, StoreError>> {
        self.answer(move |view| walk::load(view, Table::Consent, &index::consent(id)))
    }

    fn due_consents(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<ConsentRecord>, StoreError>> {
        self.answer(move |view| walk::due_consents(view, now, limit))
    }

    fn load_clock_mark(&self) -> PortFuture<'_, Result<Option<ClockMark>, StoreError>> {
        self.answer(|view| walk::load(view, Table::Meta, &index::clock_mark()))
    }

    fn commit(&self, change: Change) -> PortFuture<'_, Result<(), CommitError>> {
        Box::pin(self.committer.commit(change))
    }
}

/// An engine that panics on what it finds must not take the process with it.
fn contained<T>(work: impl FnOnce() -> Result<T, PrepareError>) -> Result<T, PrepareError> {
    contain_panics(work).unwrap_or_else(|_| Err(Fault::Panicked.into()))
}

impl From<Fault> for PrepareError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Record {
                table: Table::Meta,
                source,
            } => Self::Unreadable(source),
            Fault::Engine(error) => Self::Engine(error),
            other => Self::Engine(EngineError::Damaged(other.into())),
        }
    }
}

fn prepare<E: Engine>(engine: &E) -> Result<Tally, PrepareError> {
    let view = engine.snapshot()?;
    match walk::load::<Format, _>(&view, Table::Meta, &index::format())? {
        Some(Format(FORMAT)) => {}
        Some(Format(found)) => {
            return Err(PrepareError::NewerFormat {
                found,
                known: FORMAT,
            });
        }
        None if is_empty(&view)? => return Err(PrepareError::Empty),
        None => return Err(PrepareError::NotAStore),
    }
    let versions = walk::load::<Versions, _>(&view, Table::Meta, &index::versions())?;
    let own = own_versions();
    if let Some(Versions(found)) = &versions {
        refuse_newer(found)?;
    }
    let tally = walk::load::<Tally, _>(&view, Table::Meta, &index::tally())?
        .ok_or(PrepareError::Unreadable(RecordError::Truncated))?;
    drop(view);
    if versions.as_ref() != Some(&own) {
        engine.write(|transaction| {
            put(transaction, &index::versions(), &own)?;
            Ok::<_, EngineError>(Verdict::Commit)
        })?;
    }
    Ok(tally)
}

fn own_versions() -> Versions {
    let kinds = KINDS.iter();
    Versions(
        kinds
            .map(|(kind, version)| ((*kind).to_owned(), *version))
            .collect(),
    )
}

fn refuse_newer(found: &[(String, u8)]) -> Result<(), PrepareError> {
    for (kind, found) in found {
        let known = KINDS.iter().find(|(name, _)| name == kind);
        let known = known.map_or(0, |(_, version)| *version);
        if *found > known {
            return Err(PrepareError::NewerRecord {
                kind: kind.clone(),
                found: *found,
                known,
            });
        }
    }
    Ok(())
}

fn is_empty<R: ReadKeys>(view: &R) -> Result<bool, EngineError> {
    let mut is_empty = true;
    view.scan(&[], &[0xff; 4], |_, _| {
        is_empty = false;
        ControlFlow::Break(())
    })?;
    Ok(is_empty)
}

fn begin<E: Engine>(engine: &E) -> Result<(), PrepareError> {
    engine.write(|transaction| {
        if !is_empty(transaction)? {
            return Err(PrepareError::NotAStore);
        }
        put(transaction, &index::format(), &Format(FORMAT))?;
        put(transaction, &index::tally(), &Tally::default())?;
        put(transaction, &index::versions(), &own_versions())?;
        Ok(Verdict::Commit)
    })
}

fn put<T: Record>(
    transaction: &mut impl WriteKeys,
    key: &Key,
    record: &T,
) -> Result<(), EngineError> {
    transaction.put(key.as_bytes(), &encode(key.as_bytes(), record))
}

#[cfg(test)]
mod tests;
