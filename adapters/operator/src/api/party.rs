//! Service providers.

use std::sync::Arc;

use ics_core::id::SpId;
use ics_core::party::{Party, PartyStatus};
use ics_core::service::EndedRows;

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{cut_page, parse_limit, parse_token};
use crate::translate::{
    parse_sp_in_path, party_ae, party_service, party_terms, show_job, show_party,
};
use crate::wire::{
    Confirmation, NewOneM2mAe, NewParty, NewService, Page, PageQuery, PartyView, RemovedParty,
};

impl OperatorApi {
    pub(crate) fn list_parties(&self, query: &PageQuery) -> Result<Page<PartyView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let after: Option<SpId> = parse_token(query.page_token.as_deref())?;
        let directory = self.service().directory();
        let parties = directory
            .parties()
            .filter(|party| after.as_ref().is_none_or(|after| *after < party.id));
        Ok(cut_page(
            parties,
            limit,
            (|party| party.id.clone(), |party| show_party(party)),
        ))
    }

    pub(crate) fn show_party(&self, id: &str) -> Result<PartyView, Refusal> {
        self.find_party(id).map(|party| show_party(&party))
    }

    /// The party of an id in a path, whatever its status.
    pub(super) fn find_party(&self, id: &str) -> Result<Arc<Party>, Refusal> {
        let id = parse_sp_in_path(id)?;
        self.service()
            .directory()
            .party(&id)
            .cloned()
            .ok_or(Refusal::NoParty)
    }

    pub(crate) async fn add_party(
        &self,
        caller: &Caller,
        new: &NewParty,
    ) -> Result<PartyView, Refusal> {
        let terms = party_terms(new, self.settings.default_limits)?;
        let outcome = self.service().onboard_party(&terms, self.now()).await;
        let outcome = outcome.map_err(Refusal::of_onboarding);
        let party = caller.note("sp.add", terms.id.as_str(), outcome)?;
        Ok(show_party(&party))
    }

    /// Says which AE a party speaks as over oneM2M.
    pub(crate) async fn change_party_ae(
        &self,
        caller: &Caller,
        id: &str,
        new: &NewOneM2mAe,
    ) -> Result<PartyView, Refusal> {
        let id = parse_sp_in_path(id)?;
        let onem2m = party_ae(new)?;
        let outcome = self.service().change_party_ae(&id, onem2m.as_ref()).await;
        let outcome = outcome.map_err(Refusal::of_onboarding);
        let party = caller.note("sp.onem2m", id.as_str(), outcome)?;
        Ok(show_party(&party))
    }

    /// Gives a party one more service.
    pub(crate) async fn add_service(
        &self,
        caller: &Caller,
        id: &str,
        new: &NewService,
    ) -> Result<PartyView, Refusal> {
        let id = parse_sp_in_path(id)?;
        let prefix = party_service(new)?;
        let outcome = self.service().add_service(&id, &prefix, new.vouched).await;
        let outcome = outcome.map_err(Refusal::of_onboarding);
        let what = if new.vouched {
            "sp.service.vouch"
        } else {
            "sp.service"
        };
        let party = caller.note(what, id.as_str(), outcome)?;
        Ok(show_party(&party))
    }

    pub(crate) async fn suspend_party(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<PartyView, Refusal> {
        self.set_status(caller, id, ("sp.suspend", PartyStatus::Suspended))
            .await
            .map(|(v, _)| v)
    }

    pub(crate) async fn resume_party(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<PartyView, Refusal> {
        self.set_status(caller, id, ("sp.resume", PartyStatus::Active))
            .await
            .map(|(v, _)| v)
    }

    /// Off-boards a party: its agreements end, their rows are de-mapped.
    pub(crate) async fn remove_party(
        &self,
        caller: &Caller,
        id: &str,
        confirmation: Confirmation,
    ) -> Result<RemovedParty, Refusal> {
        let party = self.find_party(id)?;
        if !confirmation.confirm {
            let rows = self.count_party_rows(&party.id).await?;
            return caller.note(
                "sp.remove",
                party.id.as_str(),
                Err(Refusal::Unconfirmed { rows }),
            );
        }
        let status = ("sp.remove", PartyStatus::Removed);
        let (sp, ended) = self.set_status(caller, id, status).await?;
        Ok(RemovedParty {
            sp,
            demapped: ended.demapped,
            jobs: ended.jobs.iter().map(|job| show_job(job)).collect(),
        })
    }

    async fn set_status(
        &self,
        caller: &Caller,
        id: &str,
        (verb, status): (&'static str, PartyStatus),
    ) -> Result<(PartyView, EndedRows), Refusal> {
        let id = parse_sp_in_path(id)?;
        let outcome = self
            .service()
            .change_party_status(&id, status, self.now())
            .await;
        let outcome = outcome.map_err(Refusal::of_onboarding);
        let (party, ended) = caller.note(verb, id.as_str(), outcome)?;
        Ok((show_party(&party), ended))
    }

    /// Live rows under the party's agreements, on either side.
    async fn count_party_rows(&self, id: &SpId) -> Result<usize, Refusal> {
        let directory = self.service().directory();
        let mut rows = 0_usize;
        for agreement in directory.agreements() {
            if agreement.iot_sp == *id || agreement.third_party_sp == *id {
                let more = self.service().count_agreement_rows(agreement).await?;
                rows = rows.saturating_add(more);
            }
        }
        Ok(rows)
    }
}
