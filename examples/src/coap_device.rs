//! A device over CoAP and DTLS 1.2 with a pre-shared key: coap-lite messages, rtc-dtls, one thread.
//! It observes its document, stores what is newer, acknowledges, and opens a new session when the
//! line breaks. What it decides is [`device`](crate::device)'s.
//!
//! One request is under way at a time. An observation can be lost without anybody's fault (the
//! gateway restarted, an address changed), so the document is asked for again now and then, which
//! observes it anew and costs a 2.03 where nothing has changed.

mod exchange;
mod session;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use coap_lite::{CoapOption, MessageClass, Packet, ResponseType};
use serde_json::json;

use crate::chance::Dice;
use crate::device::{Acknowledgement, Copy, Document, Pair, Taken};
use crate::thing::{Command, Memory, Notice};
use exchange::{Came, Exchange, Part, Request, unsigned};
use session::Session;

/// How a device reaches its gateway.
#[derive(Clone)]
pub struct Settings {
    /// Where the gateway is.
    pub address: SocketAddr,
    /// The name of the key.
    pub identity: String,
    /// The key: 16 bytes.
    pub key: Vec<u8>,
    /// How many pairs it can hold.
    pub room: usize,
    /// How long it waits before it opens a session again: at first, and at most.
    pub pause: (Duration, Duration),
    /// After which silence it asks for the document again.
    pub poll: Duration,
    /// How long it waits for an answer before it asks again; 2 s in RFC 7252 4.8.
    pub answer: Duration,
}

/// The option that says with each answer whether the device lacks a newer document.
const PENDING: CoapOption = CoapOption::Unknown(65_020);

/// How long a session without anything to do sleeps at a stretch; commands are looked for then.
const NAP: Duration = Duration::from_millis(100);

/// How long the largest document may be: 8 KiB.
const LONGEST_DOCUMENT: usize = 8192;

/// Something to be done, one after the other.
#[derive(Clone, Debug)]
enum Job {
    /// The document, or the part of it that comes next.
    Document(Option<Part>),
    Acknowledge(Acknowledgement),
    GiveUp(String),
    /// JSON.
    Event(String),
    Inquire,
}

/// Why a session is over.
enum Over {
    /// The line, or the gateway's word.
    Line(io::Error),
    /// The memory failed: then nothing may be acknowledged.
    Memory(io::Error),
    /// Nobody is left who could command it.
    Abandoned,
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

struct Device<M, R, T> {
    settings: Settings,
    memory: M,
    copy: Copy,
    /// Given up, and still in the document.
    given_up: BTreeSet<String>,
    jobs: VecDeque<Job>,
    /// What is under way.
    asked: Option<Job>,
    /// What came of a document in parts, and the tag of that document.
    parts: (Vec<u8>, Option<Vec<u8>>),
    /// Of the document that was taken last.
    etag: Option<Vec<u8>>,
    /// The gateway wants to be left alone until then.
    not_before: Instant,
    is_refused: R,
    tell: T,
}

/// Runs a device until its memory fails, or nobody is left who could send it `commands`.
///
/// # Errors
/// [`io::Error`] of the memory.
pub fn run<M: Memory>(
    settings: Settings,
    memory: M,
    commands: &Receiver<Command>,
    is_refused: impl Fn(&Pair) -> bool,
    tell: impl Fn(Notice),
) -> io::Result<()> {
    let (first, most) = settings.pause;
    let mut device = Device {
        copy: memory.load()?,
        memory,
        settings,
        given_up: BTreeSet::new(),
        jobs: VecDeque::new(),
        asked: None,
        parts: Default::default(),
        etag: None,
        not_before: Instant::now(),
        is_refused,
        tell,
    };
    let mut pause = first;
    loop {
        match device.live(commands, || pause = first) {
            Err(Over::Memory(error)) => return Err(error),
            Err(Over::Abandoned) => return Ok(()),
            Err(Over::Line(error)) => (device.tell)(Notice::Disconnected(error.to_string())),
            Ok(()) => {}
        }
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(most);
    }
}

impl<M: Memory, R: Fn(&Pair) -> bool, T: Fn(Notice)> Device<M, R, T> {
    /// One session.
    fn live(&mut self, commands: &Receiver<Command>, met: impl FnOnce()) -> Result<(), Over> {
        self.obey(commands)?;
        let Settings { identity, key, .. } = &self.settings;
        let mut session = Session::open(self.settings.address, identity, key)?;
        met();
        (self.tell)(Notice::Connected);
        let mut exchange = Exchange::new(self.settings.answer, Dice::of(seed()));
        // What the last session left without an answer.
        let asked = self.asked.take();
        self.jobs.extend(asked);
        self.look_for_document();
        let mut poll = Instant::now() + self.settings.poll;
        loop {
            self.obey(commands)?;
            let now = Instant::now();
            if poll <= now {
                self.look_for_document();
                poll = now + self.settings.poll;
            }
            if exchange.is_free() && self.not_before <= now {
                self.begin(&mut exchange, &mut session)?;
            }
            if let Some(again) = exchange.attend(now).map_err(io::Error::other)? {
                session.send(&again)?;
            }
            let due = exchange.due().unwrap_or(poll).min(poll);
            let wait = due.saturating_duration_since(now).min(NAP);
            for message in session.receive(wait)? {
                let now = Instant::now();
                let (came, reply) = exchange.take(now, &message);
                if matches!(came, Came::News(_) | Came::Answer(_)) {
                    poll = now + self.settings.poll;
                }
                // What is newer is durable before the gateway is told that it came.
                self.hear(came)?;
                if let Some(reply) = reply {
                    session.send(&reply)?;
                }
            }
        }
    }

