use ics_channel::{Format, RefusedAttempt, inquiry, refusal::Refusal};
use mqtt_protocol_core::mqtt::packet::{MaximumPacketSize, Property, Qos};

use super::client::{BOTH, Client, Connect, Publish, Seen, Stage, device, entry};
use crate::packet::Version;

/// Device 1 with one row that holds, and one that is offered.
async fn held(stage: &Stage, version: Version, own: &[&str]) -> Client {
    stage.service.offer(&device(1), entry(1));
    let mut client = stage.connect(1, version).await;
    client.publish("doc/ack", 1, r#"{"v":1}"#).await;
    assert_eq!(client.next().await, Seen::Puback(1, 0));
    let filters: Vec<String> = own.iter().map(|own| client.own(own)).collect();
    client.subscribe(&filters).await;
    assert_eq!(client.next().await, Seen::Suback(vec![1; own.len()]));
    stage.service.offer(&device(1), entry(2));
    client
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_of_mqtt_5_is_answered_where_it_says() {
    let stage = Stage::new();
    let mut client = held(&stage, Version::V5, &["answers/+"]).await;
    let topic = client.own("answers/7");
    client.ask(9, b"", &topic).await;
    let answer = client.message().await;
    assert_eq!(client.next().await, Seen::Puback(9, 0));
    assert_eq!(answer.topic, "answers/7");
    assert_eq!(answer.correlation_data.as_deref(), Some(&b"\x00seven"[..]));
    let (id, rows) = inquiry::parse_answer(&answer.payload).unwrap();
    assert_eq!(id, device(1));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].mapping, entry(1).mapping);
    assert_eq!(rows[0].key, entry(1).key);
    // Of one service; of one it has nothing of; in CBOR.
    client
        .ask(10, br#"{"svc":"https://shop.example/1"}"#, &topic)
        .await;
    assert!(inquiry::parse_answer(&client.message().await.payload).is_ok());
    client.next().await;
    client
        .ask(11, br#"{"svc":"https://shop.example/2"}"#, &topic)
        .await;
    let none = br#"{"code":404,"err":"no_mapping"}"#;
    assert_eq!(client.message().await.payload, none);
    client.next().await;
    client.ask(12, b"\xa0", &topic).await;
    let answer = client.message().await;
    assert_eq!(Format::of(&answer.payload), Ok(Format::Cbor));
    assert_eq!(answer.content_type.as_deref(), Some("application/cbor"));
    assert_eq!(inquiry::parse_answer(&answer.payload).unwrap().1, rows);
    client.next().await;
    client.ask(13, b"eggs", &topic).await;
    let bad = Refusal::parse(&client.message().await.payload);
    assert_eq!(bad, Ok(Refusal::Payload));
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_nowhere_else_than_to_the_device_that_asked() {
    let stage = Stage::new();
    let mut client = held(&stage, Version::V5, &["#"]).await;
    while ics_channel::document::parse(&client.message().await.payload)
        .unwrap()
        .version
        < 2
    {}
    let mut other = stage.connect(2, Version::V5).await;
    other.subscribe(&[other.own("#")]).await;
    other.next().await;
    other.message().await;
    for topic in [
        other.own("inq/1/accepted"),
        "ics/v1/d/".to_owned(),
        client.own(""),
        "answers".to_owned(),
        "$SYS/x".to_owned(),
        client.own("x").replace("/x", "x/x"),
        client.own("x").to_uppercase(),
    ] {
        client.ask(9, b"", &topic).await;
        assert_eq!(client.next().await, Seen::Puback(9, 0x87), "{topic}");
    }
    client.hears_nothing().await;
    other.hears_nothing().await;
    // None at all.
    client.publish("inq", 10, "").await;
    assert_eq!(client.next().await, Seen::Puback(10, 0x90));
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_by_topic_is_answered_beside_it() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["inq/+/+"]).await;
        client.publish("inq/a-1", 9, "").await;
        let answer = client.message().await;
        assert_eq!(client.next().await, Seen::Puback(9, 0));
        assert_eq!(answer.topic, "inq/a-1/accepted");
        let (id, rows) = inquiry::parse_answer(&answer.payload).unwrap();
        assert_eq!((id, rows.len()), (device(1), 1));
        client
            .publish("inq/a-2", 10, br#"{"svc":"https://shop.example/2"}"#)
            .await;
        let answer = client.message().await;
        assert_eq!(client.next().await, Seen::Puback(10, 0));
        assert_eq!(answer.topic, "inq/a-2/rejected");
        assert_eq!(answer.text(), r#"{"code":404,"err":"no_mapping"}"#);
        stage.service.be_down(true);
        client.publish("inq/a-3", 11, "").await;
        let answer = client.message().await;
        assert_eq!(answer.text(), r#"{"code":503,"err":"unavailable"}"#);
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_is_not_answered() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["inq/+/rejected"]).await;
        client.publish("inq/1", 9, "").await;
        assert_eq!(client.next().await, Seen::Puback(9, 0));
        client.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_given_up() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["rev/#"]).await;
        let by_id = format!(r#"{{"id":"{}"}}"#, entry(1).mapping);
        stage.service.hold(true);
        client.publish("rev/x", 3, &by_id).await;
        client
            .is_silent_for(std::time::Duration::from_secs(20))
            .await;
        stage.service.hold(false);
        let answer = client.message().await;
        assert_eq!(
            (answer.topic.as_str(), answer.text()),
            ("rev/x/accepted", "{}")
        );
        assert_eq!(client.next().await, Seen::Puback(3, 0));
        client.publish("rev/y", 4, &by_id).await;
        let answer = client.message().await;
        assert_eq!(answer.topic, "rev/y/rejected");
        assert_eq!(answer.text(), r#"{"code":404,"err":"no_mapping"}"#);
        assert_eq!(client.next().await, Seen::Puback(4, 0));
        // Without a request there is only the reason; in 3.1.1 it is settled all the same, or the
        // client would bring it again for ever.
        client.publish("rev", 5, &by_id).await;
        let reason = if version == Version::V5 { 0x87 } else { 0 };
        assert_eq!(client.next().await, Seen::Puback(5, reason));
        let key =
            br#"{"svc":"https://shop.example/2","uti":"0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a02"}"#;
        client.publish("rev", 6, key).await;
        assert_eq!(client.next().await, Seen::Puback(6, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_heard_as_an_answer_is_told_with_the_puback() {
    let absent = format!(r#"{{"id":"{}"}}"#, entry(3).mapping);
    for version in BOTH {
        let is_5 = version == Version::V5;
        let stage = Stage::new();
        // It hears that it was done, and not that it was not.
        let mut client = held(&stage, version, &["rev/+/accepted"]).await;
        client.publish("rev/x", 3, &absent).await;
        let reason = if is_5 { 0x87 } else { 0 };
        assert_eq!(client.next().await, Seen::Puback(3, reason));
        client.publish("rev/x", 4, "eggs").await;
        if !is_5 {
            client.expect_close(0x99).await;
            continue;
        }
        assert_eq!(client.next().await, Seen::Puback(4, 0x99));
        client.publish("inq/x", 5, "eggs").await;
        assert_eq!(client.next().await, Seen::Puback(5, 0x99));
        stage.service.be_down(true);
        client.publish("rev/x", 6, &absent).await;
        assert_eq!(client.next().await, Seen::Puback(6, 0x80));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_the_device_does_not_take_is_told_with_the_puback() {
    let stage = Stage::new();
    let mut client = stage.open(stage.certified(1), Version::V5, 4096);
    let connect = Connect {
        properties: vec![Property::MaximumPacketSize(
            MaximumPacketSize::new(128).unwrap(),
        )],
        ..Connect::default()
    };
    client.connect(&connect).await;
    assert_eq!(client.next().await, Seen::Connack(0));
    client.subscribe(&[client.own("rev/#")]).await;
    assert_eq!(client.next().await, Seen::Suback(vec![1]));
    let absent = format!(r#"{{"id":"{}"}}"#, entry(3).mapping);
    let request = "r".repeat(64);
    client.publish(&format!("rev/{request}"), 3, &absent).await;
    assert_eq!(client.next().await, Seen::Puback(3, 0x87));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_before_the_service_is_asked_is_told_to_it() {
    use RefusedAttempt::{
        PublishForeign, PublishUnknown, PublishUnreadable, SubscribeForeign, SubscribeMalformed,
        SubscribeTooMuch,
    };
    let stage = Stage::new();
    let mut client = held(&stage, Version::V5, &["inq/+/+"]).await;
    assert_eq!(stage.service.take_refused(), []);
    let foreign = format!("ics/v1/d/{}/doc", device(2).as_str());
    let many: Vec<String> = (0..17).map(|n| client.own(&format!("f{n}"))).collect();
    for (filters, attempt) in [
        (vec![client.own("doc/#/x")], SubscribeMalformed),
        (vec![foreign.clone(), "#".to_owned()], SubscribeForeign),
        (many, SubscribeTooMuch),
    ] {
        client.subscribe(&filters).await;
        while !matches!(client.next().await, Seen::Suback(_)) {}
        let refused = stage.service.take_refused();
        assert_eq!(refused, [(Some(device(1)), attempt)]);
    }
    for (topic, payload, attempt) in [
        (foreign, "", PublishForeign),
        ("$SYS/x".to_owned(), "", PublishForeign),
        (client.own("doc"), "", PublishUnknown),
        (client.own("evt"), "eggs", PublishUnreadable),
        (client.own("inq/1"), "eggs", PublishUnreadable),
        (client.own("rev/1"), "eggs", PublishUnreadable),
    ] {
        let publish = Publish {
            topic,
            packet_id: Some(9),
            payload: payload.into(),
            properties: Vec::new(),
        };
        client.send(&publish.encode(Version::V5)).await;
        while !matches!(client.next().await, Seen::Puback(9, _)) {}
        let refused = stage.service.take_refused();
        assert_eq!(refused, [(Some(device(1)), attempt)], "{}", publish.topic);
    }
    // What the service refuses, it knows.
    let absent = format!(r#"{{"id":"{}"}}"#, entry(3).mapping);
    client.publish("rev", 10, &absent).await;
    while !matches!(client.next().await, Seen::Puback(10, 0x87)) {}
    assert_eq!(stage.service.take_refused(), []);
}

#[tokio::test(start_paused = true)]
async fn what_a_device_says_is_kept_before_it_is_acknowledged() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["x"]).await;
        let id = entry(1).mapping;
        stage.service.hold(true);
        client
            .publish(
                "evt",
                3,
                format!(r#"{{"id":"{id}","data": {{"open" : 1.0}} }}"#),
            )
            .await;
        client
            .is_silent_for(std::time::Duration::from_secs(20))
            .await;
        assert_eq!(stage.service.events(), []);
        stage.service.hold(false);
        assert_eq!(client.next().await, Seen::Puback(3, 0));
        let said = (id, br#"{"open" : 1.0}"#.to_vec(), true);
        assert_eq!(stage.service.events(), [said]);
        // Offered is not established.
        let offered = format!(r#"{{"id":"{}","data":1}}"#, entry(2).mapping);
        client.publish("evt", 4, offered).await;
        let reason = if version == Version::V5 { 0x87 } else { 0 };
        assert_eq!(client.next().await, Seen::Puback(4, reason));
        assert_eq!(stage.service.events().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn many_at_once_are_settled_in_their_order() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["x"]).await;
        let payload = format!(r#"{{"id":"{}","data":1}}"#, entry(1).mapping);
        let all: Vec<u8> = (100..116)
            .flat_map(|id| {
                let publish = Publish {
                    topic: client.own("evt"),
                    packet_id: Some(id),
                    payload: payload.clone().into_bytes(),
                    properties: Vec::new(),
                };
                publish.encode(version)
            })
            .collect();
        client.send(&all).await;
        for id in 100..116 {
            assert_eq!(client.next().await, Seen::Puback(id, 0));
        }
        assert_eq!(stage.service.events().len(), 16);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_none_is_refused() {
    for (topic, payload) in [
        ("doc/ack", "7"),
        ("doc/ack", r#"{"v":-1}"#),
        ("evt", "{}"),
        ("rev", "{}"),
    ] {
        let stage = Stage::new();
        let mut client = stage.connect(1, Version::V5).await;
        client.publish(topic, 3, payload).await;
        assert_eq!(client.next().await, Seen::Puback(3, 0x99));
        drop(client);
        let mut client = stage.connect(1, Version::V3).await;
        client.publish(topic, 3, payload).await;
        client.expect_close(0x99).await;
    }
}

/// One that is closed for it would send it again first thing, for as long as the third party is down,
/// and never come to acknowledge a document.
#[tokio::test(start_paused = true)]
async fn an_event_too_many_does_not_keep_a_device_from_saying_anything_else() {
    for (version, reason) in [(Version::V5, 0x97), (Version::V3, 0)] {
        let stage = Stage::new();
        let mut client = held(&stage, version, &["x"]).await;
        stage.service.take_no_event();
        let payload = format!(r#"{{"id":"{}","data":1}}"#, entry(1).mapping);
        client.publish("evt", 3, &payload).await;
        assert_eq!(client.next().await, Seen::Puback(3, reason));
        assert_eq!(stage.service.events(), []);
        client.publish("doc/ack", 4, r#"{"v":1}"#).await;
        assert_eq!(client.next().await, Seen::Puback(4, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_acknowledged() {
    let stage = Stage::new();
    let mut client = held(&stage, Version::V5, &["x"]).await;
    stage.service.be_down(true);
    let payload = format!(r#"{{"id":"{}","data":1}}"#, entry(1).mapping);
    client.publish("evt", 3, &payload).await;
    assert_eq!(client.next().await, Seen::Puback(3, 0x80));
    drop(client);
    stage.service.be_down(false);
    let mut client = stage.connect(1, Version::V3).await;
    stage.service.be_down(true);
    client.publish("evt", 3, &payload).await;
    client.expect_close(0x80).await;
    assert_eq!(stage.service.events(), []);
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_not_the_devices_own_are_refused() {
    let other = device(2);
    let other = other.as_str();
    let own = device(1);
    let own = own.as_str();
    for (topic, reason) in [
        (format!("ics/v1/d/{other}/doc/ack"), 0x87),
        (format!("ics/v1/d/{other}/evt"), 0x87),
        (format!("ics/v1/d/{own}"), 0x87),
        (format!("ics/v1/d/{own}x/evt"), 0x87),
        (format!("ics/v1/d/{own}/../{other}/evt"), 0x90),
        (format!("/ics/v1/d/{own}/evt"), 0x87),
        (format!("ics/v1/d/{own}//evt"), 0x90),
        (format!("ics/v1/d/{own}/doc"), 0x90),
        (format!("ics/v1/d/{own}/doc/cbor"), 0x90),
        (format!("ics/v1/d/{own}/inq/"), 0x90),
        (format!("ics/v1/d/{own}/inq/a/b"), 0x90),
        (format!("ics/v1/d/{own}/inq/{}", "x".repeat(65)), 0x90),
        (format!("ics/v1/d/{own}/st/x"), 0x90),
        ("$SYS/broker".to_owned(), 0x87),
    ] {
        let stage = Stage::new();
        for version in BOTH {
            let publish = |packet_id| Publish {
                topic: topic.clone(),
                packet_id,
                payload: b"{}".to_vec(),
                properties: Vec::new(),
            };
            let mut client = stage.connect(1, version).await;
            if version == Version::V5 {
                client.send(&publish(Some(4)).encode(version)).await;
                assert_eq!(client.next().await, Seen::Puback(4, reason), "{topic}");
                client.send(&publish(None).encode(version)).await;
            } else {
                client.send(&publish(Some(4)).encode(version)).await;
            }
            client.expect_close(reason).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn filters_that_are_not_the_devices_own_are_refused() {
    let (own, other) = (device(1), device(2));
    let (own, other) = (own.as_str(), other.as_str());
    let cases = [
        (format!("ics/v1/d/{own}/doc"), None),
        (format!("ics/v1/d/{own}/#"), None),
        (format!("ics/v1/d/{own}/+/+"), None),
        (format!("ics/v1/d/{own}/inq/+/accepted"), None),
        (format!("ics/v1/d/{own}/a#"), Some(0x8f)),
        (format!("ics/v1/d/{own}/#/a"), Some(0x8f)),
        (format!("ics/v1/d/{own}/a+/b"), Some(0x8f)),
        (format!("ics/v1/d/{other}/doc"), Some(0x87)),
        (format!("ics/v1/d/{other}/#"), Some(0x87)),
        (format!("ics/v1/d/{own}"), Some(0x87)),
        (format!("ics/v1/d/{own}#"), Some(0x87)),
        (format!("ics/v1/d/{own}+/doc"), Some(0x87)),
        (format!("$share/g/ics/v1/d/{own}/doc"), Some(0x87)),
        ("ics/v1/d/+/doc".to_owned(), Some(0x87)),
        ("ics/v1/d/#".to_owned(), Some(0x87)),
        ("+/v1/d/#".to_owned(), Some(0x87)),
        ("#".to_owned(), Some(0x87)),
        ("+".to_owned(), Some(0x87)),
        ("$SYS/#".to_owned(), Some(0x87)),
        (format!("/ics/v1/d/{own}/doc"), Some(0x87)),
    ];
    for version in BOTH {
        let stage = Stage::new();
        let mut client = stage.connect(1, version).await;
        let filters: Vec<String> = cases.iter().map(|(filter, _)| filter.clone()).collect();
        client.subscribe_at(&filters, Qos::ExactlyOnce).await;
        let expected = cases.iter().map(|(_, refused)| match (refused, version) {
            (None, _) => 1,
            (Some(_), Version::V3) => 0x80,
            (Some(reason), Version::V5) => *reason,
        });
        assert_eq!(client.next().await, Seen::Suback(expected.collect()));
        client.message().await;
        stage.service.offer(&device(2), entry(1));
        client.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_has_so_many_subscriptions_and_no_more() {
    let stage = Stage::new();
    let mut client = stage.connect(1, Version::V5).await;
    let filters: Vec<String> = (0..18)
        .map(|n| client.own(&format!("x/{}", n.min(16))))
        .collect();
    client.subscribe(&filters).await;
    let expected = [vec![1; 16], vec![0x97; 2]].concat();
    assert_eq!(client.next().await, Seen::Suback(expected));
    client
        .subscribe(&[client.own("x/3"), client.own(&"y".repeat(257))])
        .await;
    assert_eq!(client.next().await, Seen::Suback(vec![1, 0x97]));
    client.unsubscribe("x/3").await;
    assert_eq!(client.next().await, Seen::Unsuback(vec![0]));
    client.unsubscribe("x/3").await;
    assert_eq!(client.next().await, Seen::Unsuback(vec![0x11]));
}
