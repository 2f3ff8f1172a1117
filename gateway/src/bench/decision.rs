//! What a decision costs: policies asked, and an answer that is known; against one keyed hash, which
//! every inquiry pays several of.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ics_core::correlation::Correlation;
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::id::{AgreementId, DeviceId, MappingId, ServicePrefix, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::party::{Agreement, ConsentMode, Exposure, Limits, Party, PartyStatus};
use ics_core::port::Sealer;
use ics_core::principal::Principal;
use ics_core::procedure::access::authorize_inquiry;
use ics_core::reference_point::ReferencePoint;
use ics_core::sealed::BlindIndexDomain;
use ics_core::time::Timestamp;
use ics_policies::{PolicySet, PolicySources, Rules};
use ics_vault::{Keyring, Vault};

use super::figures::{Figure, Report};
use super::rows::{device_of, principal};
use super::{BenchError, Options};
use crate::ambient::SystemEntropy;

/// How many policies an operator has who has many.
const MANY: usize = 200;

/// Asks the shipped policies alone, then those with 200 of an operator: first of devices never
/// asked for, with a policy that looks at the device ID, then of what is known.
pub(super) fn measure(options: Options, report: Report) -> Result<(), BenchError> {
    report.begin(
        "Decisions: in this process, on one core; the yardstick is a keyed hash (us)",
        ["decision", "hash"],
    );
    let entropy = Arc::new(SystemEntropy::default());
    let keyring = Keyring::generate(&*entropy);
    let sealer: Arc<dyn Sealer> = Arc::new(
        Vault::new(&keyring, entropy).map_err(|error| BenchError::Rows(error.to_string()))?,
    );
    let inquiry = Inquiry::new()?;
    for (name, policies, by_device) in [
        ("decision.shipped.asked", 0, true),
        ("decision.shipped.known", 0, false),
        ("decision.policies-200.asked", MANY, true),
        ("decision.policies-200.known", MANY, false),
    ] {
        let sources = PolicySources {
            policies: own(policies, by_device),
            ..PolicySources::default()
        };
        let set = PolicySet::compile(&sources).map_err(|e| BenchError::Rows(e.to_string()))?;
        let rules = Rules::new(Arc::clone(&sealer), set);
        let mut n = 0_usize;
        let decision = median(options, || {
            n = n.wrapping_add(1);
            let device = if by_device {
                device_of(n)
            } else {
                device_of(0)
            };
            inquiry.ask(&rules, &device)
        })?;
        let hash = median(options, || {
            n = n.wrapping_add(1);
            let device = device_of(n);
            black_box(sealer.blind_index(BlindIndexDomain::Device, &[device.as_bytes()]));
            Ok(())
        })?;
        report.tell(&Figure {
            name: name.to_owned(),
            unit: "us",
            value: decision,
            yardstick: Some(hash),
            ratio: Some(decision / hash),
            rows: policies,
        });
    }
    Ok(())
}

/// Policies of an operator, none of which has anything to say here. One that looks at the device ID
/// makes every device a question of its own.
fn own(policies: usize, by_device: bool) -> Vec<(String, String)> {
    let mut text = String::new();
    for n in 0..policies {
        text.push_str(&format!(
            "forbid (principal == ServiceProvider::\"sp{n}\", action, resource)\n\
             when {{ context has service && context.service.uri like \"https://sp{n}.example/*\" }};\n"
        ));
    }
    if by_device {
        text.push_str(
            "forbid (principal, action == Action::\"inquire\", resource)\n\
             when { context.device has deviceId && context.device.deviceId == \"none\" };\n",
        );
    }
    vec![("bench.cedar".to_owned(), text)]
}

/// An inquiry that is permitted.
struct Inquiry {
    directory: Directory,
    principal: Principal,
    correlation: Correlation,
    now: Timestamp,
}

impl Inquiry {
    fn new() -> Result<Self, BenchError> {
        let now = Timestamp::from_millis(1_795_262_400_000);
        let (shop, vendor) = (SpId::parse("shop")?, SpId::parse("vendor")?);
        let services = vec![ServicePrefix::parse("https://shop.example/services")?];
        let party = |id: &SpId, is_iot: bool, services: Vec<ServicePrefix>| {
            DirectoryRecord::Party(Arc::new(Party {
                id: id.clone(),
                third_party_sp: !is_iot,
                iot_sp: is_iot,
                status: PartyStatus::Active,
                services,
                claims: Vec::new(),
                serial_namespaces: Vec::new(),
                callback_origins: Vec::new(),
                token_endpoint: None,
                onem2m: None,
                presence: None,
                limits: Limits {
                    requests_per_second: NonZeroU32::MAX,
                    failed_mappings_per_day: NonZeroU32::MAX,
                },
                created: now,
                version: 1,
            }))
        };
        let agreement = AgreementId::from_bytes([7; 16]);
        let records = [
            party(&shop, false, services),
            party(&vendor, true, Vec::new()),
            DirectoryRecord::Agreement(Arc::new(Agreement {
                id: agreement,
                iot_sp: vendor.clone(),
                third_party_sp: shop.clone(),
                services: Vec::new(),
                valid_from: now,
                valid_until: None,
                consent_mode: ConsentMode::Asserted,
                exposure: Exposure::Raw,
                pairing_required: false,
                ended: None,
                version: 1,
            })),
        ];
        let key = MappingKey {
            service_uri: ServiceUri::parse("https://shop.example/services/eggs")?,
            uti: Uti::parse(&device_of(1))?,
        };
        Ok(Self {
            directory: Directory::from_records(records),
            principal: principal(&shop, now),
            correlation: Correlation {
                mapping: MappingId::from_bytes([8; 16]),
                key,
                device_id: DeviceId::parse(&device_of(0))?,
                third_party_sp: shop,
                iot_sp: vendor,
                agreement,
                since: now,
                valid_until: None,
            },
            now,
        })
    }

    fn ask(&self, rules: &Rules, device: &str) -> Result<(), BenchError> {
        let correlation = Correlation {
            device_id: DeviceId::parse(device)?,
            ..self.correlation.clone()
        };
        let asked = (&correlation, ReferencePoint::Ics7);
        authorize_inquiry(rules, &self.directory, &self.principal, asked, self.now)
            .map(|agreement| {
                black_box(agreement);
            })
            .map_err(|denied| BenchError::Rows(denied.to_string()))
    }
}

/// Microseconds of `work` in the round in the middle.
fn median(
    options: Options,
    mut work: impl FnMut() -> Result<(), BenchError>,
) -> Result<f64, BenchError> {
    let (rounds, length) = options.rounds();
    let length = length.min(Duration::from_millis(300));
    let mut measured = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let (begin, mut done) = (Instant::now(), 0_u32);
        while begin.elapsed() < length {
            for _ in 0..64 {
                work()?;
            }
            done = done.saturating_add(64);
        }
        measured.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(done));
    }
    measured.sort_by(f64::total_cmp);
    Ok(measured.get(rounds / 2).copied().unwrap_or(f64::NAN))
}
