use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ics_core::change::Change;
use ics_core::port::{CommitError, Store, StoreError};

use super::{BatchLimits, CommitWatch};
use crate::EmbeddedStore;
use crate::contract::{Contender, block_on, sample};
use crate::engine::{Engine, EngineError, Verdict};
use crate::memory::{Keys, MemoryEngine};

/// A memory engine that fails, panics, counts its commits, and waits before each for leave.
#[derive(Default)]
struct Moody {
    inner: MemoryEngine,
    fails: AtomicBool,
    panics: AtomicBool,
    commits: AtomicUsize,
    gate: Mutex<()>,
}

impl Engine for Arc<Moody> {
    type Snapshot<'s> = Keys;
    type Transaction<'t> = <MemoryEngine as Engine>::Transaction<'t>;

    fn snapshot(&self) -> Result<Keys, EngineError> {
        self.inner.snapshot()
    }

    fn syncs(&self) -> u64 {
        self.inner.syncs()
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Self::Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        let _leave = self.gate.lock();
        self.inner.write(|transaction| {
            let verdict = work(transaction)?;
            assert!(!self.panics.load(Ordering::SeqCst), "as it was told");
            if self.fails.load(Ordering::SeqCst) {
                return Err(EngineError::Unavailable("disk full".into()).into());
            }
            if verdict == Verdict::Commit {
                self.commits.fetch_add(1, Ordering::SeqCst);
            }
            Ok(verdict)
        })
    }
}

fn store(limits: BatchLimits) -> (Arc<Moody>, EmbeddedStore<Arc<Moody>>) {
    let engine = Arc::new(Moody::default());
    let store = EmbeddedStore::open(Arc::clone(&engine), limits).unwrap();
    (engine, store)
}

fn create(number: u64) -> Change {
    Change::default().with_mapping(None, Some(sample::pending(number)))
}

/// The answers to changes that all wait before the writer may go on.
fn at_once(
    (engine, store): &(Arc<Moody>, EmbeddedStore<Arc<Moody>>),
    changes: Vec<Change>,
) -> Vec<Result<(), CommitError>> {
    let leave = engine.gate.lock().unwrap_or_else(PoisonError::into_inner);
    let mut waiting: Vec<_> = changes
        .into_iter()
        .map(|change| store.commit(change))
        .collect();
    block_on(async {
        for commit in &mut waiting {
            // Polled once: in the queue.
            std::future::poll_fn(|cx| {
                assert!(
                    commit.as_mut().poll(cx).is_pending(),
                    "answered before it is durable"
                );
                std::task::Poll::Ready(())
            })
            .await;
        }
        drop(leave);
        let mut answers = Vec::new();
        for commit in waiting {
            answers.push(commit.await);
        }
        answers
    })
}

#[test]
fn what_waits_together_is_synced_together() {
    let both = store(BatchLimits::default());
    let before = both.0.commits.load(Ordering::SeqCst);
    let answers = at_once(&both, (0..100).map(create).collect());
    assert!(answers.iter().all(Result::is_ok));
    // The writer may have taken the first one alone.
    assert!(both.0.commits.load(Ordering::SeqCst) - before <= 2);
    both.1.assert_sound();
}

#[test]
fn a_batch_is_limited_by_changes_and_by_bytes() {
    for limits in [
        BatchLimits {
            changes: 10,
            ..BatchLimits::default()
        },
        BatchLimits {
            bytes: 4_000,
            ..BatchLimits::default()
        },
    ] {
        let both = store(limits);
        let before = both.0.commits.load(Ordering::SeqCst);
        assert!(
            at_once(&both, (0..100).map(create).collect())
                .iter()
                .all(Result::is_ok)
        );
        let commits = both.0.commits.load(Ordering::SeqCst) - before;
        assert!((10..=60).contains(&commits), "{limits:?}: {commits}");
    }
}

#[test]
fn a_conflict_does_not_spoil_the_others_of_its_batch() {
    let both = store(BatchLimits::default());
    let changes = vec![create(1), create(2), create(1), create(3), create(2)];
    let conflict = Err(CommitError::Conflict);
    assert_eq!(
        at_once(&both, changes),
        [Ok(()), Ok(()), conflict, Ok(()), conflict]
    );
    assert_eq!(both.1.check().unwrap().mapping_count(), 3);
    both.1.assert_sound();
}

#[test]
fn conflicts_alone_commit_nothing() {
    let both = store(BatchLimits::default());
    assert_eq!(at_once(&both, vec![create(1)]), [Ok(())]);
    let before = both.0.commits.load(Ordering::SeqCst);
    assert_eq!(
        at_once(&both, vec![create(1), create(1)]),
        [Err(CommitError::Conflict); 2]
    );
    assert_eq!(both.0.commits.load(Ordering::SeqCst), before);
}

#[test]
fn a_failed_commit_fails_for_all_and_the_next_is_served() {
    let both = store(BatchLimits::default());
    assert_eq!(at_once(&both, vec![create(1)]), [Ok(())]);
    both.0.fails.store(true, Ordering::SeqCst);
    let unavailable = Err(CommitError::Store(StoreError::Unavailable));
    assert_eq!(
        at_once(&both, (2..12).map(create).collect()),
        [unavailable; 10]
    );
    both.0.fails.store(false, Ordering::SeqCst);
    assert_eq!(
        both.1.check().unwrap().mapping_count(),
        1,
        "nothing of it shows"
    );
    assert!(
        at_once(&both, (2..12).map(create).collect())
            .iter()
            .all(Result::is_ok)
    );
    both.1.assert_sound();
}

#[test]
fn an_engine_that_panics_does_not_end_the_writer() {
    let both = store(BatchLimits::default());
    both.0.panics.store(true, Ordering::SeqCst);
    let failed = Err(CommitError::Store(StoreError::Inconsistent));
    assert_eq!(at_once(&both, vec![create(1)]), [failed]);
    both.0.panics.store(false, Ordering::SeqCst);
    assert_eq!(at_once(&both, vec![create(1)]), [Ok(())]);
    both.1.assert_sound();
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
fn damage_that_a_change_meets_is_told_and_a_full_disk_or_a_conflict_is_none() {
    let both = store(BatchLimits::default());
    let damage = Arc::new(Damage::default());
    both.1.watch(Arc::clone(&damage) as _);
    let told = || damage.0.load(Ordering::SeqCst);
    at_once(&both, vec![create(1), create(1)]);
    both.0.fails.store(true, Ordering::SeqCst);
    at_once(&both, vec![create(2)]);
    both.0.fails.store(false, Ordering::SeqCst);
    assert_eq!(told(), 0);
    both.0.panics.store(true, Ordering::SeqCst);
    at_once(&both, vec![create(3)]);
    assert_eq!(told(), 1, "the engine fell over it");
    both.0.panics.store(false, Ordering::SeqCst);
    let twice = create(4).with_mapping(None, Some(sample::pending(4)));
    at_once(&both, vec![twice]);
    assert_eq!(told(), 2, "it contradicts what is there");
}

#[test]
fn a_change_that_names_a_row_twice_is_refused_alone() {
    let both = store(BatchLimits::default());
    let twice = create(1).with_mapping(None, Some(sample::pending(1)));
    let refused = Err(CommitError::Store(StoreError::Inconsistent));
    assert_eq!(
        at_once(&both, vec![create(2), twice, create(3)]),
        [Ok(()), refused, Ok(())]
    );
    both.1.assert_sound();
}
