//! A world to test in: four SPs, a clock that is set, randomness that counts, a limit that is
//! switched.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_core::change::Change;
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::{AgreementId, ConsentId, Origin, SpId};
use ics_core::party::{CertificateRecord, Limits, Party, PartyStatus};
use ics_core::port::{Clock, DirectorySource, Entropy, PortFuture, RateLimited, RateLimiter};
use ics_core::principal::{CertificateSerial, CertificateThumbprint, PeerCertificate, Principal};
use ics_core::service::{ConsentAsk, ConsentOffer};
use ics_core::time::Timestamp;

use crate::{AuthorizationServer, ConsentDesk, NotOffered, Ports, Settings};

pub(crate) const ISSUER: &str = "https://ics.example:8443";
pub(crate) const AUTHORIZE: &str = "https://consent.example/authorize";
pub(crate) const SHOP: &str = "shop";
pub(crate) const VENDOR: &str = "vendor";
pub(crate) const BOTH: &str = "both";
pub(crate) const NO_ROLE: &str = "norole";

const START: i64 = 1_800_000_000_000;

pub(crate) struct World {
    pub(crate) server: Arc<AuthorizationServer>,
    surroundings: Arc<Surroundings>,
}

struct Surroundings {
    now: AtomicI64,
    minted: AtomicU64,
    over_limit: AtomicBool,
    directory: Mutex<Arc<Directory>>,
    taken_back: Mutex<Vec<ConsentId>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_cap(1024)
    }

    pub(crate) fn with_cap(cap: usize) -> Self {
        let parties = [
            party(SHOP, true, false),
            party(VENDOR, false, true),
            party(BOTH, true, true),
            party(NO_ROLE, false, false),
        ];
        let records = parties
            .into_iter()
            .map(|p| DirectoryRecord::Party(Arc::new(p)));
        let surroundings = Arc::new(Surroundings {
            now: AtomicI64::new(START),
            minted: AtomicU64::new(0),
            over_limit: AtomicBool::new(false),
            directory: Mutex::new(Arc::new(Directory::from_records(records))),
            taken_back: Mutex::default(),
        });
        let ports = Ports {
            directory: surroundings.clone(),
            clock: surroundings.clone(),
            entropy: surroundings.clone(),
            rate_limiter: surroundings.clone(),
            desk: surroundings.clone(),
        };
        let mut settings = Settings::new(Origin::parse(ISSUER).unwrap());
        settings.tokens_per_client = cap.try_into().unwrap();
        settings.resource_servers = vec![sp(BOTH)];
        settings.authorization_endpoint = Some(AUTHORIZE.to_owned());
        let server = Arc::new(AuthorizationServer::new(settings, ports).unwrap());
        Self {
            server,
            surroundings,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Clock::now(self.surroundings.as_ref())
    }

    pub(crate) fn advance(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.surroundings.now.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn party(&self, id: &str) -> Arc<Party> {
        self.surroundings.snapshot().party(&sp(id)).unwrap().clone()
    }

    pub(crate) fn taken_back(&self) -> Vec<ConsentId> {
        self.surroundings.taken_back.lock().unwrap().clone()
    }

    pub(crate) fn exceed_limit(&self) {
        self.surroundings.over_limit.store(true, Ordering::SeqCst);
    }

    pub(crate) fn change_party(&self, id: &str, change: impl FnOnce(&mut Party)) {
        self.change_directory(|directory| {
            let mut party = Party::clone(directory.party(&sp(id)).unwrap());
            change(&mut party);
            directory.put(DirectoryRecord::Party(Arc::new(party)));
        });
    }

    pub(crate) fn set_status(&self, id: &str, status: PartyStatus) {
        self.change_party(id, |party| party.status = status);
    }

    pub(crate) fn revoke_certificate(&self, certificate: &PeerCertificate) {
        let record = CertificateRecord {
            serial: certificate.serial.clone(),
            thumbprint: Some(certificate.thumbprint),
            sp: certificate.sp.clone(),
            not_after: certificate.not_after,
            revoked: Some(self.now()),
            version: 2,
        };
        self.change_directory(|d| d.put(DirectoryRecord::Certificate(Arc::new(record))));
    }

    fn change_directory(&self, change: impl FnOnce(&mut Directory)) {
        let mut held = self.surroundings.directory.lock().unwrap();
        let mut next = Directory::clone(&held);
        change(&mut next);
        *held = Arc::new(next);
    }
}

pub(crate) fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

/// Certificate number `n` of an SP; valid for a day.
pub(crate) fn certificate(id: &str, n: u8) -> Arc<PeerCertificate> {
    let mut thumbprint = [n; 32];
    id.bytes()
        .zip(&mut thumbprint)
        .for_each(|(from, to)| *to = from);
    Arc::new(PeerCertificate {
        sp: sp(id),
        thumbprint: CertificateThumbprint(thumbprint),
        serial: CertificateSerial::from_der_integer(&thumbprint),
        issuer: None,
        not_after: Timestamp::from_millis(START).plus(Duration::from_secs(86_400)),
    })
}

fn party(id: &str, third_party_sp: bool, iot_sp: bool) -> Party {
    Party {
        id: sp(id),
        third_party_sp,
        iot_sp,
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: vec![Origin::parse("https://shop.example").unwrap()],
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MIN,
        },
        created: Timestamp::from_millis(START),
        version: 1,
    }
}

