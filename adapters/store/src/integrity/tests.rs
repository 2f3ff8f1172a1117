use ics_core::change::Change;

use super::{FindingKind, check};
use crate::contract::sample::{entry, established, party, pending, third_party};
use crate::contract::{block_on, sample};
use crate::engine::{Engine, EngineError, Overlay, ReadKeys, WriteKeys};
use crate::index::{self, Table};
use crate::record::encode;
use crate::{BatchLimits, EmbeddedStore, IntegrityReport, MemoryEngine};

/// A store with one of everything.
fn filled() -> EmbeddedStore<MemoryEngine> {
    let store = EmbeddedStore::open(MemoryEngine::default(), BatchLimits::default()).unwrap();
    let mut row = sample::owned(&established(&pending(1), "d-1"));
    row.uti_expiry = Some(sample::at(7));
    let record = party("shop1", 1);
    let change = Change::default()
        .with_mapping(None, Some(row))
        .with_uti_record(sample::hash(1), sample::new(Default::default()))
        .with_dead_device(sample::hash(2))
        .with_device(None, Some(sample::hosted(1)))
        .with_device(None, Some(sample::unregistering(&sample::hosted(2))))
        .with_entry(None, Some(entry(&third_party("shop1"), 1, 1)))
        .with_record(record.key(), sample::new(record))
        .with_keeping(sample::keeping(b"ae-1", b"{}"))
        .with_consent(None, Some(sample::given(1)));
    block_on(ics_core::port::Store::commit(&store, change)).unwrap();
    store
}

/// The report after something was done behind the store's back.
fn after(damage: impl FnOnce(&mut Overlay<'_, crate::memory::Keys>)) -> IntegrityReport {
    let store = filled();
    let view = store.engine().snapshot().unwrap();
    let mut damaged = Overlay::new(&view);
    damage(&mut damaged);
    check(&damaged, &mut || ()).unwrap()
}

fn keys_of(view: &impl ReadKeys, table: Table) -> Vec<Vec<u8>> {
    let whole = index::Key::of(table);
    let mut keys = Vec::new();
    view.scan(whole.as_bytes(), &whole.prefix_end(), |key, _| {
        keys.push(key.to_vec());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    keys
}

fn kinds(report: &IntegrityReport, table: Table) -> Vec<FindingKind> {
    report
        .findings
        .iter()
        .filter(|f| f.table == table)
        .map(|f| f.kind)
        .collect()
}

#[test]
fn a_whole_store_is_sound_and_counted() {
    let report = after(|_| ());
    assert!(report.is_sound(), "{report:?}");
    for table in Table::ALL {
        let expected = match table {
            Table::Meta => 3,
            Table::HostedDevice | Table::HostedSp => 2,
            _ => 1,
        };
        assert_eq!(report.counts.get(table.name()), Some(&expected), "{table}");
    }
}

#[test]
fn each_key_that_is_lost_is_found() {
    for table in Table::ALL.into_iter().filter(|t| *t != Table::Meta) {
        let report = after(|view| {
            for key in keys_of(view, table) {
                view.delete(&key).unwrap();
            }
        });
        assert!(
            kinds(&report, table).contains(&FindingKind::CountDiffers),
            "{table}: {report:?}"
        );
        let is_index = (Table::Live as u8..=Table::Due as u8).contains(&(table as u8))
            || (Table::HostedSp as u8..=Table::HostedDue as u8).contains(&(table as u8))
            || matches!(table, Table::OutboxDue | Table::ConsentDue | Table::Owner);
        let missing = kinds(&report, table).contains(&FindingKind::EntryMissing);
        assert_eq!(missing, is_index, "{table}: {report:?}");
    }
    let report = after(|view| view.delete(index::tally().as_bytes()).unwrap());
    assert_eq!(kinds(&report, Table::Meta), [FindingKind::Unreadable]);
}

#[test]
fn each_key_that_is_too_many_is_found() {
    for table in Table::ALL.into_iter().filter(|t| *t != Table::Meta) {
        let report = after(|view| {
            let mut key = keys_of(view, table).remove(0);
            let value = view.read(&key, <[u8]>::to_vec).unwrap().unwrap();
            // The same again under another key.
            let last = key.len() - 1;
            key[last] ^= 0x55;
            view.put(&key, &value).unwrap();
        });
        assert!(report.finding_count >= 2, "{table}: {report:?}");
        assert!(
            kinds(&report, table).contains(&FindingKind::CountDiffers),
            "{table}: {report:?}"
        );
    }
}

#[test]
fn a_row_that_was_exchanged_is_found() {
    let report = after(|view| {
        let key = keys_of(view, Table::Mapping).remove(0);
        let mut other = sample::owned(&established(&pending(1), "d-1"));
        other.uti_expiry = Some(sample::at(7));
        other.version = 9;
        view.put(&key, &encode(&key, &other)).unwrap();
    });
    assert_eq!(
        kinds(&report, Table::Mapping),
        [FindingKind::CountDiffers],
        "the digest alone"
    );
}

#[test]
fn a_value_that_was_damaged_is_found() {
    for table in Table::ALL {
        let report = after(|view| {
            for key in keys_of(view, table) {
                let mut value = view.read(&key, <[u8]>::to_vec).unwrap().unwrap();
                value.push(1);
                view.put(&key, &value).unwrap();
            }
        });
        assert!(!kinds(&report, table).is_empty(), "{table}: {report:?}");
    }
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let report = after(|view| {
        for n in 0..500_u16 {
            let key = index::Key::of(Table::Live).fixed(&n.to_be_bytes());
            view.put(key.as_bytes(), &[1; 16])
                .map_err(|_: EngineError| ())
                .unwrap();
        }
    });
    assert_eq!((report.findings.len(), report.finding_count), (100, 501));
}
