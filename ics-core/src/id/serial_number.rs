//! The device serial number (Y.4462 3.2.3): what the maker printed on the casing.

use alloc::string::String;
use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::{InvalidId, check_length};

/// A serial number as the user typed or scanned it: 1 to 128 bytes without control characters.
///
/// All-digit and IMEI serials are accepted, for makers print them. It is the third party's only
/// handle on the device, kept sealed beside a pending row, erased when the row leaves PENDING,
/// and told to nobody but the chosen IoT SP. The memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq, Hash, ZeroizeOnDrop)]
pub struct DeviceSerialNumber(String);

impl DeviceSerialNumber {
    /// The most bytes of a serial number.
    pub const MAX: usize = 128;

    /// Reads a serial number.
    ///
    /// # Errors
    /// [`InvalidId`] for length, control characters or surrounding white space.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_length(text, 1, Self::MAX)?;
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(InvalidId::Character);
        }
        Ok(Self(text.into()))
    }

    /// The serial number itself, for the vault and the push to the chosen IoT SP.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceSerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSerialNumber(..)")
    }
}
