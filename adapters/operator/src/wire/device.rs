//! Devices the gateway hosts, on behalf of their IoT SP. The bodies are those of `ics-device`,
//! without links; the serial number is taken and not told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /sps/{id}/devices`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewDevice {
    /// What its maker printed on it, within the IoT SP's serial namespaces.
    pub device_serial_number: String,
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_vendor: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    /// Pseudonym of the user who owns it, as the IoT SP knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_subject: Option<String>,
    /// Over which protocols it may come; at least one.
    pub channels: Vec<ChannelName>,
    /// How it shall prove itself; 1 to 8.
    pub credentials: Vec<NewCredential>,
}

/// A device channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelName {
    /// MQTT 3.1.1 or 5.
    Mqtt,
    /// CoAP over DTLS.
    Coap,
    /// A oneM2M CSE.
    Onem2m,
}

/// A credential to be made: exactly one of its members.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCredential {
    /// A certificate for the public key of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<NewDeviceCertificate>,
    /// A password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<NewPassword>,
    /// A pre-shared key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk: Option<NewPsk>,
}

/// A certificate to be issued to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewDeviceCertificate {
    /// PKCS#10 request, PEM. Nothing but its public key is used.
    pub request: String,
    /// Seconds it holds; 365 days if left out, at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 316_224_000)]
    pub validity: Option<u32>,
}

/// A password to be minted, or taken.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPassword {
    /// The one its service provider insists on, where such are taken (`[devices]
    /// chosen_passwords`); else one is minted, of 128 random bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 12, max_length = 128)]
    pub value: Option<String>,
    /// Seconds it holds; 365 days if left out, at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 316_224_000)]
    pub validity: Option<u32>,
}

/// A pre-shared key to be minted, of 128 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPsk {
    /// Seconds it holds; 365 days if left out, at most ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 316_224_000)]
    pub validity: Option<u32>,
}

/// A pairing code to be minted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewPairingCode {
    /// Seconds it holds; 900 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 2_592_000)]
    pub validity: Option<u32>,
}

/// A one-time pairing code, told this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairingCodeView {
    /// 20 letters and digits in four groups.
    pub pairing_code: String,
    /// First instant it is no longer taken.
    pub not_after: String,
}

/// Whether a hosted device is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeviceStatusName {
    /// Served.
    Active,
    /// Given up: it may still fetch and acknowledge its empty document.
    Unregistering,
}

/// A hosted device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceView {
    /// Its id, minted by the gateway.
    pub device_id: String,
    /// Whose it is.
    pub sp_id: String,
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_vendor: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    /// Pseudonym of the user who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_subject: Option<String>,
    /// Over which protocols it may come.
    pub channels: Vec<ChannelName>,
    /// Whether it is served.
    pub status: DeviceStatusName,
    /// When it is forgotten, acknowledged or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// What it must hold.
    pub document: DeviceDocumentView,
    /// Its credentials.
    pub credentials: Vec<DeviceCredentialView>,
    /// When it was registered.
    pub create_time: String,
    /// When its registration, credentials or status last changed.
    pub update_time: String,
}

/// What a hosted device must hold, and the newest version it said it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceDocumentView {
    /// The newest version.
    pub version: u64,
    /// The newest version it acknowledged.
    pub acknowledged: u64,
    /// The rows in the newest version.
    pub mapping_ids: Vec<String>,
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKindName {
    /// A certificate of the device authority.
    Certificate,
    /// A password; the user name is the device ID.
    Password,
    /// A pre-shared key, for DTLS.
    Psk,
}

/// A credential of a hosted device; its secret once, in the answer that made it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCredentialView {
    /// Its name among those of its device.
    pub credential_id: String,
    /// What it is.
    pub kind: CredentialKindName,
    /// First instant it holds.
    pub not_before: String,
    /// First instant it no longer holds.
    pub not_after: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_time: Option<String>,
    /// The certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What the device names in a DTLS handshake: 22 characters that stand for the device ID, a dot,
    /// and the number of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk_identity: Option<String>,
    /// The key that goes with it: its 16 bytes in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub psk: Option<String>,
}

/// Serial numbers and secrets are in no log.
macro_rules! redact {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

redact! { NewDevice NewCredential DeviceCredentialView PairingCodeView }
