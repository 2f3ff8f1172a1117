use super::*;

fn schemes(added: &[(&str, &str)]) -> IdentifierSchemes {
    let mut schemes = IdentifierSchemes::default();
    for (name, pattern) in added {
        schemes.register(name, pattern).unwrap();
    }
    schemes
}

/// Each of them has the shape of a permanent identifier, by chance.
#[test]
fn the_schemes_that_are_built_in_beat_the_shape() {
    let none = IdentifierSchemes::default();
    for text in [
        "urn:oid:1.3.6.1.4.1.53555.1.20261122",
        "urn:oid:2.25.329800735698586629295641978511506172918",
        "did:ethr:0xb9c5714089478a327f09197987f16f9e5d936e8a",
        "did:example:1234567890abcdefghi",
        "urn:epc:id:sgtin:4012345.098765.40004567A",
        "urn:epc:id:sscc:0614141.1234567890",
        "https://id.gs1.org/01/09506000134352/21/FRIDGE-31",
        "//m2m.op.example/in-cse/C1904567891234x",
        "/in-cse/S1904567891234x",
        "extid-fridge-31@iot.op.example",
    ] {
        let parsed = none.parse_device_id(text);
        assert_eq!(parsed.unwrap().as_str(), text);
        let shape = crate::id::find_permanent_identifier(text);
        assert!(shape.is_some(), "its shape alone is refused: {text}");
    }
    let uuid = "urn:uuid:0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11";
    assert!(none.parse_device_id(uuid).is_ok());
}

#[test]
fn what_only_resembles_a_scheme_is_judged_by_its_shape() {
    let none = IdentifierSchemes::default();
    for text in [
        "urn:oid:1.3.6.262011234567890",
        "urn:oid:1.03.6.1.4.1.53555.20261122",
        "did:example:262011234567890",
        "urn:epc:id:sgtin:4012345.098765.262011234567890",
        "urn:epc:id:imovn:491701234567",
        "https://id.gs1.org/01/09506000134353/21/A",
        "https://id.gs1.org/01/09506000134352/21/262011234567890",
        "/in-cse/C262011234567890",
        "extid-262011234567890@iot.op.example",
        "extid-imsi-262011234567890@iot.op.example",
        "extid-262011234567890@ims.mnc001.mcc262.3gppnetwork.org",
        "fridge-31@iot.op.example",
        "262011234567890",
        "imsi-262011234567890",
    ] {
        let refused = none.parse_device_id(text);
        assert!(matches!(refused, Err(InvalidId::Permanent(_))), "{text}");
    }
}

#[test]
fn a_scheme_that_was_added_beats_the_shape_and_nothing_else() {
    let added = schemes(&[
        ("acme-unit", "unit/[0-9]{4}/[0-9]{10}[A-Z]"),
        ("op-external-id", r"[^@]+@iot\.op\.example"),
    ]);
    let none = IdentifierSchemes::default();
    for text in ["unit/0042/1234567890K", "fridge-31@iot.op.example"] {
        assert!(none.parse_device_id(text).is_err(), "{text}");
        assert_eq!(added.parse_device_id(text).unwrap().as_str(), text);
    }
    for text in [
        "unit/0042/1234567890",
        "my unit/0042/1234567890K",
        "unit/0042/1234567890K/262011234567890",
        "fridge-31@mail.example",
    ] {
        assert!(added.parse_device_id(text).is_err(), "{text}");
    }
    let long = alloc::format!("{}1234567890@iot.op.example", "x".repeat(256));
    assert!(matches!(
        added.parse_device_id(&long),
        Err(InvalidId::TooLong { .. })
    ));
}

#[test]
fn no_scheme_lets_an_exact_identifier_of_a_subscriber_through() {
    let added = schemes(&[
        ("op-external-id", r"[^@]+@iot\.op\.example"),
        ("acme", "acme:.*"),
        ("ims", r".+@.+\.3gppnetwork\.org"),
    ]);
    for text in [
        "262011234567890@iot.op.example",
        "imsi-262011234567890@iot.op.example",
        "%32%36%32011234567890@iot.op.example",
        "acme:262011234567890",
        "acme:+491701234567",
        "acme:imei-490154203237518",
        "acme:a:4901-7012-34567",
        "jane@ims.mnc001.mcc262.3gppnetwork.org",
    ] {
        let refused = added.parse_device_id(text);
        assert!(matches!(refused, Err(InvalidId::Permanent(_))), "{text}");
    }
    assert!(added.parse_device_id("acme:x491701234567").is_ok());
}

#[test]
fn a_scheme_that_would_let_anything_through_is_not_registered() {
    let mut all = schemes(&[("acme", "acme-.*")]);
    let mut refused = |name: &str, pattern: &str| all.register(name, pattern).unwrap_err();
    assert_eq!(refused("Acme", "a"), InvalidScheme::Name);
    assert_eq!(refused("", "a"), InvalidScheme::Name);
    assert_eq!(refused("acme", "a"), InvalidScheme::Taken);
    assert_eq!(refused("gs1", "a"), InvalidScheme::Taken);
    for pattern in ["", "(", "a)|(?:.*", "(?=a)a", r"(a)\1", "a{999999}"] {
        assert_eq!(refused("x", pattern), InvalidScheme::Pattern, "{pattern}");
    }
    for (pattern, kind) in [
        (".*", PermanentIdentifier::Digits),
        ("[0-9]{15}", PermanentIdentifier::Digits),
        ("imsi-[0-9]+", PermanentIdentifier::Subscription),
        (r"\+[0-9]+", PermanentIdentifier::PhoneNumber),
        ("[^@]+@[^@]+", PermanentIdentifier::MailAddress),
    ] {
        assert_eq!(
            refused("x", pattern),
            InvalidScheme::Admits(kind),
            "{pattern}"
        );
    }
}
