//! Service providers, certificates, agreements.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::refusal::{
    AgreementExists, BodyNotRead, BodyNotValid, NoAgreement, NoAuthority, NoCertificate,
    NoCertificateKnown, NoParty, NoPartyOrEnrolment, OrderNotValid, PartyExists, PartyRemoved,
    QueryNotValid, SerialTaken, Unconfirmed,
};
use super::request::{Body, Params};
use super::{Answer, Api, answer, answer_begun, answer_created, answer_done, complete};
use crate::api::Caller;
use crate::wire::{
    AgreementView, CertificateOrder, CertificateView, Confirmation, EndedAgreement,
    InvitationOrder, InvitationView, IssuedView, NewAgreement, NewOneM2mAe, NewParty, NewService,
    Page, PageQuery, PartyView, RemovedParty, Revocation,
};

/// List service providers
#[utoipa::path(
    get, path = "/operator/v1/sps", tag = "Service providers", operation_id = "listSps",
    params(PageQuery),
    responses(
        (status = 200, description = "A page, by id", body = Page<PartyView>),
        QueryNotValid, NoCertificate,
    )
)]
pub(crate) async fn list_sps(api: Api, query: Params<PageQuery>) -> Answer {
    answer(api.list_parties(&query.0))
}

/// Onboard a service provider
#[utoipa::path(
    post, path = "/operator/v1/sps", tag = "Service providers", operation_id = "addSp",
    request_body = NewParty,
    responses(
        (status = 201, description = "Onboarded", body = PartyView, headers(("Location" = String))),
        BodyNotValid, BodyNotRead, NoCertificate, PartyExists,
    )
)]
pub(crate) async fn add_sp(api: Api, caller: Caller, new: Body<NewParty>) -> Answer {
    let act = async move { api.add_party(&caller, &new.0).await };
    answer_created(act, |party| format!("/operator/v1/sps/{}", party.id)).await
}

/// Show a service provider
#[utoipa::path(
    get, path = "/operator/v1/sps/{id}", tag = "Service providers", operation_id = "showSp",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The service provider", body = PartyView),
        NoCertificate, NoParty,
    )
)]
pub(crate) async fn show_sp(api: Api, id: Path<String>) -> Answer {
    answer(api.show_party(&id))
}

/// Say which AE a service provider speaks as over oneM2M
///
/// Without one it does not speak over oneM2M any more.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/onem2m", tag = "Service providers", operation_id = "changeSpAe",
    params(("id" = String, Path, description = "Its id")),
    request_body = NewOneM2mAe,
    responses(
        (status = 200, description = "From now on", body = PartyView),
        BodyNotValid, NoCertificate, NoParty, PartyRemoved, BodyNotRead,
    )
)]
pub(crate) async fn change_sp_ae(
    api: Api,
    caller: Caller,
    id: Path<String>,
    new: Body<NewOneM2mAe>,
) -> Answer {
    answer_done(async move { api.change_party_ae(&caller, &id, &new.0).await }).await
}

/// Give a service provider one more service
///
/// Its own at once where the operator vouches for it; else as soon as it serves the challenge at it, which its profile
/// tells it.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/services", tag = "Service providers", operation_id = "addSpService",
    params(("id" = String, Path, description = "Its id")),
    request_body = NewService,
    responses(
        (status = 200, description = "From now on", body = PartyView),
        BodyNotValid, NoCertificate, NoParty, PartyExists, BodyNotRead,
    )
)]
pub(crate) async fn add_sp_service(
    api: Api,
    caller: Caller,
    id: Path<String>,
    new: Body<NewService>,
) -> Answer {
    answer_done(async move { api.add_service(&caller, &id, &new.0).await }).await
}

/// Suspend a service provider
///
/// Freezes at once: nothing answered, nothing deleted, open connections refused at their next
/// request.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/suspend", tag = "Service providers", operation_id = "suspendSp",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "Suspended", body = PartyView),
        NoCertificate, NoParty, PartyRemoved,
    )
)]
pub(crate) async fn suspend_sp(api: Api, caller: Caller, id: Path<String>) -> Answer {
    answer_done(async move { api.suspend_party(&caller, &id).await }).await
}

/// Resume a suspended service provider
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/resume", tag = "Service providers", operation_id = "resumeSp",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "Active", body = PartyView),
        NoCertificate, NoParty, PartyRemoved,
    )
)]
pub(crate) async fn resume_sp(api: Api, caller: Caller, id: Path<String>) -> Answer {
    answer_done(async move { api.resume_party(&caller, &id).await }).await
}

/// Off-board a service provider for good
///
/// Ends its agreements and de-maps their rows; both sides are told. Its id is not given out again.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/remove", tag = "Service providers", operation_id = "removeSp",
    params(("id" = String, Path, description = "Its id")),
    request_body = Confirmation,
    responses(
        (status = 200, description = "Removed, its rows too", body = RemovedParty),
        (status = 202, description = "Removed; jobs remove the rows, gone already", body = RemovedParty, headers(("Location" = String))),
        BodyNotValid, BodyNotRead, NoCertificate, NoParty, Unconfirmed,
    )
)]
pub(crate) async fn remove_sp(
    api: Api,
    caller: Caller,
    id: Path<String>,
    confirmation: Body<Confirmation>,
) -> Answer {
    let act = async move { api.remove_party(&caller, &id, confirmation.0).await };
    answer_begun(act, |removed| &removed.jobs).await
}

