//! What stands still while the model moves: two SPs, their agreement, names and times.

use std::sync::Arc;

use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::fence::{Fence, FenceScope};
use ics_core::id::{
    AgreementId, CallbackUri, ConsentId, DeviceId, DeviceSerialNumber, JobId, MappingId,
    ServicePrefix, ServiceUri, SpId, SubscriptionId, Uti,
};
use ics_core::job::{Job, JobOwner, JobStatus};
use ics_core::mapping::{DemappingCause, EndedBy, Features, Mapping, MappingKey};
use ics_core::party::{
    Agreement, ConsentMode, Exposure, Limits, Party, PartyStatus, SerialMatcher, SerialNamespace,
};
use ics_core::port::{AccessRequest, DecisionPoint, Denied, Operation};
use ics_core::principal::{
    CertificateSerial, CertificateThumbprint, PeerCertificate, Principal, Proof,
};
use ics_core::procedure::access::{
    Authorized, EstablishMapping, RequestMapping, RequestedMapping, ShownConsent,
    authorize_establishment, authorize_request,
};
use ics_core::procedure::demapping::Demapping;
use ics_core::procedure::mapping::NewMapping;
use ics_core::procedure::{Knobs, Listeners};
use ics_core::reference_point::{Role, Scopes};
use ics_core::sealed::{BlindIndex, Sealed};
use ics_core::time::Timestamp;

/// When everything happens that is not an expiry.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000_000);
/// When waiting ends, and failures are disclosed long since.
pub(crate) const AT_DEADLINE: Timestamp = Timestamp::from_millis(5_000_000);
/// When a UTI with an expiry ends.
pub(crate) const AT_UTI_EXPIRY: Timestamp = Timestamp::from_millis(6_000_000);

/// The one job there is.
pub(crate) const JOB: JobId = JobId::from_bytes([5; 16]);

/// Both sides take notifications.
pub(crate) const LISTENERS: Listeners = Listeners {
    third_party_sp: true,
    iot_sp: true,
};

/// The fixed part of the model.
pub(crate) struct World {
    pub(crate) directory: Directory,
    /// The same with the fence up.
    fenced: Directory,
    pub(crate) fence: Arc<Fence>,
    pub(crate) job: Arc<Job>,
    pub(crate) knobs: Knobs,
    iot_sp: Principal,
    permissions: Vec<Authorized<RequestMapping>>,
    keys: Vec<MappingKey>,
    uti_expires: bool,
}

/// The rules of 7.4 that matter here: an agreement in force, nothing else.
struct AgreementRule;

impl DecisionPoint for AgreementRule {
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        match request.operation {
            Operation::RequestMapping { agreement, .. }
            | Operation::EstablishMapping { agreement, .. }
            | Operation::Inquire { agreement, .. } => {
                agreement.map(|_| ()).ok_or(Denied::NoAgreement)
            }
            Operation::UseOwn => Ok(()),
        }
    }

    fn disclose(&self, _: &Agreement, device_id: &DeviceId) -> DeviceId {
        device_id.clone()
    }
}

impl World {
    /// Two services of one third party SP, with one UTI or two, towards one device.
    pub(crate) fn new(same_uti: bool, uti_expires: bool) -> Self {
        let keys: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|service| MappingKey {
                service_uri: ServiceUri::parse(&format!("https://s.example/{service}")).unwrap(),
                uti: Uti::parse(&format!(
                    "uti-of-{}-xxxxxxxx",
                    if same_uti { "ab" } else { service }
                ))
                .unwrap(),
            })
            .collect();
        let agreement = AgreementId::from_bytes([7; 16]);
        let directory = directory(agreement);
        let (fence, job) = (fence(&keys[0]), job());
        let mut fenced = directory.clone();
        fenced.put(DirectoryRecord::Fence(fence.clone()));
        let third_party_sp = principal("shop", Role::ThirdPartySp);
        let serial = DeviceSerialNumber::parse("SN-1").unwrap();
        let permissions = keys
            .iter()
            .map(|key| {
                let requested = RequestedMapping {
                    service_uri: &key.service_uri,
                    serial: &serial,
                    vendor: None,
                    model: None,
                    iot_sp: None,
                    consent: ShownConsent::Nothing,
                };
                authorize_request(&AgreementRule, &directory, &third_party_sp, &requested, NOW)
                    .unwrap()
            })
            .collect();
        Self {
            directory,
            fenced,
            fence,
            job,
            knobs: Knobs::default(),
            iot_sp: principal("maker", Role::IotSp),
            permissions,
            keys,
            uti_expires,
        }
    }

    /// The directory as of now.
    pub(crate) const fn directory(&self, fence_up: bool) -> &Directory {
        if fence_up {
            &self.fenced
        } else {
            &self.directory
        }
    }

    /// The proof for a request of a service.
    pub(crate) fn permission(&self, service: usize) -> &Authorized<RequestMapping> {
        &self.permissions[service]
    }

    /// The re-check of step 7.
    pub(crate) fn establishment(
        &self,
        row: &Mapping,
    ) -> Result<Authorized<EstablishMapping>, Denied> {
        authorize_establishment(
            &AgreementRule,
            &self.directory,
            &self.iot_sp,
            (row, None, &device_id(1)),
            NOW,
        )
    }

    /// Service URI and UTI of a service.
    pub(crate) fn key(&self, service: usize) -> &MappingKey {
        &self.keys[service]
    }

    /// What the third party asks for.
    pub(crate) fn new_mapping(&self, service: usize, generation: u8) -> NewMapping {
        NewMapping {
            id: mapping_id(service, generation),
            key: self.keys[service].clone(),
            serial: Sealed::from_bytes(vec![1]),
            serial_index: BlindIndex::from_bytes([1; 32]),
            device_vendor: None,
            device_model: None,
            e2e: None,
            destination: Some(CallbackUri::parse("https://s.example/cb").unwrap()),
            websocket: false,
            subscription: Some(SubscriptionId::from_bytes([9; 16])),
            features: Features::default(),
            uti_expiry: self.uti_expires.then_some(AT_UTI_EXPIRY),
            consent_id: ConsentId::from_bytes([7; 16]),
            deadline: AT_DEADLINE,
            request_test: false,
        }
    }

    /// When the third party may learn of a failure: after the floor, before the deadline.
    pub(crate) fn disclose_at(&self, row: &Mapping) -> Timestamp {
        row.created.plus(self.knobs.failure_floor)
    }
}

