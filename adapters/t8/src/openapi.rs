//! The OpenAPI 3.1 document, made from the same list of operations as the routes, and from the
//! structures that are read and written.

mod operations;
mod responses;

use ics_core::reference_point::ReferencePoint;
use utoipa::ToSchema;
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{OpenApi, OpenApiBuilder, PathsBuilder};

use crate::operation::Operation;
use crate::wire::{self, schema};

/// The T8-style APIs as paths, schemas and security schemes, without servers.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut paths = PathsBuilder::new().build();
    for operation in Operation::ALL {
        let method = vec![operations::http_method(operation.verb())];
        paths.add_path_operation(operation.path(), method, operations::describe(operation));
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Identity correlation service")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "T8-style REST API of an ITU-T Y.4462 identity correlation service. Every \
                     call is made over mutual TLS with a bearer token bound to the client \
                     certificate (RFC 8705).",
                ))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT OR Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .paths(paths)
        .components(Some(components().build()))
        .tags(Some(TAGS.map(|(name, text)| {
            TagBuilder::new().name(name).description(Some(text)).build()
        })))
        .build()
}

const TAGS: [(&str, &str); 7] = [
    (
        "ics-mapping",
        "ICS-1: a third party SP asks for mappings (Y.4462 10.1)",
    ),
    (
        "ics-device-mapping",
        "ICS-2: an IoT SP takes assignments and answers them (Y.4462 10.1)",
    ),
    (
        "ics-device",
        "ICS-2: an IoT SP has devices hosted by the gateway",
    ),
    (
        "ics-demapping",
        "ICS-3, ICS-4: either side removes mappings (Y.4462 10.2)",
    ),
    (
        "ics-inquiry",
        "ICS-7, ICS-8: either side asks for the missing part (Y.4462 10.3)",
    ),
    (
        "ics-access",
        "ICS-5, ICS-6: what the operator granted (Y.4462 10.4)",
    ),
    ("discovery", "Documents for whoever has a certificate"),
];

fn components() -> ComponentsBuilder {
    let named = |builder: ComponentsBuilder, name: &str, schema| builder.schema(name, schema);
    let mut all = ComponentsBuilder::new();
    all = add::<wire::IdentityMapping<'static>>(all);
    all = add::<wire::MappingView<'static>>(all);
    all = add::<wire::Subscription<'static>>(all);
    all = add::<wire::SubscriptionView<'static>>(all);
    all = add::<wire::AssignmentView<'static>>(all);
    all = add::<wire::Acknowledgement<'static>>(all);
    all = add::<wire::DemappedView<'static>>(all);
    all = add::<wire::JobView>(all);
    all = add::<wire::DeviceRegistration<'static>>(all);
    all = add::<wire::DeviceView<'static>>(all);
    all = add::<wire::CredentialView<'static>>(all);
    all = add::<wire::PairingOrder>(all);
    all = add::<wire::PairingView>(all);
    all = add::<wire::DeviceInquiry<'static>>(all);
    all = add::<wire::TransactionInquiry<'static>>(all);
    all = add::<wire::DeviceAnswerView<'static>>(all);
    all = add::<wire::PairView<'static>>(all);
    all = add::<wire::TransactionAnswerView<'static>>(all);
    all = add::<wire::ProfileView<'static>>(all);
    all = add::<wire::AgreementView<'static>>(all);
    all = add::<wire::UnprovenServiceView<'static>>(all);
    all = add::<wire::ServiceProofOrder<'static>>(all);
    all = add::<wire::ServiceProofView<'static>>(all);
    all = add::<wire::Resolution<'static>>(all);
    all = add::<wire::ResolutionView<'static>>(all);
    all = add::<wire::DiscoveryView<'static>>(all);
    all = add::<wire::ApiView>(all);
    all = named(all, "IdentityMappingPatch", schema::mapping_patch());
    all = named(all, "SubscriptionPatch", schema::subscription_patch());
    all = named(all, "AssignmentAnswer", schema::answer());
    all = named(all, "DemapRequest", schema::demap());
    all = named(all, "DevicePatch", schema::device_patch());
    all = named(all, "DeviceCredentialRequest", schema::credential_order());
    all = named(all, "ProblemDetails", schema::problem());
    for (name, response) in responses::shared() {
        all = all.response(name, response);
    }
    all.security_scheme("mutualTLS", mutual_tls())
        .security_scheme("oauth2", oauth2())
}

fn add<T: ToSchema>(builder: ComponentsBuilder) -> ComponentsBuilder {
    builder.schema(T::name(), T::schema())
}

fn mutual_tls() -> SecurityScheme {
    SecurityScheme::MutualTls {
        description: Some("Client certificate naming `urn:ics:sp:<id>`".into()),
        deprecated: None,
        extensions: None,
    }
}

fn oauth2() -> SecurityScheme {
    let scopes = ReferencePoint::ALL
        .map(|point| (point.scope().to_owned(), format!("Reference point {point}")));
    let flow = ClientCredentials::new("/oauth2/token", Scopes::from_iter(scopes));
    SecurityScheme::OAuth2(OAuth2::with_description(
        [Flow::ClientCredentials(flow)],
        "Opaque tokens bound to the client certificate (RFC 8705)",
    ))
}

#[cfg(test)]
mod tests;
