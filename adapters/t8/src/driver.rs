//! The operations on actix-web: sockets and headers, the only files that name it: this one and its modules.

mod lines;
mod websocket;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::rt::spawn;
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use ics_core::audit::RefusalCause;
use ics_core::principal::{PeerCertificate, Principal};
use ics_core::reference_point::ReferencePoint;
use ics_core::time::Timestamp;
use ics_http::{Terms, carry, read_body};

use crate::api::T8Api;
use crate::exchange::{Call, Reply};
use crate::guard::{self, Credentials};
use crate::media;
use crate::operation::{Gate, Operation, PATHS, Verb};
use crate::problem::{self, Cause, Companion, Problem};
use crate::query::{self, PageQuery};
use crate::resource;
use crate::resource::bulk::{Asker, Bulk};
use lines::stream;
use websocket::Opener;

/// A body that took longer came in parts: its sender is asked for again.
const BODY_IN_ONE_GO: Duration = Duration::from_millis(100);
/// The longest path and query: no resource of ours comes near it.
const MAX_URI: usize = 2048;

/// Mounts every operation. Connections must carry their verified client certificate as
/// connection data of type `Arc<PeerCertificate>`; one without is answered 401. A request's
/// extensions hold its `ReferencePoint`, a refusal's its `RefusalCause`, a bulk inquiry's its
/// `BulkTally`, for the logs.
pub fn configure(cfg: &mut ServiceConfig, api: Arc<T8Api>) {
    let api = Data::from(api);
    for (path, allow) in PATHS {
        let mut resource = web::resource(path).app_data(api.clone());
        for operation in Operation::ALL.into_iter().filter(|o| o.path() == path) {
            let handler = move |request: HttpRequest, payload: Payload, api: Data<T8Api>| async move {
                serve(operation, &request, payload, &api).await
            };
            resource = resource.route(web::method(method(operation.verb())).to(handler));
        }
        cfg.service(
            resource.default_service(web::to(move |request: HttpRequest| async move {
                refuse_method(&request, allow)
            })),
        );
    }
    cfg.default_service(web::to(refuse_path));
}

const fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

async fn serve(
    operation: Operation,
    request: &HttpRequest,
    payload: Payload,
    api: &Arc<T8Api>,
) -> HttpResponse {
    if let Gate::Point(point) = operation.gate() {
        note_point(request, point);
    }
    match answer(operation, request, payload, api).await {
        Ok(response) => response,
        Err(problem) => refuse(&problem),
    }
}

async fn answer(
    operation: Operation,
    request: &HttpRequest,
    payload: Payload,
    api: &Arc<T8Api>,
) -> Result<HttpResponse, Problem> {
    let began = api.clock.now();
    let path = request.match_info();
    let admit = |now| {
        guard::admit(
            api,
            operation.gate(),
            credentials(request),
            path.get("scsAsId"),
            now,
        )
    };
    let admitted = admit(began)?;
    let page = check_frame(operation, request)?;
    let Some((mut principal, mut point)) = admitted else {
        return Ok(show(operation, api));
    };
    note_point(request, point);
    if operation.is_socket() {
        let opener = Opener {
            bearer: guard::read_bearer(&credentials(request))?.to_owned(),
            principal,
            point,
        };
        return websocket::open(api, (request, payload), opener);
    }
    // Before the body is read: it may be large, and slow.
    let place = if operation.is_bulk() {
        Some(api.bulks.take(&principal.sp).ok_or_else(Problem::busy)?)
    } else {
        None
    };
    let body = match terms(operation) {
        Some(terms) => read_body(request, payload, &terms).await?,
        None => Bytes::new(),
    };
    // A body may take its time; what is decided is decided by the time it is whole, and for whom
    // is still admitted then.
    let now = api.clock.now();
    if now.since(began) > BODY_IN_ONE_GO {
        let Some(still) = admit(now)? else {
            return Ok(show(operation, api));
        };
        (principal, point) = still;
        note_point(request, point);
    }
    if operation.is_bulk() {
        let bearer = guard::read_bearer(&credentials(request))?.to_owned();
        let place = place.ok_or(Cause::SystemFailure)?;
        let asker = Asker {
            principal,
            point,
            bearer,
            place,
        };
        return Ok(stream(Bulk::begin(
            Arc::clone(api),
            (operation, asker),
            body,
        )?));
    }
    let asked = Asked {
        principal,
        point,
        page,
        body,
        now: if operation.is_inquiry() {
            api.clock.latest()
        } else {
            now
        },
    };
    let acting = act(operation, request.clone(), Arc::clone(api), asked);
    if operation.is_inquiry() || operation.verb() == Verb::Get {
        return acting.await;
    }
    // What changes something runs to its end, even when the caller hangs up meanwhile: the
    // directory must learn of what the store has taken.
    let done = spawn(carry(acting)).await;
    done.unwrap_or_else(|_| Err(Cause::SystemFailure.into()))
}

/// A request that may act: who asks, over which point, for what, when.
struct Asked {
    principal: Principal,
    point: ReferencePoint,
    page: Option<PageQuery>,
    body: Bytes,
    now: Timestamp,
}

