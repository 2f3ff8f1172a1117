//! Ports by hand, as small as the handlers need them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_core::change::Change;
use ics_core::consent::ConsentRecord;
use ics_core::correlation::Correlation;
use ics_core::device::HostedDevice;
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::*;
use ics_core::keepsake::{Keepsake, Shelf};
use ics_core::mapping::*;
use ics_core::outbox::*;
use ics_core::party::*;
use ics_core::port::*;
use ics_core::principal::*;
use ics_core::procedure::Knobs;
use ics_core::reference_point::{Role, Scopes};
use ics_core::sealed::*;
use ics_core::service::{IcsService, Ports};
use ics_core::time::Timestamp;
use ics_core::timekeeping::ClockMark;

use crate::{Settings, T8Api};

pub(super) const ROOT: &str = "https://ics.example";

#[derive(Default)]
pub(in crate::driver) struct FakeStore {
    pub(super) rows: Mutex<BTreeMap<MappingId, Mapping>>,
    utis: Mutex<BTreeMap<BlindIndex, UtiRecord>>,
    pub(super) devices: Mutex<BTreeMap<DeviceId, HostedDevice>>,
    pub(super) down: AtomicBool,
    /// While set, commits wait.
    pub(super) held: AtomicBool,
    /// Whether a commit has begun.
    pub(super) begun: AtomicBool,
}

impl FakeStore {
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable)
        } else {
            Ok(())
        }
    }

    fn fits(selection: &Selection, row: &Mapping) -> bool {
        match selection {
            Selection::ThirdPartySp(sp) => row.third_party_sp == *sp,
            Selection::IotSp(sp) => row.iot_sp == *sp && row.is_live(),
            Selection::Device { iot_sp, device_id } => {
                row.iot_sp == *iot_sp && row.device_id() == Some(device_id)
            }
            Selection::Uti {
                third_party_sp,
                uti,
            } => row.third_party_sp == *third_party_sp && row.key.uti == *uti && row.is_live(),
            Selection::Serial { iot_sp, serial } => {
                row.iot_sp == *iot_sp && row.serial_index == *serial && row.is_live()
            }
            Selection::Owner(owner) => row.owner == Some(*owner) && row.is_live(),
            Selection::Service(uri) => row.key.service_uri == *uri && row.is_live(),
            Selection::Due(_) | Selection::All => true,
        }
    }
}

