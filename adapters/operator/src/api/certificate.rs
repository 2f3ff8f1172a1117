//! Certificates of service providers (Y.4462 10.4, Y61-63): issued, listed, revoked.

use std::sync::Arc;
use std::time::Duration;

use ics_core::id::SpId;
use ics_core::party::{CertificateRecord, PartyStatus};
use ics_core::port::PortFuture;
use ics_core::principal::{CertificateSerial, CertificateThumbprint};
use ics_core::service::Failure;
use ics_core::time::Timestamp;

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{cut_page, parse_limit, parse_token};
use crate::translate::{
    CertificateName, certificate_name, certificate_validity, invitation_lifetime, show_certificate,
    show_issued,
};
use crate::wire::{
    CertificateOrder, CertificateView, InvitationOrder, InvitationView, IssuedView, Page,
    PageQuery, Revocation,
};

/// Enrolment, as far as operators have a hand in it.
pub trait Invitations: Send + Sync {
    /// A code for that service provider, good once, for so long; the one before it is good for nothing any more.
    ///
    /// # Errors
    /// [`Failure`].
    fn invite<'a>(
        &'a self,
        sp: &'a SpId,
        lifetime: Duration,
    ) -> PortFuture<'a, Result<InvitationView, Failure>>;
}

impl OperatorApi {
    /// Lets a service provider enrol, once.
    pub(crate) async fn invite(
        &self,
        caller: &Caller,
        sp: &str,
        order: &InvitationOrder,
    ) -> Result<InvitationView, Refusal> {
        let invitations = self.ports.invitations.as_deref();
        let invitations = invitations.ok_or(Refusal::NoEnrolment)?;
        let lifetime = invitation_lifetime(order.valid_hours)?;
        let party = self.find_party(sp)?;
        let outcome = if party.status == PartyStatus::Removed {
            Err(Refusal::PartyRemoved)
        } else {
            let invited = invitations.invite(&party.id, lifetime).await;
            invited.map_err(Refusal::Failure)
        };
        caller.note("sp.invite", party.id.as_str(), outcome)
    }

    pub(crate) fn list_certificates(
        &self,
        sp: &str,
        query: &PageQuery,
    ) -> Result<Page<CertificateView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let after: Option<CertificateSerial> = parse_token(query.page_token.as_deref())?;
        let party = self.find_party(sp)?;
        let now = self.now();
        let directory = self.service().directory();
        let certificates = directory
            .certificates()
            .filter(|c| c.sp == party.id)
            .filter(|c| after.as_ref().is_none_or(|after| *after < c.serial));
        Ok(cut_page(
            certificates,
            limit,
            (|c| c.serial.clone(), |c| show_certificate(c, now)),
        ))
    }

    pub(crate) async fn issue_certificate(
        &self,
        caller: &Caller,
        sp: &str,
        order: &CertificateOrder,
    ) -> Result<IssuedView, Refusal> {
        let default = self.settings.certificate_validity;
        let validity = certificate_validity(order.validity_days, default)?;
        let party = self.find_party(sp)?;
        let outcome = if party.status == PartyStatus::Removed {
            Err(Refusal::PartyRemoved)
        } else {
            let now = self.now();
            let issued = self
                .ports
                .authority
                .issue(&party.id, &order.csr, validity, now);
            issued.map_err(Refusal::Authority)
        };
        let outcome = match outcome {
            // On record before it is given out: what cannot be revoked is not issued.
            Ok(issued) => {
                let record = CertificateRecord {
                    serial: issued.serial.clone(),
                    thumbprint: Some(issued.thumbprint),
                    sp: party.id.clone(),
                    not_after: issued.not_after,
                    revoked: None,
                    version: 0,
                };
                self.record(&record).await.map(|_| issued)
            }
            Err(refusal) => Err(refusal),
        };
        let issued = caller.note("certificate.issue", party.id.as_str(), outcome)?;
        Ok(show_issued(&issued))
    }

    /// Revokes a certificate: from the next request on, on open connections too.
    pub(crate) async fn revoke_certificate(
        &self,
        caller: &Caller,
        revocation: &Revocation,
    ) -> Result<CertificateView, Refusal> {
        let name = certificate_name(revocation)?;
        let now = self.now();
        let found = match name {
            CertificateName::Serial(serial, sp) => self.named_by_serial(&serial, sp),
            CertificateName::Fingerprint(thumbprint) => self.named_by_fingerprint(thumbprint),
            CertificateName::Pem(pem) => self.named_by_itself(pem),
        };
        let sp = found
            .as_ref()
            .map_or_else(|_| String::new(), |record| record.sp.to_string());
        let outcome = match found {
            Ok(record) => {
                self.record(&CertificateRecord {
                    revoked: Some(now),
                    ..record
                })
                .await
            }
            Err(refusal) => Err(refusal),
        };
        let record = caller.note("certificate.revoke", &sp, outcome)?;
        Ok(show_certificate(&record, now))
    }

    async fn record(&self, record: &CertificateRecord) -> Result<Arc<CertificateRecord>, Refusal> {
        let outcome = self.service().record_certificate(record).await;
        outcome.map_err(Refusal::of_onboarding)
    }

    fn named_by_serial(
        &self,
        serial: &CertificateSerial,
        sp: Option<SpId>,
    ) -> Result<CertificateRecord, Refusal> {
        let known = self.known(serial);
        match (known, sp) {
            (Some(known), None) => Ok(CertificateRecord::clone(&known)),
            (Some(known), Some(sp)) if known.sp == sp => Ok(CertificateRecord::clone(&known)),
            // The number is on record for somebody else: revoking it would hit them.
            (Some(known), Some(_)) => Err(Refusal::SerialTaken(known.sp.clone())),
            // Issued elsewhere and not seen here: the number is all there is.
            (None, Some(sp)) => self.known_party(&sp).map(|()| CertificateRecord {
                serial: serial.clone(),
                thumbprint: None,
                sp,
                not_after: Timestamp::MAX,
                revoked: None,
                version: 0,
            }),
            (None, None) => Err(Refusal::NoCertificateKnown),
        }
    }

    fn named_by_fingerprint(
        &self,
        thumbprint: CertificateThumbprint,
    ) -> Result<CertificateRecord, Refusal> {
        let directory = self.service().directory();
        let known = directory
            .certificates()
            .find(|c| c.thumbprint == Some(thumbprint));
        known
            .map(|known| CertificateRecord::clone(known))
            .ok_or(Refusal::NoCertificateKnown)
    }

    fn named_by_itself(&self, pem: &str) -> Result<CertificateRecord, Refusal> {
        let (sp, seen) = self
            .ports
            .authority
            .inspect(pem)
            .map_err(Refusal::Authority)?;
        self.known_party(&sp)?;
        // Another authority may have used the number too; the record must not change its owner.
        if let Some(known) = self.known(&seen.serial) {
            let same = known.sp == sp && known.thumbprint.is_none_or(|t| t == seen.thumbprint);
            if !same {
                return Err(Refusal::SerialTaken(known.sp.clone()));
            }
        }
        Ok(CertificateRecord {
            serial: seen.serial,
            thumbprint: Some(seen.thumbprint),
            sp,
            not_after: seen.not_after,
            revoked: None,
            version: 0,
        })
    }

    fn known(&self, serial: &CertificateSerial) -> Option<Arc<CertificateRecord>> {
        self.service().directory().certificate(serial).cloned()
    }

    fn known_party(&self, sp: &SpId) -> Result<(), Refusal> {
        self.service()
            .directory()
            .party(sp)
            .map(drop)
            .ok_or(Refusal::NoParty)
    }
}