/// List a service provider's certificates
#[utoipa::path(
    get, path = "/operator/v1/sps/{id}/certificates", tag = "Certificates", operation_id = "listCertificates",
    params(("id" = String, Path, description = "Its id"), PageQuery),
    responses(
        (status = 200, description = "A page, by serial number", body = Page<CertificateView>),
        QueryNotValid, NoCertificate, NoParty,
    )
)]
pub(crate) async fn list_certificates(
    api: Api,
    id: Path<String>,
    query: Params<PageQuery>,
) -> Answer {
    answer(api.list_certificates(&id, &query.0))
}

/// Issue a certificate to a service provider
///
/// Y.4462 10.4. It names `urn:ics:sp:<id>`; of the request only the public key is used.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/certificates", tag = "Certificates", operation_id = "issueCertificate",
    params(("id" = String, Path, description = "Its id")),
    request_body = CertificateOrder,
    responses(
        (status = 201, description = "Issued", body = IssuedView),
        OrderNotValid, BodyNotRead, NoCertificate, NoParty, PartyRemoved, NoAuthority,
    )
)]
pub(crate) async fn issue_certificate(
    api: Api,
    caller: Caller,
    id: Path<String>,
    order: Body<CertificateOrder>,
) -> Answer {
    let act = async move { api.issue_certificate(&caller, &id, &order.0).await };
    Ok(HttpResponse::Created().json(complete(act).await?))
}

/// Invite a service provider to enrol
///
/// With the code it gets its first certificate itself, once, by EST (RFC 7030 4.2.1). An invitation that
/// stood is good for nothing any more.
#[utoipa::path(
    post, path = "/operator/v1/sps/{id}/invitation", tag = "Certificates", operation_id = "inviteSp",
    params(("id" = String, Path, description = "Its id")),
    request_body = InvitationOrder,
    responses(
        (status = 201, description = "Invited", body = InvitationView),
        BodyNotValid, BodyNotRead, NoCertificate, NoPartyOrEnrolment, PartyRemoved,
    )
)]
pub(crate) async fn invite_sp(
    api: Api,
    caller: Caller,
    id: Path<String>,
    order: Body<InvitationOrder>,
) -> Answer {
    let act = async move { api.invite(&caller, &id, &order.0).await };
    Ok(HttpResponse::Created().json(complete(act).await?))
}

/// Revoke a certificate
///
/// From the next request on, on new, resumed and open connections. Revoking twice does no harm.
#[utoipa::path(
    post, path = "/operator/v1/certificates/revoke", tag = "Certificates", operation_id = "revokeCertificate",
    request_body = Revocation,
    responses(
        (status = 200, description = "Revoked", body = CertificateView),
        BodyNotValid, BodyNotRead, NoCertificate, NoCertificateKnown, SerialTaken,
    )
)]
pub(crate) async fn revoke_certificate(
    api: Api,
    caller: Caller,
    revocation: Body<Revocation>,
) -> Answer {
    answer_done(async move { api.revoke_certificate(&caller, &revocation.0).await }).await
}

/// List agreements
#[utoipa::path(
    get, path = "/operator/v1/agreements", tag = "Agreements", operation_id = "listAgreements",
    params(PageQuery),
    responses(
        (status = 200, description = "A page, oldest first", body = Page<AgreementView>),
        QueryNotValid, NoCertificate,
    )
)]
pub(crate) async fn list_agreements(api: Api, query: Params<PageQuery>) -> Answer {
    answer(api.list_agreements(&query.0))
}

/// Put an agreement in force
#[utoipa::path(
    post, path = "/operator/v1/agreements", tag = "Agreements", operation_id = "addAgreement",
    request_body = NewAgreement,
    responses(
        (status = 201, description = "In force from `validFrom` on", body = AgreementView, headers(("Location" = String))),
        BodyNotValid, BodyNotRead, NoCertificate, NoParty, AgreementExists,
    )
)]
pub(crate) async fn add_agreement(api: Api, caller: Caller, new: Body<NewAgreement>) -> Answer {
    let act = async move { api.add_agreement(&caller, &new.0).await };
    answer_created(act, |agreement| {
        format!("/operator/v1/agreements/{}", agreement.agreement_id)
    })
    .await
}

/// Show an agreement
#[utoipa::path(
    get, path = "/operator/v1/agreements/{id}", tag = "Agreements", operation_id = "showAgreement",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The agreement", body = AgreementView),
        NoCertificate, NoAgreement,
    )
)]
pub(crate) async fn show_agreement(api: Api, id: Path<String>) -> Answer {
    answer(api.show_agreement(&id))
}

/// End an agreement for good
///
/// De-maps its rows; both sides are told. Ending it twice does no harm.
#[utoipa::path(
    post, path = "/operator/v1/agreements/{id}/end", tag = "Agreements", operation_id = "endAgreement",
    params(("id" = String, Path, description = "Its id")),
    request_body = Confirmation,
    responses(
        (status = 200, description = "Ended, its rows removed", body = EndedAgreement),
        (status = 202, description = "Ended; a job removes the rows, gone already", body = EndedAgreement, headers(("Location" = String))),
        BodyNotValid, BodyNotRead, NoCertificate, NoAgreement, Unconfirmed,
    )
)]
pub(crate) async fn end_agreement(
    api: Api,
    caller: Caller,
    id: Path<String>,
    confirmation: Body<Confirmation>,
) -> Answer {
    let act = async move { api.end_agreement(&caller, &id, confirmation.0).await };
    answer_begun(act, |ended| &ended.jobs).await
}
