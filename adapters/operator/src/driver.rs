//! Routes, headers and sockets: the only module that names actix-web.
//!
//! Who calls is asked before anything else is looked at, on every request, unknown routes
//! included. What changes something runs to its end even when the caller hangs up.

mod device;
mod directory;
mod extract;
mod onem2m;
mod policy;
mod read;
mod refusal;
mod request;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, LOCATION, RETRY_AFTER};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{Error, HttpMessage, HttpResponse, Resource, ResponseError, Route, rt};
use ics_core::audit::RefusalCause;
use ics_core::principal::OperatorCertificate;
use serde::Serialize;

use crate::api::OperatorApi;
use crate::error::Refusal;
use crate::wire::JobView;

pub(crate) use device::*;
pub(crate) use directory::*;
pub(crate) use extract::*;
pub(crate) use onem2m::*;
pub(crate) use policy::*;
pub(crate) use read::*;

/// Media type of refusals (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// An answer, or why there is none.
pub(crate) type Answer = Result<HttpResponse, Refusal>;
/// The API as a handler gets it.
pub(crate) type Api = Data<OperatorApi>;

/// Mounts the API under `/operator/v1`.
///
/// Connections must carry their verified client certificate as connection data of type
/// `Arc<OperatorCertificate>`; one without, or one whose certificate is over, is answered 401
/// whatever it asks, health included.
pub fn configure(cfg: &mut ServiceConfig, api: Arc<OperatorApi>) {
    let scope = web::scope("/operator/v1")
        .app_data(Data::from(api))
        .service(at(
            "/sps",
            "GET, POST",
            [web::get().to(list_sps), web::post().to(add_sp)],
        ))
        .service(at("/sps/{id}", "GET", [web::get().to(show_sp)]))
        .service(at(
            "/sps/{id}/suspend",
            "POST",
            [web::post().to(suspend_sp)],
        ))
        .service(at(
            "/sps/{id}/onem2m",
            "POST",
            [web::post().to(change_sp_ae)],
        ))
        .service(at(
            "/sps/{id}/services",
            "POST",
            [web::post().to(add_sp_service)],
        ))
        .service(at("/sps/{id}/resume", "POST", [web::post().to(resume_sp)]))
        .service(at("/sps/{id}/remove", "POST", [web::post().to(remove_sp)]))
        .service(at(
            "/sps/{id}/certificates",
            "GET, POST",
            [
                web::get().to(list_certificates),
                web::post().to(issue_certificate),
            ],
        ))
        .service(at(
            "/sps/{id}/invitation",
            "POST",
            [web::post().to(invite_sp)],
        ))
        .service(at(
            "/sps/{id}/devices",
            "GET, POST",
            [web::get().to(list_devices), web::post().to(register_device)],
        ))
        .service(at(
            "/sps/{id}/devices/{device}",
            "GET",
            [web::get().to(show_device)],
        ))
        .service(at(
            "/sps/{id}/devices/{device}/unregister",
            "POST",
            [web::post().to(unregister_device)],
        ))
        .service(at(
            "/sps/{id}/devices/{device}/pairing-codes",
            "POST",
            [web::post().to(mint_pairing_code)],
        ))
        .service(at(
            "/sps/{id}/devices/{device}/credentials",
            "POST",
            [web::post().to(add_device_credential)],
        ))
        .service(at(
            "/sps/{id}/devices/{device}/credentials/{credential}/revoke",
            "POST",
            [web::post().to(revoke_device_credential)],
        ))
        .service(at(
            "/certificates/revoke",
            "POST",
            [web::post().to(revoke_certificate)],
        ))
        .service(at(
            "/agreements",
            "GET, POST",
            [
                web::get().to(list_agreements),
                web::post().to(add_agreement),
            ],
        ))
        .service(at(
            "/agreements/{id}",
            "GET",
            [web::get().to(show_agreement)],
        ))
        .service(at(
            "/agreements/{id}/end",
            "POST",
            [web::post().to(end_agreement)],
        ))
        .service(at("/mappings", "GET", [web::get().to(list_mappings)]))
        .service(at("/mappings/{id}", "GET", [web::get().to(show_mapping)]))
        .service(at("/jobs", "GET", [web::get().to(list_jobs)]))
        .service(at("/jobs/{id}", "GET", [web::get().to(show_job)]))
        .service(at("/jobs/{id}/retry", "POST", [web::post().to(retry_job)]))
        .service(at("/outbox", "GET", [web::get().to(list_outbox)]))
        .service(at("/outbox/retry", "POST", [web::post().to(retry_outbox)]))
        .service(at(
            "/outbox/{id}/retry",
            "POST",
            [web::post().to(retry_notification)],
        ))
        .service(at("/backup", "GET", [web::get().to(take_backup)]))
        .service(at("/export/state", "GET", [web::get().to(export_state)]))
        .service(at("/export/table", "GET", [web::get().to(export_table)]))
        .service(at("/status", "GET", [web::get().to(show_status)]))
        .service(at(
            "/onem2m/registration",
            "GET",
            [web::get().to(show_registration)],
        ))
        .service(at("/onem2m/attach", "POST", [web::post().to(attach_cse)]))
        .service(at("/onem2m/detach", "POST", [web::post().to(detach_cse)]))
        .service(at("/policy", "GET", [web::get().to(show_policies)]))
        .service(at(
            "/policy/verdicts",
            "GET",
            [web::get().to(list_verdicts)],
        ))
        .service(at(
            "/policy/verdicts/{id}",
            "GET",
            [web::get().to(explain_verdict)],
        ))
        .service(at("/clock/accept", "POST", [web::post().to(accept_clock)]))
        .service(at("/health/live", "GET", [web::get().to(show_liveness)]))
        .service(at("/metrics", "GET", [web::get().to(show_metrics)]))
        .service(at("/health/ready", "GET", [web::get().to(show_readiness)]))
        .service(at("/openapi.json", "GET", [web::get().to(show_openapi)]))
        .default_service(web::to(|| async { Answer::Err(Refusal::NoResource) }))
        .wrap(from_fn(admit));
    cfg.service(scope);
}

