//! The other way to the same devices: the gateway is a client of a broker cluster that the operator
//! runs (channels.md A.2). It joins the same ports of the core as [`crate::Endpoint`].
//!
//! | module | what it answers |
//! |---|---|
//! | `link` | one connection, and all that is known of the client library |
//! | `probe` | does the broker keep devices apart? |
//! | `intake` | messages in order, settled in order |
//! | `awaited` | who is owed a document, and when |
//! | `serving` | one connection, served to its end |
//! | `line` | the same connection, for who says something of its own over it |
//!
//! A topic's device ID is the identity, for the broker's access control vouches for it; so that is
//! tried before anything is served. We neither see subscriptions nor can close a session here:
//! whether the device is served is asked of the service on each message.

mod awaited;
#[cfg(test)]
mod fake;
mod intake;
mod line;
mod link;
mod probe;
mod serving;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ics_core::port::{Clock, Entropy};
use tokio::time::{Instant, sleep};

use ics_channel::{DeviceService, Rate};

pub use awaited::Awaited;
pub use line::{Line, LineSettings, PublishError, Receive};
pub use link::{Dial, LinkError, Wire};
pub use probe::{Disguise, ProbeError, Stranger, Ways, probe};

/// The gateway as a client of a broker.
pub struct Broker {
    /// The devices' service.
    pub service: Arc<dyn DeviceService>,
    /// Who is owed a document; the service rings it.
    pub awaited: Arc<Awaited>,
    /// The ways to the broker.
    pub ways: Arc<dyn Ways>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the jitter of pauses.
    pub entropy: Arc<dyn Entropy>,
    /// What is chosen.
    pub settings: BrokerSettings,
}

/// What is chosen of the gateway as a client.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// Names this gateway's session at the broker: its own, and always the same.
    pub client_id: String,
    /// How long the broker keeps messages for it while it is away.
    pub session_expiry: Duration,
    /// Messages of a device.
    pub messages: Rate,
}

/// How one try ended.
enum Ended {
    Stopped,
    Again,
    /// It was served for this long.
    Lost(Duration),
    /// Only the operator can mend it.
    Refused,
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A broker that is not as it must be is tried again after this, for it may have been mended.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// A connection that held for so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

impl Broker {
    /// Serves devices through the broker until `shutdown` is over; comes back whenever the
    /// connection breaks.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let mut pause = FIRST_PAUSE;
        // The broker may have been told things we do not remember, and the other way round.
        let mut is_walk_owed = true;
        loop {
            let rest = match self.try_once(&mut is_walk_owed, shutdown.as_mut()).await {
                Ended::Stopped => return,
                Ended::Lost(served) if served >= GOOD => {
                    pause = FIRST_PAUSE;
                    pause
                }
                Ended::Lost(_) | Ended::Again => pause,
                Ended::Refused => REFUSED_PAUSE,
            };
            tokio::select! {
                () = shutdown.as_mut() => return,
                () = sleep(with_jitter(rest, self.entropy.as_ref())) => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn try_once(
        &self,
        is_walk_owed: &mut bool,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Ended {
        let probed = tokio::select! {
            () = shutdown.as_mut() => return Ended::Stopped,
            probed = probe(self.ways.as_ref(), &self.settings.client_id) => probed,
        };
        match probed {
            Ok(()) => {}
            Err(ProbeError::Gateway(error @ (LinkError::Broken(_) | LinkError::Refused(_)))) => {
                return note_unreachable(&error);
            }
            Err(error @ ProbeError::Untried(..)) => {
                tracing::warn!(%error, "no device is served through the broker yet");
                return Ended::Again;
            }
            Err(error) => {
                tracing::error!(%error, "broker refused: no device is served through it");
                return Ended::Refused;
            }
        }
        let opened = tokio::select! {
            () = shutdown.as_mut() => return Ended::Stopped,
            opened = serving::open(self) => opened,
        };
        let (connection, is_known) = match opened {
            Ok(opened) => opened,
            Err(error) => return note_unreachable(&error),
        };
        tracing::info!(
            session_present = is_known,
            "serving devices through the broker"
        );
        let since = Instant::now();
        // What a session held for devices is gone with it.
        *is_walk_owed |= !is_known;
        match connection.serve(self, is_walk_owed, shutdown).await {
            None => Ended::Stopped,
            Some(error) => {
                note_unreachable(&error);
                Ended::Lost(since.elapsed())
            }
        }
    }
}

/// Between a half and the whole of it: gateways that lost one broker do not come back at once.
fn with_jitter(pause: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    let part = f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX);
    pause.mul_f64(part.mul_add(0.5, 0.5))
}

fn note_unreachable(error: &LinkError) -> Ended {
    tracing::warn!(%error, "no connection to the broker");
    Ended::Again
}

#[cfg(test)]
mod tests;
