//! Snapshots for an engine that has none.
//!
//! Each write is a version. Before it touches sled, what its keys held is put aside as a layer of
//! that version. A reader of version `v` takes what sled holds now, and then looks for its key in
//! the layers above `v`, lowest first: what lies there is what the key held at `v`. Because the
//! layer is put aside before sled is changed and looked at after sled was read, a reader that saw
//! anything of a later write, or half of it, finds the layer. A version is shown to new readers
//! when it is durable, not before. Layers go when nobody reads a version below them, and two
//! between which nobody reads become one: there are never many more layers than readers at work,
//! however long one of them reads, and no more keys in them than were touched meanwhile.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What keys held before a write; `None` for those that were not there.
pub(crate) type Layer = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The versions that readers may still see.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The newest durable version.
    committed: u64,
    /// By version, how many readers.
    readers: BTreeMap<u64, usize>,
    /// By version, what its keys held before it.
    layers: BTreeMap<u64, Arc<Layer>>,
}

impl Versions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new reader, of the newest durable version.
    pub(crate) fn begin_reading(&self) -> u64 {
        let mut state = self.state();
        let version = state.committed;
        let readers = state.readers.entry(version).or_default();
        *readers = readers.saturating_add(1);
        version
    }

    /// A reader of `version` ends.
    pub(crate) fn end_reading(&self, version: u64) {
        let mut state = self.state();
        if let Some(readers) = state.readers.get_mut(&version) {
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                state.readers.remove(&version);
                state.merge_at(version);
            }
        }
        state.forget_layers();
    }

    /// Puts aside what the keys of the next write hold now; answers its version.
    pub(crate) fn begin_writing(&self, layer: Layer) -> u64 {
        let mut state = self.state();
        let version = state.next();
        state.layers.insert(version, Arc::new(layer));
        version
    }

    /// The write of `version` is durable, or was taken back: readers from now on see what sled
    /// holds.
    pub(crate) fn end_writing(&self, version: u64) {
        let mut state = self.state();
        let before = state.committed;
        state.committed = before.max(version);
        state.merge_at(before);
        state.forget_layers();
    }

    /// What `key` held at `version`, if a later write touched it.
    pub(crate) fn held(&self, version: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let state = self.state();
        let mut above = state.above(version);
        above.find_map(|layer| layer.get(key).cloned())
    }

    /// What the keys in `range` held at `version` that later writes touched.
    pub(crate) fn held_in(&self, version: u64, range: (&[u8], &[u8])) -> Layer {
        let state = self.state();
        let bounds = (Bound::Included(range.0), Bound::Excluded(range.1));
        let mut held = Layer::new();
        if range.0 < range.1 {
            for layer in state.above(version) {
                for (key, value) in layer.range::<[u8], _>(bounds) {
                    // The lowest layer says it.
                    held.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        held
    }

    /// The write that began last and has not ended, with what its keys held before.
    pub(crate) fn unfinished(&self) -> Option<(u64, Arc<Layer>)> {
        let state = self.state();
        let (version, layer) = state.layers.last_key_value()?;
        (*version > state.committed).then(|| (*version, Arc::clone(layer)))
    }
}

impl State {
    fn next(&self) -> u64 {
        let newest = self.layers.last_key_value().map_or(0, |(v, _)| *v);
        newest.max(self.committed).saturating_add(1)
    }

    fn above(&self, version: u64) -> impl Iterator<Item = &Arc<Layer>> {
        let later = (Bound::Excluded(version), Bound::Unbounded);
        self.layers.range(later).map(|(_, layer)| layer)
    }

    /// Layers that no reader, now or to come, looks at.
    fn forget_layers(&mut self) {
        let oldest = self.readers.first_key_value().map(|(v, _)| *v);
        let oldest = oldest.unwrap_or(self.committed).min(self.committed);
        while let Some(first) = self.layers.first_entry()
            && *first.key() <= oldest
        {
            first.remove();
        }
    }

    /// Nobody reads `version` any more: the layers on both sides of it become one, under the higher
    /// version, if nobody reads a version between them, now or later. What the older one says of a
    /// key is what the key held.
    fn merge_at(&mut self, version: u64) {
        let later = (Bound::Excluded(version), Bound::Unbounded);
        let older = self.layers.range(..=version).next_back();
        let newer = self.layers.range(later).next();
        let (Some((&older, _)), Some((&newer, _))) = (older, newer) else {
            return;
        };
        let is_read = self.readers.range(older..newer).next().is_some();
        if newer > self.committed || is_read {
            return;
        }
        if let (Some(older), Some(layer)) =
            (self.layers.remove(&older), self.layers.get_mut(&newer))
        {
            let kept = std::mem::take(layer);
            *layer = Arc::new(merge(owned(older), owned(kept)));
        }
    }
}

/// Both, the older where both know a key; the smaller is put into the larger.
fn merge(older: Layer, newer: Layer) -> Layer {
    if older.len() < newer.len() {
        let mut merged = newer;
        merged.extend(older);
        return merged;
    }
    let mut merged = older;
    for (key, value) in newer {
        merged.entry(key).or_insert(value);
    }
    merged
}

fn owned(layer: Arc<Layer>) -> Layer {
    Arc::try_unwrap(layer).unwrap_or_else(|shared| Layer::clone(&shared))
}

#[cfg(test)]
mod tests;
