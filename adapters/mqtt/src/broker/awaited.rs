//! Which devices are owed their document, and when it goes out to each. It is state, so only its
//! newest version does, and one at a time: on change, on contact, and again by timer (channels.md).
//!
//! Who subscribes is the broker's knowledge, not ours. So a device that does not answer is sent its
//! document by the same plan as on our own endpoint, and then rests until it is heard of again; the
//! truth is in the store. Nothing is kept of a device that is owed nothing.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::device::{Channel, HostedDevice};
use ics_core::id::{DeviceId, SpId};
use ics_core::port::DeviceBell;
use ics_core::principal::DeviceIdentity;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use ics_channel::{AGAIN, FRESH};

/// The devices that are owed their document through a broker. Made before the service, which rings
/// it, and shared with the [`Broker`](crate::Broker), which attends to it.
#[derive(Default)]
pub struct Awaited {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    entries: HashMap<DeviceId, Entry>,
    /// Whose turn it is, in order; those that are no entries any more are passed by.
    ready: VecDeque<DeviceId>,
    due: BTreeSet<(Instant, DeviceId)>,
}

struct Entry {
    stage: Stage,
    /// Who it was a moment ago, when it was heard of.
    heard: Option<Arc<DeviceIdentity>>,
    /// Though it has acknowledged the newest version: it may have lost it.
    is_forced: bool,
    /// The newest version that a ring told of.
    newest: u64,
    sent: Option<Sent>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Ready,
    /// It is on its way; whether it shall go out once more then.
    UnderWay {
        again: bool,
    },
    Waiting(Instant),
}

#[derive(Clone, Copy)]
struct Sent {
    version: u64,
    at: Instant,
    times: usize,
}

/// A device whose document shall go out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) device: DeviceId,
    /// Though it has acknowledged the newest version.
    pub(super) is_forced: bool,
    /// Who it was a moment ago, if that is known: whether it still is, is asked.
    pub(super) heard: Option<Arc<DeviceIdentity>>,
    /// The version that went out last, and how often it did.
    sent: Option<(u64, usize)>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This version went out.
    Sent(u64),
    /// Nothing is owed, or the device is not served.
    Nothing,
    /// Not now: later.
    Failed,
    /// The connection broke: on the next.
    Lost,
}

impl Due {
    /// How long the broker may keep this version, so that no older copy waits beside the next; the
    /// last is kept for who comes late.
    pub(super) fn expiry(&self, version: u64) -> Option<Duration> {
        AGAIN.get(self.times(version)).copied()
    }

    /// How often this version went out before.
    fn times(&self, version: u64) -> usize {
        match self.sent {
            Some((sent, times)) if sent == version => times,
            _ => 0,
        }
    }
}

impl Awaited {
    /// The device was heard of: if it is owed something, it goes out, unless it just has.
    pub(super) fn contact(&self, identity: &Arc<DeviceIdentity>, now: Instant) {
        let device = &identity.device_id;
        let mut state = self.lock();
        let sent = state.entries.get(device).and_then(|entry| entry.sent);
        if sent.is_none_or(|sent| now >= sent.at + FRESH) {
            state.want(device, false).heard = Some(Arc::clone(identity));
            self.changed.notify_one();
        }
    }

    /// The device has just come: it gets what it must hold, whatever it acknowledged before.
    pub(super) fn greet(&self, device: &DeviceId) {
        self.want(device, true);
    }

    /// The device may be owed something.
    pub(super) fn want(&self, device: &DeviceId, is_forced: bool) {
        self.lock().want(device, is_forced);
        self.changed.notify_one();
    }

    /// The next whose turn it is.
    pub(super) fn take(&self, now: Instant) -> Option<Due> {
        let mut state = self.lock();
        state.wake(now);
        loop {
            let device = state.ready.pop_front()?;
            if let Some(entry) = state.entries.get_mut(&device)
                && entry.stage == Stage::Ready
            {
                entry.stage = Stage::UnderWay { again: false };
                let is_forced = std::mem::take(&mut entry.is_forced);
                let sent = entry.sent.map(|sent| (sent.version, sent.times));
                return Some(Due {
                    device,
                    is_forced,
                    heard: entry.heard.take(),
                    sent,
                });
            }
        }
    }

