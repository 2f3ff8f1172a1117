//! `supportedFeatures` (TS 29.500 6.6): hexadecimal, four features a character, the last
//! character carries features 1 to 4. The answer is the intersection; it holds for the resource's
//! life.

use ics_core::mapping::Features;

/// What both APIs that negotiate support: Notification_test_event and Notification_websocket.
const SUPPORTED: u32 = Features::TEST_EVENT.0 | Features::WEBSOCKET.0;

/// The most characters of `supportedFeatures` that are read.
pub(crate) const MOST_CHARACTERS: usize = 64;

/// What of `offered` is supported; nothing where nothing was offered. `None`: not hexadecimal.
pub(crate) fn negotiate(offered: Option<&str>) -> Option<Features> {
    let offered = offered.unwrap_or_default();
    let hex = offered.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex || offered.len() > MOST_CHARACTERS {
        return None;
    }
    let last = offered
        .chars()
        .next_back()
        .and_then(|c| c.to_digit(16))
        .unwrap_or(0);
    Some(Features(last & SUPPORTED))
}

/// The negotiated features as they are told.
pub(crate) fn tell(features: Features) -> String {
    format!("{:X}", features.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_intersection() {
        for (offered, told) in [
            (None, "0"),
            (Some(""), "0"),
            (Some("1"), "1"),
            (Some("F2"), "2"),
            (Some("F4"), "0"),
            (Some("aF3"), "3"),
        ] {
            assert_eq!(tell(negotiate(offered).unwrap()), told, "{offered:?}");
        }
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        assert_eq!(negotiate(Some("x")), None);
        assert_eq!(negotiate(Some("-1")), None);
        assert_eq!(negotiate(Some(&"1".repeat(65))), None);
    }
}
