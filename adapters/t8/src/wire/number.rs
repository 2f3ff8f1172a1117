//! A JSON number that is a whole one, however it is spelled: `60`, `60.0`, `6e1`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A whole number from 0 to 2^32-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;

        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                let small = u32::try_from(number);
                small
                    .map(Whole)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                // JSON Schema calls 60.0 an integer; its text without a fraction is exact.
                let whole = (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok());
                let refused = || E::invalid_value(Unexpected::Float(number), &self);
                whole.flatten().map(Whole).ok_or_else(refused)
            }
        }

        deserializer.deserialize_u32(WholeVisitor)
    }
}
