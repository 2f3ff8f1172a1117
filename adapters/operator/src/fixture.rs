//! A world to test in: a store in memory that can be switched off, an authority that counts, a
//! clock that stands, and rows put there by hand.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_core::change::{Change, Write as ChangeWrite};
use ics_core::correlation::Correlation;
use ics_core::device::HostedDevice;
use ics_core::directory::{Directory, DirectoryKey, DirectoryRecord};
use ics_core::id::{AgreementId, DeviceId, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::{Dispatch, Features, Mapping, MappingKey, State, UtiRecord};
use ics_core::outbox::{Addressee, DeadReason, Message, OutboxEntry, OutboxKey, Subject};
use ics_core::party::{Agreement, Limits, Party};
use ics_core::port::{
    AccessRequest, AuthorityError, CertificateAuthority, Clock, ClockReport, ClockWatch,
    CommitError, Cursor, DecisionPoint, Denied, DeviceAuthority, DeviceBell, DirectorySource,
    DueEntries, DuePlace, Entropy, IssuedCertificate, OutboxBell, Page, PortFuture, RateLimited,
    RateLimiter, SealError, Sealer, Selection, Store, StoreError,
};
use ics_core::principal::{CertificateSerial, CertificateThumbprint, OperatorCertificate};
use ics_core::procedure::Knobs;
use ics_core::reference_point::Role;
use ics_core::sealed::{BlindIndex, BlindIndexDomain, Sealed};
use ics_core::service::{self, IcsService};
use ics_core::time::Timestamp;
use ics_core::timekeeping::{ClockMark, ClockStanding};

use crate::api::{
    Archive, ArchiveError, Caller, DecisionLogReport, Extract, Observation, OperatorApi, Ports,
    Settings, StatusSource, StoreCounts, StoreReport,
};

/// What must never be seen outside.
pub(crate) const SERIAL: &[u8] = b"SERIAL-NUMBER-4711";
pub(crate) const SERVICE: &str = "https://shop.example/eggs";
pub(crate) const UTI: &str = "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
pub(crate) const DEVICE: &str = "d-5f0c77aab1e24f06";

pub(crate) struct World {
    pub(crate) api: Arc<OperatorApi>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) bell: Arc<FakeBell>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (store, bell) = (
            Arc::new(FakeStore::default()),
            Arc::new(FakeBell::default()),
        );
        let surroundings = Arc::new(Surroundings::default());
        let ports = service::Ports {
            store: store.clone(),
            sealer: surroundings.clone(),
            decision_point: surroundings.clone(),
            directory: surroundings.clone(),
            limiter: surroundings.clone(),
            entropy: surroundings.clone(),
            bell: bell.clone(),
            device_bell: bell.clone(),
            device_authority: surroundings.clone(),
        };
        let ports = Ports {
            service: Arc::new(IcsService::new(ports, Knobs::default())),
            authority: surroundings.clone(),
            clock: surroundings.clone(),
            clocks: surroundings,
            status: store.clone(),
            observation: store.clone(),
            archive: store.clone(),
        };
        let settings = Settings {
            version: "1.2.3",
            started: at(-3600),
            default_limits: Limits {
                requests_per_second: NonZeroU32::new(100).unwrap(),
                failed_mappings_per_day: NonZeroU32::new(1000).unwrap(),
            },
            certificate_validity: Duration::from_secs(7 * 86_400),
        };
        Self {
            api: Arc::new(OperatorApi::new(ports, settings)),
            store,
            bell,
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        self.api.admit(Some(&operator())).unwrap()
    }
}

/// The time it is, and instants around it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
}

pub(crate) fn operator() -> OperatorCertificate {
    OperatorCertificate {
        name: SpId::parse("cli").unwrap(),
        thumbprint: CertificateThumbprint([1; 32]),
        not_after: at(60),
    }
}

pub(crate) fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

