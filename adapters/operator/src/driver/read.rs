//! Mappings, outbox, status, health, the description.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::refusal::{
    BodyNotRead, BodyNotValid, NoCertificate, NoJob, NoMapping, NoNotification, NoParty, NoStore,
    QueryNotValid,
};
use super::request::{Body, Params};
use super::{Answer, Api, answer, answer_done};
use crate::api::{Caller, OperatorApi};
use crate::wire::{
    ClockView, HealthView, JobView, MappingDetail, MappingQuery, MappingView, OutboxQuery,
    OutboxRetry, OutboxView, Page, PageQuery, RetriedView, StatusView,
};

/// Media type of metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// List mappings
///
/// Ids, state, parties, times, causes; never a serial number. With a filter a page may be short,
/// even empty, and still have a next one.
#[utoipa::path(
    get, path = "/operator/v1/mappings", tag = "Mappings", operation_id = "listMappings",
    params(MappingQuery),
    responses(
        (status = 200, description = "A page, oldest first", body = Page<MappingView>),
        QueryNotValid, NoCertificate, NoParty, NoStore,
    )
)]
pub(crate) async fn list_mappings(api: Api, query: Params<MappingQuery>) -> Answer {
    answer(api.list_mappings(&query.0).await)
}

/// Show a mapping
///
/// With service URI, UTI and device ID; never a serial number.
#[utoipa::path(
    get, path = "/operator/v1/mappings/{id}", tag = "Mappings", operation_id = "showMapping",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The mapping, tombstones included", body = MappingDetail),
        NoCertificate, NoMapping, NoStore,
    )
)]
pub(crate) async fn show_mapping(api: Api, id: Path<String>) -> Answer {
    answer(api.show_mapping(&id).await)
}

/// List jobs
///
/// De-mappings of more than 1,000 rows, of service providers too: at work, failed, and done within
/// the retention of tombstones.
#[utoipa::path(
    get, path = "/operator/v1/jobs", tag = "Mappings", operation_id = "listJobs",
    params(PageQuery),
    responses(
        (status = 200, description = "A page, oldest first", body = Page<JobView>),
        QueryNotValid, NoCertificate,
    )
)]
pub(crate) async fn list_jobs(api: Api, query: Params<PageQuery>) -> Answer {
    answer(api.list_jobs(&query.0))
}

/// Show a job
#[utoipa::path(
    get, path = "/operator/v1/jobs/{id}", tag = "Mappings", operation_id = "showJob",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The job", body = JobView),
        NoCertificate, NoJob,
    )
)]
pub(crate) async fn show_job(api: Api, id: Path<String>) -> Answer {
    answer(api.show_job(&id))
}

/// Send a job that failed on its way again
///
/// Any other job goes on as it does.
#[utoipa::path(
    post, path = "/operator/v1/jobs/{id}/retry", tag = "Mappings", operation_id = "retryJob",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The job", body = JobView),
        NoCertificate, NoJob, NoStore,
    )
)]
pub(crate) async fn retry_job(api: Api, caller: Caller, id: Path<String>) -> Answer {
    answer_done(async move { api.retry_job(&caller, &id).await }).await
}

/// List notifications that wait or were given up
#[utoipa::path(
    get, path = "/operator/v1/outbox", tag = "Outbox", operation_id = "listOutbox",
    params(OutboxQuery),
    responses(
        (status = 200, description = "A page", body = Page<OutboxView>),
        QueryNotValid, NoCertificate, NoStore,
    )
)]
pub(crate) async fn list_outbox(api: Api, query: Params<OutboxQuery>) -> Answer {
    answer(api.list_outbox(&query.0).await)
}

/// Try everything again that was given up towards a service provider
#[utoipa::path(
    post, path = "/operator/v1/outbox/retry", tag = "Outbox", operation_id = "retryOutbox",
    request_body = OutboxRetry,
    responses(
        (status = 200, description = "How many are tried again", body = RetriedView),
        BodyNotValid, BodyNotRead, NoCertificate, NoParty,
    )
)]
pub(crate) async fn retry_outbox(api: Api, caller: Caller, wanted: Body<OutboxRetry>) -> Answer {
    answer_done(async move { api.retry_all(&caller, &wanted.0).await }).await
}

/// Try one notification again, now
#[utoipa::path(
    post, path = "/operator/v1/outbox/{notificationId}/retry", tag = "Outbox", operation_id = "retryNotification",
    params(("notificationId" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is tried again", body = RetriedView),
        NoCertificate, NoNotification,
    )
)]
pub(crate) async fn retry_notification(api: Api, caller: Caller, id: Path<String>) -> Answer {
    answer_done(async move { api.retry_entry(&caller, &id).await }).await
}

/// Show how the gateway is
#[utoipa::path(
    get, path = "/operator/v1/status", tag = "Gateway", operation_id = "showStatus",
    responses(
        (status = 200, description = "Version, counts, what runs out next", body = StatusView),
        NoCertificate, NoStore,
    )
)]
pub(crate) async fn show_status(api: Api) -> Answer {
    answer(api.show_status().await)
}

/// Take the wall clock for right
///
/// What is over by it is ended at once. While it is believed anyway this changes nothing.
#[utoipa::path(
    post, path = "/operator/v1/clock/accept", tag = "Gateway", operation_id = "acceptClock",
    responses(
        (status = 200, description = "It is believed", body = ClockView),
        NoCertificate, NoStore,
    )
)]
pub(crate) async fn accept_clock(api: Api, caller: Caller) -> Answer {
    answer_done(async move { api.accept_clock(&caller).await }).await
}

/// Ask whether the gateway is alive
///
/// Needs a client certificate, as everything on this listener.
#[utoipa::path(
    get, path = "/operator/v1/health/live", tag = "Gateway", operation_id = "showLiveness",
    responses(
        (status = 200, description = "Alive", body = HealthView),
        NoCertificate,
    )
)]
pub(crate) async fn show_liveness() -> Answer {
    answer(Ok(OperatorApi::show_liveness()))
}

/// Ask whether the gateway is ready: its store answers a read
///
/// Needs a client certificate, as everything on this listener.
#[utoipa::path(
    get, path = "/operator/v1/health/ready", tag = "Gateway", operation_id = "showReadiness",
    responses(
        (status = 200, description = "Ready", body = HealthView),
        NoCertificate, NoStore,
    )
)]
pub(crate) async fn show_readiness(api: Api) -> Answer {
    answer(api.show_readiness().await)
}

/// Show the metrics, for Prometheus
///
/// Labels are reference points, outcomes and the like; never an identifier.
#[utoipa::path(
    get, path = "/operator/v1/metrics", tag = "Gateway", operation_id = "showMetrics",
    responses(
        (status = 200, description = "OpenMetrics 1.0 text", body = String, content_type = "application/openmetrics-text"),
        NoCertificate, NoStore,
    )
)]
pub(crate) async fn show_metrics(api: Api) -> Answer {
    let text = api.show_metrics().await?;
    Ok(HttpResponse::Ok().content_type(OPEN_METRICS).body(text))
}

/// This description
#[utoipa::path(
    get, path = "/operator/v1/openapi.json", tag = "Gateway", operation_id = "showOpenapi",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
        NoCertificate,
    )
)]
pub(crate) async fn show_openapi() -> Answer {
    answer(Ok(crate::openapi::openapi()))
}
