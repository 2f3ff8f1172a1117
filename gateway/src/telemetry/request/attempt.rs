//! A request under way: room for its lines when it begins, the lines when it ends, answered or not.

use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::LOCATION;
use ics_core::audit::{BulkTally, RefusalCause};
use ics_core::id::MappingId;
use ics_core::principal::{OperatorCertificate, PeerCertificate, Principal};
use ics_core::reference_point::ReferencePoint;
use ics_onem2m::caller::Caller;

use super::Recorder;
use super::bulk::BulkEnd;
use super::line::{Line, RequestId};
use crate::telemetry::OPERATOR;
use crate::telemetry::decision::{Act, Entry, Room, Verdict, render_request};

/// A request under way. Its line in the decision log has its room already; when it is dropped
/// before it ended, nobody was answered, and what was done is not known.
pub(super) struct Attempt {
    recorder: Arc<Recorder>,
    began: Instant,
    pub(super) act: Act,
    method: &'static str,
    peer: Peer,
    is_ended: bool,
    room: Option<Room>,
    /// For the line at the end of a bulk inquiry.
    closing: Option<Room>,
}

impl Attempt {
    /// `None` when there is no room for its line.
    pub(super) fn begin(recorder: &Arc<Recorder>, request: &ServiceRequest) -> Option<Self> {
        // As it is routed: percent-encoded letters are decoded.
        let path = request.match_info().as_str();
        let act = act_of(recorder.listener, request.method(), path);
        let reserve = || match &recorder.telemetry.decisions {
            None => Some(None),
            Some(log) => log.reserve(act).map(Some),
        };
        let reserve = || {
            let room = reserve();
            if room.is_none() {
                recorder.metrics.count_unlogged_refusal();
            }
            room
        };
        let room = reserve()?;
        let closing = if path == BULK_PATH { reserve()? } else { None };
        Some(Self {
            recorder: Arc::clone(recorder),
            began: Instant::now(),
            act,
            method: method_name(request.method()),
            peer: Peer::of(request),
            is_ended: false,
            room,
            closing,
        })
    }

    /// Leaves the traces of an answer; what is left to tell when its body is out.
    pub(super) fn end<B: MessageBody>(
        mut self,
        response: &ServiceResponse<B>,
        verdict: Option<u64>,
    ) -> Option<BulkEnd> {
        self.is_ended = true;
        let recorder = Arc::clone(&self.recorder);
        let (request, answer) = (response.request(), response.response());
        let status = response.status().as_u16();
        let of_request = request.extensions().get::<ReferencePoint>().copied();
        let point = of_request.or_else(|| answer.extensions().get::<ReferencePoint>().copied());
        let principal = answer.extensions().get::<Principal>().cloned();
        let elapsed = self.began.elapsed();
        recorder
            .metrics
            .count_request(point, Verdict::of_status(status), elapsed);
        if self.room.is_none() && recorder.telemetry.lines.is_none() {
            return None;
        }
        let time = recorder.telemetry.clock.now().to_string();
        let request_id = RequestId::next().to_string();
        let pattern = request.match_pattern();
        let route = pattern.as_deref().unwrap_or("none");
        if let Some(room) = self.room.take() {
            let cause = answer.extensions().get::<RefusalCause>().copied();
            let asked_by = AskedBy::of(&self.peer, principal.as_ref());
            let line = render_request(&Entry {
                time: &time,
                request_id: &request_id,
                listener: recorder.listener,
                who: asked_by.who,
                proof: asked_by.proof,
                via: asked_by.via,
                point,
                method: self.method,
                route,
                status,
                cause: cause.map(|cause| cause.0),
                verdict,
                object: object_of(response),
            });
            room.write(line.as_bytes());
        }
        if let Some(lines) = &recorder.telemetry.lines {
            let mut line = Line::begin(lines.format, &time);
            line.text("listener", recorder.listener);
            line.text("method", self.method);
            line.text("route", route);
            line.plain("status", status);
            match &self.peer {
                Peer::Nobody => {}
                Peer::ServiceProvider(peer) => line.text("sp", peer.sp.as_str()),
                Peer::Operator(operator) => line.text("operator", operator.name.as_str()),
                Peer::OneM2m(caller) => line.text("caller", caller.name()),
            }
            if let Some(principal) = &principal {
                line.text("sp", principal.sp.as_str());
            }
            if let Some(point) = point {
                line.text("reference_point", point.label());
            }
            line.plain("duration_us", elapsed.as_micros());
            match answer.body().size() {
                BodySize::Sized(bytes) => line.plain("bytes", bytes),
                BodySize::None => line.plain("bytes", 0),
                BodySize::Stream => {}
            }
            line.text("request_id", &request_id);
            lines.sink.hand_over(&line.end());
        }
        let tally = answer.extensions().get::<BulkTally>().cloned()?;
        Some(BulkEnd {
            recorder,
            peer: std::mem::replace(&mut self.peer, Peer::Nobody),
            request_id,
            tally,
            room: self.closing.take(),
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        let room = self.room.take();
        self.recorder
            .note_unanswered(room, self.peer.name(), self.method);
    }
}

/// Who the connection belongs to.
pub(super) enum Peer {
    Nobody,
    ServiceProvider(Arc<PeerCertificate>),
    Operator(Arc<OperatorCertificate>),
    OneM2m(Caller),
}

impl Peer {
    fn of(request: &ServiceRequest) -> Self {
        if let Some(peer) = request.conn_data::<Arc<PeerCertificate>>() {
            Self::ServiceProvider(Arc::clone(peer))
        } else if let Some(operator) = request.conn_data::<Arc<OperatorCertificate>>() {
            Self::Operator(Arc::clone(operator))
        } else if let Some(caller) = request.conn_data::<Caller>() {
            Self::OneM2m(caller.clone())
        } else {
            Self::Nobody
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::ServiceProvider(peer) => Some(peer.sp.as_str()),
            Self::Operator(operator) => Some(operator.name.as_str()),
            Self::OneM2m(caller) => Some(caller.name()),
        }
    }

    /// How its name is known, in the words of [`Principal::proof`].
    const fn proof(&self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::ServiceProvider(_) | Self::Operator(_) => Some("certificate"),
            Self::OneM2m(caller) => Some(match caller {
                Caller::Sp(_) | Caller::Ae(_) | Caller::Certified(_) | Caller::Cse(_) => {
                    "certificate"
                }
                Caller::Device(_) => "credential",
                Caller::Mailbox(_) | Caller::Loopback => "claim",
            }),
        }
    }
}

/// Who asked, as the decision log has it.
pub(super) struct AskedBy<'a> {
    pub(super) who: Option<&'a str>,
    pub(super) proof: Option<&'static str>,
    pub(super) via: Option<&'a str>,
}

