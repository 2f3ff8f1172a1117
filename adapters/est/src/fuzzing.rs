//! For `tests/fuzz` alone, behind the feature `fuzzing`.

use crate::message;

/// The request in a body, PEM; `None` when it is refused.
#[must_use]
pub fn read_request(body: &[u8]) -> Option<String> {
    message::read_request(body)
}

/// The certificates of a file; `None` when one is cut off.
#[must_use]
pub fn read_chain(pem: &str) -> Option<Vec<Vec<u8>>> {
    message::read_chain(pem)
}

/// Certificates as they are answered.
#[must_use]
pub fn write_certificates(certificates: &[Vec<u8>]) -> String {
    message::write_certificates(certificates)
}
