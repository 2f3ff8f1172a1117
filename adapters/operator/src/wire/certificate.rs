//! Certificates of service providers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /sps/{id}/certificates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateOrder {
    /// PKCS#10 request, PEM. Nothing but its public key is used.
    pub csr: String,
    /// 1 to 397 days; as the configuration says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 397)]
    pub validity_days: Option<u16>,
}

/// `POST /sps/{id}/invitation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvitationOrder {
    /// 1 to 720 hours; 24 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 720)]
    pub valid_hours: Option<u16>,
}

/// A code with which a service provider gets its first certificate, once, by EST (RFC 7030).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationView {
    /// Whom it lets enrol: the user of HTTP Basic.
    pub sp_id: String,
    /// The password of HTTP Basic. It is told here, and nowhere else.
    pub code: String,
    /// When it ends.
    pub expires: String,
    /// Where to enrol: `https://host:port/.well-known/est`.
    pub url: String,
}

/// A certificate that was just issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedView {
    /// The certificate and its chain, PEM.
    pub certificate: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER, hexadecimal.
    pub fingerprint: String,
    /// When it ends.
    pub not_after: String,
}

/// Whether a certificate opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CertificateStatusName {
    /// Neither over nor revoked.
    Valid,
    /// Over.
    Expired,
    /// Revoked.
    Revoked,
}

/// A certificate that was issued here, or revoked here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// Whom it names.
    pub sp_id: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER, hexadecimal, where the gateway has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Whether it opens anything.
    pub status: CertificateStatusName,
    /// When it ends, where the gateway knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_time: Option<String>,
}

/// `POST /certificates/revoke`: exactly one of `serial`, `fingerprint` and `certificate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// Serial number, hexadecimal, colons allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// With `serial`, whose it is: needed when the gateway has not seen the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp_id: Option<String>,
    /// SHA-256 of the DER, hexadecimal, colons allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}
