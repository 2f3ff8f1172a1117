//! The crypto provider of rtc-dtls, whose next cookie we choose.
//!
//! rtc-dtls draws a cookie for each association and keeps the association from its first datagram
//! on. Ours are drawn from nothing but the address and the message, so an association begins with
//! the datagram that brings one back, and is told to have given it.

use std::cell::Cell;
use std::sync::Arc;

use rtc_dtls::crypto_provider::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};

use super::hello::COOKIE;

thread_local! {
    /// What the association that begins on this thread takes for its cookie.
    static NEXT: Cell<Option<[u8; COOKIE]>> = const { Cell::new(None) };
}

/// The same provider, but for cookies.
pub(crate) struct ChosenCookies(pub(crate) Arc<dyn RTCCryptoProvider>);

impl ChosenCookies {
    /// Runs `begin`, in which an association begins with `cookie`.
    pub(crate) fn with<T>(cookie: [u8; COOKIE], begin: impl FnOnce() -> T) -> T {
        NEXT.set(Some(cookie));
        let begun = begin();
        NEXT.set(None);
        begun
    }
}

impl RTCCryptoProvider for ChosenCookies {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.0.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for ChosenCookies {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        // The cookie is drawn first; nothing else has its length.
        if let Ok(output) = <&mut [u8; COOKIE]>::try_from(&mut *output)
            && let Some(cookie) = NEXT.take()
        {
            *output = cookie;
            return Ok(());
        }
        self.0.random().fill(output)
    }
}
