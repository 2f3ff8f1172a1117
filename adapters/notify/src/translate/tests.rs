use ics_core::id::{AgreementId, DeviceId, DeviceSerialNumber, SpId, SubscriptionId};
use ics_core::mapping::{Attribute, CauseCode, Dispatch, Features, Mapping};
use ics_core::sealed::{BlindIndex, Sealed};

use super::*;
use crate::rig::{NOW, PlainNames, consignment, entry, mapping_id, mapping_key};
use ics_core::mapping::{DemappingCause, MappingStatus};

const URL: &str = "https://sp.example/cb";

fn pending_row() -> Mapping {
    Mapping {
        hosted: None,
        id: mapping_id(1),
        key: mapping_key(),
        third_party_sp: SpId::parse("shop").unwrap(),
        iot_sp: SpId::parse("acme-iot").unwrap(),
        agreement: AgreementId::mint(NOW, [3; 10]),
        consent: None,
        consent_record: None,
        owner: None,
        serial_index: BlindIndex::from_bytes([0; 32]),
        device_vendor: Some(Attribute::parse("acme").unwrap()),
        device_model: Some(Attribute::parse("Fridge9").unwrap()),
        e2e: None,
        destination: None,
        websocket: false,
        subscription: Some(SubscriptionId::mint(NOW, [9; 10])),
        features: Features::default(),
        uti_expiry: None,
        state: State::Pending {
            serial: Sealed::from_bytes(vec![1, 2, 3]),
            deadline: NOW.plus(std::time::Duration::from_secs(86_400)),
            dispatch: Dispatch::Dispatching,
        },
        created: NOW,
        updated: NOW,
        sequence: 1,
        version: 1,
    }
}

fn push(consent: Option<Consent>, e2e: Option<Vec<u8>>) -> Consignment {
    let mut consignment = consignment(entry(Role::IotSp, (1, 1), Message::Assignment), URL);
    consignment.assignment = Some(Box::new(OpenAssignment {
        mapping: Mapping {
            consent,
            ..pending_row()
        },
        serial: Some(DeviceSerialNumber::parse("FR-2291-00031").unwrap()),
        e2e,
        owed: ics_core::service::Owed::default(),
    }));
    consignment
}

fn body(consignment: &Consignment) -> String {
    String::from_utf8(write_body(consignment, &PlainNames).unwrap()).unwrap()
}

fn message_body(role: Role, message: Message) -> String {
    body(&consignment(entry(role, (1, 3), message), URL))
}

#[test]
fn push_of_step_3_byte_by_byte() {
    assert_eq!(
        body(&push(None, None)),
        "{\"notificationId\":\"01a1ffb1-ba00-7101-8101-010101010101.1i\",\
         \"subscription\":\"urn:IotSp:acme-iot:subscription:\
         01a1ffb1-ba00-7909-8909-090909090909\",\
         \"assignment\":\"urn:IotSp:acme-iot:mapping:\
         01a1ffb1-ba00-7101-8101-010101010101\",\
         \"serviceUri\":\"https://shop.example/services/eggs\",\
         \"uti\":\"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11\",\
         \"deviceSerialNumber\":\"FR-2291-00031\",\
         \"expiry\":\"2026-11-22T20:00:00.000Z\",\"sequence\":1}"
    );
}

#[test]
fn push_carries_consent_and_the_end_to_end_value() {
    let consent = Consent {
        id: Attribute::parse("c-81").unwrap(),
        purpose: Attribute::parse("dpv:RequestedServiceProvision").unwrap(),
        subject: Some(Attribute::parse("sub-7").unwrap()),
        granted_at: NOW,
        expires: None,
    };
    let text = body(&push(Some(consent), Some(vec![0xff, 0xfe, 0xfd, 0x00])));
    assert!(
        text.contains(
            "\"consent\":{\"id\":\"c-81\",\"subject\":\"sub-7\",\
             \"purpose\":\"dpv:RequestedServiceProvision\"},\"e2e\":\"__79AA\",\"expiry\""
        ),
        "{text}"
    );
}

#[test]
fn push_without_its_serial_number_is_not_sent() {
    let mut consignment = push(None, None);
    consignment.assignment.as_mut().unwrap().serial = None;
    assert_eq!(write_body(&consignment, &PlainNames), Err(Incomplete));
    consignment.assignment = None;
    assert_eq!(write_body(&consignment, &PlainNames), Err(Incomplete));
}

