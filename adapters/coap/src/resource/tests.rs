use super::*;

fn find(path: &str, method: Method) -> Result<Resource, Astray> {
    let device = DeviceId::parse("d-own").unwrap();
    let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    Resource::find(&segments, method, &device)
}

#[test]
fn each_resource_is_asked_in_its_own_ways() {
    use Method::{Fetch, Get, Other, Post};
    for (path, resource, ways) in [
        ("/.well-known/core", Resource::Discovery, &[Get][..]),
        ("/ics/v1/doc", Resource::Document, &[Get]),
        ("/ics/v1/doc/ack", Resource::Acknowledgement, &[Post]),
        ("/ics/v1/inq", Resource::Inquiry, &[Get, Fetch]),
        ("/ics/v1/rev", Resource::Revocation, &[Post]),
        ("/ics/v1/evt", Resource::Event, &[Post]),
        ("/ics/v1/d/d-own/doc", Resource::Document, &[Get]),
    ] {
        for method in [Get, Post, Fetch, Other] {
            let expected = ways.contains(&method);
            let found = find(path, method);
            let expected = expected.then_some(resource).ok_or(Astray::Method);
            assert_eq!(found, expected, "{path} {method:?}");
        }
    }
}

#[test]
fn what_is_another_devices_looks_the_same_whether_there_is_one_or_not() {
    for path in [
        "/ics/v1/d/d-other/doc",
        "/ics/v1/d/none/doc",
        "/ics/v1/d/d-other",
        "/ics/v1/d//x",
    ] {
        assert_eq!(find(path, Method::Get), Err(Astray::Foreign), "{path}");
    }
    for path in [
        "/",
        "/ics",
        "/ics/v1",
        "/ics/v1/d",
        "/ics/v1/doc/",
        "/ics/v1/d/d-own",
        "/ics/v2/doc",
    ] {
        assert_eq!(find(path, Method::Get), Err(Astray::Unknown), "{path}");
    }
}

#[test]
fn discovery_fits_one_small_datagram() {
    assert!(DISCOVERY.len() < 256, "{}", DISCOVERY.len());
    assert_eq!(DISCOVERY.matches("rt=").count(), 5);
    assert!(!DISCOVERY.contains(' ') || DISCOVERY.contains("\"50 60\""));
}
