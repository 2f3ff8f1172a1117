//! Each operation's entry: parameters, body, what it answers, which scope it takes.

use utoipa::ToSchema;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation as Entry, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};

use super::responses::add_refusals;
use crate::operation::{Gate, NDJSON, Operation, Verb};
use crate::query::{DEFAULT_LIMIT, MOST};
use crate::wire::{self, schema};

/// The method as the document names it.
pub(super) const fn http_method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

/// The entry of an operation.
pub(super) fn describe(operation: Operation) -> Entry {
    let (id, summary) = words(operation);
    let responses = add_refusals(successes(operation), operation);
    let mut entry = OperationBuilder::new()
        .tag(tag(operation))
        .operation_id(Some(id))
        .summary(Some(summary))
        .request_body(body(operation))
        .responses(responses.build())
        .securities(Some(securities(operation.gate())));
    for parameter in parameters(operation) {
        entry = entry.parameter(parameter);
    }
    entry.build()
}

fn tag(operation: Operation) -> &'static str {
    match operation.gate() {
        Gate::Certificate => "discovery",
        _ => operation.path().split('/').nth(1).unwrap_or_default(),
    }
}

const fn words(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::InquireByTransaction => (
            "retrieveByTransaction",
            "The device behind a service URI and a UTI (case 2)",
        ),
        Operation::InquireByDevice => ("retrieveByDevice", "The mappings of a device (case 1)"),
        Operation::InquireInBulk => (
            "retrieveInBulk",
            "Up to 10,000 inquiries, a line each, either case; answered in their order",
        ),
        Operation::CreateMapping => ("createMapping", "Ask for a mapping (step 1)"),
        Operation::ListMappings => ("listMappings", "The caller's mappings, oldest first"),
        Operation::ReadMapping => ("readMapping", "One mapping of the caller"),
        Operation::AmendMapping => ("amendMapping", "Amend a pending mapping (RFC 7396)"),
        Operation::CancelMapping => ("cancelMapping", "Cancel a pending mapping"),
        Operation::CreateSubscription => ("createSubscription", "Register for assignments"),
        Operation::ListSubscriptions => ("listSubscriptions", "The caller's subscriptions"),
        Operation::ReadSubscription => ("readSubscription", "One subscription of the caller"),
        Operation::ReplaceSubscription => ("replaceSubscription", "Replace a subscription"),
        Operation::AmendSubscription => ("amendSubscription", "Amend a subscription (RFC 7396)"),
        Operation::DeleteSubscription => ("deleteSubscription", "End a subscription"),
        Operation::ListAssignments => ("listAssignments", "Live mappings routed to the caller"),
        Operation::ReadAssignment => ("readAssignment", "Take one assignment over"),
        Operation::AnswerAssignment => ("answerAssignment", "Answer an assignment (step 7)"),
        Operation::ListenToMappings => (
            "listenToMappings",
            "Websocket: what the caller is told of its mappings",
        ),
        Operation::ListenToAssignments => (
            "listenToAssignments",
            "Websocket: assignments, and what the caller is told of them",
        ),
        Operation::Demap => ("demap", "Remove mappings of the caller (10.2)"),
        Operation::ReadJob => ("readJob", "How a de-mapping of many mappings stands"),
        Operation::RegisterDevice => (
            "registerDevice",
            "Have a device hosted; the answer alone tells its credentials",
        ),
        Operation::ListDevices => ("listDevices", "The caller's hosted devices, by device ID"),
        Operation::ReadDevice => ("readDevice", "One hosted device of the caller"),
        Operation::AmendDevice => (
            "amendDevice",
            "Amend vendor, model, owner or channels of a hosted device (RFC 7396)",
        ),
        Operation::RegisterDevicesInBulk => (
            "registerDevicesInBulk",
            "Have up to 1,000 devices hosted, a line each; answered in their order",
        ),
        Operation::MintPairingCode => (
            "mintPairingCode",
            "A one-time pairing code of a hosted device; the answer alone tells it",
        ),
        Operation::UnregisterDevice => (
            "unregisterDevice",
            "Give a hosted device up: its mappings end, its ID is dead",
        ),
        Operation::AddCredential => (
            "addDeviceCredential",
            "One more credential, beside those that hold; the answer alone tells it",
        ),
        Operation::RevokeCredential => ("revokeDeviceCredential", "Revoke a credential"),
        Operation::ReadProfile => ("readProfile", "What the operator granted the caller"),
        Operation::ResolveDevice => (
            "resolveDevice",
            "Which device of the caller a third party knows by that device ID (exposure `pairwise`)",
        ),
        Operation::ProveService => (
            "proveService",
            "Have the challenge read that the caller serves at a service URI: then it is its own",
        ),
        Operation::Discover => ("discover", "The service, its APIs, its callback key"),
        Operation::ReadDocument => ("readDocument", "This document"),
    }
}

