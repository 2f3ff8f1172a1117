//! Reading on behind damage: what an engine cannot read is passed over, so that one bad
//! page does not hide the rest of a store.
//!
//! Damage has no end that could be asked for, so keys behind it are guessed, the nearest first; what
//! lies between the damage and the first guess that can be read is not seen.

use std::ops::ControlFlow;

use crate::engine::{EngineError, ReadKeys};
use crate::index::{Key, Table};
use crate::panics::contain_expected_panics;

/// How often a table is read on; what is behind then is not read.
const MOST_PLACES: u32 = 10_000;

/// So many bytes of a key are guessed at least: behind the first of a table nothing is known.
const GUESSED: usize = 20;

/// How far a byte of a key is moved for a guess.
const STEPS: [u8; 4] = [1, 4, 16, 64];

/// A view of which a panic is damage, and so are its errors.
pub(super) struct Contained<'v, R>(pub(super) &'v R);

impl<R: ReadKeys> ReadKeys for Contained<'_, R> {
    fn read<T>(&self, key: &[u8], take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        contain_expected_panics(|| self.0.read(key, take))
            .unwrap_or_else(|panicked| Err(EngineError::Damaged(panicked.into())))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        contain_expected_panics(|| self.0.scan(from, to, visit))
            .unwrap_or_else(|panicked| Err(EngineError::Damaged(panicked.into())))
    }
}

/// Hands every key of `table` that can be read to `visit`, in order, until it breaks; answers whether
/// all could be read.
pub(super) fn scan_readable<R: ReadKeys>(
    view: &R,
    table: Table,
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<bool, EngineError> {
    let whole = Key::of(table);
    let end = whole.prefix_end();
    let mut from = whole.as_bytes().to_vec();
    // The least key that may come next: damage also shows as keys out of order, or of elsewhere.
    let mut next = from.clone();
    let mut is_whole = true;
    for _ in 0..MOST_PLACES {
        let scanned = view.scan(&from, &end, |key, value| {
            if key < next.as_slice() || key >= end.as_slice() {
                is_whole = false;
                return ControlFlow::Continue(());
            }
            key.clone_into(&mut next);
            next.push(0);
            visit(key, value)
        });
        let damage = match scanned {
            Ok(()) => return Ok(is_whole),
            Err(EngineError::Damaged(damage)) => damage,
            Err(error) => return Err(error),
        };
        if std::mem::replace(&mut is_whole, false) {
            tracing::warn!(%table, %damage, "store is damaged; what can be read is read on");
        }
        if next == from {
            match find_readable(view, &from, &end)? {
                Some(guess) => next = guess,
                None => return Ok(false),
            }
        }
        // Otherwise an engine that reads several keys at once may know more of them.
        next.clone_into(&mut from);
    }
    Ok(false)
}

/// A key behind `from` from which on something can be read, or nothing is there any more.
fn find_readable<R: ReadKeys>(
    view: &R,
    from: &[u8],
    end: &[u8],
) -> Result<Option<Vec<u8>>, EngineError> {
    let mut base = from.to_vec();
    base.resize(base.len().max(GUESSED), 0);
    // The first byte is the table.
    for length in (2..=base.len()).rev() {
        for step in STEPS {
            let (kept, _) = base.split_at(length);
            let mut guess = kept.to_vec();
            match guess.last_mut() {
                Some(byte) if byte.checked_add(step).is_some() => *byte = byte.wrapping_add(step),
                _ => break,
            }
            match view.scan(&guess, end, |_, _| ControlFlow::Break(())) {
                Ok(()) => return Ok(Some(guess)),
                Err(EngineError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
