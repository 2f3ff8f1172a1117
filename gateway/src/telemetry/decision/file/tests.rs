use super::*;

#[test]
fn after_a_failed_sync_what_was_written_is_written_once_more_and_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("decisions");
    let mut file = DecisionFile::open(&place).unwrap();
    file.append(b"one\n").1.unwrap();
    file.sync().unwrap();
    file.append(b"two\n").1.unwrap();
    // A descriptor that cannot be synced stands in for a disk that fails.
    let good = std::mem::replace(&mut file.file, File::open("/dev/null").unwrap());
    assert!(file.sync().is_err());
    assert!(file.is_dirty());
    file.file = good;
    // Unsynced, it is gone from where it was.
    file.file.set_len(4).unwrap();
    assert!(file.in_doubt);
    file.append(b"TWO\n").1.unwrap();
    file.sync().unwrap();
    assert_eq!(std::fs::read(place.join(FILE_NAME)).unwrap(), b"one\nTWO\n");
    file.append(b"three\n").1.unwrap();
    file.sync().unwrap();
    let text = std::fs::read(place.join(FILE_NAME)).unwrap();
    assert_eq!(text, b"one\nTWO\nthree\n");
}
