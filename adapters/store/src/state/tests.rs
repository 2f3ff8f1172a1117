use std::collections::BTreeSet;

use ics_core::change::Change;
use ics_core::device_document::{Acknowledgement, AcknowledgementMeaning, DeviceDocument};
use ics_core::keepsake::{Keeping, Shelf};
use ics_core::port::Store as _;
use ics_core::sealed::Sealed;
use ics_core::time::Timestamp;
use tempfile::tempdir;

use super::line::StateRecord;
use super::{
    DERIVED, EXPORTED, Line, Objections, StateSummary, read_state, walk_state, write_state,
};
use crate::contract::{block_on, sample};
use crate::hashing::{HashingReader, hex};
use crate::memory::on_disk::MemoryFiles;
use crate::record::KINDS;
use crate::{
    BatchLimits, CopyError, EngineFiles as _, FileFault, MemoryStore, Restored, Table, Upkeep as _,
    WriteFault, import_state,
};

fn everything() -> MemoryStore {
    let store = MemoryStore::in_memory().unwrap();
    let maker = sample::speaking("maker1", 1, "Cmaker");
    let change = sample::everything().with_record(maker.key(), sample::new(maker));
    block_on(store.commit(change)).unwrap();
    store.keep_canary(&Sealed::from_bytes(vec![7; 20])).unwrap();
    store
}

fn export(store: &MemoryStore) -> (String, StateSummary) {
    let mut file = Vec::new();
    let summary = write_state(store, sample::at(5), &mut file).unwrap();
    (String::from_utf8(file).unwrap(), summary)
}

fn read(file: &str) -> Result<StateSummary, FileFault> {
    read_state(&mut file.as_bytes(), &mut || ())
}

/// The line of `kind`, damaged, in a file whose hash is that of before.
fn fault_of(file: &str, kind: &str, change: impl Fn(&str) -> String) -> String {
    let start = format!("{{\"record\":\"{kind}\"");
    let number = file.lines().position(|line| line.starts_with(&start));
    let number = number.unwrap_or_else(|| panic!("a line of {kind}"));
    let lines = file.lines().enumerate().map(|(place, line)| {
        if place == number {
            change(line)
        } else {
            line.to_owned()
        }
    });
    let damaged: String = lines.map(|line| line + "\n").collect();
    let fault = read(&damaged).unwrap_err().to_string();
    assert!(
        fault.starts_with(&format!("line {}: ", number + 1)),
        "{fault}"
    );
    fault
}

#[test]
fn every_kind_of_record_is_exported_or_derived() {
    let kinds: BTreeSet<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let known: BTreeSet<_> = EXPORTED.into_iter().chain(DERIVED).collect();
    assert_eq!(known, kinds);
    assert_eq!(EXPORTED.len() + DERIVED.len(), KINDS.len());
    // And of each there is a line in the export of a store that has everything.
    let (file, _) = export(&everything());
    for kind in EXPORTED {
        assert!(file.contains(&format!("{{\"record\":\"{kind}\"")), "{kind}");
    }
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let store = everything();
    let (file, written) = export(&store);
    let mut places = BTreeSet::new();
    let read = walk_state::<FileFault>(&mut file.as_bytes(), &mut |record: StateRecord| {
        places.insert(record.place());
        let line = Line::Record(record.clone()).render();
        let again = Line::parse(line.trim_ascii_end(), &super::line::own_versions());
        assert_eq!(again, Ok(Line::Record(record)));
        assert!(file.contains(std::str::from_utf8(&line).unwrap()));
        Ok(())
    });
    assert_eq!(read.unwrap(), written);
    assert_eq!(places.len(), EXPORTED.len());
    assert_eq!(written.digest, store.check().unwrap().content);
    assert_eq!(written.canary, store.canary().unwrap());
}

#[test]
fn a_store_made_of_the_export_is_like_the_one_it_was_written_from() {
    let store = everything();
    let (file, summary) = export(&store);
    let directory = tempdir().unwrap();
    let files = MemoryFiles::default();
    let target = (&files, directory.path());
    let imported = import_state(
        &mut file.as_bytes(),
        (&summary, sample::at(5)),
        target,
        &mut |_| (),
    );
    let Restored {
        report: imported, ..
    } = imported.unwrap();
    let own = store.check().unwrap();
    assert!(imported.is_sound());
    assert_eq!(imported.content, own.content);
    assert_eq!(imported.counts.get("mapping"), own.counts.get("mapping"));
    assert_eq!(imported.counts.get("live"), own.counts.get("live"));
    assert_eq!(
        imported.counts.get("outbox-due"),
        own.counts.get("outbox-due")
    );
    assert_eq!(imported.counts.get("keepsake"), Some(&1));
    assert_eq!(imported.counts.get("consent"), Some(&2));
    assert_eq!(imported.counts.get("consent-due"), Some(&2));
    assert_eq!(imported.counts.get("owner"), Some(&1));
}

