use proptest::prelude::*;

use super::*;

fn cut(bytes: &[u8]) -> Frame<'_> {
    assert_eq!(measure(bytes, 8192), Ok(Some(bytes.len())));
    Frame::of(bytes).unwrap()
}

#[test]
fn a_packet_is_measured_before_it_is_there() {
    for (bytes, length) in [
        (&b""[..], Ok(None)),
        (b"\xc0", Ok(None)),
        (b"\xc0\x00", Ok(Some(2))),
        (b"\x30\x80", Ok(None)),
        (b"\x30\x7f", Ok(Some(129))),
        (b"\x30\x80\x01", Ok(Some(131))),
        (b"\x30\xfd\x3f", Ok(Some(8192))),
        (b"\x30\xfe\x3f", Err(Malformed::TooLarge)),
        (b"\x30\xff\xff\xff", Ok(None)),
        (b"\x30\xff\xff\xff\x7f", Err(Malformed::TooLarge)),
        (b"\x30\xff\xff\xff\xff", Err(Malformed::Form)),
        (b"\x30\x80\x80\x80\x80\x00", Err(Malformed::Form)),
        (b"\xc0\x80\x80\x80\x00", Ok(Some(5))),
    ] {
        assert_eq!(measure(bytes, 8192), length, "{bytes:02x?}");
    }
    assert_eq!(Frame::of(b"\xc0\x80\x80\x80\x00").unwrap().body, b"");
}

#[test]
fn a_connect_of_3_1_1_is_read() {
    let bytes =
        b"\x10\x19\x00\x04MQTT\x04\xc6\x00\x3c\x00\x01a\x00\x01t\x00\x01w\x00\x01u\x00\x01p";
    let connect = read_connect(cut(&bytes[..])).unwrap();
    assert_eq!(connect.version, Version::V3);
    assert_eq!(
        (connect.clean, connect.keep_alive, connect.client_id),
        (true, 60, "a")
    );
    assert_eq!(
        (connect.user_name, connect.password),
        (Some("u"), Some(&b"p"[..]))
    );
    let will = connect.will.unwrap();
    assert_eq!(
        (will.topic, will.is_retained, will.is_exactly_once),
        ("t", false, false)
    );
}

#[test]
fn a_connect_of_5_is_read() {
    let bytes = b"\x10\x1d\x00\x04MQTT\x05\x40\x00\x00\x0d\x21\x00\x02\x27\x00\x00\x01\x00\x22\x00\x00\x19\x01\x00\x00\x00\x01p";
    let connect = read_connect(cut(&bytes[..])).unwrap();
    assert_eq!(connect.version, Version::V5);
    assert_eq!(
        (connect.receive_maximum, connect.maximum_packet_size),
        (2, Some(256))
    );
    // 3.1.2.9: in 5 a password may come alone.
    assert_eq!(
        (connect.user_name, connect.password),
        (None, Some(&b"p"[..]))
    );
}

#[test]
fn a_connect_that_is_none_is_refused() {
    let (v3, v5) = (Some(Version::V3), Some(Version::V5));
    for (bytes, why) in [
        (&b"\x10\x00"[..], (None, Malformed::Form)),
        (
            b"\x11\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a",
            (None, Malformed::Protocol),
        ),
        (b"\xc0\x00", (None, Malformed::Protocol)),
        (
            b"\x10\x0d\x00\x04mqtt\x04\x02\x00\x3c\x00\x01a",
            (None, Malformed::Form),
        ),
        (
            b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x3c\x00\x01a",
            (v3, Malformed::Version),
        ),
        // Reserved flag; will flags without will; will of QoS 3; password without user name.
        (
            b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x0d\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01a",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x12\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01a\x00\x01t\x00\x00",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01p",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01ab",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00",
            (v3, Malformed::Form),
        ),
        (
            b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\xff",
            (v3, Malformed::Form),
        ),
        // A property twice, one that has no place here, one out of range, one cut short.
        (
            b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x06\x21\x00\x01\x21\x00\x01\x00\x00",
            (v5, Malformed::Protocol),
        ),
        (
            b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x02\x01\x00\x00\x00",
            (v5, Malformed::Protocol),
        ),
        (
            b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x00\x00\x00",
            (v5, Malformed::Protocol),
        ),
        (
            b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x02\x21\x00\x00\x00",
            (v5, Malformed::Form),
        ),
        (
            b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x7f\x21\x00",
            (v5, Malformed::Form),
        ),
    ] {
        assert_eq!(read_connect(cut(bytes)), Err(why), "{bytes:02x?}");
    }
}

#[test]
fn a_publish_is_read() {
    let bytes = b"\x3a\x12\x00\x01t\x01\x02\x09\x08\x00\x01r\x09\x00\x02\xff\x00abc";
    let packet = read_packet(Version::V5, cut(&bytes[..]));
    let Ok(Packet::Publish(publish)) = packet else {
        panic!("{packet:?}");
    };
    assert_eq!((publish.topic, publish.packet_id), ("t", Some(258)));
    assert_eq!(publish.response_topic, Some("r"));
    assert_eq!(publish.correlation_data, Some(&b"\xff\x00"[..]));
    assert_eq!(publish.payload, b"abc");
}

#[test]
fn reasons_and_properties_may_be_left_out_where_mqtt_5_lets_them() {
    for bytes in [
        &b"\x40\x02\x00\x07"[..],
        b"\x40\x03\x00\x07\x10",
        b"\x40\x04\x00\x07\x00\x00",
        b"\x40\x08\x00\x07\x80\x04\x1f\x00\x01x",
    ] {
        assert_eq!(read_packet(Version::V5, cut(bytes)), Ok(Packet::Puback(7)));
    }
    for bytes in [&b"\xe0\x00"[..], b"\xe0\x01\x04", b"\xe0\x02\x00\x00"] {
        assert_eq!(read_packet(Version::V5, cut(bytes)), Ok(Packet::Disconnect));
    }
    assert_eq!(
        read_packet(Version::V3, cut(b"\xe0\x01\x04")),
        Err(Malformed::Form)
    );
    assert_eq!(
        read_packet(Version::V3, cut(b"\x40\x03\x00\x07\x10")),
        Err(Malformed::Form)
    );
}

#[test]
fn lengths_are_written_as_they_are_measured() {
    for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
        let payload = vec![7; length];
        let publication = Publication {
            topic: "t",
            packet_id: Some(1),
            content_type: "application/json",
            correlation_data: Some(b"c"),
            payload: &payload,
        };
        for version in [Version::V3, Version::V5] {
            let mut out = Vec::new();
            let written = write_publication(&mut out, version, &publication);
            assert_eq!(written, out.len());
            assert_eq!(measure(&out, usize::MAX), Ok(Some(out.len())));
            // What a server publishes is in the form of what a client does.
            let Ok(Packet::Publish(read)) = read_packet(version, Frame::of(&out).unwrap()) else {
                panic!("not read");
            };
            assert_eq!(
                (read.topic, read.packet_id, read.payload),
                ("t", Some(1), &payload[..])
            );
        }
    }
}

proptest! {
    #[test]
    fn reading_is_total(first: u8, body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let frame = Frame { first, body: &body };
        let _ = read_connect(frame);
        let _ = read_packet(Version::V3, frame);
        let _ = read_packet(Version::V5, frame);
        let connect = [b"\x00\x04MQTT\x05".to_vec(), body.clone()].concat();
        let _ = read_connect(Frame { first: 0x10, body: &connect });
        let _ = measure(&body, 8192);
        let _ = Frame::of(&body);
    }
}