async fn act(
    operation: Operation,
    request: HttpRequest,
    api: Arc<T8Api>,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let path = request.match_info();
    let call = Call {
        principal: asked.principal,
        point: Cell::new(asked.point),
        root: &api.root,
        id: path
            .get("mappingId")
            .or_else(|| path.get("subscriptionId"))
            .or_else(|| path.get("jobId"))
            .or_else(|| path.get("deviceId"))
            .unwrap_or_default(),
        part: path.get("credentialId").unwrap_or_default(),
        page: asked.page,
        body: &asked.body,
        now: asked.now,
    };
    let outcome = resource::dispatch(operation, &api, &call).await;
    note_point(&request, call.point.get());
    outcome.map(respond)
}

fn note_point(request: &HttpRequest, point: ReferencePoint) {
    request.extensions_mut().insert(point);
}

fn credentials(request: &HttpRequest) -> Credentials<'_> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    Credentials {
        peer: request.conn_data::<Arc<PeerCertificate>>(),
        authorization: headers.next().map(HeaderValue::as_bytes),
        repeated: headers.next().is_some(),
    }
}

/// What can be wrong with a request besides its body.
fn check_frame(operation: Operation, request: &HttpRequest) -> Result<Option<PageQuery>, Problem> {
    let uri = request.uri();
    if uri
        .path_and_query()
        .is_some_and(|text| text.as_str().len() > MAX_URI)
    {
        return Err(Problem::status_only(414));
    }
    if let Some(media_type) = operation.answer() {
        for accept in request.headers().get_all(ACCEPT).take(1) {
            let all = joined(request.headers(), accept);
            if !all.is_some_and(|accept| media::accepts(&accept, media_type)) {
                return Err(Problem::status_only(406));
            }
        }
    }
    let query = uri.query().unwrap_or_default();
    if operation.is_paged() {
        PageQuery::parse(query, operation.filter()).map(Some)
    } else {
        query::refuse_any(query).map(|()| None)
    }
}

/// All `Accept` headers as one (RFC 9110 5.3), borrowed where there is but one.
fn joined<'a>(headers: &'a HeaderMap, first: &'a HeaderValue) -> Option<std::borrow::Cow<'a, str>> {
    let mut texts = headers.get_all(ACCEPT).skip(1).peekable();
    let first = first.to_str().ok()?;
    if texts.peek().is_none() {
        return Some(first.into());
    }
    let mut all = first.to_owned();
    for text in texts {
        all.push(',');
        all.push_str(text.to_str().ok()?);
    }
    Some(all.into())
}

/// What a body must be, where an operation has one.
fn terms(operation: Operation) -> Option<Terms> {
    let media_types = operation.body();
    (!media_types.is_empty()).then_some(Terms {
        media_types,
        utf8_only: true,
        max_size: operation.largest_body(),
        length_required: true,
    })
}

fn respond(reply: Reply) -> HttpResponse {
    let mut response = HttpResponse::build(status(reply.status));
    if let Some(location) = reply.location {
        response.insert_header((LOCATION, location));
    }
    if let Some(next) = reply.next {
        response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    if reply.body.is_empty() {
        return response.finish();
    }
    response.insert_header(JSON).body(reply.body)
}

/// The two documents that do not depend on who asks.
fn show(operation: Operation, api: &T8Api) -> HttpResponse {
    let body = match operation {
        Operation::ReadDocument => &api.document,
        _ => &api.discovery,
    };
    HttpResponse::Ok().insert_header(JSON).body(body.clone())
}

const JSON: (HeaderName, HeaderValue) =
    (CONTENT_TYPE, HeaderValue::from_static("application/json"));

fn refuse(problem: &Problem) -> HttpResponse {
    let mut response = HttpResponse::build(status(problem.status()));
    match problem.companion() {
        Some(Companion::Challenge(challenge)) => {
            response.insert_header((WWW_AUTHENTICATE, challenge.header().as_ref()));
        }
        Some(Companion::RetryAfter(seconds)) => {
            response.insert_header((RETRY_AFTER, seconds));
        }
        Some(Companion::Allow(methods)) => {
            response.insert_header((ALLOW, methods));
        }
        None => {}
    }
    response
        .extensions_mut()
        .insert(RefusalCause(problem.code()));
    response
        .insert_header((CONTENT_TYPE, problem::MEDIA_TYPE))
        .body(problem.to_json())
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn refuse_method(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    let peer = request.conn_data::<Arc<PeerCertificate>>();
    let problem = Problem::status_only(405).with(Companion::Allow(allow));
    refuse(&guard::check_peer(peer).err().unwrap_or(problem))
}

async fn refuse_path(request: HttpRequest) -> HttpResponse {
    let peer = request.conn_data::<Arc<PeerCertificate>>();
    refuse(
        &guard::check_peer(peer)
            .err()
            .unwrap_or_else(|| Cause::ResourceUnknown.into()),
    )
}

#[cfg(test)]
mod tests;
