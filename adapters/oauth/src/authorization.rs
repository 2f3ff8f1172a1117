//! From a pushed request to a code, and from a code to a token (RFC 6749 4.1, RFC 7636, RFC 9126).
//!
//! Written plainly: oxide-auth's code flow knows neither pushed requests nor authorization details,
//! nor clients that prove themselves by certificate. Everything here lies in memory, bounded for
//! each client, and is gone after a restart: the user is asked once more.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use ics_core::id::{CallbackUri, ConsentId, SpId};
use ics_core::port::Entropy;
use ics_core::service::{ConsentAsk, ConsentOffer};
use ics_core::time::Timestamp;

use crate::pushed::PushedRequest;
use crate::token::{AccessToken, TokenHash};

/// How long a pushed request waits for its user to come (RFC 9126 2.2).
pub(crate) const REQUEST_LIFETIME: Duration = Duration::from_secs(90);
/// How long a code waits for its client (RFC 6749 4.1.2).
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a token works that was issued for a code; so long a used code is remembered.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// How many pushed requests, and how many codes, wait for each client; one more, and its oldest goes.
const MOST_OF_CLIENT: usize = 256;

const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// A user is being asked: what a client pushed, taken up once.
#[derive(Clone, Debug)]
pub struct Authorization {
    client: SpId,
    request: PushedRequest,
    offer: ConsentOffer,
}

impl Authorization {
    /// Who asks.
    #[must_use]
    pub const fn client(&self) -> &SpId {
        &self.client
    }

    /// What for.
    #[must_use]
    pub const fn ask(&self) -> &ConsentAsk {
        &self.request.ask
    }

    /// Whose user is asked, and under which agreement.
    #[must_use]
    pub const fn offer(&self) -> &ConsentOffer {
        &self.offer
    }

    /// The address the user is sent back to, without the answer.
    #[must_use]
    pub const fn redirect_uri(&self) -> &CallbackUri {
        &self.request.redirect_uri
    }

    /// The address with the answer: `name=value`, the client's `state`, and the issuer (RFC 9207).
    fn answer(&self, (name, value): (&str, &str), issuer: &str) -> String {
        let base = self.request.redirect_uri.as_str();
        let mut url = base.to_owned();
        let mut mark = if base.contains('?') { '&' } else { '?' };
        for (name, value) in [
            (name, value),
            ("state", &self.request.state),
            ("iss", issuer),
        ] {
            url.push(mark);
            url.push_str(name);
            url.push('=');
            push_encoded(&mut url, value);
            mark = '&';
        }
        url
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 2.3.
fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// What a code is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redeemed {
    pub(crate) consent: ConsentId,
}

/// Why a code is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worthless {
    /// Unknown, over, another client's, or with another redirect URI or verifier.
    Not,
    /// It was redeemed before: whatever was issued for it is to be taken back.
    Replayed {
        consent: ConsentId,
        token: Option<TokenHash>,
    },
}

/// Requests that wait for their users, and codes that wait for their clients.
#[derive(Default)]
pub(crate) struct Authorizations {
    waiting: Mutex<Shelf<Authorization>>,
    codes: Mutex<Shelf<Code>>,
}

struct Code {
    redirect_uri: CallbackUri,
    challenge: [u8; 32],
    consent: ConsentId,
    /// First instant it is no longer taken.
    expires: Timestamp,
    /// Once it was redeemed; with the token that was issued.
    redeemed: Option<Option<TokenHash>>,
}

