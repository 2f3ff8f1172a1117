use std::time::Duration;

use ics_core::time::Timestamp;
use proptest::prelude::*;
use tokio::time::Instant;

use super::client::{BOTH, Connect, Publish, Seen, Stage, device, entry, now};
use crate::packet::Version;
use crate::{Ended, Limits};
use ics_channel::{Rate, RefusedAttempt};

#[tokio::test(start_paused = true)]
async fn a_packet_that_is_too_long_is_refused_by_its_length() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = stage.connect(1, version).await;
        // 8,193 bytes in all; only the length of them comes.
        client.send(&[0x30, 0xfe, 0x3f]).await;
        client.expect_close(0x95).await;
        let mut client = stage.connect(1, version).await;
        let payload = vec![b'x'; 8192 - 3 - 2 - client.own("st").len() - 1];
        let publish = Publish {
            topic: client.own("st"),
            packet_id: None,
            payload,
            properties: Vec::new(),
        };
        client.send(&publish.encode(version)).await;
        client.hears_nothing().await;
        // And from the first byte on.
        let mut stranger = stage.open(stage.certified(1), version, 4096);
        stranger.send(&[0x10, 0xff, 0xff, 0xff, 0x7f]).await;
        assert_eq!(stranger.next().await, Seen::End);
        assert_eq!(stranger.ended().await, Ended::NotAdmitted);
    }
}