/// Row number `n` of shop and vendor under `agreement`, established.
pub(crate) fn established(n: u8, agreement: &str) -> Mapping {
    let device_id = DeviceId::parse(DEVICE).unwrap();
    Mapping {
        hosted: None,
        id: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("{SERVICE}/{n}")).unwrap(),
            uti: Uti::parse(UTI).unwrap(),
        },
        third_party_sp: sp("shop"),
        iot_sp: sp("vendor"),
        agreement: AgreementId::parse(agreement).unwrap(),
        consent: None,
        serial_index: BlindIndex::from_bytes([n; 32]),
        device_vendor: None,
        device_model: None,
        e2e: None,
        destination: None,
        websocket: false,
        subscription: None,
        features: Features(0),
        uti_expiry: None,
        state: State::Established {
            device_id,
            since: at(-10),
        },
        created: at(-20),
        updated: at(-10),
        sequence: 2,
        version: 2,
    }
}

pub(crate) fn pending(n: u8, agreement: &str) -> Mapping {
    Mapping {
        state: State::Pending {
            serial: Sealed::from_bytes(SERIAL.to_vec()),
            deadline: at(3600),
            dispatch: Dispatch::Dispatching,
        },
        ..established(n, agreement)
    }
}

/// The notification of row `n` to shop.
pub(crate) fn notification(n: u8, dead: Option<DeadReason>) -> OutboxEntry {
    let addressee = Addressee {
        role: Role::ThirdPartySp,
        sp: sp("shop"),
    };
    OutboxEntry {
        key: OutboxKey {
            addressee,
            subject: Subject::Mapping(MappingId::from_bytes([n; 16])),
            sequence: 2,
        },
        message: Message::Test,
        mapping_key: None,
        event_time: at(-10),
        deadline: at(-5),
        attempts: 3,
        next_attempt: at(-6),
        dead,
    }
}

#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) mappings: Mutex<BTreeMap<MappingId, Mapping>>,
    pub(crate) outbox: Mutex<BTreeMap<OutboxKey, OutboxEntry>>,
    uti_records: Mutex<BTreeMap<BlindIndex, UtiRecord>>,
    directory: Mutex<BTreeMap<DirectoryKey, DirectoryRecord>>,
    pub(crate) devices: Mutex<BTreeMap<DeviceId, HostedDevice>>,
    pub(crate) is_off: AtomicBool,
    /// Damage was met: what is counted and what is written out cannot be read to its end.
    pub(crate) is_damaged: AtomicBool,
    pub(crate) decision_log_fails: AtomicBool,
    /// What is written out goes on until this is false.
    pub(crate) is_endless: AtomicBool,
}

impl FakeStore {
    pub(crate) fn put(&self, row: Mapping) {
        self.mappings.lock().unwrap().insert(row.id, row);
    }

    pub(crate) fn tell(&self, entry: OutboxEntry) {
        self.outbox.lock().unwrap().insert(entry.key.clone(), entry);
    }

    fn answer<T: Send + 'static>(
        &self,
        value: impl FnOnce() -> T,
    ) -> PortFuture<'_, Result<T, StoreError>> {
        let off = self.is_off.load(Ordering::SeqCst);
        let answer = if off {
            Err(StoreError::Unavailable)
        } else {
            Ok(value())
        };
        Box::pin(async move { answer })
    }
}

fn is_in(row: &Mapping, selection: &Selection) -> bool {
    match selection {
        Selection::All => true,
        Selection::ThirdPartySp(sp) => row.third_party_sp == *sp,
        Selection::IotSp(sp) => row.iot_sp == *sp && row.is_live(),
        other => panic!("not walked here: {other:?}"),
    }
}

fn write<K: Ord, V: Clone>(map: &mut BTreeMap<K, V>, key: K, write: &ChangeWrite<V>) {
    match &write.after {
        Some(after) => map.insert(key, after.clone()),
        None => map.remove(&key),
    };
}

