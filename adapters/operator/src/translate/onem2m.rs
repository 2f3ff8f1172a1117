//! AEs of service providers, and their keys as JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::AeId;
use ics_core::party::{OneM2mAe, SignatureAlgorithm, VerifyingKey};

use super::Faults;
use crate::wire::{JwkView, OneM2mAeView};

/// What the operator wants, parsed.
pub(crate) fn parse_ae(view: &OneM2mAeView, faults: &mut Faults) -> Option<OneM2mAe> {
    let ae = faults.take("/onem2m/ae", AeId::parse(&view.ae));
    let key = match &view.key {
        None => None,
        Some(jwk) => {
            let key = parse_jwk(jwk);
            if key.is_none() {
                let reason = "must be a public key on P-256 or Ed25519, as a JWK";
                faults.add("/onem2m/key", reason);
            }
            key
        }
    };
    Some(OneM2mAe { ae: ae?, key })
}

fn parse_jwk(jwk: &JwkView) -> Option<VerifyingKey> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|x| x.len() == 32);
    let x = decode(&jwk.x)?;
    match (jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
        ("EC", "P-256", Some(y)) => {
            let point = [vec![4], x, decode(y)?].concat();
            VerifyingKey::new(SignatureAlgorithm::Es256, point)
        }
        ("OKP", "Ed25519", None) => VerifyingKey::new(SignatureAlgorithm::EdDsa, x),
        _ => None,
    }
}

/// An AE as the operator sees it.
pub(crate) fn show_ae(onem2m: &OneM2mAe) -> OneM2mAeView {
    OneM2mAeView {
        ae: onem2m.ae.as_str().into(),
        key: onem2m.key.as_ref().map(JwkView::of),
    }
}

impl JwkView {
    /// The JWK of a key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match key.algorithm() {
            SignatureAlgorithm::Es256 => {
                let coordinates = key.point().get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                Self {
                    kty: "EC".into(),
                    crv: "P-256".into(),
                    x: encode(x),
                    y: Some(encode(y)),
                }
            }
            SignatureAlgorithm::EdDsa => Self {
                kty: "OKP".into(),
                crv: "Ed25519".into(),
                x: encode(key.point()),
                y: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_way_as_jwk_and_other_kinds_are_none() {
        let es256 = VerifyingKey::new(SignatureAlgorithm::Es256, [vec![4], vec![7; 64]].concat());
        let ed = VerifyingKey::new(SignatureAlgorithm::EdDsa, vec![9; 32]);
        for key in [es256.unwrap(), ed.unwrap()] {
            assert_eq!(parse_jwk(&JwkView::of(&key)), Some(key.clone()));
            let other = JwkView {
                crv: "P-384".into(),
                ..JwkView::of(&key)
            };
            assert_eq!(parse_jwk(&other), None);
        }
    }
}
