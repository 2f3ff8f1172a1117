use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn every_type_is_found_by_its_number_and_has_each_attribute_once() {
    for ty in Type::ALL {
        assert_eq!(Type::of_number(ty.number()), Some(ty));
        assert_eq!(ty.member(), format!("m2m:{}", ty.short_name()));
        let mut seen = BTreeSet::new();
        for attribute in ty.attributes() {
            assert!(seen.insert(attribute.name), "{ty:?} {}", attribute.name);
        }
    }
}

#[test]
fn what_a_type_holds_is_made_by_requests() {
    for parent in Type::ALL {
        assert!(!parent.may_hold(Type::CseBase));
        assert_eq!(parent.may_hold(Type::Ae), parent == Type::CseBase);
        assert_eq!(
            parent.may_hold(Type::ContentInstance),
            parent == Type::Container
        );
    }
}

#[test]
fn a_record_of_another_version_is_not_read() {
    let record = resource("x", None, 3).to_record().unwrap();
    let text = String::from_utf8(record).unwrap();
    for wrong in [
        text.replace("\"v\":1", "\"v\":2"),
        text.replace("\"ty\":3", "\"ty\":99"),
        text.replace("\"st\":", "\"more\":1,\"st\":"),
        String::new(),
    ] {
        assert!(Resource::from_record(wrong.as_bytes()).is_err());
    }
}

fn resource(name: &str, expires: Option<i64>, state_tag: u64) -> Resource {
    let mut attributes = Map::new();
    attributes.insert("con".into(), json!({ "a": name, "b": [1, 2.5, null] }));
    Resource {
        ty: Type::Container,
        ri: "cnt1".into(),
        rn: name.into(),
        pi: "Cone".into(),
        created: Timestamp::from_millis(1),
        modified: Timestamp::from_millis(2),
        expires: expires.map(Timestamp::from_millis),
        state_tag,
        attributes,
        owner: "Cone".into(),
        device: DeviceId::parse("urn:dev:one").ok(),
        above: Some("ics/map/x".into()),
        order: 9,
    }
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(name in ".*", expires in prop::option::of(0_i64..1 << 40),
        state_tag in any::<u64>())
    {
        let resource = resource(&name, expires, state_tag);
        let record = resource.to_record().unwrap();
        prop_assert_eq!(Resource::from_record(&record), Ok(resource));
    }

    #[test]
    fn no_record_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Resource::from_record(&bytes);
    }
}
