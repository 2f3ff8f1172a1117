//! Agreements (Y20).

use std::sync::Arc;

use ics_core::id::{AgreementId, SpId};
use ics_core::party::Agreement;
use ics_core::service::OnboardingError;

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{cut_page, parse_limit, parse_token};
use crate::translate::{agreement_terms, show_agreement, show_job};
use crate::wire::{AgreementView, Confirmation, EndedAgreement, NewAgreement, Page, PageQuery};

impl OperatorApi {
    pub(crate) fn list_agreements(
        &self,
        query: &PageQuery,
    ) -> Result<Page<AgreementView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let after: Option<AgreementId> = parse_token(query.page_token.as_deref())?;
        let now = self.now();
        let directory = self.service().directory();
        let agreements = directory
            .agreements()
            .filter(|a| after.is_none_or(|after| after < a.id));
        Ok(cut_page(
            agreements,
            limit,
            (|a| a.id, |a| show_agreement(a, now)),
        ))
    }

    pub(crate) fn show_agreement(&self, id: &str) -> Result<AgreementView, Refusal> {
        let now = self.now();
        self.find_agreement(id)
            .map(|agreement| show_agreement(&agreement, now))
    }

    fn find_agreement(&self, id: &str) -> Result<Arc<Agreement>, Refusal> {
        let id = AgreementId::parse(id).map_err(|_| Refusal::NoAgreement)?;
        self.service()
            .directory()
            .agreement(&id)
            .cloned()
            .ok_or(Refusal::NoAgreement)
    }

    pub(crate) async fn add_agreement(
        &self,
        caller: &Caller,
        new: &NewAgreement,
    ) -> Result<AgreementView, Refusal> {
        let now = self.now();
        let terms = agreement_terms(new, now)?;
        let directory = self.service().directory();
        let place = |id: &SpId| {
            // One id on both sides may lack the role of either.
            let fits = directory.party(id).is_some_and(|party| party.iot_sp);
            let iot_side = terms.iot_sp == *id && !fits;
            if iot_side {
                "/iotSpId"
            } else {
                "/thirdPartySpId"
            }
        };
        let outcome = self.service().add_agreement(&terms, now).await;
        let outcome = outcome.map_err(|error| match error {
            OnboardingError::NoParty(id) => Refusal::NoPartyOf(place(&id)),
            OnboardingError::WrongRole(id) => Refusal::WrongRole(place(&id)),
            other => Refusal::of_onboarding(other),
        });
        let object = match &outcome {
            Ok(agreement) => agreement.id.to_string(),
            Err(_) => format!("{}/{}", terms.iot_sp, terms.third_party_sp),
        };
        let agreement = caller.note("agreement.add", &object, outcome)?;
        Ok(show_agreement(&agreement, now))
    }

    /// Ends an agreement; its rows are de-mapped.
    pub(crate) async fn end_agreement(
        &self,
        caller: &Caller,
        id: &str,
        confirmation: Confirmation,
    ) -> Result<EndedAgreement, Refusal> {
        let agreement = self.find_agreement(id)?;
        let object = agreement.id.to_string();
        if !confirmation.confirm {
            let rows = self.service().count_agreement_rows(&agreement).await?;
            return caller.note("agreement.end", &object, Err(Refusal::Unconfirmed { rows }));
        }
        let now = self.now();
        let outcome = self.service().end_agreement(&agreement.id, now).await;
        let outcome = outcome.map_err(Refusal::of_onboarding);
        let (agreement, ended) = caller.note("agreement.end", &object, outcome)?;
        Ok(EndedAgreement {
            agreement: show_agreement(&agreement, now),
            demapped: ended.demapped,
            jobs: ended.jobs.iter().map(|job| show_job(job)).collect(),
        })
    }
}
