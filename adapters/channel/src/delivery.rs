//! When the document goes out by itself. It is state, so only its newest version does, and one at a
//! time: on subscribe (MQTT) or observe (CoAP), on change, on each contact while it is not
//! acknowledged, and by timer (channels.md).

use std::time::{Duration, Instant};

use ics_core::device_document::DocumentState;

/// How long after it was sent the same version is sent again; the last goes on.
pub const AGAIN: [Duration; 3] = [
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// A contact does not have it sent again sooner.
pub const FRESH: Duration = Duration::from_secs(5);

/// What is known of the document's way to the device.
#[derive(Debug, Default)]
pub struct Delivery {
    is_wanted: bool,
    sent: Option<Sent>,
    /// The newest version the device has acknowledged.
    acknowledged: u64,
    /// The message under way with it that will be acknowledged: a QoS 1 one, or a confirmable one.
    under_way: Option<u16>,
    again: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    version: u64,
    at: Instant,
    /// How often.
    times: usize,
}

impl Delivery {
    /// Whether it shall go out as soon as there is room.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.is_wanted && self.under_way.is_none()
    }

    /// The device subscribed to it.
    pub const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Nobody subscribes to it.
    pub const fn forgo(&mut self) {
        self.is_wanted = false;
        self.again = None;
    }

    /// What the service knows of it by now.
    pub fn learn(&mut self, state: &DocumentState) {
        self.acknowledge(state.acknowledged);
        if self.sent.is_some_and(|sent| state.version > sent.version) {
            self.is_wanted = true;
        }
    }

    /// The device holds this version.
    pub fn acknowledge(&mut self, version: u64) {
        self.acknowledged = self.acknowledged.max(version);
        if !self.is_awaited() {
            self.again = None;
        }
    }

    /// The device is there: it gets again what it has not acknowledged.
    pub fn contact(&mut self, now: Instant) {
        let is_fresh = |sent: Sent| now < sent.at + FRESH;
        if self.is_awaited() && !self.sent.is_some_and(is_fresh) {
            self.is_wanted = true;
        }
    }

    /// It went out, as a message with this identifier that will be acknowledged or as one that will
    /// not; `None`: it cannot.
    pub fn sent(&mut self, version: u64, how: Option<Option<u16>>, now: Instant) {
        let before = self.sent.filter(|sent| sent.version == version);
        let times = before.map_or(0, |sent| sent.times.saturating_add(1));
        self.sent = Some(Sent {
            version,
            at: now,
            times,
        });
        self.is_wanted = false;
        self.again = None;
        if let Some(packet_id) = how {
            self.under_way = packet_id;
            self.again = self.is_awaited().then(|| now + pause(times));
        }
    }

    /// It could not be read: later.
    pub fn postpone(&mut self, now: Instant) {
        self.is_wanted = false;
        self.again = Some(now + pause(0));
    }

    /// The device has received the message with this identifier; it has not said that it stored it.
    pub fn received(&mut self, packet_id: u16) {
        if self.under_way == Some(packet_id) {
            self.under_way = None;
        }
    }

    /// When [`Self::attend`] is next of use.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.again
    }

    /// Wants it again, if it is time.
    pub fn attend(&mut self, now: Instant) {
        if self.again.is_none_or(|again| now < again) {
            return;
        }
        if self.under_way.is_some() {
            // It is on its way already: one at a time.
            let times = self.sent.map_or(0, |sent| sent.times);
            self.again = Some(now + pause(times.saturating_add(1)));
        } else {
            self.again = None;
            self.is_wanted = true;
        }
    }

    fn is_awaited(&self) -> bool {
        self.sent
            .is_some_and(|sent| sent.version > self.acknowledged)
    }
}

fn pause(times: usize) -> Duration {
    let [.., longest] = AGAIN;
    AGAIN.get(times).copied().unwrap_or(longest)
}

#[cfg(test)]
mod tests;
