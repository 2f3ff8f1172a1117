use std::num::NonZeroU32;

use ics_core::party::PartyStatus;

use super::*;

const NOON: i64 = 1_795_262_400_000;

fn party(id: &str, per_second: u32, failed_per_day: u32) -> Party {
    Party {
        id: SpId::parse(id).unwrap(),
        third_party_sp: true,
        iot_sp: false,
        status: PartyStatus::Active,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: None,
        presence: None,
        limits: Limits {
            requests_per_second: NonZeroU32::new(per_second).unwrap(),
            failed_mappings_per_day: NonZeroU32::new(failed_per_day).unwrap(),
        },
        created: Timestamp::from_millis(0),
        version: 1,
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis)
}

#[test]
fn a_burst_of_one_second_passes_and_no_more() {
    let (limiter, shop) = (Limiter::new(), party("shop", 10, 1));
    for n in 0..10 {
        assert_eq!(limiter.admit(&shop, at(0)), Ok(()), "request {n}");
    }
    let retry_after = Duration::from_millis(100);
    assert_eq!(
        limiter.admit(&shop, at(0)),
        Err(RateLimited { retry_after })
    );
    assert!(limiter.admit(&shop, at(99)).is_err());
    assert_eq!(limiter.admit(&shop, at(100)), Ok(()));
    assert!(limiter.admit(&shop, at(100)).is_err());
}

#[test]
fn who_waits_as_long_as_told_is_admitted() {
    let (limiter, shop) = (Limiter::new(), party("shop", 7, 1));
    let mut now = 0;
    for _ in 0..200 {
        if let Err(RateLimited { retry_after }) = limiter.admit(&shop, at(now)) {
            now += i64::try_from(retry_after.as_nanos().div_ceil(1_000_000)).unwrap();
            assert_eq!(limiter.admit(&shop, at(now)), Ok(()));
        }
    }
}

#[test]
fn the_rate_holds_over_time_even_above_one_request_a_millisecond() {
    let (limiter, shop) = (Limiter::new(), party("shop", 5_000, 1));
    let admitted = (0..10_000_i64)
        .flat_map(|ms| [ms; 10])
        .filter(|ms| limiter.admit(&shop, at(*ms)).is_ok())
        .count();
    // Ten seconds of 5,000, and the burst the bucket held at the start.
    assert!((54_995..=55_000).contains(&admitted), "{admitted}");
}

#[test]
fn refused_requests_cost_nothing() {
    let (limiter, shop) = (Limiter::new(), party("shop", 2, 1));
    for _ in 0..1_000 {
        let _ = limiter.admit(&shop, at(0));
    }
    assert_eq!(limiter.admit(&shop, at(500)), Ok(()));
}

#[test]
fn one_sp_does_not_use_up_the_limit_of_another() {
    let limiter = Limiter::new();
    for n in 0..100 {
        let sp = party(&format!("sp-{n}"), 1, 1);
        assert_eq!(limiter.admit(&sp, at(0)), Ok(()));
        assert!(limiter.admit(&sp, at(0)).is_err());
    }
}

#[test]
fn new_limits_hold_at_once() {
    let limiter = Limiter::new();
    assert_eq!(limiter.admit(&party("shop", 1, 1), at(0)), Ok(()));
    assert!(limiter.admit(&party("shop", 1, 1), at(0)).is_err());
    assert_eq!(limiter.admit(&party("shop", 1_000, 1), at(1)), Ok(()));
}

#[test]
fn a_clock_set_back_locks_nobody_out_and_limits_go_on() {
    let (limiter, shop) = (Limiter::new(), party("shop", 1, 1));
    assert_eq!(limiter.admit(&shop, at(3_600_000)), Ok(()));
    assert_eq!(limiter.admit(&shop, at(0)), Ok(()));
    assert!(limiter.admit(&shop, at(0)).is_err());
    assert_eq!(limiter.admit(&shop, at(1_000)), Ok(()));
}

#[test]
fn what_was_charged_is_owed_before_the_next_request() {
    let (limiter, shop) = (Limiter::new(), party("shop", 10, 1));
    assert_eq!(limiter.admit(&shop, at(0)), Ok(()));
    limiter.charge(&shop, 999, at(0));
    // A thousand at ten a second, of which a second's worth may be ahead.
    let refused = limiter.admit(&shop, at(0)).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_millis(99_100));
    assert!(limiter.admit(&shop, at(99_099)).is_err());
    assert_eq!(limiter.admit(&shop, at(99_100)), Ok(()));
    limiter.charge(&shop, 0, at(200_000));
    assert_eq!(limiter.admit(&shop, at(200_000)), Ok(()));
}

#[test]
fn a_debt_has_a_limit_and_a_clock_set_back_forgets_it() {
    let (limiter, shop) = (Limiter::new(), party("shop", 1_000, 1));
    for _ in 0..1_000 {
        limiter.charge(&shop, 10_000, at(50_000_000));
    }
    let refused = limiter.admit(&shop, at(50_000_000)).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_millis(1_000_001));
    assert_eq!(limiter.admit(&shop, at(0)), Ok(()));
}

#[test]
fn requests_charged_after_the_clock_was_set_back_count() {
    let (limiter, shop) = (Limiter::new(), party("shop", 1_000, 1));
    limiter.charge(&shop, 10_000, at(50_000_000));
    for _ in 0..10 {
        limiter.charge(&shop, 10_000, at(0));
    }
    assert!(limiter.admit(&shop, at(10_000)).is_err());
}

#[test]
fn a_request_with_a_slightly_older_time_wins_no_second_burst() {
    let (limiter, shop) = (Limiter::new(), party("shop", 10, 1));
    for _ in 0..10 {
        assert_eq!(limiter.admit(&shop, at(50)), Ok(()));
    }
    assert!(limiter.admit(&shop, at(0)).is_err());
    assert!(limiter.admit(&shop, at(50)).is_err());
}

#[test]
fn threads_together_get_no_more_than_one_burst() {
    let (limiter, shop) = (Limiter::new(), party("shop", 500, 1));
    let admitted = std::thread::scope(|scope| {
        let count = || {
            (0..500)
                .filter(|_| limiter.admit(&shop, at(0)).is_ok())
                .count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!(admitted, 500);
}

#[test]
fn failed_mappings_use_up_the_day_and_the_next_day_is_new() {
    let (limiter, shop) = (Limiter::new(), party("shop", 1, 2));
    assert!(limiter.has_failure_quota(&shop, at(0)));
    limiter.count_failure(&shop.id, at(0));
    assert!(limiter.has_failure_quota(&shop, at(0)));
    limiter.count_failure(&shop.id, at(1));
    assert!(!limiter.has_failure_quota(&shop, at(2)));
    assert!(limiter.has_failure_quota(&party("shop", 1, 3), at(2)));
    assert!(limiter.has_failure_quota(&party("other", 1, 2), at(2)));
    let last_instant = 12 * 3_600_000 - 1;
    assert!(!limiter.has_failure_quota(&shop, at(last_instant)));
    assert!(limiter.has_failure_quota(&shop, at(last_instant + 1)));
}

#[test]
fn a_failure_counted_late_at_midnight_does_not_bring_yesterday_back() {
    let (limiter, shop) = (Limiter::new(), party("shop", 1, 2));
    let midnight = 12 * 3_600_000;
    limiter.count_failure(&shop.id, at(midnight));
    limiter.count_failure(&shop.id, at(midnight - 1));
    assert!(!limiter.has_failure_quota(&shop, at(midnight)));
}
