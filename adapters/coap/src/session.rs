//! One device: what it asks, what is at work for it, what it is told by itself. Without I/O, without a
//! clock; what the service is to be asked is left in a list, and what came of it brought back.

mod at_work;
mod guest;
mod kept;
mod observation;
mod reply;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod staged;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ics_channel::{DeviceService, Format, Rate, RefusedAttempt, Taken, Usage};
use ics_core::device::{DeviceStatus, HostedDevice};
use ics_core::device_document::{DeviceDocument, DocumentState};
use ics_core::principal::DeviceIdentity;
use ics_core::service::DeviceRefusal;
use ics_core::time::Timestamp;

use crate::conversation::{Asked, CBOR, Done, Fault, LINKS, refused, tell_problem, tell_refusal};
use crate::exchange::{Exchange, Fate, Seen};
use crate::guest::{Guest, GuestRequest};
use crate::message::{Answer, Code, Heading, Kind, Message, Request, Unservable};
use crate::resource::{Astray, DISCOVERY, Resource};
use crate::upload::{Part, Upload};
use at_work::{AtWork, Shape};
use guest::Leftover;
use kept::Kept;
use observation::Observation;

/// After so long without an answer a request is acknowledged alone, and answered apart.
const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(500);
/// The longest a device may wait for a newer document.
const LONGEST_POLL: Duration = Duration::from_secs(120);
/// Requests of one device at a time.
const MOST_AT_WORK: usize = 4;
/// After so long a service that failed is asked again whether the device is still served.
const ASKED_AGAIN: Duration = Duration::from_secs(1);
/// How long a session goes on whose device is unregistered and does not acknowledge that.
const FAREWELL: Duration = Duration::from_secs(300);

/// A device that is here.
pub(crate) struct Session {
    pub(crate) identity: Arc<DeviceIdentity>,
    exchange: Exchange,
    upload: Upload,
    observation: Option<Observation>,
    at_work: Vec<AtWork>,
    wanted: VecDeque<Wanted>,
    look: Look,
    /// What is known of its document.
    document: Known,
    kept: Kept,
    leftover: Leftover,
    tickets: u64,
    farewell: Option<Instant>,
    ask_again: Option<Instant>,
    dice: Dice,
    is_over: bool,
}

/// The document's newest version, and the newest that the device has acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    version: u64,
    acknowledged: u64,
}

impl Known {
    /// Whether there is a document that who asks does not have.
    fn is_news_to(self, shape: &Shape) -> bool {
        if shape.etags.is_empty() {
            self.version > self.acknowledged
        } else {
            !shape.has(self.version)
        }
    }
}

/// What the service is to be asked.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// What the device asks for; the number comes back with what came of it.
    Act(u64, Asked),
    /// What it asks a guest for.
    Hand(u64, GuestRequest),
    /// Whether it is still served, and what it must hold.
    Look,
    /// Its document, for who observes it.
    Document,
}

/// A look at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Over,
    UnderWay,
    /// It is under way, and may have come too early.
    Again,
}

/// What a session has around it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) service: &'a dyn DeviceService,
    pub(crate) guest: Option<&'a Guest>,
    pub(crate) messages: Rate,
    pub(crate) now: Instant,
    pub(crate) time: Timestamp,
}

/// Numbers nobody relies on to be secret: ids to begin with, and waits.
struct Dice(u64);

impl Dice {
    const fn throw(&mut self) -> u8 {
        // xorshift64; the seed is never 0.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [byte, ..] = self.0.to_le_bytes();
        byte
    }
}

