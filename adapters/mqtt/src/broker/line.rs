//! A line to a broker for who says something of its own over it: topics are subscribed to, what comes
//! is handed on, what is given is published. It comes back whenever the connection breaks; the
//! broker keeps the session meanwhile. What is said is not its affair.
//!
//! A message is acknowledged when it was handed on, not when all was done that it asked for: those who
//! talk over topics answer each other there, and an answer must not wait behind a request.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ics_core::port::{Entropy, PortFuture};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::link::{
    Dial, Greeting, LinkError, Listener, Outgoing, Receipt, Speaker, open as connect,
};
use super::{FIRST_PAUSE, GOOD, LONGEST_PAUSE, with_jitter};

/// Messages on their way out; of more, each is refused.
const MOST_SENDING: usize = 256;
/// A broker that does not take a message in this time is taken for gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what is under way may take when the line ends.
const DRAIN: Duration = Duration::from_secs(5);

/// What is chosen of a line.
#[derive(Clone, Debug)]
pub struct LineSettings {
    /// Names the session at the broker: its own, and always the same.
    pub client_id: String,
    /// As who it comes, where a certificate does not say that.
    pub user_name: Option<String>,
    /// How long the broker keeps messages while it is away.
    pub session_expiry: Duration,
    /// What is subscribed to, at QoS 1.
    pub filters: Vec<String>,
    /// Bytes of the longest packet that is taken.
    pub longest_packet: u32,
}

/// Who gets what comes.
pub trait Receive: Send + Sync {
    /// Takes a message; what it returns is done beside others, and bounded by whoever does it.
    fn take(&self, topic: &str, payload: Vec<u8>) -> PortFuture<'static, ()>;
}

/// Why a message was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it broke before the broker had the message.
    #[error("no connection to the broker")]
    Down,
    /// Too many are on their way.
    #[error("too many messages on their way to the broker")]
    Full,
    /// The broker does not take it: its access control, or its length.
    #[error("the broker does not take the message")]
    Refused,
}

/// A line to a broker.
pub struct Line {
    settings: LineSettings,
    dial: Arc<dyn Dial>,
    entropy: Arc<dyn Entropy>,
    speaker: Mutex<Option<Speaker>>,
    places: Semaphore,
}

type Work = FuturesUnordered<PortFuture<'static, ()>>;

impl Line {
    /// A line that `dial` is the way to; it stands when [`Line::run`] is at it.
    #[must_use]
    pub fn new(settings: LineSettings, dial: Arc<dyn Dial>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            settings,
            dial,
            entropy,
            speaker: Mutex::default(),
            places: Semaphore::new(MOST_SENDING),
        }
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.lock().is_some()
    }

    /// Publishes at QoS 1, not retained; returns when the broker has it.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), PublishError> {
        let _place = self.places.try_acquire().map_err(|_| PublishError::Full)?;
        let speaker = self.lock().clone().ok_or(PublishError::Down)?;
        if !speaker.takes(&topic, &payload) {
            return Err(PublishError::Refused);
        }
        let message = Outgoing {
            topic,
            payload,
            content_type: None,
            correlation_data: None,
            expiry: None,
        };
        match timeout(PATIENCE, speaker.publish(message)).await {
            Ok(Ok(Receipt::Taken)) => Ok(()),
            Ok(Ok(Receipt::NotAuthorized | Receipt::Refused)) => Err(PublishError::Refused),
            Ok(Err(_)) | Err(_) => Err(PublishError::Down),
        }
    }

    /// Keeps the line until `shutdown` is over, and hands what comes to `receive`. One at a time.
    pub async fn run(&self, receive: Arc<dyn Receive>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        let mut work = Work::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let opening = beside(&mut work, self.open());
            let opened = tokio::select! {
                () = shutdown.as_mut() => break,
                opened = opening => opened,
            };
            match opened {
                Ok((speaker, listener)) => {
                    let since = Instant::now();
                    let stand = (speaker, listener, receive.as_ref());
                    let ended = self.serve(stand, &mut work, shutdown.as_mut()).await;
                    match ended {
                        None => return,
                        Some(error) => tracing::warn!(%error, "the line to the broker broke"),
                    }
                    if since.elapsed() >= GOOD {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => tracing::warn!(%error, "no line to the broker"),
            }
            let rest = sleep(with_jitter(pause, self.entropy.as_ref()));
            tokio::select! {
                () = shutdown.as_mut() => break,
                () = beside(&mut work, rest) => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        drain(&mut work).await;
    }

    async fn open(&self) -> Result<(Speaker, Listener), LinkError> {
        let greeting = Greeting {
            client_id: self.settings.client_id.clone(),
            user_name: self.settings.user_name.clone(),
            session: Some(self.settings.session_expiry),
            longest_packet: self.settings.longest_packet,
        };
        let (speaker, listener, is_known) = connect(&greeting, &self.dial).await?;
        let filters = &self.settings.filters;
        let granted = speaker.subscribe(filters).await?;
        let refused = filters.iter().zip(granted).find(|(_, granted)| !granted);
        if let Some((filter, _)) = refused {
            return Err(LinkError::NotSubscribed(filter.clone()));
        }
        tracing::info!(session_present = is_known, "the line to the broker stands");
        Ok((speaker, listener))
    }

    /// Serves a connection until it breaks, and tells why; or until `shutdown` is over.
    async fn serve(
        &self,
        (speaker, mut listener, receive): (Speaker, Listener, &dyn Receive),
        work: &mut Work,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Option<LinkError> {
        *self.lock() = Some(speaker.clone());
        let _standing = Standing(self);
        loop {
            tokio::select! {
                () = shutdown.as_mut() => break,
                incoming = beside(work, listener.next()) => {
                    let Some(mut incoming) = incoming else {
                        return Some(listener.end().await);
                    };
                    let ack = incoming.ack.take();
                    work.push(receive.take(&incoming.topic, incoming.payload));
                    if let Some(ack) = ack
                        && speaker.acknowledge(ack).await.is_err()
                    {
                        return Some(listener.end().await);
                    }
                }
            }
        }
        drain(work).await;
        speaker.leave().await;
        // It ends by itself, or with the process.
        let _ = timeout(DRAIN, listener.end()).await;
        None
    }

    fn lock(&self) -> MutexGuard<'_, Option<Speaker>> {
        self.speaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is there; dropped, it is not.
struct Standing<'a>(&'a Line);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

/// Goes on with what is to be done while something else is waited for.
async fn beside<T>(work: &mut Work, awaited: impl Future<Output = T>) -> T {
    let mut awaited = pin!(awaited);
    loop {
        tokio::select! {
            outcome = awaited.as_mut() => return outcome,
            Some(()) = work.next(), if !work.is_empty() => {}
        }
    }
}

/// Ends what is to be done; what takes longer is left.
async fn drain(work: &mut Work) {
    let ended = async { while work.next().await.is_some() {} };
    let _ = timeout(DRAIN, ended).await;
}

#[cfg(test)]
mod tests;
