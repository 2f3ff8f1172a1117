//! How a record is described: once, field by field, for every form it is kept in.
//!
//! A record hands its fields to a [`Sink`] and takes them from a [`Source`]. One pair is the
//! stores' bytes, where the order of fields says which is which ([`super::bytes`]); the other is
//! JSON, where their names do ([`super::json`]). So nothing that is stored can be missing in an
//! export. Names are part of the format of exports, order and widths of that of stores.

use std::borrow::Cow;

use ics_core::time::Timestamp;

use super::RecordError;

/// Takes fields.
pub(crate) trait Sink {
    fn number(&mut self, name: &'static str, value: u64);

    fn flag(&mut self, name: &'static str, value: bool);

    fn text(&mut self, name: &'static str, text: &str);

    fn instant(&mut self, name: &'static str, instant: Timestamp);

    /// The sixteen bytes of an id.
    fn id(&mut self, name: &'static str, id: &[u8; 16]);

    /// The same, where the stores have it in the record's key.
    fn key_id(&mut self, name: &'static str, id: &[u8; 16]);

    /// Bytes of a length that never changes.
    fn fixed(&mut self, name: &'static str, bytes: &[u8]);

    fn bytes(&mut self, name: &'static str, bytes: &[u8]);

    /// Which of several: its number, and the word for it.
    fn tag(&mut self, name: &'static str, number: u8, words: &[&'static str]);

    /// Fields that belong together.
    fn group(&mut self, name: &'static str, write: impl FnOnce(&mut Self));

    fn option<T>(
        &mut self,
        name: &'static str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, &'static str, T),
    );

    fn list<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        write: impl FnMut(&mut Self, &'static str, &T),
    );

    /// One of a fixed set of values.
    fn choice<T: Named>(&mut self, name: &'static str, value: T) {
        let place = T::VALUES.iter().position(|known| *known == value);
        // Every value stands among them: `named!` does not compile otherwise.
        let number = place.and_then(|place| u8::try_from(place).ok());
        self.tag(name, number.unwrap_or(u8::MAX), T::WORDS);
    }
}

/// Gives fields.
pub(crate) trait Source {
    fn number(&mut self, name: &'static str) -> Result<u64, RecordError>;

    fn flag(&mut self, name: &'static str) -> Result<bool, RecordError>;

    fn text(&mut self, name: &'static str) -> Result<Cow<'_, str>, RecordError>;

    fn instant(&mut self, name: &'static str) -> Result<Timestamp, RecordError>;

    fn id(&mut self, name: &'static str) -> Result<[u8; 16], RecordError>;

    fn key_id(&mut self, name: &'static str) -> Result<[u8; 16], RecordError>;

    fn fixed<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], RecordError>;

    fn bytes(&mut self, name: &'static str) -> Result<Cow<'_, [u8]>, RecordError>;

    /// Which of several; what has no word is refused.
    fn tag(&mut self, name: &'static str, words: &[&'static str]) -> Result<u8, RecordError>;

    fn group<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<T, RecordError>;

    fn option<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError>;

    fn list<T>(
        &mut self,
        name: &'static str,
        read: impl FnMut(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError>;

    /// Judges the value read last, which was taken from a request once: `is_taken` says whether it
    /// would be today. Stores believe their own bytes, and do not ask.
    fn judge(&mut self, is_taken: impl FnOnce() -> bool) {
        let _ = is_taken;
    }

    fn small(&mut self, name: &'static str) -> Result<u32, RecordError> {
        u32::try_from(self.number(name)?).map_err(|_| RecordError::Value)
    }

    /// One of a fixed set of values.
    fn choice<T: Named>(&mut self, name: &'static str) -> Result<T, RecordError> {
        let number = self.tag(name, T::WORDS)?;
        let value = T::VALUES.get(usize::from(number));
        value.copied().ok_or(RecordError::Value)
    }
}

/// A fixed set of values: their place is their number in the stores.
pub(crate) trait Named: Copy + PartialEq + 'static {
    const VALUES: &'static [Self];
    const WORDS: &'static [&'static str];
}

/// Numbers and words of a set of values; one that is left out does not compile.
macro_rules! named {
    ($type:ty { $($word:literal: [$($value:tt)+],)+ }) => {
        impl $crate::record::fields::Named for $type {
            const VALUES: &'static [Self] = &[$($($value)+),+];
            const WORDS: &'static [&'static str] = &[$($word),+];
        }
        const _: fn($type) = |value| match value {
            $($($value)+ => {})+
        };
    };
}
pub(crate) use named;
