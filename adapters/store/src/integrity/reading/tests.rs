use std::ops::ControlFlow;

use super::{Contained, scan_readable};
use crate::engine::{EngineError, ReadKeys};
use crate::index::Table;

/// Keys in any order; where there is no value, the engine panics.
struct Damaged(Vec<(Vec<u8>, Option<&'static [u8]>)>);

impl ReadKeys for Damaged {
    fn read<T>(&self, _: &[u8], _: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, EngineError> {
        Ok(None)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        // An engine seeks, and then takes what comes.
        let start = self.0.iter().position(|(key, _)| key.as_slice() >= from);
        for (key, value) in self.0.iter().skip(start.unwrap_or(self.0.len())) {
            if key.as_slice() >= to || visit(key, value.expect("a whole page")).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn key(last: u8) -> Vec<u8> {
    vec![Table::Device as u8, 7, 7, last]
}

fn read(damaged: &Damaged) -> (Vec<u8>, bool) {
    let mut found = Vec::new();
    let is_whole = scan_readable(&Contained(damaged), Table::Device, |key, _| {
        found.extend(key.last());
        ControlFlow::Continue(())
    });
    (found, is_whole.unwrap())
}

#[test]
fn what_lies_behind_damage_is_read() {
    let whole = |last| (key(last), Some(&b""[..]));
    let mut keys: Vec<_> = (1..=9).map(whole).collect();
    assert_eq!(read(&Damaged(keys.clone())), ((1..=9).collect(), true));
    keys[3].1 = None;
    keys[4].1 = None;
    // Where to go on is guessed: 4 and 7 are tried, and 6 is not seen.
    assert_eq!(read(&Damaged(keys)), (vec![1, 2, 3, 7, 8, 9], false));
}

/// A branch that was zeroed leads back to where it came from.
#[test]
fn keys_out_of_order_are_damage_and_not_counted_again() {
    let mut keys: Vec<_> = [1, 2, 3, 2, 3, 1, 4, 5]
        .map(|last| (key(last), Some(&b""[..])))
        .into();
    assert_eq!(read(&Damaged(keys.clone())), ((1..=5).collect(), false));
    keys.push((vec![], None));
    let (found, is_whole) = read(&Damaged(keys));
    assert!(!is_whole && found == [1, 2, 3, 4, 5], "{found:?}");
}
