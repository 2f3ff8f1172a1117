//! The service over a store in memory, with two IoT SPs, one third party SP, and time by hand.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_core::change::Change;
use ics_core::device::{Channel, Channels};
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::*;
use ics_core::mapping::{Attribute, Consent, Features, Mapping, MappingKey};
use ics_core::outbox::{Addressee, OutboxEntry};
use ics_core::party::*;
use ics_core::port::*;
use ics_core::principal::*;
use ics_core::procedure::Knobs;
use ics_core::reference_point::{Role, Scopes};
use ics_core::sealed::*;
use ics_core::service::*;
use ics_core::time::Timestamp;
use ics_store::MemoryStore;

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The version of the empty document of a device that is registered now.
pub(crate) const REGISTERED: u64 = 1_700_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

pub(crate) struct World {
    pub(crate) service: Arc<IcsService>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) rung: Arc<Rung>,
    surroundings: Arc<Surroundings>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// Who was rung for, and in which version.
#[derive(Default)]
pub(crate) struct Rung(pub(crate) Mutex<Vec<(DeviceId, Option<u64>)>>);

impl DeviceBell for Rung {
    fn ring(&self, id: &DeviceId, device: Option<&ics_core::device::HostedDevice>) {
        let version = device.map(|device| device.document.version);
        self.0.lock().unwrap().push((id.clone(), version));
    }

    fn recheck(&self, _: &SpId) {}
}

/// Everything else the service asks for.
#[derive(Default)]
struct Surroundings {
    directory: Mutex<Arc<Directory>>,
    drawn: Mutex<u64>,
    meanwhile: Mutex<Option<Meanwhile>>,
    stretched: AtomicUsize,
}

impl Surroundings {
    fn do_meanwhile(&self) {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        let work = meanwhile.map(std::thread::spawn);
        work.into_iter().for_each(|work| work.join().unwrap());
    }
}

impl Sealer for Surroundings {
    fn seal(&self, context: &[u8], value: &[u8]) -> Result<Sealed, SealError> {
        let masked = value.iter().map(|byte| byte ^ 0x5a);
        let mut sealed = context.to_vec();
        sealed.extend(masked);
        Ok(Sealed::from_bytes(sealed))
    }

    fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let masked = sealed.as_bytes().strip_prefix(context);
        let masked = masked.ok_or(SealError::DoesNotOpen)?;
        Ok(masked.iter().map(|byte| byte ^ 0x5a).collect())
    }

    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (domain.label(), parts).hash(&mut hasher);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
        BlindIndex::from_bytes(bytes)
    }
}

impl DecisionPoint for Surroundings {
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let point = request.reference_point;
        if !request.party.has_role(point.role())
            || *request.principal.proof.sp() != request.party.id
        {
            return Err(Denied::Role(point.role()));
        }
        if !request.principal.scopes.contains(point) {
            return Err(Denied::Scope(point));
        }
        match request.operation {
            Operation::RequestMapping {
                agreement, consent, ..
            } => {
                let agreement = agreement.ok_or(Denied::NoAgreement)?;
                let is_due = agreement.consent_mode == ConsentMode::AuthCode;
                if is_due && consent.is_none() {
                    return Err(Denied::ConsentRequired);
                }
                Ok(())
            }
            Operation::EstablishMapping { agreement, .. }
            | Operation::Inquire { agreement, .. } => {
                agreement.map(|_| ()).ok_or(Denied::NoAgreement)
            }
            Operation::UseOwn => {
                self.do_meanwhile();
                Ok(())
            }
        }
    }

    fn disclose(&self, _: &Agreement, device_id: &DeviceId) -> DeviceId {
        device_id.clone()
    }
}

impl DirectorySource for Surroundings {
    fn snapshot(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.lock().unwrap())
    }

    fn update(&self, change: &Change) {
        let mut directory = self.directory.lock().unwrap();
        Arc::make_mut(&mut directory).apply(change);
    }
}

impl RateLimiter for Surroundings {
    fn admit(&self, _: &Party, _: Timestamp) -> Result<(), RateLimited> {
        Ok(())
    }

    fn charge(&self, _: &Party, _: u32, _: Timestamp) {}

    fn has_failure_quota(&self, _: &Party, _: Timestamp) -> bool {
        true
    }

    fn count_failure(&self, _: &SpId, _: Timestamp) {}
}

impl Entropy for Surroundings {
    fn fill(&self, out: &mut [u8]) {
        // The jitter of a failure: drawn once all is read that a request is decided on.
        if out.len() == 4 {
            self.do_meanwhile();
        }
        let mut drawn = self.drawn.lock().unwrap();
        for byte in out {
            *drawn = drawn
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = drawn.to_be_bytes()[0];
        }
    }
}

impl OutboxBell for Surroundings {
    fn ring(&self, _: &Addressee) {}
}

impl DeviceAuthority for Surroundings {
    fn issue_device(
        &self,
        (sp, id): (&SpId, &DeviceId),
        request: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        Ok(IssuedCertificate {
            pem: format!("{sp} {} {request}", id.as_str()),
            serial: CertificateSerial::from_der_integer(&[1]),
            thumbprint: CertificateThumbprint([9; 32]),
            not_after: now.plus(validity),
        })
    }
}

