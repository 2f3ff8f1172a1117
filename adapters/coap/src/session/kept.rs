//! The document as the device was told it last: who asks again costs one look at the device, and no
//! row is read.

use std::sync::Arc;

use ics_channel::Format;

/// The longest that is kept: one part of an answer (RFC 7959 2.2).
const LONGEST: usize = 1024;

/// At most one version, in one form.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<(u64, Format, Arc<[u8]>)>);

impl Kept {
    /// The version that is kept in this form, and what was written.
    pub(super) fn of(&self, format: Format) -> Option<(u64, Arc<[u8]>)> {
        let (version, kept_in, written) = self.0.as_ref()?;
        (*kept_in == format).then(|| (*version, Arc::clone(written)))
    }

    /// Keeps this one, unless it is too long.
    pub(super) fn keep(&mut self, version: u64, format: Format, written: &Arc<[u8]>) {
        self.0 = (written.len() <= LONGEST).then(|| (version, format, Arc::clone(written)));
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, _, written)| written.len())
    }
}
