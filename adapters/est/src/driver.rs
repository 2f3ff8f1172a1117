//! EST on actix-web: routes, headers, sockets; the only file that names it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ics_core::principal::PeerCertificate;
use ics_http::{Terms, read_body};
use serde_json::json;

use crate::enrolment::{Enrolled, Enrolment};
use crate::message::MAX_BODY;
use crate::refusal::Refusal;

const ROOT: &str = "/.well-known/est";
/// Where the list of revoked certificates lies.
const LIST: &str = "/revoked.crl";

/// RFC 7030 4.2.1.
const REQUEST: Terms = Terms {
    media_types: &["application/pkcs10"],
    utf8_only: false,
    max_size: MAX_BODY,
    length_required: false,
};

/// Mounts the operations of EST. Whoever shows a certificate has it in its connection's data, as
/// `Arc<PeerCertificate>`.
pub fn configure(cfg: &mut ServiceConfig, enrolment: Arc<Enrolment>) {
    let enrolment = Data::from(enrolment);
    let routes = [
        ("cacerts", web::get().to(cacerts)),
        ("simpleenroll", web::post().to(simpleenroll)),
        ("simplereenroll", web::post().to(simplereenroll)),
    ];
    let list = web::resource(LIST).app_data(enrolment.clone());
    let refused = || async { refuse(&Refusal::Method("GET")) };
    cfg.service(
        list.route(web::get().to(revoked))
            .default_service(web::to(refused)),
    );
    for (name, route) in routes {
        let allowed = if name == "cacerts" { "GET" } else { "POST" };
        let refused = move || async move { refuse(&Refusal::Method(allowed)) };
        let resource = web::resource(format!("{ROOT}/{name}"));
        let resource = resource.app_data(enrolment.clone()).route(route);
        cfg.service(resource.default_service(web::to(refused)));
    }
}

/// RFC 5280 4.2.1.13, RFC 2585 3: whoever checks our certificates elsewhere.
async fn revoked(enrolment: Data<Enrolment>) -> HttpResponse {
    match enrolment.revoked() {
        Ok(list) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "application/pkix-crl"))
            .insert_header((CACHE_CONTROL, "max-age=60"))
            .body(list),
        Err(refusal) => refuse(&refusal),
    }
}

async fn cacerts(enrolment: Data<Enrolment>) -> HttpResponse {
    certificates(enrolment.anchors().to_owned())
}

async fn simpleenroll(
    request: HttpRequest,
    payload: Payload,
    enrolment: Data<Enrolment>,
) -> HttpResponse {
    let enrolled = async {
        let (id, code) = credentials(&request).ok_or(Refusal::NoCode)?;
        let body = body(&request, payload).await?;
        let address = request.peer_addr().map(|peer| peer.ip());
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        enrolment.enrol((&id, &code), address, &body).await
    };
    answer(enrolled.await)
}

async fn simplereenroll(
    request: HttpRequest,
    payload: Payload,
    enrolment: Data<Enrolment>,
) -> HttpResponse {
    let renewed = async {
        let peer = request.conn_data::<Arc<PeerCertificate>>();
        let peer = peer.ok_or(Refusal::NoCertificate)?;
        let body = body(&request, payload).await?;
        enrolment.renew(peer, &body).await
    };
    answer(renewed.await)
}

async fn body(request: &HttpRequest, payload: Payload) -> Result<Bytes, Refusal> {
    Ok(read_body(request, payload, &REQUEST).await?)
}

/// RFC 7617: `id:code`, in base64.
fn credentials(request: &HttpRequest) -> Option<(String, String)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, code) = text.split_once(':')?;
    Some((id.to_owned(), code.to_owned()))
}

fn answer(enrolled: Result<Enrolled, Refusal>) -> HttpResponse {
    match enrolled {
        Ok(enrolled) => {
            let mut response = certificates(enrolled.body);
            response.extensions_mut().insert(enrolled.principal);
            response
        }
        Err(refusal) => refuse(&refusal),
    }
}

/// RFC 8951 3.1: base64 goes without saying, so no Content-Transfer-Encoding.
fn certificates(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((
            CONTENT_TYPE,
            "application/pkcs7-mime; smime-type=certs-only",
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body)
}

fn refuse(refusal: &Refusal) -> HttpResponse {
    tracing::debug!(%refusal, "refused");
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/problem+json"));
    match refusal {
        Refusal::NoCode | Refusal::WrongCode => {
            let challenge = "Basic realm=\"enrolment\", charset=\"UTF-8\"";
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        Refusal::TooFast | Refusal::Failed(_) => {
            response.insert_header((RETRY_AFTER, "1"));
        }
        Refusal::Method(allowed) => {
            response.insert_header((ALLOW, *allowed));
        }
        _ => {}
    }
    response.extensions_mut().insert(refusal.cause());
    let body = json!({
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": refusal.to_string(),
        "cause": refusal.cause().0,
    });
    response.body(body.to_string())
}

#[cfg(test)]
mod tests;