impl Store for FakeStore {
    fn load(&self, id: MappingId) -> PortFuture<'_, Result<Option<Mapping>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            Ok(self.rows.lock().unwrap().get(&id).cloned())
        })
    }

    fn load_live<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Mapping>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            let rows = self.rows.lock().unwrap();
            Ok(rows
                .values()
                .find(|row| row.is_live() && row.key == *key)
                .cloned())
        })
    }

    fn correlate<'a>(
        &'a self,
        key: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Correlation>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            let rows = self.rows.lock().unwrap();
            let mut correlations = rows.values().filter_map(Correlation::of);
            Ok(correlations.find(|found| found.key == *key))
        })
    }

    fn correlations<'a>(
        &'a self,
        (iot_sp, device_id): (&'a SpId, &'a DeviceId),
        after: Option<MappingId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Correlation>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            let rows = self.rows.lock().unwrap();
            let correlations = rows.values().filter_map(Correlation::of);
            let of_device = correlations.filter(|found| {
                found.iot_sp == *iot_sp
                    && found.device_id == *device_id
                    && after.is_none_or(|after| found.mapping > after)
            });
            Ok(of_device.take(limit).collect())
        })
    }

    fn walk<'a>(
        &'a self,
        selection: &'a Selection,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.check()?;
            let rows = self.rows.lock().unwrap();
            let behind = |id: &MappingId| after.is_none_or(|c| id.as_bytes()[..] > c.0[..]);
            let mut fitting = rows
                .values()
                .filter(|row| Self::fits(selection, row) && behind(&row.id));
            let mappings: Vec<_> = fitting.by_ref().take(limit).cloned().collect();
            let more = fitting.next().is_some();
            let last = mappings.last().filter(|_| more);
            let next = last.map(|row| Cursor(row.id.as_bytes().to_vec()));
            Ok(Page { mappings, next })
        })
    }

    fn load_uti_record(
        &self,
        index: BlindIndex,
    ) -> PortFuture<'_, Result<Option<UtiRecord>, StoreError>> {
        Box::pin(async move { Ok(self.utis.lock().unwrap().get(&index).copied()) })
    }

    fn is_device_dead(&self, _: BlindIndex) -> PortFuture<'_, Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }

    fn load_consent(
        &self,
        _: ConsentId,
    ) -> PortFuture<'_, Result<Option<ConsentRecord>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn due_consents(
        &self,
        _: Timestamp,
        _: usize,
    ) -> PortFuture<'_, Result<Vec<ConsentRecord>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn load_clock_mark(&self) -> PortFuture<'_, Result<Option<ClockMark>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn load_device<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            Ok(self.devices.lock().unwrap().get(id).cloned())
        })
    }

    fn load_device_rows<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<DeviceRows>, StoreError>> {
        Box::pin(async move {
            let Some(device) = self.load_device(id).await? else {
                return Ok(None);
            };
            let rows = self.rows.lock().unwrap();
            let named = device.document.rows.iter();
            let rows = named.filter_map(|row| rows.get(row).cloned()).collect();
            Ok(Some(DeviceRows { device, rows }))
        })
    }

    fn find_device<'a>(
        &'a self,
        iot_sp: &'a SpId,
        serial: BlindIndex,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            Ok({
                let devices = self.devices.lock().unwrap();
                let mut own = devices.values().filter(|d| d.due().is_none());
                own.find(|d| d.iot_sp == *iot_sp && d.serial_index == serial)
                    .cloned()
            })
        })
    }

    fn walk_devices<'a>(
        &'a self,
        iot_sp: &'a SpId,
        after: Option<&'a DeviceId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<HostedDevice>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            Ok({
                let devices = self.devices.lock().unwrap();
                let behind = devices.values().filter(|d| Some(&d.id) > after);
                behind
                    .filter(|d| d.iot_sp == *iot_sp)
                    .take(limit)
                    .cloned()
                    .collect()
            })
        })
    }

    fn due_devices(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<HostedDevice>, StoreError>> {
        Box::pin(async move {
            self.check()?;
            Ok({
                let devices = self.devices.lock().unwrap();
                let due = devices
                    .values()
                    .filter(|d| d.due().is_some_and(|due| due <= now));
                due.take(limit).cloned().collect()
            })
        })
    }

    fn load_directory(&self) -> PortFuture<'_, Result<Vec<DirectoryRecord>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn load_entry<'a>(
        &'a self,
        _: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn due_entries<'a>(
        &'a self,
        _: &'a Addressee,
        _: (Option<DuePlace>, Timestamp),
        _: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>> {
        Box::pin(async { Ok(DueEntries::default()) })
    }

    fn walk_outbox<'a>(
        &'a self,
        _: Option<&'a OutboxKey>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn walk_keepsakes<'a>(
        &'a self,
        _: Shelf,
        _: Option<&'a [u8]>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<Keepsake>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn commit(&self, change: Change) -> PortFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            self.check()?;
            self.begun.store(true, Ordering::SeqCst);
            while self.held.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            let mut rows = self.rows.lock().unwrap();
            for row in change
                .mappings()
                .iter()
                .filter_map(|write| write.after.clone())
            {
                rows.insert(row.id, row);
            }
            let mut devices = self.devices.lock().unwrap();
            for write in change.devices() {
                devices.extend(write.after.clone().map(|after| (after.id.clone(), after)));
            }
            let mut utis = self.utis.lock().unwrap();
            for (index, write) in change.uti_records() {
                utis.extend(write.after.map(|after| (*index, after)));
            }
            Ok(())
        })
    }
}

struct PlainSealer;

impl Sealer for PlainSealer {
    fn seal(&self, _: &[u8], value: &[u8]) -> Result<Sealed, SealError> {
        Ok(Sealed::from_bytes(value.to_vec()))
    }

