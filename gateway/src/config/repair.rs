//! How all faults of a file are found in one go: each that keeps it from being read is noted, and
//! its place filled from a configuration that is known to be good, until it can be read.

use toml::{Table, Value};

use super::fault::meant_key;

/// What keeps the file from being read, in words of the reader.
pub(super) struct Obstacle {
    /// The key it was at, dotted; empty at the top.
    pub(super) path: String,
    /// The reader's message.
    pub(super) message: String,
}

/// Fills the place of `obstacle` from `spare`. Tells the key that was filled or removed, or `None`
/// when nothing can be done about it.
pub(super) fn repair(document: &mut Table, spare: &Table, obstacle: &Obstacle) -> Option<String> {
    let quoted = |prefix| {
        let rest = obstacle.message.strip_prefix(prefix)?;
        rest.split('`').next()
    };
    if let Some(unknown) = quoted("unknown field `") {
        let parent = obstacle.path.strip_suffix(unknown);
        let parent = parent.unwrap_or(&obstacle.path).trim_end_matches('.');
        let table = table_at(document, parent)?;
        let value = table.remove(unknown)?;
        // A slip of the pen is one fault, not also a missing key.
        if let Some(meant) = meant_key(&obstacle.message) {
            table.entry(meant).or_insert(value);
        }
        return Some(join(parent, unknown));
    }
    if let Some(missing) = quoted("missing field `") {
        let key = join(&obstacle.path, missing);
        let good = value_at(spare, &key)?.clone();
        table_at(document, &obstacle.path)?.insert(missing.to_owned(), good);
        return Some(key);
    }
    let (parent, last) = obstacle
        .path
        .rsplit_once('.')
        .unwrap_or(("", &obstacle.path));
    let good = value_at(spare, &obstacle.path).cloned();
    let (name, index) = split_index(last);
    let table = table_at(document, parent)?;
    match (good, index) {
        (Some(good), None) => {
            table.insert(name.to_owned(), good);
        }
        (_, Some(index)) => {
            let array = table.get_mut(name)?.as_array_mut()?;
            (index < array.len()).then(|| array.remove(index))?;
        }
        (None, None) => {
            table.remove(name)?;
        }
    }
    Some(obstacle.path.clone())
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// `anchor[1]` as its name and its index.
fn split_index(segment: &str) -> (&str, Option<usize>) {
    match segment.trim_end_matches(']').split_once('[') {
        Some((name, index)) => (name, index.parse().ok()),
        None => (segment, None),
    }
}

fn value_at<'t>(document: &'t Table, key: &str) -> Option<&'t Value> {
    let mut segments = key.split('.').map(split_index);
    let step = |table: &'t Table, (name, index): (&str, Option<usize>)| {
        let value = table.get(name)?;
        match index {
            None => Some(value),
            // Good for one element, good for all.
            Some(_) => value.as_array()?.first(),
        }
    };
    let first = step(document, segments.next()?)?;
    segments.try_fold(first, |value, segment| step(value.as_table()?, segment))
}

fn table_at<'t>(document: &'t mut Table, key: &str) -> Option<&'t mut Table> {
    let mut table = document;
    for (name, index) in key.split('.').filter(|s| !s.is_empty()).map(split_index) {
        let value = table.get_mut(name)?;
        let value = match index {
            None => value,
            Some(index) => value.as_array_mut()?.get_mut(index)?,
        };
        table = value.as_table_mut()?;
    }
    Some(table)
}
