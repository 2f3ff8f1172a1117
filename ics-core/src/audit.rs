//! What an adapter leaves for the decision log beside its answer.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

/// The code of a refusal, such as `MAPPING_NOT_FOUND`: upper-case letters and underscores, fixed in
/// the code, nothing a caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCause(pub &'static str);

/// Many inquiries in one request: how many were asked, and what became of them so far. Counted
/// while the answer is made; the decision log reads it when the answer ends.
#[derive(Clone, Debug)]
pub struct BulkTally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    asked: u32,
    allowed: AtomicU32,
    not_found: AtomicU32,
    denied: AtomicU32,
    failed: AtomicU32,
}

/// What a [`BulkTally`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkOutcomes {
    /// How many were asked.
    pub asked: u32,
    /// Answered with what is there.
    pub allowed: u32,
    /// Nothing there, or nothing of the caller's.
    pub not_found: u32,
    /// Refused for any other reason.
    pub denied: u32,
    /// Not answered for a reason of our own.
    pub failed: u32,
}

impl BulkTally {
    /// Of `asked` inquiries, none answered yet.
    #[must_use]
    pub fn new(asked: u32) -> Self {
        Self(Arc::new(Counts {
            asked,
            ..Counts::default()
        }))
    }

    /// One was answered, with this HTTP status.
    pub fn count(&self, status: u16) {
        let counts = &self.0;
        let of = match status {
            ..400 => &counts.allowed,
            404 => &counts.not_found,
            400..500 => &counts.denied,
            500.. => &counts.failed,
        };
        of.fetch_add(1, Ordering::Relaxed);
    }

    /// As of now.
    #[must_use]
    pub fn outcomes(&self) -> BulkOutcomes {
        let counts = &self.0;
        BulkOutcomes {
            asked: counts.asked,
            allowed: counts.allowed.load(Ordering::Relaxed),
            not_found: counts.not_found.load(Ordering::Relaxed),
            denied: counts.denied.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
        }
    }
}

impl BulkOutcomes {
    /// Whether each was answered.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        let answered = self.allowed.saturating_add(self.not_found);
        let refused = self.denied.saturating_add(self.failed);
        answered.saturating_add(refused) == self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_inquiry_is_whole_when_each_line_is_counted() {
        let tally = BulkTally::new(4);
        let other = tally.clone();
        for status in [200, 404, 403] {
            other.count(status);
            assert!(!tally.outcomes().is_whole());
        }
        other.count(503);
        let outcomes = tally.outcomes();
        assert!(outcomes.is_whole());
        assert_eq!(
            (
                outcomes.allowed,
                outcomes.not_found,
                outcomes.denied,
                outcomes.failed
            ),
            (1, 1, 1, 1)
        );
    }
}