#[tokio::test(start_paused = true)]
async fn what_mqtt_does_not_allow_ends_the_session() {
    for (version, bytes, reason) in [
        (Version::V5, &b"\x30\x80\x80\x80\x80\x01"[..], 0x81),
        (Version::V5, b"\x36\x05\x00\x01a\x00\x01", 0x81),
        (Version::V5, b"\x34\x06\x00\x01a\x00\x01\x00", 0x9b),
        (Version::V5, b"\x31\x04\x00\x01a\x00", 0x9a),
        (Version::V5, b"\x38\x04\x00\x01a\x00", 0x81),
        (Version::V5, b"\x32\x06\x00\x01a\x00\x00\x00", 0x82),
        (Version::V5, b"\x30\x07\x00\x00\x03\x23\x00\x01x", 0x94),
        (Version::V5, b"\x30\x06\x00\x01a\x02\x0b\x01", 0x82),
        (Version::V5, b"\x80\x06\x00\x01\x00\x00\x01a", 0x81),
        (Version::V5, b"\x82\x03\x00\x01\x00", 0x82),
        (
            Version::V5,
            b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01a\x01",
            0xa1,
        ),
        (Version::V5, b"\x82\x07\x00\x01\x00\x00\x01a\x03", 0x81),
        (Version::V5, b"\x82\x07\x00\x01\x00\x00\x01\x00\x01", 0x81),
        (Version::V5, b"\xf0\x00", 0x82),
        (Version::V5, b"\x00\x00", 0x81),
        (Version::V5, b"\xc0\x01\x00", 0x81),
        (
            Version::V5,
            b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00",
            0x82,
        ),
        (Version::V3, b"\x34\x05\x00\x01a\x00\x01", 0x9b),
        (Version::V3, b"\x31\x03\x00\x01a", 0x9a),
        (Version::V3, b"\x82\x06\x00\x01\x00\x01a\x04", 0x81),
        (Version::V3, b"\x30\x03\x00\x01\xff", 0x81),
        (Version::V3, b"\x50\x02\x00\x01", 0x82),
    ] {
        let stage = Stage::new();
        let mut client = stage.connect(1, version).await;
        client.send(bytes).await;
        client.expect_close(reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_packet_may_come_byte_by_byte() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.connect(1, version).await;
        let publish = Publish {
            topic: client.own("doc/ack"),
            packet_id: Some(300),
            payload: br#"{"v":1}"#.to_vec(),
            properties: Vec::new(),
        };
        for byte in publish.encode(version) {
            client.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.next().await, Seen::Puback(300, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_refused_and_then_cut_off() {
    let limits = Limits {
        messages: Rate {
            per_second: 10,
            burst: 5,
        },
        ..Limits::default()
    };
    let stage = Stage::with(limits);
    let mut client = stage.connect(1, Version::V5).await;
    for id in 1..=5 {
        client.publish("st", id, "").await;
        assert_eq!(client.next().await, Seen::Puback(id, 0));
    }
    for id in 6..=10 {
        client.publish("st", id, "").await;
        assert_eq!(client.next().await, Seen::Puback(id, 0x97));
    }
    client.publish("st", 11, "").await;
    client.expect_close(0x97).await;
    let refused = (Some(device(1)), RefusedAttempt::TooFast);
    assert_eq!(stage.service.take_refused(), [refused]);
    // A new connection is no new allowance; 3.1.1 has no reason to give.
    let mut client = stage.connect(1, Version::V3).await;
    client.publish("st", 1, "").await;
    client.expect_close(0x97).await;
    stage.clock.set(now().plus(Duration::from_millis(500)));
    let mut client = stage.connect(1, Version::V5).await;
    for id in 1..=5 {
        client.publish("st", id, "").await;
        assert_eq!(client.next().await, Seen::Puback(id, 0));
    }
    client.ping().await;
    client.expect_close(0x97).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_read_is_not_read_and_then_cut_off() {
    for version in BOTH {
        let stage = Stage::with(Limits {
            messages: Rate {
                per_second: 1_000_000,
                burst: 1_000_000,
            },
            ..Limits::default()
        });
        let mut client = stage.open(stage.certified(1), version, 1024);
        client.connect(&Connect::default()).await;
        assert_eq!(client.next().await, Seen::Connack(0));
        client.subscribe(&[client.own("#")]).await;
        assert_eq!(client.next().await, Seen::Suback(vec![1]));
        let begun = Instant::now();
        let ask = Publish {
            topic: client.own("inq/1"),
            packet_id: Some(3),
            payload: Vec::new(),
            properties: Vec::new(),
        };
        let ask = ask.encode(version);
        // The pipe and what is held behind it take a little, and then no more.
        let taken = client.send_until_stuck(&ask, Duration::from_secs(20)).await;
        assert!(taken * ask.len() < 64 * 1024, "{taken} requests were taken");
        assert_eq!(client.outcome().await, Ended::ByDevice);
        assert!(begun.elapsed() < Duration::from_secs(60));
        stage.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_a_little_now_and_then_gets_the_newest_document() {
    let stage = Stage::new();
    let mut client = stage.open(stage.certified(1), Version::V3, 64);
    client.connect(&Connect::default()).await;
    assert_eq!(client.next().await, Seen::Connack(0));
    client
        .subscribe_at(
            &[client.own("doc")],
            mqtt_protocol_core::mqtt::packet::Qos::AtMostOnce,
        )
        .await;
    for n in 1..=16 {
        stage.service.offer(&device(1), entry(n));
        tokio::task::yield_now().await;
    }
    let mut documents = 0;
    loop {
        match client.next().await {
            Seen::Message(message) => {
                documents += 1;
                let document = ics_channel::document::parse(&message.payload).unwrap();
                if document.version == 16 {
                    assert_eq!(document.entries.len(), 16);
                    break;
                }
            }
            Seen::Suback(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(documents < 16, "{documents}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_put_back_does_not_end_a_session() {
    let stage = Stage::new();
    let mut client = stage.connect(1, Version::V5).await;
    stage.clock.set(Timestamp::from_millis(1));
    client.hears_nothing().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_bring_the_endpoint_down(
        connected: bool,
        is_5: bool,
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let stage = Stage::new();
            let version = if is_5 { Version::V5 } else { Version::V3 };
            let mut client = stage.open(stage.certified(1), version, 64 * 1024);
            if connected {
                client.connect(&Connect::default()).await;
            }
            for chunk in &chunks {
                client.send(chunk).await;
            }
            // A panic of the session would be one here.
            client.ended().await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_itself_over_has_no_more_messages_for_it() {
    let stage = Stage::with(Limits {
        messages: Rate {
            per_second: 1,
            burst: 5,
        },
        ..Limits::default()
    });
    let mut first = stage.connect(1, Version::V5).await;
    for id in 1..=5 {
        first.publish("st", id, "").await;
        assert_eq!(first.next().await, Seen::Puback(id, 0));
    }
    let mut second = stage.connect(1, Version::V5).await;
    second.publish("st", 1, "").await;
    assert_eq!(second.next().await, Seen::Puback(1, 0x97));
}
