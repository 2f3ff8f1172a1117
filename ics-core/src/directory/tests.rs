use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::change::Change;
use crate::id::{CallbackUri, ServicePrefix};
use crate::mapping::Features;
use crate::party::{ConsentMode, Exposure, Limits, OneM2mAe, SerialMatcher, SerialNamespace};
use crate::principal::IssuerName;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(2_000_000);

fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

fn namespace(prefix: &str, vendor: Option<&str>) -> SerialNamespace {
    SerialNamespace {
        vendor: vendor.map(|v| Attribute::parse(v).unwrap()),
        matcher: SerialMatcher::prefix(prefix).unwrap(),
    }
}

fn party(id: &str, namespaces: Vec<SerialNamespace>) -> Party {
    Party {
        id: sp(id),
        third_party_sp: namespaces.is_empty(),
        iot_sp: !namespaces.is_empty(),
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: namespaces,
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
    }
}

fn agreement(n: u8, iot_sp: &str) -> Agreement {
    Agreement {
        id: AgreementId::from_bytes([n; 16]),
        iot_sp: sp(iot_sp),
        third_party_sp: sp("shop"),
        services: Vec::new(),
        valid_from: NOW,
        valid_until: None,
        consent_mode: ConsentMode::Asserted,
        exposure: Exposure::Raw,
        pairing_required: false,
        ended: None,
        version: 1,
    }
}

fn put_party(directory: &mut Directory, party: Party) {
    directory.put(DirectoryRecord::Party(Arc::new(party)));
}

fn put_agreement(directory: &mut Directory, agreement: Agreement) {
    directory.put(DirectoryRecord::Agreement(Arc::new(agreement)));
}

/// Two IoT SPs, `one` answering for `SN-`, `two` for what is given, both agreed with `shop`.
fn directory(two: SerialNamespace) -> Directory {
    let mut directory = Directory::default();
    put_party(&mut directory, party("shop", Vec::new()));
    put_party(&mut directory, party("one", vec![namespace("SN-", None)]));
    put_party(&mut directory, party("two", vec![two]));
    put_agreement(&mut directory, agreement(1, "one"));
    put_agreement(&mut directory, agreement(2, "two"));
    directory
}

fn service() -> ServiceUri {
    ServiceUri::parse("https://s.example/eggs").unwrap()
}

fn route(
    directory: &Directory,
    serial: &str,
    vendor: Option<&str>,
) -> Result<SpId, RoutingFailure> {
    let serial = DeviceSerialNumber::parse(serial).unwrap();
    let vendor = vendor.map(|v| Attribute::parse(v).unwrap());
    directory
        .route(&sp("shop"), &service(), (&serial, vendor.as_ref()), NOW)
        .map(|agreement| agreement.iot_sp.clone())
}

#[test]
fn a_serial_number_goes_to_the_one_iot_sp_that_answers_for_it() {
    let directory = directory(namespace("XX-", None));
    assert_eq!(route(&directory, "SN-1", None), Ok(sp("one")));
    assert_eq!(route(&directory, "XX-1", None), Ok(sp("two")));
    assert_eq!(
        route(&directory, "YY-1", None),
        Err(RoutingFailure::NotFound)
    );
}

#[test]
fn a_serial_number_is_never_broadcast() {
    let directory = directory(namespace("SN-1", None));
    assert_eq!(
        route(&directory, "SN-1", None),
        Err(RoutingFailure::Ambiguous)
    );
    assert_eq!(route(&directory, "SN-2", None), Ok(sp("one")));
}

#[test]
fn an_unagreed_namespace_looks_like_an_unknown_serial_number() {
    let ended = Agreement {
        ended: Some(NOW),
        ..agreement(2, "two")
    };
    let over = Agreement {
        valid_until: Some(NOW),
        ..agreement(2, "two")
    };
    let of_another_service = Agreement {
        services: vec![ServicePrefix::parse("https://s.example/milk").unwrap()],
        ..agreement(2, "two")
    };
    for agreement in [ended, over, of_another_service] {
        let mut directory = directory(namespace("SN-", None));
        put_agreement(&mut directory, agreement);
        // And it does not make the agreed one ambiguous.
        assert_eq!(route(&directory, "SN-1", None), Ok(sp("one")));
    }
}

#[test]
fn a_suspended_iot_sp_is_not_routed_to() {
    let mut directory = directory(namespace("XX-", None));
    let mut two = party("two", vec![namespace("XX-", None)]);
    two.status = PartyStatus::Suspended;
    put_party(&mut directory, two);
    assert_eq!(
        route(&directory, "XX-1", None),
        Err(RoutingFailure::NotFound)
    );
}

#[test]
fn a_namespace_of_a_vendor_wants_the_vendor_named() {
    let directory = directory(namespace("XX-", Some("acme")));
    assert_eq!(
        route(&directory, "XX-1", None),
        Err(RoutingFailure::NotFound)
    );
    assert_eq!(
        route(&directory, "XX-1", Some("other")),
        Err(RoutingFailure::NotFound)
    );
    assert_eq!(route(&directory, "XX-1", Some("ACME")), Ok(sp("two")));
}

