//! Bytes of a record, written and read field by field. Reading is total: any bytes give a value
//! or an error.

use std::borrow::Cow;

use ics_core::time::Timestamp;

use super::RecordError;
use super::fields::{Sink, Source};

/// Appends fields; their names are told by their order.
#[derive(Debug, Default)]
pub(crate) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Seven bits a byte, lowest first.
    pub(super) fn varint(&mut self, mut value: u64) {
        loop {
            let low = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    fn length(&mut self, length: usize) {
        self.varint(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

impl Sink for Encoder {
    fn number(&mut self, _: &'static str, value: u64) {
        self.varint(value);
    }

    fn flag(&mut self, _: &'static str, value: bool) {
        self.byte(u8::from(value));
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.bytes(name, text.as_bytes());
    }

    fn instant(&mut self, _: &'static str, instant: Timestamp) {
        self.varint(u64::try_from(instant.millis()).unwrap_or(0));
    }

    fn id(&mut self, _: &'static str, id: &[u8; 16]) {
        self.raw(id);
    }

    fn key_id(&mut self, _: &'static str, _: &[u8; 16]) {}

    fn fixed(&mut self, _: &'static str, bytes: &[u8]) {
        self.raw(bytes);
    }

    fn bytes(&mut self, _: &'static str, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    fn tag(&mut self, _: &'static str, number: u8, _: &[&'static str]) {
        self.byte(number);
    }

    fn group(&mut self, _: &'static str, write: impl FnOnce(&mut Self)) {
        write(self);
    }

    fn option<T>(
        &mut self,
        name: &'static str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, &'static str, T),
    ) {
        self.flag(name, value.is_some());
        if let Some(value) = value {
            write(self, name, value);
        }
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        mut write: impl FnMut(&mut Self, &'static str, &T),
    ) {
        self.length(items.len());
        for item in items {
            write(self, name, item);
        }
    }
}

/// Takes fields off the front.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    key: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(key: &'a [u8], rest: &'a [u8]) -> Self {
        Self { key, rest }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        let (first, rest) = self.rest.split_first().ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part.leading_zeros() < shift {
                return Err(RecordError::Value);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Value)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (first, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self) -> Result<&'a [u8], RecordError> {
        let length = usize::try_from(self.varint()?).map_err(|_| RecordError::Truncated)?;
        let (first, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }
}

impl Source for Decoder<'_> {
    fn number(&mut self, _: &'static str) -> Result<u64, RecordError> {
        self.varint()
    }

    fn flag(&mut self, _: &'static str) -> Result<bool, RecordError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Value),
        }
    }

    fn text(&mut self, _: &'static str) -> Result<Cow<'_, str>, RecordError> {
        let text = std::str::from_utf8(self.take()?).map_err(|_| RecordError::Value)?;
        Ok(Cow::Borrowed(text))
    }

    fn instant(&mut self, _: &'static str) -> Result<Timestamp, RecordError> {
        let millis = i64::try_from(self.varint()?).map_err(|_| RecordError::Value)?;
        let instant = Timestamp::from_millis(millis);
        if instant.millis() == millis {
            Ok(instant)
        } else {
            Err(RecordError::Value)
        }
    }

    fn id(&mut self, _: &'static str) -> Result<[u8; 16], RecordError> {
        self.array()
    }

    /// The last bytes of the key the record lies under.
    fn key_id(&mut self, _: &'static str) -> Result<[u8; 16], RecordError> {
        self.key.last_chunk().copied().ok_or(RecordError::Truncated)
    }

    fn fixed<const N: usize>(&mut self, _: &'static str) -> Result<[u8; N], RecordError> {
        self.array()
    }

    fn bytes(&mut self, _: &'static str) -> Result<Cow<'_, [u8]>, RecordError> {
        self.take().map(Cow::Borrowed)
    }

    fn tag(&mut self, _: &'static str, words: &[&'static str]) -> Result<u8, RecordError> {
        let number = self.byte()?;
        match words.get(usize::from(number)) {
            Some(word) if !word.is_empty() => Ok(number),
            _ => Err(RecordError::Value),
        }
    }

    fn group<T>(
        &mut self,
        _: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        read(self)
    }

    fn option<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag(name)? {
            read(self, name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        // No capacity from the length: it may be anything.
        let mut items = Vec::new();
        for _ in 0..self.varint()? {
            items.push(read(self, name)?);
        }
        Ok(items)
    }
}

/// Appends a key and its value, so that [`read_pair`] finds their ends.
pub(crate) fn write_pair(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let mut encoder = Encoder(std::mem::take(out));
    for part in [key, value] {
        encoder.length(part.len());
        encoder.raw(part);
    }
    *out = encoder.0;
}

/// Takes a key and its value off the front of `bytes`.
pub(crate) fn read_pair<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), RecordError> {
    let mut input = Decoder::new(&[], bytes);
    let pair = (input.take()?, input.take()?);
    *bytes = input.rest;
    Ok(pair)
}
