use std::ops::ControlFlow;

use ics_core::port::Store as _;
use ics_core::sealed::Sealed;

use super::{BackupMeter, BackupSummary, read_backup, write_backup};
use crate::contract::{block_on, sample};
use crate::{FileFault, MemoryStore, PrepareError, Upkeep as _, hex};

/// A store with something in every table, and its backup.
pub(crate) fn backup() -> (MemoryStore, Vec<u8>, BackupSummary) {
    let store = MemoryStore::in_memory().unwrap();
    block_on(store.commit(sample::everything())).unwrap();
    store.keep_canary(&Sealed::from_bytes(vec![7; 20])).unwrap();
    let mut file = Vec::new();
    let summary = write_backup(&store, sample::at(5), &mut file).unwrap();
    (store, file, summary)
}

fn read(file: &[u8]) -> Result<BackupSummary, FileFault> {
    read_backup(&mut &*file, &mut |_, _| ControlFlow::Continue(()))
}

#[test]
fn a_backup_is_read_as_it_was_written_and_tells_the_stores_digest() {
    let (store, file, written) = backup();
    let report = store.check().unwrap();
    assert!(report.is_sound());
    assert_eq!(written.digest, report.content);
    assert_eq!(written.keys, store.total().unwrap());
    assert_eq!(written.bytes, u64::try_from(file.len()).unwrap());
    assert_eq!(read(&file).unwrap(), written);
    assert_eq!(written.canary, store.canary().unwrap());
    // The hash is that of all that precedes it: any other tool can check it.
    let (body, hash) = file.split_last_chunk::<32>().unwrap();
    let own = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    assert_eq!(hex(own.as_ref()), hex(hash));
}

#[test]
fn a_backup_that_is_cut_off_anywhere_is_refused() {
    let (_, file, _) = backup();
    for length in 0..file.len() {
        let fault = read(&file[..length]).unwrap_err();
        let expected = if length < 8 { "no backup" } else { "cut off" };
        assert!(fault.to_string().contains(expected), "{length}: {fault}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(matches!(read(&longer), Err(FileFault::GoesOn)));
}

#[test]
fn a_backup_with_any_bit_flipped_is_refused() {
    let (_, file, _) = backup();
    for place in 0..file.len() {
        let mut damaged = file.clone();
        damaged[place] ^= 1 << (place % 8);
        assert!(read(&damaged).is_err(), "{place}");
    }
}

#[test]
fn a_backup_of_a_later_version_is_refused_by_name() {
    let (_, file, _) = backup();
    let mut newer = file;
    newer[8] = 2;
    assert!(matches!(
        read(&newer),
        Err(FileFault::NewerFormat { found: 2, known: 1 })
    ));
    // A store within it of a later format.
    let store = MemoryStore::in_memory().unwrap();
    let (key, value) = sample::newer_format();
    let put = crate::engine::Engine::write(store.engine(), |transaction| {
        crate::engine::WriteKeys::put(transaction, &key, &value)?;
        Ok::<_, crate::engine::EngineError>(crate::engine::Verdict::Commit)
    });
    put.unwrap();
    let mut file = Vec::new();
    write_backup(&store, sample::at(5), &mut file).unwrap();
    assert!(matches!(
        read(&file),
        Err(FileFault::Content(PrepareError::NewerFormat { .. }))
    ));
}

#[test]
fn an_empty_store_has_a_backup_too() {
    let store = MemoryStore::in_memory().unwrap();
    let mut file = Vec::new();
    let summary = write_backup(&store, sample::at(5), &mut file).unwrap();
    assert_eq!((summary.keys, summary.digest), (0, 0));
    assert_eq!(read(&file).unwrap(), summary);
}

#[test]
fn a_meter_counts_the_pairs_whatever_the_pieces() {
    let (_, file, summary) = backup();
    for size in [1, 3, 7, 64, 1000, file.len()] {
        let mut meter = BackupMeter::default();
        let counted = file.chunks(size).map(|piece| meter.feed(piece)).last();
        // Format, counters, versions and canary are pairs too.
        assert_eq!(counted, Some(summary.keys + 5), "{size}");
    }
}

#[test]
fn who_takes_no_more_ends_the_backup() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (store, file, _) = backup();
    for room in [0, 40, file.len() - 1] {
        let written = write_backup(&store, sample::at(5), &mut Full(room));
        assert!(
            matches!(written, Err(crate::WriteFault::Write(_))),
            "{room}"
        );
    }
}

#[test]
fn a_damaged_store_has_no_backup_that_looks_whole() {
    use crate::engine::{Engine as _, EngineError, Verdict, WriteKeys as _};
    let row = crate::index::mapping(sample::mapping_id(1)).into_bytes();
    let uti = crate::index::uti(&sample::sp("shop1"), &sample::uti(1));
    let uti = uti.id(sample::mapping_id(1)).into_bytes();
    // A record spoiled, a row gone, an index entry gone: only counting finds the last two.
    for (key, value) in [
        (&row, Some(b"spoiled, spoiled")),
        (&row, None),
        (&uti, None),
    ] {
        let (store, ..) = backup();
        let damage = store.engine().write(|transaction| {
            match value {
                Some(value) => transaction.put(key, value)?,
                None => transaction.delete(key)?,
            }
            Ok::<_, EngineError>(Verdict::Commit)
        });
        damage.unwrap();
        let written = write_backup(&store, sample::at(5), &mut Vec::new());
        assert!(
            matches!(written, Err(crate::WriteFault::Damaged(_))),
            "{written:?}"
        );
    }
}