#[test]
fn an_invitation_that_stood_is_good_for_nothing_in_a_restored_store() {
    let store = everything();
    let kept = |shelf, key: &[u8]| Keeping {
        shelf,
        key: key.to_vec(),
        value: Some(vec![7; 40]),
    };
    let change = Change::default()
        .with_keeping(kept(Shelf::Enrolment, b"shop"))
        .with_keeping(kept(Shelf::Enrolment, b"music"));
    block_on(store.commit(change)).unwrap();
    let others = block_on(store.walk_keepsakes(Shelf::OneM2m, None, 99)).unwrap();
    let (file, summary) = export(&store);
    let directory = tempdir().unwrap();
    let files = MemoryFiles::default();
    let target = (&files, directory.path());
    let at = sample::at(5);
    let made = import_state(&mut file.as_bytes(), (&summary, at), target, &mut |_| ()).unwrap();
    // What the file holds was there, and was compared, before.
    assert_eq!(made.forgotten, 2);
    assert_eq!(made.report.content, store.check().unwrap().content);
    let engine = files
        .open(&directory.path().join(MemoryFiles::DATA))
        .unwrap();
    let restored = crate::EmbeddedStore::open(engine, BatchLimits::default()).unwrap();
    let left = |shelf| block_on(restored.walk_keepsakes(shelf, None, 99)).unwrap();
    assert_eq!(left(Shelf::Enrolment), []);
    assert_eq!(left(Shelf::OneM2m), others);
}

#[test]
fn a_device_that_acknowledged_a_later_version_takes_the_document_of_a_restored_store() {
    let store = everything();
    let taken = block_on(store.load_device(&sample::hosted_id(1))).unwrap();
    let taken = taken.expect("a hosted device");
    let (file, summary) = export(&store);
    // After the export the device is told more, stores it and says so.
    let told = DeviceDocument {
        version: taken.document.version + 1000,
        entries: Vec::new(),
    };
    let directory = tempdir().unwrap();
    let files = MemoryFiles::default();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let target = (&files, directory.path());
    let made = import_state(&mut file.as_bytes(), (&summary, at), target, &mut |_| ()).unwrap();
    let hosted = usize::try_from(made.raised).unwrap();
    assert_eq!(made.report.counts.get("hosted-device"), Some(&made.raised));
    let engine = files
        .open(&directory.path().join(MemoryFiles::DATA))
        .unwrap();
    let restored = crate::EmbeddedStore::open(engine, BatchLimits::default()).unwrap();
    let page = block_on(restored.walk_devices(&taken.iot_sp, None, 99)).unwrap();
    assert_eq!(page.len(), hosted);
    for device in page {
        assert!(device.document.version > device.document.acknowledged);
        assert!(device.document.version < 1 << 53);
        let sent = DeviceDocument {
            version: device.document.version,
            entries: Vec::new(),
        };
        let late = Acknowledgement {
            version: told.version,
            refused: Vec::new(),
        };
        assert_eq!(
            device.document.meaning_of(&late),
            AcknowledgementMeaning::Stale,
            "owed the newest"
        );
        let copy = told.replaced_by(&sent);
        assert_eq!(copy.version, device.document.version, "taken");
        assert_eq!(copy.version, 1_700_000_000_000);
    }
    assert!(restored.check().unwrap().is_sound());
}

#[test]
fn two_records_of_one_key_are_no_store() {
    for kind in ["mapping", "keepsake", "consent"] {
        two_of_one_key(kind);
    }
}

fn two_of_one_key(kind: &str) {
    let store = everything();
    let (file, summary) = export(&store);
    // Read once as it is, then with a row in it twice, as if the file had been changed meanwhile.
    let row = file
        .lines()
        .find(|line| line.starts_with(&format!("{{\"record\":\"{kind}\"")))
        .unwrap();
    let doubled = file.replace(row, &format!("{row}\n{row}"));
    let directory = tempdir().unwrap();
    let files = MemoryFiles::default();
    let target = (&files, directory.path());
    let imported = import_state(
        &mut doubled.as_bytes(),
        (&summary, sample::at(5)),
        target,
        &mut |_| (),
    );
    assert!(
        matches!(imported, Err(CopyError::Content(_) | CopyError::File(_))),
        "{imported:?}"
    );
}