/// A resource with these routes; any other method is 405 with `Allow`.
fn at<const N: usize>(path: &str, methods: &'static str, routes: [Route; N]) -> Resource {
    let resource = web::resource(path.to_owned());
    let resource = routes.into_iter().fold(resource, Resource::route);
    resource.default_service(web::to(move || async move {
        Answer::Err(Refusal::Method(methods))
    }))
}

/// Lets only operators through.
async fn admit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let caller = match request.app_data::<Api>() {
        Some(api) => {
            let peer = request
                .conn_data::<Arc<OperatorCertificate>>()
                .map(Arc::as_ref);
            api.admit(peer)
        }
        // Mounted without its API: nobody is let in.
        None => Err(Refusal::Interrupted),
    };
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await?.map_into_boxed_body()
        }
        Err(refusal) => request.into_response(refusal.error_response()),
    };
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Runs what changes something to its end, even when the caller hangs up meanwhile.
async fn complete<T: 'static>(
    act: impl Future<Output = Result<T, Refusal>> + 'static,
) -> Result<T, Refusal> {
    rt::spawn(act).await.unwrap_or(Err(Refusal::Interrupted))
}

/// 200 with what was read.
fn answer<T: Serialize>(view: Result<T, Refusal>) -> Answer {
    view.map(|view| HttpResponse::Ok().json(view))
}

/// Runs `act` to its end; 200 with what came of it.
async fn answer_done<T: Serialize + 'static>(
    act: impl Future<Output = Result<T, Refusal>> + 'static,
) -> Answer {
    answer(complete(act).await)
}

/// Runs `act` to its end; 200 with what came of it, or 202 while `jobs` of it are at work.
async fn answer_begun<T: Serialize + 'static>(
    act: impl Future<Output = Result<T, Refusal>> + 'static,
    jobs: impl FnOnce(&T) -> &[JobView],
) -> Answer {
    let done = complete(act).await?;
    let response = match jobs(&done) {
        [] => HttpResponse::Ok().json(&done),
        [job, ..] => HttpResponse::Accepted()
            .insert_header((LOCATION, format!("/operator/v1/jobs/{}", job.job_id)))
            .json(&done),
    };
    Ok(response)
}

/// Runs `act` to its end; 201 with what was made, and where it lies.
async fn answer_created<T: Serialize + 'static>(
    act: impl Future<Output = Result<T, Refusal>> + 'static,
    locate: impl FnOnce(&T) -> String,
) -> Answer {
    let made = complete(act).await?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, locate(&made)))
        .json(made))
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(PROBLEM);
        if let Some(methods) = self.allowed_methods() {
            response.insert_header((ALLOW, methods));
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.extensions_mut().insert(RefusalCause(self.cause()));
        if self.status() >= 500 {
            tracing::error!(reason = %self, "operator request failed");
        }
        response.json(self.problem())
    }
}

impl fmt::Debug for OperatorApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorApi(..)")
    }
}

#[cfg(test)]
mod tests;