pub(crate) fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

fn party(id: &str, iot_sp: bool) -> DirectoryRecord {
    DirectoryRecord::Party(Arc::new(Party {
        id: sp(id),
        third_party_sp: !iot_sp,
        iot_sp,
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: vec![SerialNamespace {
            vendor: None,
            matcher: SerialMatcher::prefix("LOCK-").unwrap(),
        }],
        callback_origins: vec![Origin::parse("https://shop.example").unwrap()],
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MIN,
        },
        created: NOW,
        version: 1,
    }))
}

fn agreement(iot_sp: &str, consent_mode: ConsentMode, n: u8) -> DirectoryRecord {
    DirectoryRecord::Agreement(Arc::new(Agreement {
        id: AgreementId::from_bytes([n; 16]),
        iot_sp: sp(iot_sp),
        third_party_sp: sp("shop"),
        services: Vec::new(),
        valid_from: NOW,
        valid_until: None,
        consent_mode,
        exposure: Exposure::Raw,
        pairing_required: iot_sp == "pairer",
        ended: None,
        version: 1,
    }))
}

/// An acceptance that says no more than it must.
pub(crate) const fn accepted(device_id: DeviceId) -> AnswerInput {
    AnswerInput::Accepted {
        device_id,
        owner: None,
        consent: None,
    }
}

pub(crate) fn principal(id: &str) -> Principal {
    Principal {
        sp: sp(id),
        proof: Proof::Certificate(Arc::new(PeerCertificate {
            sp: sp(id),
            thumbprint: CertificateThumbprint([0; 32]),
            serial: CertificateSerial::from_der_integer(&[1]),
            issuer: None,
            not_after: NOW.plus(DAY),
        })),
        scopes: Scopes::of_roles([Role::ThirdPartySp, Role::IotSp]),
        consent: None,
    }
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn records() -> [DirectoryRecord; 9] {
    [
        party("shop", false),
        party("acme", true),
        party("asker", true),
        party("pairer", true),
        party("homes", true),
        agreement("acme", ConsentMode::Asserted, 1),
        agreement("asker", ConsentMode::IotSpConfirm, 2),
        agreement("pairer", ConsentMode::Asserted, 3),
        agreement("homes", ConsentMode::AuthCode, 4),
    ]
}

/// Not Argon2id, but counted.
impl PasswordHasher for Surroundings {
    fn hash<'a>(
        &'a self,
        password: &'a str,
        mut salt: [u8; 32],
    ) -> PortFuture<'a, Result<[u8; 32], HasherUnavailable>> {
        self.stretched.fetch_add(1, Ordering::SeqCst);
        for byte in password.bytes() {
            salt.rotate_left(1);
            if let Some(first) = salt.first_mut() {
                *first = first.wrapping_mul(31) ^ byte;
            }
        }
        Box::pin(async move { Ok(salt) })
    }
}

impl World {
    /// How many passwords were stretched.
    pub(crate) fn stretched(&self) -> usize {
        self.surroundings.stretched.load(Ordering::SeqCst)
    }

