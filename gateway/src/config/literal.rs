//! Values as operators write them: `24h`, `256MiB`, `10.0.0.0/8`, `https://ics.example:8443`.

use ics_notify::Network;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use ics_core::id::{Origin, SpId};
use serde::de::{Deserialize, Deserializer, Error as _};

use super::fault::Fault;

/// Reads a duration: a whole number and one of `ms s m h d`; plain `0` is none at all.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no duration: write for example `90s`, `24h`, `7d`"
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number: u64 = number.parse().ok()?;
    let millis_each = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis_each).map(Duration::from_millis)
}

/// A duration as it is written in the file: the largest unit that divides it.
pub(crate) struct Written(pub(crate) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        match units
            .into_iter()
            .find(|(each, _)| millis.is_multiple_of(*each))
        {
            Some((each, unit)) => write!(f, "{}{unit}", millis / each),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// Wants the duration at `key` within `range`.
pub(super) fn within(
    key: &str,
    value: Duration,
    range: RangeInclusive<Duration>,
) -> Result<(), Fault> {
    if range.contains(&value) {
        return Ok(());
    }
    let wrong = format!("`{}` is out of range", Written(value));
    let mend = format!(
        "choose from {} to {}",
        Written(*range.start()),
        Written(*range.end())
    );
    Err(Fault::new(key, wrong, mend))
}

/// Reads a size in bytes: a whole number and one of `B KiB MiB GiB`.
pub(super) fn byte_size<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let text = String::deserialize(from)?;
    parse_byte_size(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no size: write for example `64KiB`, `256MiB`"
        ))
    })
}

fn parse_byte_size(text: &str) -> Option<usize> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number: usize = number.parse().ok()?;
    let shift = match unit.trim_start() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1_usize << shift)
}

/// Reads the public origin of a listener: `https://host[:port]`.
pub(super) fn origin<'de, D: Deserializer<'de>>(from: D) -> Result<Origin, D::Error> {
    let text = String::deserialize(from)?;
    Origin::parse(&text).map_err(|fault| {
        D::Error::custom(format!(
            "{fault}: write scheme, host and port, for example `https://ics.example:8443`"
        ))
    })
}

/// Reads a list of ids of service providers.
pub(super) fn sp_ids<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SpId>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let read = |text: &String| {
        SpId::parse(text)
            .map_err(|fault| D::Error::custom(format!("`{text}` is no service provider: {fault}")))
    };
    texts.iter().map(read).collect()
}

/// Reads a list of networks in CIDR notation: `10.0.0.0/8`, `fd00::/8`, or one address.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let read = |text: &String| {
        text.parse().map_err(|_| {
            D::Error::custom(
                "write a network such as `10.0.0.0/8` or `fd00::/8`, without bits beyond the \
                 prefix, or one address",
            )
        })
    };
    texts.iter().map(read).collect()
}
