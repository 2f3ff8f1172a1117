//! What an embedded database must be able to do, and nothing more: ordered bytes, consistent
//! snapshots, one atomic and durable write at a time.
//!
//! Everything above (tables, records, indexes, conflicts) is built on this once. Keys are opaque
//! to an engine; they compare byte by byte.

mod overlay;

use std::error::Error;
use std::ops::ControlFlow;

pub use overlay::Overlay;

/// Why an engine did not do it. The cause goes to the log.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not now: disk full, I/O error, closed. Nothing of the write can be seen.
    #[error("storage engine unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The engine found its own files damaged.
    #[error("storage engine found damage")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}

/// Reading, as of one instant.
pub trait ReadKeys {
    /// Hands the value of `key` to `take`, if there is one.
    ///
    /// # Errors
    /// [`EngineError`].
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError>;

    /// Hands every key in `from..to` with its value to `visit`, in order, until it breaks.
    /// A range that ends before it begins is empty.
    ///
    /// # Errors
    /// [`EngineError`].
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError>;

    /// Whether `key` is there.
    ///
    /// # Errors
    /// [`EngineError`].
    fn holds(&self, key: &[u8]) -> Result<bool, EngineError> {
        Ok(self.read(key, |_| ())?.is_some())
    }
}

/// Writing within one transaction; reads see what was written.
pub trait WriteKeys: ReadKeys {
    /// Puts a value, replacing the one there.
    ///
    /// # Errors
    /// [`EngineError`].
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), EngineError>;

    /// Takes a key out, if it is there.
    ///
    /// # Errors
    /// [`EngineError`].
    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError>;
}

/// What to do with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make it durable.
    Commit,
    /// Forget it.
    Discard,
}

/// An ordered key-value database.
pub trait Engine: Send + Sync + 'static {
    /// A consistent view; later writes do not show in it, and do not wait for it.
    type Snapshot<'s>: ReadKeys
    where
        Self: 's;
    /// A write in the making.
    type Transaction<'t>: WriteKeys;

    /// A view of everything committed so far.
    ///
    /// # Errors
    /// [`EngineError`].
    fn snapshot(&self) -> Result<Self::Snapshot<'_>, EngineError>;

    /// How often it has synced its files (fsync, fdatasync) since it was opened; 0 for ever when
    /// it has none.
    fn syncs(&self) -> u64;

    /// Runs `work` in a transaction and, if it says so, commits it.
    ///
    /// `Ok` after [`Verdict::Commit`] means that it survives a power cut. After an error nothing
    /// of it shows, and a later write may succeed again.
    ///
    /// # Errors
    /// Those of `work`, and [`EngineError`].
    fn write<E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut Self::Transaction<'_>) -> Result<Verdict, E>,
    ) -> Result<(), E>;
}
