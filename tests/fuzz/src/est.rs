//! Bodies of EST: what service providers send to enrol, and what is answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_est::fuzzing;

/// The body of a request; or certificates as a file has them.
pub(super) fn body(data: &[u8]) {
    if let Some(pem) = fuzzing::read_request(data) {
        // What was base64 alone is in a frame now, and the frame is taken as it is.
        assert_eq!(fuzzing::read_request(pem.as_bytes()), Some(pem.clone()));
        if !data.trim_ascii_start().starts_with(b"-----BEGIN ") {
            let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let packed: Vec<u8> = data.to_vec();
            let packed = packed.into_iter().filter(|b| !b.is_ascii_whitespace());
            assert_eq!(inner.into_bytes(), packed.collect::<Vec<_>>());
            assert!(pem.lines().all(|line| line.len() <= 64));
        }
    }
    let Some(text) = super::text(data) else {
        return;
    };
    if let Some(chain) = fuzzing::read_chain(text) {
        let answered = fuzzing::write_certificates(&chain);
        let der = STANDARD.decode(answered).expect("base64");
        let all = chain.concat();
        assert!(der.windows(all.len().max(1)).any(|part| part == all) || all.is_empty());
        assert!(der.len() < all.len() + 80);
    }
}