impl Store for FakeStore {
    fn load(&self, id: MappingId) -> PortFuture<'_, Result<Option<Mapping>, StoreError>> {
        self.answer(|| self.mappings.lock().unwrap().get(&id).cloned())
    }

    fn load_live<'a>(
        &'a self,
        _: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Mapping>, StoreError>> {
        self.answer(|| None)
    }

    fn correlate<'a>(
        &'a self,
        _: &'a MappingKey,
    ) -> PortFuture<'a, Result<Option<Correlation>, StoreError>> {
        self.answer(|| None)
    }

    fn correlations<'a>(
        &'a self,
        _: (&'a SpId, &'a DeviceId),
        _: Option<MappingId>,
        _: usize,
    ) -> PortFuture<'a, Result<Vec<Correlation>, StoreError>> {
        self.answer(Vec::new)
    }

    fn walk<'a>(
        &'a self,
        selection: &'a Selection,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> PortFuture<'a, Result<Page, StoreError>> {
        self.answer(|| {
            let after = after.map(|Cursor(bytes)| bytes.clone());
            let rows = self.mappings.lock().unwrap();
            let mut rest: Vec<Mapping> = rows
                .values()
                .filter(|row| is_in(row, selection))
                .filter(|row| after.as_ref().is_none_or(|a| row.id.as_bytes()[..] > a[..]))
                .cloned()
                .collect();
            let more = rest.len() > limit;
            rest.truncate(limit);
            let last = rest.last().map(|row| Cursor(row.id.as_bytes().to_vec()));
            Page {
                mappings: rest,
                next: last.filter(|_| more),
            }
        })
    }

    fn load_uti_record(
        &self,
        index: BlindIndex,
    ) -> PortFuture<'_, Result<Option<UtiRecord>, StoreError>> {
        self.answer(|| self.uti_records.lock().unwrap().get(&index).copied())
    }

    fn is_device_dead(&self, _: BlindIndex) -> PortFuture<'_, Result<bool, StoreError>> {
        self.answer(|| false)
    }

    fn load_clock_mark(&self) -> PortFuture<'_, Result<Option<ClockMark>, StoreError>> {
        self.answer(|| None)
    }

    fn load_device<'a>(
        &'a self,
        id: &'a DeviceId,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        self.answer(|| self.devices.lock().unwrap().get(id).cloned())
    }

    fn find_device<'a>(
        &'a self,
        iot_sp: &'a SpId,
        serial: BlindIndex,
    ) -> PortFuture<'a, Result<Option<HostedDevice>, StoreError>> {
        self.answer(move || {
            let devices = self.devices.lock().unwrap();
            let mut own = devices.values().filter(|d| d.due().is_none());
            own.find(|d| d.iot_sp == *iot_sp && d.serial_index == serial)
                .cloned()
        })
    }

    fn walk_devices<'a>(
        &'a self,
        iot_sp: &'a SpId,
        after: Option<&'a DeviceId>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<HostedDevice>, StoreError>> {
        self.answer(move || {
            let devices = self.devices.lock().unwrap();
            let behind = devices.values().filter(|d| Some(&d.id) > after);
            behind
                .filter(|d| d.iot_sp == *iot_sp)
                .take(limit)
                .cloned()
                .collect()
        })
    }

    fn due_devices(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<HostedDevice>, StoreError>> {
        self.answer(move || {
            let devices = self.devices.lock().unwrap();
            let due = devices
                .values()
                .filter(|d| d.due().is_some_and(|due| due <= now));
            due.take(limit).cloned().collect()
        })
    }

    fn load_directory(&self) -> PortFuture<'_, Result<Vec<DirectoryRecord>, StoreError>> {
        self.answer(|| self.directory.lock().unwrap().values().cloned().collect())
    }

    fn load_entry<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, StoreError>> {
        self.answer(|| self.outbox.lock().unwrap().get(key).cloned())
    }

    fn due_entries<'a>(
        &'a self,
        _: &'a Addressee,
        _: (Option<DuePlace>, Timestamp),
        _: usize,
    ) -> PortFuture<'a, Result<DueEntries, StoreError>> {
        self.answer(DueEntries::default)
    }

    fn walk_outbox<'a>(
        &'a self,
        after: Option<&'a OutboxKey>,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<OutboxEntry>, StoreError>> {
        self.answer(|| {
            let outbox = self.outbox.lock().unwrap();
            let rest = outbox
                .iter()
                .filter(|(key, _)| after.is_none_or(|after| *key > after));
            rest.map(|(_, entry)| entry.clone()).take(limit).collect()
        })
    }

    fn commit(&self, change: Change) -> PortFuture<'_, Result<(), CommitError>> {
        let written = self.answer(|| {
            for row in change.mappings() {
                let id = row.after.as_ref().or(row.before.as_ref()).unwrap().id;
                write(&mut self.mappings.lock().unwrap(), id, row);
            }
            for entry in change.outbox() {
                let key = entry
                    .after
                    .as_ref()
                    .or(entry.before.as_ref())
                    .unwrap()
                    .key
                    .clone();
                write(&mut self.outbox.lock().unwrap(), key, entry);
            }
            for (index, record) in change.uti_records() {
                write(&mut self.uti_records.lock().unwrap(), *index, record);
            }
            for device in change.devices() {
                let named = device.after.as_ref().or(device.before.as_ref());
                let id = named.unwrap().id.clone();
                write(&mut self.devices.lock().unwrap(), id, device);
            }
            for (key, record) in change.directory() {
                write(&mut self.directory.lock().unwrap(), key.clone(), record);
            }
        });
        Box::pin(async move { written.await.map_err(CommitError::Store) })
    }
}

