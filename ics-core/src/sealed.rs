//! What the rest of the house may hold of a secret value: sealed bytes, and a keyed hash to
//! find it by. Neither can be turned back without the vault.

use alloc::vec::Vec;
use core::fmt;

/// An encrypted value as the vault wrote it: key id, nonce, ciphertext, tag.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Takes the vault's bytes, or the same bytes read back from a store.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The sealed bytes, for a store or the vault.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A keyed hash (HMAC-SHA-256 under the vault's index key) of a value.
///
/// Equal values under one [`BlindIndexDomain`] have equal indexes; nothing else can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindIndex([u8; 32]);

impl BlindIndex {
    /// Takes the vault's hash, or the same bytes read back from a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex(..)")
    }
}

/// What a blind index stands for; two domains never give comparable hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlindIndexDomain {
    /// (third party SP, UTI): the permanent UTI record (Y.4462 10.1, one UTI = one device).
    UtiRecord,
    /// (IoT SP, device ID): the permanent record of dead device IDs, and a UTI's device.
    Device,
    /// A serial number: idempotency of a mapping request.
    Serial,
    /// (device ID, password): how a hosted device proves itself by a password minted here.
    DevicePassword,
    /// (device ID, stretched password): by a password that its IoT SP chose.
    ChosenPassword,
    /// A device ID: the salt its chosen password is stretched with.
    PasswordSalt,
    /// (device ID, salt): the pre-shared key of a hosted device.
    DeviceKey,
    /// (device ID, pairing code): that who asks for a mapping has the device at hand.
    PairingCode,
    /// (third party SP, IoT SP, device ID): the pairwise pseudonym a third party is shown.
    PairwiseDeviceId,
    /// (IoT SP, subject): the user who owns a device.
    Owner,
    /// (third party SP, name, service URI or UTI): the labels of a row on oneM2M.
    Label,
}

impl BlindIndexDomain {
    /// The label that separates this domain from the others under the same key.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::UtiRecord => "ics.uti",
            Self::Device => "ics.device",
            Self::Serial => "ics.serial",
            Self::DevicePassword => "ics.device-password",
            Self::ChosenPassword => "ics.device-password.chosen",
            Self::PasswordSalt => "ics.device-password.salt",
            Self::DeviceKey => "ics.device-key",
            Self::PairingCode => "ics.pairing-code",
            Self::PairwiseDeviceId => "ics.pairwise-device",
            Self::Owner => "ics.owner",
            Self::Label => "ics.label",
        }
    }
}
