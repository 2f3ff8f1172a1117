//! `/.well-known/ics`: what a peer can learn before it asks for anything.

use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// The service, its APIs and where to read on.
#[derive(Serialize, ToSchema)]
#[schema(as = Discovery)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DiscoveryView<'a> {
    #[schema(schema_with = schema::words)]
    pub(crate) name: &'static str,
    #[schema(schema_with = schema::words)]
    pub(crate) version: &'static str,
    #[schema(schema_with = schema::link)]
    pub(crate) api_root: &'a str,
    #[schema(schema_with = schema::apis)]
    pub(crate) apis: Vec<ApiView>,
    #[schema(schema_with = schema::link)]
    pub(crate) openapi: String,
    #[schema(schema_with = schema::link)]
    pub(crate) authorization_server_metadata: String,
    #[schema(schema_with = schema::words_list)]
    pub(crate) specifications: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::inline::<CallbackSignatureView<'static>>)]
    pub(crate) callback_signature: Option<CallbackSignatureView<'a>>,
}

/// One API.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiView {
    #[schema(schema_with = schema::words)]
    pub(crate) name: &'static str,
    #[schema(schema_with = schema::words)]
    pub(crate) version: &'static str,
    #[schema(schema_with = schema::link)]
    pub(crate) uri: String,
    #[schema(schema_with = schema::words_list)]
    pub(crate) reference_points: Vec<&'static str>,
}

/// How notifications are signed (RFC 9421), and the public key (RFC 7517).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CallbackSignatureView<'a> {
    #[schema(schema_with = schema::words)]
    pub(crate) specification: &'static str,
    #[schema(schema_with = schema::any_object)]
    pub(crate) jwk: &'a serde_json::Value,
}
