//! How a hosted device proves itself: credentials made for it, and passwords looked at.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::{DeviceError, DeviceTerms};
use crate::device::{CredentialId, CredentialKind, DeviceCredential, HostedDevice, KeySalt};
use crate::hex::to_hex;
use crate::id::{DeviceId, PskIdentity};
use crate::port::{HasherUnavailable, IssuedCertificate, PasswordHasher};
use crate::sealed::{BlindIndex, BlindIndexDomain};
use crate::service::{Failure, IcsService, PreSharedKey};
use crate::time::Timestamp;

/// A credential to be made.
#[derive(Clone, Debug)]
pub enum NewCredential {
    /// A certificate for the public key of a PKCS#10 request.
    Certificate {
        /// PEM.
        request: String,
        /// How long it holds.
        validity: Duration,
    },
    /// A password.
    Password {
        /// The one its IoT SP insists on; else one is minted here.
        chosen: Option<ChosenPassword>,
        /// How long it holds.
        validity: Duration,
    },
    /// A pre-shared key, minted here.
    PreSharedKey {
        /// How long it holds.
        validity: Duration,
    },
}

impl NewCredential {
    const fn validity(&self) -> Duration {
        match self {
            Self::Certificate { validity, .. }
            | Self::Password { validity, .. }
            | Self::PreSharedKey { validity } => *validity,
        }
    }
}

/// A password that an IoT SP chose for a device of its: 12 to 128 bytes of UTF-8, no control
/// characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ChosenPassword(String);

/// No password that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "a chosen password has {} to {} bytes of UTF-8, no control characters",
    ChosenPassword::MIN,
    ChosenPassword::MAX
)]
pub struct InvalidPassword;

impl ChosenPassword {
    /// Bytes of the shortest.
    pub const MIN: usize = 12;
    /// Bytes of the longest.
    pub const MAX: usize = 128;

    /// Reads one.
    ///
    /// # Errors
    /// [`InvalidPassword`].
    pub fn parse(text: &str) -> Result<Self, InvalidPassword> {
        let fits = (Self::MIN..=Self::MAX).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPassword)
        }
    }
}

impl fmt::Debug for ChosenPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChosenPassword(..)")
    }
}

/// A credential as it was made: what is secret of it is told this once.
#[derive(Clone)]
pub enum IssuedCredential {
    /// The certificate.
    Certificate(CredentialId, IssuedCertificate),
    /// The password that was minted.
    Password(CredentialId, String),
    /// A password that whoever asked chose, and knows.
    Chosen(CredentialId),
    /// The key, and the name the device gives with it.
    PreSharedKey(PskIdentity, PreSharedKey),
}

impl IssuedCredential {
    /// Its name among those of its device.
    #[must_use]
    pub const fn id(&self) -> CredentialId {
        match self {
            Self::Certificate(id, _) | Self::Password(id, _) | Self::Chosen(id) => *id,
            Self::PreSharedKey(identity, _) => identity.credential,
        }
    }
}

impl IcsService {
    /// Gives the device a credential; nothing is stored.
    pub(super) async fn issue_credential(
        &self,
        device: &mut HostedDevice,
        wanted: &NewCredential,
        now: Timestamp,
    ) -> Result<IssuedCredential, DeviceError> {
        if device.credentials.len() >= HostedDevice::MOST_CREDENTIALS {
            return Err(DeviceError::Credentials);
        }
        let validity = wanted.validity();
        if validity.is_zero() || validity > DeviceTerms::LONGEST_VALIDITY {
            return Err(DeviceError::ValidityOutOfRange);
        }
        let id = device.next_credential();
        let until = now.plus(validity);
        let (kind, not_after, issued) = match wanted {
            NewCredential::Certificate { request, .. } => {
                let authority = self.ports.device_authority.as_ref();
                let named = (&device.iot_sp, &device.id);
                let issued = authority.issue_device(named, request, validity, now)?;
                let kind = CredentialKind::Certificate(issued.thumbprint);
                let not_after = issued.not_after;
                (kind, not_after, IssuedCredential::Certificate(id, issued))
            }
            NewCredential::Password { chosen: None, .. } => {
                let password = self.mint_password();
                let index = self.password_index(&device.id, &password);
                let issued = IssuedCredential::Password(id, password);
                (CredentialKind::Password(index), until, issued)
            }
            NewCredential::Password {
                chosen: Some(ChosenPassword(password)),
                ..
            } => {
                let hasher = self.ports.password_hasher.as_deref();
                let hasher = hasher.ok_or(DeviceError::PasswordNotTaken)?;
                let index = self.stretched_index(hasher, &device.id, password).await?;
                let kind = CredentialKind::ChosenPassword(index);
                (kind, until, IssuedCredential::Chosen(id))
            }
            NewCredential::PreSharedKey { .. } => {
                let mut salt = KeySalt([0; 16]);
                self.ports.entropy.fill(&mut salt.0);
                let identity = PskIdentity {
                    device_id: device.id.clone(),
                    credential: id,
                };
                let key = self.derive_key(&device.id, salt);
                let kind = CredentialKind::PreSharedKey(salt);
                (kind, until, IssuedCredential::PreSharedKey(identity, key))
            }
        };
        device.give_credential(DeviceCredential {
            id,
            kind,
            not_before: now,
            not_after,
            revoked: None,
        });
        Ok(issued)
    }