    /// What became of one that was taken.
    pub(super) fn settle(&self, due: &Due, outcome: Outcome, now: Instant) {
        let mut state = self.lock();
        state.settle(due, outcome, now);
        self.changed.notify_one();
    }

    /// How many are to go out at once, or next.
    pub(super) fn backlog(&self) -> usize {
        self.lock().ready.len()
    }

    /// Waits until there may be something to take. May be dropped and called again.
    pub(super) async fn wait(&self) {
        loop {
            let next = {
                let state = self.lock();
                if !state.ready.is_empty() {
                    return;
                }
                state.due.first().map(|(at, _)| *at)
            };
            let alarm = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = alarm => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceBell for Awaited {
    fn ring(&self, id: &DeviceId, device: Option<&HostedDevice>) {
        let mut state = self.lock();
        let Some(device) = device.filter(|device| device.channels.contain(Channel::Mqtt)) else {
            state.forget(id);
            return;
        };
        let version = device.document.version;
        if device.is_awaited() {
            let entry = state.want(id, false);
            entry.newest = entry.newest.max(version);
            self.changed.notify_one();
        } else if state.entries.get(id).is_some_and(|e| e.newest <= version) {
            // Rings of changes that are close together may come in any order.
            state.forget(id);
        }
    }

    fn recheck(&self, _: &SpId) {
        // Each message asks, and so does each document that goes out.
    }
}

impl State {
    fn want(&mut self, device: &DeviceId, is_forced: bool) -> &mut Entry {
        let entry = self.entries.entry(device.clone()).or_insert(Entry {
            stage: Stage::Idle,
            heard: None,
            is_forced: false,
            newest: 0,
            sent: None,
        });
        entry.is_forced |= is_forced;
        match entry.stage {
            Stage::Ready => return entry,
            // One at a time.
            Stage::UnderWay { .. } => {
                entry.stage = Stage::UnderWay { again: true };
                return entry;
            }
            Stage::Waiting(at) => {
                self.due.remove(&(at, device.clone()));
            }
            Stage::Idle => {}
        }
        entry.stage = Stage::Ready;
        self.ready.push_back(device.clone());
        entry
    }

    fn settle(&mut self, due: &Due, outcome: Outcome, now: Instant) {
        let device = &due.device;
        // Gone meanwhile: it acknowledged, or is no more.
        let Some(entry) = self.entries.get_mut(device) else {
            return;
        };
        let Stage::UnderWay { again } = entry.stage else {
            return;
        };
        let mut pause = AGAIN.first().copied();
        match outcome {
            Outcome::Sent(version) => {
                let times = due.times(version);
                pause = due.expiry(version);
                entry.sent = Some(Sent {
                    version,
                    at: now,
                    times: times.saturating_add(1),
                });
            }
            Outcome::Nothing => pause = None,
            Outcome::Failed => entry.is_forced |= due.is_forced,
            Outcome::Lost => {
                entry.is_forced |= due.is_forced;
                pause = Some(Duration::ZERO);
            }
        }
        if again || outcome == Outcome::Lost {
            entry.stage = Stage::Ready;
            self.ready.push_back(device.clone());
        } else if let Some(pause) = pause {
            let at = now + pause;
            entry.stage = Stage::Waiting(at);
            self.due.insert((at, device.clone()));
        } else {
            self.entries.remove(device);
        }
    }

    /// Those whose time has come are ready.
    fn wake(&mut self, now: Instant) {
        while let Some((at, device)) = self.due.pop_first() {
            if now < at {
                self.due.insert((at, device));
                return;
            }
            if let Some(entry) = self.entries.get_mut(&device) {
                entry.stage = Stage::Ready;
                self.ready.push_back(device);
            }
        }
    }

    fn forget(&mut self, device: &DeviceId) {
        if let Some(entry) = self.entries.remove(device)
            && let Stage::Waiting(at) = entry.stage
        {
            self.due.remove(&(at, device.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
