//! Everything after CONNECT: one device, one connection, one packet at a time, so what is
//! acknowledged is acknowledged in order, and nothing piles up behind a commit that takes its time.

mod publication;
mod subscription;
mod window;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ics_channel::refusal::Refusal;
use ics_channel::{Delivery, Format, RefusedAttempt, Taken};
use ics_core::device::DeviceStatus;
use ics_core::principal::DeviceIdentity;
use ics_core::service::{ChannelError, DeviceRefusal, Unauthenticated};
use ics_core::time::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::driver::{Broken, Driver, Progress};
use crate::endpoint::{Ended, Endpoint};
use crate::handshake::Admitted;
use crate::packet::{
    Frame, Packet, Publication, Reason, Version, read_packet, write_disconnect, write_pong,
    write_publication,
};
use crate::roster::{Seated, TAKEN_OVER};
use crate::topic::{DOCUMENT, DOCUMENT_CBOR, Subtree};
use subscription::Subscriptions;
use window::Window;

/// After so long a service that failed is asked again whether the device is still served.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// A device that is connected.
pub(crate) struct Session<'e, Io> {
    endpoint: &'e Endpoint,
    driver: Driver<Io>,
    identity: Arc<DeviceIdentity>,
    seated: Seated,
    subtree: Subtree,
    version: Version,
    subscriptions: Subscriptions,
    delivery: Delivery,
    window: Window,
    maximum_packet_size: usize,
    keep_alive: Duration,
    /// When the last whole packet came.
    heard: Instant,
    until: Timestamp,
    /// When `until` is looked at again.
    expires: Instant,
    /// When the service, which failed, is asked again.
    ask_again: Option<Instant>,
    /// How many packets in a row were over the rate.
    excess: u32,
    /// When it ends though the device, which is unregistered, has not acknowledged that.
    farewell: Option<Instant>,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection is broken, or the device does not listen.
    Gone,
    /// The device took its leave.
    Left,
    /// We close.
    Close(Reason),
}

/// What wakes a session.
enum Event {
    ShuttingDown,
    Signalled(u8),
    Progress(Result<Progress, Broken>),
    Deadline,
}

