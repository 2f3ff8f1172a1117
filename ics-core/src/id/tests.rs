use alloc::string::ToString;

use super::*;

#[test]
fn uti_spellings_of_one_uuid_are_one_value() {
    let bare = Uti::parse("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11").unwrap();
    for spelling in [
        "urn:uuid:0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11",
        "URN:UUID:0B7F3A52-7D0A-4B1E-9F35-6A3D2F4F9A11",
        "0B7F3A527D0A4B1E9F356A3D2F4F9A11",
    ] {
        assert_eq!(Uti::parse(spelling).unwrap(), bare, "{spelling}");
    }
    assert_eq!(bare.as_str(), "0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11");
}

#[test]
fn uti_of_a_traceable_uuid_version_is_refused() {
    for version in ['1', '2', '3', '5', '6', '8', '0'] {
        let text = "0b7f3a52-7d0a-Vb1e-9f35-6a3d2f4f9a11".replace('V', &version.to_string());
        assert_eq!(Uti::parse(&text), Err(InvalidId::NotAnonymous), "{text}");
    }
    assert!(Uti::parse("0190b7f3-7d0a-7b1e-9f35-6a3d2f4f9a11").is_ok());
}

#[test]
fn uti_shaped_like_a_permanent_identifier_is_refused() {
    for text in [
        "262011234567890",
        "imsi-262011234567890",
        "IMSI-262011234567890",
        "4917012345678",
        "+4917012345678",
        "tel:+49-170-12345678",
        "someone@example.com",
        "490154203237518",
        "imei-490154203237518",
        "8949020000012345678",
        "order/262011234567890/x",
        "user%40example.com-and-more",
        "00000000000000000000000000000000000000000000",
        "suci-0-262-01-0-0-0-1234567890",
        "alice%40example.com%FF",
        "%FF%32%36%32%30%31%31%32%33%34%35%36%37%38%39%30",
        "%FFimsi%2D262011234567890%FF",
        "imsi262011234567890",
        "msisdn4915112345678xx",
        "a262011234567890",
        "user490170123456",
        "262-011-234-567-890",
        "26201.12345.67890",
        "35-209900-176148-1",
        "urn:gsma:imei:90420156-025763-0",
        "0049-170-1234567",
        "49_170_123_45_67_89",
        "AA-BB-CC-DD-EE-FF-",
        "x/00:11:22:33:44:55/",
        "alice@[1.2.3.4]/xxxxxx",
        "alice(at)example.com",
        "alice[AT]example.com",
        "msisdn:491-701-234-567",
        "msisdn=491-701-23-45-67",
        "phone-0170-1234567",
        "49170-1234567-zzzz",
        "491.701.234.567/zz",
        "customer-262-011-234-567-890",
        "user:262:011:234:567:890",
        "262/011/234/567/890",
        "262,011,234,567,890",
        "262011234567890abcdef",
        "abc262011234567890abc",
        "a491701234567b--",
        "2026-11-21-262-011-234-567-890",
        "262-011-234-567-890-000-000-0",
        "x-262011234567890000000",
        "mac:00:1b:44:11:3a:b7",
        "device-00:1b:44:11:3a:b7",
        "x:mac-aa-bb-cc-dd-ee-ff",
        "nai-alice-example",
        "gci-abcdefghijklmnop",
    ] {
        assert!(
            matches!(Uti::parse(text), Err(InvalidId::Permanent(_))),
            "{text}"
        );
    }
}

#[test]
fn a_number_is_not_hidden_by_half_a_uuid_before_or_behind_it() {
    for text in [
        // The first twelve digits of the number would end a random UUID.
        "d0000000-0000-4000-8000-262011234567890",
        "https://s.example/d0000000-0000-4000-8000-262011234567890",
        "2620112345678-0000-4000-8000-0123456789ab",
        "2620112d0000000-0000-4000-8000-262011234567",
    ] {
        assert!(find_permanent_identifier(text).is_some(), "{text}");
    }
    let uuid = "d0000000-0000-4000-8000-262011234567";
    for text in [
        uuid,
        "urn:uuid:d0000000-0000-4000-8000-262011234567",
        "order/d0000000-0000-4000-8000-262011234567/x",
    ] {
        assert_eq!(find_permanent_identifier(text), None, "{text}");
    }
}

