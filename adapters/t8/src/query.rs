//! Query parameters: each known, each at most once. Never an identifier of a device or user:
//! queries end in logs. (The page token of the list of hosted devices stands for the last one's
//! minted device ID, as its path does; our own logs have neither.)

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::port::Cursor;

use crate::problem::{Cause, Problem};

/// The most bytes of a page token.
const MOST_TOKEN_BYTES: usize = 512;

/// How many entries a page has when the caller does not say, and at most.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// The most entries of a page.
pub(crate) const MOST: usize = 1000;

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageQuery {
    /// The status asked for.
    pub(crate) status: Option<String>,
    /// How many entries at most.
    pub(crate) limit: usize,
    /// Behind which one.
    pub(crate) after: Option<Cursor>,
}

impl PageQuery {
    /// Reads `limit`, `page-token` and the filter of that name, if the list has one.
    pub(crate) fn parse(query: &str, filter: Option<&'static str>) -> Result<Self, Problem> {
        let mut status = None;
        let mut limit = None;
        let mut token = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(not_a_query)?;
            let (slot, name) = match decode(name).as_deref() {
                Some("limit") => (&mut limit, "limit"),
                Some("page-token") => (&mut token, "page-token"),
                name => match filter.filter(|filter| name == Some(filter)) {
                    Some(filter) => (&mut status, filter),
                    None => {
                        let reason = "there is no such parameter";
                        return Err(Problem::from(Cause::InvalidMsgFormat).at("query", reason));
                    }
                },
            };
            if slot.replace(value).is_some() {
                return Err(Problem::from(Cause::InvalidMsgFormat).at(name, "came more than once"));
            }
        }
        Ok(Self {
            status,
            limit: limit.map_or(Ok(DEFAULT_LIMIT), |text| parse_limit(&text))?,
            after: token.map(|text| parse_token(&text)).transpose()?,
        })
    }

    /// The query of the next page.
    pub(crate) fn next(&self, filter: &str, cursor: &Cursor) -> String {
        let token = URL_SAFE_NO_PAD.encode(&cursor.0);
        let mut query = format!("limit={}&page-token={token}", self.limit);
        if let Some(status) = &self.status {
            // A status that was taken is one of ours: capital letters.
            let _ = write!(query, "&{filter}={status}");
        }
        query
    }
}

/// Refuses any query where there is none to give.
pub(crate) fn refuse_any(query: &str) -> Result<(), Problem> {
    if query.is_empty() {
        Ok(())
    } else {
        Err(Problem::from(Cause::InvalidMsgFormat).at("query", "this operation has no parameters"))
    }
}

fn not_a_query() -> Problem {
    Problem::from(Cause::InvalidMsgFormat).at("query", "is not correctly percent-encoded")
}

fn parse_limit(text: &str) -> Result<usize, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|n| digits && (1..=MOST).contains(n));
    limit.ok_or_else(|| {
        Problem::from(Cause::OptionalIeIncorrect).at("limit", "must be a number from 1 to 1000")
    })
}

/// A store ignores a cursor that does not fit; here only the form is looked at.
fn parse_token(text: &str) -> Result<Cursor, Problem> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .filter(|b| b.len() <= MOST_TOKEN_BYTES);
    bytes.filter(|b| !b.is_empty()).map(Cursor).ok_or_else(|| {
        Problem::from(Cause::OptionalIeIncorrect).at("page-token", "is none that was given out")
    })
}

/// Takes percent-encoding off; `None` for a broken escape or what is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high << 4 | low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests;
