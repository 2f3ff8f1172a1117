//! What a client can learn of this server without asking anybody (RFC 8414).

use ics_core::reference_point::ReferencePoint;
use serde::Serialize;
use utoipa::ToSchema;

use crate::pushed::DETAILS_TYPE;

pub(crate) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
pub(crate) const REVOCATION_PATH: &str = "/oauth2/revoke";
pub(crate) const INTROSPECTION_PATH: &str = "/oauth2/introspect";
pub(crate) const PUSHED_PATH: &str = "/oauth2/par";

const CERTIFICATE_ONLY: [&str; 1] = ["tls_client_auth"];

/// The metadata of RFC 8414 2, with RFC 7636, RFC 8705 3.3, RFC 9126 5, RFC 9207 3 and RFC 9396 10.
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
    /// With `authorization_code` where consents are asked for.
    grant_types_supported: Vec<&'static str>,
    /// Required by RFC 8414 2; empty where there is no authorization endpoint.
    response_types_supported: Vec<&'static str>,
    scopes_supported: [&'static str; 8],
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^https://")]
    authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^https://")]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_pushed_authorization_requests: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_modes_supported: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_challenge_methods_supported: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_response_iss_parameter_supported: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_details_types_supported: Option<[&'static str; 1]>,
}

impl Metadata {
    /// Of this issuer, whose users are asked at `authorization_endpoint`, if anywhere.
    pub(crate) fn of(issuer: &str, authorization_endpoint: Option<&str>) -> Self {
        let mut grant_types_supported = vec!["client_credentials"];
        let mut response_types_supported = Vec::new();
        let with_codes = authorization_endpoint.is_some();
        if with_codes {
            grant_types_supported.push("authorization_code");
            response_types_supported.push("code");
        }
        Self {
            issuer: issuer.into(),
            token_endpoint: format!("{issuer}{TOKEN_PATH}"),
            revocation_endpoint: format!("{issuer}{REVOCATION_PATH}"),
            introspection_endpoint: format!("{issuer}{INTROSPECTION_PATH}"),
            token_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            revocation_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            introspection_endpoint_auth_methods_supported: CERTIFICATE_ONLY,
            grant_types_supported,
            response_types_supported,
            scopes_supported: ReferencePoint::ALL.map(ReferencePoint::scope),
            tls_client_certificate_bound_access_tokens: true,
            authorization_endpoint: authorization_endpoint.map(str::to_owned),
            pushed_authorization_request_endpoint: with_codes
                .then(|| format!("{issuer}{PUSHED_PATH}")),
            require_pushed_authorization_requests: with_codes.then_some(true),
            response_modes_supported: with_codes.then_some(["query"]),
            code_challenge_methods_supported: with_codes.then_some(["S256"]),
            authorization_response_iss_parameter_supported: with_codes.then_some(true),
            authorization_details_types_supported: with_codes.then_some([DETAILS_TYPE]),
        }
    }
}
