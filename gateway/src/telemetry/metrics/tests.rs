use super::*;
use crate::telemetry::{COAP, T8};

#[test]
fn requests_are_counted_by_reference_point_and_outcome() {
    let metrics = Metrics::new();
    let t8 = metrics.of(T8);
    let took = Duration::from_micros(80);
    t8.count_request(Some(ReferencePoint::Ics7), Verdict::Allowed, took);
    t8.count_request(Some(ReferencePoint::Ics7), Verdict::Allowed, took);
    t8.count_request(None, Verdict::Denied, took);
    let text = metrics.render(&Sample::default());
    for line in [
        r#"ics_requests_total{listener="t8",reference_point="ICS-7",outcome="allowed"} 2"#,
        r#"ics_requests_total{listener="t8",reference_point="none",outcome="denied"} 1"#,
        r#"ics_requests_total{listener="t8",reference_point="ICS-1",outcome="allowed"} 0"#,
        r#"ics_request_duration_seconds_count{listener="t8",reference_point="ICS-7"} 2"#,
        r#"ics_connections{listener="operator"} 0"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn of_coap_nothing_is_shown_that_is_not_seen() {
    let metrics = Metrics::new();
    metrics
        .of(COAP)
        .count_refused_connection("CERTIFICATE_EXPIRED");
    metrics
        .of(COAP)
        .count_refused_connection("HANDSHAKE_TIMEOUT");
    metrics.of(COAP).connections.set(3);
    let text = metrics.render(&Sample::default());
    for line in [
        r#"ics_connections{listener="coap"} 3"#,
        r#"ics_connections_accepted_total{listener="coap"} 0"#,
        r#"ics_connections_refused_total{listener="coap",cause="CERTIFICATE_EXPIRED"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    for series in [
        r#"ics_handshakes{listener="coap""#,
        r#"listener="coap",cause="HANDSHAKE_TIMEOUT""#,
    ] {
        assert!(!text.contains(series), "{series} in\n{text}");
    }
}

#[test]
fn commits_tell_changes_batches_and_time() {
    let metrics = Metrics::new();
    metrics.commits.count(12, Duration::from_millis(2), true);
    metrics.commits.count(3, Duration::ZERO, false);
    let text = metrics.render(&Sample::default());
    for line in [
        "ics_store_changes_total 12",
        "ics_store_commits_failed_total 1",
        "ics_store_failing 1",
        "ics_store_batch_changes_count 1",
        "ics_store_commit_seconds_sum 0.002",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn every_cause_of_a_refused_connection_is_counted_under_its_name() {
    let metrics = Metrics::new();
    for cause in CONNECTION_REFUSALS {
        metrics.of(T8).count_refused_connection(cause);
    }
    let text = metrics.render(&Sample::default());
    let counted = |line: &&str| {
        line.starts_with(r#"ics_connections_refused_total{listener="t8""#) && line.ends_with(" 1")
    };
    assert_eq!(
        text.lines().filter(counted).count(),
        CONNECTION_REFUSALS.len()
    );
}

#[test]
fn what_cannot_be_found_out_any_more_is_not_shown_as_it_was() {
    let metrics = Metrics::new();
    let known = Sample {
        mappings: vec![("established", 5)],
        store_bytes: Some(4096),
        dead_letters: Some(7),
        certificates: vec![("t8-server", 100), ("service-provider-next", 200)],
        ..Sample::default()
    };
    let gone = [
        "ics_mappings{state=\"established\"} 5",
        "ics_store_bytes 4096",
        "ics_outbox_dead_letters 7",
        "ics_certificate_expiry_timestamp_seconds{certificate=\"service-provider-next\"} 200",
    ];
    let text = metrics.render(&known);
    for line in gone {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    let less = Sample {
        certificates: vec![("t8-server", 100)],
        ..Sample::default()
    };
    let text = metrics.render(&less);
    for line in gone {
        let (name, _) = line.split_once(' ').unwrap();
        assert!(
            !text.lines().any(|l| l.starts_with(name)),
            "{name} in\n{text}"
        );
    }
    let kept = "ics_certificate_expiry_timestamp_seconds{certificate=\"t8-server\"} 100";
    assert!(text.contains(kept), "{text}");
}
