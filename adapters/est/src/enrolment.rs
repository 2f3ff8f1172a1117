//! What is asked of EST, and who asks.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ics_core::directory::Directory;
use ics_core::id::SpId;
use ics_core::party::{CertificateRecord, PartyStatus};
use ics_core::port::{
    AuthorityError, CertificateAuthority, Clock, Entropy, IssuedCertificate, Revoked,
    SignatureVerifier,
};
use ics_core::principal::{PeerCertificate, Principal, Proof};
use ics_core::service::{Failure, IcsService};
use ics_core::time::Timestamp;

use crate::attempts::Attempts;
use crate::invitation::{Invitation, Invitations, InviteError};
use crate::message::{read_chain, read_request, write_certificates};
use crate::refusal::Refusal;

/// What enrolment stands on.
pub struct Ports {
    /// The service.
    pub service: Arc<IcsService>,
    /// Issues what is asked for.
    pub authority: Arc<dyn CertificateAuthority>,
    /// Hashes codes.
    pub verifier: Arc<dyn SignatureVerifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// What enrolment is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a certificate holds.
    pub validity: Duration,
    /// Whom service providers are to believe, PEM: what `cacerts` tells.
    pub anchors: String,
}

/// Why enrolment is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is nobody to believe.
    #[error("the authority's file holds no certificate, or one that is cut off")]
    NoAnchor,
    /// The service failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// EST of one authority.
pub struct Enrolment {
    ports: Ports,
    validity: Duration,
    anchors: String,
    invitations: Invitations,
    attempts: Mutex<Attempts>,
    /// One code at a time is turned into a certificate.
    turn: tokio::sync::Mutex<()>,
    list: Mutex<Option<List>>,
}

/// How long a list of revoked certificates holds, and how long one is told again.
const LIST_HOLDS: Duration = Duration::from_secs(24 * 3600);
const LIST_KEPT: Duration = Duration::from_secs(3600);

/// A list of revoked certificates, and what it was made of.
struct List {
    directory: Arc<Directory>,
    made: Timestamp,
    der: Vec<u8>,
}

/// A certificate, and whose.
pub(crate) struct Enrolled {
    pub(crate) body: String,
    pub(crate) principal: Principal,
}

