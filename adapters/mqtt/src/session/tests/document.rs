use std::time::Duration;

use ics_channel::{Format, acknowledgement, document};
use ics_core::device::DeviceStatus;
use ics_core::device_document::Acknowledgement;
use mqtt_protocol_core::mqtt::packet::{MaximumPacketSize, Property, Qos, ReceiveMaximum};
use tokio::time::Instant;

use super::client::{BOTH, Client, Connect, Message, Seen, Stage, device, entry, now};
use crate::Limits;
use crate::packet::Version;

fn version_of(message: &Message) -> u64 {
    document::parse(&message.payload).unwrap().version
}

async fn acknowledge(client: &mut Client, id: u16, version: u64) {
    client
        .publish("doc/ack", id, format!(r#"{{"v":{version}}}"#))
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_document_comes_on_subscribe_and_on_change() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.listen(version, &["doc"]).await;
        let first = client.message().await;
        assert_eq!((first.topic.as_str(), version_of(&first)), ("doc", 1));
        assert!(first.packet_id.is_some());
        let json = version == Version::V5;
        assert_eq!(
            first.content_type.as_deref(),
            json.then_some("application/json")
        );
        client.hears_nothing().await;
        stage.service.offer(&device(1), entry(2));
        let second = client.message().await;
        let second = document::parse(&second.payload).unwrap();
        assert_eq!((second.version, second.entries.len()), (2, 2));
        // Nothing of the other device's.
        stage.service.offer(&device(2), entry(3));
        client.hears_nothing().await;
        // Again on subscribe, acknowledged or not.
        acknowledge(&mut client, 1, 2).await;
        assert_eq!(client.next().await, Seen::Puback(1, 0));
        client.subscribe(&[client.own("doc")]).await;
        assert_eq!(client.next().await, Seen::Suback(vec![1]));
        assert_eq!(version_of(&client.message().await), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_without_rows_gets_an_empty_document() {
    let stage = Stage::new();
    let mut client = stage.listen(Version::V3, &["doc"]).await;
    assert_eq!(client.message().await.text(), r#"{"v":0,"m":[]}"#);
}

#[tokio::test(start_paused = true)]
async fn the_topic_chooses_the_format() {
    for version in BOTH {
        for (filter, topic, format) in [
            ("doc/cbor", "doc/cbor", Format::Cbor),
            ("doc", "doc", Format::Json),
            ("#", "doc", Format::Json),
            ("+", "doc", Format::Json),
            ("doc/#", "doc", Format::Json),
            ("+/cbor", "doc/cbor", Format::Cbor),
        ] {
            let stage = Stage::new();
            stage.service.offer(&device(1), entry(1));
            let mut client = stage.listen(version, &[filter]).await;
            let message = client.message().await;
            assert_eq!(message.topic, topic, "{filter}");
            assert_eq!(Format::of(&message.payload), Ok(format));
            assert_eq!(version_of(&message), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_acknowledged_after_its_commit() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.listen(version, &["doc"]).await;
        client.message().await;
        stage.service.hold(true);
        acknowledge(&mut client, 77, 1).await;
        client.is_silent_for(Duration::from_secs(20)).await;
        assert_eq!(stage.service.established(), []);
        stage.service.hold(false);
        assert_eq!(client.next().await, Seen::Puback(77, 0));
        assert_eq!(stage.service.established(), [entry(1).mapping]);
    }
}

#[tokio::test(start_paused = true)]
async fn cbor_is_taken_as_json_is() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.listen(Version::V5, &["doc/cbor"]).await;
    client.message().await;
    let told = Acknowledgement {
        version: 1,
        refused: vec![],
    };
    let payload = acknowledgement::encode(&told, Format::Cbor);
    client.publish("doc/ack", 5, payload).await;
    assert_eq!(client.next().await, Seen::Puback(5, 0));
    assert_eq!(stage.service.established(), [entry(1).mapping]);
}

#[tokio::test(start_paused = true)]
async fn a_version_above_the_newest_changes_nothing() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.listen(Version::V5, &["doc"]).await;
    client.message().await;
    acknowledge(&mut client, 1, 2).await;
    assert_eq!(client.next().await, Seen::Puback(1, 0x83));
    assert_eq!(stage.service.established(), []);
    drop(client);
    let mut client = stage.listen(Version::V3, &["doc"]).await;
    client.message().await;
    acknowledge(&mut client, 1, 2).await;
    client.expect_close(0x83).await;
    assert_eq!(stage.service.established(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_comes_again_and_then_no_more() {
    for version in BOTH {
        let stage = Stage::with(Limits {
            longest_keep_alive: u16::MAX,
            ..Limits::default()
        });
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.open(stage.certified(1), version, 64 * 1024);
        let connect = Connect {
            keep_alive: 20_000,
            ..Connect::default()
        };
        client.connect(&connect).await;
        client.next().await;
        client.subscribe(&[client.own("doc")]).await;
        client.next().await;
        client.message().await;
        for seconds in [30, 120, 600, 600] {
            let since = Instant::now();
            assert_eq!(version_of(&client.message().await), 1);
            let seconds = Duration::from_secs(seconds);
            assert!(since.elapsed() >= seconds && since.elapsed() < seconds * 2);
        }
        acknowledge(&mut client, 1, 1).await;
        assert_eq!(client.next().await, Seen::Puback(1, 0));
        client.is_silent_for(Duration::from_secs(3000)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_under_way_and_the_next_is_the_newest() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.listen(version, &["doc"]).await;
        let Seen::Message(first) = client.next().await else {
            panic!("no document");
        };
        assert_eq!(version_of(&first), 1);
        for n in 2..=5 {
            stage.service.offer(&device(1), entry(n));
            client.hears_nothing().await;
        }
        client.receive(&first).await;
        assert_eq!(version_of(&client.message().await), 5);
        client.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_contact_brings_what_is_not_acknowledged() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.listen(Version::V5, &["doc"]).await;
    client.message().await;
    // It has just been sent.
    client.publish("st", 1, "here").await;
    assert_eq!(client.next().await, Seen::Puback(1, 0));
    client.is_silent_for(Duration::from_secs(10)).await;
    client.publish("st", 2, "here").await;
    assert_eq!(client.next().await, Seen::Puback(2, 0));
    assert_eq!(version_of(&client.message().await), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_acknowledgement_leaves_the_newest_owed() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.listen(Version::V5, &["doc"]).await;
    client.message().await;
    stage.service.offer(&device(1), entry(2));
    assert_eq!(version_of(&client.message().await), 2);
    acknowledge(&mut client, 1, 1).await;
    assert_eq!(client.next().await, Seen::Puback(1, 0));
    assert_eq!(version_of(&client.message().await), 2);
    assert_eq!(stage.service.established(), []);
}

#[tokio::test(start_paused = true)]
async fn a_quality_is_never_above_what_was_subscribed() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.connect(1, version).await;
        client
            .subscribe_at(&[client.own("doc")], Qos::AtMostOnce)
            .await;
        assert_eq!(client.next().await, Seen::Suback(vec![0]));
        assert_eq!(client.message().await.packet_id, None);
        client
            .subscribe_at(&[client.own("doc")], Qos::ExactlyOnce)
            .await;
        assert_eq!(client.next().await, Seen::Suback(vec![1]));
        assert!(client.message().await.packet_id.is_some());
        client.unsubscribe("doc").await;
        assert!(matches!(client.next().await, Seen::Unsuback(_)));
        stage.service.offer(&device(1), entry(2));
        client.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_sent_nothing_longer_and_no_more_than_it_takes() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.open(stage.certified(1), Version::V5, 4096);
    let connect = Connect {
        properties: vec![
            Property::MaximumPacketSize(MaximumPacketSize::new(150).unwrap()),
            Property::ReceiveMaximum(ReceiveMaximum::new(1).unwrap()),
        ],
        ..Connect::default()
    };
    client.connect(&connect).await;
    assert_eq!(client.next().await, Seen::Connack(0));
    client.subscribe(&[client.own("#")]).await;
    assert_eq!(client.next().await, Seen::Suback(vec![1]));
    client.hears_nothing().await;
    // One that is short enough, after the row is gone.
    client
        .publish(
            "rev",
            1,
            br#"{"svc":"https://shop.example/1","uti":"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a01"}"#,
        )
        .await;
    assert_eq!(client.next().await, Seen::Puback(1, 0));
    let Seen::Message(document) = client.next().await else {
        panic!("no document");
    };
    assert_eq!(document.text(), r#"{"v":2,"m":[]}"#);
    // The one place is taken: an answer goes at QoS 0.
    client.publish("inq/1", 2, "").await;
    let Seen::Message(answer) = client.next().await else {
        panic!("no answer");
    };
    assert_eq!(
        (answer.topic.as_str(), answer.packet_id),
        ("inq/1/rejected", None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_is_sent_later() {
    let stage = Stage::new();
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.connect(1, Version::V5).await;
    client.subscribe(&[client.own("doc")]).await;
    stage.service.be_down(true);
    let mut client = match client.next().await {
        // Down before it was admitted.
        Seen::Suback(codes) if codes == [0x80] => {
            stage.service.be_down(false);
            client.subscribe(&[client.own("doc")]).await;
            assert_eq!(client.next().await, Seen::Suback(vec![1]));
            client
        }
        _ => client,
    };
    stage.service.be_down(false);
    assert_eq!(version_of(&client.message().await), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_device_forgets_and_is_closed_for_good() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.listen(version, &["doc"]).await;
        client.message().await;
        stage.service.change(&device(1), |device, entries| {
            device.status = DeviceStatus::Unregistering {
                deadline: now().plus(Duration::from_secs(60)),
            };
            device.document = device.document.changed(&[], &[entry(1).mapping]);
            entries.clear();
        });
        assert_eq!(client.message().await.text(), r#"{"v":2,"m":[]}"#);
        // Nothing else is open to it.
        client
            .publish(
                "evt",
                1,
                format!(r#"{{"id":"{}","data":1}}"#, entry(1).mapping),
            )
            .await;
        let refused = if version == Version::V5 { 0x87 } else { 0 };
        assert_eq!(client.next().await, Seen::Puback(1, refused));
        acknowledge(&mut client, 2, 2).await;
        assert_eq!(client.next().await, Seen::Puback(2, 0));
        client.expect_close(0x98).await;
        assert!(!stage.service.is_known(&device(1)));
        let mut again = stage.open(stage.certified(1), version, 4096);
        again.connect(&Connect::default()).await;
        let refused = if version == Version::V5 { 0x87 } else { 5 };
        assert_eq!(again.next().await, Seen::Connack(refused));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_device_that_does_not_say_so_is_closed_in_five_minutes() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.listen(version, &["doc"]).await;
        // It never receives the one before, so that the next cannot go out.
        let Seen::Message(_) = client.next().await else {
            panic!("no document");
        };
        let begun = Instant::now();
        stage.service.change(&device(1), |device, entries| {
            device.status = DeviceStatus::Unregistering {
                deadline: now().plus(Duration::from_secs(864_000)),
            };
            device.document = device.document.changed(&[], &[entry(1).mapping]);
            entries.clear();
        });
        // What it does meanwhile gains it no time.
        for _ in 0..9 {
            tokio::time::sleep(Duration::from_secs(30)).await;
            client.hears_nothing().await;
        }
        client.expect_close(0x98).await;
        let lasted = begun.elapsed();
        assert!(lasted >= Duration::from_secs(300) && lasted < Duration::from_secs(305));
    }
}