impl Authorizations {
    /// Keeps a pushed request; answers its `request_uri`.
    pub(crate) fn push(
        &self,
        (client, request, offer): (SpId, PushedRequest, ConsentOffer),
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Option<String> {
        let name = AccessToken::mint(entropy);
        let hash = TokenHash::of(name.expose())?;
        let kept = Authorization {
            client: client.clone(),
            request,
            offer,
        };
        let ends = now.plus(REQUEST_LIFETIME);
        lock(&self.waiting).put((client, hash), (kept, ends), now);
        Some(format!("{REQUEST_URI}{}", name.expose()))
    }

    /// Takes a pushed request up, once.
    pub(crate) fn take_up(
        &self,
        client: &SpId,
        request_uri: &str,
        now: Timestamp,
    ) -> Option<Authorization> {
        let hash = TokenHash::of(request_uri.strip_prefix(REQUEST_URI)?)?;
        lock(&self.waiting).take(client, &hash, now)
    }

    /// The user consented: the address to send them back to, with a code.
    pub(crate) fn grant(
        &self,
        authorization: &Authorization,
        consent: ConsentId,
        (issuer, entropy): (&str, &dyn Entropy),
        now: Timestamp,
    ) -> Option<String> {
        let code = AccessToken::mint(entropy);
        let hash = TokenHash::of(code.expose())?;
        let expires = now.plus(CODE_LIFETIME);
        let kept = Code {
            redirect_uri: authorization.request.redirect_uri.clone(),
            challenge: authorization.request.challenge,
            consent,
            expires,
            redeemed: None,
        };
        let forgotten = expires.plus(TOKEN_LIFETIME);
        let key = (authorization.client.clone(), hash);
        lock(&self.codes).put(key, (kept, forgotten), now);
        Some(authorization.answer(("code", code.expose()), issuer))
    }

    /// The user did not consent, or could not.
    pub(crate) fn refuse(authorization: &Authorization, error: &str, issuer: &str) -> String {
        authorization.answer(("error", error), issuer)
    }

    /// Redeems a code of `client`, once; `issue` makes the token, and tells its hash.
    pub(crate) fn redeem<T>(
        &self,
        client: &SpId,
        (code, redirect_uri, verifier): (&str, &str, &str),
        now: Timestamp,
        issue: impl FnOnce(Redeemed) -> Option<(T, TokenHash)>,
    ) -> Result<Option<T>, Worthless> {
        let hash = TokenHash::of(code).ok_or(Worthless::Not)?;
        let mut codes = lock(&self.codes);
        let kept = codes.find(client, &hash, now).ok_or(Worthless::Not)?;
        let is_known = kept.redirect_uri.as_str() == redirect_uri
            && is_verifier(verifier)
            && digest(&SHA256, verifier.as_bytes()).as_ref() == kept.challenge;
        // RFC 9700 4.2.4: whoever comes second with it, even whole, had it from somewhere.
        if let Some(token) = kept.redeemed {
            let consent = kept.consent;
            return Err(Worthless::Replayed { consent, token });
        }
        if !is_known || kept.expires <= now {
            return Err(Worthless::Not);
        }
        // Under the lock: of two who come at once, one gets a token, and loses it again.
        let issued = issue(Redeemed {
            consent: kept.consent,
        });
        kept.redeemed = Some(issued.as_ref().map(|(_, hash)| *hash));
        Ok(issued.map(|(token, _)| token))
    }
}

/// RFC 7636 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

fn lock<T>(shelf: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Things of clients, each until it ends; at most [`MOST_OF_CLIENT`] of one client.
struct Shelf<T> {
    by_client: HashMap<SpId, VecDeque<(TokenHash, Timestamp, T)>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            by_client: HashMap::new(),
        }
    }
}

impl<T> Shelf<T> {
    fn put(
        &mut self,
        (client, hash): (SpId, TokenHash),
        (thing, ends): (T, Timestamp),
        now: Timestamp,
    ) {
        let own = self.by_client.entry(client).or_default();
        own.retain(|(_, ends, _)| now < *ends);
        if own.len() >= MOST_OF_CLIENT {
            own.pop_front();
        }
        own.push_back((hash, ends, thing));
    }

    fn find(&mut self, client: &SpId, hash: &TokenHash, now: Timestamp) -> Option<&mut T> {
        let own = self.by_client.get_mut(client)?;
        let named = own
            .iter_mut()
            .find(|(of, ends, _)| of == hash && now < *ends);
        named.map(|(_, _, thing)| thing)
    }

    fn take(&mut self, client: &SpId, hash: &TokenHash, now: Timestamp) -> Option<T> {
        let own = self.by_client.get_mut(client)?;
        let place = own.iter().position(|(of, _, _)| of == hash)?;
        let (_, ends, thing) = own.remove(place)?;
        (now < ends).then_some(thing)
    }
}

#[cfg(test)]
mod tests;
