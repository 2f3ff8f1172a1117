use std::num::NonZeroU32;
use std::time::Duration;

use ics_core::id::{AgreementId, DeviceSerialNumber, ServicePrefix, ServiceUri, SpId};
use ics_core::mapping::{Attribute, Consent};
use ics_core::party::{ConsentMode, Exposure, Limits, Party, PartyStatus};
use ics_core::port::{DeviceFacts, Operation, SealError};
use ics_core::principal::{
    CertificateSerial, CertificateThumbprint, PeerCertificate, Principal, Proof,
};
use ics_core::reference_point::{ReferencePoint, Role, Scopes};
use ics_core::sealed::{BlindIndex, BlindIndexDomain, Sealed};
use ics_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::set::PolicySources;

mod oracle;

/// Decisions need no vault.
struct NoVault;

impl Sealer for NoVault {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Sealed, SealError> {
        Err(SealError::Unavailable)
    }

    fn open(&self, _: &[u8], _: &Sealed) -> Result<Vec<u8>, SealError> {
        Err(SealError::Unavailable)
    }

    fn blind_index(&self, _: BlindIndexDomain, _: &[&[u8]]) -> BlindIndex {
        BlindIndex::from_bytes([0; 32])
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_000);
const DAY: i64 = 86_400_000;

fn day(offset: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + offset * DAY)
}

fn rules(sources: &PolicySources) -> Rules {
    Rules::new(Arc::new(NoVault), PolicySet::compile(sources).unwrap())
}

/// Every fact a decision looks at; the default one permits a mapping request over ICS-1.
#[derive(Clone)]
struct Facts {
    party: Party,
    principal: Principal,
    point: ReferencePoint,
    service: ServiceUri,
    agreement: Option<Agreement>,
    consent: Option<Consent>,
    serial: Option<DeviceSerialNumber>,
    device_id: Option<DeviceId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Request,
    Establish,
    Inquire,
    Own,
}

impl Facts {
    fn of(id: &str, point: ReferencePoint) -> Self {
        let id = SpId::parse(id).unwrap();
        Self {
            principal: Principal {
                sp: id.clone(),
                proof: Proof::Certificate(Arc::new(PeerCertificate {
                    sp: id.clone(),
                    thumbprint: CertificateThumbprint([1; 32]),
                    serial: CertificateSerial::from_der_integer(&[1]),
                    issuer: None,
                    not_after: day(7),
                })),
                scopes: Scopes::of_roles([Role::ThirdPartySp, Role::IotSp]),
                consent: None,
            },
            party: Party {
                third_party_sp: id.as_str() == "shop",
                iot_sp: id.as_str() == "vendor",
                services: if id.as_str() == "shop" {
                    vec![ServicePrefix::parse("https://shop.example/orders").unwrap()]
                } else {
                    Vec::new()
                },
                id,
                status: PartyStatus::Active,
                claims: Vec::new(),
                serial_namespaces: Vec::new(),
                callback_origins: Vec::new(),
                token_endpoint: None,
                onem2m: None,
                presence: None,
                limits: Limits {
                    requests_per_second: NonZeroU32::MIN,
                    failed_mappings_per_day: NonZeroU32::MIN,
                },
                created: day(-30),
                version: 1,
            },
            point,
            service: ServiceUri::parse("https://shop.example/orders/bulbs").unwrap(),
            agreement: Some(agreement()),
            consent: Some(consent()),
            serial: None,
            device_id: None,
        }
    }

    fn shop() -> Self {
        Self::of("shop", ReferencePoint::Ics1)
    }

    fn vendor() -> Self {
        Self::of("vendor", ReferencePoint::Ics2)
    }

    fn decide(&self, kind: Kind) -> Result<(), Denied> {
        thread_local!(static SHIPPED: Rules = rules(&PolicySources::default()));
        SHIPPED.with(|rules| self.decide_by(rules, kind))
    }

    fn decide_by(&self, rules: &Rules, kind: Kind) -> Result<(), Denied> {
        self.with_request(kind, |request| rules.decide(request))
    }

