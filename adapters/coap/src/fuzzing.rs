//! For `tests/fuzz` alone, behind the feature `fuzzing`: datagrams of strangers, and a whole session
//! over a service in memory.

mod line;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ics_channel::fake::FakeService;
use ics_channel::{DeviceService as _, Rate, Usage};
use ics_core::device::CredentialId;
use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, InvalidId, MappingId, PskIdentity, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::port::Entropy;
use ics_core::service::DeviceClaim;
use ics_core::time::Timestamp;

use crate::Sessions;
use crate::conversation::{act_upon, fault};
use crate::plain::Answering;
use crate::session::{Around, Session, Wanted};

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
pub struct Conversation {
    service: Arc<FakeService>,
    session: Session,
    device: DeviceId,
    now: Instant,
    usage: Usage,
    waiting: Vec<Wanted>,
    is_slow: bool,
}

impl Conversation {
    /// A device with one row that is offered.
    ///
    /// # Errors
    /// [`InvalidId`], which cannot be: the identifiers are fixed.
    pub fn begin() -> Result<Self, InvalidId> {
        let service = Arc::new(FakeService::new(Arc::new(Sessions::default())));
        let (iot_sp, device) = (SpId::parse("acme")?, DeviceId::parse(DEVICE)?);
        service.register(&iot_sp, &device, Timestamp::MAX);
        let identity = PskIdentity {
            device_id: device.clone(),
            credential: CredentialId(1),
        };
        let claim = DeviceClaim::PreSharedKey {
            identity: &identity,
        };
        let met = service.authenticate(claim, TIME).now_or_never();
        let identity = met.and_then(Result::ok).ok_or(InvalidId::Form)?;
        let mut conversation = Self {
            session: Session::new(identity, 1),
            service,
            device,
            now: Instant::now(),
            usage: Usage::default(),
            waiting: Vec::new(),
            is_slow: false,
        };
        conversation.offer(7)?;
        Ok(conversation)
    }

    /// Offers one more row.
    ///
    /// # Errors
    /// [`InvalidId`], which cannot be.
    pub fn offer(&mut self, n: u8) -> Result<(), InvalidId> {
        let entry = DocumentEntry {
            mapping: MappingId::from_bytes([n; 16]),
            key: MappingKey {
                service_uri: ServiceUri::parse("https://shop.example/eggs")?,
                uti: Uti::parse(&format!("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a{n:02x}"))?,
            },
            e2e: Some(vec![n; 64]),
        };
        self.service.offer(&self.device, entry);
        self.session.ring();
        self.serve();
        Ok(())
    }

    /// Says something.
    pub fn say(&mut self, said: &[u8]) {
        let messages = Rate {
            per_second: 50,
            burst: 100,
        };
        let around = Around {
            service: self.service.as_ref(),
            messages,
            now: self.now,
            time: TIME,
        };
        self.session.take(around, &mut self.usage, said);
        self.serve();
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.session.attend(self.now);
            self.serve();
        }
        self.now = end;
    }

    /// From now on the service answers at once, or not before it does so again.
    pub fn be_slow(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
        if !is_slow {
            for wanted in std::mem::take(&mut self.waiting) {
                self.do_wanted(wanted);
            }
            self.serve();
        }
    }

    /// What the device is told meanwhile.
    pub fn told(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.session.outgoing()).collect()
    }

    /// Bytes of replies that are remembered.
    #[must_use]
    pub const fn remembered(&self) -> usize {
        self.session.remembered_bytes()
    }

    /// How much of the service waits to be asked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The events the service took.
    #[must_use]
    pub fn events(&self) -> usize {
        self.service.events().len()
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
                let done = act_upon(service.as_ref(), &identity, &asked, TIME);
                if let Some(done) = done.now_or_never() {
                    self.session.answered(self.now, ticket, done);
                }
            }
            Wanted::Look => {
                if let Some(device) = service.admit(&identity, TIME).now_or_never() {
                    self.session.looked(self.now, device);
                }
            }
            Wanted::Document => {
                let read = service.read_document(&identity, TIME).now_or_never();
                if let Some(read) = read {
                    self.session.take_document(self.now, read.map_err(fault));
                }
            }
        }
    }
}

const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_000);