impl Session {
    /// A device that has proven who it is; `seed` is any number.
    pub(crate) fn new(identity: Arc<DeviceIdentity>, seed: u64) -> Self {
        let [_, _, _, _, _, _, high, low] = seed.to_be_bytes();
        Self {
            identity,
            exchange: Exchange::new(u16::from_be_bytes([high, low])),
            upload: Upload::default(),
            observation: None,
            at_work: Vec::new(),
            // What was revoked between the look at the device and now rang nobody.
            wanted: VecDeque::from([Wanted::Look]),
            look: Look::UnderWay,
            document: Known::default(),
            kept: Kept::default(),
            leftover: Leftover::default(),
            tickets: 0,
            farewell: None,
            ask_again: None,
            dice: Dice(seed | 1),
            is_over: false,
        }
    }

    /// Takes what the device said.
    pub(crate) fn take(&mut self, around: Around<'_>, usage: &mut Usage, said: &[u8]) {
        let known = around.guest.map_or(&[][..], |guest| guest.options);
        let message = Message::read_knowing(said, known);
        match message {
            Message::Acknowledged(id) => return self.settle(around.now, id, true),
            Message::Reset(id) => return self.settle(around.now, id, false),
            Message::Ignored => return,
            Message::Request(_)
            | Message::Refused(..)
            | Message::Ping(_)
            | Message::Rejected(_) => {}
        }
        let is_within = self.is_within_rate(around, usage);
        match message {
            Message::Ping(id) | Message::Rejected(id) if is_within => self.exchange.reject(id),
            Message::Refused(heading, why) if is_within => {
                let code = match why {
                    Unservable::BadOption => Code::BAD_OPTION,
                    Unservable::Proxying => Code::NO_PROXY,
                };
                if self.is_new(around.now, &heading) {
                    self.tell(around.now, &heading, &Answer::of(code));
                }
            }
            Message::Request(request) if is_within => self.take_request(around, *request),
            Message::Request(request) => {
                let refusal = ics_channel::refusal::Refusal::TooMany;
                let answer = tell_refusal(refusal, Shape::speaks_cbor(&request));
                if self.is_new(around.now, &request.heading) {
                    self.tell(around.now, &request.heading, &answer);
                }
            }
            _ => {}
        }
    }

    /// Whether the device may have this message taken. Acknowledgements answer to us, and cost
    /// nothing.
    fn is_within_rate(&self, around: Around<'_>, usage: &mut Usage) -> bool {
        match usage.take(around.messages, around.time) {
            Taken::Within => true,
            Taken::Beyond { is_news } => {
                if is_news {
                    let who = Some(&*self.identity);
                    around.service.note_refused(who, RefusedAttempt::TooFast);
                }
                false
            }
        }
    }

    /// Whether the request was not met before; else what was said to it is said again.
    fn is_new(&mut self, now: Instant, heading: &Heading) -> bool {
        match self.exchange.meet(now, heading.id) {
            Seen::New => true,
            Seen::Done(said) => {
                // A repeated request that wants no acknowledgement is not answered twice (4.5).
                if heading.is_confirmable && !said.is_empty() {
                    self.exchange.say(said);
                }
                false
            }
            Seen::AtWork(said) => {
                if let Some(said) = said {
                    self.exchange.say(said.to_vec());
                }
                false
            }
        }
    }

    fn take_request(&mut self, around: Around<'_>, mut request: Request) {
        if !self.is_new(around.now, &request.heading) {
            return;
        }
        if around.guest.is_some_and(|guest| guest.is_for(&request)) {
            return self.take_for_guest(around.now, request);
        }
        match self.consider(around, &mut request) {
            Ok(resource) => self.begin(around.now, request, resource),
            Err(answer) => {
                if request.no_response != 0 && answer.code.is_unwanted(request.no_response) {
                    self.tell_nothing(&request.heading);
                } else {
                    self.tell(around.now, &request.heading, &answer);
                }
            }
        }
    }

