//! What looks like a permanent identifier: of a person, a subscription, a piece of equipment.
//!
//! Shapes only (TS 23.003, TS 29.571, ITU-T E.164 and E.118); what an operator really holds is
//! asked elsewhere. A shape can be met by chance, so this is for places where an opaque id
//! belongs and another one costs the caller nothing.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The kind of identifier a text looks like. Never the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermanentIdentifier {
    /// Digits that could be an IMSI, IMEI, MSISDN or ICCID (they cannot be told apart by shape).
    Digits,
    /// A typed 3GPP identifier: `imsi-`, `nai-`, `suci-`, `imei-`, `imeisv-`, `msisdn-`, ...
    Subscription,
    /// `+` or `tel:` and a number of ITU-T E.164.
    PhoneNumber,
    /// `local@domain`: an e-mail address, a network access identifier.
    MailAddress,
    /// An IEEE 802 hardware address.
    HardwareAddress,
    /// The serial number of the device.
    SerialNumber,
}

impl fmt::Display for PermanentIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "a subscription, equipment or telephone number",
            Self::Subscription => "a 3GPP subscription or equipment identifier",
            Self::PhoneNumber => "a telephone number",
            Self::MailAddress => "a mail address",
            Self::HardwareAddress => "a hardware address",
            Self::SerialNumber => "the serial number of the device",
        })
    }
}

/// The prefixes of TS 29.571 for SUPI, SUCI, PEI and GPSI.
const TYPED: [&str; 9] = [
    "imsi-", "nai-", "suci-", "imei-", "imeisv-", "msisdn-", "gci-", "gli-", "iccid-",
];

/// The first permanent identifier that `text` looks like or contains.
///
/// Percent-encoding is taken off first, as often as it was put on. Digit
/// runs count where neither side is a letter or digit, so hexadecimal and UUIDs pass: a whole
/// text of 5 to 20 digits, or a run of 10 to 20 within a longer one.
#[must_use]
pub fn find_permanent_identifier(text: &str) -> Option<PermanentIdentifier> {
    if is_plainly_anonymous(text) {
        return None;
    }
    let mut decoded = Cow::Borrowed(text);
    // Each layer makes the text shorter, so this ends.
    while let Some(next) = percent_decode(&decoded) {
        decoded = Cow::Owned(next);
    }
    find_plain(&without_anonymous_uuids(&decoded))
}

/// Whether nothing below could find anything: most identifiers, told in one pass without copying.
///
/// Every shape has an `@`, a `+`, a `%` that hides one, five digits in a row, the end of a typed
/// prefix (`imsi-`, `msisdn-`, `tel:`), a `3g`, or no letter beyond hexadecimal ones.
fn is_plainly_anonymous(text: &str) -> bool {
    if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok_and(|uuid| is_anonymous(&uuid)) {
        return true;
    }
    let (mut before, mut digits, mut beyond_hexadecimal) = (0_u8, 0_u8, false);
    for byte in text.bytes().map(|b| b.to_ascii_lowercase()) {
        digits = if byte.is_ascii_digit() {
            digits.saturating_add(1)
        } else {
            0
        };
        let telling = match byte {
            b'@' | b'+' | b'%' => true,
            b'-' => matches!(before, b'i' | b'd' | b'v' | b'n' | b'c'),
            b':' => before == b'l',
            b'g' => before == b'3',
            _ => digits >= 5,
        };
        if telling {
            return false;
        }
        beyond_hexadecimal |= matches!(byte, b'g'..=b'z');
        before = byte;
    }
    beyond_hexadecimal
}

/// Whether a UUID is of a version that tells nobody's name and no machine's address.
pub(super) fn is_anonymous(uuid: &uuid::Uuid) -> bool {
    matches!(uuid.get_version_num(), 4 | 7) && uuid.get_variant() == uuid::Variant::RFC4122
}

/// The text with each random UUID replaced by letters: one in 300 ends in twelve digits by chance.
fn without_anonymous_uuids(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(rest) = out.get(at..) {
        let uuid = rest.get(..36).and_then(|t| uuid::Uuid::try_parse(t).ok());
        if uuid.is_some_and(|uuid| is_anonymous(&uuid)) {
            let mut blanked = String::from(out.get(..at).unwrap_or_default());
            blanked.push_str(&"u".repeat(36));
            blanked.push_str(rest.get(36..).unwrap_or_default());
            out = Cow::Owned(blanked);
            at = at.saturating_add(36);
        } else {
            match rest.chars().next() {
                Some(c) => at = at.saturating_add(c.len_utf8()),
                None => break,
            }
        }
    }
    out
}

