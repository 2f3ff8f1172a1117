//! The messages of one peer (RFC 7252 4): what was said before is not done again, and what must
//! arrive is sent until it does, one at a time (NSTART 1). Without I/O, without a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::message::{acknowledgement, reset};

/// RFC 7252 4.8: how long a first answer is waited for, at least; at most half as long again.
const ACK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is sent again; each time it is waited for twice as long.
const MAX_RETRANSMIT: u32 = 4;
/// How long a message may be repeated by who sent it (EXCHANGE_LIFETIME).
pub(crate) const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// How many requests of one peer are remembered.
pub(crate) const MOST_REMEMBERED: usize = 16;
/// How many messages of one peer wait for their turn.
const MOST_WAITING: usize = 8;

/// What is known of a message id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing.
    New,
    /// It is being worked on; this says so, if anything.
    AtWork(Option<[u8; 4]>),
    /// It was done, and this was said.
    Done(Vec<u8>),
}

/// What came of a message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrived.
    Arrived(u16),
    /// Whoever got it has no use for it.
    Refused(u16),
    /// Nobody said anything.
    Lost(u16),
}

/// The messages of one peer.
#[derive(Debug)]
pub(crate) struct Exchange {
    remembered: VecDeque<Remembered>,
    /// Bytes of the replies in `remembered`.
    bytes: usize,
    next_id: u16,
    under_way: Option<UnderWay>,
    waiting: VecDeque<(u16, Vec<u8>)>,
    out: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Remembered {
    id: u16,
    until: Instant,
    /// `None` while it is being worked on.
    said: Option<Vec<u8>>,
    is_acknowledged: bool,
}

#[derive(Debug)]
struct UnderWay {
    id: u16,
    message: Vec<u8>,
    due: Instant,
    pause: Duration,
    times: u32,
}

impl Exchange {
    /// The first message of ours has the id `first`: any.
    pub(crate) const fn new(first: u16) -> Self {
        Self {
            remembered: VecDeque::new(),
            bytes: 0,
            next_id: first,
            under_way: None,
            waiting: VecDeque::new(),
            out: VecDeque::new(),
        }
    }

    /// A request came with this id. One that is new is remembered from now on.
    pub(crate) fn meet(&mut self, now: Instant, id: u16) -> Seen {
        self.forget(now);
        let known = self.remembered.iter().find(|known| known.id == id);
        if let Some(known) = known {
            return match &known.said {
                Some(said) => Seen::Done(said.clone()),
                None => Seen::AtWork(known.is_acknowledged.then(|| acknowledgement(id))),
            };
        }
        if self.remembered.len() >= MOST_REMEMBERED {
            self.drop_oldest();
        }
        self.remembered.push_back(Remembered {
            id,
            until: now + EXCHANGE_LIFETIME,
            said: None,
            is_acknowledged: false,
        });
        Seen::New
    }

    /// The request with this id takes its time: it is acknowledged, its answer comes by itself.
    pub(crate) fn acknowledge(&mut self, id: u16) {
        if let Some(known) = self.remembered.iter_mut().find(|known| known.id == id) {
            known.is_acknowledged = true;
        }
        self.out.push_back(acknowledgement(id).to_vec());
    }

    /// Whether the request with this id was acknowledged already.
    pub(crate) fn is_acknowledged(&self, id: u16) -> bool {
        let mut known = self.remembered.iter();
        known.any(|known| known.id == id && known.is_acknowledged)
    }

    /// Says this to the request with that id, and again whenever it is repeated.
    pub(crate) fn reply(&mut self, id: u16, message: Vec<u8>) {
        if let Some(known) = self.remembered.iter_mut().find(|known| known.id == id)
            && known.said.is_none()
        {
            self.bytes = self.bytes.saturating_add(message.len());
            known.said = Some(message.clone());
        }
        if !message.is_empty() {
            self.out.push_back(message);
        }
    }

    /// The request with this id was answered apart from its acknowledgement, which is what is said
    /// when it is repeated.
    pub(crate) fn answered_apart(&mut self, id: u16) {
        if let Some(known) = self.remembered.iter_mut().find(|known| known.id == id) {
            let said = acknowledgement(id).to_vec();
            self.bytes = self.bytes.saturating_add(said.len());
            known.said = Some(said);
        }
    }

