use std::time::Duration;

use ics_core::time::Timestamp;
use mqtt_protocol_core::mqtt::packet::{
    AuthenticationMethod, MaximumPacketSize, Property, Qos, SessionExpiryInterval,
    TopicAliasMaximum,
};
use tokio::time::Instant;

use super::client::{BOTH, Connect, Seen, Stage, device, now};
use crate::packet::Version;
use crate::{Ended, GuessLimits, Limits, PeerDevice};
use ics_channel::{Rate, RefusedAttempt};

fn stranger() -> PeerDevice {
    PeerDevice {
        certificate: None,
        address: ([127, 0, 0, 1], 1).into(),
    }
}

/// What comes of a CONNECT.
async fn answer(stage: &Stage, peer: PeerDevice, version: Version, connect: &Connect) -> Seen {
    let mut client = stage.open(peer, version, 4096);
    client.connect(connect).await;
    client.next().await
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_enough_and_the_client_id_is_nothing() {
    let stage = Stage::new();
    for version in BOTH {
        for client_id in ["", "d-somebody-else", "\u{e9}"] {
            let connect = Connect {
                client_id: client_id.to_owned(),
                ..Connect::default()
            };
            let answer = answer(&stage, stage.certified(1), version, &connect).await;
            assert_eq!(answer, Seen::Connack(0), "{version:?} {client_id}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_certificate_it_takes_device_id_and_password() {
    let stage = Stage::new();
    let good = Connect::login(1);
    let nothing = Connect::default();
    let (id, password) = good.login.clone().unwrap();
    let with = |login: (String, String)| Connect {
        login: Some(login),
        ..Connect::default()
    };
    let foreign = with((device(2).as_str().to_owned(), password));
    let wrong = with((id, "guess".to_owned()));
    let unknown = Connect::login(9);
    let unreadable = with(("a device".to_owned(), "x".to_owned()));
    let without = (None, RefusedAttempt::ConnectWithoutCredential);
    for (version, refused) in [(Version::V3, 4), (Version::V5, 0x86)] {
        let came = answer(&stage, stranger(), version, &good).await;
        assert_eq!(came, Seen::Connack(0));
        for bad in [&nothing, &foreign, &wrong, &unknown, &unreadable] {
            let came = answer(&stage, stranger(), version, bad).await;
            assert_eq!(came, Seen::Connack(refused), "{version:?}");
        }
        // The service knows of the others.
        assert_eq!(
            stage.service.take_refused(),
            [without.clone(), without.clone()]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_guesses_passwords_is_not_heard_for_a_while_even_with_a_right_one() {
    let stage = Stage::with(Limits {
        guesses: GuessLimits {
            of_address: 3,
            of_device: 2,
            forgotten_after: Duration::from_secs(20),
        },
        ..Limits::default()
    });
    let from = |last: u8| PeerDevice {
        certificate: None,
        address: ([192, 0, 2, last], 1).into(),
    };
    let good = Connect::login(1);
    let wrong = Connect {
        login: Some((device(1).as_str().to_owned(), "guess".to_owned())),
        ..Connect::default()
    };
    let unknown = Connect::login(9);
    let v5 = Version::V5;
    for _ in 0..2 {
        let came = answer(&stage, from(1), v5, &wrong).await;
        assert_eq!(came, Seen::Connack(0x86));
    }
    // The device is left alone, from anywhere; other devices are not.
    for last in [1, 2] {
        let came = answer(&stage, from(last), v5, &good).await;
        assert_eq!(came, Seen::Connack(0x9f), "{last}");
        let refused = (None, RefusedAttempt::ConnectAfterGuesses);
        assert_eq!(stage.service.take_refused(), [refused]);
    }
    assert_eq!(
        answer(&stage, from(2), v5, &Connect::login(2)).await,
        Seen::Connack(0)
    );
    // A third wrong one, for whatever device, and the address is not heard.
    assert_eq!(
        answer(&stage, from(1), v5, &unknown).await,
        Seen::Connack(0x86)
    );
    let came = answer(&stage, from(1), v5, &Connect::login(2)).await;
    assert_eq!(came, Seen::Connack(0x9f));
    // Who has a certificate is nobody who guesses.
    assert_eq!(
        answer(&stage, stage.certified(1), v5, &Connect::default()).await,
        Seen::Connack(0)
    );
    stage.clock.set(now().plus(Duration::from_secs(20)));
    assert_eq!(answer(&stage, from(1), v5, &good).await, Seen::Connack(0));
}

/// Each look may cost as much as a wrong password does.
#[tokio::test(start_paused = true)]
async fn a_right_password_of_no_use_is_not_looked_at_for_ever() {
    let stage = Stage::new();
    let v5 = Version::V5;
    let peer = PeerDevice {
        certificate: None,
        address: ([192, 0, 2, 1], 1).into(),
    };
    let good = Connect::login(1);
    assert_eq!(
        answer(&stage, peer.clone(), v5, &good).await,
        Seen::Connack(0)
    );
    stage.service.suspend(&stage.iot_sp);
    let most = usize::try_from(GuessLimits::default().of_device).unwrap();
    for _ in 0..most {
        let came = answer(&stage, peer.clone(), v5, &good).await;
        assert_eq!(came, Seen::Connack(0x86));
    }
    let came = answer(&stage, peer.clone(), v5, &good).await;
    assert_eq!(came, Seen::Connack(0x9f));
    assert_eq!(stage.service.looks(), most + 1);
    // Another device there is looked at.
    let came = answer(&stage, peer, v5, &Connect::login(2)).await;
    assert_eq!(came, Seen::Connack(0x86));
}

#[tokio::test(start_paused = true)]
async fn guesses_that_come_at_once_are_not_all_looked_at() {
    let stage = Stage::with(Limits {
        guesses: GuessLimits {
            of_address: 30,
            of_device: 2,
            forgotten_after: Duration::from_secs(20),
        },
        ..Limits::default()
    });
    stage.service.hold_looks(true);
    let wrong = Connect {
        login: Some((device(1).as_str().to_owned(), "guess".to_owned())),
        ..Connect::default()
    };
    let mut all = Vec::new();
    for _ in 0..10 {
        let mut client = stage.open(stranger(), Version::V5, 4096);
        client.connect(&wrong).await;
        all.push(client);
    }
    // Idle: all that can be looked at by now are.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.service.looks(), 2);
    stage.service.hold_looks(false);
    let mut answers = Vec::new();
    for client in &mut all {
        answers.push(client.next().await);
    }
    assert_eq!(stage.service.looks(), 2);
    let of = |code| {
        answers
            .iter()
            .filter(move |seen| **seen == Seen::Connack(code))
    };
    assert_eq!((of(0x86).count(), of(0x9f).count()), (2, 8));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_no_credential_of_the_device_is_refused() {
    let stage = Stage::new();
    for (version, refused) in [(Version::V3, 5), (Version::V5, 0x87)] {
        let mut peer = stage.certified(1);
        peer.certificate.as_mut().unwrap().thumbprint.0[0] ^= 1;
        // A password beside it does not help.
        let came = answer(&stage, peer, version, &Connect::login(1)).await;
        assert_eq!(came, Seen::Connack(refused));
        let came = answer(&stage, stage.certified(9), version, &Connect::default()).await;
        assert_eq!(came, Seen::Connack(refused));
        let mut peer = stage.certified(1);
        peer.certificate.as_mut().unwrap().not_after = Timestamp::from_millis(1);
        let came = answer(&stage, peer, version, &Connect::default()).await;
        assert_eq!(came, Seen::Connack(refused));
        let ended = (Some(device(1)), RefusedAttempt::ConnectAfterEnd);
        assert_eq!(stage.service.take_refused(), [ended]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_says_so() {
    let stage = Stage::new();
    stage.service.be_down(true);
    for (version, refused) in [(Version::V3, 3), (Version::V5, 0x88)] {
        let came = answer(&stage, stage.certified(1), version, &Connect::default()).await;
        assert_eq!(came, Seen::Connack(refused));
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_tells_what_is_granted() {
    let stage = Stage::new();
    let mut client = stage.open(stage.certified(1), Version::V5, 4096);
    let connect = Connect {
        client_id: String::new(),
        keep_alive: 0,
        properties: vec![
            Property::SessionExpiryInterval(SessionExpiryInterval::new(3600).unwrap()),
            // The library that was to do this fell over here.
            Property::TopicAliasMaximum(TopicAliasMaximum::new(0).unwrap()),
        ],
        ..Connect::default()
    };
    client.connect(&connect).await;
    let mut bytes = vec![0x20, 0, 0, 0, 0];
    bytes.extend(
        b"\x11\x00\x00\x00\x00\x21\x00\x10\x24\x01\x25\x00\x27\x00\x00\x20\x00\x12\x00\x22",
    );
    bytes.extend(device(1).as_str().as_bytes());
    bytes.extend(b"\x22\x00\x00\x29\x00\x2a\x00\x13\x04\xb0");
    bytes[1] = u8::try_from(bytes.len()).unwrap() - 2;
    bytes[4] = u8::try_from(bytes.len()).unwrap() - 5;
    assert_eq!(client.bytes(bytes.len()).await, bytes);
}

#[tokio::test(start_paused = true)]
async fn only_presence_may_be_a_will() {
    let stage = Stage::new();
    let client = stage.open(stage.certified(1), Version::V5, 4096);
    let will = |topic: String, quality, retain| Connect {
        will: Some((topic, quality, retain)),
        ..Connect::default()
    };
    let other = format!("ics/v1/d/{}/st", device(2).as_str());
    for (connect, v3, v5) in [
        (will(client.own("st"), Qos::AtLeastOnce, false), 0, 0),
        (will(client.own("st"), Qos::AtMostOnce, false), 0, 0),
        (will(client.own("st"), Qos::ExactlyOnce, false), 5, 0x9b),
        (will(client.own("st"), Qos::AtMostOnce, true), 5, 0x9a),
        (will(client.own("evt"), Qos::AtMostOnce, false), 5, 0x90),
        (will(client.own("st/x"), Qos::AtMostOnce, false), 5, 0x90),
        (will(other, Qos::AtMostOnce, false), 5, 0x87),
    ] {
        for (version, code) in [(Version::V3, v3), (Version::V5, v5)] {
            let came = answer(&stage, stage.certified(1), version, &connect).await;
            assert_eq!(came, Seen::Connack(code), "{:?}", connect.will);
            let refused = (Some(device(1)), RefusedAttempt::ConnectWithWill);
            let refused = (code != 0).then_some(refused);
            assert_eq!(stage.service.take_refused(), Vec::from_iter(refused));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_spoken_is_said_so() {
    let stage = Stage::new();
    let exchange = Connect {
        properties: vec![Property::AuthenticationMethod(
            AuthenticationMethod::new("SCRAM-SHA-1").unwrap(),
        )],
        ..Connect::default()
    };
    let came = answer(&stage, stage.certified(1), Version::V5, &exchange).await;
    assert_eq!(came, Seen::Connack(0x8c));
    let tiny = Connect {
        properties: vec![Property::MaximumPacketSize(
            MaximumPacketSize::new(127).unwrap(),
        )],
        ..Connect::default()
    };
    let came = answer(&stage, stage.certified(1), Version::V5, &tiny).await;
    assert_eq!(came, Seen::Connack(0x95));
    let nameless = Connect {
        client_id: String::new(),
        clean: false,
        ..Connect::default()
    };
    let came = answer(&stage, stage.certified(1), Version::V3, &nameless).await;
    assert_eq!(came, Seen::Connack(2));
    // MQTT 3.1, and one that does not exist yet.
    for packet in [
        &b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a"[..],
        b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01a",
    ] {
        let mut client = stage.open(stage.certified(1), Version::V3, 4096);
        client.send(packet).await;
        assert_eq!(client.next().await, Seen::Connack(1));
        assert_eq!(client.next().await, Seen::End);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_not_waited_for() {
    let stage = Stage::new();
    for said in [&b""[..], b"\x10", b"\x10\x0d\x00\x04MQTT\x05"] {
        let begun = Instant::now();
        let mut client = stage.open(stage.certified(1), Version::V5, 4096);
        client.send(said).await;
        assert_eq!(client.next().await, Seen::End);
        assert_eq!(client.outcome().await, Ended::NotAdmitted);
        assert!(begun.elapsed() <= Duration::from_secs(11));
    }
}

#[tokio::test(start_paused = true)]
async fn the_newer_session_takes_over() {
    let stage = Stage::new();
    for version in BOTH {
        let old = stage.connect(1, version).await;
        let mut other = stage.connect(2, version).await;
        let mut new = stage.connect(1, version).await;
        old.expect_close(0x8e).await;
        new.hears_nothing().await;
        other.hears_nothing().await;
        assert_eq!(stage.sessions.count(), 2);
        drop((new, other));
        stage.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_connects_all_the_time_is_told_to_wait() {
    let stage = Stage::with(Limits {
        connects: Rate {
            per_second: 1,
            burst: 2,
        },
        ..Limits::default()
    });
    let connect = Connect::default();
    for expected in [0, 0, 0x9f] {
        assert_eq!(stage.service.take_refused(), []);
        let came = answer(&stage, stage.certified(1), Version::V5, &connect).await;
        assert_eq!(came, Seen::Connack(expected));
    }
    let refused = (Some(device(1)), RefusedAttempt::ConnectTooOften);
    assert_eq!(stage.service.take_refused(), [refused]);
    // Once is enough, and nothing is looked up for it.
    let looked_up = stage.service.look_ups();
    for _ in 0..10 {
        let came = answer(&stage, stage.certified(1), Version::V5, &connect).await;
        assert_eq!(came, Seen::Connack(0x9f));
    }
    assert_eq!(stage.service.take_refused(), []);
    assert_eq!(stage.service.look_ups(), looked_up);
    let came = answer(&stage, stage.certified(1), Version::V3, &connect).await;
    assert_eq!(came, Seen::Connack(3));
    let came = answer(&stage, stage.certified(2), Version::V5, &connect).await;
    assert_eq!(came, Seen::Connack(0));
    stage.clock.set(now().plus(Duration::from_secs(1)));
    let came = answer(&stage, stage.certified(1), Version::V5, &connect).await;
    assert_eq!(came, Seen::Connack(0));
}