/// Whoever asks for a device of `vendor` may ask; nobody else's can be chosen.
impl ConsentDesk for Surroundings {
    fn offer(
        &self,
        client: &Principal,
        ask: &ConsentAsk,
        _: Timestamp,
    ) -> Result<ConsentOffer, NotOffered> {
        let iot_sp = ask.iot_sp.clone().unwrap_or_else(|| sp(VENDOR));
        if iot_sp != sp(VENDOR) {
            return Err(NotOffered::Routing);
        }
        if client.sp != sp(SHOP) && client.sp != sp(BOTH) {
            return Err(NotOffered::Denied("it offers no services"));
        }
        Ok(ConsentOffer {
            third_party_sp: client.sp.clone(),
            iot_sp,
            agreement: AgreementId::from_bytes([7; 16]),
            pairing_required: false,
        })
    }

    fn take_back(&self, id: ConsentId) -> PortFuture<'_, ()> {
        self.taken_back.lock().unwrap().push(id);
        Box::pin(async {})
    }
}

impl Clock for Surroundings {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }
}

impl Entropy for Surroundings {
    fn fill(&self, out: &mut [u8]) {
        let n = self.minted.fetch_add(1, Ordering::SeqCst);
        out.fill(0xa5);
        n.to_be_bytes()
            .into_iter()
            .zip(out)
            .for_each(|(from, to)| *to = from);
    }
}

impl DirectorySource for Surroundings {
    fn snapshot(&self) -> Arc<Directory> {
        self.directory.lock().unwrap().clone()
    }

    fn update(&self, change: &Change) {
        let mut held = self.directory.lock().unwrap();
        let mut next = Directory::clone(&held);
        next.apply(change);
        *held = Arc::new(next);
    }
}

impl RateLimiter for Surroundings {
    fn admit(&self, _party: &Party, _now: Timestamp) -> Result<(), RateLimited> {
        if self.over_limit.load(Ordering::SeqCst) {
            return Err(RateLimited {
                retry_after: Duration::from_millis(1_001),
            });
        }
        Ok(())
    }

    fn charge(&self, _: &Party, _: u32, _: Timestamp) {}

    fn has_failure_quota(&self, _party: &Party, _now: Timestamp) -> bool {
        true
    }

    fn count_failure(&self, _third_party_sp: &SpId, _now: Timestamp) {}
}
