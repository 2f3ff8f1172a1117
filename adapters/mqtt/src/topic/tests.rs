use super::*;

#[test]
fn a_topic_is_under_the_prefix_or_it_is_not() {
    let subtree = Subtree::of(&DeviceId::parse("d-abc").unwrap());
    assert_eq!(subtree.own("ics/v1/d/d-abc/doc/ack"), Some("doc/ack"));
    assert_eq!(subtree.name("doc"), "ics/v1/d/d-abc/doc");
    for topic in [
        "",
        "ics/v1/d/d-abc",
        "ics/v1/d/d-abc/",
        "ics/v1/d/d-abcd/doc",
        "ics/v1/d/d-ab/doc",
        "ics/v1/d/D-ABC/doc",
        "ics/v1/d/+/doc",
        " ics/v1/d/d-abc/doc",
        "$share/x/ics/v1/d/d-abc/doc",
    ] {
        assert_eq!(subtree.own(topic), None, "{topic}");
    }
    assert_eq!(subtree.own_name("ics/v1/d/d-abc/a/b"), Some("a/b"));
    assert_eq!(subtree.own_name("ics/v1/d/d-abc/a/+"), None);
    assert_eq!(subtree.own_name("ics/v1/d/d-abc/a#"), None);
}

#[test]
fn what_is_published_is_one_of_these() {
    for (own, read) in [
        ("doc/ack", Some(Upward::Acknowledgement)),
        ("inq", Some(Upward::Inquiry(None))),
        ("inq/7_a-Z", Some(Upward::Inquiry(Some("7_a-Z")))),
        ("rev", Some(Upward::Revocation(None))),
        ("rev/1", Some(Upward::Revocation(Some("1")))),
        ("evt", Some(Upward::Event)),
        ("st", Some(Upward::Presence)),
        ("doc", None),
        ("doc/ack/1", None),
        ("inq/", None),
        ("inq/a/accepted", None),
        ("inq/a.b", None),
        ("inq/\u{e9}", None),
        ("evt/1", None),
        ("EVT", None),
        ("/evt", None),
    ] {
        assert_eq!(Upward::read(own), read, "{own}");
    }
}

#[test]
fn a_filter_fills_levels() {
    for (filter, topic, matches) in [
        ("doc", "doc", true),
        ("doc", "doc/cbor", false),
        ("doc/cbor", "doc", false),
        ("#", "doc", true),
        ("#", "inq/1/accepted", true),
        ("+", "doc", true),
        ("+", "doc/cbor", false),
        ("doc/#", "doc", true),
        ("doc/#", "doc/cbor", true),
        ("doc/#", "docs", false),
        ("inq/+/accepted", "inq/1/accepted", true),
        ("inq/+/accepted", "inq/1/rejected", false),
        ("inq/+", "inq/1/accepted", false),
        ("+/+/#", "inq/1/accepted", true),
    ] {
        assert_eq!(does_match(filter, topic), matches, "{filter} {topic}");
    }
    for filter in ["a", "a/b", "+", "#", "+/a/#", "a//b", "a/", "/"] {
        assert!(is_filter(filter), "{filter}");
    }
    for filter in ["a+", "+a", "a/#/b", "#a", "##", "a#", "++", "#/"] {
        assert!(!is_filter(filter), "{filter}");
    }
}