fn securities(gate: Gate) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let with = |scope: &str| SecurityRequirement::new("mutualTLS", none).add("oauth2", [scope]);
    match gate {
        Gate::Certificate => vec![SecurityRequirement::new("mutualTLS", none)],
        Gate::Point(point) => vec![with(point.scope())],
        Gate::Either(odd, even) => vec![with(odd.scope()), with(even.scope())],
    }
}

fn parameters(operation: Operation) -> Vec<Parameter> {
    let in_path = |name: &str, schema: RefOr<Schema>| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema))
            .build()
    };
    let uuid = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(UUID))
            .into()
    };
    let path = operation.path();
    let mut parameters = Vec::new();
    if path.contains("{scsAsId}") {
        parameters.push(in_path("scsAsId", schema::sp_id()));
    }
    for name in ["mappingId", "subscriptionId", "jobId"] {
        if path.contains(&format!("{{{name}}}")) {
            parameters.push(in_path(name, uuid()));
        }
    }
    if path.contains("{deviceId}") {
        parameters.push(in_path("deviceId", schema::hosted_device_id()));
    }
    if path.contains("{credentialId}") {
        parameters.push(in_path("credentialId", schema::credential_id()));
    }
    if operation.is_paged() {
        parameters.extend(page_parameters(operation));
    }
    parameters
}

const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

fn page_parameters(operation: Operation) -> Vec<Parameter> {
    let in_query = |name: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .schema(Some(schema))
            .build()
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let statuses: &[&str] = match operation {
        Operation::ListAssignments => &["PENDING", "ESTABLISHED"],
        _ => &["PENDING", "ESTABLISHED", "FAILED", "DELETED"],
    };
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(i64::try_from(MOST).ok())
        .default(Some(DEFAULT_LIMIT.into()));
    let token = text()
        .pattern(Some(schema::BASE64URL))
        .max_length(Some(512))
        .description(Some("From the `next` link of the page before; opaque."));
    let statuses = || text().enum_values(Some(statuses.iter().copied()));
    let filter = operation.filter().map(|name| in_query(name, statuses()));
    let page = [in_query("limit", limit), in_query("page-token", token)];
    filter.into_iter().chain(page).collect()
}