    /// Takes what it is told to do; what its user gave up is remembered until it is gone.
    fn obey(&mut self, commands: &Receiver<Command>) -> Result<(), Over> {
        loop {
            match commands.try_recv() {
                Ok(command) => {
                    if let Command::GiveUp(id) = &command {
                        self.given_up.insert(id.clone());
                    }
                    self.jobs.push_back(command.into());
                }
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Over::Abandoned),
            }
        }
    }

    /// Asks for the document, from its beginning, before anything else.
    fn look_for_document(&mut self) {
        self.jobs.retain(|job| !matches!(job, Job::Document(_)));
        self.jobs.push_front(Job::Document(None));
    }

    fn begin(&mut self, exchange: &mut Exchange, session: &mut Session) -> io::Result<()> {
        let Some(job) = self.jobs.pop_front() else {
            return Ok(());
        };
        let request = job.request(self.etag.clone());
        self.asked = Some(job);
        session.send(&exchange.ask(Instant::now(), &request))
    }

    fn hear(&mut self, came: Came) -> Result<(), Over> {
        match came {
            Came::Answer(packet) => {
                if let Some(job) = self.asked.take() {
                    self.hear_answer(job, &packet)?;
                }
            }
            Came::News(packet) => self.hear_document(&packet, None)?,
            Came::Reset => self.asked = None,
            Came::Nothing => {}
        }
        Ok(())
    }

    fn hear_answer(&mut self, job: Job, packet: &Packet) -> Result<(), Over> {
        let MessageClass::Response(code) = packet.header.code else {
            return Ok(());
        };
        match (code, &job) {
            (ResponseType::TooManyRequests | ResponseType::ServiceUnavailable, _) => {
                let wait = packet.get_first_option(CoapOption::MaxAge);
                let seconds = wait.and_then(|age| unsigned(age)).unwrap_or(60);
                self.not_before = Instant::now() + Duration::from_secs(seconds.into());
                self.jobs.push_front(job);
                return Ok(());
            }
            (ResponseType::Unauthorized, _) => {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
            }
            (ResponseType::Content, Job::Document(part)) => {
                return self.hear_document(packet, *part);
            }
            (ResponseType::Valid, Job::Document(_)) if self.lacks(packet) => {
                let Copy { v, no, .. } = &self.copy;
                let said = Acknowledgement {
                    v: *v,
                    no: no.clone(),
                };
                self.jobs.push_back(Job::Acknowledge(said));
            }
            (_, Job::Document(_) | Job::Acknowledge(_)) => {}
            (ResponseType::Content, Job::Inquire) => self.tell_answer("", packet),
            (ResponseType::Changed, _) => {}
            (_, Job::GiveUp(_) | Job::Event(_) | Job::Inquire) => {
                self.tell_answer(&packet.header.get_code(), packet);
            }
        }
        let is_asked = self.jobs.iter().any(|job| matches!(job, Job::Document(_)));
        if !matches!(job, Job::Document(_) | Job::Acknowledge(_)) && self.lacks(packet) && !is_asked
        {
            self.look_for_document();
        }
        Ok(())
    }