    /// 128 random bits, as hexadecimal text.
    fn mint_password(&self) -> String {
        let mut random = [0; 16];
        self.ports.entropy.fill(&mut random);
        to_hex(&random)
    }

    /// What the password would be among the credentials of its device, `held` if there is one.
    ///
    /// One minted here is found by one keyed hash. Any other costs the same whether there is such a
    /// device or not, and whatever it has: a stretched hash where chosen passwords are taken.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too many wait to be stretched.
    pub(in crate::service) async fn recognise_password(
        &self,
        (device, held): (&DeviceId, Option<&HostedDevice>),
        password: &str,
    ) -> Result<CredentialKind, Failure> {
        let minted = CredentialKind::Password(self.password_index(device, password));
        let is_held = |device: &HostedDevice| device.credentials.iter().any(|c| c.kind == minted);
        match &self.ports.password_hasher {
            Some(hasher) if !held.is_some_and(is_held) => {
                let index = self.stretched_index(hasher.as_ref(), device, password);
                Ok(CredentialKind::ChosenPassword(index.await?))
            }
            _ => Ok(minted),
        }
    }

    /// The key of (device, salt). The vault's index key is needed for it: whoever has the store alone
    /// has no key; and a salt is drawn anew each time, so no key comes back after a restore.
    pub(in crate::service) fn derive_key(&self, device: &DeviceId, salt: KeySalt) -> PreSharedKey {
        let parts = [device.as_str().as_bytes(), &salt.0[..]];
        let sealer = self.ports.sealer.as_ref();
        PreSharedKey::cut_from(sealer.blind_index(BlindIndexDomain::DeviceKey, &parts))
    }

    fn password_index(&self, device: &DeviceId, password: &str) -> BlindIndex {
        let parts = [device.as_str().as_bytes(), password.as_bytes()];
        let sealer = self.ports.sealer.as_ref();
        sealer.blind_index(BlindIndexDomain::DevicePassword, &parts)
    }

    /// Keyed hash of the stretched password. Salt and key are the vault's: whoever has the store
    /// alone cannot try passwords at all.
    async fn stretched_index(
        &self,
        hasher: &dyn PasswordHasher,
        device: &DeviceId,
        password: &str,
    ) -> Result<BlindIndex, Failure> {
        let sealer = self.ports.sealer.as_ref();
        let device = device.as_str().as_bytes();
        let salt = sealer.blind_index(BlindIndexDomain::PasswordSalt, &[device]);
        let stretched = hasher.hash(password, *salt.as_bytes()).await;
        let stretched = stretched.map_err(|HasherUnavailable| Failure::Busy)?;
        Ok(sealer.blind_index(BlindIndexDomain::ChosenPassword, &[device, &stretched]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_password_is_long_enough_short_enough_and_can_be_typed() {
        for good in ["twelve bytes", "zwölf Zeichen", &"x".repeat(128)] {
            assert!(ChosenPassword::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "eleven byte",
            "with\u{0}a control",
            "with\na line",
            &"x".repeat(129),
        ] {
            assert_eq!(ChosenPassword::parse(bad), Err(InvalidPassword), "{bad}");
        }
        let shown = alloc::format!("{:?}", ChosenPassword::parse("twelve bytes"));
        assert!(!shown.contains("twelve"), "{shown}");
    }
}
