//! Writes kept beside what they would change, until they are wanted or dropped.
//!
//! One change of a batch is tried in an overlay, so that a conflict leaves no trace. An engine
//! without transactions of its own can use one as its transaction.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::{EngineError, ReadKeys, WriteKeys};

/// `base` with some keys put and some taken out. `None` is a key that goes.
#[derive(Debug)]
pub struct Overlay<'b, R> {
    base: &'b R,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'b, R: ReadKeys> Overlay<'b, R> {
    /// `base` as it is.
    pub const fn new(base: &'b R) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
        }
    }

    /// What would change, in the order of the keys.
    pub fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }

    /// Puts a value without copying it.
    pub fn put_owned(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    /// Takes a key out without copying it.
    pub fn delete_owned(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }
}

impl<R: ReadKeys> ReadKeys for Overlay<'_, R> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.as_deref().map(take)),
            None => self.base.read(key, take),
        }
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        let mut own = self.changes.range::<[u8], _>(range).peekable();
        let mut stopped = false;
        self.base.scan(from, to, |key, value| {
            // What is put before this key comes first.
            while let Some((own_key, change)) = own.next_if(|(k, _)| k.as_slice() < key) {
                if let Some(own_value) = change
                    && visit(own_key, own_value).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
            }
            let step = match own.next_if(|(k, _)| k.as_slice() == key) {
                Some((_, None)) => ControlFlow::Continue(()),
                Some((_, Some(own_value))) => visit(key, own_value),
                None => visit(key, value),
            };
            stopped = step.is_break();
            step
        })?;
        if !stopped {
            for (key, change) in own {
                if let Some(value) = change
                    && visit(key, value).is_break()
                {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl<R: ReadKeys> WriteKeys for Overlay<'_, R> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.put_owned(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.delete_owned(key.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
