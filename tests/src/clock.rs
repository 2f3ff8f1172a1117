//! A wall clock that a test moves while the gateway runs: libfaketime, for that process alone. The
//! monotonic clock goes on as it is.

use std::path::PathBuf;

/// Where Debian and its children put it.
fn library() -> PathBuf {
    let architecture = std::env::consts::ARCH;
    format!("/usr/lib/{architecture}-linux-gnu/faketime/libfaketimeMT.so.1").into()
}

/// The wall clock of one process.
pub struct MovableClock {
    file: PathBuf,
}

impl MovableClock {
    /// The right time, kept in `file`.
    pub fn new(file: PathBuf) -> Self {
        assert!(library().exists(), "tests/run installs faketime");
        let clock = Self { file };
        clock.set("+0");
        clock
    }

    /// Moves it away from the right time: `+2h`, `-365d`, `+0`.
    pub fn set(&self, offset: &str) {
        // Whole or not at all: the process may read at any moment.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{offset}\n")).expect("a writable directory");
        std::fs::rename(&next, &self.file).expect("a writable directory");
    }

    /// What the process must find in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let (library, file) = (library(), self.file.to_str().expect("UTF-8"));
        [
            ("LD_PRELOAD", library.to_str().expect("UTF-8")),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }
}
