use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;
use std::thread;

use super::*;

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let mut part = PartFile::begin(&path, false).unwrap();
    part.write_all(b"half").unwrap();
    let mode = fs::metadata(part.part()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(
        PartFile::begin(&path, false),
        Err(PartFileError::Busy(_))
    ));
    drop(part);
    assert_eq!(count(directory.path()), 0);
    // Left by a process that was killed.
    fs::write(directory.path().join("file.part"), b"left over").unwrap();
    let mut part = PartFile::begin(&path, false).unwrap();
    part.write_all(b"whole").unwrap();
    part.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert!(matches!(
        PartFile::begin(&path, false),
        Err(PartFileError::Exists(_))
    ));
    let mut part = PartFile::begin(&path, true).unwrap();
    part.write_all(b"newer").unwrap();
    part.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(count(directory.path()), 1);
}

#[test]
fn what_lies_at_the_path_but_is_another_file_is_neither_named_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let replace = |part: &PartFile| {
        fs::remove_file(part.part()).unwrap();
        fs::write(part.part(), b"another run's half").unwrap();
    };
    let mut part = PartFile::begin(&path, true).unwrap();
    part.write_all(b"whole").unwrap();
    replace(&part);
    // It is read back as it was written, whatever lies there.
    assert_eq!(
        io::read_to_string(part.read_back().unwrap()).unwrap(),
        "whole"
    );
    let left = part.part().to_owned();
    assert!(matches!(part.finish(), Err(PartFileError::TakenAway(_))));
    assert!(!path.exists());
    assert_eq!(fs::read(&left).unwrap(), b"another run's half");
}

#[test]
fn a_lock_that_came_too_late_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let part = directory.path().join("file.part");
    // Made, taken for a left one by another run, and removed, before it was locked.
    let made = File::create(&part).unwrap();
    remove_left(&part).unwrap();
    assert!(!part.exists());
    assert!(claim(made, &part).unwrap().is_none());
    // Left, opened by two runs: the second gets its lock when the first has made its own there.
    let left = File::create(&part).unwrap();
    fs::remove_file(&part).unwrap();
    let made = File::create(&part).unwrap();
    remove_claimed(&left, &part).unwrap();
    assert!(lies_at(&made, &part));
}

#[test]
fn of_many_runs_at_once_each_writes_the_whole_file_or_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let part = directory.path().join("file.part");
    let start = Barrier::new(4);
    for _ in 0..50 {
        fs::write(&part, b"left over").unwrap();
        let written: usize = thread::scope(|scope| {
            let run = |name: u8| {
                let (start, path) = (&start, &path);
                scope.spawn(move || {
                    start.wait();
                    let mut part = match PartFile::begin(path, true) {
                        Err(PartFileError::Busy(_)) => return 0,
                        part => part.unwrap(),
                    };
                    for _ in 0..64 {
                        part.write_all(&[name; 64]).unwrap();
                    }
                    part.finish().unwrap();
                    1
                })
            };
            let runs: Vec<_> = (b'a'..b'e').map(run).collect();
            runs.into_iter().map(|run| run.join().unwrap()).sum()
        });
        assert!(written > 0, "somebody writes");
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.windows(2).all(|two| two[0] == two[1]));
        assert!(!part.exists());
    }
}

#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    fs::write(&target, b"kept").unwrap();
    let link = directory.path().join("link");
    symlink(&target, &link).unwrap();
    for path in [Path::new("/dev/null"), directory.path(), &link] {
        for may_replace in [false, true] {
            assert!(matches!(
                PartFile::begin(path, may_replace),
                Err(PartFileError::NotRegular(_))
            ));
        }
    }
    // Nor is anything written through a link, or removed, where the part would lie.
    symlink(&target, directory.path().join("file.part")).unwrap();
    assert!(matches!(
        PartFile::begin(&directory.path().join("file"), true),
        Err(PartFileError::NotRegular(_))
    ));
    assert_eq!(fs::read(&target).unwrap(), b"kept");
}

#[test]
fn a_file_that_came_meanwhile_is_not_replaced_without_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let (new, old) = (directory.path().join("new"), directory.path().join("old"));
    fs::write(&new, b"new").unwrap();
    fs::write(&old, b"old").unwrap();
    let refused = rename_new(&new, &old).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&old).unwrap(), b"old");
    rename_new(&new, &path).unwrap();
    assert!(!new.exists());
    let part = PartFile::begin(&directory.path().join("other"), false).unwrap();
    fs::write(directory.path().join("other"), b"came meanwhile").unwrap();
    assert!(matches!(part.finish(), Err(PartFileError::Exists(_))));
}
