//! Who is calling, and may it call at all? Checks are made in one order (t8 A.7):
//! TLS identity, token, scope, scsAsId, rate; then syntax, policy and state, in the resources.

use std::sync::Arc;

use ics_core::party::PartyStatus;
use ics_core::principal::{AuthenticationFailure, PeerCertificate, Principal, Proof};
use ics_core::reference_point::ReferencePoint;
use ics_core::time::Timestamp;

use crate::api::T8Api;
use crate::operation::Gate;
use crate::problem::{Cause, Challenge, Companion, Problem};

/// What came with a request to say who sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'a> {
    /// The verified certificate of the connection.
    pub(crate) peer: Option<&'a Arc<PeerCertificate>>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<&'a [u8]>,
    /// Whether there was another one.
    pub(crate) repeated: bool,
}

/// Fails closed where no certificate was verified.
pub(crate) fn check_peer(peer: Option<&Arc<PeerCertificate>>) -> Result<(), Problem> {
    peer.map(|_| ())
        .ok_or_else(|| AuthenticationFailure::NoCertificate.into())
}

/// The caller and the point it comes over; `None` where a certificate is enough.
pub(crate) fn admit(
    api: &T8Api,
    gate: Gate,
    credentials: Credentials<'_>,
    scs_as_id: Option<&str>,
    now: Timestamp,
) -> Result<Option<(Principal, ReferencePoint)>, Problem> {
    let peer = credentials
        .peer
        .ok_or(AuthenticationFailure::NoCertificate)?;
    if gate == Gate::Certificate {
        return Ok(None);
    }
    let bearer = read_bearer(&credentials)?;
    let principal = api.authenticator.authenticate(peer, bearer, now)?;
    // RFC 8705 3: a token speaks for the certificate it came over, and for no other client.
    if principal.sp != peer.sp {
        return Err(AuthenticationFailure::InvalidToken.into());
    }
    let point = open_point(gate, &principal)?;
    // t8 A: scsAsId = certificate identity = token client.
    if scs_as_id.is_some_and(|id| id != principal.sp.as_str()) {
        return Err(Cause::ScsAsIdMismatch.into());
    }
    let directory = api.service.directory();
    let party = directory
        .party(&principal.sp)
        .filter(|party| party.status == PartyStatus::Active)
        .ok_or(AuthenticationFailure::PartyNotServed)?;
    api.limiter.admit(party, now)?;
    Ok(Some((principal, point)))
}

/// Whether who was admitted before would be again: certificate, token, scope and party as of now.
pub(crate) fn still_admits(
    api: &T8Api,
    before: &Principal,
    point: ReferencePoint,
    bearer: &str,
) -> bool {
    // A device never comes over T8.
    let Proof::Certificate(peer) = &before.proof else {
        return false;
    };
    let now = api.clock.now();
    let principal = api.authenticator.authenticate(peer, bearer, now);
    let directory = api.service.directory();
    principal.is_ok_and(|principal| {
        let party = directory.party(&principal.sp);
        principal.sp == before.sp
            && principal.scopes.contains(point)
            && party.is_some_and(|party| party.status == PartyStatus::Active)
    })
}

/// The token of RFC 6750 2.1. Two headers are two answers to one question.
pub(crate) fn read_bearer<'a>(credentials: &Credentials<'a>) -> Result<&'a str, Problem> {
    if credentials.repeated {
        return Err(Problem::from(Cause::InvalidMsgFormat)
            .at("Authorization", "came more than once")
            .with(Companion::Challenge(Challenge::InvalidRequest)));
    }
    let header = credentials
        .authorization
        .ok_or(AuthenticationFailure::NoToken)?;
    let header = std::str::from_utf8(header).map_err(|_| AuthenticationFailure::InvalidToken)?;
    let (scheme, token) = header
        .split_once(' ')
        .ok_or(AuthenticationFailure::NoToken)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthenticationFailure::NoToken.into());
    }
    Ok(token)
}

/// The point the token opens; of two, the third party SP's, unless the request says otherwise.
fn open_point(gate: Gate, principal: &Principal) -> Result<ReferencePoint, Problem> {
    let open = |point: &ReferencePoint| principal.scopes.contains(*point);
    match gate {
        Gate::Certificate => Err(Cause::SystemFailure.into()),
        Gate::Point(point) => Some(point)
            .filter(open)
            .ok_or_else(|| Problem::insufficient_scope(point)),
        Gate::Either(odd, even) => {
            let found = [odd, even].into_iter().find(open);
            found.ok_or_else(|| Problem::insufficient_scope(odd))
        }
    }
}

#[cfg(test)]
mod tests;
