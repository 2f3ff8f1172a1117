//! What is kept of a UTI for ever.

use crate::sealed::BlindIndex;

/// The permanent record of a UTI of one third party SP, apart from the rows.
///
/// One UTI = one device, for ever; a UTI killed by UTI_INVALID never comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UtiRecord {
    /// Keyed hash of the device it was once established with.
    pub device: Option<BlindIndex>,
    /// Keyed hash of the serial number of its live rows.
    pub serial: Option<BlindIndex>,
    /// How many rows are live under it.
    pub live: u32,
    /// Whether it was killed.
    pub dead: bool,
}
