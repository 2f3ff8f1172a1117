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
/// Percent-encoding is taken off first, as often as it was put on. Digits count alone, in runs of
/// the lengths such numbers have, and grouped as people write them; longer hexadecimal words and
/// random UUIDs pass. Not seen: what is encoded in another way (base64, TBCD).
#[must_use]
pub fn find_permanent_identifier(text: &str) -> Option<PermanentIdentifier> {
    if is_plainly_anonymous(text) {
        return None;
    }
    find_plain(&without_anonymous_uuids(&decode_percent(text)))
}

/// The identifier of a person's subscription or equipment that `text` is, as a whole or in a part
/// between delimiters: digits alone, grouped or not, typed (`imsi-`) or not, `+` and digits,
/// anything of 3gppnetwork.org. What no scheme lets through.
pub(super) fn find_exact_identifier(text: &str) -> Option<PermanentIdentifier> {
    let lower: String = decode_percent(text).chars().map(plain_character).collect();
    let mut parts = lower.split([':', '@', '/', '?', '#', '=', '&', ';', ',', '|']);
    let is_long = parts.any(|part| number_in(part) >= 10);
    find_whole_identifier(&lower).or_else(|| is_long.then_some(PermanentIdentifier::Digits))
}

/// [`find_exact_identifier`], without the parts that are numbers: for schemes that look at those
/// themselves.
pub(super) fn find_whole_identifier(text: &str) -> Option<PermanentIdentifier> {
    let lower: String = decode_percent(text).chars().map(plain_character).collect();
    let is_typed = |part: &str| {
        let behind = TYPED.iter().find_map(|prefix| part.strip_prefix(prefix));
        behind.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if number_in(&lower) >= 5 {
        Some(PermanentIdentifier::Digits)
    } else if lower.contains("3gppnetwork.org") || lower.split([':', '@', '/']).any(is_typed) {
        Some(PermanentIdentifier::Subscription)
    } else {
        None
    }
}

/// How many digits a number has that `part` is, grouped as people write them; 0 where it is none.
fn number_in(part: &str) -> usize {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    if part
        .bytes()
        .all(|b| b.is_ascii_digit() || b" -.()+".contains(&b))
    {
        digits
    } else {
        0
    }
}

/// Whether `part` is a number as long as those of subscriptions, equipment, cards and telephones.
pub(super) fn is_long_number(part: &str) -> bool {
    (10..=20).contains(&number_in(&decode_percent(part)))
}

/// The text without percent-encoding, however often it was put on.
pub(super) fn decode_percent(text: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(text);
    // Each layer makes the text shorter, so this ends.
    while let Some(next) = percent_decode(&decoded) {
        decoded = Cow::Owned(next);
    }
    decoded
}

/// Whether nothing below could find anything: most identifiers, told in one pass without copying.
///
/// Every shape has an `@` or a bracketed `at`, a `+`, a `%` that hides one, a letter beyond ASCII,
/// five digits in a row or ten in groups, the end of a typed prefix (`imsi-`, `msisdn-`, `tel:`),
/// a `3g`, or the hexadecimal pairs of a hardware address.
fn is_plainly_anonymous(text: &str) -> bool {
    if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok_and(|uuid| is_anonymous(&uuid)) {
        return true;
    }
    let (mut before, mut digits, mut grouped) = (0_u8, 0_u8, 0_u8);
    let mut beyond_hexadecimal = false;
    for byte in text.bytes().map(|b| b.to_ascii_lowercase()) {
        match byte {
            b'0'..=b'9' => {
                digits = digits.saturating_add(1);
                grouped = grouped.saturating_add(1);
            }
            b'a'..=b'z' => (digits, grouped) = (0, 0),
            _ => digits = 0,
        }
        let telling = match byte {
            b'@' | b'+' | b'%' | 128.. => true,
            b')' | b']' | b'}' => before == b't',
            b'-' => matches!(before, b'i' | b'd' | b'v' | b'n' | b'c'),
            b':' => before == b'l',
            b'g' => before == b'3',
            _ => digits >= 5 || grouped >= 10,
        };
        if telling {
            return false;
        }
        beyond_hexadecimal |= matches!(byte, b'g'..=b'z');
        before = byte;
    }
    // Six pairs of hexadecimal digits may stand beside a letter; five separators are needed then.
    beyond_hexadecimal && text.bytes().filter(|b| matches!(b, b'-' | b':')).count() < 5
}

/// Whether a UUID is of a version that tells nobody's name and no machine's address.
pub(super) fn is_anonymous(uuid: &uuid::Uuid) -> bool {
    matches!(uuid.get_version_num(), 4 | 7) && uuid.get_variant() == uuid::Variant::RFC4122
}

/// The text with each random UUID replaced by letters: one in 300 ends in twelve digits by chance.
/// A UUID stands alone: what goes on behind it, as a number may, or begins before it, is none.
fn without_anonymous_uuids(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(rest) = out.get(at..) {
        let uuid = rest.get(..36).and_then(|t| uuid::Uuid::try_parse(t).ok());
        let before = out.get(..at).and_then(|head| head.chars().next_back());
        let behind = rest.get(36..).and_then(|tail| tail.chars().next());
        let goes_on = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let alone = !goes_on(before) && !goes_on(behind);
        if alone && uuid.is_some_and(|uuid| is_anonymous(&uuid)) {
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
    let lower: String = text.chars().map(plain_character).collect();
    if has_typed_prefix(&lower) {
        return Some(PermanentIdentifier::Subscription);
    }
    if has_mail_address(&lower) {
        return Some(PermanentIdentifier::MailAddress);
    }
    if has_hardware_address(&lower) {
        return Some(PermanentIdentifier::HardwareAddress);
    }
    if has_phone_number(&lower) {
        return Some(PermanentIdentifier::PhoneNumber);
    }
    find_digits(&lower)
}

/// Lower case; digits and `@` of other scripts as those of ASCII.
fn plain_character(c: char) -> char {
    match c {
        '\u{ff20}' | '\u{fe6b}' => '@',
        _ if !c.is_ascii() && c.is_numeric() => '0',
        _ => c.to_ascii_lowercase(),
    }
}

/// A typed prefix with a digit behind it at the start of a part, the whole text behind a name-like
/// one, or the bare type with five digits behind it.
fn has_typed_prefix(lower: &str) -> bool {
    let digits_behind = |rest: &str| rest.bytes().take_while(u8::is_ascii_digit).count();
    let typed_part = |part: &str| {
        TYPED.iter().any(|prefix| {
            let bare = prefix.trim_end_matches('-');
            part.strip_prefix(prefix)
                .is_some_and(|rest| digits_behind(rest) > 0)
                || part
                    .strip_prefix(bare)
                    .is_some_and(|rest| digits_behind(rest) >= 5)
        })
    };
    TYPED.iter().any(|prefix| lower.starts_with(prefix))
        || lower
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .any(typed_part)
        || lower.contains("3gppnetwork.org")
}

/// `local@anything` anywhere, `(at)` for `@` too.
fn has_mail_address(lower: &str) -> bool {
    let signs = ["@", "(at)", "[at]", "{at}"].map(|sign| lower.match_indices(sign));
    signs.into_iter().flatten().any(|(at, _)| {
        let before = lower.get(..at).and_then(|head| head.chars().next_back());
        before.is_some_and(|c| c.is_alphanumeric() || "._-+%".contains(c))
    })
}

/// `aa:bb:cc:dd:ee:ff` or `aa-bb-cc-dd-ee-ff` (of an EUI-64 the first six) anywhere, or a text of
/// twelve bare hexadecimal digits.
fn has_hardware_address(lower: &str) -> bool {
    let bare = lower
        .strip_prefix("mac-")
        .or_else(|| lower.strip_prefix("eui-"))
        .unwrap_or(lower);
    if bare.len() == 12 && bare.bytes().all(|b| b.is_ascii_hexdigit()) {
        return true;
    }
    let bytes = bare.as_bytes();
    (0..bytes.len()).any(|at| {
        let pairs = bytes.get(at..at.saturating_add(17)).unwrap_or_default();
        let separator = pairs.get(2).copied().unwrap_or_default();
        let alone = |place: usize| !bytes.get(place).is_some_and(u8::is_ascii_alphanumeric);
        matches!(separator, b':' | b'-')
            && pairs.iter().enumerate().all(|(place, byte)| {
                if place % 3 == 2 {
                    *byte == separator
                } else {
                    byte.is_ascii_hexdigit()
                }
            })
            && (at == 0 || alone(at.saturating_sub(1)))
            && alone(at.saturating_add(17))
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

/// Digits in the numbers that subscriptions, equipment, cards and telephones have.
fn find_digits(lower: &str) -> Option<PermanentIdentifier> {
    // Digits alone are never anonymous enough, however many (row Y2).
    let alone = lower.len() >= 5 && lower.bytes().all(|b| b.is_ascii_digit());
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    (alone || words().any(is_number_in_word) || has_grouped_number(lower))
        .then_some(PermanentIdentifier::Digits)
}

/// A word that is a number of 10 digits or more, or has a number in it: 10 digits and more beside
/// letters that no hexadecimal word has or at most two that one might, 14 to 16 beside at most
/// six. (Longer hexadecimal words have such runs by chance.)
fn is_number_in_word(word: &str) -> bool {
    let longest = word
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0);
    let hexadecimal = word.bytes().all(|b| b.is_ascii_hexdigit());
    let beside = word.len().saturating_sub(longest);
    match (hexadecimal, beside) {
        (true, 0..=2) | (false, _) => longest >= 10,
        (true, beside) => (14..=16).contains(&longest) && beside <= 6,
    }
}

/// Neighbouring groups of digits, whatever stands between them, that come to 10 digits or more
/// (`262-011-234-567-890`, `msisdn:491.701.234.567`, `262/011/234/567/890`); dates do not count.
fn has_grouped_number(lower: &str) -> bool {
    let mut run = Vec::new();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()).chain(["end"]) {
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            run.push(word);
            continue;
        }
        if digits_without_dates(&run) >= 10 {
            return true;
        }
        run.clear();
    }
    false
}

/// How many digits there are in `groups`, days as ISO 8601 writes them (`2026-11-21`) apart.
fn digits_without_dates(mut groups: &[&str]) -> usize {
    let between = |text: &str, range: core::ops::RangeInclusive<u32>, length| {
        text.len() == length && text.parse().is_ok_and(|number| range.contains(&number))
    };
    let mut digits = 0_usize;
    loop {
        groups = match groups {
            [year, month, day, rest @ ..]
                if between(year, 1900..=2099, 4)
                    && between(month, 1..=12, 2)
                    && between(day, 1..=31, 2) =>
            {
                rest
            }
            [group, rest @ ..] => {
                digits = digits.saturating_add(group.len());
                rest
            }
            [] => return digits,
        };
    }
}

/// Takes one layer of percent-encoding off; `None` when there is none.
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
    // What is no UTF-8 hides nothing: the rest of it is looked at all the same.
    changed.then(|| String::from_utf8_lossy(&out).into_owned())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}
