//! For `tests/fuzz` alone, behind the feature `fuzzing`.

/// Label and bytes of each PEM block.
#[must_use]
pub fn read_pem(text: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let blocks = crate::pem::read_blocks(text).ok()?;
    let blocks = blocks.into_iter().map(|b| (b.label, b.der.to_vec()));
    Some(blocks.collect())
}

/// One PEM block.
#[must_use]
pub fn write_pem(label: &str, der: &[u8]) -> String {
    crate::pem::write_block(label, der).to_string()
}

/// Whether a key would be taken out of this certificate request.
#[must_use]
pub fn is_request(request_pem: &str) -> bool {
    crate::request::read_requested_key(request_pem).is_ok()
}
