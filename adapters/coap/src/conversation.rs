//! What a device asks for, done: the same as over MQTT, said in the codes of CoAP.

use std::sync::Arc;

use ics_channel::refusal::Refusal;
use ics_channel::{
    DeviceService, Format, RefusedAttempt, acknowledgement, document, event, inquiry, revocation,
};
use ics_core::principal::DeviceIdentity;
use ics_core::service::{ChannelError, DeviceRefusal, Unauthenticated};
use ics_core::time::Timestamp;

use crate::guest::GuestAnswer;
use crate::message::{Answer, Code};
use crate::resource::Resource;

/// `text/plain`-like diagnostics have no format of their own (RFC 7252 5.5.2); these have.
pub(crate) const LINKS: u16 = 40;
pub(crate) const JSON: u16 = 50;
pub(crate) const CBOR: u16 = 60;
/// RFC 9290: `application/concise-problem-details+cbor`.
pub(crate) const PROBLEM: u16 = 257;

/// Seconds after which asking again is of use.
const AGAIN: u32 = 5;

/// What is asked, in which form the answer shall be.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) resource: Resource,
    pub(crate) payload: Vec<u8>,
    pub(crate) format: Format,
    /// The version of the document that its session keeps in this form, and what was written.
    pub(crate) kept: Option<(u64, Arc<[u8]>)>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The document of this version, written.
    Document(u64, Arc<[u8]>),
    /// Something else to be read.
    Content(Vec<u8>),
    /// It was done. Of an acknowledgement, the version.
    Changed(Option<u64>),
    /// A guest answered.
    Handed(Box<GuestAnswer>),
}

/// Why it was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was understood, and not done.
    Refused(Refusal),
    /// The device is not served any more: its session ends.
    Unserved(Unauthenticated),
}

/// Does what the device asks for. What is answered is durable.
///
/// # Errors
/// [`Fault`].
pub(crate) async fn act_upon(
    service: &dyn DeviceService,
    identity: &Arc<DeviceIdentity>,
    asked: &Asked,
    now: Timestamp,
) -> Result<Done, Fault> {
    let outcome = take(service, identity, asked, now).await;
    if outcome == Err(Fault::Refused(Refusal::Payload)) {
        service.note_refused(Some(identity), RefusedAttempt::RequestUnreadable);
    }
    outcome
}

async fn take(
    service: &dyn DeviceService,
    identity: &Arc<DeviceIdentity>,
    asked: &Asked,
    now: Timestamp,
) -> Result<Done, Fault> {
    let unreadable = |_| Fault::Refused(Refusal::Payload);
    let payload = asked.payload.as_slice();
    match asked.resource {
        Resource::Discovery => Ok(Done::Content(crate::resource::DISCOVERY.into())),
        Resource::Document => {
            let read = match &asked.kept {
                None => service.read_document(identity, now).await.map_err(fault)?,
                Some((known, written)) => {
                    let read = service.read_newer_document(identity, *known, now).await;
                    let Some(newer) = read.map_err(fault)? else {
                        return Ok(Done::Document(*known, Arc::clone(written)));
                    };
                    newer
                }
            };
            let written = document::encode(&read, asked.format);
            Ok(Done::Document(read.version, written.into()))
        }
        Resource::Acknowledgement => {
            let told = acknowledgement::parse(payload).map_err(unreadable)?;
            let taken = service.acknowledge(identity, &told, now).await;
            taken.map_err(fault)?;
            Ok(Done::Changed(Some(told.version)))
        }
        Resource::Inquiry => {
            let told = inquiry::parse(payload).map_err(unreadable)?;
            let service_uri = told.service_uri.as_ref();
            let rows = service.inquire(identity, service_uri, now).await;
            let rows = rows.map_err(fault)?;
            let device = &identity.device_id;
            let written = inquiry::encode_answer(device, &rows, asked.format);
            Ok(Done::Content(written))
        }
        Resource::Revocation => {
            let given = revocation::parse(payload).map_err(unreadable)?;
            let done = service.give_up(identity, &given, now).await;
            done.map_err(fault)?;
            Ok(Done::Changed(None))
        }
        Resource::Event => {
            let told = event::parse(payload).map_err(unreadable)?;
            let told = (told.mapping, told.data, told.is_json);
            let done = service.report(identity, told, now).await;
            done.map_err(fault)?;
            Ok(Done::Changed(None))
        }
    }
}

/// What a call that failed means.
pub(crate) fn fault(error: ChannelError) -> Fault {
    Refusal::of(error).map_or_else(Fault::Unserved, Fault::Refused)
}

/// What a device that was looked at is, if it is still served.
pub(crate) fn refused(refusal: DeviceRefusal) -> Fault {
    fault(ChannelError::Refused(refusal))
}

/// What is answered to a request that was understood and not done.
pub(crate) fn tell_refusal(refusal: Refusal, speaks_cbor: bool) -> Answer {
    let code = match refusal {
        Refusal::Payload => Code::BAD_REQUEST,
        Refusal::Unregistering => Code::FORBIDDEN,
        Refusal::NoMapping => Code::NOT_FOUND,
        Refusal::NeverOffered => Code::CONFLICT,
        Refusal::TooMany => Code::TOO_MANY_REQUESTS,
        Refusal::Unavailable => Code::UNAVAILABLE,
    };
    tell_problem(code, refusal.word(), speaks_cbor)
}

/// An answer that says no: a word, in the form of RFC 9290 for who speaks CBOR, else as it stands.
pub(crate) fn tell_problem(code: Code, word: &str, speaks_cbor: bool) -> Answer {
    let is_worth_a_second_try = matches!(code, Code::TOO_MANY_REQUESTS | Code::UNAVAILABLE);
    Answer {
        content_format: speaks_cbor.then_some(PROBLEM),
        max_age: is_worth_a_second_try.then_some(AGAIN),
        payload: if speaks_cbor {
            problem(code, word)
        } else {
            word.as_bytes().to_vec()
        },
        ..Answer::of(code)
    }
}

/// RFC 9290 2: title (-1) and response code (-4). The words are shorter than 24 bytes.
fn problem(code: Code, word: &str) -> Vec<u8> {
    let length = u8::try_from(word.len().min(23)).unwrap_or(23);
    let mut out = vec![0xa2, 0x20, 0x60 | length];
    out.extend(word.bytes().take(23));
    out.extend([0x23, 0x18, code.byte()]);
    out
}

#[cfg(test)]
mod tests;