#[test]
fn a_subscription_narrows_what_was_granted_and_never_widens_it() {
    let mut directory = directory(namespace("XX-", None));
    let subscription = |prefixes: &[&str]| {
        DirectoryRecord::Subscription(Arc::new(Subscription {
            id: SubscriptionId::from_bytes([1; 16]),
            iot_sp: sp("two"),
            serial_namespaces: prefixes.iter().map(|p| namespace(p, None)).collect(),
            destination: Some(CallbackUri::parse("https://two.example/cb").unwrap()),
            websocket: false,
            features: Features::default(),
            created: NOW,
            version: 1,
        }))
    };
    directory.put(subscription(&["XX-A", "YY-"]));
    assert_eq!(route(&directory, "XX-A1", None), Ok(sp("two")));
    assert_eq!(
        route(&directory, "XX-B1", None),
        Err(RoutingFailure::NotFound)
    );
    assert_eq!(
        route(&directory, "YY-1", None),
        Err(RoutingFailure::NotFound)
    );
    directory.put(subscription(&[]));
    assert_eq!(route(&directory, "XX-B1", None), Ok(sp("two")));
}

#[test]
fn an_agreement_is_in_force_between_its_first_and_its_last_instant() {
    let mut directory = Directory::default();
    let bounded = Agreement {
        valid_until: Some(LATER),
        ..agreement(1, "one")
    };
    put_agreement(&mut directory, bounded);
    let active = |now| {
        directory
            .active_agreement(&sp("one"), &sp("shop"), &service(), now)
            .is_some()
    };
    assert!(!active(Timestamp::from_millis(NOW.millis() - 1)));
    assert!(active(NOW));
    assert!(!active(LATER));
    assert!(
        directory
            .active_agreement(&sp("shop"), &sp("one"), &service(), NOW)
            .is_none()
    );
}

fn peer() -> PeerCertificate {
    PeerCertificate {
        sp: sp("shop"),
        thumbprint: CertificateThumbprint([1; 32]),
        serial: CertificateSerial::from_der_integer(&[5]),
        issuer: Some(IssuerName([7; 32])),
        not_after: LATER,
    }
}

fn certificate(serial: u8, thumbprint: Option<u8>) -> DirectoryRecord {
    DirectoryRecord::Certificate(Arc::new(CertificateRecord {
        serial: CertificateSerial::from_der_integer(&[serial]),
        thumbprint: thumbprint.map(|t| CertificateThumbprint([t; 32])),
        sp: sp("shop"),
        not_after: LATER,
        revoked: Some(NOW),
        version: 1,
    }))
}

#[test]
fn a_revoked_certificate_is_known_by_serial_number_and_by_thumbprint() {
    for (record, revoked) in [
        (certificate(5, None), true),
        (certificate(6, Some(1)), true),
        (certificate(6, Some(2)), false),
    ] {
        let mut directory = directory(namespace("XX-", None));
        directory.put(record);
        let expected = AuthenticationFailure::CertificateRevoked;
        assert_eq!(
            directory.admit(&peer(), NOW).err(),
            revoked.then_some(expected)
        );
    }
}

#[test]
fn a_list_takes_back_what_its_authority_signed_and_is_asked_as_long_as_it_holds() {
    let list = |issuer: u8, owner: Option<&str>, serial: u8| RevocationList {
        issuer: IssuerName([issuer; 32]),
        sp: owner.map(sp),
        serials: [CertificateSerial::from_der_integer(&[serial])].into(),
        ends: LATER,
    };
    let verdict = |list: RevocationList, now| {
        let mut directory = directory(namespace("XX-", None));
        directory.set_lists(vec![list]);
        directory.admit(&peer(), now).err()
    };
    let revoked = Some(AuthenticationFailure::CertificateRevoked);
    let unknown = Some(AuthenticationFailure::RevocationUnknown);
    for owner in [None, Some("shop")] {
        assert_eq!(verdict(list(7, owner, 5), NOW), revoked);
        assert_eq!(verdict(list(7, owner, 6), NOW), None);
        // Listed stays listed; of the others nothing is known any more.
        assert_eq!(verdict(list(7, owner, 5), LATER), revoked);
        assert_eq!(verdict(list(7, owner, 6), LATER), unknown);
    }
    // Neither another authority's, nor one that may not speak of it, whatever they say.
    assert_eq!(verdict(list(8, None, 5), LATER), None);
    assert_eq!(verdict(list(7, Some("music"), 5), LATER), None);
    let mut lists = directory(namespace("XX-", None));
    lists.set_lists(vec![list(7, None, 5)]);
    lists.set_lists(Vec::new());
    assert!(lists.admit(&peer(), NOW).is_ok());
}

