//! What an adapter keeps for itself.

use ics_core::keepsake::{Keepsake, Shelf};

use super::fields::{Sink, Source, named};
use super::{Record, RecordError};

named!(Shelf {
    "ONEM2M": [Shelf::OneM2m],
    "ENROLMENT": [Shelf::Enrolment],
});

impl Record for Keepsake {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.choice("shelf", self.shelf);
        out.bytes("key", &self.key);
        out.bytes("value", &self.value);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            shelf: input.choice("shelf")?,
            key: input.bytes("key")?.into_owned(),
            value: input.bytes("value")?.into_owned(),
        })
    }
}