    fn open(&self, _: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        Ok(sealed.as_bytes().to_vec())
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

/// The rules of Y.4462 7.4, shortly.
struct Rules;

impl DecisionPoint for Rules {
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        if !request.party.has_role(request.reference_point.role()) {
            return Err(Denied::Role(request.reference_point.role()));
        }
        match request.operation {
            Operation::RequestMapping {
                service_uri,
                agreement,
                consent,
                ..
            } => {
                if !request.party.owns_service(service_uri) {
                    return Err(Denied::ServiceNotOwned);
                }
                agreement.ok_or(Denied::NoAgreement)?;
                consent.map(|_| ()).ok_or(Denied::ConsentRequired)
            }
            Operation::EstablishMapping { agreement, .. }
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

/// A bearer is its scopes, separated by commas; `all` opens everything.
struct Tokens;

impl Authenticator for Tokens {
    fn authenticate(
        &self,
        peer: &Arc<PeerCertificate>,
        bearer: &str,
        _: Timestamp,
    ) -> Result<Principal, AuthenticationFailure> {
        let scopes = match bearer {
            "all" => Some(Scopes::of_roles([Role::ThirdPartySp, Role::IotSp])),
            text => Scopes::parse(&text.replace(',', " ")),
        };
        Ok(Principal {
            sp: peer.sp.clone(),
            proof: Proof::Certificate(peer.clone()),
            scopes: scopes.ok_or(AuthenticationFailure::InvalidToken)?,
            consent: None,
        })
    }
}

/// Lets `busy` make no request at all.
struct Limits_;

impl RateLimiter for Limits_ {
    fn admit(&self, party: &Party, _: Timestamp) -> Result<(), RateLimited> {
        if party.id.as_str() == "busy" {
            return Err(RateLimited {
                retry_after: Duration::from_millis(1200),
            });
        }
        Ok(())
    }

    fn charge(&self, _: &Party, _: u32, _: Timestamp) {}

    fn has_failure_quota(&self, _: &Party, _: Timestamp) -> bool {
        true
    }

    fn count_failure(&self, _: &SpId, _: Timestamp) {}
}

struct Counter(Mutex<u8>);

impl Entropy for Counter {
    fn fill(&self, out: &mut [u8]) {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        out.fill(0);
        out[out.len() - 1] = *last;
        out[0] = *last;
    }
}

struct Snapshot(Mutex<Directory>);

impl DirectorySource for Snapshot {
    fn snapshot(&self) -> Arc<Directory> {
        Arc::new(self.0.lock().unwrap().clone())
    }

    fn update(&self, change: &Change) {
        self.0.lock().unwrap().apply(change);
    }
}

struct Silent;

impl OutboxBell for Silent {
    fn ring(&self, _: &Addressee) {}
}

impl DeviceBell for Silent {
    fn ring(&self, _: &DeviceId, _: Option<&HostedDevice>) {}

    fn recheck(&self, _: &SpId) {}
}

/// Certifies every request.
struct DeviceCa;

impl DeviceAuthority for DeviceCa {
    fn issue_device(
        &self,
        (sp, id): (&SpId, &DeviceId),
        request_pem: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        Ok(IssuedCertificate {
            pem: format!("{sp} {} {request_pem}", id.as_str()),
            serial: CertificateSerial::from_der_integer(&[1]),
            thumbprint: CertificateThumbprint([1; 32]),
            not_after: now.plus(validity),
        })
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        noon()
    }
}

pub(super) fn noon() -> Timestamp {
    Timestamp::parse("2026-11-21T12:00:00Z").unwrap()
}

fn party(id: &str, third_party_sp: bool, iot_sp: bool) -> DirectoryRecord {
    DirectoryRecord::Party(Arc::new(Party {
        id: SpId::parse(id).unwrap(),
        third_party_sp,
        iot_sp,
        status: PartyStatus::Active,
        services: vec![ServicePrefix::parse(&format!("https://{id}.example/s")).unwrap()],
        claims: Vec::new(),
        serial_namespaces: vec![SerialNamespace {
            vendor: None,
            matcher: SerialMatcher::prefix(&format!("{id}-")).unwrap(),
        }],
        callback_origins: vec![Origin::parse(&format!("https://{id}.example")).unwrap()],
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MIN,
        },
        created: noon(),
        version: 1,
    }))
}

fn agreement(iot_sp: &str, third_party_sp: &str) -> DirectoryRecord {
    DirectoryRecord::Agreement(Arc::new(Agreement {
        id: AgreementId::mint(noon(), [9; 10]),
        iot_sp: SpId::parse(iot_sp).unwrap(),
        third_party_sp: SpId::parse(third_party_sp).unwrap(),
        services: Vec::new(),
        valid_from: noon(),
        valid_until: None,
        consent_mode: ConsentMode::Asserted,
        exposure: Exposure::Raw,
        pairing_required: false,
        ended: None,
        version: 1,
    }))
}

/// `shop` and `shop2` are third party SPs, `acme` and `acme2` IoT SPs, `both` both; `shop` and
/// `acme` agreed.
pub(in crate::driver) fn api() -> (Arc<T8Api>, Arc<FakeStore>) {
    let store = Arc::new(FakeStore::default());
    let directory = Directory::from_records([
        party("shop", true, false),
        party("shop2", true, false),
        party("busy", true, false),
        party("acme", false, true),
        party("acme2", false, true),
        party("both", true, true),
        agreement("acme", "shop"),
    ]);
    let ports = Ports {
        store: store.clone(),
        sealer: Arc::new(PlainSealer),
        decision_point: Arc::new(Rules),
        directory: Arc::new(Snapshot(Mutex::new(directory))),
        limiter: Arc::new(Limits_),
        entropy: Arc::new(Counter(Mutex::new(0))),
        bell: Arc::new(Silent),
        device_bell: Arc::new(Silent),
        device_authority: Arc::new(DeviceCa),
        password_hasher: None,
    };
    let knobs = Knobs {
        failure_floor: Duration::ZERO,
        ..Knobs::default()
    };
    let service = Arc::new(IcsService::new(ports, knobs));
    let settings = Settings {
        api_root: ROOT.into(),
        callback_jwk: Some(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.into()),
        other_documents: Vec::new(),
    };
    let api = T8Api::new(
        service,
        Arc::new(Tokens),
        Arc::new(Limits_),
        Arc::new(Noon),
        settings,
    )
    .unwrap();
    (Arc::new(api), store)
}

pub(in crate::driver) fn peer(sp: &str) -> Arc<PeerCertificate> {
    Arc::new(PeerCertificate {
        sp: SpId::parse(sp).unwrap(),
        thumbprint: CertificateThumbprint([1; 32]),
        serial: CertificateSerial::from_der_integer(&[1]),
        issuer: None,
        not_after: Timestamp::MAX,
    })
}
