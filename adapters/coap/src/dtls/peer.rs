//! Who has begun and who is met, in the orders in which something is due of them.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ics_channel::DeviceCertificate;

use super::crowd::{Crowd, Turn};
use super::flight::Flight;
use super::hello::COOKIE;

/// How often the last message of a client may come again, and how long it may be.
const REPEATS: u8 = 8;
const LONGEST_REPEAT: usize = 256;

/// One address.
pub(crate) struct Peer {
    /// The cookie of the hello it began with: no other hello has it.
    hello: [u8; COOKIE],
    stage: Stage,
}

/// How far it is.
pub(crate) enum Stage {
    /// Its handshake is under way.
    Begun(Box<Begun>),
    /// It is met.
    Met(Met),
}

/// A handshake under way.
pub(crate) struct Begun {
    pub(crate) since: Instant,
    pub(crate) datagrams: u32,
    pub(crate) bytes: usize,
    /// What it answers with, until that is whole and handed on.
    pub(crate) flight: Option<Flight>,
    /// The identity whose key is awaited.
    pub(crate) asked: Option<Vec<u8>>,
    /// Whose certificate it showed.
    pub(crate) device: Option<DeviceCertificate>,
    turn: Turn,
    due: Instant,
}

impl Begun {
    pub(crate) const fn new(now: Instant, flight: Flight) -> Self {
        Self {
            since: now,
            datagrams: 1,
            bytes: 0,
            flight: Some(flight),
            asked: None,
            device: None,
            turn: 0,
            due: now,
        }
    }
}

/// One that is met.
pub(crate) struct Met {
    /// When it spoke last, or was met.
    heard: Instant,
    /// Where it stands among the silent: never later than `heard`.
    filed: Instant,
    has_said: bool,
    repeats: u8,
}

impl Met {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            heard: now,
            filed: now,
            has_said: false,
            repeats: 0,
        }
    }

    pub(crate) fn note_said(&mut self, now: Instant) {
        self.has_said = true;
        self.heard = self.heard.max(now);
    }

    /// Whether a handshake record of this length may be the last message once more. rtc-dtls keeps
    /// each; who speaks has had our answer to it.
    pub(crate) fn is_repeat_due(&mut self, length: usize) -> bool {
        let is_due = !self.has_said && self.repeats < REPEATS && length <= LONGEST_REPEAT;
        self.repeats += u8::from(is_due);
        is_due
    }
}

/// All of a socket.
#[derive(Default)]
pub(crate) struct Peers {
    all: HashMap<SocketAddr, Peer>,
    crowd: Crowd,
    /// Handshakes by when something is due.
    due: BTreeSet<(Instant, SocketAddr)>,
    /// Those met by when they were heard. One that speaks is not moved: that is done when its place
    /// is looked at.
    silent: BTreeSet<(Instant, SocketAddr)>,
}

impl Peers {
    pub(crate) fn stage(&mut self, peer: SocketAddr) -> Option<&mut Stage> {
        self.all.get_mut(&peer).map(|peer| &mut peer.stage)
    }

    /// The cookie of the hello it began with.
    pub(crate) fn hello(&self, peer: SocketAddr) -> Option<[u8; COOKIE]> {
        self.all.get(&peer).map(|peer| peer.hello)
    }

    /// A new one.
    pub(crate) fn enter(&mut self, peer: SocketAddr, hello: [u8; COOKIE], mut begun: Begun) {
        self.leave(peer);
        begun.turn = self.crowd.enter(peer);
        self.due.insert((begun.due, peer));
        let stage = Stage::Begun(Box::new(begun));
        self.all.insert(peer, Peer { hello, stage });
    }

    /// One whose handshake is whole.
    pub(crate) fn meet(&mut self, peer: SocketAddr, met: Met) {
        if let Some(Peer { hello, .. }) = self.leave(peer) {
            self.silent.insert((met.filed, peer));
            let stage = Stage::Met(met);
            self.all.insert(peer, Peer { hello, stage });
        }
    }

    /// One less.
    pub(crate) fn leave(&mut self, peer: SocketAddr) -> Option<Peer> {
        let left = self.all.remove(&peer)?;
        match &left.stage {
            Stage::Begun(begun) => {
                self.crowd.leave(begun.turn, peer);
                self.due.remove(&(begun.due, peer));
            }
            Stage::Met(met) => {
                self.silent.remove(&(met.filed, peer));
            }
        }
        Some(left)
    }

    /// How many handshakes are under way.
    pub(crate) fn begun(&self) -> usize {
        self.crowd.len()
    }

    /// How many are met.
    pub(crate) fn met(&self) -> usize {
        self.silent.len()
    }

    /// They, in no order that matters.
    pub(crate) fn all_met(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.silent.iter().map(|(_, peer)| *peer)
    }

    /// The handshake that has to go first.
    pub(crate) fn first_to_go(&self, most: usize) -> Option<SocketAddr> {
        self.crowd.first_to_go(most)
    }

    /// Files a handshake by what is due first: a repetition, or its end.
    pub(crate) fn file_due(&mut self, peer: SocketAddr, repeat: Option<Instant>, limit: Duration) {
        let Some(Stage::Begun(begun)) = self.all.get_mut(&peer).map(|peer| &mut peer.stage) else {
            return;
        };
        self.due.remove(&(begun.due, peer));
        let end = begun.since.checked_add(limit);
        begun.due = end.into_iter().chain(repeat).min().unwrap_or(begun.since);
        self.due.insert((begun.due, peer));
    }

    /// The handshake of which something is due first, and when.
    pub(crate) fn first_due(&self) -> Option<(Instant, SocketAddr)> {
        self.due.first().copied()
    }

    /// A handshake of which something is due by `now`; it is filed anew, or ends.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<SocketAddr> {
        let (due, _) = self.first_due()?;
        let (_, peer) = (due <= now).then(|| self.due.pop_first())??;
        Some(peer)
    }

    /// One that may be the most silent, and since when at the earliest.
    pub(crate) fn first_silent(&self) -> Option<(Instant, SocketAddr)> {
        self.silent.first().copied()
    }

    /// Files one by when it was heard; whether that is later than where it stood.
    pub(crate) fn file_silent(&mut self, peer: SocketAddr) -> bool {
        let Some(Stage::Met(met)) = self.all.get_mut(&peer).map(|peer| &mut peer.stage) else {
            return false;
        };
        if met.heard <= met.filed {
            return false;
        }
        self.silent.remove(&(met.filed, peer));
        met.filed = met.heard;
        self.silent.insert((met.filed, peer));
        true
    }

    /// The one that was silent longest. What is moved on the way has spoken since it was filed.
    pub(crate) fn most_silent(&mut self) -> Option<SocketAddr> {
        loop {
            let (_, peer) = self.first_silent()?;
            if !self.file_silent(peer) {
                return Some(peer);
            }
        }
    }
}