impl<'e, Io: AsyncRead + AsyncWrite + Unpin + Send> Session<'e, Io> {
    pub(crate) fn new(endpoint: &'e Endpoint, driver: Driver<Io>, admitted: Admitted) -> Self {
        let now = Instant::now();
        let left = admitted.until.since(endpoint.clock.now());
        Self {
            endpoint,
            driver,
            identity: admitted.identity,
            seated: admitted.seated,
            subtree: admitted.subtree,
            version: admitted.version,
            subscriptions: Subscriptions::default(),
            delivery: Delivery::default(),
            window: Window::new(admitted.receive_maximum),
            maximum_packet_size: admitted.maximum_packet_size.map_or(usize::MAX, |size| {
                usize::try_from(size).unwrap_or(usize::MAX)
            }),
            // 3.1.2.10: one and a half times the keep-alive.
            keep_alive: Duration::from_millis(u64::from(admitted.keep_alive) * 1500),
            heard: now,
            until: admitted.until,
            expires: now + left.min(LONGEST_WAIT),
            ask_again: None,
            excess: 0,
            farewell: None,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Ended {
        loop {
            match self.advance(&mut shutdown).await {
                Ok(()) => {}
                Err(End::Gone) => return Ended::ByDevice,
                Err(End::Left) => {
                    self.driver.close().await;
                    return Ended::ByDevice;
                }
                Err(End::Close(reason)) => {
                    let iot_sp = &self.identity.iot_sp;
                    tracing::debug!(%iot_sp, ?reason, "device session closed");
                    write_disconnect(self.driver.outbox(), self.version, reason);
                    self.driver.close().await;
                    return Ended::for_reason(reason);
                }
            }
        }
    }

    /// One step: waits for what comes first and attends to it.
    async fn advance(
        &mut self,
        shutdown: &mut Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), End> {
        let wants_room = self.delivery.is_wanted();
        let deadline = self.next_deadline();
        let event = tokio::select! {
            biased;
            () = shutdown.as_mut() => Event::ShuttingDown,
            signals = self.seated.signalled() => Event::Signalled(signals),
            progress = self.driver.progress(wants_room) => Event::Progress(progress),
            () = sleep_until(deadline) => Event::Deadline,
        };
        match event {
            Event::ShuttingDown => return Err(End::Close(Reason::ShuttingDown)),
            Event::Signalled(signals) if signals & TAKEN_OVER != 0 => {
                return Err(End::Close(Reason::TakenOver));
            }
            Event::Signalled(_) => self.ask_whether_served().await?,
            Event::Progress(Ok(Progress::Packet(length))) => {
                let bytes = self.driver.take_packet(length);
                self.heard = Instant::now();
                self.take_packet(&bytes).await?;
                self.driver.nudge().await;
                // A device that never pauses must not keep the others waiting.
                tokio::task::consume_budget().await;
            }
            Event::Progress(Ok(Progress::Drained)) => self.send_document().await?,
            Event::Progress(Err(Broken::Gone)) => return Err(End::Gone),
            Event::Progress(Err(Broken::Malformed(malformed))) => {
                return Err(End::Close(malformed.reason()));
            }
            Event::Deadline => {}
        }
        self.attend_deadlines().await
    }

    async fn take_packet(&mut self, bytes: &[u8]) -> Result<(), End> {
        let packet = Frame::of(bytes).and_then(|frame| read_packet(self.version, frame));
        let packet = packet.map_err(|malformed| End::Close(malformed.reason()))?;
        if matches!(packet, Packet::Disconnect) {
            return Err(End::Left);
        }
        if !self.is_within_rate(&packet)? {
            return Ok(());
        }
        match packet {
            Packet::Publish(publish) => self.take_publication(&publish).await,
            Packet::Puback(id) => {
                self.window.close(id);
                self.delivery.received(id);
                Ok(())
            }
            Packet::Subscribe(id, filters) => self.subscribe(id, &filters).await,
            Packet::Unsubscribe(id, filters) => {
                self.unsubscribe(id, &filters);
                Ok(())
            }
            Packet::Ping => {
                write_pong(self.driver.outbox());
                Ok(())
            }
            Packet::Disconnect => Err(End::Left),
        }
    }

    /// Whether the device may have this packet taken. PUBACKs answer to us, and cost nothing.
    fn is_within_rate(&mut self, packet: &Packet<'_>) -> Result<bool, End> {
        let rate = self.endpoint.limits.messages;
        if matches!(packet, Packet::Puback(_)) {
            return Ok(true);
        }
        match self.seated.take_message(rate, self.endpoint.clock.now()) {
            Taken::Within => {
                self.excess = 0;
                return Ok(true);
            }
            Taken::Beyond { is_news: false } => {}
            Taken::Beyond { is_news: true } => {
                let service = &self.endpoint.service;
                service.note_refused(Some(&self.identity), RefusedAttempt::TooFast);
            }
        }
        self.excess = self.excess.saturating_add(1);
        match packet {
            Packet::Publish(publish) if self.excess <= rate.burst => {
                self.refuse(publish, Reason::Quota)?;
                Ok(false)
            }
            _ => Err(End::Close(Reason::Quota)),
        }
    }

    /// The device has changed, or somebody it depends on: is it still served?
    async fn ask_whether_served(&mut self) -> Result<(), End> {
        let now = self.endpoint.clock.now();
        match self.endpoint.service.admit(&self.identity, now).await {
            Ok(device) => {
                self.ask_again = None;
                if matches!(device.status, DeviceStatus::Unregistering { .. }) {
                    let at = || Instant::now() + self.endpoint.limits.farewell;
                    self.farewell.get_or_insert_with(at);
                }
                self.delivery.learn(&device.document);
                Ok(())
            }
            Err(DeviceRefusal::Unauthenticated(why)) => Err(End::Close(reason_of(why))),
            Err(DeviceRefusal::Failure(_)) => {
                self.ask_again = Some(Instant::now() + ASKED_AGAIN);
                Ok(())
            }
        }
    }

    async fn attend_deadlines(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.heard + self.keep_alive {
            return Err(End::Close(Reason::KeepAlive));
        }
        if self.stuck_at().is_some_and(|at| now >= at) {
            return Err(End::Gone);
        }
        if self.farewell.is_some_and(|at| now >= at) {
            return Err(End::Close(Reason::Administrative));
        }
        if now >= self.expires {
            let left = self.until.since(self.endpoint.clock.now());
            if left.is_zero() {
                return Err(End::Close(Reason::ConnectTime));
            }
            self.expires = now + left.min(LONGEST_WAIT);
        }
        if self.ask_again.is_some_and(|at| now >= at) {
            self.ask_whether_served().await?;
        }
        self.delivery.attend(now.into_std());
        Ok(())
    }

    fn next_deadline(&self) -> Instant {
        let keep_alive = self.heard + self.keep_alive;
        let others = [
            self.stuck_at(),
            self.ask_again,
            self.farewell,
            self.delivery.next_deadline().map(Instant::from_std),
        ];
        let others = others.into_iter().flatten();
        others.fold(keep_alive.min(self.expires), Instant::min)
    }

    fn stuck_at(&self) -> Option<Instant> {
        let since = self.driver.stuck_since()?;
        Some(since + self.endpoint.limits.write_timeout)
    }

    /// Sends the newest version of the document, if the device wants one now.
    async fn send_document(&mut self) -> Result<(), End> {
        let (own, format, at_least_once) = match (
            self.subscriptions.quality_of(DOCUMENT),
            self.subscriptions.quality_of(DOCUMENT_CBOR),
        ) {
            (Some(quality), _) => (DOCUMENT, Format::Json, quality),
            (None, Some(quality)) => (DOCUMENT_CBOR, Format::Cbor, quality),
            (None, None) => {
                self.delivery.forgo();
                return Ok(());
            }
        };
        let now = self.endpoint.clock.now();
        let document = match self
            .endpoint
            .service
            .read_document(&self.identity, now)
            .await
        {
            Ok(document) => document,
            Err(error) => {
                self.end_or(error)?;
                self.delivery.postpone(Instant::now().into_std());
                return Ok(());
            }
        };
        let packet_id = at_least_once.then(|| self.window.open()).flatten();
        let payload = ics_channel::document::encode(&document, format);
        let publication = Publication {
            topic: &self.subtree.name(own),
            packet_id,
            content_type: format.media_type(),
            correlation_data: None,
            payload: &payload,
        };
        let sent = self.publish(&publication).then_some(packet_id);
        self.delivery
            .sent(document.version, sent, Instant::now().into_std());
        Ok(())
    }

    /// Sends a message; `false` when it is longer than the device takes (3.1.2.11.4: then it is as
    /// if it had been sent).
    fn publish(&mut self, publication: &Publication<'_>) -> bool {
        let outbox = self.driver.outbox();
        let before = outbox.len();
        if write_publication(outbox, self.version, publication) <= self.maximum_packet_size {
            return true;
        }
        outbox.truncate(before);
        if let Some(id) = publication.packet_id {
            self.window.close(id);
        }
        tracing::warn!(iot_sp = %self.identity.iot_sp, "device takes no packet of this length");
        false
    }

    /// What a call that failed means to the device, if its session goes on.
    fn end_or(&self, error: ChannelError) -> Result<Refusal, End> {
        Refusal::of(error).map_err(|why| End::Close(reason_of(why)))
    }
}

/// No timer runs longer than this: the wall clock may be set meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What a device is told that is no longer served.
const fn reason_of(why: Unauthenticated) -> Reason {
    match why {
        Unauthenticated::Expired => Reason::ConnectTime,
        Unauthenticated::Unknown
        | Unauthenticated::Credential
        | Unauthenticated::Revoked
        | Unauthenticated::Channel
        | Unauthenticated::SpNotServed => Reason::Administrative,
    }
}

#[cfg(test)]
mod tests;
