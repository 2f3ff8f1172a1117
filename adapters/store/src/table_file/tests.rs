use ics_core::change::Change;
use ics_core::directory::DirectoryRecord;
use ics_core::fence::{Fence, FenceScope};
use ics_core::mapping::{DemappingCause, Mapping};
use ics_core::port::Store as _;
use std::sync::Arc;

use super::{TableMeter, write_cell, write_table};
use crate::contract::{block_on, sample};
use crate::{MemoryStore, Table, WriteFault};

fn store_of(rows: &[Mapping], records: &[DirectoryRecord]) -> MemoryStore {
    let store = MemoryStore::in_memory().unwrap();
    let change = rows.iter().fold(Change::default(), |change, row| {
        change.with_mapping(None, Some(row.clone()))
    });
    let change = records.iter().fold(change, |change, record| {
        change.with_record(record.key(), sample::new(record.clone()))
    });
    block_on(store.commit(change)).unwrap();
    store
}

fn table(store: &MemoryStore) -> (String, u64) {
    let mut file = Vec::new();
    let summary = write_table(store, sample::at(10), &mut file).unwrap();
    (String::from_utf8(file).unwrap(), summary)
}

fn established(number: u64) -> Mapping {
    sample::established(&sample::pending(number), &format!("d-{number}"))
}

fn line(number: u64) -> String {
    let row = established(number);
    let (service, uti) = (row.key.service_uri, row.key.uti);
    format!("d-{number},{},{}\r\n", service.as_str(), uti.as_str())
}

fn fence(scope: FenceScope, cause: DemappingCause) -> DirectoryRecord {
    let DirectoryRecord::Fence(fence) = sample::fence(0) else {
        panic!("a fence");
    };
    let mut fence = Fence::clone(&fence);
    (fence.scope, fence.demapping.cause) = (scope, cause);
    DirectoryRecord::Fence(Arc::new(fence))
}

#[test]
fn established_rows_and_no_others_stand_in_the_table() {
    let row = sample::pending(9);
    let rows = [
        established(1),
        sample::pending(2),
        sample::deleted(&sample::pending(3)),
        sample::failed(&sample::pending(4)),
        established(5),
    ];
    let (file, summary) = table(&store_of(&rows, &[sample::party("shop1", 1)]));
    assert_eq!(
        file,
        format!("deviceId,serviceUri,uti\r\n{}{}", line(1), line(5))
    );
    assert_eq!(summary, 2);
    let (empty, _) = table(&store_of(&[row], &[]));
    assert_eq!(empty, "deviceId,serviceUri,uti\r\n");
}

#[test]
fn a_table_of_fewer_rows_than_the_store_counted_is_refused() {
    for table in [Table::Mapping, Table::Directory, Table::Meta] {
        let store = store_of(
            &[established(1), established(2)],
            &[sample::party("shop1", 1)],
        );
        sample::lose(&store, table);
        let written = write_table(&store, sample::at(10), &mut Vec::new());
        let is_told = matches!(written, Err(WriteFault::Damaged(of)) if of == table);
        assert!(is_told, "{table}: {written:?}");
    }
}

#[test]
fn a_row_that_ran_out_is_not_told() {
    let mut over = established(1);
    over.uti_expiry = Some(sample::at(10));
    let mut holds = established(2);
    holds.uti_expiry = Some(sample::at(11));
    let (file, _) = table(&store_of(&[over, holds], &[]));
    assert!(file.ends_with(&line(2)) && !file.contains("d-1,"), "{file}");
}

#[test]
fn rows_behind_a_fence_are_gone() {
    let mut other = established(2);
    other.key.service_uri = sample::service("https://shop.example/milk");
    let scope = || FenceScope::Service {
        third_party_sp: sample::sp("shop1"),
        service_uri: established(1).key.service_uri,
    };
    let rows = [established(1), other.clone(), established(3)];
    let (file, _) = table(&store_of(
        &rows,
        &[fence(scope(), DemappingCause::ServiceInvalid)],
    ));
    assert_eq!(file.lines().count(), 2, "{file}");
    assert!(file.contains("d-2,"));
    // A fence that kills UTIs takes those of the same UTI along, whichever comes first.
    for number in [0, 5] {
        let mut along = other.clone();
        along.id = sample::mapping_id(number);
        along.key.uti = established(3).key.uti;
        let rows = [established(1), along, other.clone(), established(3)];
        let (file, _) = table(&store_of(
            &rows,
            &[fence(scope(), DemappingCause::UtiInvalid)],
        ));
        assert_eq!(file.lines().count(), 2, "{file}");
        assert!(file.contains(other.key.uti.as_str()), "{file}");
    }
}

#[test]
fn cells_are_quoted_where_they_must_be_and_formulas_are_counted() {
    let quoted = |cell: &str| {
        let mut line = Vec::new();
        write_cell(&mut line, cell);
        String::from_utf8(line).unwrap()
    };
    assert_eq!(quoted("plain;text"), "plain;text");
    assert_eq!(quoted("a,b"), "\"a,b\"");
    assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    let row = sample::established(&sample::pending(1), "=1+1,x");
    let (file, rows) = table(&store_of(&[row, established(2)], &[]));
    assert!(file.contains("\"=1+1,x\","), "{file}");
    for size in [1, 2, 5, file.len()] {
        let mut meter = TableMeter::default();
        file.as_bytes()
            .chunks(size)
            .for_each(|piece| meter.feed(piece));
        assert_eq!((meter.lines, meter.formula_like), (rows + 1, 1));
    }
    let mut meter = TableMeter::default();
    meter.feed(b"-a,+b,a-b\r\n\"@\"\"\",\"x\n=\",\"\r\"\r\n");
    assert_eq!((meter.lines, meter.formula_like), (2, 4));
}
