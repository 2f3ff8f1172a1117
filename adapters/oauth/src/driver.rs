//! The endpoints on actix-web: sockets and headers, the only file that names it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use ics_core::audit::RefusalCause;
use ics_core::principal::PeerCertificate;
use ics_http::{Terms, read_body, whole_seconds};

use crate::error::Refusal;
use crate::metadata::{
    INTROSPECTION_PATH, METADATA_PATH, PUSHED_PATH, REVOCATION_PATH, TOKEN_PATH,
};
use crate::server::{Admitted, AuthorizationServer};
use crate::wire::{
    ErrorBody, Form, IntrospectionRequest, IntrospectionResponse, PushedForm, PushedResponse,
    RevocationRequest, TokenRequest, TokenResponse,
};

/// The largest body read: a form with a token and a scope fits many times over.
const MAX_BODY: usize = 16 * 1024;

const FORM: Terms = Terms {
    media_types: &["application/x-www-form-urlencoded"],
    // A form is ASCII whatever charset it names, and some clients name ISO-8859-1.
    utf8_only: false,
    max_size: MAX_BODY,
    length_required: false,
};

/// Mounts the endpoints. Connections must carry their verified client certificate as connection
/// data of type `Arc<PeerCertificate>`; one without is answered 401.
pub fn configure(cfg: &mut ServiceConfig, server: Arc<AuthorizationServer>) {
    let server = Data::from(server);
    let posts = [
        (TOKEN_PATH, web::post().to(token)),
        (REVOCATION_PATH, web::post().to(revoke)),
        (INTROSPECTION_PATH, web::post().to(introspect)),
        (PUSHED_PATH, web::post().to(push)),
    ];
    for (path, route) in posts {
        let resource = web::resource(path).app_data(server.clone()).route(route);
        cfg.service(resource.default_service(web::to(refuse_other_than_post)));
    }
    cfg.service(
        web::resource(METADATA_PATH)
            .app_data(server)
            .route(web::get().to(metadata))
            .default_service(web::to(refuse_other_than_get)),
    );
}

/// Issue an access token bound to the client certificate of this connection
///
/// RFC 6749 4.4, and 4.1.3 for a code, with client authentication and binding after RFC 8705. The
/// token of a code makes one mapping, on the consent it was given for, within 300 s.
#[utoipa::path(
    post, path = TOKEN_PATH, tag = "OAuth", operation_id = "issueToken",
    security(("mutualTLS" = [])),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token", body = TokenResponse, content_type = "application/json",
         headers(("Cache-Control" = String), ("Pragma" = String))),
        (status = 400, description = "Request or scope not valid", body = ErrorBody),
        (status = 401, description = "Client not accepted", body = ErrorBody, headers(("WWW-Authenticate" = String))),
        (status = 405, description = "Not POST", body = ErrorBody, headers(("Allow" = String))),
        (status = 408, description = "Body not whole within 10 s; the connection is closed", body = ErrorBody),
        (status = 413, description = "Body too large", body = ErrorBody),
        (status = 415, description = "Not a form", body = ErrorBody),
        (status = 429, description = "Too many requests", body = ErrorBody, headers(("Retry-After" = u64))),
        (status = 500, description = "Token not issued", body = ErrorBody),
    )
)]
pub(crate) async fn token(
    request: HttpRequest,
    payload: Payload,
    server: Data<AuthorizationServer>,
) -> HttpResponse {
    serve(&request, payload, &server, |client, form| {
        Ok(HttpResponse::Ok().json(server.issue(client, form)?))
    })
    .await
}

/// Push an authorization request
///
/// RFC 9126 with RFC 7636 (S256) and RFC 9396: which device, which service, what for. The user is
/// sent to the authorization endpoint with `client_id` and the `request_uri` answered here, once.
#[utoipa::path(
    post, path = PUSHED_PATH, tag = "OAuth", operation_id = "pushAuthorizationRequest",
    security(("mutualTLS" = [])),
    request_body(content = PushedForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 201, description = "It waits for its user", body = PushedResponse, content_type = "application/json",
         headers(("Cache-Control" = String), ("Pragma" = String))),
        (status = 400, description = "Request not valid, or not the client's to make", body = ErrorBody),
        (status = 401, description = "Client not accepted", body = ErrorBody, headers(("WWW-Authenticate" = String))),
        (status = 405, description = "Not POST", body = ErrorBody, headers(("Allow" = String))),
        (status = 408, description = "Body not whole within 10 s; the connection is closed", body = ErrorBody),
        (status = 413, description = "Body too large", body = ErrorBody),
        (status = 415, description = "Not a form", body = ErrorBody),
        (status = 429, description = "Too many requests", body = ErrorBody, headers(("Retry-After" = u64))),
        (status = 500, description = "Request not taken", body = ErrorBody),
    )
)]
pub(crate) async fn push(
    request: HttpRequest,
    payload: Payload,
    server: Data<AuthorizationServer>,
) -> HttpResponse {
    serve(&request, payload, &server, |client, form| {
        Ok(HttpResponse::Created().json(server.push(client, form)?))
    })
    .await
}

