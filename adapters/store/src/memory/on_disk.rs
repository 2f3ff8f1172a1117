//! Memory engines under paths, for tests of what makes stores in directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Keys, MemoryEngine};
use crate::engine::{Engine, EngineError, Overlay, Verdict};
use crate::{EngineFiles, OpenError};

#[derive(Default)]
pub(crate) struct MemoryFiles(Mutex<BTreeMap<PathBuf, Arc<MemoryEngine>>>);

/// One that is still there when it was closed.
pub(crate) struct Kept(Arc<MemoryEngine>);

impl EngineFiles for MemoryFiles {
    type Engine = Kept;
    const NAME: &'static str = "memory";
    const DATA: &'static str = "ics-store.memory";
    const COUNT_AFTER_CRASH: bool = true;

    fn begin(&self, path: &Path) -> Result<Kept, OpenError> {
        let engine = Arc::new(MemoryEngine::default());
        let mut engines = self.0.lock().unwrap();
        engines.insert(path.to_owned(), Arc::clone(&engine));
        Ok(Kept(engine))
    }

    fn open(&self, path: &Path) -> Result<Kept, OpenError> {
        let engines = self.0.lock().unwrap();
        let engine = engines.get(path).cloned();
        engine
            .map(Kept)
            .ok_or_else(|| OpenError::Missing(path.to_owned()))
    }
}

impl Engine for Kept {
    type Snapshot<'s> = Keys;
    type Transaction<'t> = Overlay<'t, Keys>;

    fn snapshot(&self) -> Result<Keys, EngineError> {
        self.0.snapshot()
    }

    fn syncs(&self) -> u64 {
        0
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Overlay<'_, Keys>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        self.0.write(work)
    }
}
