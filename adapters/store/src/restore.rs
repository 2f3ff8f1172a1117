//! A store made of a backup, or of an exported state.

use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::Path;

use ics_core::change::Write;
use ics_core::time::Timestamp;

use crate::apply::{Refusal, Writer};
use crate::copy::{Batch, fill_store};
use crate::engine::{Engine, EngineError, Overlay, ReadKeys, Verdict, WriteKeys};
use crate::fault::Fault;
use crate::file_fault::FileFault;
use crate::open::EngineFiles;
use crate::place::Work;
use crate::record::{Record, Tally, encode};
use crate::state::{StateRecord, walk_state};
use crate::{
    BackupSummary, Copied, CopyError, EmbeddedStore, IntegrityReport, StateSummary, index,
    read_backup, walk,
};

/// Records of one transaction of an import.
const IMPORT_BATCH: usize = 5000;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What a reading of it told before any document was raised: what the file holds.
    pub report: IntegrityReport,
    /// How many hosted devices had their documents raised.
    pub raised: u64,
    /// How many invitations stood then: none does now.
    pub forgotten: u64,
}

/// Makes a store in `directory` of a backup and reads it back; `summary` is what a reading of the
/// same file told, and what it must tell again.
///
/// Then, at `now`, the documents of hosted devices are raised above any they may hold, and invitations
/// are forgotten.
///
/// Until it has ended well the directory says that it holds a store that was not finished: that
/// is refused by [`crate::open_store`], and begun anew by this.
///
/// # Errors
/// [`CopyError`].
pub fn restore_backup<F: EngineFiles>(
    input: &mut dyn Read,
    (summary, now): (&BackupSummary, Timestamp),
    target: (&F, &Path),
    progress: &mut dyn FnMut(Copied),
) -> Result<Restored, CopyError> {
    progress(Copied::Begun(summary.keys));
    fill_store(Work::Restoration, target, progress, |engine, progress| {
        let mut batch = Batch::default();
        let mut written = Ok(());
        let read = read_backup(input, &mut |key, value| {
            batch.add(key, value);
            progress(Copied::Key);
            if batch.is_full() {
                written = batch.write(engine);
            }
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        written
            .and_then(|()| batch.write(engine))
            .map_err(CopyError::Write)?;
        if read != *summary {
            return Err(FileFault::Damaged("it changed while it was read").into());
        }
        Ok((Some(summary.digest), Some(now)))
    })
}

/// Makes a store in `directory` of an exported state and reads it back; otherwise as
/// [`restore_backup`]. Indexes and counters are made as they are in service.
///
/// # Errors
/// [`CopyError`].
pub fn import_state<F: EngineFiles>(
    input: &mut dyn BufRead,
    (summary, now): (&StateSummary, Timestamp),
    target: (&F, &Path),
    progress: &mut dyn FnMut(Copied),
) -> Result<Restored, CopyError> {
    progress(Copied::Begun(summary.records));
    fill_store(Work::Import, target, progress, |engine, progress| {
        EmbeddedStore::<F::Engine>::begin(engine)
            .map_err(|error| CopyError::Content(error.into()))?;
        let mut waiting = Vec::with_capacity(IMPORT_BATCH);
        let read = walk_state::<CopyError>(input, &mut |record| {
            waiting.push(record);
            progress(Copied::Key);
            if waiting.len() >= IMPORT_BATCH {
                put_records(engine, &mut waiting)?;
            }
            Ok(())
        })?;
        put_records(engine, &mut waiting)?;
        if read != *summary {
            return Err(FileFault::Damaged("it changed while it was read").into());
        }
        Ok((summary.is_comparable.then_some(summary.digest), Some(now)))
    })
}

/// Puts what waits into one transaction.
fn put_records<E: Engine>(engine: &E, waiting: &mut Vec<StateRecord>) -> Result<(), CopyError> {
    let put = engine.write(|transaction| {
        let key = index::tally();
        let tally: Option<Tally> = walk::load(transaction, crate::Table::Meta, &key)?;
        let mut tally = tally.ok_or(Fault::Layout(crate::Table::Meta))?;
        let mut view = Overlay::new(&*transaction);
        let mut writer = Writer {
            view: &mut view,
            tally: &mut tally,
        };
        for record in waiting.drain(..) {
            put_record(&mut writer, record)?;
        }
        tally.commits = tally.commits.wrapping_add(1);
        put(&mut view, &key, &tally);
        for (key, value) in view.into_changes() {
            match value {
                Some(value) => transaction.put(&key, &value)?,
                None => transaction.delete(&key)?,
            }
        }
        Ok(Verdict::Commit)
    });
    put.map_err(|refusal| match refusal {
        Refusal::Fault(Fault::Engine(error @ EngineError::Unavailable(_))) => {
            CopyError::Write(error)
        }
        Refusal::Fault(fault) => CopyError::Content(fault.into()),
        Refusal::Conflict => CopyError::Content("two records have one name".into()),
    })
}

fn put_record<R: ReadKeys>(
    writer: &mut Writer<'_, '_, R>,
    record: StateRecord,
) -> Result<(), Refusal> {
    match record {
        StateRecord::Canary(canary) => {
            put(writer.view, &index::canary(), &canary);
            Ok(())
        }
        StateRecord::ClockMark(mark) => {
            put(writer.view, &index::clock_mark(), &mark);
            Ok(())
        }
        StateRecord::Mapping(row) => writer.write_mappings(&[new(*row)]),
        StateRecord::UtiRecord(index, record) => writer.write_uti_records(&[(index, new(record))]),
        StateRecord::DeadDevice(index) => writer.write_dead_devices(&[index]),
        StateRecord::Outbox(entry) => writer.write_outbox(&[new(*entry)]),
        StateRecord::Device(device) => writer.write_devices(&[new(*device)]),
        StateRecord::Keepsake(keepsake) => writer.put_keepsake(&keepsake),
        StateRecord::Consent(consent) => writer.write_consents(&[new(*consent)]),
        StateRecord::Directory(record) => writer.write_directory(&[(record.key(), new(record))]),
    }
}

fn put<T: Record, R: ReadKeys>(view: &mut Overlay<'_, R>, key: &index::Key, record: &T) {
    let bytes = encode(key.as_bytes(), record);
    view.put_owned(key.as_bytes().to_vec(), bytes);
}

const fn new<T>(after: T) -> Write<T> {
    Write {
        before: None,
        after: Some(after),
    }
}
