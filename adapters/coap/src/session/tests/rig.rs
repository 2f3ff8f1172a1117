//! A session with a service in memory behind it, and a device in front of it that speaks by coap-lite.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};
use futures_util::FutureExt as _;
use ics_channel::fake::FakeService;
use ics_channel::{DeviceService as _, Rate, Usage};
use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, MappingId, PskIdentity, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::service::DeviceClaim;
use ics_core::time::Timestamp;

use crate::Sessions;
use crate::conversation::{act_upon, fault};
use crate::session::{Around, Session, Wanted};

pub(super) const GET: u8 = 1;
pub(super) const POST: u8 = 2;
pub(super) const FETCH: u8 = 5;

/// A device and what is behind it.
pub(super) struct Rig {
    pub(super) service: Arc<FakeService>,
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) messages: Rate,
    usage: Usage,
    next_id: u16,
    /// Whether the service is not asked: what it is wanted for waits.
    pub(super) is_slow: bool,
    waiting: Vec<Wanted>,
}

pub(super) fn time() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

pub(super) fn device() -> DeviceId {
    DeviceId::mint([1; 16])
}

pub(super) fn entry(n: u8) -> DocumentEntry {
    DocumentEntry {
        mapping: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("https://shop.example/{n}")).unwrap(),
            uti: Uti::parse(&format!("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a{n:02x}")).unwrap(),
        },
        e2e: None,
    }
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
        let service = Arc::new(FakeService::new(Arc::new(Sessions::default())));
        let iot_sp = SpId::parse("acme").unwrap();
        service.register(&iot_sp, &device(), Timestamp::MAX);
        let identity = PskIdentity {
            device_id: device(),
            credential: ics_core::device::CredentialId(1),
        };
        let claim = DeviceClaim::PreSharedKey {
            identity: &identity,
        };
        let met = service.authenticate(claim, time()).now_or_never();
        let mut rig = Self {
            session: Session::new(met.unwrap().unwrap(), 1),
            service,
            now: Instant::now(),
            messages: Rate {
                per_second: 50,
                burst: 100,
            },
            usage: Usage::default(),
            next_id: 0x1000,
            is_slow: false,
            waiting: Vec::new(),
        };
        rig.serve();
        rig
    }

    /// Offers a row, and rings.
    pub(super) fn offer(&mut self, n: u8) {
        self.service.offer(&device(), entry(n));
        self.session.ring();
        self.serve();
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
        let around = Around {
            service: self.service.as_ref(),
            messages: self.messages,
            now: self.now,
            time: time(),
        };
        self.session.take(around, &mut self.usage, said);
        self.serve();
        self.told()
    }

    /// Lets time pass, attending to whatever is due on the way.
    pub(super) fn pass(&mut self, span: Duration) -> Vec<Packet> {
        let end = self.now + span;
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.session.attend(self.now);
            self.serve();
        }
        self.now = end;
        self.told()
    }

    /// Asks the service what it did not get to be asked yet.
    pub(super) fn catch_up(&mut self) -> Vec<Packet> {
        self.is_slow = false;
        for wanted in std::mem::take(&mut self.waiting) {
            self.do_wanted(wanted);
        }
        self.serve();
        self.told()
    }

    fn serve(&mut self) {
        while let Some(wanted) = self.session.wanted() {
            if self.is_slow {
                self.waiting.push(wanted);
            } else {
                self.do_wanted(wanted);
            }
        }
    }

    fn do_wanted(&mut self, wanted: Wanted) {
        let service = Arc::clone(&self.service);
        let identity = Arc::clone(&self.session.identity);
        match wanted {
            Wanted::Act(ticket, asked) => {
                let done = act_upon(service.as_ref(), &identity, &asked, time());
                let done = done.now_or_never().unwrap();
                self.session.answered(self.now, ticket, done);
            }
            Wanted::Look => {
                let device = service.admit(&identity, time()).now_or_never();
                self.session.looked(self.now, device.unwrap());
            }
            Wanted::Document => {
                let read = service.read_document(&identity, time()).now_or_never();
                self.session
                    .take_document(self.now, read.unwrap().map_err(fault));
            }
        }
    }

    fn told(&mut self) -> Vec<Packet> {
        let told = std::iter::from_fn(|| self.session.outgoing());
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