    /// What is asked for, if it can be.
    fn consider(
        &mut self,
        around: Around<'_>,
        request: &mut Request,
    ) -> Result<Resource, Box<Answer>> {
        let speaks_cbor = Shape::speaks_cbor(request);
        let device = &self.identity.device_id;
        let found = Resource::find(&request.path, request.method, device);
        let resource = found.map_err(|astray| {
            let attempt = match astray {
                Astray::Foreign => RefusedAttempt::RequestForeign,
                Astray::Unknown | Astray::Method => RefusedAttempt::RequestUnknown,
            };
            let who = Some(&*self.identity);
            around.service.note_refused(who, attempt);
            Box::new(tell_problem(astray.code(), astray.word(), speaks_cbor))
        })?;
        if let Part::Answer(answer) = self.upload.take(request) {
            return Err(answer);
        }
        Shape::check(resource, request).map_err(|(code, word)| {
            if code == Code::BAD_REQUEST {
                let who = Some(&*self.identity);
                around
                    .service
                    .note_refused(who, RefusedAttempt::RequestUnreadable);
            }
            Box::new(tell_problem(code, word, speaks_cbor))
        })?;
        if resource != Resource::Discovery && self.at_work.len() >= MOST_AT_WORK {
            let refusal = ics_channel::refusal::Refusal::TooMany;
            return Err(Box::new(tell_refusal(refusal, speaks_cbor)));
        }
        Ok(resource)
    }

    fn begin(&mut self, now: Instant, request: Request, resource: Resource) {
        if resource == Resource::Discovery {
            let answer = Answer {
                content_format: Some(LINKS),
                payload: DISCOVERY.into(),
                ..Answer::of(Code::CONTENT)
            };
            let shape = Shape::of(Some(resource), &request);
            return self.tell_shaped(now, &request.heading, &shape, answer);
        }
        self.tickets = self.tickets.wrapping_add(1);
        let shape = Shape::of(Some(resource), &request);
        if shape.observe == Some(1) {
            // Another token was that of an observation before this one (RFC 7641 3.6).
            let token = &request.heading.token;
            self.observation
                .take_if(|observation| observation.token == *token);
        }
        let wait = shape.wait.filter(|_| !self.document.is_news_to(&shape));
        let asked = Asked {
            resource,
            payload: request.payload,
            format: shape.format,
            kept: self.kept.of(shape.format),
        };
        let mut at_work = AtWork::new(self.tickets, request.heading, shape, now);
        match wait {
            Some(wait) => at_work.polls_until = Some(now + wait.min(LONGEST_POLL)),
            None => self.wanted.push_back(Wanted::Act(self.tickets, asked)),
        }
        self.at_work.push(at_work);
    }

    /// What came of a request.
    pub(crate) fn answered(&mut self, now: Instant, ticket: u64, outcome: Result<Done, Fault>) {
        let Some(place) = self.at_work.iter().position(|work| work.ticket == ticket) else {
            return;
        };
        let work = self.at_work.swap_remove(place);
        let answer = match outcome {
            Ok(done) => self.answer(now, &work, done),
            Err(Fault::Refused(refusal)) => tell_refusal(refusal, work.shape.speaks_cbor),
            Err(Fault::Unserved(_)) => {
                self.is_over = true;
                Answer::of(Code::UNAUTHORIZED)
            }
        };
        self.tell_shaped(now, &work.heading, &work.shape, answer);
        if let Some(observation) = &mut self.observation {
            observation.delivery.contact(now);
        }
        self.want_document();
    }

    fn answer(&mut self, now: Instant, work: &AtWork, done: Done) -> Answer {
        match done {
            Done::Changed(acknowledged) => {
                if let Some(version) = acknowledged {
                    self.learn_acknowledged(version);
                }
                Answer::of(Code::CHANGED)
            }
            Done::Content(payload) => Answer {
                content_format: Some(work.shape.content_format()),
                payload,
                ..Answer::of(Code::CONTENT)
            },
            Done::Document(version, written) => self.show_document(now, work, (version, written)),
            Done::Handed(answer) => self.keep_leftover(work, *answer),
        }
    }