    /// Forgets everything about the request with this id: if it is repeated, it is new.
    pub(crate) fn disown(&mut self, id: u16) {
        self.remembered.retain(|known| known.id != id);
        self.bytes = self.remembered.iter().map(Remembered::length).sum();
    }

    /// Sends something that is not remembered, once.
    pub(crate) fn say(&mut self, message: Vec<u8>) {
        self.out.push_back(message);
    }

    /// Says that a message of that id is of no use.
    pub(crate) fn reject(&mut self, id: u16) {
        self.out.push_back(reset(id).to_vec());
    }

    /// An id for a message of ours.
    pub(crate) fn draw_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Sends a confirmable message until it is acknowledged, after those that wait; `jitter` is any
    /// number. `false`: too many wait, and it is not sent.
    pub(crate) fn send(&mut self, now: Instant, (id, message): (u16, Vec<u8>), jitter: u8) -> bool {
        if self.under_way.is_some() {
            let has_room = self.waiting.len() < MOST_WAITING;
            if has_room {
                self.waiting.push_back((id, message));
            }
            return has_room;
        }
        self.begin(now, (id, message), jitter);
        true
    }

    /// The message with this id arrived, or was of no use.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        id: u16,
        arrived: bool,
        jitter: u8,
    ) -> Option<Fate> {
        let is_it = self.under_way.as_ref().is_some_and(|way| way.id == id);
        if !is_it {
            return None;
        }
        self.under_way = None;
        self.go_on(now, jitter);
        Some(if arrived {
            Fate::Arrived(id)
        } else {
            Fate::Refused(id)
        })
    }

    /// When [`Self::attend`] is next of use.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|way| way.due)
    }

    /// Sends again what is due, or gives it up.
    pub(crate) fn attend(&mut self, now: Instant, jitter: u8) -> Option<Fate> {
        let way = self.under_way.as_mut().filter(|way| way.due <= now)?;
        if way.times < MAX_RETRANSMIT {
            way.times = way.times.saturating_add(1);
            way.pause = way.pause.saturating_mul(2);
            way.due = now + way.pause;
            self.out.push_back(way.message.clone());
            return None;
        }
        let id = way.id;
        self.under_way = None;
        self.go_on(now, jitter);
        Some(Fate::Lost(id))
    }

    /// What goes out next.
    pub(crate) fn outgoing(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// Bytes of the replies that are remembered.
    pub(crate) const fn remembered_bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the replies, longest ago first, until they take no more than this. Those requests
    /// stay known: repeated, they get no answer, and are not done again.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        for known in &mut self.remembered {
            if self.bytes <= bytes {
                return;
            }
            self.bytes = self.bytes.saturating_sub(known.length());
            if known.said.is_some() {
                known.said = Some(Vec::new());
            }
        }
    }

    fn begin(&mut self, now: Instant, (id, message): (u16, Vec<u8>), jitter: u8) {
        let pause = ACK_TIMEOUT + ACK_TIMEOUT.mul_f32(f32::from(jitter) / 512.0);
        self.out.push_back(message.clone());
        self.under_way = Some(UnderWay {
            id,
            message,
            due: now + pause,
            pause,
            times: 0,
        });
    }

    fn go_on(&mut self, now: Instant, jitter: u8) {
        if let Some(next) = self.waiting.pop_front() {
            self.begin(now, next, jitter);
        }
    }

    fn forget(&mut self, now: Instant) {
        let is_over = |known: &Remembered| known.until <= now && known.said.is_some();
        while self.remembered.front().is_some_and(is_over) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        // One at work is not over: whether it was acknowledged says how it is answered.
        let is_done = |known: &Remembered| known.said.is_some();
        let place = self.remembered.iter().position(is_done).unwrap_or(0);
        if let Some(gone) = self.remembered.remove(place) {
            self.bytes = self.bytes.saturating_sub(gone.length());
        }
    }
}

impl Remembered {
    fn length(&self) -> usize {
        self.said.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests;
