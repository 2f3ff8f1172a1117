//! Schemas that a derive cannot state exactly: forms, whose unknown parameters are ignored
//! (RFC 6749 3.2), and the two shapes of introspection.

use std::borrow::Cow;

use ics_core::reference_point::ReferencePoint;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::IntrospectionResponse;

/// The form of the token endpoint.
pub(crate) enum TokenRequest {}

/// The form of the endpoint for pushed authorization requests.
pub(crate) enum PushedForm {}

impl PartialSchema for PushedForm {
    fn schema() -> RefOr<Schema> {
        let members = form()
            .property("client_id", client_id_or_empty())
            .property("scope", one_text("ics-mapping:request"))
            .property("response_type", one_text("code"))
            .property(
                "redirect_uri",
                text().description(Some("https, at an origin registered for the client.")),
            )
            .property("state", text().min_length(Some(1)).max_length(Some(512)))
            .property(
                "code_challenge",
                text().pattern(Some("^[A-Za-z0-9_-]{43}$")),
            )
            .property("code_challenge_method", one_text("S256"))
            .property(
                "authorization_details",
                text().max_length(Some(4096)).description(Some(
                    "JSON (RFC 9396): an array of one object of type `ics_mapping` with \
                     `serviceUri`, `deviceSerialNumber`, `purpose`, and where told `deviceVendor`, \
                     `deviceModel`, `iotSpId`, `expires`.",
                )),
            );
        [
            "response_type",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
            "authorization_details",
        ]
        .into_iter()
        .fold(members, ObjectBuilder::required)
        .into()
    }
}

impl ToSchema for PushedForm {
    fn name() -> Cow<'static, str> {
        "PushedAuthorizationRequest".into()
    }
}

fn of_code(means: &str) -> ObjectBuilder {
    text().description(Some(format!("With authorization_code alone. {means}")))
}

/// The form of the revocation endpoint.
pub(crate) enum RevocationRequest {}

/// The form of the introspection endpoint.
pub(crate) enum IntrospectionRequest {}

impl PartialSchema for TokenRequest {
    fn schema() -> RefOr<Schema> {
        form()
            .property(
                "grant_type",
                text().enum_values(Some(["client_credentials", "authorization_code"])),
            )
            .required("grant_type")
            .property("scope", scope_or_empty())
            .property("client_id", client_id_or_empty())
            .property("code", of_code("The code, once (RFC 6749 4.1.3)."))
            .property("redirect_uri", of_code("As it was pushed, byte by byte."))
            .property("code_verifier", of_code("RFC 7636 4.5."))
            .into()
    }
}

impl ToSchema for TokenRequest {
    fn name() -> Cow<'static, str> {
        "AccessTokenRequest".into()
    }
}

impl PartialSchema for RevocationRequest {
    fn schema() -> RefOr<Schema> {
        form_with_token().into()
    }
}

impl ToSchema for RevocationRequest {
    fn name() -> Cow<'static, str> {
        "TokenRevocationRequest".into()
    }
}

impl PartialSchema for IntrospectionRequest {
    fn schema() -> RefOr<Schema> {
        form_with_token().into()
    }
}

impl ToSchema for IntrospectionRequest {
    fn name() -> Cow<'static, str> {
        "TokenIntrospectionRequest".into()
    }
}

impl PartialSchema for IntrospectionResponse {
    fn schema() -> RefOr<Schema> {
        let inactive = closed()
            .property("active", one_flag(false))
            .required("active");
        OneOfBuilder::new()
            .item(active_token())
            .item(inactive)
            .into()
    }
}

impl ToSchema for IntrospectionResponse {
    fn name() -> Cow<'static, str> {
        "TokenIntrospectionResponse".into()
    }
}

fn active_token() -> ObjectBuilder {
    let cnf = closed()
        .property("x5t#S256", text().pattern(Some("^[A-Za-z0-9_-]{43}$")))
        .required("x5t#S256");
    let members = closed()
        .property("active", one_flag(true))
        .property("scope", scope())
        .property("client_id", client_id())
        .property("token_type", one_text("Bearer"))
        .property("exp", seconds())
        .property("iat", seconds())
        .property("iss", text().pattern(Some("^https://")))
        .property("cnf", cnf);
    [
        "active",
        "scope",
        "client_id",
        "token_type",
        "exp",
        "iat",
        "iss",
        "cnf",
    ]
    .into_iter()
    .fold(members, ObjectBuilder::required)
}

fn form_with_token() -> ObjectBuilder {
    form()
        .property("token", text().min_length(Some(1)))
        .required("token")
        .property("token_type_hint", text().description(Some("Ignored.")))
        .property("client_id", client_id_or_empty())
}

fn form() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(text().into())))
}

fn closed() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn one_text(value: &str) -> ObjectBuilder {
    text().enum_values(Some([value]))
}

fn one_flag(value: bool) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .enum_values(Some([value]))
}

fn seconds() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
}

fn client_id() -> ObjectBuilder {
    text()
        .pattern(Some(format!("^{CLIENT_ID}$")))
        .description(Some(CLIENT_ID_MEANS))
}

fn scope() -> ObjectBuilder {
    text()
        .pattern(Some(format!("^{}$", scope_pattern())))
        .description(Some("What it opens."))
}

/// RFC 6749 3.2: a parameter of a request without a value counts as absent.
fn client_id_or_empty() -> ObjectBuilder {
    text()
        .pattern(Some(format!("^({CLIENT_ID})?$")))
        .description(Some(CLIENT_ID_MEANS))
}

fn scope_or_empty() -> ObjectBuilder {
    text()
        .pattern(Some(format!("^({})?$", scope_pattern())))
        .description(Some(
            "Absent or empty: everything the client's roles allow.",
        ))
}

fn scope_pattern() -> String {
    let any = ReferencePoint::ALL.map(ReferencePoint::scope).join("|");
    format!("({any})( ({any}))*")
}

const CLIENT_ID: &str = "[a-z][a-z0-9._-]{1,62}";
const CLIENT_ID_MEANS: &str = "The SP's id, as its certificate states it.";
