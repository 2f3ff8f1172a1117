//! Whose document is to be looked after, and when: on change, on contact, and again by the timers of
//! [`Delivery`] (channels.md). Nothing is kept here of a device that is owed nothing; the truth is in the store.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ics_channel::Delivery;
use ics_core::id::DeviceId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The devices whose turn is now, or comes.
#[derive(Default)]
pub(super) struct Desk {
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

#[derive(Default)]
struct Entry {
    delivery: Delivery,
    stage: Stage,
    /// Nothing was sent yet, as far as is known here.
    is_first: bool,
    /// The device was there since.
    is_met: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Ready,
    /// It is looked after; whether it shall be once more then.
    UnderWay {
        again: bool,
    },
    Waiting(Instant),
}

/// A device that is to be looked after now.
pub(super) struct Turn {
    pub(super) device: DeviceId,
    pub(super) delivery: Delivery,
    pub(super) is_first: bool,
    pub(super) is_met: bool,
}

/// What comes next for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is owed nothing, or can be told nothing.
    Nothing,
    /// What it is owed is sent again at its time.
    Wait,
    /// It did not work; the same again.
    Later,
}

impl Desk {
    /// Something may have changed for the device.
    pub(super) fn want(&self, device: &DeviceId) {
        let mut state = self.lock();
        if !state.entries.contains_key(device) {
            let entry = Entry {
                is_first: true,
                ..Entry::default()
            };
            state.entries.insert(device.clone(), entry);
            state.ready.push_back(device.clone());
        } else {
            state.hurry(device);
        }
        self.changed.notify_one();
    }

    /// The device was there: if it is owed something, it is told again, unless it just was.
    pub(super) fn meet(&self, device: &DeviceId) {
        let mut state = self.lock();
        if let Some(entry) = state.entries.get_mut(device) {
            entry.is_met = true;
            state.hurry(device);
            self.changed.notify_one();
        }
    }

    /// The next whose turn it is.
    pub(super) fn take(&self, now: Instant) -> Option<Turn> {
        let mut state = self.lock();
        state.wake(now);
        loop {
            let device = state.ready.pop_front()?;
            if let Some(entry) = state.entries.get_mut(&device)
                && entry.stage == Stage::Ready
            {
                entry.stage = Stage::UnderWay { again: false };
                let mut delivery = std::mem::take(&mut entry.delivery);
                delivery.attend(now.into_std());
                return Some(Turn {
                    device,
                    delivery,
                    is_first: std::mem::take(&mut entry.is_first),
                    is_met: std::mem::take(&mut entry.is_met),
                });
            }
        }
    }

    /// What came of it.
    pub(super) fn settle(&self, turn: Turn, next: Next) {
        let mut state = self.lock();
        let Some(entry) = state.entries.get_mut(&turn.device) else {
            return;
        };
        let again = entry.stage == Stage::UnderWay { again: true };
        let deadline = turn.delivery.next_deadline().map(Instant::from_std);
        entry.delivery = turn.delivery;
        match (again, next, deadline) {
            (true, ..) => {
                entry.is_first |= next != Next::Wait;
                entry.stage = Stage::Ready;
                state.ready.push_back(turn.device);
                self.changed.notify_one();
            }
            (false, Next::Wait | Next::Later, Some(at)) => {
                entry.is_first |= next == Next::Later;
                entry.stage = Stage::Waiting(at);
                state.due.insert((at, turn.device));
            }
            (false, ..) => {
                state.entries.remove(&turn.device);
            }
        }
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

impl State {
    /// One that waits has its turn now; one that is under way, once more.
    fn hurry(&mut self, device: &DeviceId) {
        let Some(entry) = self.entries.get_mut(device) else {
            return;
        };
        match entry.stage {
            Stage::Ready => {}
            Stage::UnderWay { .. } => entry.stage = Stage::UnderWay { again: true },
            Stage::Waiting(at) => {
                self.due.remove(&(at, device.clone()));
                entry.stage = Stage::Ready;
                self.ready.push_back(device.clone());
            }
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
}