/// Rows as they come, a line each, and what was asked of it at its end.
impl Archive for FakeStore {
    fn count(&self, _: Extract) -> Result<u64, StoreError> {
        if self.is_off.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable);
        }
        Ok(self.mappings.lock().unwrap().len() as u64)
    }

    fn write(
        &self,
        extract: Extract,
        now: Timestamp,
        out: &mut dyn Write,
    ) -> Result<(), ArchiveError> {
        let gone = |error: std::io::Error| ArchiveError::CutOff(error.into());
        while self.is_endless.load(Ordering::SeqCst) {
            out.write_all(&[b'x'; 64 << 10]).map_err(gone)?;
        }
        if self.is_damaged.load(Ordering::SeqCst) {
            out.write_all(b"half a record").map_err(gone)?;
            return Err(ArchiveError::Damaged("a page is zero".into()));
        }
        // Not under the lock: `out` takes its time.
        let ids: Vec<_> = self.mappings.lock().unwrap().keys().copied().collect();
        for id in ids {
            writeln!(out, "{id}").map_err(gone)?;
            if self.is_off.load(Ordering::SeqCst) {
                return Err(ArchiveError::CutOff("switched off".into()));
            }
        }
        writeln!(out, "{extract:?} {now}").map_err(gone)
    }
}

impl Observation for FakeStore {
    fn metrics(&self) -> PortFuture<'_, Result<String, StoreError>> {
        self.answer(|| "# EOF\n".to_owned())
    }

    fn decision_log(&self) -> DecisionLogReport {
        DecisionLogReport {
            failing: self.decision_log_fails.load(Ordering::SeqCst),
            refuses: true,
            lost: 0,
            taken_away: 0,
        }
    }

    fn store(&self) -> StoreReport {
        StoreReport {
            failing: false,
            damaged: self.is_damaged.load(Ordering::SeqCst),
        }
    }
}

impl StatusSource for FakeStore {
    fn counts(&self) -> PortFuture<'_, Result<Option<StoreCounts>, StoreError>> {
        if self.is_damaged.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Inconsistent) });
        }
        self.answer(|| {
            let rows = self.mappings.lock().unwrap();
            let count = |wanted: fn(&&Mapping) -> bool| rows.values().filter(wanted).count() as u64;
            Some(StoreCounts {
                mappings: rows.len() as u64,
                live: count(|row| row.is_live()),
                established: count(|row| row.device_id().is_some()),
                outbox: self.outbox.lock().unwrap().len() as u64,
            })
        })
    }
}

#[derive(Default)]
pub(crate) struct FakeBell(pub(crate) AtomicUsize);

