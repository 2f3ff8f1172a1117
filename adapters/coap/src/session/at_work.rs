//! A request that is being worked on, and the form its answer shall have.

use std::time::{Duration, Instant};

use ics_channel::Format;

use super::{ACKNOWLEDGED_AFTER, LONGEST_POLL, etag_of, number_of};
use crate::conversation::{CBOR, JSON, LINKS, PROBLEM};
use crate::message::{Block, Code, Heading, Request};
use crate::resource::Resource;

/// A request that is being worked on.
pub(super) struct AtWork {
    pub(super) ticket: u64,
    pub(super) heading: Heading,
    pub(super) shape: Shape,
    /// When it is acknowledged alone.
    pub(super) acknowledge_at: Option<Instant>,
    /// Until when it waits for a newer document, before anybody is asked.
    pub(super) polls_until: Option<Instant>,
    /// What names a guest's request.
    pub(super) of_guest: Option<Vec<u8>>,
}

impl AtWork {
    pub(super) fn new(ticket: u64, heading: Heading, shape: Shape, now: Instant) -> Self {
        let acknowledge_at = heading.is_confirmable.then(|| now + ACKNOWLEDGED_AFTER);
        Self {
            ticket,
            heading,
            shape,
            acknowledge_at,
            polls_until: None,
            of_guest: None,
        }
    }
}

/// The form an answer shall have.
pub(super) struct Shape {
    /// None where it is a guest's.
    pub(super) resource: Option<Resource>,
    pub(super) format: Format,
    /// Whether problems are told in CBOR.
    pub(super) speaks_cbor: bool,
    pub(super) no_response: u8,
    pub(super) block1: Option<Block>,
    pub(super) block2: Option<Block>,
    pub(super) etags: Vec<Vec<u8>>,
    pub(super) observe: Option<u32>,
    /// How long it waits for a newer document.
    pub(super) wait: Option<Duration>,
}

impl Shape {
    /// Whether the request can be read and its answer be written in a form that is known.
    pub(super) fn check(resource: Resource, request: &Request) -> Result<(), (Code, &'static str)> {
        let accepts = match resource {
            Resource::Discovery => [LINKS, LINKS, LINKS],
            _ => [JSON, CBOR, PROBLEM],
        };
        if request
            .accept
            .is_some_and(|format| !accepts.contains(&format))
        {
            return Err((Code::NOT_ACCEPTABLE, "not_acceptable"));
        }
        let declared = match request.content_format {
            _ if request.payload.is_empty() => return Ok(()),
            None => return Ok(()),
            Some(JSON) => Format::Json,
            Some(CBOR) => Format::Cbor,
            Some(_) => return Err((Code::UNSUPPORTED_FORMAT, "unsupported_format")),
        };
        if Format::of(&request.payload) == Ok(declared) {
            Ok(())
        } else {
            Err((Code::BAD_REQUEST, "bad_payload"))
        }
    }

    pub(super) fn of(resource: Option<Resource>, request: &Request) -> Self {
        let is_cbor = |format| format == Some(CBOR);
        let format = match request.accept {
            Some(CBOR) => Format::Cbor,
            None if is_cbor(request.content_format) => Format::Cbor,
            None => Format::of(&request.payload).unwrap_or_default(),
            Some(_) => Format::Json,
        };
        // A later part of an answer is neither waited for nor observed.
        let is_first = request.block2.is_none_or(|block| block.number == 0);
        let is_document = resource == Some(Resource::Document) && is_first;
        Self {
            resource,
            format,
            speaks_cbor: Self::speaks_cbor(request),
            no_response: request.no_response,
            block1: request.block1,
            block2: request.block2,
            etags: request.etags.clone(),
            observe: request.observe.filter(|_| is_document),
            wait: is_document.then(|| wait_of(&request.query)).flatten(),
        }
    }

    pub(super) fn speaks_cbor(request: &Request) -> bool {
        matches!(request.accept, Some(CBOR | PROBLEM))
            || (request.accept.is_none() && request.content_format == Some(CBOR))
    }

    pub(super) const fn content_format(&self) -> u16 {
        match self.resource {
            Some(Resource::Discovery) => LINKS,
            _ => number_of(self.format),
        }
    }

    /// Whether the device says that it has this version.
    pub(super) fn has(&self, version: u64) -> bool {
        let etag = etag_of(version);
        self.etags.contains(&etag)
    }
}

/// `w=<seconds>`; what is none, or 0, waits for nothing.
fn wait_of(query: &[String]) -> Option<Duration> {
    let seconds = query.iter().find_map(|part| part.strip_prefix("w="))?;
    let seconds: u32 = seconds.parse().ok()?;
    let wait = Duration::from_secs(seconds.into()).min(LONGEST_POLL);
    (!wait.is_zero()).then_some(wait)
}