    fn tell_answer(&self, code: &str, packet: &Packet) {
        let payload = String::from_utf8_lossy(&packet.payload);
        let answer = format!("{code} {payload}").trim().to_owned();
        (self.tell)(Notice::Answer(answer));
    }

    /// Whether the gateway says that it has a document we did not acknowledge.
    fn lacks(&self, packet: &Packet) -> bool {
        let pending = packet.get_first_option(PENDING);
        pending.and_then(|value| unsigned(value)) == Some(1)
    }

    /// A document, or a part of it: `asked`, if it is not its beginning.
    fn hear_document(&mut self, packet: &Packet, asked: Option<Part>) -> Result<(), Over> {
        if packet.header.code != MessageClass::Response(ResponseType::Content) {
            return Ok(());
        }
        let part = Part::of(packet);
        let etag = packet.get_first_option(CoapOption::ETag).cloned();
        let number = part.map_or(0, |part| part.number);
        if number == 0 {
            self.parts = (Vec::new(), etag.clone());
        }
        let follows = asked.map_or(0, |part| part.number) == number && etag == self.parts.1;
        if !follows || self.parts.0.len() + packet.payload.len() > LONGEST_DOCUMENT {
            // It changed while it was read.
            self.look_for_document();
            return Ok(());
        }
        self.parts.0.extend_from_slice(&packet.payload);
        if let Some(part) = part.filter(|part| part.has_more) {
            self.jobs.retain(|job| !matches!(job, Job::Document(_)));
            self.jobs.push_front(Job::Document(Some(part.next())));
            return Ok(());
        }
        let (document, etag) = std::mem::take(&mut self.parts);
        self.take(&document)?;
        self.etag = etag;
        Ok(())
    }

    /// A document came: what is newer is durable before it is acknowledged.
    fn take(&mut self, payload: &[u8]) -> Result<(), Over> {
        let Ok(document) = Document::parse(payload) else {
            return Ok(());
        };
        let taken = self
            .copy
            .take(document, self.settings.room, &self.is_refused);
        let said = match taken {
            Taken::Newer(said) => {
                self.memory.store(&self.copy).map_err(Over::Memory)?;
                (self.tell)(Notice::Holds(self.copy.clone()));
                said
            }
            Taken::Again(said) => said,
            Taken::Overtaken => return Ok(()),
        };
        let copy = &self.copy;
        self.given_up.retain(|id| copy.pair(id).is_some());
        self.jobs
            .retain(|job| !matches!(job, Job::Acknowledge(_) | Job::GiveUp(_)));
        self.jobs.push_back(Job::Acknowledge(said));
        let given_up = self.given_up.iter().cloned();
        self.jobs.extend(given_up.map(Job::GiveUp));
        Ok(())
    }
}

impl Job {
    fn request(&self, etag: Option<Vec<u8>>) -> Request {
        let post = |path, payload| Request {
            path,
            payload: Some(payload),
            ..Request::default()
        };
        match self {
            Self::Document(part) => Request {
                path: &["doc"],
                is_observed: part.is_none(),
                part: *part,
                etag: etag.filter(|_| part.is_none()),
                ..Request::default()
            },
            Self::Acknowledge(said) => post(&["doc", "ack"], json!(said).to_string()),
            Self::GiveUp(id) => post(&["rev"], json!({ "id": id }).to_string()),
            Self::Event(event) => post(&["evt"], event.clone()),
            Self::Inquire => Request {
                path: &["inq"],
                ..Request::default()
            },
        }
    }
}

impl From<Command> for Job {
    fn from(command: Command) -> Self {
        match command {
            Command::GiveUp(id) => Self::GiveUp(id),
            // `data` reaches the service byte by byte.
            Command::Event(id, data) => {
                Self::Event(format!(r#"{{"id":{},"data":{data}}}"#, json!(id)))
            }
            Command::Inquire => Self::Inquire,
        }
    }
}

/// Where message ids begin, and how waits are spread: another way in every session.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without chance they begin at one place, which costs nothing but a collision.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
