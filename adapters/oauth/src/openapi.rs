//! The OpenAPI description of the endpoints, for the gateway to merge into the T8 document.

use utoipa::openapi::security::SecurityScheme;
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(title = "OAuth 2.0 of the identity correlation service"),
    paths(
        crate::driver::token,
        crate::driver::push,
        crate::driver::revoke,
        crate::driver::introspect,
        crate::driver::metadata
    ),
    modifiers(&MutualTls),
    tags((name = "OAuth", description = "Tokens bound to client certificates (RFC 6749, 8705)"))
)]
struct Document;

struct MutualTls;

impl Modify for MutualTls {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document
            .components
            .get_or_insert_default()
            .add_security_scheme(
                "mutualTLS",
                SecurityScheme::MutualTls {
                    description: Some("Client certificate naming `urn:ics:sp:<id>`".into()),
                    deprecated: None,
                    extensions: None,
                },
            );
    }
}

/// The endpoints as paths, schemas and the security scheme `mutualTLS`, without servers.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
