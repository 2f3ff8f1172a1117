//! In which order messages are acted upon and settled: those of one device one after the other,
//! those of several at once, and all settled in the order in which they came (MQTT 5, 4.6).

use std::collections::{HashMap, VecDeque};

use ics_core::id::DeviceId;

/// The messages of one connection that are not settled yet. `M` is a message, `A` settles one.
pub(super) struct Intake<M, A> {
    /// In the order in which they came.
    unsettled: VecDeque<Unsettled<A>>,
    /// The number of the first of them.
    first: u64,
    /// What waits behind a message of the same device that is acted upon.
    lanes: HashMap<DeviceId, VecDeque<(Option<u64>, M)>>,
}

struct Unsettled<A> {
    ack: A,
    is_done: bool,
}

/// A message whose turn it is.
pub(super) struct Turn<M> {
    /// Its number on the connection; none of a message that nobody waits to see settled (QoS 0).
    pub(super) number: Option<u64>,
    pub(super) device: DeviceId,
    pub(super) message: M,
}

impl<M, A> Intake<M, A> {
    pub(super) fn new() -> Self {
        Self {
            unsettled: VecDeque::new(),
            first: 0,
            lanes: HashMap::new(),
        }
    }

    /// Takes a message of `device`; it comes back if it is its turn.
    pub(super) fn take(&mut self, device: DeviceId, message: M, ack: Option<A>) -> Option<Turn<M>> {
        let number = ack.map(|ack| self.enter(ack, false));
        if let Some(lane) = self.lanes.get_mut(&device) {
            lane.push_back((number, message));
            return None;
        }
        self.lanes.insert(device.clone(), VecDeque::new());
        Some(Turn {
            number,
            device,
            message,
        })
    }

    /// Takes a message that nobody will act upon.
    pub(super) fn ignore(&mut self, ack: Option<A>) {
        if let Some(ack) = ack {
            self.enter(ack, true);
        }
    }

    fn enter(&mut self, ack: A, is_done: bool) -> u64 {
        let number = self.first.saturating_add(self.unsettled.len() as u64);
        self.unsettled.push_back(Unsettled { ack, is_done });
        number
    }

    /// A message has been acted upon; the next of its device, if one waits, has its turn.
    pub(super) fn finish(&mut self, number: Option<u64>, device: DeviceId) -> Option<Turn<M>> {
        let place = number.and_then(|number| number.checked_sub(self.first));
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(unsettled) = place.and_then(|place| self.unsettled.get_mut(place)) {
            unsettled.is_done = true;
        }
        let lane = self.lanes.get_mut(&device)?;
        let Some((number, message)) = lane.pop_front() else {
            self.lanes.remove(&device);
            return None;
        };
        Some(Turn {
            number,
            device,
            message,
        })
    }

    /// The next that may be settled: all before it are.
    pub(super) fn settle(&mut self) -> Option<A> {
        let first = self.unsettled.pop_front_if(|first| first.is_done)?;
        self.first = self.first.saturating_add(1);
        Some(first.ack)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests;
