//! Mappings, outbox, status, health, the description.

use actix_web::web::Path;

use super::refusal::{
    BodyNotRead, BodyNotValid, NoCertificate, NoMapping, NoNotification, NoParty, NoStore,
    QueryNotValid,
};
use super::request::{Body, Params};
use super::{Answer, Api, answer, answer_done};
use crate::api::{Caller, OperatorApi};
use crate::wire::{
    HealthView, MappingDetail, MappingQuery, MappingView, OutboxQuery, OutboxRetry, OutboxView,
    Page, RetriedView, StatusView,
};

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