impl Enrolment {
    /// With the invitations that stand.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: Settings, ports: Ports) -> Result<Self, OpenError> {
        let (service, verifier) = (Arc::clone(&ports.service), Arc::clone(&ports.verifier));
        let invitations = Invitations::open(service, verifier).await?;
        let anchors = read_chain(&settings.anchors).filter(|anchors| !anchors.is_empty());
        let anchors = anchors.ok_or(OpenError::NoAnchor)?;
        Ok(Self {
            ports,
            validity: settings.validity,
            anchors: write_certificates(&anchors),
            invitations,
            attempts: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            list: Mutex::default(),
        })
    }

    /// A code with which that service provider gets its first certificate, once; the one before it is good
    /// for nothing any more.
    ///
    /// # Errors
    /// [`InviteError`].
    pub async fn invite(&self, sp: &SpId, lifetime: Duration) -> Result<Invitation, InviteError> {
        let _turn = self.turn.lock().await;
        let now = self.ports.clock.now();
        let terms = (self.ports.entropy.as_ref(), lifetime);
        self.invitations.invite(sp, terms, now).await
    }

    /// Whom to believe (RFC 7030 4.1): the body of `cacerts`.
    pub(crate) fn anchors(&self) -> &str {
        &self.anchors
    }

    /// The certificates of this authority that were revoked before they ended (RFC 5280 5), DER. Made anew when one
    /// was revoked since, and after an hour.
    pub(crate) fn revoked(&self) -> Result<Vec<u8>, Refusal> {
        let now = self.ports.clock.now();
        let directory = self.ports.service.directory();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = list.as_ref()
            && Arc::ptr_eq(&list.directory, &directory)
            && now < list.made.plus(LIST_KEPT)
            && list.made <= now
        {
            return Ok(list.der.clone());
        }
        let known = directory
            .certificates()
            .filter(|known| now < known.not_after);
        let revoked = known.filter_map(|known| {
            let time = known.revoked?;
            let serial = &known.serial;
            Some(Revoked { serial, time })
        });
        let revoked: Vec<_> = revoked.collect();
        let signed = self
            .ports
            .authority
            .list_revoked(&revoked, (now, now.plus(LIST_HOLDS)));
        let der = signed.map_err(Refusal::Request)?;
        *list = Some(List {
            directory: Arc::clone(&directory),
            made: now,
            der: der.clone(),
        });
        Ok(der)
    }

    /// The first certificate, for a code (RFC 7030 4.2.1).
    pub(crate) async fn enrol(
        &self,
        (sp, code): (&str, &str),
        address: IpAddr,
        body: &[u8],
    ) -> Result<Enrolled, Refusal> {
        let now = self.ports.clock.now();
        self.check_pace(address, now)?;
        let request = read_request(body).ok_or(Refusal::NotBase64)?;
        let _turn = self.turn.lock().await;
        let sp = self.invitations.is_good((sp, code), now);
        let sp = sp.ok_or(Refusal::WrongCode)?;
        let directory = self.ports.service.directory();
        let party = directory.party(&sp);
        if party.is_none_or(|party| party.status != PartyStatus::Active) {
            return Err(Refusal::NotServed);
        }
        let issued = self.issue(&sp, &request, now).await?;
        self.invitations
            .use_up(&sp)
            .await
            .map_err(Refusal::Failed)?;
        self.enrolled(sp.clone(), Proof::Invitation(sp), &issued)
    }

    /// The next certificate, for the one of the connection (RFC 7030 4.2.2).
    pub(crate) async fn renew(
        &self,
        peer: &Arc<PeerCertificate>,
        body: &[u8],
    ) -> Result<Enrolled, Refusal> {
        let now = self.ports.clock.now();
        let admitted = self.ports.service.directory().admit(peer, now).map(drop);
        admitted.map_err(|_| Refusal::NotAdmitted)?;
        let request = read_request(body).ok_or(Refusal::NotBase64)?;
        let issued = self.issue(&peer.sp, &request, now).await?;
        let proof = Proof::Certificate(Arc::clone(peer));
        self.enrolled(peer.sp.clone(), proof, &issued)
    }

    /// On record before it is given out: what cannot be revoked is not issued.
    async fn issue(
        &self,
        sp: &SpId,
        request: &str,
        now: Timestamp,
    ) -> Result<IssuedCertificate, Refusal> {
        let authority = &self.ports.authority;
        let issued = authority.issue(sp, request, self.validity, now);
        let issued = issued.map_err(Refusal::Request)?;
        let record = CertificateRecord {
            serial: issued.serial.clone(),
            thumbprint: Some(issued.thumbprint),
            sp: sp.clone(),
            not_after: issued.not_after,
            revoked: None,
            version: 0,
        };
        let recorded = self.ports.service.record_certificate(&record).await;
        recorded.map_err(|error| Refusal::of_onboarding(&error))?;
        Ok(issued)
    }

    fn enrolled(
        &self,
        sp: SpId,
        proof: Proof,
        issued: &IssuedCertificate,
    ) -> Result<Enrolled, Refusal> {
        let unreadable = Refusal::Request(AuthorityError::Unavailable);
        let mut chain = read_chain(&issued.pem).ok_or(unreadable)?;
        // RFC 7030 4.2.3: the certificate alone; who signed it is told by `cacerts`.
        chain.truncate(1);
        let directory = self.ports.service.directory();
        let scopes = directory.party(&sp).map(|party| party.scopes());
        Ok(Enrolled {
            body: write_certificates(&chain),
            principal: Principal {
                sp,
                proof,
                scopes: scopes.unwrap_or_default(),
                consent: None,
            },
        })
    }

    fn check_pace(&self, address: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_within = attempts.take(address, now);
        is_within.then_some(()).ok_or(Refusal::TooFast)
    }
}