    /// `acme` agreed with `shop`; so did `asker`, which confirms each mapping first, `pairer`, whose
    /// agreement takes a pairing code, and `homes`, whose users are asked by the gateway.
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemoryStore::in_memory().unwrap());
        let change = records().iter().fold(Change::default(), |change, record| {
            let write = ics_core::change::Write {
                before: None,
                after: Some(record.clone()),
            };
            change.with_record(record.key(), write)
        });
        run(store.commit(change)).unwrap();
        Self::over(store, Knobs::default())
    }

    /// The service started anew over what is stored, with these knobs; failures are told at once.
    pub(crate) fn over(store: Arc<MemoryStore>, knobs: Knobs) -> Self {
        let surroundings = Arc::new(Surroundings {
            directory: Mutex::new(Arc::new(Directory::from_records(records()))),
            drawn: Mutex::new(7),
            meanwhile: Mutex::default(),
            stretched: AtomicUsize::new(0),
        });
        let rung = Arc::new(Rung::default());
        let ports = Ports {
            store: store.clone(),
            sealer: surroundings.clone(),
            decision_point: surroundings.clone(),
            directory: surroundings.clone(),
            limiter: surroundings.clone(),
            entropy: surroundings.clone(),
            bell: surroundings.clone(),
            device_bell: rung.clone(),
            device_authority: surroundings.clone(),
            password_hasher: Some(surroundings.clone()),
        };
        let knobs = Knobs {
            failure_floor: Duration::ZERO,
            ..knobs
        };
        Self {
            service: Arc::new(IcsService::new(ports, knobs)),
            store,
            rung,
            surroundings,
        }
    }

    /// Does `work` once the next request for a mapping has read what it is decided on, before it is
    /// committed; or once the next other request was admitted.
    pub(crate) fn meanwhile(&self, work: impl FnOnce() + Send + 'static) {
        *self.surroundings.meanwhile.lock().unwrap() = Some(Box::new(work));
    }

    /// Registers a lock of `iot_sp`; answers its identity, as a channel would make it.
    pub(crate) fn register(&self, iot_sp: &str, serial: &str) -> Arc<DeviceIdentity> {
        self.register_for(iot_sp, serial, None)
    }

    /// The same, for that user.
    pub(crate) fn register_for(
        &self,
        iot_sp: &str,
        serial: &str,
        owner: Option<&str>,
    ) -> Arc<DeviceIdentity> {
        let terms = DeviceTerms {
            serial: DeviceSerialNumber::parse(serial).unwrap(),
            vendor: None,
            model: None,
            owner: owner.map(|owner| Attribute::parse(owner).unwrap()),
            channels: Channels::from_iter([Channel::Mqtt]),
            credentials: vec![NewCredential::Password {
                chosen: None,
                validity: DAY,
            }],
        };
        let by = principal(iot_sp);
        let registered = run(self
            .service
            .register_device(Manager::Party(&by), &terms, NOW))
        .unwrap();
        let [IssuedCredential::Password(_, password)] = registered.credentials.as_slice() else {
            panic!("one password");
        };
        self.log_in(&registered.device.id, password).unwrap()
    }

    pub(crate) fn log_in(
        &self,
        device_id: &DeviceId,
        password: &str,
    ) -> Result<Arc<DeviceIdentity>, DeviceRefusal> {
        let claim = DeviceClaim::Password {
            device_id,
            password,
        };
        run(self.service.authenticate_device(claim, Channel::Mqtt, NOW))
    }

    /// A mapping request of `shop` for service `n` and the lock.
    pub(crate) fn request(&self, iot_sp: &str, serial: &str, n: usize) -> Mapping {
        self.request_with((iot_sp, serial), n, None).unwrap().0
    }

    /// The same, with a pairing code; and whether it is a new row.
    pub(crate) fn request_with(
        &self,
        of: (&str, &str),
        n: usize,
        pairing_code: Option<PairingCode>,
    ) -> Result<(Mapping, bool), RequestError> {
        let uti = format!("uti-of-the-lock-at-service-{n}");
        self.request_under((of, &uti), n, pairing_code)
    }

    /// The same, for a UTI of that name.
    pub(crate) fn request_under(
        &self,
        of: ((&str, &str), &str),
        n: usize,
        pairing_code: Option<PairingCode>,
    ) -> Result<(Mapping, bool), RequestError> {
        let request = MappingRequest {
            pairing_code,
            ..mapping_request(of, n)
        };
        self.request_as(&request)
    }

    pub(crate) fn request_as(
        &self,
        request: &MappingRequest,
    ) -> Result<(Mapping, bool), RequestError> {
        let shop = principal("shop");
        run(self.service.request_mapping(&shop, request, NOW))
    }

    /// From now on, that party speaks as an AE.
    pub(crate) fn give_ae(&self, id: &str) {
        let ae = AeId::parse(&format!("/id-in/C{id}")).unwrap();
        self.set_ae(id, Some(OneM2mAe { ae, key: None }));
    }

    /// From now on, it does not.
    pub(crate) fn take_ae(&self, id: &str) {
        self.set_ae(id, None);
    }

    fn set_ae(&self, id: &str, onem2m: Option<OneM2mAe>) {
        let mut directory = self.surroundings.directory.lock().unwrap();
        let party = directory.party(&sp(id)).unwrap();
        let party = Party {
            onem2m,
            ..Party::clone(party)
        };
        Arc::make_mut(&mut directory).put(DirectoryRecord::Party(Arc::new(party)));
    }

    pub(crate) fn row(&self, id: MappingId) -> Mapping {
        run(self.store.load(id)).unwrap().unwrap()
    }

    /// What waits to be told to `role`, in the order of the outbox.
    pub(crate) fn told(&self, role: Role) -> Vec<OutboxEntry> {
        let all = run(self.store.walk_outbox(None, 100)).unwrap();
        all.into_iter()
            .filter(|entry| entry.key.addressee.role == role)
            .collect()
    }
}

/// A request of `shop` for service `n`.
pub(crate) fn mapping_request(
    ((iot_sp, serial), uti): ((&str, &str), &str),
    n: usize,
) -> MappingRequest {
    let attribute = |text| Attribute::parse(text).unwrap();
    MappingRequest {
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("https://shop.example/s{n}")).unwrap(),
            uti: Uti::parse(uti).unwrap(),
        },
        serial: DeviceSerialNumber::parse(serial).unwrap(),
        device_vendor: None,
        device_model: None,
        iot_sp: Some(sp(iot_sp)),
        validity: None,
        consent: Some(Consent {
            id: attribute("c-1"),
            purpose: attribute("dpv:RequestedServiceProvision"),
            subject: None,
            granted_at: NOW,
            expires: None,
        }),
        destination: Some(CallbackUri::parse("https://shop.example/cb").unwrap()),
        websocket: false,
        features: Features::default(),
        uti_expiry: None,
        e2e: Some(vec![0, 159, 146, 150]),
        pairing_code: None,
        request_test: false,
    }
}
