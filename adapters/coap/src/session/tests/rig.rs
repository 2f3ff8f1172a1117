//! A device in front of a session, which speaks by coap-lite.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};
use ics_core::device_document::DocumentEntry;
use ics_core::id::DeviceId;

use crate::session::staged::{self, Staged};

pub(super) const GET: u8 = 1;
pub(super) const POST: u8 = 2;
pub(super) const FETCH: u8 = 5;

/// A device, and its session.
pub(super) struct Rig {
    staged: Staged,
    next_id: u16,
}

impl Deref for Rig {
    type Target = Staged;

    fn deref(&self) -> &Staged {
        &self.staged
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Staged {
        &mut self.staged
    }
}

pub(super) fn device() -> DeviceId {
    DeviceId::mint([1; 16])
}

pub(super) fn entry(n: u8) -> DocumentEntry {
    staged::entry(n, None).unwrap()
}

/// A request to be said.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) packet: Packet,
}

impl Ask {
    pub(super) fn of(method: u8, path: &str) -> Self {
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = MessageClass::from(method);
        packet.set_token(vec![method, 9]);
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            packet.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
        }
        Self { packet }
    }

    pub(super) fn with(mut self, option: u16, value: &[u8]) -> Self {
        self.packet
            .add_option(CoapOption::from(option), value.to_vec());
        self
    }

    pub(super) fn saying(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.packet.payload = payload.as_ref().to_vec();
        self
    }

    pub(super) fn non_confirmable(mut self) -> Self {
        self.packet.header.set_type(MessageType::NonConfirmable);
        self
    }

    pub(super) fn with_id(mut self, id: u16) -> Self {
        self.packet.header.message_id = id;
        self
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            staged: Staged::begin(&device()).unwrap(),
            next_id: 0x1000,
        }
    }

    /// Offers a row, and rings.
    pub(super) fn offer(&mut self, n: u8) {
        self.staged.offer(entry(n));
    }

    /// Says a request, and takes what goes out.
    pub(super) fn ask(&mut self, ask: Ask) -> Vec<Packet> {
        let ask = if ask.packet.header.message_id == 0 {
            self.next_id += 1;
            ask.with_id(self.next_id)
        } else {
            ask
        };
        self.say(&ask.packet.to_bytes().unwrap())
    }

    /// Says a request; its one answer.
    pub(super) fn answer(&mut self, ask: Ask) -> Packet {
        let mut told = self.ask(ask);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    pub(super) fn say(&mut self, said: &[u8]) -> Vec<Packet> {
        self.staged.say(said);
        self.told()
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, span: Duration) -> Vec<Packet> {
        self.staged.pass(span);
        self.told()
    }

    /// Asks the service what it did not get to be asked yet.
    pub(super) fn catch_up(&mut self) -> Vec<Packet> {
        self.staged.catch_up();
        self.told()
    }

    fn told(&mut self) -> Vec<Packet> {
        let told = self.staged.told().into_iter();
        told.map(|message| Packet::from_bytes(&message).unwrap())
            .collect()
    }
}

pub(super) fn code(packet: &Packet) -> String {
    let byte = u8::from(packet.header.code);
    format!("{}.{:02}", byte >> 5, byte & 0x1f)
}

pub(super) fn text(packet: &Packet) -> &str {
    std::str::from_utf8(&packet.payload).unwrap()
}

pub(super) fn option(packet: &Packet, number: u16) -> Option<u32> {
    let value = packet.get_first_option(CoapOption::from(number))?;
    Some(
        value
            .iter()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte)),
    )
}