fn find_plain(text: &str) -> Option<PermanentIdentifier> {
    let lower = text.to_ascii_lowercase();
    if has_typed_prefix(&lower) {
        return Some(PermanentIdentifier::Subscription);
    }
    if has_mail_address(&lower) {
        return Some(PermanentIdentifier::MailAddress);
    }
    if is_hardware_address(&lower) {
        return Some(PermanentIdentifier::HardwareAddress);
    }
    if has_phone_number(&lower) {
        return Some(PermanentIdentifier::PhoneNumber);
    }
    find_digits(&lower)
}

/// A typed prefix at the start of the text or of a part of it, with a digit (or, for `nai-` and
/// the other name-like ones, anything) behind it.
fn has_typed_prefix(lower: &str) -> bool {
    lower
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .any(|part| {
            TYPED.iter().any(|prefix| {
                part.strip_prefix(prefix)
                    .is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()))
            })
        })
        || lower.contains("3gppnetwork.org")
}

/// `local@domain.tld` anywhere.
fn has_mail_address(lower: &str) -> bool {
    lower
        .split('@')
        .zip(lower.split('@').skip(1))
        .any(|(before, after)| {
            let local = before
                .chars()
                .next_back()
                .is_some_and(|c| c.is_alphanumeric() || "._-+%".contains(c));
            local && after.chars().next().is_some_and(char::is_alphanumeric)
        })
}

/// `aa:bb:cc:dd:ee:ff`, the same with hyphens, eight groups (EUI-64), or twelve bare hex digits.
fn is_hardware_address(lower: &str) -> bool {
    let bare = lower
        .strip_prefix("mac-")
        .or_else(|| lower.strip_prefix("eui-"))
        .unwrap_or(lower);
    if bare.len() == 12 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    [':', '-'].into_iter().any(|separator| {
        let groups: Vec<&str> = bare.split(separator).collect();
        matches!(groups.len(), 6 | 8)
            && groups
                .iter()
                .all(|g| g.len() == 2 && g.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// `+` or `tel:` and 7 to 15 digits, grouped as people write numbers (`+49 (170) 123-4567`).
fn has_phone_number(lower: &str) -> bool {
    let starts = lower.match_indices('+').chain(lower.match_indices("tel:"));
    starts.into_iter().any(|(at, mark)| {
        let digits = lower
            .get(at.saturating_add(mark.len())..)
            .unwrap_or_default()
            .trim_start_matches('+')
            .bytes()
            .take_while(|b| b.is_ascii_digit() || b" -.()".contains(b))
            .filter(u8::is_ascii_digit)
            .count();
        (7..=15).contains(&digits)
    })
}

/// Digit runs of the lengths that subscription, equipment, card and telephone numbers have.
fn find_digits(lower: &str) -> Option<PermanentIdentifier> {
    let bytes = lower.as_bytes();
    // Digits alone are never anonymous enough, however many (row Y2).
    if bytes.len() >= 5 && bytes.iter().all(u8::is_ascii_digit) {
        return Some(PermanentIdentifier::Digits);
    }
    let mut start = 0;
    while let Some(run) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
        let digits = run.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            start = start.saturating_add(1);
            continue;
        }
        let before = start.checked_sub(1).and_then(|i| bytes.get(i)).copied();
        let after = run.get(digits).copied();
        let bounded = !before.is_some_and(|b| b.is_ascii_alphanumeric())
            && !after.is_some_and(|b| b.is_ascii_alphanumeric());
        if bounded && (10..=20).contains(&digits) {
            return Some(PermanentIdentifier::Digits);
        }
        start = start.saturating_add(digits);
    }
    None
}

/// Takes one layer of percent-encoding off; `None` when there is none or it is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let mut changed = false;
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let pair = (byte == b'%')
            .then(|| Some((hex(ahead.next()?)?, hex(ahead.next()?)?)))
            .flatten();
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                bytes = ahead;
                changed = true;
            }
            None => out.push(byte),
        }
    }
    if changed {
        String::from_utf8(out).ok()
    } else {
        None
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}
