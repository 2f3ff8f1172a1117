//! Timestamps of TS-0004, read: `YYYYMMDDTHHMMSS` and up to six digits of a second, UTC.

use core::time::Duration;

use ics_core::time::Timestamp;

/// The instant `text` names.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once(',').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (date, time) = whole.split_once('T')?;
    let lengths = (date.len(), time.len(), fraction.len());
    if !digits(date) || !digits(time) || !digits(fraction) || !matches!(lengths, (8, 6, 1..=6)) {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let date = [part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?].join("-");
    let time = [part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?].join(":");
    Timestamp::parse(&format!("{date}T{time}.{fraction}Z")).ok()
}

/// How long from `now` until the instant a request gave as its end: an instant, or milliseconds
/// from now (TS-0004 table 6.3.3-1, absRelTimestamp).
pub(super) fn until(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(millis) = text.parse::<i64>() {
        return Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    }
    parse(text).map(|end| end.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let instant = Timestamp::parse("2026-11-21T20:00:01.250Z").unwrap();
        assert_eq!(parse(&crate::time::format(instant)), Some(instant));
        assert_eq!(parse("20261121T200001,25"), Some(instant));
        assert_eq!(parse("20261121T200001,250000"), Some(instant));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "20261121",
            "20261121T2000",
            "20261321T200000",
            "20261121T200001.25",
            "20261121T200001,",
            "20261121T200001,2500001",
            "2026112\u{e9}T20000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_end_is_an_instant_or_a_number_of_milliseconds() {
        let now = Timestamp::parse("2026-11-21T20:00:00Z").unwrap();
        assert_eq!(until("1500", now), Some(Duration::from_millis(1500)));
        assert_eq!(until("-5", now), Some(Duration::ZERO));
        assert_eq!(until("20261121T200003", now), Some(Duration::from_secs(3)));
        assert_eq!(until("20261121T195959", now), Some(Duration::ZERO));
        assert_eq!(until("soon", now), None);
    }
}
