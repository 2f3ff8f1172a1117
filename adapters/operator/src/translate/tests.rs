use std::num::NonZeroU32;
use std::time::Duration;

use ics_core::party::Limits;
use ics_core::principal::CertificateSerial;

use super::*;
use crate::fixture::at;
use crate::wire::{
    JwkView, NewAgreement, NewLimits, NewParty, OneM2mAeView, Revocation, SerialNamespaceView,
};

const SECRET: &str = "310150123456789";

fn limits() -> Limits {
    Limits {
        requests_per_second: NonZeroU32::new(5).unwrap(),
        failed_mappings_per_day: NonZeroU32::new(6).unwrap(),
    }
}

fn places(refusal: &Refusal) -> Vec<String> {
    refusal
        .problem()
        .invalid_params
        .into_iter()
        .map(|param| param.param)
        .collect()
}

#[test]
fn every_fault_of_a_party_is_told_with_its_place_and_without_its_value() {
    let namespace = |prefix: Option<&str>, pattern: Option<&str>| SerialNamespaceView {
        vendor: None,
        prefix: prefix.map(Into::into),
        pattern: pattern.map(Into::into),
    };
    let new = NewParty {
        id: SECRET.into(),
        roles: Vec::new(),
        services: vec![
            "https://ok.example/".into(),
            format!("https://x.example/{SECRET}"),
        ],
        unproven_services: Vec::new(),
        serial_namespaces: vec![
            namespace(Some("A"), None),
            namespace(Some("A"), Some("B")),
            namespace(None, Some("(")),
            namespace(None, None),
        ],
        callback_origins: vec![format!("http://{SECRET}.example")],
        token_endpoint: Some(SECRET.into()),
        onem2m: Some(OneM2mAeView {
            ae: format!("/id-in/C{SECRET}"),
            key: Some(JwkView {
                kty: "EC".into(),
                crv: "P-256".into(),
                x: SECRET.into(),
                y: None,
            }),
        }),
        limits: NewLimits::default(),
    };
    let refusal = party_terms(&new, limits()).unwrap_err();
    assert_eq!(
        places(&refusal),
        [
            "/roles",
            "/id",
            "/services/1",
            "/serialNamespaces/1",
            "/serialNamespaces/2/pattern",
            "/serialNamespaces/3",
            "/callbackOrigins/0",
            "/tokenEndpoint",
            "/onem2m/ae",
            "/onem2m/key"
        ]
    );
    let told = serde_json::to_string(&refusal.problem()).unwrap();
    assert!(!told.contains(SECRET));
}

#[test]
fn limits_left_out_are_the_configured_ones() {
    let new = NewParty {
        id: "shop".into(),
        roles: vec![RoleName::ThirdPartySp],
        services: Vec::new(),
        unproven_services: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: None,
        limits: NewLimits {
            requests_per_second: NonZeroU32::new(9),
            ..NewLimits::default()
        },
    };
    let terms = party_terms(&new, limits()).unwrap();
    assert_eq!(terms.limits.requests_per_second.get(), 9);
    assert_eq!(terms.limits.failed_mappings_per_day.get(), 6);
    assert!(terms.third_party_sp && !terms.iot_sp);
}

#[test]
fn agreement_must_end_after_it_begins_and_in_the_future() {
    let new = |from: i64, until: i64| NewAgreement {
        iot_sp_id: "vendor".into(),
        third_party_sp_id: "shop".into(),
        services: Vec::new(),
        valid_from: Some(at(from).to_rfc3339()),
        valid_until: Some(at(until).to_rfc3339()),
        consent_mode: crate::wire::ConsentModeName::Asserted,
        device_id_exposure: crate::wire::ExposureName::Raw,
        pairing_required: false,
    };
    assert!(agreement_terms(&new(-10, 10), at(0)).is_ok());
    for (from, until) in [(-10, -5), (10, 5), (10, 10), (-10, 0)] {
        let refusal = agreement_terms(&new(from, until), at(0)).unwrap_err();
        assert_eq!(places(&refusal), ["/validUntil"], "{from} {until}");
    }
    let unreadable = NewAgreement {
        valid_from: Some("soon".into()),
        ..new(0, 10)
    };
    let refusal = agreement_terms(&unreadable, at(0)).unwrap_err();
    assert_eq!(places(&refusal), ["/validFrom"]);
}

#[test]
fn certificate_is_named_in_exactly_one_way() {
    let text = || Some("0a".to_owned());
    let one = Revocation {
        serial: text(),
        ..Revocation::default()
    };
    let serial = CertificateSerial::from_der_integer(&[10]);
    assert_eq!(
        certificate_name(&one),
        Ok(CertificateName::Serial(serial, None))
    );
    for wrong in [
        Revocation::default(),
        Revocation {
            certificate: text(),
            ..one.clone()
        },
        Revocation {
            fingerprint: text(),
            ..one
        },
        Revocation {
            certificate: text(),
            sp_id: Some("shop".into()),
            ..Revocation::default()
        },
        Revocation {
            fingerprint: text(),
            ..Revocation::default()
        },
    ] {
        assert_eq!(
            certificate_name(&wrong).unwrap_err().status(),
            400,
            "{wrong:?}"
        );
    }
}

#[test]
fn serial_is_read_as_tools_print_it() {
    let expected = CertificateSerial::from_der_integer(&[0x0a, 0xbc]);
    for text in ["abc", "0ABC", "0A:BC", "000abc"] {
        let named = Revocation {
            serial: Some(text.into()),
            ..Revocation::default()
        };
        let name = certificate_name(&named).unwrap();
        assert_eq!(
            name,
            CertificateName::Serial(expected.clone(), None),
            "{text}"
        );
    }
    for text in ["", "00", "xyz", "-5", &"ab".repeat(21)] {
        let named = Revocation {
            serial: Some(text.into()),
            ..Revocation::default()
        };
        assert!(certificate_name(&named).is_err(), "{text}");
    }
}

#[test]
fn validity_is_bounded() {
    let day = Duration::from_secs(86_400);
    assert_eq!(certificate_validity(None, 7 * day), Ok(7 * day));
    assert_eq!(certificate_validity(Some(397), day), Ok(397 * day));
    assert!(certificate_validity(Some(0), day).is_err());
    assert!(certificate_validity(Some(398), day).is_err());
}
