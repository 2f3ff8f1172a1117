//! What a client can learn of this server without asking anybody (RFC 8414).

use ics_core::reference_point::ReferencePoint;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
pub(crate) const REVOCATION_PATH: &str = "/oauth2/revoke";
pub(crate) const INTROSPECTION_PATH: &str = "/oauth2/introspect";

const CERTIFICATE_ONLY: [&str; 1] = ["tls_client_auth"];

/// The metadata of RFC 8414 2, with RFC 8705 3.3.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuthorizationServerMetadata)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    #[schema(pattern = "^https://")]
    issuer: String,
    #[schema(pattern = "^https://")]
    token_endpoint: String,
    #[schema(pattern = "^https://")]
    revocation_endpoint: String,
    #[schema(pattern = "^https://")]
    introspection_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 1],
    /// Required by RFC 8414 2; empty, for there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    scopes_supported: [&'static str; 8],
    tls_client_certificate_bound_access_tokens: bool,
}

impl Metadata {
    pub(crate) fn of(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            token_endpoint: format!("{issuer}{TOKEN_PATH}"),
            revocation_endpoint: format!("{issuer}{REVOCATION_PATH}"),
            introspection_endpoint: format!("{issuer}{INTROSPECTION_PATH}"),
            token_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            revocation_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            introspection_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            grant_types_supported: ["client_credentials"],
            response_types_supported: [],
            scopes_supported: ReferencePoint::ALL.map(ReferencePoint::scope),
            tls_client_certificate_bound_access_tokens: true,
        }
    }
}
