//! The CSE on actix-web: sockets and headers, the only file that names it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use ics_core::audit::RefusalCause;
use ics_http::{BodyRefusal, Terms, read_body};

use crate::binding::http::{
    Head, MEDIA_TYPES, MOST_CONTENT, Unreadable, read_content, write_response,
};
use crate::caller::Caller;
use crate::cse::{Answered, Cse};
use crate::handler::refusal_of as refusal_of_parameter;
use crate::primitive::{Operation, Refusal, Request};
use crate::rsc::Rsc;

/// Mounts the CSE at every path. A connection must carry the [`Caller`] it belongs to as connection
/// data; one without is answered 4107, unless `believed` says that this is a sandbox on loopback.
/// A refusal's extensions hold its `RefusalCause`, an answer's the party that asked, for the logs.
pub fn configure(cfg: &mut ServiceConfig, cse: Arc<Cse>, believed: bool) {
    let stand = Data::new(Stand { cse, believed });
    cfg.service(
        web::resource("/{to:.*}")
            .app_data(stand)
            .route(web::to(serve)),
    );
}

struct Stand {
    cse: Arc<Cse>,
    believed: bool,
}

async fn serve(request: HttpRequest, payload: Payload, stand: Data<Stand>) -> HttpResponse {
    let cse = &stand.cse;
    match read(&request, payload).await {
        Err((partial, refusal)) => refuse(&cse.refuse(&partial, refusal)),
        Ok(primitive) => {
            let caller = match request.conn_data::<Caller>() {
                Some(caller) => caller.clone(),
                None if stand.believed => Caller::Loopback,
                None => {
                    let said = "a certificate is wanted";
                    let refusal = Refusal::new(Rsc::SecurityAssociationRequired, said);
                    return refuse(&cse.refuse(&primitive, refusal));
                }
            };
            let from = primitive.from.clone();
            let answered = cse.answer(&caller, primitive).await;
            let ended = answered.response.rsc;
            let told = Answered {
                response: cse.word((&caller, from.as_deref()), answered.response),
                ..answered
            };
            respond(&told, ended)
        }
    }
}

/// The request, whole; or what of it could be read, and why not all.
async fn read(request: &HttpRequest, payload: Payload) -> Result<Request, (Request, Refusal)> {
    let header = |name: &str| text(request.headers(), name);
    let head = Head {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        header: &header,
    };
    let nothing = || {
        let id = header("x-m2m-ri").unwrap_or_default();
        let mut partial = Request::new(Operation::Retrieve, "", id);
        partial.release = header("x-m2m-rvi").map(str::to_owned);
        partial
    };
    let mut primitive = head.read().map_err(|why| (nothing(), refusal_of(&why)))?;
    let has_content = matches!(
        primitive.operation,
        Operation::Create | Operation::Update | Operation::Notify
    );
    if has_content {
        match read_body(request, payload, &TERMS).await {
            Ok(body) => match read_content(&body) {
                Ok(content) => primitive.content = content,
                Err(invalid) => return Err((primitive, refusal_of_parameter(&invalid))),
            },
            Err(refusal) => return Err((primitive, refusal_of_body(refusal))),
        }
    }
    Ok(primitive)
}

const TERMS: Terms = Terms {
    media_types: MEDIA_TYPES,
    utf8_only: true,
    max_size: MOST_CONTENT,
    length_required: false,
};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn refusal_of(why: &Unreadable) -> Refusal {
    match why {
        Unreadable::Invalid(invalid) => refusal_of_parameter(invalid),
        Unreadable::NotAcceptable => {
            Refusal::new(Rsc::NotAcceptable, "answers are application/json")
        }
        Unreadable::Method => Refusal::new(Rsc::BadRequest, "the method stands for no operation"),
    }
}

const fn refusal_of_body(refusal: BodyRefusal) -> Refusal {
    match refusal {
        BodyRefusal::MediaType => {
            Refusal::new(Rsc::UnsupportedMediaType, "content is application/json")
        }
        BodyRefusal::TooLarge => Refusal::new(Rsc::BadRequest, "the content is too large"),
        BodyRefusal::LengthRequired | BodyRefusal::Broken => {
            Refusal::new(Rsc::BadRequest, "the content did not come whole")
        }
        BodyRefusal::TooSlow => Refusal::new(Rsc::RequestTimeout, "the content took too long"),
    }
}

fn refuse(answered: &Answered) -> HttpResponse {
    respond(answered, answered.response.rsc)
}

/// The answer on the wire; in the logs it is what it `ended` as.
fn respond(answered: &Answered, ended: Rsc) -> HttpResponse {
    let response = &answered.response;
    let status = StatusCode::from_u16(response.rsc.http_status());
    let mut http = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let written = write_response(response);
    for (name, value) in written.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            http.insert_header((name, value));
        }
    }
    if !ended.is_success() {
        http.extensions_mut().insert(RefusalCause(ended.name()));
    }
    if let Some(point) = answered.point {
        http.extensions_mut().insert(point);
    }
    if let Some(principal) = &answered.principal {
        http.extensions_mut().insert(principal.clone());
    }
    http.body(written.body)
}
