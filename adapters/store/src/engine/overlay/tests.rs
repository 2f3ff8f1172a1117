use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::{Overlay, ReadKeys, WriteKeys};
use crate::engine::{Engine, EngineError, Verdict};
use crate::memory::MemoryEngine;

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

fn keys() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    let key = prop::collection::vec(0..4_u8, 1..3);
    prop::collection::vec(
        (
            key,
            prop::option::of(prop::collection::vec(any::<u8>(), 0..2)),
        ),
        0..12,
    )
}

fn write(to: &mut impl WriteKeys, model: &mut Keys, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
    for (key, value) in changes {
        match value {
            Some(value) => {
                to.put(key, value).unwrap();
                model.insert(key.clone(), value.clone());
            }
            None => {
                to.delete(key).unwrap();
                model.remove(key);
            }
        }
    }
}

proptest! {
    /// Whatever lies below and above: reads and scans are those of one map.
    #[test]
    fn an_overlay_reads_like_the_map_it_stands_for(
        below in keys(), above in keys(), from in 0..5_u8, to in 0..5_u8, limit in 1..9_usize
    ) {
        let mut model = Keys::new();
        let engine = MemoryEngine::default();
        engine.write(|transaction| {
            write(transaction, &mut model, &below);
            Ok::<_, EngineError>(Verdict::Commit)
        }).unwrap();
        let base = engine.snapshot().unwrap();
        let mut overlay = Overlay::new(&base);
        write(&mut overlay, &mut model, &above);
        let mut found = Vec::new();
        overlay.scan(&[from], &[to], |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }).unwrap();
        let expected: Vec<_> = model.clone().into_iter()
            .filter(|(key, _)| key.as_slice() >= &[from][..] && key.as_slice() < &[to][..])
            .take(limit).collect();
        prop_assert_eq!(found, expected);
        for (key, _) in below.iter().chain(&above) {
            let value = overlay.read(key, <[u8]>::to_vec).unwrap();
            prop_assert_eq!(value.as_ref(), model.get(key));
        }
    }
}

#[test]
fn a_snapshot_does_not_see_later_writes_and_a_discarded_write_is_seen_by_nobody() {
    let engine = MemoryEngine::default();
    let before = engine.snapshot().unwrap();
    for verdict in [Verdict::Discard, Verdict::Commit] {
        engine
            .write(|transaction| {
                transaction.put(b"key", b"value")?;
                Ok::<_, EngineError>(verdict)
            })
            .unwrap();
        let now = engine.snapshot().unwrap();
        assert_eq!(now.holds(b"key").unwrap(), verdict == Verdict::Commit);
        assert!(!before.holds(b"key").unwrap());
    }
}
