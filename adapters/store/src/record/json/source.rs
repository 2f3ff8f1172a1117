//! Reading one object.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::time::Timestamp;

use super::node::{Members, Node, parse_members};
use super::parse_uuid;
use crate::record::RecordError;
use crate::record::fields::Source;

/// Where a line is not as it should be, and how. Never carries a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field, with those around it; empty: the line as a whole.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) wrong: &'static str,
}

/// Reads one object, each field once.
#[derive(Debug)]
pub(crate) struct JsonSource {
    members: Members,
    around: Vec<&'static str>,
    field: &'static str,
    wrong: &'static str,
    /// The first field whose value would not be taken from a request, with those around it.
    not_taken: Option<String>,
}

const NOT_VALID: &str = "is not valid";
const UNKNOWN: &str = "has a member that is not known here";

impl JsonSource {
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Misfit> {
        let members = parse_members(line).ok_or_else(|| Misfit {
            field: String::new(),
            wrong: "is no JSON object whose members are text, natural numbers, truth values, \
                    lists and objects, each named once",
        })?;
        Ok(Self {
            members,
            around: Vec::new(),
            field: "",
            wrong: NOT_VALID,
            not_taken: None,
        })
    }

    /// Hands the fields to `read`, and sees that it took all of them.
    #[cfg(test)]
    pub(crate) fn read<T>(
        self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<T, Misfit> {
        self.read_judged(read).map(|(value, _)| value)
    }

    /// Hands the fields to `read`, and sees that it took all of them; with the first field whose
    /// value would not be taken from a request.
    pub(crate) fn read_judged<T>(
        mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<(T, Option<String>), Misfit> {
        let value = read(&mut self).and_then(|value| {
            self.expect_nothing_left()?;
            Ok(value)
        });
        match value {
            Ok(value) => Ok((value, self.not_taken)),
            Err(error) => Err(self.misfit(error)),
        }
    }

    /// Refuses the field that was read last.
    pub(crate) fn refuse(&mut self, wrong: &'static str) -> RecordError {
        self.wrong = wrong;
        RecordError::Value
    }

    fn misfit(mut self, error: RecordError) -> Misfit {
        if matches!(error, RecordError::Newer { .. }) {
            self.wrong = "was written by a later version";
        }
        if !self.field.is_empty() {
            self.around.push(self.field);
        }
        Misfit {
            field: self.around.join("."),
            wrong: self.wrong,
        }
    }

    fn take(&mut self, name: &'static str) -> Result<Node, RecordError> {
        (self.field, self.wrong) = (name, NOT_VALID);
        let node = self.members.remove(name);
        node.ok_or_else(|| self.refuse("is missing"))
    }

    fn take_text(&mut self, name: &'static str) -> Result<String, RecordError> {
        match self.take(name)? {
            Node::Text(text) => Ok(text),
            _ => Err(self.refuse("is no text")),
        }
    }

    fn take_bytes(&mut self, name: &'static str) -> Result<Vec<u8>, RecordError> {
        let text = self.take_text(name)?;
        let bytes = URL_SAFE_NO_PAD.decode(text);
        bytes.map_err(|_| self.refuse("is no base64url without padding"))
    }

    fn expect_nothing_left(&mut self) -> Result<(), RecordError> {
        if self.members.is_empty() {
            return Ok(());
        }
        self.field = "";
        Err(self.refuse(UNKNOWN))
    }

    /// Reads `members` as an object within this one.
    fn descend<T>(
        &mut self,
        name: &'static str,
        members: Members,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        let outer = std::mem::replace(&mut self.members, members);
        self.around.push(name);
        let value = read(self)?;
        self.expect_nothing_left()?;
        self.around.pop();
        self.field = name;
        self.members = outer;
        Ok(value)
    }
}

impl Source for JsonSource {
    fn judge(&mut self, is_taken: impl FnOnce() -> bool) {
        if self.not_taken.is_none() && !is_taken() {
            let path = self.around.iter().copied().chain([self.field]);
            self.not_taken = Some(path.collect::<Vec<_>>().join("."));
        }
    }

    fn number(&mut self, name: &'static str) -> Result<u64, RecordError> {
        match self.take(name)? {
            Node::Number(number) => Ok(number),
            _ => Err(self.refuse("is no natural number")),
        }
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, RecordError> {
        match self.take(name)? {
            Node::Flag(flag) => Ok(flag),
            _ => Err(self.refuse("is neither true nor false")),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<Cow<'_, str>, RecordError> {
        self.take_text(name).map(Cow::Owned)
    }

    fn instant(&mut self, name: &'static str) -> Result<Timestamp, RecordError> {
        let text = self.take_text(name)?;
        let instant = Timestamp::parse(&text).ok();
        // One instant has one spelling.
        let instant = instant.filter(|instant| instant.to_rfc3339() == text);
        instant.ok_or_else(|| self.refuse("is no RFC 3339 UTC date-time with milliseconds"))
    }

    fn id(&mut self, name: &'static str) -> Result<[u8; 16], RecordError> {
        let text = self.take_text(name)?;
        parse_uuid(&text).ok_or_else(|| self.refuse("is no UUID in lower case"))
    }

    fn key_id(&mut self, name: &'static str) -> Result<[u8; 16], RecordError> {
        self.id(name)
    }

    fn fixed<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], RecordError> {
        let bytes = self.take_bytes(name)?;
        bytes
            .try_into()
            .map_err(|_| self.refuse("has another length"))
    }

    fn bytes(&mut self, name: &'static str) -> Result<Cow<'_, [u8]>, RecordError> {
        self.take_bytes(name).map(Cow::Owned)
    }

    fn tag(&mut self, name: &'static str, words: &[&'static str]) -> Result<u8, RecordError> {
        let text = self.take_text(name)?;
        let place = words
            .iter()
            .position(|word| *word == text && !word.is_empty());
        let number = place.and_then(|place| u8::try_from(place).ok());
        number.ok_or_else(|| self.refuse("is none of the known words"))
    }

    fn group<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        match self.take(name)? {
            Node::Members(members) => self.descend(name, members, read),
            _ => Err(self.refuse("is no object")),
        }
    }

    fn option<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.members.contains_key(name) {
            read(self, name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Self, &'static str) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let Node::List(items) = self.take(name)? else {
            return Err(self.refuse("is no list"));
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            // An item is read like a member of the list's own name.
            let members = Members::from([(name.to_owned(), item)]);
            values.push(self.descend(name, members, |input| read(input, name))?);
        }
        Ok(values)
    }
}