#[test]
fn what_is_wrong_is_told_by_line_and_field_and_never_with_a_value() {
    let (file, _) = export(&everything());
    let cases: [(&str, &str, &str, &str); 12] = [
        (
            "mapping",
            "\"uti\":\"",
            "\"uti\":7,\"x\":\"",
            "field `uti` is no text",
        ),
        (
            "mapping",
            "\"sequence\":",
            "\"sequence\":-",
            "is no JSON object",
        ),
        (
            "mapping",
            "\"sequence\":",
            "\"sequence\":null,\"x\":",
            "is no JSON object",
        ),
        (
            "mapping",
            "\"status\":\"",
            "\"status\":\"SECRET",
            "field `state.status` is none of the known words",
        ),
        (
            "mapping",
            "\"mappingId\":\"0",
            "\"mappingId\":\"X",
            "field `mappingId` is no UUID",
        ),
        (
            "mapping",
            "\"uti\":\"",
            "\"deviceSerialNumber\":\"SECRET\",\"uti\":\"",
            "has a member that is not known here",
        ),
        (
            "mapping",
            "\"iotSpId\":\"",
            "\"iotSpId\":\"SECRET!",
            "field `iotSpId` is not valid",
        ),
        (
            "mapping",
            "\"createTime\":\"2",
            "\"createTime\":\"SECRET2",
            "field `createTime` is no RFC 3339",
        ),
        (
            "UTI record",
            "\"utiIndex\":\"",
            "\"utiIndex\":\"AAAA",
            "field `utiIndex` has another length",
        ),
        (
            "UTI record",
            "\"dead\":",
            "\"dead\":\"SECRET\",\"x\":",
            "field `dead` is neither",
        ),
        (
            "directory record",
            "\"kind\":\"SERVICE_PROVIDER\",\"spId\"",
            "\"kind\":\"SERVICE_PROVIDER\",\"spIt\"",
            "field `spId` is missing",
        ),
        (
            "outbox entry",
            "\"role\":\"",
            "\"role\":\"SECRET",
            "field `name.role` is none",
        ),
    ];
    for (kind, from, to, wanted) in cases {
        let fault = fault_of(&file, kind, |line| {
            assert!(line.contains(from), "{line}");
            line.replacen(from, to, 1)
        });
        assert!(fault.contains(wanted), "{wanted}: {fault}");
        assert!(!fault.contains("SECRET"), "{fault}");
    }
}

#[test]
fn a_state_that_was_cut_off_or_changed_is_refused() {
    let (file, _) = export(&everything());
    for (end, _) in file.match_indices('\n').skip(1) {
        let cut = read(file.get(..end).unwrap());
        assert!(matches!(cut, Err(FileFault::CutOff)), "{cut:?}");
    }
    assert!(matches!(
        read(&format!("{file}{{}}\n")),
        Err(FileFault::GoesOn)
    ));
    let changed = file.replacen("\"sequence\":1,", "\"sequence\":2,", 1);
    assert_ne!(changed, file);
    assert!(matches!(read(&changed), Err(FileFault::Damaged(_))));
    for foreign in ["", "{}", "{\"record\":\"mapping\"}\n", "PK\u{3}\u{4}"] {
        let fault = read(foreign).unwrap_err().to_string();
        assert!(fault.contains("no exported state"), "{fault}");
    }
    let table = format!("{}\r\nd,s,u\r\n", crate::TABLE_HEADER);
    let fault = read(&table).unwrap_err().to_string();
    assert!(
        fault.contains("for reading") && fault.contains("--state"),
        "{fault}"
    );
}

#[test]
fn a_state_of_a_later_version_is_refused_by_its_header() {
    let (file, _) = export(&everything());
    for (from, to, wanted) in [
        (
            "\"format\":4",
            "\"format\":5",
            "field `format` is that of a later version",
        ),
        (
            "\"mapping\":4",
            "\"mapping\":5",
            "field `versions.mapping` is none that this version reads",
        ),
        (
            "\"versions\":{",
            "\"versions\":{\"new\":1,",
            "field `versions` has a member",
        ),
    ] {
        let fault = fault_of(&file, "header", |line| line.replacen(from, to, 1));
        assert!(fault.contains(wanted), "{fault}");
    }
}

