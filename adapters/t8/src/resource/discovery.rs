//! `/.well-known/ics`: the same for everybody with a certificate.

use ics_core::reference_point::ReferencePoint;

use crate::operation::DOCUMENT;
use crate::problem::Problem;
use crate::wire::{self, ApiView, CallbackSignatureView, DiscoveryView};

/// What this service stands on.
const SPECIFICATIONS: &[&str] = &[
    "ITU-T Y.4462",
    "3GPP TS 29.122 V17 (conventions)",
    "3GPP TS 33.187 4.7, 5.5",
    "RFC 6749",
    "RFC 8705",
    "RFC 9421",
    "RFC 9457",
];

/// The APIs and the reference points they serve.
const APIS: [(&str, &[ReferencePoint]); 6] = [
    ("ics-mapping", &[ReferencePoint::Ics1]),
    ("ics-device-mapping", &[ReferencePoint::Ics2]),
    ("ics-device", &[ReferencePoint::Ics2]),
    (
        "ics-demapping",
        &[ReferencePoint::Ics3, ReferencePoint::Ics4],
    ),
    ("ics-access", &[ReferencePoint::Ics5, ReferencePoint::Ics6]),
    ("ics-inquiry", &[ReferencePoint::Ics7, ReferencePoint::Ics8]),
];

/// Writes the document, once for the life of the process.
pub(crate) fn write(root: &str, jwk: Option<&serde_json::Value>) -> Result<Vec<u8>, Problem> {
    let apis = APIS.into_iter().map(|(name, points)| ApiView {
        name,
        version: "v1",
        uri: format!("{root}/{name}/v1"),
        reference_points: points.iter().map(|point| point.label()).collect(),
    });
    wire::write(&DiscoveryView {
        name: "Identity correlation service",
        version: env!("CARGO_PKG_VERSION"),
        api_root: root,
        apis: apis.collect(),
        openapi: format!("{root}{DOCUMENT}"),
        authorization_server_metadata: format!("{root}/.well-known/oauth-authorization-server"),
        specifications: SPECIFICATIONS,
        callback_signature: jwk.map(|jwk| CallbackSignatureView {
            specification: "RFC 9421",
            jwk,
        }),
    })
}
