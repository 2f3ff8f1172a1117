//! Sealing and blind indexes (rows Y3, X2): the core's `Sealer` over a [`Keyring`].
//!
//! A sealed value is `1 | key id (4) | nonce (12) | ciphertext | tag (16)`, AES-256-GCM, with the
//! first five bytes and the caller's context as associated data. A blind index is HMAC-SHA-256
//! over the domain's label and the parts, each behind its length. Neither ever logs or counts values.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use ics_core::port::{Entropy, SealError, Sealer};
use ics_core::sealed::{BlindIndex, BlindIndexDomain, Sealed};

use crate::keyring::{KeyId, Keyring};

/// First byte of a sealed value: the layout above.
const LAYOUT: u8 = 1;
/// Layout and key id.
const HEADER_LEN: usize = 1 + size_of::<KeyId>();
/// Everything before the ciphertext.
const PREFIX_LEN: usize = HEADER_LEN + NONCE_LEN;
const TAG_LEN: usize = 16;

/// Seals values and makes blind indexes with the keys of one [`Keyring`].
pub struct Vault {
    sealing: (KeyId, LessSafeKey),
    opening: Vec<(KeyId, LessSafeKey)>,
    index: hmac::Key,
    entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// A vault over `keyring`; nonces are made of `entropy`.
    ///
    /// # Errors
    /// [`SealError::Unavailable`] when the cryptographic provider refuses the keys.
    pub fn new(keyring: &Keyring, entropy: Arc<dyn Entropy>) -> Result<Self, SealError> {
        let mut keys = keyring.keys().map(|(id, key)| {
            let key = UnboundKey::new(&AES_256_GCM, key.as_slice());
            key.map(|key| (*id, LessSafeKey::new(key)))
                .map_err(|_| SealError::Unavailable)
        });
        Ok(Self {
            sealing: keys.next().ok_or(SealError::Unavailable)??,
            opening: keys.collect::<Result<_, _>>()?,
            index: hmac::Key::new(hmac::HMAC_SHA256, keyring.index().as_slice()),
            entropy,
        })
    }

    fn key_for(&self, wanted: KeyId) -> Option<&LessSafeKey> {
        let keys = std::iter::once(&self.sealing).chain(&self.opening);
        keys.into_iter()
            .find(|(id, _)| *id == wanted)
            .map(|(_, key)| key)
    }
}

impl Sealer for Vault {
    fn seal(&self, context: &[u8], value: &[u8]) -> Result<Sealed, SealError> {
        let (id, key) = &self.sealing;
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut out = Vec::with_capacity(PREFIX_LEN + value.len() + TAG_LEN);
        out.push(LAYOUT);
        out.extend_from_slice(&id.to_be_bytes());
        let associated = associated_data(&out, context);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(value);
        let plain = out.get_mut(PREFIX_LEN..).ok_or(SealError::Unavailable)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), plain)
            .map_err(|_| SealError::Unavailable)?;
        out.extend_from_slice(tag.as_ref());
        Ok(Sealed::from_bytes(out))
    }

    fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let (header, rest) = sealed
            .as_bytes()
            .split_at_checked(HEADER_LEN)
            .ok_or(SealError::DoesNotOpen)?;
        let [LAYOUT, id @ ..] = header else {
            return Err(SealError::DoesNotOpen);
        };
        let id = id
            .try_into()
            .map(KeyId::from_be_bytes)
            .map_err(|_| SealError::DoesNotOpen)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::DoesNotOpen)?;
        let length = ciphertext
            .len()
            .checked_sub(TAG_LEN)
            .ok_or(SealError::DoesNotOpen)?;
        let key = self.key_for(id).ok_or(SealError::UnknownKey)?;
        let mut value = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        key.open_in_place(
            nonce,
            Aad::from(associated_data(header, context)),
            &mut value,
        )
        .map_err(|_| SealError::DoesNotOpen)?;
        value.truncate(length);
        Ok(value)
    }

    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex {
        // The key's two inner states are computed once; a context starts as a copy of them.
        let mut context = hmac::Context::with_key(&self.index);
        for part in std::iter::once(domain.label().as_bytes()).chain(parts.iter().copied()) {
            // usize has at most 64 bits, so nothing is cut.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut index = [0; 32];
        for (to, from) in index.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        BlindIndex::from_bytes(index)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// The header has one length, so header and context need no frame between them.
fn associated_data(header: &[u8], context: &[u8]) -> Vec<u8> {
    [header, context].concat()
}

#[cfg(test)]
mod tests;
