use ics_core::device_document::{Acknowledgement, DeviceDocument, DocumentEntry};
use ics_core::id::{DeviceId, MappingId, ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use ics_core::service::{Given, OwnMapping};
use proptest::prelude::*;

use crate::event::Event;
use crate::inquiry::Inquiry;
use crate::refusal::{self, Refusal};
use crate::{Format, InvalidPayload, acknowledgement, document, event, inquiry, revocation};

const ID: &str = "0198c1d2-7f00-7abc-8def-0123456789ab";
const SVC: &str = "https://shop.example/eggs";
const UTI: &str = "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
const DID: &str = "d-abcdefghijklmnopabcdefghijklmnop";

fn id() -> MappingId {
    MappingId::parse(ID).unwrap()
}

fn key() -> MappingKey {
    MappingKey {
        service_uri: ServiceUri::parse(SVC).unwrap(),
        uti: Uti::parse(UTI).unwrap(),
    }
}

fn entry(e2e: Option<Vec<u8>>) -> DocumentEntry {
    DocumentEntry {
        mapping: id(),
        key: key(),
        e2e,
    }
}

/// A text as CBOR has it.
fn cbor_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let head = if length < 24 {
        vec![0x60 | length]
    } else {
        vec![0x78, length]
    };
    [head, text.as_bytes().to_vec()].concat()
}

