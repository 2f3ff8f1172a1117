//! Whether the broker keeps devices apart: tried, before it is believed.
//!
//! In broker mode a topic's device ID is the identity, because the broker lets nobody but that
//! device speak on it. A device that was made up for this tries to speak and to listen on the
//! topics of another one, under its own name and under the other's. A broker that lets it is not
//! served: its access control is missing, or goes by what a client says of itself (`%c`). Nor is one
//! where that could not be tried: a connection that breaks is no refusal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ics_core::id::DeviceId;
use ics_core::port::PortFuture;
use tokio::time::{Instant, timeout, timeout_at};

use super::link::{
    Dial, Greeting, Incoming, LONGEST_PACKET, LinkError, Listener, Outgoing, Receipt, Speaker, open,
};
use crate::topic::{DOCUMENT, PRESENCE, Subtree};

/// The ways to the broker.
pub trait Ways: Send + Sync {
    /// As the gateway.
    fn of_gateway(&self) -> Arc<dyn Dial>;

    /// As a device that was made up for this, certified as all are, and registered nowhere; and
    /// the ID of another one that does not exist.
    fn of_stranger(&self) -> PortFuture<'_, io::Result<Stranger>>;
}

/// A device that was made up.
pub struct Stranger {
    /// The name in its certificate.
    pub device: DeviceId,
    /// The way, as that device.
    pub dial: Arc<dyn Dial>,
    /// Another device that was made up, whose topics it tries.
    pub victim: DeviceId,
}

/// Why the broker is not served.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be reached, or not believed, as the gateway.
    #[error("the broker cannot be used as the gateway: {0}")]
    Gateway(LinkError),
    /// It does not let in, or does not pass on to, a device that the device authority certified.
    #[error("the broker does not serve a device of the device authority on its own topics: {0}")]
    Device(LinkError),
    /// It has no way to pass what is published on to the gateway.
    #[error("the broker does not pass a device's message on to the gateway within {} s", PATIENCE.as_secs())]
    Deaf,
    /// It lets a device write on topics of another.
    #[error(
        "the broker lets a device publish on topics of another device ({0}): its access control list must be by certificate, `pattern readwrite ics/v1/d/%u/#`"
    )]
    LetsWrite(Disguise),
    /// It lets a device read topics of another.
    #[error(
        "the broker lets a device read topics of another device ({0}): its access control list must be by certificate, `pattern readwrite ics/v1/d/%u/#`"
    )]
    LetsRead(Disguise),
    /// Whether it lets such a device could not be tried.
    #[error("whether the broker keeps devices apart could not be tried, {0}: {1}")]
    Untried(Disguise, LinkError),
}

/// As whom a device came that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disguise {
    /// As itself.
    None,
    /// With the other device's ID as its client id.
    ClientId,
    /// With the other device's ID as its client id and user name.
    UserName,
}

impl std::fmt::Display for Disguise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "under its own name",
            Self::ClientId => "with that one's ID as client id; is there a `%c` in the list?",
            Self::UserName => "with that one's ID as user name; is `use_identity_as_username` off?",
        })
    }
}

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long something that must not come is waited for behind what did.
const LINGER: Duration = Duration::from_millis(300);

/// Tries the broker.
///
/// # Errors
/// [`ProbeError`].
pub async fn probe(ways: &dyn Ways, client_id: &str) -> Result<(), ProbeError> {
    let stranger = ways.of_stranger().await;
    let unmade = |error: io::Error| ProbeError::Device(LinkError::Broken(error.to_string()));
    let stranger = stranger.map_err(unmade)?;
    let (name, dial) = (format!("{client_id}-probe"), ways.of_gateway());
    let gateway = Party::connect(&name, None, &dial).await;
    let mut gateway = gateway.map_err(ProbeError::Gateway)?;
    let (own, victim) = (Subtree::of(&stranger.device), Subtree::of(&stranger.victim));
    let filters = [own.name("#"), victim.name("#")];
    gateway
        .subscribe(&filters)
        .await
        .map_err(ProbeError::Gateway)?;
    let device = Party::connect(stranger.device.as_str(), None, &stranger.dial);
    let mut device = device.await.map_err(ProbeError::Device)?;
    device
        .subscribe(&[own.name("#")])
        .await
        .map_err(ProbeError::Device)?;
    // What must be let through is; else what is not tells nothing.
    device
        .publish(own.name(PRESENCE))
        .await
        .map_err(ProbeError::Device)?;
    gateway.expect(&own.name(PRESENCE)).await?;
    gateway
        .publish(own.name(DOCUMENT))
        .await
        .map_err(ProbeError::Gateway)?;
    device.expect(&own.name(DOCUMENT)).await?;
    for disguise in [Disguise::None, Disguise::ClientId, Disguise::UserName] {
        let mut trial = Trial {
            gateway: &mut gateway,
            device: &mut device,
            stranger: &stranger,
            disguise,
        };
        trial.write().await?;
        trial.read().await?;
    }
    device.speaker.leave().await;
    gateway.speaker.leave().await;
    Ok(())
}

/// One way of a device to pass for another.
struct Trial<'a> {
    gateway: &'a mut Party,
    device: &'a mut Party,
    stranger: &'a Stranger,
    disguise: Disguise,
}

