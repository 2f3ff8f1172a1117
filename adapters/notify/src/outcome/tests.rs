use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::*;
use crate::rig::NOW;

fn outcome_of(status: u16, retry_after: Option<&str>) -> Outcome {
    let mut headers = HeaderMap::new();
    if let Some(text) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
    }
    let answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    Outcome::of_answer(&answer, NOW)
}

#[test]
fn answers_mean_what_the_state_table_says() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(outcome_of(status, None), Outcome::Accepted { status });
    }
    for status in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451] {
        assert_eq!(outcome_of(status, None), Outcome::Refused { status });
    }
    for status in [
        301, 302, 303, 307, 308, 408, 425, 429, 500, 502, 503, 504, 600,
    ] {
        let retry_after = None;
        let expected = Outcome::Struggling {
            status,
            retry_after,
        };
        assert_eq!(outcome_of(status, None), expected);
    }
}

#[test]
fn retry_after_is_read_in_both_forms_and_bounded() {
    for (text, seconds) in [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("3600", Some(3600)),
        ("999999999", Some(3600)),
        ("Sat, 21 Nov 2026 20:05:00 GMT", Some(300)),
        ("Sat, 21 Nov 2026 19:00:00 GMT", Some(0)),
        ("Sun, 22 Nov 2026 20:00:00 GMT", Some(3600)),
        ("-1", None),
        ("soon", None),
    ] {
        let outcome = outcome_of(503, Some(text));
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(
            outcome,
            Outcome::Struggling {
                status: 503,
                retry_after
            },
            "{text}"
        );
        assert_eq!(outcome.least_wait(), retry_after.unwrap_or_default());
    }
}

#[test]
fn lane_learns_of_the_host_from_the_outcome() {
    let test = Message::Test;
    let push = Message::Assignment;
    assert_eq!(outcome_of(204, None).sign(&test), Sign::Well);
    assert_eq!(outcome_of(404, None).sign(&push), Sign::Well);
    let struggling = Sign::Struggling { stay_away: None };
    assert_eq!(outcome_of(404, None).sign(&test), struggling);
    assert_eq!(outcome_of(500, Some("9")).sign(&test), struggling);
    let stay_away = Some(Duration::from_secs(9));
    assert_eq!(
        outcome_of(429, Some("9")).sign(&push),
        Sign::Struggling { stay_away }
    );
    let gone = Outcome::Unreachable(NoAnswer::Timeout);
    assert_eq!(gone.sign(&test), Sign::Gone);
    assert_eq!(Outcome::Unsendable.sign(&test), Sign::None);
}
