//! Answers that do not depend on the request: `application/problem+json` (RFC 9457) with the
//! same bytes every time.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};

/// No such route; the same whatever was asked.
pub(super) async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .insert_header((CONTENT_TYPE, PROBLEM))
        .body(r#"{"title":"Not Found","status":404}"#)
}

/// Nobody this listener serves (RFC 6750 3, without an error code: nothing about the token was
/// looked at). The connection ends.
pub(super) fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((CONTENT_TYPE, PROBLEM))
        .insert_header((WWW_AUTHENTICATE, "Bearer"))
        .force_close()
        .body(r#"{"title":"Unauthorized","status":401}"#)
}

/// Not an operator's certificate, or one that is over. The connection ends.
pub(super) fn forbidden() -> HttpResponse {
    HttpResponse::Forbidden()
        .insert_header((CONTENT_TYPE, PROBLEM))
        .force_close()
        .body(r#"{"title":"Forbidden","status":403}"#)
}

/// More header fields than anybody needs. The connection ends.
pub(super) fn header_fields_too_large() -> HttpResponse {
    HttpResponse::build(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        .insert_header((CONTENT_TYPE, PROBLEM))
        .force_close()
        .body(r#"{"title":"Request Header Fields Too Large","status":431}"#)
}

const PROBLEM: &str = "application/problem+json";
