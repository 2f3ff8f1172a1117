use std::num::NonZeroU32;
use std::time::Duration;

use ics_core::device::Channels;
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::{DeviceId, DeviceSerialNumber};
use ics_core::outbox::Addressee;
use ics_core::party::{Limits, Party, PartyStatus, SerialMatcher, SerialNamespace};
use ics_core::port::{
    AuthorityError, DeviceAuthority, DeviceBell, Entropy, IssuedCertificate, OutboxBell, Sealer,
};
use ics_core::procedure::Knobs;
use ics_core::service::{DeviceTerms, IssuedCredential, Manager, NewCredential, Ports};
use ics_policies::{Limiter, PolicySet, PolicySources, Rules};
use ics_store::MemoryStore;
use ics_vault::{Keyring, Vault};

use super::*;
use crate::ambient::{SharedDirectory, SystemClock, SystemEntropy};
use crate::config::DecisionsSection;
use crate::telemetry::decision::{DecisionLog, FILE_NAME};
use crate::telemetry::metrics::Metrics;

/// Rings nobody, certifies nothing.
struct Nobody;

impl OutboxBell for Nobody {
    fn ring(&self, _: &Addressee) {}
}

impl DeviceBell for Nobody {
    fn ring(&self, _: &DeviceId, _: Option<&HostedDevice>) {}
    fn recheck(&self, _: &SpId) {}
}

impl DeviceAuthority for Nobody {
    fn issue_device(
        &self,
        _: (&SpId, &DeviceId),
        _: &str,
        _: Duration,
        _: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        Err(AuthorityError::Unavailable)
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn acme() -> SpId {
    SpId::parse("acme").unwrap()
}

fn party() -> DirectoryRecord {
    DirectoryRecord::Party(Arc::new(Party {
        id: acme(),
        third_party_sp: false,
        iot_sp: true,
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: vec![SerialNamespace {
            vendor: None,
            matcher: SerialMatcher::prefix("LOCK-").unwrap(),
        }],
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MAX,
            failed_mappings_per_day: NonZeroU32::MAX,
        },
        created: NOW,
        version: 1,
    }))
}

/// A service with one IoT SP.
fn service() -> IcsService {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let keyring = Keyring::generate(entropy.as_ref());
    let vault = Vault::new(&keyring, Arc::clone(&entropy)).unwrap();
    let sealer: Arc<dyn Sealer> = Arc::new(vault);
    let nobody = Arc::new(Nobody);
    let ports = Ports {
        store: Arc::new(MemoryStore::in_memory().unwrap()),
        sealer: Arc::clone(&sealer),
        decision_point: Arc::new(Rules::new(
            sealer,
            PolicySet::compile(&PolicySources::default()).unwrap(),
        )),
        directory: Arc::new(SharedDirectory::new(Directory::from_records([party()]))),
        limiter: Arc::new(Limiter::new()),
        entropy,
        bell: Arc::clone(&nobody) as _,
        device_bell: Arc::clone(&nobody) as _,
        device_authority: nobody,
        password_hasher: None,
    };
    IcsService::new(ports, Knobs::default())
}

/// A lock that comes over CoAP, with a pre-shared key.
async fn keyed(service: &IcsService) -> (PskIdentity, PreSharedKey) {
    let terms = DeviceTerms {
        serial: DeviceSerialNumber::parse("LOCK-1").unwrap(),
        vendor: None,
        model: None,
        owner: None,
        channels: Channels::from_iter([Channel::Coap]),
        credentials: vec![NewCredential::PreSharedKey { validity: HOUR }],
    };
    let by = acme();
    let made = service.register_device(Manager::Operator(&by), &terms, NOW);
    match made.await.unwrap().credentials.remove(0) {
        IssuedCredential::PreSharedKey(identity, key) => (identity, key),
        _ => panic!("a key"),
    }
}

/// What `acts` leave in the decision log.
async fn logged(service: &Arc<IcsService>, work: impl AsyncFnOnce(&DeviceActs)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let section = DecisionsSection {
        directory: directory.path().join("decisions"),
        ..DecisionsSection::default()
    };
    let clock = Arc::new(SystemClock::new());
    let (log, writer) = DecisionLog::open(&section, clock.clone()).unwrap();
    let telemetry = Telemetry {
        lines: None,
        decisions: Some(log),
        metrics: Arc::new(Metrics::new()),
        clock,
    };
    let acts = DeviceActs::new(Arc::clone(service), (Channel::Coap, "coap"), telemetry);
    work(&acts).await;
    // All that was said is written when this is over.
    drop(writer);
    std::fs::read_to_string(section.directory.join(FILE_NAME)).unwrap()
}

#[tokio::test]
async fn who_has_a_pre_shared_key_is_named_in_the_decision_log_by_sp_and_pseudonym_alone() {
    let service = Arc::new(service());
    let (identity, key) = keyed(&service).await;
    let pseudonym = service.device_pseudonym(&acme(), &identity.device_id);
    let later = NOW.plus(HOUR);
    let lines = logged(&service, async |acts| {
        let claim = DeviceClaim::PreSharedKey {
            identity: &identity,
        };
        assert!(acts.authenticate(claim, NOW).await.is_ok());
        assert!(acts.authenticate(claim, later).await.is_err());
    })
    .await;
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [allowed, refused] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    for line in [allowed, refused] {
        assert_eq!(line["operation"], "connect");
        assert_eq!(line["device"], pseudonym.as_str());
        let line = line.to_string();
        assert!(line.contains("\"acme\""), "{line}");
        assert!(!line.contains(identity.device_id.as_str()), "{line}");
        assert!(!line.contains(&key.to_shown()), "{line}");
    }
    assert_eq!(allowed["decision"], "allowed");
    assert_eq!(refused["decision"], "denied");
    assert_eq!(refused["cause"], "CREDENTIAL_EXPIRED");
}

#[tokio::test]
async fn a_key_that_is_found_leaves_no_line_and_who_names_none_no_name() {
    let service = Arc::new(service());
    let (identity, key) = keyed(&service).await;
    let nobody = PskIdentity {
        device_id: DeviceId::mint([9; 16]),
        ..identity.clone()
    };
    let later = NOW.plus(HOUR);
    let lines = logged(&service, async |acts| {
        assert_eq!(acts.find_key(&identity, NOW).await.unwrap(), Some(key));
        assert_eq!(acts.find_key(&nobody, NOW).await.unwrap(), None);
        assert_eq!(acts.find_key(&identity, later).await.unwrap(), None);
        let claim = DeviceClaim::PreSharedKey { identity: &nobody };
        assert!(acts.authenticate(claim, NOW).await.is_err());
    })
    .await;
    let causes = ["CREDENTIAL_UNKNOWN", "CREDENTIAL_UNKNOWN", "DEVICE_UNKNOWN"];
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), causes.len(), "{lines:?}");
    for (line, cause) in lines.iter().zip(causes) {
        assert_eq!(
            (&line["operation"], &line["cause"]),
            (&"connect".into(), &cause.into())
        );
        // What a handshake names is nothing before it is whole.
        let has_name = line.get("device").is_some() || line.to_string().contains("acme");
        assert!(!has_name, "{line}");
    }
}

#[test]
fn what_comes_too_fast_is_what_the_channel_takes() {
    let operation = |channel| words_of(channel, RefusedAttempt::TooFast).0.operation;
    assert_eq!(operation(Channel::Coap), "request");
    assert_eq!(operation(Channel::Mqtt), "publish");
}
