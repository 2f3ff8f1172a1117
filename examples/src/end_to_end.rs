//! From a third party to a device, past everybody between: a value sealed with HPKE (RFC 9180, base
//! mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM) travels as `e2e` of a mapping.
//!
//! The device's public key reaches the third party by a way of its own (a label, its maker's app).
//! The sealed value is bound to service URI and UTI: moved to another row it does not open. HPKE's
//! base mode does not tell who sealed it; who needs that puts a signature into the plaintext.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_P256_HKDF_SHA256_AES_128 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};

/// What this use of HPKE is called, so that a key used elsewhere too opens nothing of ours.
const INFO: &[u8] = b"ics/v1 e2e";

/// An encapsulated key of P-256: an uncompressed point.
const ENCAPSULATED: usize = 65;

/// Whom a value is for, besides the device: the row's service URI and UTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The service URI.
    pub service_uri: &'a str,
    /// The unique transaction identifier. The gateway tells a device a UUID without `urn:uuid:`, in
    /// lower case with hyphens, however the request spelled it; so does this.
    pub uti: &'a str,
}

/// A device's key for sealed values; not the one it authenticates with.
pub struct DeviceKey {
    private: HpkePrivateKey,
}

/// It is not sealed to this device for this row, or was altered; or there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value does not open")]
pub struct Closed;

/// Makes a key pair: what the device keeps, and its public key, base64url.
///
/// # Errors
/// [`Closed`] when the provider has no randomness.
pub fn make_key() -> Result<(DeviceKey, String), Closed> {
    let (public, private) = SUITE.generate_key_pair().map_err(|_| Closed)?;
    Ok((DeviceKey { private }, URL_SAFE_NO_PAD.encode(public.0)))
}

/// Third party: seals `plaintext` for the device of `public_key` and that row. What comes back is
/// `e2e` of a mapping request, base64url, 108 characters longer than the plaintext in that coding;
/// the gateway takes up to 1 KiB of sealed bytes.
///
/// # Errors
/// [`Closed`] when `public_key` is none.
pub fn seal(public_key: &str, row: Row<'_>, plaintext: &[u8]) -> Result<String, Closed> {
    let public = URL_SAFE_NO_PAD.decode(public_key).map_err(|_| Closed)?;
    let sealed = SUITE.seal(INFO, &bind(row), plaintext, &HpkePublicKey(public));
    let (encapsulated, ciphertext) = sealed.map_err(|_| Closed)?;
    Ok(URL_SAFE_NO_PAD.encode([encapsulated.0, ciphertext].concat()))
}

impl DeviceKey {
    /// The key as it was stored.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        let private = bytes.into();
        Self { private }
    }

    /// The key to be stored, where nobody else reads it.
    #[must_use]
    pub fn to_store(&self) -> &[u8] {
        self.private.secret_bytes()
    }

    /// Device: opens `e2e` of a pair.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn open(&self, row: Row<'_>, e2e: &str) -> Result<Vec<u8>, Closed> {
        let sealed = URL_SAFE_NO_PAD.decode(e2e).map_err(|_| Closed)?;
        let parts = sealed.split_at_checked(ENCAPSULATED).ok_or(Closed)?;
        let encapsulated = EncapsulatedSecret(parts.0.to_vec());
        let opened = SUITE.open(&encapsulated, INFO, &bind(row), parts.1, &self.private);
        opened.map_err(|_| Closed)
    }
}

/// Neither of the two has a zero byte in it.
fn bind(row: Row<'_>) -> Vec<u8> {
    [row.service_uri.as_bytes(), spell(row.uti).as_bytes()].join(&0)
}

/// A UTI as the gateway spells it.
fn spell(uti: &str) -> String {
    let bare = match uti.split_at_checked(9) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("urn:uuid:") => rest,
        _ => uti,
    };
    let digits: String = bare.chars().filter(|c| *c != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_uuid || !matches!(bare.len(), 32 | 36) {
        return uti.to_owned();
    }
    let mut spelled = String::with_capacity(36);
    for (n, digit) in digits.chars().enumerate() {
        if matches!(n, 8 | 12 | 16 | 20) {
            spelled.push('-');
        }
        spelled.push(digit.to_ascii_lowercase());
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row<'_> = Row {
        service_uri: "https://home.example/services/door",
        uti: "urn:uuid:0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a05",
    };

    #[test]
    fn what_was_sealed_opens_on_its_device_for_its_row_and_nowhere_else() {
        let (key, public) = make_key().unwrap();
        let (other, _) = make_key().unwrap();
        let sealed = seal(&public, ROW, b"open sesame").unwrap();
        assert_eq!(sealed.len(), (65 + 11 + 16_usize).div_ceil(3) * 4 - 1);
        assert_eq!(key.open(ROW, &sealed).as_deref(), Ok(&b"open sesame"[..]));
        assert_eq!(other.open(ROW, &sealed), Err(Closed));
        let moved = Row {
            service_uri: "https://home.example/services/safe",
            ..ROW
        };
        assert_eq!(key.open(moved, &sealed), Err(Closed));
        let stored = DeviceKey::from_stored(key.to_store().to_vec());
        assert_eq!(
            stored.open(ROW, &sealed).as_deref(),
            Ok(&b"open sesame"[..])
        );
    }

    #[test]
    fn a_uti_is_bound_however_it_is_spelled() {
        let (key, public) = make_key().unwrap();
        let sealed = seal(&public, ROW, b"x").unwrap();
        for uti in [
            "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a05",
            "URN:UUID:0B7F3A52-7D0A-4B1E-9F35-6A3D2F4F9A05",
            "0B7F3A527D0A4B1E9F356A3D2F4F9A05",
        ] {
            assert!(key.open(Row { uti, ..ROW }, &sealed).is_ok(), "{uti}");
        }
        assert_eq!(spell("order-4711-of-the-21st"), "order-4711-of-the-21st");
    }

    #[test]
    fn an_altered_or_short_value_stays_closed() {
        let (key, public) = make_key().unwrap();
        let sealed = seal(&public, ROW, b"").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for n in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[n] ^= 1;
            let altered = URL_SAFE_NO_PAD.encode(altered);
            assert_eq!(key.open(ROW, &altered), Err(Closed), "byte {n}");
            let short = URL_SAFE_NO_PAD.encode(&bytes[..n]);
            assert_eq!(key.open(ROW, &short), Err(Closed), "{n} bytes");
        }
        assert_eq!(key.open(ROW, "+/"), Err(Closed));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for wrong in ["", "AAAA", "not base64"] {
            assert_eq!(seal(wrong, ROW, b"x"), Err(Closed), "{wrong}");
        }
    }
}
