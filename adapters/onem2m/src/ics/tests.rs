mod device;
mod dmp;
mod inq;
mod map;
mod pnd;
mod proof;
pub(crate) mod rig;
mod watch;

use ics_core::id::MappingId;

use super::Place;
use crate::address::Address;
use rig::{Rig, names};

#[tokio::test]
async fn every_form_of_an_address_names_the_same_place() {
    let rig = Rig::new().await;
    let id = MappingId::from_bytes([0xab; 16]);
    let digits = "ab".repeat(16);
    let place = |to: &str| {
        let address = Address::parse(to, &names()).unwrap();
        rig.ics.place(&address)
    };
    for to in [
        "ics/map",
        "-/map",
        "map",
        "/id-ics/map",
        "/id-ics/-/map",
        "//ics.example/id-ics/ics/map",
    ] {
        assert_eq!(place(to), Some(Place::Map), "{to}");
    }
    for to in ["ics/map/map-", "map/map-", "map-", "/id-ics/map-"] {
        let to = format!("{to}{digits}");
        assert_eq!(place(&to), Some(Place::Row(id)), "{to}");
    }
    let pending = Some(Place::Pending(id));
    assert_eq!(place(&format!("ics/pnd/pnd-{digits}")), pending);
    assert_eq!(
        Place::Row(id).path(&names()),
        format!("ics/map/map-{digits}")
    );
}

#[tokio::test]
async fn what_lies_elsewhere_is_none_of_the_icss() {
    let rig = Rig::new().await;
    let digits = "ab".repeat(16);
    for to in [
        "ics".to_owned(),
        "ics/map/la".to_owned(),
        "ics/map/sub7".to_owned(),
        format!("ics/map-{digits}"),
        format!("ics/pnd/map-{digits}"),
        format!("ics/map/map-{}", digits.to_uppercase()),
        format!("ics/map/map-{}", digits.get(1..).unwrap()),
        format!("ics/map/map-+{}", digits.get(1..).unwrap()),
        format!("map-{digits}/sub7"),
        "map-".to_owned(),
    ] {
        let address = Address::parse(&to, &names()).unwrap();
        assert_eq!(rig.ics.place(&address), None, "{to}");
    }
}