/// The id of the `generation`-th row of a service.
pub(crate) fn mapping_id(service: usize, generation: u8) -> MappingId {
    let mut bytes = [0; 16];
    bytes[0] = u8::try_from(service).unwrap();
    bytes[1] = generation;
    MappingId::from_bytes(bytes)
}

/// The service of a row.
pub(crate) fn service_of(mapping: &MappingId) -> usize {
    usize::from(mapping.as_bytes()[0])
}

/// Stands for the keyed hash of (third party SP, UTI).
pub(crate) fn uti_index(key: &MappingKey) -> BlindIndex {
    let mut bytes = [2; 32];
    bytes[..16].copy_from_slice(&key.uti.as_str().as_bytes()[..16]);
    BlindIndex::from_bytes(bytes)
}

/// The device under its first registration, or the one after it was unregistered.
pub(crate) fn device_id(registration: u8) -> DeviceId {
    DeviceId::parse(&format!("d-{registration}")).unwrap()
}

/// Stands for the keyed hash of (IoT SP, device ID).
pub(crate) fn device_index(registration: u8) -> BlindIndex {
    BlindIndex::from_bytes([registration; 32])
}

/// The third party withdraws all rows of the first service's UTI, in bulk.
fn fence(key: &MappingKey) -> Arc<Fence> {
    Arc::new(Fence {
        job: JOB,
        scope: FenceScope::Uti {
            third_party_sp: SpId::parse("shop").unwrap(),
            uti: key.uti.clone(),
        },
        demapping: Demapping {
            cause: DemappingCause::UserAuthorizationWithdrawn,
            sub_cause: None,
            by: EndedBy::Party(Role::ThirdPartySp),
        },
        at: NOW,
    })
}

fn job() -> Arc<Job> {
    Arc::new(Job {
        id: JOB,
        owner: JobOwner::Operator,
        status: JobStatus::Running,
        total: 2,
        done: 0,
        failed: 0,
        cursor: None,
        created: NOW,
        finished: None,
        version: 1,
    })
}

fn principal(sp: &str, role: Role) -> Principal {
    let sp = SpId::parse(sp).unwrap();
    Principal {
        sp: sp.clone(),
        proof: Proof::Certificate(Arc::new(PeerCertificate {
            sp,
            thumbprint: CertificateThumbprint([0; 32]),
            serial: CertificateSerial::from_der_integer(&[1]),
            issuer: None,
            not_after: Timestamp::MAX,
        })),
        scopes: Scopes::of_roles([role]),
        consent: None,
    }
}

fn directory(agreement: AgreementId) -> Directory {
    let party = |id: &str, iot_sp: bool| {
        DirectoryRecord::Party(Arc::new(Party {
            id: SpId::parse(id).unwrap(),
            third_party_sp: !iot_sp,
            iot_sp,
            status: PartyStatus::Active,
            services: (!iot_sp)
                .then(|| ServicePrefix::parse("https://s.example/").unwrap())
                .into_iter()
                .collect(),
            claims: Vec::new(),
            serial_namespaces: iot_sp
                .then(|| SerialNamespace {
                    vendor: None,
                    matcher: SerialMatcher::prefix("SN-").unwrap(),
                })
                .into_iter()
                .collect(),
            callback_origins: Vec::new(),
            token_endpoint: None,
            onem2m: None,
            presence: None,
            limits: Limits {
                requests_per_second: 1.try_into().unwrap(),
                failed_mappings_per_day: 1.try_into().unwrap(),
            },
            created: NOW,
            version: 1,
        }))
    };
    Directory::from_records([
        party("shop", false),
        party("maker", true),
        DirectoryRecord::Agreement(Arc::new(Agreement {
            id: agreement,
            iot_sp: SpId::parse("maker").unwrap(),
            third_party_sp: SpId::parse("shop").unwrap(),
            services: Vec::new(),
            valid_from: NOW,
            valid_until: None,
            consent_mode: ConsentMode::IotSpConfirm,
            exposure: Exposure::Raw,
            pairing_required: false,
            ended: None,
            version: 1,
        })),
    ])
}
