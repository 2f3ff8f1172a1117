//! A session with a service in memory behind it that may be slow: for tests and fuzzing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ics_channel::fake::FakeService;
use ics_channel::{DeviceService, Rate, Usage};
use ics_core::device::CredentialId;
use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, InvalidId, MappingId, PskIdentity, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::port::PortFuture;
use ics_core::principal::DeviceIdentity;
use ics_core::service::DeviceClaim;
use ics_core::time::Timestamp;

use super::{Around, Session, Wanted};
use crate::Sessions;
use crate::conversation::{act_upon, fault};
use crate::guest::{Guest, GuestAnswer, GuestRequest, Serve, hand_over};

/// When all of it happens.
const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A device's session, and what is behind it.
pub(crate) struct Staged {
    pub(crate) service: Arc<FakeService>,
    pub(crate) session: Session,
    pub(crate) now: Instant,
    pub(crate) messages: Rate,
    usage: Usage,
    /// Whether the service is not asked: what it is wanted for waits.
    pub(crate) is_slow: bool,
    pub(crate) waiting: Vec<Wanted>,
    pub(crate) guest: Option<Guest>,
}

/// A guest that answers with what it was asked.
pub(crate) struct Echo;

/// The options it knows.
pub(crate) const OF_ECHO: &[u16] = &[2049, 2053];

impl Echo {
    pub(crate) fn guest() -> Guest {
        Guest {
            options: OF_ECHO,
            roots: &["~"],
            handler: Arc::new(Self),
        }
    }
}

impl Serve for Echo {
    fn serve<'a>(
        &'a self,
        _: &'a Arc<DeviceIdentity>,
        request: GuestRequest,
    ) -> PortFuture<'a, GuestAnswer> {
        let mut options = request.options;
        options.retain(|(number, _)| OF_ECHO.contains(number));
        options.push((2057, vec![request.method]));
        let answer = GuestAnswer {
            code: (2, 1),
            options,
            payload: request.payload,
        };
        Box::pin(async { answer })
    }
}

impl Staged {
    /// The session of `device`, which came with a key.
    ///
    /// # Errors
    /// [`InvalidId`], which cannot be: the identifiers are fixed.
    pub(crate) fn begin(device: &DeviceId) -> Result<Self, InvalidId> {
        let service = Arc::new(FakeService::new(Arc::new(Sessions::default())));
        service.register(&SpId::parse("acme")?, device, Timestamp::MAX);
        let identity = PskIdentity {
            device_id: device.clone(),
            credential: CredentialId(1),
        };
        let claim = DeviceClaim::PreSharedKey {
            identity: &identity,
        };
        let met = service.authenticate(claim, TIME).now_or_never();
        let identity = met.and_then(Result::ok).ok_or(InvalidId::Form)?;
        let mut staged = Self {
            session: Session::new(identity, 1),
            service,
            now: Instant::now(),
            messages: Rate {
                per_second: 50,
                burst: 100,
            },
            usage: Usage::default(),
            is_slow: false,
            waiting: Vec::new(),
            guest: None,
        };
        staged.serve();
        Ok(staged)
    }

    /// Offers a row, and rings.
    pub(crate) fn offer(&mut self, entry: DocumentEntry) {
        let device = self.session.identity.device_id.clone();
        self.service.offer(&device, entry);
        self.session.ring();
        self.serve();
    }

    /// The device says something.
    pub(crate) fn say(&mut self, said: &[u8]) {
        let around = Around {
            service: self.service.as_ref(),
            guest: self.guest.as_ref(),
            messages: self.messages,
            now: self.now,
            time: TIME,
        };
        self.session.take(around, &mut self.usage, said);
        self.serve();
    }

    /// Lets time pass, attending to whatever is due on the way.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.session.attend(self.now);
            self.serve();
        }
        self.now = end;
    }

    /// Asks the service what it did not get to be asked yet.
    pub(crate) fn catch_up(&mut self) {
        self.is_slow = false;
        for wanted in std::mem::take(&mut self.waiting) {
            self.do_wanted(wanted);
        }
        self.serve();
    }

    /// What the device is told.
    pub(crate) fn told(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.session.outgoing()).collect()
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

    /// The service in memory answers at once.
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
            Wanted::Hand(ticket, request) => {
                let line = (service.as_ref() as &dyn DeviceService, self.guest.as_ref());
                let done = hand_over(line, &identity, request, TIME);
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

/// The so-many-th row.
///
/// # Errors
/// [`InvalidId`], which cannot be.
pub(crate) fn entry(n: u8, e2e: Option<Vec<u8>>) -> Result<DocumentEntry, InvalidId> {
    Ok(DocumentEntry {
        mapping: MappingId::from_bytes([n; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse(&format!("https://shop.example/{n}"))?,
            uti: Uti::parse(&format!("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a{n:02x}"))?,
        },
        e2e,
    })
}