    fn with_request<T>(&self, kind: Kind, ask: impl FnOnce(&AccessRequest<'_>) -> T) -> T {
        let (service_uri, agreement) = (&self.service, self.agreement.as_ref());
        let consent = self.consent.as_ref();
        let device = DeviceFacts {
            serial: self.serial.as_ref(),
            vendor: None,
            model: None,
            id: self.device_id.as_ref(),
        };
        let operation = match kind {
            Kind::Request => Operation::RequestMapping {
                service_uri,
                agreement,
                consent,
                device,
            },
            Kind::Establish => Operation::EstablishMapping {
                service_uri,
                agreement,
                consent,
                device,
            },
            Kind::Inquire => Operation::Inquire {
                service_uri,
                agreement,
                device,
            },
            Kind::Own => Operation::UseOwn,
        };
        ask(&AccessRequest {
            principal: &self.principal,
            party: &self.party,
            reference_point: self.point,
            operation,
            now: NOW,
        })
    }
}

fn agreement() -> Agreement {
    Agreement {
        id: AgreementId::from_bytes([7; 16]),
        iot_sp: SpId::parse("vendor").unwrap(),
        third_party_sp: SpId::parse("shop").unwrap(),
        services: Vec::new(),
        valid_from: day(-1),
        valid_until: Some(day(1)),
        consent_mode: ConsentMode::Asserted,
        exposure: Exposure::Raw,
        pairing_required: false,
        ended: None,
        version: 1,
    }
}

fn consent() -> Consent {
    Consent {
        id: Attribute::parse("evidence-a").unwrap(),
        purpose: Attribute::parse("dpv:RequestedServiceProvision").unwrap(),
        subject: None,
        granted_at: day(-1),
        expires: Some(day(1)),
    }
}

type Alteration = (&'static str, fn(&mut Facts), Result<(), Denied>);

fn check(base: &Facts, kind: Kind, table: &[Alteration]) {
    for (case, alter, expected) in table {
        let mut facts = base.clone();
        alter(&mut facts);
        assert_eq!(facts.decide(kind), *expected, "{kind:?}: {case}");
    }
}

fn set_agreement(facts: &mut Facts, alter: impl FnOnce(&mut Agreement)) {
    alter(facts.agreement.as_mut().unwrap());
}

/// What holds for every operation that stands on an agreement.
const AGREEMENT: &[Alteration] = &[
    ("as it is", |_| (), Ok(())),
    (
        "no agreement",
        |f| f.agreement = None,
        Err(Denied::NoAgreement),
    ),
    (
        "ended",
        |f| set_agreement(f, |a| a.ended = Some(day(-1))),
        Err(Denied::NoAgreement),
    ),
    (
        "over since this instant",
        |f| set_agreement(f, |a| a.valid_until = Some(NOW)),
        Err(Denied::NoAgreement),
    ),
    (
        "not yet valid",
        |f| set_agreement(f, |a| a.valid_from = day(1)),
        Err(Denied::NoAgreement),
    ),
    (
        "from this instant, without end",
        |f| set_agreement(f, |a| (a.valid_from, a.valid_until) = (NOW, None)),
        Ok(()),
    ),
    (
        "for other services",
        |f| {
            let other = ServicePrefix::parse("https://shop.example/returns").unwrap();
            set_agreement(f, |a| a.services = vec![other]);
        },
        Err(Denied::NoAgreement),
    ),
    (
        "for this service",
        |f| {
            let this = ServicePrefix::parse("https://shop.example/orders/bulbs").unwrap();
            set_agreement(f, |a| a.services = vec![this]);
        },
        Ok(()),
    ),
    (
        "between two others",
        |f| {
            set_agreement(f, |a| {
                a.iot_sp = SpId::parse("vendor2").unwrap();
                a.third_party_sp = SpId::parse("shop2").unwrap();
            });
        },
        Err(Denied::NoAgreement),
    ),
    (
        "with the sides exchanged",
        |f| {
            set_agreement(f, |a| {
                a.iot_sp = SpId::parse("shop").unwrap();
                a.third_party_sp = SpId::parse("vendor").unwrap();
            });
        },
        Err(Denied::NoAgreement),
    ),
];

/// What holds for every operation that stands on a consent.
const CONSENT: &[Alteration] = &[
    (
        "asserted, none",
        |f| f.consent = None,
        Err(Denied::ConsentRequired),
    ),
    (
        "asserted, over since this instant",
        |f| f.consent.as_mut().unwrap().expires = Some(NOW),
        Err(Denied::ConsentRequired),
    ),
    (
        "asserted, without end",
        |f| f.consent.as_mut().unwrap().expires = None,
        Ok(()),
    ),
    (
        "asserted, given tomorrow",
        |f| f.consent.as_mut().unwrap().granted_at = day(1),
        Err(Denied::ConsentRequired),
    ),
    (
        "asserted, given by a clock half a minute ahead",
        |f| f.consent.as_mut().unwrap().granted_at = NOW.plus(Duration::from_secs(30)),
        Ok(()),
    ),
    (
        "consent page, consented",
        |f| set_agreement(f, |a| a.consent_mode = ConsentMode::AuthCode),
        Ok(()),
    ),
    (
        "consent page, none",
        |f| {
            f.consent = None;
            set_agreement(f, |a| a.consent_mode = ConsentMode::AuthCode);
        },
        Err(Denied::ConsentRequired),
    ),
    (
        "confirmed by the IoT SP, none",
        |f| {
            f.consent = None;
            set_agreement(f, |a| a.consent_mode = ConsentMode::IotSpConfirm);
        },
        Ok(()),
    ),
];

#[test]
fn agreement_is_needed_for_request_step_7_and_inquiry() {
    check(&Facts::shop(), Kind::Request, AGREEMENT);
    check(&Facts::vendor(), Kind::Establish, AGREEMENT);
    check(
        &Facts::of("shop", ReferencePoint::Ics7),
        Kind::Inquire,
        AGREEMENT,
    );
    check(
        &Facts::of("vendor", ReferencePoint::Ics8),
        Kind::Inquire,
        AGREEMENT,
    );
}

#[test]
fn consent_is_needed_for_request_and_step_7() {
    check(&Facts::shop(), Kind::Request, CONSENT);
    check(&Facts::vendor(), Kind::Establish, CONSENT);
}

#[test]
fn inquiry_asks_for_no_consent_of_its_own() {
    let mut facts = Facts::of("shop", ReferencePoint::Ics7);
    facts.consent = None;
    assert_eq!(facts.decide(Kind::Inquire), Ok(()));
}

#[test]
fn foreign_service_is_refused_to_a_third_party_alone() {
    for foreign in [
        "https://shop.example/",
        "https://shop.example/orders2",
        "https://shop.example.net/orders",
        "http://shop.example/orders",
    ] {
        let service = ServiceUri::parse(foreign).unwrap();
        let with = |facts: Facts| Facts {
            service: service.clone(),
            ..facts
        };
        let denied = Err(Denied::ServiceNotOwned);
        assert_eq!(
            with(Facts::shop()).decide(Kind::Request),
            denied,
            "{foreign}"
        );
        let inquiry = with(Facts::of("shop", ReferencePoint::Ics7));
        assert_eq!(inquiry.decide(Kind::Inquire), denied, "{foreign}");
        assert_eq!(
            with(Facts::vendor()).decide(Kind::Establish),
            Ok(()),
            "{foreign}"
        );
        let inquiry = with(Facts::of("vendor", ReferencePoint::Ics8));
        assert_eq!(inquiry.decide(Kind::Inquire), Ok(()), "{foreign}");
    }
}

#[test]
fn every_reference_point_is_closed_to_the_other_role() {
    for point in ReferencePoint::ALL {
        for (sp, own) in [("shop", Role::ThirdPartySp), ("vendor", Role::IotSp)] {
            let expected = if point.role() == own {
                Ok(())
            } else {
                Err(Denied::Role(point.role()))
            };
            assert_eq!(
                Facts::of(sp, point).decide(Kind::Own),
                expected,
                "{sp} {point}"
            );
        }
    }
}

#[test]
fn a_party_of_both_roles_speaks_on_every_reference_point() {
    for point in ReferencePoint::ALL {
        let mut facts = Facts::of("shop", point);
        facts.party.iot_sp = true;
        assert_eq!(facts.decide(Kind::Own), Ok(()), "{point}");
    }
}

#[test]
fn every_scope_opens_its_own_reference_point_and_no_other() {
    for point in ReferencePoint::ALL {
        for scope in ReferencePoint::ALL {
            let mut facts = Facts::of("shop", point);
            facts.party.iot_sp = true;
            facts.principal.scopes = Scopes::NONE.with(scope);
            let expected = if scope == point {
                Ok(())
            } else {
                Err(Denied::Scope(point))
            };
            assert_eq!(facts.decide(Kind::Own), expected, "{scope} on {point}");
        }
    }
}

#[test]
fn an_operation_stays_on_the_reference_point_of_its_function() {
    use ReferencePoint::{Ics1, Ics2, Ics7, Ics8};
    let opened = [
        (Kind::Request, vec![Ics1]),
        (Kind::Establish, vec![Ics2]),
        (Kind::Inquire, vec![Ics7, Ics8]),
    ];
    for (kind, points) in opened {
        for point in ReferencePoint::ALL {
            let sp = if point.role() == Role::IotSp {
                "vendor"
            } else {
                "shop"
            };
            let answer = Facts::of(sp, point).decide(kind);
            if points.contains(&point) {
                assert_eq!(answer, Ok(()), "{kind:?} on {point}");
            } else {
                assert!(
                    matches!(answer, Err(Denied::Scope(_))),
                    "{kind:?} on {point}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn who_is_not_served_or_not_the_caller_may_do_nothing() {
    let denied = Err(Denied::Role(Role::ThirdPartySp));
    let not_served = Err(Denied::NotServed);
    for kind in [Kind::Request, Kind::Own] {
        check(
            &Facts::shop(),
            kind,
            &[
                (
                    "suspended",
                    |f| f.party.status = PartyStatus::Suspended,
                    not_served,
                ),
                (
                    "removed",
                    |f| f.party.status = PartyStatus::Removed,
                    not_served,
                ),
                (
                    "other",
                    |f| f.principal.sp = SpId::parse("shop2").unwrap(),
                    denied,
                ),
                (
                    "certificate of another",
                    |f| {
                        let Proof::Certificate(own) = &f.principal.proof else {
                            panic!("shop comes with a certificate");
                        };
                        let mut peer = PeerCertificate::clone(own);
                        peer.sp = SpId::parse("shop2").unwrap();
                        f.principal.proof = Proof::Certificate(Arc::new(peer));
                    },
                    denied,
                ),
            ],
        );
    }
}

/// Every combination of facts that are each good or bad: the first bad one in the documented
/// order is the reason, and only all good ones permit.
#[test]
fn the_first_missing_fact_is_the_reason() {
    for combination in 0..32_u8 {
        let bad = |bit: u8| combination & (1 << bit) != 0;
        for (kind, base) in [
            (Kind::Request, Facts::shop()),
            (Kind::Establish, Facts::vendor()),
        ] {
            let mut facts = base;
            let point = facts.point;
            if bad(0) {
                (facts.party.third_party_sp, facts.party.iot_sp) = (false, false);
            }
            if bad(1) {
                facts.principal.scopes = Scopes::NONE;
            }
            if bad(2) {
                facts.party.services.clear();
            }
            if bad(3) {
                facts.agreement.as_mut().unwrap().ended = Some(NOW);
            }
            if bad(4) {
                facts.consent = None;
            }
            let expected = if bad(0) {
                Err(Denied::Role(point.role()))
            } else if bad(1) {
                Err(Denied::Scope(point))
            } else if bad(2) && kind == Kind::Request {
                Err(Denied::ServiceNotOwned)
            } else if bad(3) {
                Err(Denied::NoAgreement)
            } else if bad(4) {
                Err(Denied::ConsentRequired)
            } else {
                Ok(())
            };
            assert_eq!(facts.decide(kind), expected, "{kind:?} {combination:05b}");
        }
    }
}

/// Whatever the facts: the shipped policies answer as the rules before them, also where the answer
/// was kept of another request.
#[test]
fn the_shipped_policies_answer_as_the_rules_before_them() {
    let rules = rules(&PolicySources::default());
    let strategy = (
        prop::sample::select(vec!["shop", "vendor", "both"]),
        prop::sample::select(ReferencePoint::ALL.to_vec()),
        prop::collection::vec(any::<bool>(), 12),
        0..3_usize,
        0..4_usize,
        prop::sample::subsequence(ReferencePoint::ALL.to_vec(), 0..=8),
    );
    proptest!(ProptestConfig::with_cases(4_000), |((sp, point, flags, status, mode, scopes) in strategy)| {
        let mut facts = Facts::of(if sp == "both" { "shop" } else { sp }, point);
        if sp == "both" {
            facts.party.iot_sp = true;
        }
        let flag = |n: usize| flags.get(n).copied().unwrap_or_default();
        facts.party.status = [PartyStatus::Active, PartyStatus::Suspended, PartyStatus::Removed][status];
        facts.principal.scopes = scopes.into_iter().fold(Scopes::NONE, Scopes::with);
        if flag(0) {
            facts.principal.sp = SpId::parse("shop2").unwrap();
        }
        if flag(1) {
            facts.party.services.clear();
        }
        if flag(2) {
            facts.agreement = None;
        }
        if let Some(agreement) = &mut facts.agreement {
            agreement.consent_mode = [ConsentMode::Asserted, ConsentMode::AuthCode, ConsentMode::IotSpConfirm, ConsentMode::Asserted][mode];
            agreement.exposure = if flag(3) { Exposure::Pairwise } else { Exposure::Raw };
            agreement.ended = flag(4).then_some(NOW);
            if flag(5) {
                agreement.valid_from = day(1);
            }
            if flag(6) {
                agreement.services = vec![ServicePrefix::parse("https://shop.example/returns").unwrap()];
            }
            if flag(7) {
                agreement.third_party_sp = SpId::parse("shop2").unwrap();
            }
            if flag(8) {
                agreement.iot_sp = SpId::parse("vendor2").unwrap();
            }
        }
        if flag(9) {
            facts.consent = None;
        }
        if let Some(consent) = &mut facts.consent && flag(10) {
            consent.expires = Some(NOW);
        }
        if flag(11) {
            facts.service = ServiceUri::parse("https://shop.example/returns/1").unwrap();
        }
        for kind in [Kind::Request, Kind::Establish, Kind::Inquire, Kind::Own] {
            let expected = facts.with_request(kind, oracle::decide);
            prop_assert_eq!(facts.decide_by(&rules, kind), expected, "{:?} {:?}", kind, point);
            // Again, as it was kept.
            prop_assert_eq!(facts.decide_by(&rules, kind), expected, "{:?} {:?}", kind, point);
        }
    });
    assert!(
        rules.recent().iter().any(|verdict| verdict.asked() > 1),
        "nothing was kept"
    );
}

const METERS: &str = r#"
    [[group]]
    name = "meters"
    serial-prefixes = ["MTR-"]
    device-ids = ["d-7f3a"]
    restricted = true

    [[grant]]
    group = "meters"
    third-party-sp = "shop"
    services = ["https://shop.example/orders/bulbs"]
"#;

fn with_policy(text: &str) -> Rules {
    rules(&PolicySources {
        policies: vec![("own.cedar".into(), text.into())],
        devices: Some(METERS.into()),
        ..PolicySources::default()
    })
}

/// TS 33.187 4.7: ue1 and service A yes, ue1 and service B no.
#[test]
fn a_restricted_device_is_for_the_granted_service_alone_at_every_step() {
    let rules = with_policy("");
    let serial = |text: &str| Some(DeviceSerialNumber::parse(text).unwrap());
    let id = |text: &str| Some(DeviceId::parse(text).unwrap());
    let other = ServiceUri::parse("https://shop.example/orders/eggs").unwrap();
    for (kind, base) in [
        (
            Kind::Request,
            Facts {
                serial: serial("MTR-1"),
                ..Facts::shop()
            },
        ),
        (
            Kind::Establish,
            Facts {
                device_id: id("d-7f3a"),
                ..Facts::vendor()
            },
        ),
        (
            Kind::Establish,
            Facts {
                serial: serial("MTR-1"),
                device_id: id("d-0000"),
                ..Facts::vendor()
            },
        ),
        (
            Kind::Inquire,
            Facts {
                device_id: id("d-7f3a"),
                ..Facts::of("shop", ReferencePoint::Ics7)
            },
        ),
    ] {
        assert_eq!(base.decide_by(&rules, kind), Ok(()), "{kind:?}");
        let other = Facts {
            service: other.clone(),
            ..base.clone()
        };
        assert_eq!(
            other.decide_by(&rules, kind),
            Err(Denied::Device),
            "{kind:?}"
        );
        let free = Facts {
            serial: None,
            device_id: id("d-1111"),
            ..other
        };
        assert_eq!(free.decide_by(&rules, kind), Ok(()), "{kind:?}");
    }
}

#[test]
fn a_policy_of_the_operator_narrows_and_never_widens() {
    let forbidden = with_policy(
        r#"@id("no-eggs") forbid (principal, action, resource == Service::"https://shop.example/orders/bulbs");"#,
    );
    assert_eq!(
        Facts::shop().decide_by(&forbidden, Kind::Request),
        Err(Denied::Policy)
    );
    assert_eq!(Facts::shop().decide_by(&forbidden, Kind::Own), Ok(()));
    let permitted = with_policy("permit (principal, action, resource);");
    let no_agreement = Facts {
        agreement: None,
        ..Facts::shop()
    };
    assert_eq!(
        no_agreement.decide_by(&permitted, Kind::Request),
        Err(Denied::NoAgreement)
    );
}

#[test]
fn with_the_default_deny_a_policy_must_permit() {
    let sources = |policy: &str| PolicySources {
        policies: vec![("own.cedar".into(), policy.into())],
        default: crate::DefaultAnswer::Deny,
        ..PolicySources::default()
    };
    let none = rules(&sources(""));
    assert_eq!(
        Facts::shop().decide_by(&none, Kind::Request),
        Err(Denied::Policy)
    );
    assert_eq!(Facts::shop().decide_by(&none, Kind::Own), Ok(()));
    let shop = rules(&sources(
        r#"permit (principal == ServiceProvider::"shop", action, resource);"#,
    ));
    assert_eq!(Facts::shop().decide_by(&shop, Kind::Request), Ok(()));
    assert_eq!(
        Facts::vendor().decide_by(&shop, Kind::Establish),
        Err(Denied::Policy)
    );
    // Whether it is this device or any must not be told.
    let by_device = rules(&sources(
        r#"permit (principal, action, resource) when { context has device && context.device.groups.contains("x") };"#,
    ));
    assert_eq!(
        Facts::shop().decide_by(&by_device, Kind::Request),
        Err(Denied::Device)
    );
}

/// What a set does not look at makes no new question; what it looks at does.
#[test]
fn an_answer_is_kept_for_what_differs_in_nothing_a_policy_looks_at() {
    let asked = |rules: &Rules| {
        for n in 0..100 {
            let id = format!("d-{n:04}x");
            let inquiry = Facts::of("shop", ReferencePoint::Ics7);
            let inquiry = Facts {
                device_id: Some(DeviceId::parse(&id).unwrap()),
                ..inquiry
            };
            assert_eq!(inquiry.decide_by(rules, Kind::Inquire), Ok(()));
        }
        rules.recent().len()
    };
    assert_eq!(asked(&with_policy("")), 1);
    let by_id = r#"forbid (principal, action == Action::"inquire", resource) when { context.device has deviceId && context.device.deviceId == "d-none" };"#;
    assert_eq!(asked(&with_policy(by_id)), 100);
}

#[test]
fn a_policy_on_the_device_id_decides_for_that_device() {
    let rules = with_policy(
        r#"forbid (principal, action, resource) when { context has device && context.device has deviceId && context.device.deviceId == "d-0001" };"#,
    );
    let inquiry = |id: &str| Facts {
        device_id: Some(DeviceId::parse(id).unwrap()),
        ..Facts::of("shop", ReferencePoint::Ics7)
    };
    assert_eq!(inquiry("d-0002").decide_by(&rules, Kind::Inquire), Ok(()));
    assert_eq!(
        inquiry("d-0001").decide_by(&rules, Kind::Inquire),
        Err(Denied::Device)
    );
    assert_eq!(inquiry("d-0002").decide_by(&rules, Kind::Inquire), Ok(()));
}

#[test]
fn other_policies_decide_from_the_next_request_on() {
    let rules = with_policy("");
    assert_eq!(Facts::shop().decide_by(&rules, Kind::Request), Ok(()));
    let (before, _) = rules.set_in_force();
    let sources = PolicySources {
        policies: vec![(
            "stop.cedar".into(),
            "forbid (principal, action, resource);".into(),
        )],
        ..PolicySources::default()
    };
    rules.replace(PolicySet::compile(&sources).unwrap());
    assert_eq!(
        Facts::shop().decide_by(&rules, Kind::Request),
        Err(Denied::Policy)
    );
    assert_ne!(rules.set_in_force().0, before);
    assert_eq!(rules.set_in_force().1, 1);
}

#[test]
fn a_set_on_trial_is_asked_and_not_heeded() {
    let rules = with_policy("");
    let sources = PolicySources {
        policies: vec![(
            "next.cedar".into(),
            r#"@id("next") forbid (principal, action == Action::"inquire", resource);"#.into(),
        )],
        ..PolicySources::default()
    };
    rules.try_out(Some(PolicySet::compile(&sources).unwrap()));
    let inquiry = Facts::of("shop", ReferencePoint::Ics7);
    for _ in 0..3 {
        assert_eq!(inquiry.decide_by(&rules, Kind::Inquire), Ok(()));
        assert_eq!(Facts::shop().decide_by(&rules, Kind::Request), Ok(()));
    }
    let trial = rules.trial().unwrap();
    assert_eq!((trial.asked, trial.differing), (6, 3));
    let [difference] = trial.differences.as_slice() else {
        panic!("{:?}", trial.differences);
    };
    assert_eq!(difference.on_trial.ruling.deciding, ["next"]);
    assert_eq!(difference.in_force.ruling.deciding, ["shipped.default"]);
    rules.try_out(None);
    assert!(rules.trial().is_none());
}