#[test]
fn a_permanent_identifier_is_found_in_every_part_of_a_uri() {
    for text in [
        "imsi-262011234567890://shop.example/",
        "a262011234567890://shop.example/",
        "https://imsi-262011234567890.example/",
        "https://shop.example:262011234567890/",
        "https://[v1.262011234567890]/",
        "https://shop.example/262011234567890",
        "https://shop.example/?262011234567890",
    ] {
        assert!(ServiceUri::parse(text).is_err(), "{text}");
        assert!(CallbackUri::parse(text).is_err(), "{text}");
    }
    for text in [
        "https://shop.example:65535/",
        "https://[2001:db8::1]:8443/cb",
    ] {
        assert!(ServiceUri::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn opaque_utis_are_taken_as_they_are() {
    for text in [
        "aXk3-9kfQ-22mm-Zp01",
        "x7f3a52d0a4b1e9f356a3d2f4f9a11b",
        "A1b2C3d4E5f6G7h8",
        "order-2026-11-21-000123",
        "5f3a8c1e2b7d4f6091a2b3c4",
    ] {
        assert_eq!(Uti::parse(text).unwrap().as_str(), text);
    }
    assert_eq!(Uti::parse("short"), Err(InvalidId::TooShort { min: 16 }));
    assert_eq!(
        Uti::parse(&"x".repeat(129)),
        Err(InvalidId::TooLong { max: 128 })
    );
    assert_eq!(
        Uti::parse("with space in the middle"),
        Err(InvalidId::Character)
    );
}

#[test]
fn device_ids_shaped_like_hardware_or_subscriptions_are_refused() {
    for text in [
        "aa:bb:cc:dd:ee:ff",
        "AA-BB-CC-DD-EE-FF",
        "aabbccddeeff",
        "mac-aa-bb-cc-dd-ee-ff",
        "262011234567890",
        "imei-490154203237518",
        "a@b.example",
        "12345",
    ] {
        assert!(
            matches!(DeviceId::parse(text), Err(InvalidId::Permanent(_))),
            "{text}"
        );
    }
    assert!(DeviceId::parse("d-5f09ab").is_ok());
    assert!(DeviceId::parse("0b7f3a52-7d0a-4b1e-9f35-123456789012").is_ok());
    assert!(DeviceId::parse("0b7f3a52-7d0a-1b1e-9f35-123456789012").is_err());
    assert!(DeviceId::parse("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11").is_ok());
}

#[test]
fn device_id_that_contains_the_serial_number_is_refused() {
    let serial = DeviceSerialNumber::parse("FR-2291-00031").unwrap();
    for text in [
        "fr-2291-00031",
        "d-FR-2291-00031-x",
        "FR229100031",
        "d_FR_2291_00031",
        "FR%2D2291%2D00031",
    ] {
        assert!(
            DeviceId::parse(text)
                .unwrap()
                .check_differs_from(&serial)
                .is_err(),
            "{text}"
        );
    }
    assert!(
        DeviceId::parse("d-5f09")
            .unwrap()
            .check_differs_from(&serial)
            .is_ok()
    );
}

#[test]
fn serial_numbers_of_digits_are_accepted() {
    assert!(DeviceSerialNumber::parse("490154203237518").is_ok());
    assert!(DeviceSerialNumber::parse("").is_err());
    assert!(DeviceSerialNumber::parse("a\nb").is_err());
    assert!(DeviceSerialNumber::parse(" a").is_err());
}

#[test]
fn service_uris_are_absolute_and_normal() {
    assert!(ServiceUri::parse("https://shop.example/services/eggs").is_ok());
    assert!(ServiceUri::parse("https://shop.example/services/eggs?size=l").is_ok());
    for (text, why) in [
        ("shop.example/services", InvalidId::NotAbsoluteUri),
        ("urn:service:eggs", InvalidId::NotAbsoluteUri),
        ("https:///services", InvalidId::NotAbsoluteUri),
        ("https://u:p@shop.example/", InvalidId::UriParts),
        ("https://shop.example/a#b", InvalidId::UriParts),
        ("https://shop.example/a/../b", InvalidId::NotNormalUri),
        ("https://Shop.example/a", InvalidId::NotNormalUri),
        ("HTTPS://shop.example/a", InvalidId::NotNormalUri),
        ("https://shop.example/%61", InvalidId::NotNormalUri),
    ] {
        assert_eq!(ServiceUri::parse(text), Err(why), "{text}");
    }
    for text in [
        "https://shop.example/u/262011234567890",
        "https://shop.example/u/%32%36%32011234567890",
        "https://shop.example/u?m=bob@example.com",
        "https://shop.example/imsi-262011234567890",
        "https://shop.example/alice%40example.com/%FF",
        "https://shop.example/alice%EF%BC%A0example.com",
        "https://shop.example/%D9%A2%D9%A6%D9%A2%D9%A0%D9%A1%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6%D9%A7%D9%A8%D9%A9%D9%A0",
        "https://shop.example/services?",
        "https://shop.example/%2F..%2F..",
        "https://shop.example/%00",
    ] {
        assert!(ServiceUri::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_prefix_owns_itself_and_what_lies_under_it() {
    let prefix = ServicePrefix::parse("https://shop.example/services").unwrap();
    let owns = |text: &str| prefix.owns(&ServiceUri::parse(text).unwrap());
    assert!(owns("https://shop.example/services"));
    assert!(owns("https://shop.example/services/eggs"));
    assert!(owns("https://shop.example/services?x=1"));
    assert!(!owns("https://shop.example/services2"));
    assert!(!owns("https://shop.example/"));
    assert!(!owns("https://evil.example/services/eggs"));
}

#[test]
fn callbacks_are_https_and_pinned_by_origin() {
    let callback = CallbackUri::parse("https://shop.example:8443/ics/cb?x=1").unwrap();
    assert_eq!(
        callback.origin(),
        Origin::parse("https://shop.example:8443").unwrap()
    );
    assert_eq!(
        CallbackUri::parse("http://shop.example/cb"),
        Err(InvalidId::Scheme)
    );
    assert!(Origin::parse("https://shop.example/path").is_err());
    assert!(Origin::parse("https://[::1]:8443").is_ok());
}

#[test]
fn sp_ids_are_plain_names() {
    assert!(SpId::parse("shop1").is_ok());
    for text in ["", "a", "1shop", "Shop", "a:b", "a/b", "../x", "a b"] {
        assert!(SpId::parse(text).is_err(), "{text}");
    }
}

#[test]
fn minted_ids_survive_a_round_trip_and_sort_by_time() {
    use crate::time::Timestamp;
    let a = MappingId::mint(Timestamp::from_millis(1), [0xff; 10]);
    let b = MappingId::mint(Timestamp::from_millis(2), [0; 10]);
    assert!(a < b);
    assert_eq!(MappingId::parse(&a.to_string()), Ok(a));
    assert!(MappingId::parse(&a.to_string().to_uppercase()).is_err());
}

#[test]
fn an_ae_id_names_a_cse_and_a_stem_and_nobody() {
    let ae = AeId::parse("/id-in/Cshop").unwrap();
    assert_eq!((ae.as_str(), ae.cse_id()), ("/id-in/Cshop", "id-in"));
    assert!(AeId::parse("/id-in/S0.2.481.1").is_ok());
    for text in [
        "",
        "Cshop",
        "/id-in/",
        "/id-in/C",
        "/id-in/shop",
        "/id-in/Cshop/cnt",
        "//in.example/id-in/Cshop",
        "/id-in/C shop",
        "/../Cshop",
        "/./Cshop",
        "/id-in/C262010123456789",
        "/imsi-262010123456789/Cshop",
    ] {
        assert!(AeId::parse(text).is_err(), "{text}");
    }
}