#[test]
fn a_certificate_that_ended_and_a_party_not_served_are_not_admitted() {
    let mut directory = directory(namespace("XX-", None));
    assert!(directory.admit(&peer(), NOW).is_ok());
    let after = LATER.plus(core::time::Duration::from_millis(1));
    assert_eq!(
        directory.admit(&peer(), after).err(),
        Some(AuthenticationFailure::CertificateExpired)
    );
    for status in [PartyStatus::Suspended, PartyStatus::Removed] {
        let mut shop = party("shop", Vec::new());
        shop.status = status;
        put_party(&mut directory, shop);
        assert_eq!(
            directory.admit(&peer(), NOW).err(),
            Some(AuthenticationFailure::PartyNotServed)
        );
    }
    let unknown = PeerCertificate {
        sp: sp("stranger"),
        ..peer()
    };
    assert_eq!(
        directory.admit(&unknown, NOW).err(),
        Some(AuthenticationFailure::PartyNotServed)
    );
}

#[test]
fn a_change_that_arrives_late_never_takes_a_record_back() {
    let version = |version, status| {
        let mut change = Change::default();
        let record = Party {
            version,
            status,
            ..party("shop", Vec::new())
        };
        change.put_record(None, DirectoryRecord::Party(Arc::new(record)));
        change
    };
    let mut directory = Directory::default();
    directory.apply(&version(3, PartyStatus::Suspended));
    directory.apply(&version(2, PartyStatus::Active));
    let shop = directory.party(&sp("shop")).unwrap();
    assert_eq!((shop.version, shop.status), (3, PartyStatus::Suspended));
    directory.apply(&version(4, PartyStatus::Active));
    assert_eq!(directory.party(&sp("shop")).unwrap().version, 4);
}

#[test]
fn the_next_expiry_is_that_of_the_newest_certificate_of_an_active_party_over_or_not() {
    let mut directory = Directory::default();
    for (id, status) in [
        ("shop", PartyStatus::Active),
        ("maker", PartyStatus::Active),
        ("frozen", PartyStatus::Suspended),
        ("gone", PartyStatus::Removed),
    ] {
        let party = party(id, Vec::new());
        put_party(&mut directory, Party { status, ..party });
    }
    assert_eq!(directory.next_expiry(), None);
    let at = |seconds: i64| Timestamp::from_millis(NOW.millis() + seconds * 1000);
    for (serial, sp, end, revoked) in [
        // Renewed; the new one is what counts.
        (1, "shop", 10, None),
        (2, "shop", 900, None),
        // Its newest was revoked: the one before it counts.
        (3, "maker", 500, None),
        (4, "maker", 950, Some(NOW)),
        (5, "maker", -5, None),
        (6, "frozen", 20, None),
        (7, "gone", 30, None),
    ] {
        directory.put(DirectoryRecord::Certificate(Arc::new(CertificateRecord {
            serial: CertificateSerial::from_der_integer(&[serial]),
            thumbprint: None,
            sp: SpId::parse(sp).unwrap(),
            not_after: at(end),
            revoked,
            version: 1,
        })));
    }
    let next = directory.next_expiry().map(|c| c.not_after);
    assert_eq!(next, Some(at(500)));
    // Over, and not renewed: its party is locked out, which is not to be forgotten.
    put_party(&mut directory, party("late", Vec::new()));
    directory.put(DirectoryRecord::Certificate(Arc::new(CertificateRecord {
        serial: CertificateSerial::from_der_integer(&[8]),
        thumbprint: None,
        sp: SpId::parse("late").unwrap(),
        not_after: at(-60),
        revoked: None,
        version: 1,
    })));
    let next = directory.next_expiry().map(|c| c.not_after);
    assert_eq!(next, Some(at(-60)));
}

#[test]
fn an_ae_speaks_for_its_party_until_that_is_removed_or_has_another() {
    let ae = |stem: &str| AeId::parse(&alloc::format!("/id-in/{stem}")).unwrap();
    let speaking = |party: &Party, stem: Option<&str>| {
        let onem2m = stem.map(|stem| OneM2mAe {
            ae: ae(stem),
            key: None,
        });
        DirectoryRecord::Party(Arc::new(Party {
            onem2m,
            ..party.clone()
        }))
    };
    let shop = party("shop", Vec::new());
    let mut directory = Directory::from_records([speaking(&shop, Some("Cshop"))]);
    let of = |directory: &Directory, stem| directory.party_of_ae(&ae(stem)).map(|p| p.id.clone());
    assert_eq!(of(&directory, "Cshop"), Some(shop.id.clone()));
    assert_eq!(of(&directory, "Cmusic"), None);
    directory.put(speaking(&shop, Some("Cother")));
    assert_eq!(of(&directory, "Cshop"), None);
    assert_eq!(of(&directory, "Cother"), Some(sp("shop")));
    let removed = Party {
        status: PartyStatus::Removed,
        ..shop
    };
    directory.put(speaking(&removed, Some("Cother")));
    assert_eq!(of(&directory, "Cother"), None);
}