    fn show_document(
        &mut self,
        now: Instant,
        work: &AtWork,
        (version, written): (u64, Arc<[u8]>),
    ) -> Answer {
        self.kept.keep(version, work.shape.format, &written);
        self.document.version = self.document.version.max(version);
        let observe = (work.shape.observe == Some(0)).then(|| {
            let observation = Observation::new(&work.heading, &work.shape);
            let observation = self.observation.insert(observation);
            observation.delivery.want();
            observation.delivery.acknowledge(self.document.acknowledged);
            observation.next_order()
        });
        if let Some(observation) = &mut self.observation {
            observation.delivery.sent(version, Some(None), now);
        }
        let is_held = work.shape.has(version);
        Answer {
            etag: Some(etag_of(version)),
            observe,
            content_format: (!is_held).then(|| work.shape.content_format()),
            payload: if is_held {
                Vec::new()
            } else {
                written.to_vec()
            },
            ..Answer::of(if is_held { Code::VALID } else { Code::CONTENT })
        }
    }

    /// The device may have changed: it is looked at, once more if a look is under way.
    pub(crate) fn ring(&mut self) {
        if self.look == Look::Over {
            self.wanted.push_back(Wanted::Look);
            self.look = Look::UnderWay;
        } else {
            self.look = Look::Again;
        }
    }

    /// What the device is by now.
    pub(crate) fn looked(&mut self, now: Instant, device: Result<HostedDevice, DeviceRefusal>) {
        if std::mem::replace(&mut self.look, Look::Over) == Look::Again {
            self.ring();
        }
        match device.map_err(refused) {
            Ok(device) => {
                self.ask_again = None;
                if matches!(device.status, DeviceStatus::Unregistering { .. }) {
                    self.farewell.get_or_insert(now + FAREWELL);
                }
                self.learn(&device.document);
            }
            Err(Fault::Unserved(_)) => self.is_over = true,
            Err(Fault::Refused(_)) => self.ask_again = Some(now + ASKED_AGAIN),
        }
    }

    fn learn(&mut self, document: &DocumentState) {
        let is_newer = document.version > self.document.version;
        self.document = Known {
            version: document.version,
            acknowledged: document.acknowledged,
        };
        if let Some(observation) = &mut self.observation {
            observation.delivery.learn(document);
        }
        if is_newer {
            let known = self.document;
            self.end_polls(|work| known.is_news_to(&work.shape));
        }
        self.want_document();
    }

    fn learn_acknowledged(&mut self, version: u64) {
        let known = &mut self.document;
        known.acknowledged = known.acknowledged.max(version).min(known.version);
        if let Some(observation) = &mut self.observation {
            observation.delivery.acknowledge(version);
        }
    }

    /// The document, for who observes it.
    pub(crate) fn take_document(&mut self, now: Instant, document: Result<DeviceDocument, Fault>) {
        let Some(observation) = &mut self.observation else {
            return;
        };
        observation.is_asked = false;
        match document {
            Ok(document) => self.notify(now, &document),
            Err(Fault::Unserved(_)) => self.is_over = true,
            Err(Fault::Refused(_)) => observation.delivery.postpone(now),
        }
    }

    fn notify(&mut self, now: Instant, document: &DeviceDocument) {
        let pending = self.pending();
        let Some(observation) = &mut self.observation else {
            return;
        };
        let id = self.exchange.draw_id();
        let answer = observation.notification(document, pending);
        let message = answer.write(Kind::Confirmable, id, &observation.token);
        if self.exchange.send(now, (id, message), self.dice.throw()) {
            observation.id = Some(id);
            let way = Some(Some(id));
            observation.delivery.sent(document.version, way, now);
        } else {
            observation.delivery.postpone(now);
        }
    }

    fn want_document(&mut self) {
        if let Some(observation) = &mut self.observation
            && observation.delivery.is_wanted()
            && !observation.is_asked
        {
            observation.is_asked = true;
            self.wanted.push_back(Wanted::Document);
        }
    }

