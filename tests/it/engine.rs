//! The embedded engines, for tests that hold each of them to the same.

use std::ops::ControlFlow;
use std::path::Path;

use ics_store::contract::Contender;
use ics_store::engine::{self, EngineError, Verdict, WriteKeys as _};
use ics_store::{EmbeddedStore, Table, Upkeep as _};

/// An embedded engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Redb,
    Sled,
}

impl Engine {
    /// As configuration calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Redb => Self::Sled,
            Self::Sled => Self::Redb,
        }
    }

    /// Its file within the store's directory.
    pub(crate) fn data(self) -> &'static str {
        match self {
            Self::Redb => "ics-store.redb",
            Self::Sled => "ics-store.sled/db",
        }
    }

    /// Opens the store in `directory`, or begins one there.
    ///
    /// # Errors
    /// What an operator would read.
    pub(crate) fn try_open(self, directory: &Path) -> Result<Box<dyn Contender>, String> {
        const CACHE: usize = 64 << 20;
        match self {
            Self::Redb => {
                let options = ics_store_redb::Options {
                    cache_bytes: CACHE,
                    ..Default::default()
                };
                let store = ics_store_redb::open(directory, options);
                store.map(|store| Box::new(store) as _)
            }
            Self::Sled => {
                let options = ics_store_sled::Options {
                    cache_bytes: CACHE,
                    ..Default::default()
                };
                let store = ics_store_sled::open(directory, options);
                store.map(|store| Box::new(store) as _)
            }
        }
        .map_err(|error| error.to_string())
    }

    /// The same, of a store that is known to be whole.
    pub(crate) fn open(self, directory: &Path) -> Box<dyn Contender> {
        self.try_open(directory).expect("the store opens")
    }

    /// Writes over the newest row of the store in `directory`, which keeps its counters and opens: what
    /// a disk does that answers with other bytes than it was given.
    pub(crate) fn spoil_newest_row(self, directory: &Path) {
        match self {
            Self::Redb => spoil_newest_row(
                &ics_store_redb::open(directory, ics_store_redb::Options::default())
                    .expect("the store opens"),
            ),
            Self::Sled => spoil_newest_row(
                &ics_store_sled::open(directory, ics_store_sled::Options::default())
                    .expect("the store opens"),
            ),
        }
    }

    /// A configuration as `init` writes it, for this engine, with a small cache.
    pub(crate) fn configure(self, text: &str) -> String {
        let written = format!("engine = \"{}\"", self.name());
        let text = text.replace("#engine = \"redb\"", &written);
        assert!(text.contains(&written), "the template has the key");
        text.replace("#cache = \"1GiB\"", "cache = \"64MiB\"")
    }
}

fn spoil_newest_row<E: engine::Engine>(store: &EmbeddedStore<E>) {
    let mut newest = Vec::new();
    let visited = store.visit(&[Table::Mapping], &mut |key, _| {
        newest = key.to_vec();
        ControlFlow::Continue(())
    });
    visited.expect("a store that is whole");
    let written = store.engine().write(|transaction| {
        transaction.put(&newest, b"no record")?;
        Ok::<_, EngineError>(Verdict::Commit)
    });
    written.expect("room");
}
