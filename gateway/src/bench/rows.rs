//! Fills a store with established rows, through the very procedures that make them in service,
//! many decisions to a transaction.

use std::sync::Arc;
use std::time::Duration;

use ics_core::change::Change;
use ics_core::id::{ConsentId, DeviceId, DeviceSerialNumber, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::{Attribute, Consent, Features, Mapping, MappingKey, UtiRecord};
use ics_core::party::Agreement;
use ics_core::port::{DecisionPoint, Sealer, Store};
use ics_core::principal::{
    CertificateSerial, CertificateThumbprint, PeerCertificate, Principal, Proof,
};
use ics_core::procedure::access::{
    Authorized, EstablishMapping, RequestMapping, RequestedMapping, ShownConsent,
    authorize_establishment, authorize_request,
};
use ics_core::procedure::assignment::{Answer, AnswerOutcome, decide_answer};
use ics_core::procedure::demapping::RowFacts;
use ics_core::procedure::mapping::{
    NewMapping, Pairing, RequestFacts, RequestOutcome, decide_request,
};
use ics_core::procedure::{Knobs, Listeners};
use ics_core::reference_point::{Role, Scopes};
use ics_core::sealed::{BlindIndex, BlindIndexDomain};
use ics_core::service::IcsService;
use ics_core::time::Timestamp;
use indicatif::ProgressBar;

use super::BenchError;

/// How many rows one transaction takes.
const BATCH: usize = 2_000;

/// Nobody is told of these rows.
const SILENT: Listeners = Listeners {
    third_party_sp: false,
    iot_sp: false,
};

/// The key of row `n`: as long as real ones are.
pub(super) fn key_of(n: usize) -> (String, String) {
    let service = format!("https://shop.example/services/s{}", n % 97);
    (service, uuid_of(n))
}

/// The device ID of row `n`.
pub(super) fn device_of(n: usize) -> String {
    uuid_of(n.wrapping_add(1 << 40))
}

/// A UUID of version 4, as most UTIs and device IDs are.
fn uuid_of(n: usize) -> String {
    let (high, low) = (mix(n), mix(n.wrapping_add(1 << 50)));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

/// Spreads numbers over 64 bits, so that neighbours in time are not neighbours in an index.
fn mix(n: usize) -> u64 {
    let mut x = (n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What rows are made with.
pub(super) struct RowMaker {
    /// Where they go.
    pub(super) store: Arc<dyn Store>,
    /// Who seals them.
    pub(super) sealer: Arc<dyn Sealer>,
    /// Who permits them.
    pub(super) decision_point: Arc<dyn DecisionPoint>,
    /// The directory they stand on.
    pub(super) service: Arc<IcsService>,
    /// The agreement they stand on.
    pub(super) agreement: Arc<Agreement>,
}

impl RowMaker {
    /// Makes rows `0..rows`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn fill(
        &self,
        rows: usize,
        now: Timestamp,
        progress: &ProgressBar,
    ) -> Result<(), BenchError> {
        let request = self.permission(now)?;
        let mut from = 0;
        while from < rows {
            let to = from.saturating_add(BATCH).min(rows);
            let mut created = Vec::with_capacity(BATCH);
            let mut change = Change::default();
            for n in from..to {
                let (mapping, more) = self.create(&request, n, now)?;
                created.push((n, mapping));
                change = change.join(more);
            }
            self.store.commit(change).await?;
            let mut change = Change::default();
            for (n, mapping) in created {
                change = change.join(self.establish(&mapping, n, now)?);
            }
            self.store.commit(change).await?;
            progress.inc((to - from) as u64);
            from = to;
        }
        Ok(())
    }

    /// The changes that requests for rows `from..from + count` come to.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn requests(
        &self,
        from: usize,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<Change>, BenchError> {
        let permission = self.permission(now)?;
        (from..from.saturating_add(count))
            .map(|n| self.create(&permission, n, now).map(|(_, change)| change))
            .collect()
    }

    fn permission(&self, now: Timestamp) -> Result<Authorized<RequestMapping>, BenchError> {
        let (service_uri, _) = key_of(0);
        let service_uri = ServiceUri::parse(&service_uri)?;
        let serial = DeviceSerialNumber::parse("ACME-BENCH")?;
        let consent = consent(now)?;
        let requested = RequestedMapping {
            service_uri: &service_uri,
            serial: &serial,
            vendor: None,
            model: None,
            iot_sp: Some(&self.agreement.iot_sp),
            consent: ShownConsent::Asserted(&consent),
        };
        let principal = principal(&self.agreement.third_party_sp, now);
        let directory = self.service.directory();
        authorize_request(
            self.decision_point.as_ref(),
            &directory,
            &principal,
            &requested,
            now,
        )
        .map_err(|error| BenchError::Rows(error.to_string()))
    }

    fn create(
        &self,
        permission: &Authorized<RequestMapping>,
        n: usize,
        now: Timestamp,
    ) -> Result<(Mapping, Change), BenchError> {
        let (service_uri, uti) = key_of(n);
        let key = MappingKey {
            service_uri: ServiceUri::parse(&service_uri)?,
            uti: Uti::parse(&uti)?,
        };
        let mut random = [0; 10];
        random.copy_from_slice(mix(n).to_be_bytes().repeat(2).get(..10).unwrap_or(&[0; 10]));
        let id = MappingId::mint(now, random);
        let serial = format!("ACME-BENCH-{n}");
        let new = NewMapping {
            id,
            serial: self.sealer.seal(id.as_bytes(), serial.as_bytes())?,
            serial_index: self
                .sealer
                .blind_index(BlindIndexDomain::Serial, &[serial.as_bytes()]),
            key,
            device_vendor: None,
            device_model: None,
            e2e: None,
            destination: None,
            websocket: false,
            subscription: None,
            features: Features::default(),
            uti_expiry: None,
            consent_id: ConsentId::mint(now, random),
            deadline: now.plus(Duration::from_secs(3600)),
            request_test: false,
        };
        let facts = RequestFacts {
            live: None,
            uti_index: self.uti_index(&uti),
            uti: None,
            listeners: SILENT,
            hosted: None,
            hosted_owner: None,
            pairing: Pairing::NotShown,
            disclose_at: now,
        };
        match decide_request(permission, &new, &facts, self.service.knobs(), now) {
            Ok(RequestOutcome::Created { mapping, change }) => Ok((mapping, *change)),
            _ => Err(BenchError::Rows(format!("row {n} could not be made"))),
        }
    }

    fn establish(&self, row: &Mapping, n: usize, now: Timestamp) -> Result<Change, BenchError> {
        let device = device_of(n);
        let parts = [self.agreement.iot_sp.as_str().as_bytes(), device.as_bytes()];
        let device_id = DeviceId::parse(&device)?;
        let permission = self.establishment((row, &device_id), now)?;
        let answer = Answer::Accepted {
            device_index: self.sealer.blind_index(BlindIndexDomain::Device, &parts),
            device_id,
            device_dead: false,
            owner: None,
            consent: None,
        };
        let facts = RowFacts {
            listeners: SILENT,
            uti_index: self.uti_index(row.key.uti.as_str()),
            uti: Some(UtiRecord {
                serial: Some(row.serial_index),
                live: 1,
                ..UtiRecord::default()
            }),
            push: None,
        };
        let knobs: &Knobs = self.service.knobs();
        match decide_answer(
            row,
            answer,
            (Ok(permission), &facts),
            (knobs, now),
            (now, now),
        ) {
            Ok(AnswerOutcome::Settled { change, .. }) => Ok(change),
            _ => Err(BenchError::Rows(format!(
                "row {n} could not be established"
            ))),
        }
    }

    fn establishment(
        &self,
        (row, device): (&Mapping, &DeviceId),
        now: Timestamp,
    ) -> Result<Authorized<EstablishMapping>, BenchError> {
        let principal = principal(&self.agreement.iot_sp, now);
        let directory = self.service.directory();
        authorize_establishment(
            self.decision_point.as_ref(),
            &directory,
            &principal,
            (row, None, device),
            now,
        )
        .map_err(|error| BenchError::Rows(error.to_string()))
    }

    fn uti_index(&self, uti: &str) -> BlindIndex {
        let parts = [
            self.agreement.third_party_sp.as_str().as_bytes(),
            uti.as_bytes(),
        ];
        self.sealer.blind_index(BlindIndexDomain::UtiRecord, &parts)
    }
}

fn consent(now: Timestamp) -> Result<Consent, BenchError> {
    Ok(Consent {
        id: Attribute::parse("c-81")?,
        purpose: Attribute::parse("dpv:RequestedServiceProvision")?,
        subject: None,
        granted_at: now,
        expires: None,
    })
}

/// A principal as the listener would make one for `sp`.
pub(super) fn principal(sp: &SpId, now: Timestamp) -> Principal {
    let certificate = PeerCertificate {
        sp: sp.clone(),
        thumbprint: CertificateThumbprint([0; 32]),
        serial: CertificateSerial::from_der_integer(&[1]),
        issuer: None,
        not_after: now.plus(Duration::from_secs(3600)),
    };
    Principal {
        sp: sp.clone(),
        proof: Proof::Certificate(Arc::new(certificate)),
        scopes: Scopes::of_roles([Role::ThirdPartySp, Role::IotSp]),
        consent: None,
    }
}