fn body(operation: Operation) -> Option<RequestBody> {
    let schema = match operation {
        Operation::InquireByTransaction => named::<wire::TransactionInquiry<'static>>(),
        Operation::InquireByDevice => named::<wire::DeviceInquiry<'static>>(),
        Operation::InquireInBulk | Operation::RegisterDevicesInBulk => {
            return Some(lines(operation));
        }
        Operation::AmendDevice => Ref::from_schema_name("DevicePatch"),
        Operation::MintPairingCode => named::<wire::PairingOrder>(),
        Operation::CreateMapping => named::<wire::IdentityMapping<'static>>(),
        Operation::AmendMapping => Ref::from_schema_name("IdentityMappingPatch"),
        Operation::CreateSubscription | Operation::ReplaceSubscription => {
            named::<wire::Subscription<'static>>()
        }
        Operation::AmendSubscription => Ref::from_schema_name("SubscriptionPatch"),
        Operation::AnswerAssignment => Ref::from_schema_name("AssignmentAnswer"),
        Operation::Demap => Ref::from_schema_name("DemapRequest"),
        Operation::RegisterDevice => named::<wire::DeviceRegistration<'static>>(),
        Operation::AddCredential => Ref::from_schema_name("DeviceCredentialRequest"),
        Operation::ResolveDevice => named::<wire::Resolution<'static>>(),
        Operation::ProveService => named::<wire::ServiceProofOrder<'static>>(),
        _ => return None,
    };
    let mut body = RequestBodyBuilder::new().required(Some(Required::True));
    for media_type in operation.body() {
        body = body.content(*media_type, content(schema.clone()));
    }
    Some(body.build())
}

/// JSON texts, one a line: OpenAPI can say no more of them than that they are text.
fn text_lines(words: &str) -> Content {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(words));
    content(text)
}

fn lines(operation: Operation) -> RequestBody {
    let words = match operation {
        Operation::RegisterDevicesInBulk => {
            "At most 1,000 lines and 8 MiB. Each line is a body of registerDevice."
        }
        _ => {
            "At most 10,000 lines and 8 MiB. Each line is a body of retrieveByDevice (with \
             `deviceId`) or of retrieveByTransaction."
        }
    };
    RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(NDJSON, text_lines(words))
        .build()
}

fn answered_lines() -> Response {
    let words = "One line for each line of the request, in its order: the answer, or the \
                 ProblemDetails, that it would get by itself.";
    ResponseBuilder::new()
        .description("OK")
        .content(NDJSON, text_lines(words))
        .build()
}

