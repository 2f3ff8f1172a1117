//! The description of the API, made from the handlers and the bodies.

use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Operator API of the identity correlation service gateway",
        description = "Operator domain only: mutual TLS under the operator's own authority."
    ),
    paths(
        crate::driver::list_sps,
        crate::driver::add_sp,
        crate::driver::show_sp,
        crate::driver::change_sp_ae,
        crate::driver::add_sp_service,
        crate::driver::suspend_sp,
        crate::driver::resume_sp,
        crate::driver::remove_sp,
        crate::driver::list_certificates,
        crate::driver::issue_certificate,
        crate::driver::invite_sp,
        crate::driver::revoke_certificate,
        crate::driver::list_devices,
        crate::driver::register_device,
        crate::driver::show_device,
        crate::driver::unregister_device,
        crate::driver::mint_pairing_code,
        crate::driver::add_device_credential,
        crate::driver::revoke_device_credential,
        crate::driver::list_agreements,
        crate::driver::add_agreement,
        crate::driver::show_agreement,
        crate::driver::end_agreement,
        crate::driver::list_mappings,
        crate::driver::show_mapping,
        crate::driver::list_jobs,
        crate::driver::show_job,
        crate::driver::retry_job,
        crate::driver::list_outbox,
        crate::driver::retry_outbox,
        crate::driver::retry_notification,
        crate::driver::take_backup,
        crate::driver::export_state,
        crate::driver::export_table,
        crate::driver::show_status,
        crate::driver::accept_clock,
        crate::driver::show_policies,
        crate::driver::list_verdicts,
        crate::driver::explain_verdict,
        crate::driver::show_registration,
        crate::driver::attach_cse,
        crate::driver::detach_cse,
        crate::driver::show_liveness,
        crate::driver::show_readiness,
        crate::driver::show_metrics,
        crate::driver::show_openapi,
    ),
    components(schemas(crate::wire::ProblemView)),
    modifiers(&MutualTls)
)]
struct Document;

struct MutualTls;

impl Modify for MutualTls {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::MutualTls {
            description: Some("Client certificate naming `urn:ics:operator:<name>`".into()),
            deprecated: None,
            extensions: None,
        };
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("operatorTLS", scheme);
        let nothing_more: [&str; 0] = [];
        document.security = Some(vec![SecurityRequirement::new("operatorTLS", nothing_more)]);
    }
}

/// Paths, schemas and the security scheme `operatorTLS`, without servers.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