#[test]
fn a_document_is_these_bytes() {
    let document = DeviceDocument {
        version: 7,
        entries: vec![entry(Some(vec![0, 1, 255]))],
    };
    let json =
        format!(r#"{{"v":7,"m":[{{"id":"{ID}","svc":"{SVC}","uti":"{UTI}","e2e":"AAH_"}}]}}"#);
    let told = document::encode(&document, Format::Json);
    assert_eq!(String::from_utf8(told).unwrap(), json);
    let cbor = [
        b"\xa2\x61v\x07\x61m\x81\xa4\x62id".to_vec(),
        cbor_text(ID),
        b"\x63svc".to_vec(),
        cbor_text(SVC),
        b"\x63uti".to_vec(),
        cbor_text(UTI),
        b"\x63e2e\x43\x00\x01\xff".to_vec(),
    ];
    assert_eq!(document::encode(&document, Format::Cbor), cbor.concat());
    let empty = DeviceDocument::default();
    assert_eq!(document::encode(&empty, Format::Json), br#"{"v":0,"m":[]}"#);
    assert_eq!(
        document::encode(&empty, Format::Cbor),
        b"\xa2\x61v\x00\x61m\x80"
    );
}

#[test]
fn an_acknowledgement_is_these_bytes() {
    let plain = Acknowledgement {
        version: 7,
        refused: vec![],
    };
    assert_eq!(acknowledgement::parse(br#"{"v":7}"#), Ok(plain.clone()));
    assert_eq!(
        acknowledgement::parse(b" {\"no\":[],\"v\":7}\n"),
        Ok(plain.clone())
    );
    assert_eq!(acknowledgement::parse(b"\xa1\x61v\x07"), Ok(plain.clone()));
    // An indefinite map, and a number that is longer than it need be.
    assert_eq!(acknowledgement::parse(b"\xbf\x61v\x18\x07\xff"), Ok(plain));
    let refusing = Acknowledgement {
        version: 7,
        refused: vec![id()],
    };
    let json = format!(r#"{{"v":7,"no":["{ID}"]}}"#);
    assert_eq!(
        acknowledgement::parse(json.as_bytes()),
        Ok(refusing.clone())
    );
    let cbor = [b"\xa2\x61v\x07\x62no\x81".to_vec(), cbor_text(ID)].concat();
    assert_eq!(acknowledgement::parse(&cbor), Ok(refusing));
}

#[test]
fn an_acknowledgement_of_another_shape_is_refused() {
    let many = format!(
        r#"{{"v":7,"no":[{}]}}"#,
        vec![format!("\"{ID}\""); 17].join(",")
    );
    let (form, members, value) = (
        InvalidPayload::Form,
        InvalidPayload::Members,
        InvalidPayload::Value,
    );
    for (payload, why) in [
        ("", form),
        ("7", form),
        ("[7]", form),
        (r#"{"v":7"#, form),
        (r#"{"v":7} {}"#, form),
        ("{}", members),
        (r#"{"v":-1}"#, members),
        (r#"{"v":7.0}"#, members),
        (r#"{"v":"7"}"#, members),
        (r#"{"v":7,"v":7}"#, members),
        (r#"{"v":7,"x":1}"#, members),
        (r#"{"v":7,"no":null}"#, members),
        (r#"{"v":9007199254740992}"#, value),
        (r#"{"v":7,"no":["x"]}"#, value),
        (many.as_str(), value),
    ] {
        assert_eq!(
            acknowledgement::parse(payload.as_bytes()),
            Err(why),
            "{payload}"
        );
    }
    for (payload, why) in [
        (&b"\xa0"[..], members),
        (b"\xa1\x61v", form),
        (b"\xa1\x61v\x07\x00", form),
        (b"\xa2\x61v\x07\x61v\x07", members),
        (b"\xa1\x61v\x20", members),
        (b"\xa1\x61v\x1f", form),
        (b"\xa1\x61v\x1c", form),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x61v\x07", form),
        (b"\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xff", form),
        (b"\xa1\x7f\x61v\xff\x07", form),
        (b"\xa1\x61\xff\x07", form),
    ] {
        assert_eq!(acknowledgement::parse(payload), Err(why), "{payload:02x?}");
    }
}

#[test]
fn an_inquiry_and_its_answer_are_these_bytes() {
    let all = Inquiry::default();
    let one = Inquiry {
        service_uri: Some(key().service_uri),
    };
    for payload in [&b""[..], b"{}", b"\xa0"] {
        assert_eq!(inquiry::parse(payload), Ok(all.clone()));
    }
    let json = format!(r#"{{"svc":"{SVC}"}}"#);
    assert_eq!(inquiry::parse(json.as_bytes()), Ok(one.clone()));
    let cbor = [b"\xa1\x63svc".to_vec(), cbor_text(SVC)].concat();
    assert_eq!(inquiry::parse(&cbor), Ok(one));
    assert!(inquiry::parse(br#"{"svc":"eggs"}"#).is_err());
    assert!(inquiry::parse(br#"{"svc":null}"#).is_err());

    let device = DeviceId::parse(DID).unwrap();
    let rows = [OwnMapping {
        mapping: id(),
        key: key(),
    }];
    let told = inquiry::encode_answer(&device, &rows, Format::Json);
    assert_eq!(
        String::from_utf8(told).unwrap(),
        format!(r#"{{"did":"{DID}","m":[{{"id":"{ID}","svc":"{SVC}","uti":"{UTI}"}}]}}"#)
    );
}

#[test]
fn a_row_is_given_up_in_one_way_and_not_in_two() {
    let by_id = format!(r#"{{"id":"{ID}"}}"#);
    assert_eq!(
        revocation::parse(by_id.as_bytes()),
        Ok(Given::Mapping(id()))
    );
    let by_key = format!(r#"{{"svc":"{SVC}","uti":"{UTI}"}}"#);
    assert_eq!(revocation::parse(by_key.as_bytes()), Ok(Given::Key(key())));
    for payload in [
        format!(r#"{{"id":"{ID}","svc":"{SVC}","uti":"{UTI}"}}"#),
        format!(r#"{{"id":"{ID}","uti":"{UTI}"}}"#),
        format!(r#"{{"svc":"{SVC}"}}"#),
        "{}".to_owned(),
    ] {
        let read = revocation::parse(payload.as_bytes());
        assert_eq!(read, Err(InvalidPayload::Members), "{payload}");
    }
}

#[test]
fn what_a_device_says_is_taken_byte_by_byte() {
    let payload = format!("{{\"data\": {{ \"a\" :1.50, \"\\u0061\":[ ] }} ,\"id\":\"{ID}\"}}");
    let told = event::parse(payload.as_bytes()).unwrap();
    assert_eq!(told.data, br#"{ "a" :1.50, "\u0061":[ ] }"#);
    assert!(told.is_json);
    let payload = [
        b"\xa2\x62id".to_vec(),
        cbor_text(ID),
        b"\x64data\x42\xff\x00".to_vec(),
    ];
    let payload = payload.concat();
    let told = event::parse(&payload).unwrap();
    assert_eq!((told.data, told.is_json), (&b"\xff\x00"[..], false));
    for payload in [
        format!(r#"{{"id":"{ID}"}}"#),
        format!(r#"{{"id":"{ID}","data":}}"#),
        format!(r#"{{"id":"{ID}","data":1,"data":2}}"#),
        r#"{"id":"1","data":1}"#.to_owned(),
    ] {
        assert!(event::parse(payload.as_bytes()).is_err(), "{payload}");
    }
}

#[test]
fn data_as_deep_as_a_packet_allows_is_taken() {
    let (open, close) = ("[".repeat(4000), "]".repeat(4000));
    let payload = format!(r#"{{"id":"{ID}","data":{open}{close}}}"#);
    assert_eq!(event::parse(payload.as_bytes()).unwrap().data.len(), 8000);
}

#[test]
fn a_refusal_is_these_bytes() {
    let told = Refusal::NoMapping.encode(Format::Json);
    assert_eq!(told, br#"{"code":404,"err":"no_mapping"}"#);
    let told = Refusal::NoMapping.encode(Format::Cbor);
    assert_eq!(told, b"\xa2\x64code\x19\x01\x94\x63err\x6ano_mapping");
    for refusal in Refusal::ALL {
        for format in [Format::Json, Format::Cbor] {
            assert_eq!(Refusal::parse(&refusal.encode(format)), Ok(refusal));
        }
    }
    assert_eq!(refusal::encode_done(Format::Json), b"{}");
    assert_eq!(refusal::encode_done(Format::Cbor), b"\xa0");
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Json), Just(Format::Cbor)]
}

fn ids() -> impl Strategy<Value = MappingId> {
    any::<[u8; 16]>().prop_map(MappingId::from_bytes)
}

fn keys() -> impl Strategy<Value = MappingKey> {
    ("[a-z]{1,9}", "[a-z]{0,300}", any::<[u8; 16]>()).prop_map(|(host, path, mut uti)| {
        uti[6] = uti[6] & 0x0f | 0x40;
        uti[8] = uti[8] & 0x3f | 0x80;
        let uti = MappingId::from_bytes(uti).to_string();
        MappingKey {
            service_uri: ServiceUri::parse(&format!("https://{host}.example/{path}")).unwrap(),
            uti: Uti::parse(&uti).unwrap(),
        }
    })
}

fn entries() -> impl Strategy<Value = DocumentEntry> {
    let e2e = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    (ids(), keys(), e2e).prop_map(|(mapping, key, e2e)| DocumentEntry { mapping, key, e2e })
}

proptest! {
    #[test]
    fn a_document_comes_back(
        version in 0..1_u64 << 53,
        entries in proptest::collection::vec(entries(), 0..=16),
        format in formats(),
    ) {
        let document = DeviceDocument { version, entries };
        prop_assert_eq!(document::parse(&document::encode(&document, format)), Ok(document));
    }

    #[test]
    fn an_acknowledgement_comes_back(
        version in 0..1_u64 << 53,
        refused in proptest::collection::vec(ids(), 0..=16),
        format in formats(),
    ) {
        let told = Acknowledgement { version, refused };
        prop_assert_eq!(acknowledgement::parse(&acknowledgement::encode(&told, format)), Ok(told));
    }

    #[test]
    fn an_inquiry_and_its_answer_come_back(
        key in proptest::option::of(keys()),
        rows in proptest::collection::vec((ids(), keys()), 0..=16),
        format in formats(),
    ) {
        let asked = Inquiry { service_uri: key.map(|key| key.service_uri) };
        prop_assert_eq!(inquiry::parse(&inquiry::encode(&asked, format)), Ok(asked));
        let device = DeviceId::parse(DID).unwrap();
        let rows: Vec<_> = rows.into_iter().map(|(mapping, key)| OwnMapping { mapping, key }).collect();
        let told = inquiry::encode_answer(&device, &rows, format);
        prop_assert_eq!(inquiry::parse_answer(&told), Ok((device, rows)));
    }

    #[test]
    fn what_is_given_up_comes_back(id in ids(), key in keys(), by_id: bool, format in formats()) {
        let given = if by_id { Given::Mapping(id) } else { Given::Key(key) };
        prop_assert_eq!(revocation::parse(&revocation::encode(&given, format)), Ok(given));
    }

    #[test]
    fn data_comes_back_byte_by_byte(id in ids(), data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let told = Event { mapping: id, data: &data, is_json: false };
        let encoded = event::encode(&told).unwrap();
        prop_assert_eq!(event::parse(&encoded), Ok(told));
        let text = serde_json::to_vec(&data).unwrap();
        let told = Event { mapping: id, data: &text, is_json: true };
        let encoded = event::encode(&told).unwrap();
        prop_assert_eq!(event::parse(&encoded), Ok(told));
    }

    #[test]
    fn reading_is_total(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), first in 0..4_u8) {
        if let Some(byte) = bytes.first_mut() {
            *byte = [*byte, b'{', 0xa2, 0xbf][usize::from(first)];
        }
        let _ = document::parse(&bytes);
        let _ = acknowledgement::parse(&bytes);
        let _ = inquiry::parse(&bytes);
        let _ = inquiry::parse_answer(&bytes);
        let _ = revocation::parse(&bytes);
        let _ = event::parse(&bytes);
        let _ = Refusal::parse(&bytes);
    }
}
