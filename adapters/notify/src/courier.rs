//! One delivery: body, token, signature, POST; or body, websocket, acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::Addressee;
use ics_core::port::{
    Clock, Entropy, NotificationSockets, OneM2mRoad, PortFuture, ResourceNames, RoadOutcome,
};
use ics_core::service::Consignment;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};

use crate::driver::{Answer, Driver, NoAnswer};
use crate::outcome::Outcome;
use crate::signature::{CallbackSigner, SignedRequest, sign_request};
use crate::token::Tokens;
use crate::translate::write_body;

const JSON: &str = "application/json";
const UNAUTHORIZED: u16 = 401;

/// Takes a consignment to its destination.
pub(crate) trait Carrier: Send + Sync {
    /// Tries once, in bounded time.
    fn carry<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, Outcome>;

    /// The websocket of `addressee` that is open; another number each time one opens.
    fn open_socket(&self, _: &Addressee) -> Option<u64> {
        None
    }
}

/// The carrier over HTTPS, and over the websockets that are open.
pub(crate) struct Courier {
    pub(crate) driver: Arc<Driver>,
    pub(crate) tokens: Tokens,
    pub(crate) signer: Arc<dyn CallbackSigner>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) names: Arc<dyn ResourceNames>,
    pub(crate) sockets: Arc<dyn NotificationSockets>,
    pub(crate) onem2m: Option<Arc<dyn OneM2mRoad>>,
    /// For the acknowledgement of what went by websocket.
    pub(crate) acknowledgement: Duration,
    /// For everything: a token, the callback, and both again after a 401.
    pub(crate) patience: Duration,
}

impl Carrier for Courier {
    fn carry<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, Outcome> {
        Box::pin(async {
            tokio::time::timeout(self.patience, self.deliver(consignment))
                .await
                .unwrap_or(Outcome::Unreachable(NoAnswer::Timeout))
        })
    }

    fn open_socket(&self, addressee: &Addressee) -> Option<u64> {
        self.sockets.open_socket(addressee)
    }
}

impl Courier {
    async fn deliver(&self, consignment: &Consignment) -> Outcome {
        if consignment.onem2m {
            return self.deliver_to_ae(consignment).await;
        }
        let Ok(body) = write_body(consignment, self.names.as_ref()) else {
            return Outcome::Unsendable;
        };
        let addressee = &consignment.entry.key.addressee;
        if consignment.websocket && self.sockets.open_socket(addressee).is_some() {
            return self.deliver_by_socket(consignment, body).await;
        }
        let Some(destination) = &consignment.destination else {
            return Outcome::NoSocket;
        };
        let target = match Driver::parse_target(destination.as_str()) {
            Ok(target) => target,
            Err(no_answer) => return Outcome::Unreachable(no_answer),
        };
        self.post_authorized(consignment, (&target, body))
            .await
            .unwrap_or_else(|outcome| outcome)
    }

    /// Where there is no CSE of ours it waits for one, as it does for one that does not answer.
    async fn deliver_to_ae(&self, consignment: &Consignment) -> Outcome {
        let Some(road) = &self.onem2m else {
            return Outcome::Unreachable(NoAnswer::Connect);
        };
        match road.deliver(consignment).await {
            RoadOutcome::Accepted => Outcome::Acknowledged,
            RoadOutcome::Refused => Outcome::RefusedByAe,
            RoadOutcome::Failed => Outcome::Unacknowledged,
            RoadOutcome::Unreachable => Outcome::Unreachable(NoAnswer::Connect),
        }
    }

    /// Delivered is what was acknowledged; all else comes again.
    async fn deliver_by_socket(&self, consignment: &Consignment, body: Vec<u8>) -> Outcome {
        let key = &consignment.entry.key;
        let id = key.notification_id();
        let delivery = self.sockets.deliver(&key.addressee, &id, body);
        match tokio::time::timeout(self.acknowledgement, delivery).await {
            Ok(Ok(())) => Outcome::Acknowledged,
            Ok(Err(_)) => Outcome::NoSocket,
            Err(_) => Outcome::Unacknowledged,
        }
    }

    /// Posts with a token where the SP wants one; a refused token is fetched anew, once.
    async fn post_authorized(
        &self,
        consignment: &Consignment,
        (target, body): (&Url, Vec<u8>),
    ) -> Result<Outcome, Outcome> {
        let party = &consignment.party;
        let mut fresh = false;
        loop {
            let now = self.clock.now();
            let tokens = &self.tokens;
            let token = tokens.authorization(&self.driver, party, now).await;
            let token = token.map_err(Outcome::NoToken)?;
            let answer = self.post(target, body.clone(), token.clone()).await;
            let answer = answer.map_err(Outcome::Unreachable)?;
            match token {
                Some(refused) if answer.status == UNAUTHORIZED => {
                    tokens.discard(&party.id, &refused).await;
                    if fresh {
                        return Ok(Outcome::of_answer(&answer, self.clock.now()));
                    }
                    fresh = true;
                }
                _ => return Ok(Outcome::of_answer(&answer, self.clock.now())),
            }
        }
    }

    async fn post(
        &self,
        target: &Url,
        body: Vec<u8>,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, NoAnswer> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        let signed = SignedRequest {
            target_uri: target.as_str(),
            content_type: JSON,
            body: &body,
        };
        let headers = sign_request(self.signer.as_ref(), signed, (self.clock.now(), nonce));
        let mut request = Request::new(Method::POST, target.clone());
        for (name, value) in [
            (CONTENT_TYPE, JSON),
            (
                HeaderName::from_static("content-digest"),
                &headers.content_digest,
            ),
            (
                HeaderName::from_static("signature-input"),
                &headers.signature_input,
            ),
            (HeaderName::from_static("signature"), &headers.signature),
        ] {
            let value = HeaderValue::from_str(value).map_err(|_| NoAnswer::Url)?;
            request.headers_mut().insert(name, value);
        }
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        *request.body_mut() = Some(body.into());
        self.driver.send(request).await
    }
}

#[cfg(test)]
mod tests;
