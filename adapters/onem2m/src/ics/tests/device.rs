//! What a hosted device may ask for, and that it is no more than that.

use std::sync::Arc;

use ics_channel::{DeviceService as _, RefusedAttempt};
use ics_core::device::CredentialId;
use ics_core::device_document::{Acknowledgement, DocumentEntry};
use ics_core::id::{DeviceId, MappingId, ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use ics_core::principal::DeviceIdentity;
use ics_core::reference_point::ReferencePoint;
use ics_core::time::Timestamp;
use serde_json::json;

use super::rig::{Rig, SERVICE, UTI, member, noon, refused, sp};
use crate::caller::{Originator, Standing};
use crate::primitive::Operation;
use crate::rsc::Rsc;

const INQ: &str = "/id-ics/ics/inq";
const DMP: &str = "/id-ics/ics/dmp";

/// A device that holds one pair, as its AE.
async fn lock(rig: &Rig) -> Originator {
    let device_id = DeviceId::parse("d-lock").unwrap();
    let identity = Arc::new(DeviceIdentity {
        iot_sp: sp("acme"),
        device_id: device_id.clone(),
        credential: CredentialId(1),
        not_after: Timestamp::MAX,
    });
    let devices = &rig.devices;
    devices.register(&sp("acme"), &device_id, Timestamp::MAX);
    let entry = DocumentEntry {
        mapping: MappingId::from_bytes([1; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(SERVICE).unwrap(),
            uti: Uti::parse(UTI).unwrap(),
        },
        e2e: None,
    };
    devices.offer(&device_id, entry);
    let held = Acknowledgement {
        version: 1,
        refused: Vec::new(),
    };
    devices.acknowledge(&identity, &held, noon()).await.unwrap();
    Originator {
        id: "Clock".into(),
        standing: Standing::Device(identity),
    }
}

#[tokio::test]
async fn a_device_is_told_its_own_pairs_and_of_others_what_there_is_of_nobody() {
    let rig = Rig::new().await;
    let lock = lock(&rig).await;
    let own = rig.create(INQ, json!({ "ics:inq": { "did": "d-lock" } }));
    let handled = rig.handle(&lock, &own).await;
    assert_eq!(handled.point, ReferencePoint::Ics8);
    assert!(handled.principal.is_none());
    let answer = handled.outcome.unwrap();
    assert_eq!(answer.rsc, Rsc::Created);
    let pairs = json!([{ "did": "d-lock", "svu": SERVICE, "uti": UTI }]);
    assert_eq!(member(&answer, "ics:inq")["idmap"], pairs);
    let milk = json!({ "did": "d-lock", "svu": "https://shop.example/s/milk" });
    let milk = rig.create(INQ, json!({ "ics:inq": milk }));
    let nothing = refused(rig.ask(&lock, &milk).await);
    let other = rig.create(INQ, json!({ "ics:inq": { "did": "d-1" } }));
    rig.established(UTI, "d-1").await;
    assert_eq!(refused(rig.ask(&lock, &other).await), nothing);
    assert_eq!(nothing.0, Rsc::NotFound);
    let noted: Vec<_> = rig.devices.take_refused();
    assert!(matches!(
        noted.as_slice(),
        [(Some(_), RefusedAttempt::RequestForeign)]
    ));
    // A transaction is none of its business.
    let pair = json!({ "ics:inq": { "svu": SERVICE, "uti": UTI } });
    let pair = rig.create(INQ, pair);
    let rsc = refused(rig.ask(&lock, &pair).await).0;
    assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege);
}

#[tokio::test]
async fn a_device_gives_up_what_it_has_once() {
    let rig = Rig::new().await;
    let lock = lock(&rig).await;
    let pair = rig.create(DMP, json!({ "ics:dmp": { "svu": SERVICE, "uti": UTI } }));
    let mut odd = pair.clone();
    odd.result_content = Some(4);
    assert_eq!(refused(rig.ask(&lock, &odd).await).0, Rsc::BadRequest);
    let handled = rig.handle(&lock, &pair).await;
    assert_eq!(handled.point, ReferencePoint::Ics4);
    assert_eq!(member(&handled.outcome.unwrap(), "ics:dmp")["rmvd"], 1);
    assert_eq!(refused(rig.ask(&lock, &pair).await).0, Rsc::NotFound);
    let with_cause = json!({ "svu": SERVICE, "uti": UTI, "mcau": "UTI_INVALID" });
    for (asked, rsc) in [
        (json!({ "svu": SERVICE }), Rsc::BadRequest),
        (json!({ "did": "d-lock" }), Rsc::OriginatorHasNoPrivilege),
        (with_cause, Rsc::OriginatorHasNoPrivilege),
    ] {
        let request = rig.create(DMP, json!({ "ics:dmp": asked }));
        assert_eq!(refused(rig.ask(&lock, &request).await).0, rsc, "{asked}");
    }
}

#[tokio::test]
async fn all_else_is_for_service_providers() {
    let rig = Rig::new().await;
    let lock = lock(&rig).await;
    for collection in ["map", "pnd", "inq", "dmp"] {
        let at = format!("/id-ics/ics/{collection}");
        let read = rig.request(Operation::Retrieve, &at);
        let rsc = refused(rig.ask(&lock, &read).await).0;
        assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege, "{at}");
    }
    let made = rig.create("/id-ics/ics/map", json!({ "ics:idmap": {} }));
    let rsc = refused(rig.ask(&lock, &made).await).0;
    assert_eq!(rsc, Rsc::OriginatorHasNoPrivilege);
}
