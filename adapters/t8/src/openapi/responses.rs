//! Refusals, one component for each status: every one an operation can give is in its entry.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::operation::{Gate, Operation};
use crate::problem;

/// The refusals of every status.
pub(super) fn shared() -> impl Iterator<Item = (String, Response)> {
    [
        400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 414, 415, 429, 500, 503,
    ]
    .into_iter()
    .map(|status| (name(status), describe(status)))
}

fn name(status: u16) -> String {
    format!("Refusal{status}")
}

fn describe(status: u16) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails")));
    let response = ResponseBuilder::new()
        .description(problem::title(status))
        .content(problem::MEDIA_TYPE, content.build());
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |description: &str, schema: ObjectBuilder| {
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(description))
            .build()
    };
    match status {
        401 | 403 => response.header("WWW-Authenticate", header("RFC 6750 3", text())),
        405 => response.header("Allow", header("The methods there are", text())),
        429 | 503 => {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(1));
            response.header("Retry-After", header("Seconds", seconds))
        }
        _ => response,
    }
    .build()
}

/// The refusals `operation` can give.
pub(super) fn add_refusals(
    mut responses: ResponsesBuilder,
    operation: Operation,
) -> ResponsesBuilder {
    let has_body = !operation.body().is_empty();
    let public = operation.gate() == Gate::Certificate;
    let conflicts = matches!(
        operation,
        Operation::CreateMapping
            | Operation::CancelMapping
            | Operation::AnswerAssignment
            | Operation::RegisterDevice
            | Operation::AmendDevice
            | Operation::MintPairingCode
            | Operation::AddCredential
            | Operation::ProveService
    );
    let finds = !public && !is_list(operation);
    for (status, given) in [
        (400, true),
        (401, true),
        (403, !public),
        (404, finds),
        (405, true),
        (406, operation.answer().is_some()),
        (408, has_body),
        (409, conflicts),
        (411, has_body),
        (413, has_body),
        (414, true),
        (415, has_body),
        (429, !public),
        (500, !public),
        (503, !public),
    ] {
        if given {
            let reference = RefOr::<Response>::Ref(Ref::from_response_name(name(status)));
            responses = responses.response(status.to_string(), reference);
        }
    }
    responses
}

fn is_list(operation: Operation) -> bool {
    operation.is_paged()
        || matches!(
            operation,
            Operation::ListSubscriptions | Operation::ReadProfile
        )
}