/// Revoke one of the caller's own tokens
///
/// RFC 7009. A text that is no token of the caller is answered 200 as well.
#[utoipa::path(
    post, path = REVOCATION_PATH, tag = "OAuth", operation_id = "revokeToken",
    security(("mutualTLS" = [])),
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is not valid any more, if it ever was"),
        (status = 400, description = "Request not valid", body = ErrorBody),
        (status = 401, description = "Client not accepted", body = ErrorBody, headers(("WWW-Authenticate" = String))),
        (status = 405, description = "Not POST", body = ErrorBody, headers(("Allow" = String))),
        (status = 408, description = "Body not whole within 10 s; the connection is closed", body = ErrorBody),
        (status = 413, description = "Body too large", body = ErrorBody),
        (status = 415, description = "Not a form", body = ErrorBody),
        (status = 429, description = "Too many requests", body = ErrorBody, headers(("Retry-After" = u64))),
    )
)]
pub(crate) async fn revoke(
    request: HttpRequest,
    payload: Payload,
    server: Data<AuthorizationServer>,
) -> HttpResponse {
    serve(&request, payload, &server, |client, form| {
        server.revoke(client, form)?;
        Ok(HttpResponse::Ok().finish())
    })
    .await
}

/// Ask whether a token works, for whom and for what
///
/// RFC 7662, for resource servers alone: the operator names them.
#[utoipa::path(
    post, path = INTROSPECTION_PATH, tag = "OAuth", operation_id = "introspectToken",
    security(("mutualTLS" = [])),
    request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known of it", body = IntrospectionResponse, content_type = "application/json",
         headers(("Cache-Control" = String), ("Pragma" = String))),
        (status = 400, description = "Request not valid", body = ErrorBody),
        (status = 401, description = "Client not accepted", body = ErrorBody, headers(("WWW-Authenticate" = String))),
        (status = 403, description = "Not a resource server", body = ErrorBody),
        (status = 405, description = "Not POST", body = ErrorBody, headers(("Allow" = String))),
        (status = 408, description = "Body not whole within 10 s; the connection is closed", body = ErrorBody),
        (status = 413, description = "Body too large", body = ErrorBody),
        (status = 415, description = "Not a form", body = ErrorBody),
        (status = 429, description = "Too many requests", body = ErrorBody, headers(("Retry-After" = u64))),
    )
)]
pub(crate) async fn introspect(
    request: HttpRequest,
    payload: Payload,
    server: Data<AuthorizationServer>,
) -> HttpResponse {
    serve(&request, payload, &server, |client, form| {
        Ok(HttpResponse::Ok().json(server.introspect(client, form)?))
    })
    .await
}

/// Describe the authorization server
///
/// RFC 8414. Public: the same for everybody.
#[utoipa::path(
    get, path = METADATA_PATH, tag = "OAuth", operation_id = "describeAuthorizationServer",
    security(()),
    responses(
        (status = 200, description = "Endpoints and what they support", body = crate::metadata::Metadata),
        (status = 405, description = "Not GET", body = ErrorBody, headers(("Allow" = String))),
    )
)]
pub(crate) async fn metadata(server: Data<AuthorizationServer>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "max-age=300"))
        .json(server.metadata())
}

/// Who is asking, what, and the answer; one way for all POST endpoints.
async fn serve(
    request: &HttpRequest,
    payload: Payload,
    server: &AuthorizationServer,
    act: impl FnOnce(&Admitted<'_>, &Form) -> Result<HttpResponse, Refusal>,
) -> HttpResponse {
    let peer = request.conn_data::<Arc<PeerCertificate>>();
    let answer = match server.admit(peer.map(Arc::as_ref)) {
        Ok(client) => match read_form(request, payload).await {
            Ok(form) => act(&client, &form),
            Err(refusal) => Err(refusal),
        },
        Err(refusal) => Err(refusal),
    };
    server.settle().await;
    let mut response = answer.unwrap_or_else(|refusal| {
        tracing::debug!(sp = peer.map(|p| p.sp.as_str()), ?refusal, "refused");
        answer_refusal(&refusal).json(refusal.body())
    });
    // RFC 6749 5.1: the answer carries a secret, and so may an error's request.
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn read_form(request: &HttpRequest, payload: Payload) -> Result<Form, Refusal> {
    check_authorization(request)?;
    // RFC 6749 2.3.1: not in the URI, where logs would keep it.
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::Query);
    }
    let body = read_body(request, payload, &FORM).await?;
    Ok(Form::parse(&body)?)
}

/// A bearer token is no client authentication and does no harm; anything else tries to be one.
fn check_authorization(request: &HttpRequest) -> Result<(), Refusal> {
    let Some(value) = request.headers().get(AUTHORIZATION) else {
        return Ok(());
    };
    let scheme = value
        .to_str()
        .ok()
        .and_then(|text| text.split(' ').next())
        .unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(())
    } else if scheme.eq_ignore_ascii_case("basic") {
        Err(Refusal::PasswordAuthentication)
    } else {
        Err(Refusal::SecondAuthentication)
    }
}

async fn refuse_other_than_post() -> HttpResponse {
    refuse_method("POST")
}

async fn refuse_other_than_get() -> HttpResponse {
    refuse_method("GET")
}

fn refuse_method(allowed: &'static str) -> HttpResponse {
    answer_refusal(&Refusal::Method)
        .insert_header((ALLOW, allowed))
        .json(Refusal::Method.body())
}

fn answer_refusal(refusal: &Refusal) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(refusal.status());
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if let Some(challenge) = refusal.challenge() {
        response.insert_header((WWW_AUTHENTICATE, challenge.header()));
    }
    if let Some(wait) = refusal.retry_after() {
        response.insert_header((RETRY_AFTER, whole_seconds(wait)));
    }
    response
        .extensions_mut()
        .insert(RefusalCause(refusal.cause()));
    response
}

#[cfg(test)]
mod tests;
