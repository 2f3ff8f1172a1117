//! As much of CBOR (RFC 8949) as the messages need: unsigned numbers, byte and text strings of
//! definite length, arrays and maps of either. Anything else is refused.
//!
//! Written: definite lengths and shortest forms (4.2.1). Read: indefinite arrays and maps too, as
//! small encoders make them.

use crate::InvalidPayload;

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const BREAK: u8 = 0xff;

/// What is left of a payload.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the one map that a payload is.
    pub(crate) fn read_whole(
        payload: &'a [u8],
        member: impl FnMut(&'a str, &mut Self) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        let mut reader = Self { rest: payload };
        reader.map(member)?;
        if reader.rest.is_empty() {
            Ok(())
        } else {
            Err(InvalidPayload::Form)
        }
    }

    /// Reads a map, member by member.
    pub(crate) fn map(
        &mut self,
        mut member: impl FnMut(&'a str, &mut Self) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        let mut left = self.container(MAP)?;
        while self.has_next(&mut left)? {
            let name = self.text()?;
            member(name, self)?;
        }
        Ok(())
    }

    /// Reads an array, element by element.
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), InvalidPayload>,
    ) -> Result<(), InvalidPayload> {
        let mut left = self.container(ARRAY)?;
        while self.has_next(&mut left)? {
            element(self)?;
        }
        Ok(())
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, InvalidPayload> {
        self.head(UNSIGNED)?.ok_or(InvalidPayload::Form)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, InvalidPayload> {
        let bytes = self.string(TEXT)?;
        core::str::from_utf8(bytes).map_err(|_| InvalidPayload::Form)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], InvalidPayload> {
        self.string(BYTES)
    }

    fn string(&mut self, major: u8) -> Result<&'a [u8], InvalidPayload> {
        let length = self.head(major)?.ok_or(InvalidPayload::Form)?;
        let length = usize::try_from(length).map_err(|_| InvalidPayload::Form)?;
        self.take(length)
    }

    /// How many there are; `None`: until the break. No memory is taken by this number.
    fn container(&mut self, major: u8) -> Result<Option<u64>, InvalidPayload> {
        self.head(major)
    }

    fn has_next(&mut self, left: &mut Option<u64>) -> Result<bool, InvalidPayload> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(true)
            }
            None if self.rest.first() == Some(&BREAK) => {
                self.take(1)?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// The argument of the next item, which must be of that major type; `None`: indefinite (3.2).
    fn head(&mut self, major: u8) -> Result<Option<u64>, InvalidPayload> {
        let initial = self.number(1)?;
        if initial >> 5 != u64::from(major) {
            return Err(InvalidPayload::Members);
        }
        match initial & 0x1f {
            direct @ 0..=23 => Ok(Some(direct)),
            24 => self.number(1).map(Some),
            25 => self.number(2).map(Some),
            26 => self.number(4).map(Some),
            27 => self.number(8).map(Some),
            31 => Ok(None),
            _ => Err(InvalidPayload::Form),
        }
    }

    fn number(&mut self, length: usize) -> Result<u64, InvalidPayload> {
        let bytes = self.take(length)?;
        let digits = bytes.iter();
        Ok(digits.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], InvalidPayload> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(InvalidPayload::Form)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// What of a message is written.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A message that is a map of so many members.
    pub(crate) fn map_of(members: usize) -> Self {
        let mut writer = Self::default();
        writer.map(members);
        writer
    }

    pub(crate) fn map(&mut self, members: usize) -> &mut Self {
        self.head(MAP, members as u64)
    }

    pub(crate) fn array(&mut self, elements: usize) -> &mut Self {
        self.head(ARRAY, elements as u64)
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.head(TEXT, text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn byte_string(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(BYTES, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn unsigned(&mut self, number: u64) -> &mut Self {
        self.head(UNSIGNED, number)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let major = major << 5;
        if let Ok(small) = u8::try_from(argument) {
            if small < 24 {
                self.bytes.push(major | small);
            } else {
                self.bytes.extend([major | 24, small]);
            }
        } else if let Ok(number) = u16::try_from(argument) {
            self.bytes.push(major | 25);
            self.bytes.extend(number.to_be_bytes());
        } else if let Ok(number) = u32::try_from(argument) {
            self.bytes.push(major | 26);
            self.bytes.extend(number.to_be_bytes());
        } else {
            self.bytes.push(major | 27);
            self.bytes.extend(argument.to_be_bytes());
        }
        self
    }
}

/// Puts a member where it belongs; one that is there already is refused.
pub(crate) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), InvalidPayload> {
    if place.is_some() {
        return Err(InvalidPayload::Members);
    }
    *place = Some(value);
    Ok(())
}