impl<'a> AskedBy<'a> {
    /// The service provider that the request itself proved, or else whose the connection is.
    pub(super) fn of(peer: &'a Peer, principal: Option<&'a Principal>) -> Self {
        let Some(principal) = principal else {
            return Self {
                who: peer.name(),
                proof: peer.proof(),
                via: None,
            };
        };
        Self {
            who: Some(principal.sp.as_str()),
            proof: Some(principal.proof.name()),
            via: match peer {
                Peer::OneM2m(Caller::Cse(cse_id) | Caller::Mailbox(cse_id)) => Some(cse_id),
                _ => None,
            },
        }
    }
}

/// What a request is up to. An inquiry is a POST that changes nothing, so is asking for a token
/// to inquire with.
fn act_of(listener: &str, method: &Method, path: &str) -> Act {
    if listener == OPERATOR {
        return Act::Operator;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || path.starts_with("/ics-inquiry/")
        || path.starts_with("/oauth2/");
    if reads { Act::Read } else { Act::Change }
}

/// What a request was about: named in its path, or made by it. The collection it lies in says what
/// it is.
fn object_of<B>(response: &ServiceResponse<B>) -> Option<(&'static str, String)> {
    let request = response.request();
    let pattern = request.match_pattern()?;
    let named = pairs(&pattern).find_map(|(collection, place)| {
        let place = place.strip_prefix('{')?.strip_suffix('}')?;
        object(collection, request.match_info().get(place)?)
    });
    let made = || {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let (collection, id) = pairs(location).last()?;
        object(collection, id)
    };
    named.or_else(made)
}

/// Each segment of a path with the one behind it.
fn pairs(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.split('/').zip(path.split('/').skip(1))
}

/// What lies in a collection under that id, and the name of it in the log.
fn object(collection: &str, id: &str) -> Option<(&'static str, String)> {
    let kind = match collection {
        "mappings" | "assignments" => "mapping",
        "agreements" => "agreement",
        "subscriptions" => "subscription",
        "jobs" => "job",
        _ => return None,
    };
    // Parsed, as all of them are: what a caller writes there never stands in the log as it came.
    let id = MappingId::parse(id).ok()?;
    Some((kind, id.to_string()))
}

/// Where many inquiries come in one request.
const BULK_PATH: &str = "/ics-inquiry/v1/retrieve-bulk";

/// The method, unless the caller made it up: anything can stand there.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use ics_core::id::SpId;
    use ics_core::principal::Proof;
    use ics_core::reference_point::Scopes;

    use super::*;

    #[test]
    fn who_signed_for_its_request_is_named_and_the_cse_that_handed_it_on_beside_it() {
        let hop = Peer::OneM2m(Caller::Cse("id-in".into()));
        let told = |principal: Option<&Principal>| {
            let by = AskedBy::of(&hop, principal);
            (by.who.map(str::to_owned), by.proof, by.via.is_some())
        };
        let unproved = (Some("id-in".to_owned()), Some("certificate"), false);
        assert_eq!(told(None), unproved);
        let sp = SpId::parse("shop").unwrap();
        let principal = Principal {
            sp: sp.clone(),
            proof: Proof::Signature(sp),
            scopes: Scopes::NONE,
            consent: None,
        };
        let signed = (Some("shop".to_owned()), Some("signature"), true);
        assert_eq!(told(Some(&principal)), signed);
    }

    #[test]
    fn what_a_peer_of_a_sandbox_says_is_a_claim_in_the_log() {
        let peer = Peer::OneM2m(Caller::Loopback);
        assert_eq!(AskedBy::of(&peer, None).proof, Some("claim"));
        assert_eq!(AskedBy::of(&Peer::Nobody, None).proof, None);
    }
}