impl Trial<'_> {
    async fn come(&self) -> Result<Option<Party>, ProbeError> {
        let (client_id, user_name) = match self.disguise {
            Disguise::None => (format!("{}-2", self.stranger.device.as_str()), None),
            Disguise::ClientId => (self.stranger.victim.as_str().to_owned(), None),
            Disguise::UserName => {
                let victim = self.stranger.victim.as_str();
                (victim.to_owned(), Some(victim.to_owned()))
            }
        };
        match Party::connect(&client_id, user_name, &self.stranger.dial).await {
            Ok(party) => Ok(Some(party)),
            // As itself it was let in a moment ago: nothing was tried, so nothing is known.
            Err(error) if self.disguise == Disguise::None => Err(ProbeError::Device(error)),
            // Who is not let in is not let through, if that is why.
            Err(LinkError::Refused(_)) => {
                self.come_as_itself().await?;
                Ok(None)
            }
            Err(error) => Err(ProbeError::Untried(self.disguise, error)),
        }
    }

    /// The broker lets the same device in, under its own name: so it was refused for the other one.
    async fn come_as_itself(&self) -> Result<(), ProbeError> {
        let client_id = format!("{}-2", self.stranger.device.as_str());
        let party = Party::connect(&client_id, None, &self.stranger.dial).await;
        let party = party.map_err(|error| ProbeError::Untried(self.disguise, error))?;
        party.speaker.leave().await;
        Ok(())
    }

    /// Whether the victim's topics can be written.
    async fn write(&mut self) -> Result<(), ProbeError> {
        let Some(party) = self.come().await? else {
            return Ok(());
        };
        let victim = Subtree::of(&self.stranger.victim);
        // A broker may say so, say nothing, or hang up: what counts is what comes through.
        let _ = timeout(PATIENCE, party.publish(victim.name(PRESENCE))).await;
        let own = Subtree::of(&self.stranger.device).name(PRESENCE);
        let said = self.device.publish(own.clone()).await;
        said.map_err(ProbeError::Device)?;
        let came = self.gateway.watch(&victim.name(PRESENCE), &own).await?;
        party.speaker.leave().await;
        if came {
            return Err(ProbeError::LetsWrite(self.disguise));
        }
        Ok(())
    }

    /// Whether the victim's topics can be read.
    async fn read(&mut self) -> Result<(), ProbeError> {
        let Some(mut party) = self.come().await? else {
            return Ok(());
        };
        let (own, victim) = (
            Subtree::of(&self.stranger.device),
            Subtree::of(&self.stranger.victim),
        );
        for filter in [own.name("#"), victim.name("#"), "ics/v1/d/+/doc".to_owned()] {
            let _ = timeout(PATIENCE, party.speaker.subscribe(&[filter])).await;
        }
        for topic in [victim.name(DOCUMENT), own.name(DOCUMENT)] {
            let said = self.gateway.publish(topic).await;
            said.map_err(ProbeError::Gateway)?;
        }
        // One that is cut off hears neither.
        let came = party
            .watch(&victim.name(DOCUMENT), &own.name(DOCUMENT))
            .await;
        party.speaker.leave().await;
        if matches!(came, Ok(true)) {
            return Err(ProbeError::LetsRead(self.disguise));
        }
        Ok(())
    }
}

/// A client of the broker.
struct Party {
    speaker: Speaker,
    listener: Listener,
}

impl Party {
    async fn connect(
        client_id: &str,
        user_name: Option<String>,
        dial: &Arc<dyn Dial>,
    ) -> Result<Self, LinkError> {
        let greeting = Greeting {
            client_id: client_id.to_owned(),
            user_name,
            session: None,
            longest_packet: LONGEST_PACKET,
        };
        let (speaker, listener, _) = open(&greeting, dial).await?;
        Ok(Self { speaker, listener })
    }

    async fn subscribe(&self, filters: &[String]) -> Result<(), LinkError> {
        let granted = timeout(PATIENCE, self.speaker.subscribe(filters)).await;
        let granted = granted.map_err(|_| LinkError::Broken("no answer".to_owned()))??;
        if granted.iter().all(|granted| *granted) {
            Ok(())
        } else {
            Err(LinkError::NotSubscribed("its own topics".to_owned()))
        }
    }

    async fn publish(&self, topic: String) -> Result<(), LinkError> {
        let message = Outgoing {
            topic,
            payload: b"{}".to_vec(),
            content_type: None,
            correlation_data: None,
            expiry: Some(PATIENCE),
        };
        let receipt = timeout(PATIENCE, self.speaker.publish(message)).await;
        match receipt.map_err(|_| LinkError::Broken("no answer".to_owned()))?? {
            Receipt::Taken => Ok(()),
            refused => Err(LinkError::Broken(format!(
                "publishing is refused: {refused:?}"
            ))),
        }
    }

    /// Waits for a message on that topic.
    async fn expect(&mut self, topic: &str) -> Result<(), ProbeError> {
        let until = Instant::now() + PATIENCE;
        while let Some(incoming) = self.next(until).await {
            if incoming.topic == topic {
                return Ok(());
            }
        }
        Err(ProbeError::Deaf)
    }

    /// Waits until `sentinel` came, and a little longer; whether `forbidden` did.
    async fn watch(&mut self, forbidden: &str, sentinel: &str) -> Result<bool, ProbeError> {
        let mut until = Instant::now() + PATIENCE;
        let mut is_over = false;
        while let Some(incoming) = self.next(until).await {
            if incoming.topic == forbidden {
                return Ok(true);
            }
            if incoming.topic == sentinel {
                is_over = true;
                until = Instant::now() + LINGER;
            }
        }
        if is_over {
            Ok(false)
        } else {
            Err(ProbeError::Deaf)
        }
    }

    async fn next(&mut self, until: Instant) -> Option<Incoming> {
        let mut incoming = timeout_at(until, self.listener.next()).await.ok()??;
        if let Some(ack) = incoming.ack.take() {
            // Where it cannot be said any more, nothing more comes either.
            let _ = self.speaker.acknowledge(ack).await;
        }
        Some(incoming)
    }
}

#[cfg(test)]
mod tests;
