use std::time::Duration;

use tokio::time::Instant;

use super::client::{BOTH, Connect, Seen, Stage, device, entry, now};
use crate::packet::Version;
use crate::{Ended, Limits};

#[tokio::test(start_paused = true)]
async fn a_device_that_loses_its_right_is_closed_at_once() {
    for version in BOTH {
        let stage = Stage::new();
        let begun = Instant::now();
        let client = stage.listen(version, &["x"]).await;
        let mut other = stage.connect(2, version).await;
        stage.service.change(&device(1), |device, _| {
            device.credentials[0].revoked = Some(now());
        });
        client.expect_close(0x98).await;
        other.hears_nothing().await;
        stage.service.suspend(&stage.iot_sp);
        other.expect_close(0x98).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_ring_while_the_service_is_down_is_not_forgotten() {
    let stage = Stage::new();
    let client = stage.connect(1, Version::V5).await;
    stage.service.be_down(true);
    stage.service.change(&device(1), |device, _| {
        device.credentials[0].revoked = Some(now());
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.service.be_down(false);
    let begun = Instant::now();
    client.expect_close(0x98).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_a_revoked_device_says_is_not_done_even_if_nobody_rang() {
    for version in BOTH {
        let stage = Stage::new();
        stage.service.offer(&device(1), entry(1));
        let mut client = stage.connect(1, version).await;
        stage.clock.set(now().plus(Duration::from_secs(864_001)));
        client.publish("doc/ack", 1, r#"{"v":1}"#).await;
        client.expect_close(0xa0).await;
        assert_eq!(stage.service.established(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn no_session_outlives_its_credential() {
    for version in BOTH {
        let stage = Stage::with(Limits {
            longest_keep_alive: u16::MAX,
            ..Limits::default()
        });
        let mut peer = stage.certified(1);
        let end = now().plus(Duration::from_secs(5000));
        peer.certificate.as_mut().unwrap().not_after = end;
        let mut client = stage.open(peer, version, 4096);
        let connect = Connect {
            keep_alive: 40_000,
            ..Connect::default()
        };
        client.connect(&connect).await;
        assert_eq!(client.next().await, Seen::Connack(0));
        // The wall clock is behind: not yet.
        tokio::time::sleep(Duration::from_secs(5001)).await;
        client.hears_nothing().await;
        stage.clock.set(end);
        client.expect_close(0xa0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_silent_for_too_long_is_closed() {
    for version in BOTH {
        let stage = Stage::new();
        for (asked, seconds) in [(60, 90), (0, 1800), (u16::MAX, 1800)] {
            let mut client = stage.open(stage.certified(1), version, 4096);
            let connect = Connect {
                keep_alive: asked,
                ..Connect::default()
            };
            client.connect(&connect).await;
            client.next().await;
            tokio::time::sleep(Duration::from_secs(50)).await;
            client.hears_nothing().await;
            let since = Instant::now();
            // Bytes that are no packet do not keep it alive.
            client.send(&[0x30, 20, 0, 5]).await;
            client.expect_close(0x8d).await;
            let waited = since.elapsed();
            let seconds = Duration::from_secs(seconds);
            assert!(
                waited >= seconds && waited < seconds + Duration::from_secs(5),
                "{waited:?}"
            );
            stage.clock.set(now().plus(Duration::from_secs(100)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stops_says_so() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = stage.connect(1, version).await;
        client.shut_down();
        client.expect_close(0x8b).await;
        let mut silent = stage.open(stage.certified(1), version, 4096);
        silent.shut_down();
        assert_eq!(silent.next().await, Seen::End);
        assert_eq!(silent.ended().await, Ended::NotAdmitted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_leaves_leaves_nothing() {
    for version in BOTH {
        let stage = Stage::new();
        let mut client = stage.connect(1, version).await;
        client.send(&[0xe0, 0]).await;
        assert_eq!(client.next().await, Seen::End);
        assert_eq!(client.ended().await, Ended::ByDevice);
        let client = stage.connect(1, version).await;
        assert_eq!(client.ended().await, Ended::ByDevice);
        stage.is_empty().await;
    }
}
