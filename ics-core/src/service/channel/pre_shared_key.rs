//! The key a device's handshake is done with (RFC 4279).

use alloc::string::String;
use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::keyed_credential;
use crate::device::{Channel, CredentialKind};
use crate::hex::to_hex;
use crate::id::PskIdentity;
use crate::principal::DeviceIdentity;
use crate::sealed::BlindIndex;
use crate::service::{Failure, IcsService};
use crate::time::Timestamp;

/// A pre-shared key: 16 bytes. Cleared from memory when it is dropped.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct PreSharedKey([u8; 16]);

impl PreSharedKey {
    /// The bits of the key.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// A key of these bits.
    #[must_use]
    pub const fn from_bytes(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// As it is told to who provisions the device: 32 hexadecimal digits.
    #[must_use]
    pub fn to_shown(&self) -> String {
        to_hex(&self.0)
    }

    /// The first bytes of a keyed hash: what a pseudo-random function gives may be cut. Without
    /// zeros and line feeds, which a shell loses of an argument; 127.8 bits are left.
    pub(in crate::service) fn cut_from(hash: BlindIndex) -> Self {
        let is_kept = |byte: &&u8| !matches!(**byte, 0 | b'\n');
        // Of 32 bytes 16 are kept but for one hash in 10^27; that one is padded.
        let kept = hash.as_bytes().iter().filter(is_kept).chain([&0xff; 16]);
        let mut bits = [0; 16];
        for (bit, of_hash) in bits.iter_mut().zip(kept) {
            *bit = *of_hash;
        }
        Self(bits)
    }
}

impl fmt::Debug for PreSharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreSharedKey(..)")
    }
}

impl IcsService {
    /// The key a handshake over `channel` that names `identity` is to be done with. `None` where no
    /// such key holds, or its device is not served: whoever asks then goes on with a key nobody
    /// knows, so that this looks as a wrong key does.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn find_device_key(
        &self,
        identity: &PskIdentity,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Option<PreSharedKey>, Failure> {
        let Some(device) = self.ports.store.load_device(&identity.device_id).await? else {
            return Ok(None);
        };
        let Some(credential) = keyed_credential(&device, identity.credential) else {
            return Ok(None);
        };
        let CredentialKind::PreSharedKey(salt) = credential.kind else {
            return Ok(None);
        };
        let claimed = DeviceIdentity {
            iot_sp: device.iot_sp.clone(),
            device_id: device.id.clone(),
            credential: credential.id,
            not_after: credential.not_after,
        };
        match self.check_device(&claimed, &device, (channel, now)) {
            Ok(()) => Ok(Some(self.derive_key(&device.id, salt))),
            Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_from_its_hash_without_what_a_shell_loses() {
        let hash: [u8; 32] = core::array::from_fn(|n| u8::try_from(n).unwrap());
        let key = PreSharedKey::cut_from(BlindIndex::from_bytes(hash));
        assert_eq!(key.to_shown(), "0102030405060708090b0c0d0e0f1011");
        let padded = PreSharedKey::cut_from(BlindIndex::from_bytes([0; 32]));
        assert_eq!(*padded.expose(), [0xff; 16]);
        assert_eq!(alloc::format!("{key:?}"), "PreSharedKey(..)");
    }
}
