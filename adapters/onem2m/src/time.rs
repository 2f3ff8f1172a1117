//! Timestamps of TS-0004: `YYYYMMDDTHHMMSS,ffffff`, UTC.

use ics_core::time::Timestamp;

/// Writes an instant, to the millisecond.
pub(crate) fn format(instant: Timestamp) -> String {
    let rfc3339 = instant.to_rfc3339();
    let mut compact: String = rfc3339
        .chars()
        .filter(|c| !matches!(c, '-' | ':' | 'Z'))
        .collect();
    if let Some(dot) = compact.find('.') {
        compact.replace_range(dot..=dot, ",");
    }
    compact
}
