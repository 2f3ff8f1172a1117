//! The engine that keeps everything in memory: a real store, for tests and models.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::EmbeddedStore;
use crate::engine::{Engine, EngineError, Overlay, ReadKeys, Verdict};

/// A store that ends with the process.
pub type MemoryStore = EmbeddedStore<MemoryEngine>;

/// Ordered keys in memory. A snapshot shares them; a write copies them only while one is held.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    keys: RwLock<Keys>,
    writer: Mutex<()>,
}

/// A view of all keys.
#[derive(Clone, Debug, Default)]
pub struct Keys(Arc<BTreeMap<Vec<u8>, Arc<[u8]>>>);

impl ReadKeys for Keys {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        Ok(self.0.get(key).map(|value| take(value)))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if from < to {
            let range = (Bound::Included(from), Bound::Excluded(to));
            for (key, value) in self.0.range::<[u8], _>(range) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl MemoryEngine {
    fn current(&self) -> Keys {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Engine for MemoryEngine {
    type Snapshot<'s> = Keys;
    type Transaction<'t> = Overlay<'t, Keys>;

    fn snapshot(&self) -> Result<Keys, EngineError> {
        Ok(self.current())
    }

    fn syncs(&self) -> u64 {
        0
    }

    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Overlay<'_, Keys>) -> Result<Verdict, E>,
    ) -> Result<(), E> {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let base = self.current();
        let mut transaction = Overlay::new(&base);
        if work(&mut transaction)? == Verdict::Discard {
            return Ok(());
        }
        let changes = transaction.into_changes();
        drop(base);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = Arc::make_mut(&mut keys.0);
        for (key, change) in changes {
            match change {
                Some(value) => keys.insert(key, value.into()),
                None => keys.remove(&key),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod on_disk;
#[cfg(test)]
mod tests;
