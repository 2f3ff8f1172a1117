//! Timestamps of TS-0004: `YYYYMMDDTHHMMSS,ffffff`, UTC; and the spans some parameters may be.

use std::time::Duration;

use ics_core::time::Timestamp;

/// Writes an instant, to the millisecond.
pub(crate) fn format(instant: Timestamp) -> String {
    let rfc3339 = instant.to_rfc3339();
    let mut compact: String = rfc3339
        .chars()
        .filter(|c| !matches!(c, '-' | ':' | 'Z'))
        .collect();
    if let Some(dot) = compact.find('.') {
        compact.replace_range(dot..=dot, ",");
    }
    compact
}

/// Reads `YYYYMMDDTHHMMSS`, with or without a fraction of up to six digits.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = match text.split_once(',') {
        Some((whole, fraction)) if (1..=6).contains(&fraction.len()) => (whole, fraction),
        Some(_) => return None,
        None => (text, "0"),
    };
    let (date, clock) = whole.split_once('T')?;
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if date.len() != 8 || clock.len() != 6 || ![date, clock, fraction].into_iter().all(is_digits) {
        return None;
    }
    let rfc3339 = format!(
        "{}-{}-{}T{}:{}:{}.{fraction}Z",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..)?,
        clock.get(..2)?,
        clock.get(2..4)?,
        clock.get(4..)?,
    );
    Timestamp::parse(&rfc3339).ok()
}

/// Reads an instant, or the distance to one from `now`: milliseconds, or a duration (`PT2S`).
pub(crate) fn parse_relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(millis) = text.parse::<i64>()
        && !text.starts_with('+')
        && text.len() < 14
    {
        return Some(Timestamp::from_millis(now.millis().saturating_add(millis)));
    }
    parse(text).or_else(|| Some(now.plus(parse_duration(text)?)))
}

/// Reads `P1DT2H3M4.5S` (ISO 8601); a month is 30 days, a year 365.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let rest = text.strip_prefix('P')?;
    let (days, clock) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, clock)) => (days, clock),
        None => (rest, ""),
    };
    if days.is_empty() && clock.is_empty() {
        return None;
    }
    let of_days = [
        ('Y', 365.0 * DAY),
        ('M', 30.0 * DAY),
        ('W', 7.0 * DAY),
        ('D', DAY),
    ];
    let of_clock = [('H', 3_600.0), ('M', 60.0), ('S', 1.0)];
    let seconds = sum_of_parts(days, &of_days)? + sum_of_parts(clock, &of_clock)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Numbers, each with its unit, the units in the order given.
fn sum_of_parts(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let number: f64 = number.parse().ok().filter(|_| is_number)?;
            sum += number * seconds;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(rfc3339: &str) -> Timestamp {
        Timestamp::parse(rfc3339).unwrap()
    }

    #[test]
    fn reads_with_and_without_a_fraction() {
        assert_eq!(parse("20261121T200000"), Some(at("2026-11-21T20:00:00Z")));
        assert_eq!(
            parse("20261121T200000,5"),
            Some(at("2026-11-21T20:00:00.5Z"))
        );
        assert_eq!(
            parse("20261121T200000,123456"),
            Some(at("2026-11-21T20:00:00.123Z"))
        );
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "wrong",
            "20261121",
            "20261321T200000",
            "20261121T200000,",
            "20261121T200000,1234567",
            "2026-11-21T20:00:00Z",
            "+0261121T200000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_spans_from_now() {
        let now = at("2026-11-21T20:00:00Z");
        assert_eq!(
            parse_relative("10000", now),
            Some(at("2026-11-21T20:00:10Z"))
        );
        assert_eq!(
            parse_relative("-10000", now),
            Some(at("2026-11-21T19:59:50Z"))
        );
        assert_eq!(
            parse_relative("PT2S", now),
            Some(at("2026-11-21T20:00:02Z"))
        );
        assert_eq!(
            parse_relative("P1DT1M", now),
            Some(at("2026-11-22T20:01:00Z"))
        );
        assert_eq!(parse_relative("20261121T200000", now), Some(now));
        for text in ["", "P", "PT", "PS", "2S", "PT2", "PTS", "P1H", "PT1e9S"] {
            assert_eq!(parse_relative(text, now), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in 0..Timestamp::MAX.millis()) {
            let instant = Timestamp::from_millis(millis);
            prop_assert_eq!(parse(&format(instant)), Some(instant));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = parse_relative(&text, Timestamp::from_millis(0));
        }
    }
}