fn named<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn content(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn successes(operation: Operation) -> ResponsesBuilder {
    let responses = ResponsesBuilder::new();
    let one = |text: &str, schema: RefOr<Schema>| {
        ResponseBuilder::new()
            .description(text)
            .content("application/json", content(schema))
    };
    let many = |schema: Ref| -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(schema)
            .max_items(Some(MOST))
            .into()
    };
    let mapping = named::<wire::MappingView<'static>>;
    let subscription = named::<wire::SubscriptionView<'static>>;
    let assignment = named::<wire::AssignmentView<'static>>;
    let device = named::<wire::DeviceView<'static>>;
    let ok =
        |schema: RefOr<Schema>| ResponsesBuilder::new().response("200", one("OK", schema).build());
    match operation {
        Operation::InquireByTransaction => {
            ok(named::<wire::TransactionAnswerView<'static>>().into())
        }
        Operation::InquireByDevice => ok(named::<wire::DeviceAnswerView<'static>>().into()),
        Operation::CreateMapping => responses
            .response(
                "201",
                created(one("Stored, waiting", mapping().into()), MAPPING_LINKS),
            )
            .response(
                "200",
                created(one("The same request came before", mapping().into()), &[]),
            ),
        Operation::ReadMapping | Operation::AmendMapping => ok(mapping().into()),
        Operation::ListMappings => responses.response("200", paged(one("OK", many(mapping())))),
        Operation::CreateSubscription => responses.response(
            "201",
            created(one("Registered", subscription().into()), SUBSCRIPTION_LINKS),
        ),
        Operation::ReadSubscription
        | Operation::ReplaceSubscription
        | Operation::AmendSubscription => ok(subscription().into()),
        Operation::ListSubscriptions => ok(many(subscription())),
        Operation::ListAssignments => {
            responses.response("200", paged(one("OK", many(assignment()))))
        }
        Operation::ReadAssignment | Operation::AnswerAssignment => ok(assignment().into()),
        Operation::CancelMapping
        | Operation::DeleteSubscription
        | Operation::UnregisterDevice
        | Operation::RevokeCredential => {
            responses.response("204", ResponseBuilder::new().description("Gone").build())
        }
        Operation::RegisterDevice => {
            responses.response("201", created(one("Hosted", device().into()), DEVICE_LINKS))
        }
        Operation::ReadDevice | Operation::AmendDevice => ok(device().into()),
        Operation::MintPairingCode => responses.response(
            "201",
            one("Made", named::<wire::PairingView>().into()).build(),
        ),
        Operation::ListDevices => responses.response("200", paged(one("OK", many(device())))),
        Operation::AddCredential => responses.response(
            "201",
            created(
                one("Made", named::<wire::CredentialView<'static>>().into()),
                &[],
            ),
        ),
        Operation::InquireInBulk | Operation::RegisterDevicesInBulk => {
            responses.response("200", answered_lines())
        }
        Operation::ListenToMappings | Operation::ListenToAssignments => {
            responses.response("101", ResponseBuilder::new().description(SOCKET).build())
        }
        Operation::Demap => ok(named::<wire::DemappedView<'static>>().into()).response(
            "202",
            created(one(MANY, named::<wire::JobView>().into()), JOB_LINKS),
        ),
        Operation::ReadJob => ok(named::<wire::JobView>().into()),
        Operation::ReadProfile => ok(named::<wire::ProfileView<'static>>().into()),
        Operation::ResolveDevice => ok(named::<wire::ResolutionView<'static>>().into()),
        Operation::ProveService => ok(named::<wire::ServiceProofView<'static>>().into()),
        Operation::Discover => ok(named::<wire::DiscoveryView<'static>>().into()),
        Operation::ReadDocument => ok(schema::any_object()),
    }
}

/// (link, operation, path parameter taken from the end of `Location`).
type Links = &'static [(&'static str, &'static str, &'static str)];

const MAPPING_LINKS: Links = &[
    ("readMapping", "readMapping", "mappingId"),
    ("amendMapping", "amendMapping", "mappingId"),
    ("cancelMapping", "cancelMapping", "mappingId"),
];
const DEVICE_LINKS: Links = &[
    ("readDevice", "readDevice", "deviceId"),
    ("addDeviceCredential", "addDeviceCredential", "deviceId"),
];
const JOB_LINKS: Links = &[("readJob", "readJob", "jobId")];
const SOCKET: &str = "A websocket (RFC 6455, TS 29.122 5.2.5.4). Each text frame of the gateway is \
                      a notification; it is delivered once the caller has answered with a \
                      NotificationAcknowledgement. It ends with the token it was opened with, and \
                      when the caller opens another one.";
const MANY: &str = "More than 1,000 mappings: they are gone by now, and a job removes them";
const SUBSCRIPTION_LINKS: Links = &[
    ("readSubscription", "readSubscription", "subscriptionId"),
    (
        "replaceSubscription",
        "replaceSubscription",
        "subscriptionId",
    ),
    ("amendSubscription", "amendSubscription", "subscriptionId"),
    ("deleteSubscription", "deleteSubscription", "subscriptionId"),
];

fn created(response: ResponseBuilder, links: Links) -> Response {
    let location = HeaderBuilder::new().schema(Some(schema::link())).build();
    let mut response = response.header("Location", location);
    for (name, operation, parameter) in links {
        // The id is the end of `Location`; an expression with a pattern is an extension that the
        // tools which follow links understand.
        let id = "$response.header.Location#regex:/([^/]+)$";
        let link = LinkBuilder::new()
            .operation_id(*operation)
            .parameter("scsAsId", "$request.path.scsAsId")
            .parameter(*parameter, id);
        response = response.link(*name, link.build());
    }
    response.build()
}

fn paged(response: ResponseBuilder) -> Response {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let link = HeaderBuilder::new()
        .schema(Some(text))
        .description(Some(
            "RFC 8288: `rel=\"next\"`, where there is another page",
        ))
        .build();
    response.header("Link", link).build()
}
