//! The permanent record of a UTI, and the mark of a dead device ID.

use ics_core::mapping::UtiRecord;

use super::fields::{Sink, Source};
use super::value::{index, put_index};
use super::{Record, RecordError};

impl Record for UtiRecord {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut impl Sink) {
        out.option("deviceIndex", self.device, put_index);
        out.option("serialIndex", self.serial, put_index);
        out.number("live", u64::from(self.live));
        out.flag("dead", self.dead);
    }

    fn read(_: u8, input: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self {
            device: input.option("deviceIndex", index)?,
            serial: input.option("serialIndex", index)?,
            live: input.small("live")?,
            dead: input.flag("dead")?,
        })
    }
}

/// A device ID that never comes back. Says nothing but that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadDevice;

impl Record for DeadDevice {
    const VERSION: u8 = 1;

    fn write(&self, _: &mut impl Sink) {}

    fn read(_: u8, _: &mut impl Source) -> Result<Self, RecordError> {
        Ok(Self)
    }
}
