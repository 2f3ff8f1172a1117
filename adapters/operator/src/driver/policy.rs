//! What was decided, and why.

use actix_web::web::Path;

use super::{Answer, Api, answer};
use crate::driver::refusal::{NoCertificate, NoVerdict};
use crate::wire::{PolicyView, VerdictView, VerdictsView};

/// Show which policies are in force, and how those on trial differ
#[utoipa::path(
    get, path = "/operator/v1/policy", tag = "Policy", operation_id = "showPolicies",
    responses((status = 200, description = "The set in force, and the trial", body = PolicyView), NoCertificate)
)]
pub(crate) async fn show_policies(api: Api) -> Answer {
    answer(Ok(api.show_policies()))
}

/// List what was decided lately
///
/// Each question once: requests that differ in nothing the policies look at are one question.
#[utoipa::path(
    get, path = "/operator/v1/policy/verdicts", tag = "Policy", operation_id = "listVerdicts",
    responses((status = 200, description = "Oldest first", body = VerdictsView), NoCertificate)
)]
pub(crate) async fn list_verdicts(api: Api) -> Answer {
    answer(Ok(api.list_verdicts()))
}

/// Explain a decision
///
/// Which policies decided, and what they looked at.
#[utoipa::path(
    get, path = "/operator/v1/policy/verdicts/{id}", tag = "Policy", operation_id = "explainVerdict",
    params(("id" = String, Path, description = "`verdict` of a line of the decision log")),
    responses(
        (status = 200, description = "Why", body = VerdictView),
        NoCertificate, NoVerdict,
    )
)]
pub(crate) async fn explain_verdict(api: Api, id: Path<String>) -> Answer {
    answer(api.explain_verdict(&id))
}