/// Written before consents, before keepsakes, and before hosted devices too: without those kinds, and read as it was.
#[test]
fn a_state_of_an_older_format_is_read() {
    let store = MemoryStore::in_memory().unwrap();
    let (file, written) = export(&store);
    let third = file.replacen("\"format\":4", "\"format\":3", 1);
    let third = third.replace(",\"consent\":1", "");
    let third = third.replace(",\"consent\":0", "");
    let second = third.replacen("\"format\":3", "\"format\":2", 1);
    let second = second.replace(",\"keepsake\":1", "");
    let second = second.replace(",\"keepsake\":0", "");
    let first = second.replacen("\"format\":2", "\"format\":1", 1);
    let first = first.replace(",\"hosted device\":3", "");
    let first = first.replace(",\"hosted device\":0", "");
    assert!(third.contains("keepsake") && !third.contains("consent"));
    assert!(second.contains("hosted") && !second.contains("keepsake"));
    assert!(!first.contains("hosted"), "{first}");
    for older in [first, second, third] {
        let header = older.lines().next().unwrap();
        let read = Line::parse(header.as_bytes(), &super::line::own_versions());
        assert!(matches!(read, Ok(Line::Header(_))), "{read:?}");
    }
    assert_eq!(written.records, 0);
}

#[test]
fn no_serial_number_and_no_key_is_spelled_out() {
    let (file, _) = export(&everything());
    let pending = file
        .lines()
        .find(|line| line.contains("\"status\":\"PENDING\""))
        .unwrap();
    assert!(pending.contains("\"serialSealed\":\"AQID\""), "{pending}");
}

#[test]
fn a_state_of_fewer_records_than_the_store_counted_is_not_written() {
    for table in [
        Table::Meta,
        Table::Mapping,
        Table::UtiRecord,
        Table::DeadDevice,
        Table::Outbox,
        Table::OutboxDue,
        Table::Directory,
        Table::Keepsake,
        Table::Consent,
    ] {
        let store = everything();
        sample::lose(&store, table);
        let written = write_state(&store, sample::at(5), &mut Vec::new());
        let is_told = matches!(written, Err(WriteFault::Damaged(of)) if of == table);
        assert!(is_told, "{table}: {written:?}");
    }
}

/// What is said against the file, `from` in its first line of `kind` being `to`; and its number.
fn objections_to(file: &str, (kind, from, to): (&str, &str, &str)) -> (Objections, u64) {
    let start = format!("{{\"record\":\"{kind}\"");
    let place = file.lines().position(|line| line.starts_with(&start));
    let place = place.unwrap_or_else(|| panic!("a line of {kind}"));
    let mut lines: Vec<_> = file.lines().map(ToOwned::to_owned).collect();
    let (before, value) = lines[place].split_once(from).expect(from);
    let (_, after) = value.split_once('"').expect("its end");
    lines[place] = format!("{before}{from}{to}\"{after}");
    // Completed again, as whoever altered it would.
    let trailer = lines.pop().unwrap();
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut hash = HashingReader::new(body.as_bytes());
    for line in &lines {
        hash.hash_line(format!("{line}\n").as_bytes());
    }
    let (before, _) = trailer.split_once("\"sha256\":\"").unwrap();
    let trailer = format!("{before}\"sha256\":\"{}\"}}", hex(&hash.hash()));
    let summary = read(&format!("{body}{trailer}\n")).unwrap();
    (summary.objections, place as u64 + 1)
}

#[test]
fn an_identifier_that_no_request_could_bring_is_told_by_its_line_and_field() {
    let (file, _) = export(&everything());
    for (kind, from, to, field) in [
        ("mapping", "\"uti\":\"", "310150123456789", "uti"),
        (
            "mapping",
            "\"serviceUri\":\"",
            "https://shop.example/310150123456789",
            "serviceUri",
        ),
        (
            "mapping",
            "\"consentId\":\"",
            "jane@example.com",
            "userConsent.consentId",
        ),
        ("outbox entry", "\"uti\":\"", "310150123456789", "uti"),
        ("consent", "\"purpose\":\"", "jane@example.com", "purpose"),
    ] {
        let (found, line) = objections_to(&file, (kind, from, to));
        assert_eq!(found.identifiers, 1, "{kind} {field}");
        let (at, told) = found.first.unwrap();
        assert_eq!(at, line);
        assert!(told.ends_with(field), "{told}");
    }
    assert_eq!(read(&file).unwrap().objections.identifiers, 0);
}

#[test]
fn a_row_of_a_service_provider_without_record_is_told_by_its_line() {
    let (file, _) = export(&everything());
    for (kind, from) in [
        ("mapping", "\"thirdPartySpId\":\""),
        ("mapping", "\"iotSpId\":\""),
        ("consent", "\"thirdPartySpId\":\""),
    ] {
        let (found, line) = objections_to(&file, (kind, from, "nobody"));
        assert_eq!(found.orphan, Some(line), "{kind} {from}");
    }
    assert_eq!(read(&file).unwrap().objections.orphan, None);
}