impl OutboxBell for FakeBell {
    fn ring(&self, _: &Addressee) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl DeviceBell for FakeBell {
    fn ring(&self, _: &DeviceId, _: Option<&HostedDevice>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn recheck(&self, _: &SpId) {}
}

/// Everything else the service asks for.
#[derive(Default)]
struct Surroundings {
    directory: Mutex<Arc<Directory>>,
    issued: AtomicU8,
    drawn: AtomicU8,
    clock_accepted: AtomicBool,
}

impl Clock for Surroundings {
    fn now(&self) -> Timestamp {
        at(0)
    }

    // Another instant, so that a test sees which of both was asked for.
    fn latest(&self) -> Timestamp {
        at(60)
    }
}

impl ClockWatch for Surroundings {
    fn report(&self) -> ClockReport {
        let behind = Duration::from_secs(7200);
        let accepted = self.clock_accepted.load(Ordering::SeqCst);
        ClockReport {
            now: at(0),
            wall: if accepted { at(0) } else { at(-7200) },
            standing: if accepted {
                ClockStanding::Trusted
            } else {
                ClockStanding::Behind(behind)
            },
        }
    }

    fn accept(&self) -> PortFuture<'_, Result<ClockReport, StoreError>> {
        self.clock_accepted.store(true, Ordering::SeqCst);
        Box::pin(async { Ok(self.report()) })
    }
}

impl Entropy for Surroundings {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.drawn.fetch_add(1, Ordering::SeqCst));
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

impl Sealer for Surroundings {
    fn seal(&self, _: &[u8], value: &[u8]) -> Result<Sealed, SealError> {
        Ok(Sealed::from_bytes(value.into()))
    }

    fn open(&self, _: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        Ok(sealed.as_bytes().into())
    }

    fn blind_index(&self, domain: BlindIndexDomain, parts: &[&[u8]]) -> BlindIndex {
        let mut hash = [0; 32];
        let bytes = parts
            .iter()
            .copied()
            .flatten()
            .chain(domain.label().as_bytes());
        for (n, byte) in bytes.enumerate() {
            hash[n % 32] ^= byte
                .wrapping_add(1)
                .rotate_left(u32::try_from(n / 32).unwrap());
        }
        BlindIndex::from_bytes(hash)
    }
}

impl DecisionPoint for Surroundings {
    fn decide(&self, _: &AccessRequest<'_>) -> Result<(), Denied> {
        Ok(())
    }

    fn disclose(&self, _: &Agreement, device_id: &DeviceId) -> DeviceId {
        device_id.clone()
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

/// Takes `CSR` as a request; a "certificate" is `<sp> <serial byte> <thumbprint byte>`.
impl DeviceAuthority for Surroundings {
    fn issue_device(
        &self,
        (sp, _): (&SpId, &DeviceId),
        request_pem: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        self.issue(sp, request_pem, validity, now)
    }
}

impl CertificateAuthority for Surroundings {
    fn issue(
        &self,
        sp: &SpId,
        request_pem: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        match request_pem {
            "CSR" => {}
            "RSA-1024" => return Err(AuthorityError::KeyNotAllowed),
            _ => return Err(AuthorityError::BadRequest),
        }
        let n = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(IssuedCertificate {
            pem: format!("{sp} {n} {n}"),
            serial: CertificateSerial::from_der_integer(&[n]),
            thumbprint: CertificateThumbprint([n; 32]),
            not_after: now.plus(validity),
        })
    }

    fn inspect(&self, certificate_pem: &str) -> Result<(SpId, IssuedCertificate), AuthorityError> {
        let mut parts = certificate_pem.split(' ');
        let mut next = || parts.next().ok_or(AuthorityError::BadRequest);
        let sp = SpId::parse(next()?).map_err(|_| AuthorityError::BadRequest)?;
        let mut byte = || {
            next()?
                .parse::<u8>()
                .map_err(|_| AuthorityError::BadRequest)
        };
        let (serial, thumbprint) = (byte()?, byte()?);
        let certificate = IssuedCertificate {
            pem: certificate_pem.into(),
            serial: CertificateSerial::from_der_integer(&[serial]),
            thumbprint: CertificateThumbprint([thumbprint; 32]),
            not_after: at(86_400),
        };
        Ok((sp, certificate))
    }
}
