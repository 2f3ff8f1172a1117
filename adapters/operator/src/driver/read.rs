//! Mappings, outbox, status, health, the description.

use actix_web::web::Path;

use super::request::{Body, Params};
use super::{Answer, Api, complete, ok};
use crate::api::{Caller, OperatorApi};
use crate::wire::{
    HealthView, MappingDetail, MappingQuery, MappingStatusName, MappingView, OutboxQuery,
    OutboxRetry, OutboxView, Page, ProblemView, RetriedView, StatusView,
};

/// List mappings
///
/// Ids, state, parties, times, causes; never a serial number. With a filter a page may be short,
/// even empty, and still have a next one.
#[utoipa::path(
    get, path = "/operator/v1/mappings", tag = "Mappings", operation_id = "listMappings",
    params(("sp" = Option<String>, Query, description = "Of this service provider, on either side"),
           ("status" = Option<MappingStatusName>, Query, description = "In this state"),
           ("limit" = Option<usize>, Query, description = "1 to 500"),
           ("page-token" = Option<String>, Query, description = "Where to go on")),
    responses(
        (status = 200, description = "A page, oldest first", body = Page<MappingView>),
        (status = 400, description = "Query not valid", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such service provider", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Store unavailable", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_mappings(api: Api, query: Params<MappingQuery>) -> Answer {
    Ok(ok(&api.list_mappings(&query.0).await?))
}

/// Show a mapping
///
/// With service URI, UTI and device ID; never a serial number.
#[utoipa::path(
    get, path = "/operator/v1/mappings/{id}", tag = "Mappings", operation_id = "showMapping",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The mapping, tombstones included", body = MappingDetail),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such mapping", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Store unavailable", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_mapping(api: Api, id: Path<String>) -> Answer {
    Ok(ok(&api.show_mapping(&id).await?))
}

/// List notifications that wait or were given up
#[utoipa::path(
    get, path = "/operator/v1/outbox", tag = "Outbox", operation_id = "listOutbox",
    params(("sp" = Option<String>, Query, description = "To this service provider"),
           ("dead" = Option<bool>, Query, description = "true: given up; false: waiting"),
           ("limit" = Option<usize>, Query, description = "1 to 500"),
           ("page-token" = Option<String>, Query, description = "Where to go on")),
    responses(
        (status = 200, description = "A page", body = Page<OutboxView>),
        (status = 400, description = "Query not valid", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Store unavailable", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list_outbox(api: Api, query: Params<OutboxQuery>) -> Answer {
    Ok(ok(&api.list_outbox(&query.0).await?))
}

/// Try everything again that was given up towards a service provider
#[utoipa::path(
    post, path = "/operator/v1/outbox/retry", tag = "Outbox", operation_id = "retryOutbox",
    request_body = OutboxRetry,
    responses(
        (status = 200, description = "How many are tried again", body = RetriedView),
        (status = 400, description = "Body not valid", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No such service provider", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry_outbox(api: Api, caller: Caller, wanted: Body<OutboxRetry>) -> Answer {
    Ok(ok(&complete(async move {
        api.retry_all(&caller, &wanted.0).await
    })
    .await?))
}

/// Try one notification again, now
#[utoipa::path(
    post, path = "/operator/v1/outbox/{notificationId}/retry", tag = "Outbox", operation_id = "retryNotification",
    params(("notificationId" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is tried again", body = RetriedView),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "Delivered meanwhile, or never there", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn retry_notification(api: Api, caller: Caller, id: Path<String>) -> Answer {
    Ok(ok(&complete(
        async move { api.retry_entry(&caller, &id).await },
    )
    .await?))
}

/// Show how the gateway is
#[utoipa::path(
    get, path = "/operator/v1/status", tag = "Gateway", operation_id = "showStatus",
    responses(
        (status = 200, description = "Version, counts, what runs out next", body = StatusView),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Store unavailable", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_status(api: Api) -> Answer {
    Ok(ok(&api.show_status().await?))
}

/// Ask whether the gateway is alive
///
/// Needs a client certificate, as everything on this listener.
#[utoipa::path(
    get, path = "/operator/v1/health/live", tag = "Gateway", operation_id = "showLiveness",
    responses(
        (status = 200, description = "Alive", body = HealthView),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_liveness() -> Answer {
    Ok(ok(&OperatorApi::show_liveness()))
}

/// Ask whether the gateway is ready: its store answers a read
///
/// Needs a client certificate, as everything on this listener.
#[utoipa::path(
    get, path = "/operator/v1/health/ready", tag = "Gateway", operation_id = "showReadiness",
    responses(
        (status = 200, description = "Ready", body = HealthView),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Store unavailable", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_readiness(api: Api) -> Answer {
    Ok(ok(&api.show_readiness().await?))
}

/// This description
#[utoipa::path(
    get, path = "/operator/v1/openapi.json", tag = "Gateway", operation_id = "showOpenapi",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
        (status = 401, description = "No operator certificate", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_openapi() -> Answer {
    Ok(ok(&crate::openapi::openapi()))
}
