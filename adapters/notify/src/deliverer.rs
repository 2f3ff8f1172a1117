//! The deliverer: opens a lane for everybody who may have entries, and ends them all in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ics_core::outbox::Addressee;
use ics_core::port::{
    Clock, Entropy, NotificationSockets, OneM2mRoad, OutboxBell as _, ResourceNames,
};
use rustls::ClientConfig;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{Id, JoinHandle, JoinSet};

use crate::attempt::Shared;
use crate::bell::Bell;
use crate::courier::{Carrier, Courier};
use crate::driver::{Driver, Patience};
use crate::lane::Lane;
use crate::outbox::Outbox;
use crate::signature::CallbackSigner;
use crate::token::Tokens;
use crate::vetting::AddressRules;

/// What the deliverer is to know of the outside.
pub struct Settings {
    /// The gateway's OAuth client id at the token endpoints of SPs.
    pub client_id: String,
    /// TLS towards SPs: profile, trusted roots, the gateway's own certificate. ALPN is set here.
    pub tls: ClientConfig,
    /// Which addresses may be reached.
    pub addresses: AddressRules,
    /// How much at once, how long, how often.
    pub pace: Pace,
}

/// How much at once, how long, how often (t8 A.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// The longest wait for an answer, the connection included.
    pub total_timeout: Duration,
    /// Attempts under way at once at one host of an addressee; at all its hosts, four times as many.
    /// A host with none under way may always begin one.
    pub lane_in_flight: usize,
    /// Attempts under way at once in all, beyond one at each host of each addressee.
    pub total_in_flight: usize,
    /// How often a lane looks by itself, when nobody rings.
    pub poll: Duration,
    /// How long a shutdown waits for attempts under way.
    pub shutdown_grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            total_timeout: Duration::from_secs(10),
            lane_in_flight: 8,
            total_in_flight: 256,
            poll: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(12),
        }
    }
}

/// Time, chance, names, and the key callbacks are signed with.
pub struct Surroundings {
    /// Tells the time of signatures and deadlines.
    pub clock: Arc<dyn Clock>,
    /// Jitter and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Signs every callback.
    pub signer: Arc<dyn CallbackSigner>,
    /// What rows and subscriptions are called towards their parties.
    pub names: Arc<dyn ResourceNames>,
    /// The websockets that parties have open.
    pub sockets: Arc<dyn NotificationSockets>,
    /// The way to AEs on a oneM2M platform, where there is a CSE.
    pub onem2m: Option<Arc<dyn OneM2mRoad>>,
}

/// Delivers the outbox until it is shut down or dropped. What is not delivered stays in the store,
/// and the next deliverer takes it up.
pub struct Deliverer {
    stop: watch::Sender<bool>,
    supervisor: JoinHandle<()>,
}

impl Deliverer {
    /// Starts delivering, on the current Tokio runtime. `bell` is the one the service rings.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(
        outbox: Arc<dyn Outbox>,
        bell: Arc<Bell>,
        surroundings: Surroundings,
        settings: Settings,
    ) -> Self {
        let pace = settings.pace;
        let patience = Patience {
            connect: pace.connect_timeout,
            total: pace.total_timeout,
        };
        let courier = Courier {
            driver: Arc::new(Driver::new(settings.tls, settings.addresses, patience)),
            tokens: Tokens::new(settings.client_id),
            signer: surroundings.signer,
            clock: surroundings.clock.clone(),
            entropy: surroundings.entropy.clone(),
            names: surroundings.names,
            sockets: surroundings.sockets,
            onem2m: surroundings.onem2m,
            acknowledgement: pace.total_timeout,
            patience: pace.total_timeout.saturating_mul(2),
        };
        let ambient = (surroundings.clock, surroundings.entropy);
        Self::start_with(outbox, bell, Arc::new(courier), ambient, pace)
    }

    pub(crate) fn start_with(
        outbox: Arc<dyn Outbox>,
        bell: Arc<Bell>,
        carrier: Arc<dyn Carrier>,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        pace: Pace,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared {
            outbox,
            carrier,
            clock,
            entropy,
            permits: Semaphore::new(pace.total_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            pace,
            stop: stopping,
        });
        Self {
            stop,
            supervisor: tokio::spawn(supervise(shared, bell)),
        }
    }

    /// Returns when it delivers no more, whether it was asked to end or not.
    pub async fn ended(&self) {
        // Whatever delivers holds the other end.
        self.stop.closed().await;
    }

    /// Takes no more, waits for what is under way (at most the grace of [`Pace`]), and ends.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.supervisor.await {
            tracing::error!(error = %error, "deliverer fell");
        }
    }
}

/// Keeps a lane for everybody; one that fell is opened again, rested.
async fn supervise(shared: Arc<Shared>, bell: Arc<Bell>) {
    bell.reopen();
    for addressee in shared.outbox.addressees() {
        bell.ring(&addressee);
    }
    let mut stop = shared.stop.clone();
    let mut lanes = JoinSet::new();
    let mut names: HashMap<Id, (Addressee, Arc<Notify>)> = HashMap::new();
    loop {
        let (opened, rested) = tokio::select! {
            biased;
            _ = stop.wait_for(|stopping| *stopping) => break,
            Some(ended) = lanes.join_next_with_id() => {
                let id = match ended {
                    // It was asked to end before this was, by another thread.
                    Ok(_) if shared.is_stopping() => break,
                    Ok((id, ())) => id,
                    // Nobody aborts a lane: the runtime itself is going.
                    Err(error) if error.is_cancelled() => break,
                    Err(error) => error.id(),
                };
                let Some(name) = names.remove(&id) else { continue };
                tracing::error!(addressee = %name.0, "lane fell");
                (vec![name], true)
            }
            opened = bell.next_unopened() => (opened, false),
        };
        for (addressee, ring) in opened {
            let lane = Lane {
                addressee: addressee.clone(),
                ring: ring.clone(),
                shared: shared.clone(),
            };
            let task = lanes.spawn(lane.run(rested));
            names.insert(task.id(), (addressee, ring));
        }
    }
    let drained = async { while lanes.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.pace.shutdown_grace, drained)
        .await
        .is_err()
    {
        tracing::warn!("deliveries under way were given up");
        lanes.abort_all();
    }
}
