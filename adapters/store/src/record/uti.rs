//! The permanent record of a UTI, and the mark of a dead device ID.

use ics_core::mapping::UtiRecord;
use ics_core::sealed::BlindIndex;

use super::bytes::{Decoder, Encoder};
use super::{Record, RecordError};

impl Record for UtiRecord {
    const VERSION: u8 = 1;

    fn write(&self, out: &mut Encoder) {
        out.option(self.device, |out, v| out.raw(v.as_bytes()));
        out.option(self.serial, |out, v| out.raw(v.as_bytes()));
        out.number(u64::from(self.live));
        out.flag(self.dead);
    }

    fn read(_: u8, input: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            device: input.option(|input| input.array().map(BlindIndex::from_bytes))?,
            serial: input.option(|input| input.array().map(BlindIndex::from_bytes))?,
            live: input.small()?,
            dead: input.flag()?,
        })
    }
}

/// A device ID that never comes back. Says nothing but that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadDevice;

impl Record for DeadDevice {
    const VERSION: u8 = 1;

    fn write(&self, _: &mut Encoder) {}

    fn read(_: u8, _: &mut Decoder<'_>) -> Result<Self, RecordError> {
        Ok(Self)
    }
}
