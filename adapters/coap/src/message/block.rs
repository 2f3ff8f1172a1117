//! A part of something long (RFC 7959 2.2): which, how long parts are, whether more come.

/// Number, size and whether more come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Counted from 0; below 2^20.
    pub(crate) number: u32,
    /// Whether more come.
    pub(crate) more: bool,
    /// The exponent of its size: 16 bytes times 2 to this, 0 to 6.
    pub(crate) exponent: u8,
}

impl Block {
    /// Reads the option's value: up to three bytes. The exponent 7 is reserved.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        if value.len() > 3 {
            return None;
        }
        let bits = value
            .iter()
            .fold(0, |bits, byte| (bits << 8) | u32::from(*byte));
        let exponent = u8::try_from(bits & 7).ok()?;
        (exponent < 7).then_some(Self {
            number: bits >> 4,
            more: bits & 8 != 0,
            exponent,
        })
    }

    /// The option's value, as short as can be.
    pub(crate) fn write(self) -> Vec<u8> {
        let bits = (self.number << 4) | (u32::from(self.more) << 3) | u32::from(self.exponent);
        let bytes = bits.to_be_bytes();
        bytes.into_iter().skip_while(|byte| *byte == 0).collect()
    }

    /// Bytes of a part.
    pub(crate) const fn size(self) -> usize {
        16 << self.exponent
    }

    /// Where it begins in the whole.
    pub(crate) fn begins_at(self) -> usize {
        usize::try_from(self.number).map_or(usize::MAX, |number| number.saturating_mul(self.size()))
    }
}

#[cfg(test)]
mod tests;