    fn settle(&mut self, now: Instant, id: u16, arrived: bool) {
        let jitter = self.dice.throw();
        let fate = self.exchange.settle(now, id, arrived, jitter);
        self.take_fate(fate);
    }

    fn take_fate(&mut self, fate: Option<Fate>) {
        let Some(observation) = &mut self.observation else {
            return;
        };
        match fate {
            Some(Fate::Arrived(id)) => observation.delivery.received(id),
            // RFC 7641 3.6, 4.5: it has no use for it, or is gone; it registers when it is back.
            Some(Fate::Refused(id) | Fate::Lost(id)) if observation.id == Some(id) => {
                self.observation = None;
            }
            Some(Fate::Refused(_) | Fate::Lost(_)) | None => {}
        }
        self.want_document();
    }

    /// Lets those that wait for a newer document have it as it is.
    fn end_polls(&mut self, is_over: impl Fn(&AtWork) -> bool) {
        for work in &mut self.at_work {
            if work.polls_until.is_some() && is_over(work) {
                work.polls_until = None;
                let asked = Asked {
                    resource: Resource::Document,
                    payload: Vec::new(),
                    format: work.shape.format,
                    kept: self.kept.of(work.shape.format),
                };
                self.wanted.push_back(Wanted::Act(work.ticket, asked));
            }
        }
    }

    /// Does what is due.
    pub(crate) fn attend(&mut self, now: Instant) {
        for work in &mut self.at_work {
            if work.acknowledge_at.is_some_and(|at| at <= now) {
                work.acknowledge_at = None;
                self.exchange.acknowledge(work.heading.id);
            }
        }
        self.end_polls(|work| work.polls_until.is_some_and(|until| until <= now));
        let jitter = self.dice.throw();
        let fate = self.exchange.attend(now, jitter);
        self.take_fate(fate);
        if let Some(observation) = &mut self.observation {
            observation.delivery.attend(now);
        }
        self.want_document();
        if self.ask_again.is_some_and(|at| at <= now) {
            self.ask_again = None;
            self.ring();
        }
        if self.farewell.is_some_and(|at| at <= now) {
            self.farewell = None;
            self.is_over = true;
        }
    }

    /// When [`Self::attend`] is next of use.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let of_work = |work: &AtWork| [work.acknowledge_at, work.polls_until];
        let of_work = self.at_work.iter().flat_map(of_work);
        let observation = self.observation.as_ref();
        let others = [
            self.exchange.next_deadline(),
            observation.and_then(|observation| observation.delivery.next_deadline()),
            self.ask_again,
            self.farewell,
        ];
        of_work.chain(others).flatten().min()
    }

    /// What the service is to be asked next.
    pub(crate) fn wanted(&mut self) -> Option<Wanted> {
        self.wanted.pop_front()
    }

    /// What goes out next.
    pub(crate) fn outgoing(&mut self) -> Option<Vec<u8>> {
        self.exchange.outgoing()
    }

    /// Whether it ends, once all is out.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Bytes of replies that are remembered, and of the document that is kept.
    pub(crate) fn remembered_bytes(&self) -> usize {
        self.exchange.remembered_bytes() + self.kept.bytes() + self.leftover.bytes()
    }

    /// Forgets them.
    pub(crate) fn forget_replies(&mut self) {
        self.exchange.shrink_to(0);
        self.kept = Kept::default();
        self.leftover = Leftover::default();
    }

    fn pending(&self) -> u32 {
        u32::from(self.document.version > self.document.acknowledged)
    }
}

/// What names a version of the document: its bytes, without leading zeros; at least one.
fn etag_of(version: u64) -> Vec<u8> {
    let bytes = version.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
    bytes.into_iter().skip(zeros).collect()
}

/// The number of a content format.
const fn number_of(format: Format) -> u16 {
    match format {
        Format::Json => crate::conversation::JSON,
        Format::Cbor => CBOR,
    }
}

#[cfg(test)]
mod tests;
