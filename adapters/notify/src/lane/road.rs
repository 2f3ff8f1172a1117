//! The roads of a lane: each host its addressee is called back at, its websocket, and its AE. One
//! that rests, or takes its time, holds up none of the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ics_core::id::Origin;
use ics_core::procedure::Knobs;
use ics_core::service::Route;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cooldown::{Cooldown, Sign};

/// How many times the width of one road all roads of a lane have together. One with nothing under way
/// may begin all the same: four that hang hold up no fifth.
const ROADS_AT_ONCE: usize = 4;

/// After so long without an answer, entries of other roads go past those of a road that is full.
const SLOW: Duration = Duration::from_secs(1);

/// The way an entry goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Road {
    /// To the host of its callback.
    Callback(Origin),
    /// By the websocket that is open, or waiting for one.
    Websocket,
    /// To its AE on a oneM2M platform.
    OneM2m,
}

/// Whether an entry of a road may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may.
    Free,
    /// As many are under way as may be; it waits its turn, and so do those behind it.
    Full,
    /// Not for a while: the road rests or is slow, or the lane is full. Others go past.
    Blocked,
}

/// The roads of one lane.
#[derive(Debug)]
pub(super) struct Roads {
    states: HashMap<Road, State>,
    /// Attempts under way at once on one road.
    width: usize,
    /// Attempts under way on all of them.
    under_way: usize,
}

#[derive(Debug)]
struct State {
    cooldown: Cooldown,
    under_way: usize,
    /// One attempt of its own, which waits for no other road; beyond it they share with all lanes.
    own: Arc<Semaphore>,
    /// When an attempt last ended, or the first one began.
    moved: Instant,
    /// Whether the end of a rest is still to be noticed.
    rests: bool,
}

impl Road {
    /// The road of what may go by `route`, with or without an open websocket.
    pub(super) fn of(route: Route, has_socket: bool) -> Self {
        match route.callback {
            _ if route.onem2m => Self::OneM2m,
            Some(origin) if !(route.websocket && has_socket) => Self::Callback(origin),
            _ => Self::Websocket,
        }
    }
}

impl Roads {
    /// Roads of that width.
    pub(super) fn new(width: usize) -> Self {
        Self {
            states: HashMap::new(),
            width: width.max(1),
            under_way: 0,
        }
    }

    /// Whether an entry of `road` may be tried at `now`; `probes`: one at a time, on all of them.
    pub(super) fn standing(&self, road: &Road, probes: bool, now: Instant) -> Standing {
        let state = self.states.get(road);
        let has_room = if probes {
            self.under_way == 0
        } else {
            self.under_way < self.width.saturating_mul(ROADS_AT_ONCE)
                || state.is_none_or(|state| state.under_way == 0)
        };
        let Some(state) = state else {
            return if has_room {
                Standing::Free
            } else {
                Standing::Full
            };
        };
        if state.cooldown.rest(now).is_some() {
            Standing::Blocked
        } else if has_room && state.under_way < state.cooldown.width(self.width) {
            Standing::Free
        } else if state.under_way > 0
            && (state.cooldown.is_in_trouble()
                || now.duration_since(state.moved) >= SLOW
                // The lane is full, and roads behind this one may begin one all the same.
                || !(has_room || probes))
        {
            Standing::Blocked
        } else {
            Standing::Full
        }
    }

    /// An attempt on `road` begins. Returns the road's own permit.
    pub(super) fn begin(&mut self, road: &Road, now: Instant) -> Arc<Semaphore> {
        let state = self.states.entry(road.clone()).or_insert_with(|| State {
            cooldown: Cooldown::default(),
            under_way: 0,
            own: Arc::new(Semaphore::new(1)),
            moved: now,
            rests: false,
        });
        if state.under_way == 0 {
            state.moved = now;
        }
        state.under_way = state.under_way.saturating_add(1);
        self.under_way = self.under_way.saturating_add(1);
        state.own.clone()
    }

    /// An attempt on `road` ended; see [`Cooldown::note`]. Returns whether it rests anew.
    pub(super) fn end(
        &mut self,
        (road, sign): (&Road, Sign),
        (knobs, now): (&Knobs, Instant),
        draw: impl FnOnce(Duration) -> Duration,
    ) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(state) = self.states.get_mut(road) else {
            return false;
        };
        state.under_way = state.under_way.saturating_sub(1);
        state.moved = now;
        let rests = state.cooldown.note(sign, (knobs, now), draw);
        state.rests |= rests;
        if state.under_way == 0 && state.cooldown.is_untroubled() {
            // As one that was never gone.
            self.states.remove(road);
        }
        rests
    }

    /// Whether a rest has ended since this was asked last.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        let mut woken = false;
        for state in self.states.values_mut() {
            if state.rests && state.cooldown.rest(now).is_none() {
                state.rests = false;
                woken = true;
            }
        }
        woken
    }

    /// How long until a road changes by time alone.
    pub(super) fn next_change(&self, now: Instant) -> Option<Duration> {
        let changes = self.states.values().filter_map(|state| {
            state.cooldown.rest(now).or_else(|| {
                let waits = state.under_way > 0 && !state.cooldown.is_in_trouble();
                let slow = SLOW.checked_sub(now.duration_since(state.moved))?;
                (waits && !slow.is_zero()).then_some(slow)
            })
        });
        changes.min()
    }

    /// A fresh start for `road`.
    pub(super) fn forgive(&mut self, road: &Road) {
        if let Some(state) = self.states.get_mut(road) {
            state.cooldown = Cooldown::default();
            state.rests = false;
        }
    }
}

#[cfg(test)]
mod tests;
