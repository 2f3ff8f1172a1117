//! The primitives of MQTT (1.5): integers, UTF-8 strings, binary data, variable byte integers.

use super::Malformed;

/// What is left of a packet.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(crate) const fn end(self) -> Result<(), Malformed> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Form)
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let split = self.rest.split_at_checked(length);
        let (taken, rest) = split.ok_or(Malformed::Form)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed::Form)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn two(&mut self) -> Result<u16, Malformed> {
        let [high, low] = [self.byte()?, self.byte()?];
        Ok(u16::from_be_bytes([high, low]))
    }

    pub(crate) fn four(&mut self) -> Result<u32, Malformed> {
        let [high, low] = [self.two()?, self.two()?];
        Ok(u32::from(high) << 16 | u32::from(low))
    }

    /// A packet identifier, which is never 0 (2.2.1).
    pub(crate) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.two()? {
            0 => Err(Malformed::Protocol),
            id => Ok(id),
        }
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.two()?;
        self.take(usize::from(length))
    }

    /// Well-formed UTF-8 without U+0000 (1.5.4).
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = core::str::from_utf8(self.binary()?).map_err(|_| Malformed::Form)?;
        if text.contains('\0') {
            Err(Malformed::Form)
        } else {
            Ok(text)
        }
    }

    /// 1.5.5.
    pub(crate) fn variable(&mut self) -> Result<u32, Malformed> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed::Form)
    }
}

/// Binary data or text: at most 65,535 bytes, and none of ours is near it.
pub(crate) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(bytes.iter().take(usize::from(length)));
}

pub(crate) fn put_variable(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let digit = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            out.push(digit);
            return;
        }
        out.push(digit | 0x80);
    }
}
