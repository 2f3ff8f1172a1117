//! For `tests/fuzz` alone, behind the feature `fuzzing`: datagrams of strangers, and a whole session
//! over a service in memory.

mod line;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ics_core::id::{DeviceId, InvalidId};
use ics_core::port::Entropy;

use crate::plain::Answering;
use crate::session::staged::{Echo, Staged, entry};

pub use line::Line;

/// The device whose session [`Conversation`] is.
pub const DEVICE: &str = "d-abcdefghijklmnopabcdefghijklmnop";

struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0x5a);
    }
}

/// What the plain listener answers to a datagram.
#[must_use]
pub fn answer_plain(datagram: &[u8]) -> Option<Vec<u8>> {
    let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
    Answering::new(&Fixed).answer(from, datagram)
}

/// A device and its session, with a service in memory behind it that may be slow.
pub struct Conversation(Staged);

impl Conversation {
    /// A device with one row that is offered.
    ///
    /// # Errors
    /// [`InvalidId`], which cannot be: the identifiers are fixed.
    pub fn begin() -> Result<Self, InvalidId> {
        let mut conversation = Self(Staged::begin(&DeviceId::parse(DEVICE)?)?);
        conversation.0.guest = Some(Echo::guest());
        conversation.offer(7)?;
        Ok(conversation)
    }

    /// Offers one more row.
    ///
    /// # Errors
    /// [`InvalidId`], which cannot be.
    pub fn offer(&mut self, n: u8) -> Result<(), InvalidId> {
        self.0.offer(entry(n, Some(vec![n; 64]))?);
        Ok(())
    }

    /// Says something.
    pub fn say(&mut self, said: &[u8]) {
        self.0.say(said);
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.0.pass(span);
    }

    /// From now on the service answers at once, or not before it does so again.
    pub fn be_slow(&mut self, is_slow: bool) {
        if is_slow {
            self.0.is_slow = true;
        } else {
            self.0.catch_up();
        }
    }

    /// What the device is told meanwhile.
    pub fn told(&mut self) -> Vec<Vec<u8>> {
        self.0.told()
    }

    /// Bytes of replies that are remembered, and of the document that is kept.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.session.remembered_bytes()
    }

    /// How much of the service waits to be asked.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.0.waiting.len()
    }

    /// The events the service took.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.service.events().len()
    }
}
