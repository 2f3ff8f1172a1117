//! Panics of an engine that meets what it does not expect in its files: errors, like all others.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    /// How many of [`contain_panics`] this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// How many of [`contain_expected_panics`] it is in.
    static EXPECTED: Cell<u32> = const { Cell::new(0) };
}

/// Something below panicked; where is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage engine panicked")]
pub struct Panicked;

/// Runs `work`, whose own state is not used any more after a panic.
///
/// # Errors
/// [`Panicked`].
pub fn contain_panics<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    DEPTH.set(DEPTH.get().saturating_add(1));
    let done = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get().saturating_sub(1));
    done.map_err(|_| Panicked)
}

/// [`contain_panics`] where damage is looked for: who looks tells of it, and the log does not.
///
/// # Errors
/// [`Panicked`].
pub(crate) fn contain_expected_panics<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    EXPECTED.set(EXPECTED.get().saturating_add(1));
    let done = contain_panics(work);
    EXPECTED.set(EXPECTED.get().saturating_sub(1));
    done
}

/// From now on a contained panic is a line of the log, not a report on standard error that looks like
/// the end of the process, and may show what was in a record. Once for a process.
pub fn log_contained_panics() {
    let others = take_hook();
    set_hook(Box::new(move |panic| {
        if DEPTH.get() == 0 {
            others(panic);
        } else if EXPECTED.get() > 0 {
            tracing::debug!("storage engine panicked where damage is looked for");
        } else if let Some(place) = panic.location() {
            tracing::error!(
                file = place.file(),
                line = place.line(),
                "storage engine panicked"
            );
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_one_is_contained_too() {
        let panics = || contain_panics(|| -> u32 { panic!("damaged") });
        assert_eq!(contain_panics(panics), Ok(Err(Panicked)));
        assert_eq!(panics(), Err(Panicked));
        assert_eq!(DEPTH.get(), 0);
        assert_eq!(contain_panics(|| 7), Ok(7));
    }
}
