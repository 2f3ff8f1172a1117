//! The CSE on a broker (TS-0010): requests to it are answered, requests of its own sent. The
//! connection is the gateway's to give: a [`Publish`] for one direction, [`MqttService::take`] for the
//! other.
//!
//! Who a topic names is proved by the broker's access control alone: it must let the registrar, and
//! nobody else, publish below `/oneM2M/req/<registrar>/` and `/oneM2M/resp/<this CSE>/`. Behind the
//! registrar, as everywhere, who asks proves itself by `tok`. Anybody else is heard on a line that
//! believes what it is told: a sandbox on loopback.

mod asking;

use std::sync::Arc;

use ics_core::port::{Clock, PortFuture};
use tokio::sync::Semaphore;

use crate::address::Names;
use crate::binding::http::MOST_CONTENT;
use crate::binding::mqtt::{Kind, Sender, Topic, check_originator, client_id, filters, is_over};
use crate::caller::Caller;
use crate::handler::{Handler, refusal_of};
use crate::primitive::{InvalidPrimitive, Operation, Refusal, Request};
use crate::rsc::Rsc;

pub use asking::MqttOutbound;

/// The longest payload: a content, and what is around it.
const LONGEST: usize = MOST_CONTENT + (16 << 10);
/// The longest packet.
const LONGEST_PACKET: u32 = 84 << 10;
/// Requests at a time; of more, each is refused.
const MOST_AT_WORK: usize = 256;

/// What the CSE is told of its broker.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// What the CSE is called.
    pub names: Names,
    /// The CSE-ID of the registrar, without its slash, where it is on this broker.
    pub registrar: Option<String>,
    /// Host and port of the broker: points of access there are called, no others.
    pub broker: (String, u16),
    /// Whether an originator is who it says it is.
    pub is_believed: bool,
}

impl MqttSettings {
    /// What is to be subscribed to, at QoS 1.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        filters(&self.names).to_vec()
    }

    /// The client id; the session under it is to outlive connections.
    #[must_use]
    pub fn client_id(&self) -> String {
        client_id(&self.names)
    }

    /// Bytes of a packet, topic and all, that is read.
    #[must_use]
    pub const fn longest_packet() -> u32 {
        LONGEST_PACKET
    }
}

/// There is no connection to the broker, or it does not take the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker does not take the message")]
pub struct NotPublished;

/// The way to the broker.
pub trait Publish: Send + Sync {
    /// Publishes at QoS 1, not retained; done when the broker has it.
    fn publish(&self, topic: String, payload: Vec<u8>) -> PortFuture<'_, Result<(), NotPublished>>;
}

/// The CSE, as a broker's client sees it.
pub struct MqttService {
    outbound: Arc<MqttOutbound>,
    handler: Arc<dyn Handler>,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
}

impl MqttService {
    /// Requests are answered by `handler`, which should be one that knows repetitions
    /// ([`crate::handler::Once`]); answers are for `outbound`.
    #[must_use]
    pub fn new(
        outbound: Arc<MqttOutbound>,
        handler: Arc<dyn Handler>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            outbound,
            handler,
            clock,
            places: Arc::new(Semaphore::new(MOST_AT_WORK)),
        }
    }

    /// Takes a message. It may be acknowledged at once: who gets no answer asks again. What is left to
    /// do is in the future.
    #[must_use]
    pub fn take(self: &Arc<Self>, topic: &str, payload: Vec<u8>) -> PortFuture<'static, ()> {
        let nothing = || Box::pin(std::future::ready(()));
        let Some(topic) = Topic::parse(topic).filter(|_| payload.len() <= LONGEST) else {
            tracing::debug!("a message that is no primitive of oneM2M in JSON is not heard");
            return nothing();
        };
        match topic.kind {
            Kind::Response => self.outbound.take_answer(&topic, &payload),
            Kind::RegistrationResponse => {}
            Kind::Request | Kind::RegistrationRequest => {
                let place = Arc::clone(&self.places).try_acquire_owned().ok();
                let service = Arc::clone(self);
                return Box::pin(async move {
                    service.serve(&topic, &payload, place.is_some()).await;
                    drop(place);
                });
            }
        }
        nothing()
    }

    async fn serve(&self, topic: &Topic, payload: &[u8], has_place: bool) {
        let Some(answer) = topic.answer().filter(|_| self.is_receiver(topic)) else {
            return;
        };
        let read = match self.read(topic, payload) {
            Ok((_, request)) if !has_place => {
                let said = "too many requests at a time: ask again";
                let refusal = Refusal::new(Rsc::InternalServerError, said);
                Err(Box::new((request, refusal)))
            }
            read => read,
        };
        let response = match read {
            Ok((caller, request)) => self.handler.handle(&caller, request).await,
            Err(refused) => {
                let (request, refusal) = *refused;
                self.handler.refuse(&request, refusal)
            }
        };
        let payload = response.to_json().to_string().into_bytes();
        if let Err(error) = self.outbound.publish(&answer, payload).await {
            tracing::debug!(%error, "an answer over oneM2M is not delivered");
        }
    }

    fn is_receiver(&self, topic: &Topic) -> bool {
        topic.receiver == self.settings().names.cse_id
    }

    /// Who asks what; or what of it could be read, and why it is refused.
    fn read(&self, topic: &Topic, payload: &[u8]) -> Result<(Caller, Request), Refused> {
        let request = Request::from_json(payload).map_err(|invalid| {
            let refusal = refusal_of(&invalid);
            Box::new((what_is_known(invalid), refusal))
        })?;
        match self.admit(topic, &request) {
            Ok(caller) => Ok((caller, request)),
            Err(refusal) => Err(Box::new((request, refusal))),
        }
    }

    fn admit(&self, topic: &Topic, request: &Request) -> Result<Caller, Refusal> {
        let settings = self.settings();
        let registrar = settings.registrar.as_deref();
        let caller = match check_originator(topic, request, (&settings.names, registrar))? {
            Sender::Registrar => Caller::Cse(topic.originator.clone()),
            Sender::Other if settings.is_believed => Caller::Loopback,
            Sender::Other => {
                let said = "is not proved by this broker: come by HTTP, with a certificate";
                return Err(Refusal::about(Rsc::OriginatorNotAuthenticated, "fr", said));
            }
        };
        if is_over(request, self.clock.now()) {
            return Err(Refusal::new(Rsc::RequestTimeout, "the request is over"));
        }
        Ok(caller)
    }

    fn settings(&self) -> &MqttSettings {
        self.outbound.settings()
    }
}

/// A request that is not handled, and why.
type Refused = Box<(Request, Refusal)>;

/// As much of a request as an answer needs.
fn what_is_known(invalid: InvalidPrimitive) -> Request {
    let request_id = invalid.request_id.unwrap_or_default();
    Request::new(Operation::Retrieve, "", request_id)
}

#[cfg(test)]
mod tests;