#[test]
fn result_to_the_third_party_byte_by_byte() {
    let established = Message::Result {
        status: MappingStatus::Established,
        cause: None,
        undo: false,
    };
    assert_eq!(
        message_body(Role::ThirdPartySp, established),
        "{\"notificationId\":\"01a1ffb1-ba00-7101-8101-010101010101.3t\",\
         \"mapping\":\"urn:ThirdPartySp:shop:mapping:\
         01a1ffb1-ba00-7101-8101-010101010101\",\
         \"mappingStatus\":\"ESTABLISHED\",\
         \"serviceUri\":\"https://shop.example/services/eggs\",\
         \"uti\":\"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11\",\
         \"eventTime\":\"2026-11-21T20:00:00.000Z\",\"sequence\":3}"
    );
}

#[test]
fn failure_to_the_iot_sp_byte_by_byte() {
    let failed = Message::Result {
        status: MappingStatus::Failed,
        cause: Some(ResultCause::TimedOut),
        undo: true,
    };
    assert_eq!(
        message_body(Role::IotSp, failed),
        "{\"notificationId\":\"01a1ffb1-ba00-7101-8101-010101010101.3i\",\
         \"mapping\":\"urn:IotSp:acme-iot:mapping:\
         01a1ffb1-ba00-7101-8101-010101010101\",\
         \"mappingStatus\":\"FAILED\",\"mappingCause\":\"TIMED_OUT\",\"undo\":true,\
         \"serviceUri\":\"https://shop.example/services/eggs\",\
         \"uti\":\"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11\",\
         \"eventTime\":\"2026-11-21T20:00:00.000Z\",\"sequence\":3}"
    );
}

#[test]
fn demapping_to_the_iot_sp_byte_by_byte() {
    let demapped = Message::Demapped {
        device_id: Some(DeviceId::parse("d-5f0a9c").unwrap()),
        cause: DemappingCause::UtiInvalid,
        sub_cause: Some(CauseCode::parse("EXPIRED").unwrap()),
    };
    assert_eq!(
        message_body(Role::IotSp, demapped.clone()),
        "{\"notificationId\":\"01a1ffb1-ba00-7101-8101-010101010101.3i\",\
         \"mapping\":\"urn:IotSp:acme-iot:mapping:\
         01a1ffb1-ba00-7101-8101-010101010101\",\
         \"serviceUri\":\"https://shop.example/services/eggs\",\
         \"uti\":\"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11\",\
         \"deviceId\":\"d-5f0a9c\",\"cause\":\"UTI_INVALID\",\"subCause\":\"EXPIRED\",\
         \"eventTime\":\"2026-11-21T20:00:00.000Z\",\"sequence\":3}"
    );
    // Even an entry that holds it by mistake does not take it to the third party.
    let text = message_body(Role::ThirdPartySp, demapped);
    assert!(
        !text.contains("d-5f0a9c") && !text.contains("deviceId"),
        "{text}"
    );
    assert!(text.contains("urn:ThirdPartySp:shop:mapping:"), "{text}");
}

#[test]
fn test_notification_byte_by_byte() {
    let mut test = entry(Role::IotSp, (1, 1), Message::Test);
    test.key.subject = Subject::Subscription(SubscriptionId::mint(NOW, [9; 10]));
    test.mapping_key = None;
    assert_eq!(
        body(&consignment(test, URL)),
        "{\"notificationId\":\"01a1ffb1-ba00-7909-8909-090909090909.1i\",\
         \"subscription\":\"urn:IotSp:acme-iot:subscription:\
         01a1ffb1-ba00-7909-8909-090909090909\"}"
    );
    let test = entry(Role::ThirdPartySp, (1, 0), Message::Test);
    assert_eq!(
        body(&consignment(test, URL)),
        "{\"notificationId\":\"01a1ffb1-ba00-7101-8101-010101010101.0t\",\
         \"subscription\":\"urn:ThirdPartySp:shop:mapping:\
         01a1ffb1-ba00-7101-8101-010101010101\"}"
    );
}

#[test]
fn serial_number_is_in_the_push_alone() {
    for message in [
        Message::Result {
            status: MappingStatus::Established,
            cause: None,
            undo: false,
        },
        Message::Demapped {
            device_id: None,
            cause: DemappingCause::ServiceInvalid,
            sub_cause: None,
        },
        Message::Test,
    ] {
        let mut consignment = push(None, None);
        consignment.entry.message = message;
        let text = body(&consignment);
        assert!(
            !text.contains("FR-2291") && !text.contains("erial"),
            "{text}"
        );
    }
}
