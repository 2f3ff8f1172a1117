use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ics_core::port::{Store, StoreError};

use super::{EmbeddedStore, PrepareError, own_versions, put};
use crate::contract::{Contender, block_on, sample};
use crate::engine::{Engine, EngineError, Verdict, WriteKeys};
use crate::index::{self, Key, Table};
use crate::record::{Format, Tally, Versions, checksum, encode};
use crate::{BatchLimits, CommitWatch, MemoryEngine};

type Opened = Result<EmbeddedStore<MemoryEngine>, PrepareError>;

/// What opening says of a store of which `change` was made.
fn after(change: impl FnOnce(&mut <MemoryEngine as Engine>::Transaction<'_>)) -> Opened {
    let engine = MemoryEngine::default();
    EmbeddedStore::begin(&engine).unwrap();
    engine
        .write(|transaction| {
            change(transaction);
            Ok::<_, EngineError>(Verdict::Commit)
        })
        .unwrap();
    EmbeddedStore::open(engine, BatchLimits::default())
}

fn put_bytes(transaction: &mut impl WriteKeys, key: &Key, mut body: Vec<u8>) {
    let sum = checksum(key.as_bytes(), &body);
    body.extend_from_slice(&sum.to_le_bytes());
    transaction.put(key.as_bytes(), &body).unwrap();
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let opened = after(|transaction| put(transaction, &index::format(), &Format(9)).unwrap());
    let error = opened.unwrap_err();
    assert!(
        matches!(error, PrepareError::NewerFormat { found: 9, known: 1 }),
        "{error:?}"
    );
    assert!(error.to_string().contains("format 9") && error.to_string().contains("reads is 1"));
}

#[test]
fn a_store_that_may_hold_newer_records_is_refused_with_kind_and_both_versions() {
    for (kind, known) in [("mapping", true), ("something of the future", false)] {
        let opened = after(|transaction| {
            let Versions(mut kinds) = own_versions();
            kinds.retain(|(name, _)| name != kind);
            kinds.push((kind.to_owned(), 200));
            put(transaction, &index::versions(), &Versions(kinds)).unwrap();
        });
        let error = opened.unwrap_err();
        let PrepareError::NewerRecord {
            kind: named,
            found: 200,
            known: newest,
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((named.as_str(), *newest > 0), (kind, known));
        assert!(error.to_string().contains("version 200"), "{error}");
    }
}

/// The upgrade path, whole: a store as an older version left it (no word of record versions,
/// counters in version 1) is opened, read and written, and refuses that older version from then on.
#[test]
fn a_store_of_an_older_version_is_read_and_says_from_then_on_what_it_may_hold() {
    let store = after(|transaction| {
        transaction.delete(index::versions().as_bytes()).unwrap();
        let mut tally = vec![1, 13];
        tally.extend_from_slice(&[0; 13 + 8]);
        put_bytes(transaction, &index::tally(), tally);
    })
    .unwrap();
    let change = ics_core::change::Change::default().with_mapping(None, Some(sample::pending(1)));
    block_on(store.commit(change)).unwrap();
    store.assert_sound();
    assert_eq!(store.count(Table::Mapping).unwrap(), 1);
    let (versions, tally) = store
        .reading(|view| {
            let versions = crate::walk::load(view, Table::Meta, &index::versions())?;
            let tally: Option<Tally> = crate::walk::load(view, Table::Meta, &index::tally())?;
            Ok((versions, tally))
        })
        .unwrap();
    assert_eq!(versions, Some(own_versions()));
    assert_eq!(tally.map(|tally| tally.commits), Some(1));
}

#[test]
fn what_is_no_store_is_never_begun_anew() {
    let opened = after(|transaction| {
        transaction.delete(index::format().as_bytes()).unwrap();
    });
    assert!(matches!(opened, Err(PrepareError::NotAStore)), "{opened:?}");
    let opened = after(|transaction| {
        transaction.delete(index::tally().as_bytes()).unwrap();
    });
    assert!(
        matches!(opened, Err(PrepareError::Unreadable(_))),
        "{opened:?}"
    );
    let engine = MemoryEngine::default();
    assert!(matches!(
        EmbeddedStore::prepare(&engine),
        Err(PrepareError::Empty)
    ));
    let key = index::tally();
    assert!(!encode(key.as_bytes(), &Tally::default()).is_empty());
}

/// Counts what it is told of damage.
#[derive(Debug, Default)]
struct Damage(AtomicUsize);

impl CommitWatch for Damage {
    fn begin(&self) {}

    fn end(&self, _: usize, _: bool) {}

    fn note_damage(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_told_to_who_watches_each_time_it_is_met() {
    let id = sample::pending(1).id;
    let store = after(|transaction| {
        let key = index::mapping(id);
        transaction.put(key.as_bytes(), b"no record").unwrap();
    })
    .unwrap();
    let damage = Arc::new(Damage::default());
    store.watch(Arc::clone(&damage) as _);
    let other = sample::pending(2).id;
    assert_eq!(block_on(store.load(other)), Ok(None));
    assert_eq!(damage.0.load(Ordering::SeqCst), 0);
    for met in 1..3 {
        assert_eq!(block_on(store.load(id)), Err(StoreError::Inconsistent));
        assert_eq!(damage.0.load(Ordering::SeqCst), met);
    }
}
