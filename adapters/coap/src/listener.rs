//! The one task of a socket: datagrams in and out, sessions, what the service is asked for them. The
//! only file beside `plain` that reads or writes a socket.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ics_channel::{RefusedAttempt, Taken};
use ics_core::device::HostedDevice;
use ics_core::device_document::DeviceDocument;
use ics_core::id::{DeviceId, PskIdentity};
use ics_core::principal::DeviceIdentity;
use ics_core::service::{DeviceClaim, DeviceRefusal, PreSharedKey};
use tokio::net::UdpSocket;
use tokio::time::sleep_until;
use zeroize::Zeroizing;

use crate::conversation::{Done, Fault, act_upon, fault};
use crate::dtls::{Associations, DtlsLimits, Heard, Shown, Trust};
use crate::endpoint::Endpoint;
use crate::guest::hand_over;
use crate::session::{Around, Session, Wanted};
use crate::usage::Usages;

/// The longest datagram that is taken: more than a part of a payload with all around it.
const LONGEST_DATAGRAM: usize = 2048;
/// How many datagrams are taken in a row before others have their turn.
const TAKEN_IN_A_ROW: usize = 64;
/// What a device may say before it is known who it is.
const MOST_EARLY: usize = 4;
/// Datagrams of one handshake.
const DATAGRAMS_OF_HANDSHAKE: u32 = 64;
/// Bytes of them.
const BYTES_OF_HANDSHAKE: usize = 64 * 1024;

/// Something the service was asked, for one association.
type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

struct Outcome {
    at: SocketAddr,
    /// Which of the associations that were at that address.
    serial: u64,
    told: Told,
}

enum Told {
    /// Of that identity.
    Key(Vec<u8>, Option<PreSharedKey>),
    Identity(Result<Arc<DeviceIdentity>, DeviceRefusal>),
    /// It comes more often than it may.
    TooOften,
    Done(u64, Result<Done, Fault>),
    Device(Box<Result<HostedDevice, DeviceRefusal>>),
    Document(Result<DeviceDocument, Fault>),
}

/// Who is at an address.
enum Place {
    /// Its handshake is not over, or was just now, and the service is asked who it is; what it said
    /// meanwhile.
    Meeting(Vec<Vec<u8>>),
    Open(Box<Session>),
}

struct Peer {
    serial: u64,
    place: Place,
    /// Whether it named a key that holds.
    is_keyed: bool,
    /// When it is looked at next, as the heap has it.
    filed: Option<Instant>,
}

/// One socket.
pub(crate) struct Listener<'e> {
    endpoint: &'e Endpoint,
    socket: UdpSocket,
    trust: Arc<Trust>,
    associations: Associations,
    peers: HashMap<SocketAddr, Peer>,
    by_device: HashMap<DeviceId, SocketAddr>,
    usages: Usages,
    deadlines: BinaryHeap<Reverse<(Instant, SocketAddr)>>,
    /// Not begun yet.
    fresh: VecDeque<Work>,
    work: FuturesUnordered<Work>,
    serials: u64,
    /// Bytes of replies that are remembered.
    remembered: usize,
    datagram: Vec<u8>,
}

impl<'e> Listener<'e> {
    pub(crate) fn new(
        endpoint: &'e Endpoint,
        socket: UdpSocket,
        trust: Arc<Trust>,
    ) -> io::Result<Self> {
        let limits = DtlsLimits {
            handshakes: endpoint.limits.handshakes,
            handshake: endpoint.limits.handshake,
            datagrams: DATAGRAMS_OF_HANDSHAKE,
            bytes: BYTES_OF_HANDSHAKE,
            associations: endpoint.limits.associations,
            idle: endpoint.limits.idle,
        };
        let local = socket.local_addr()?;
        let entropy = endpoint.entropy.as_ref();
        let associations = Associations::new(local, &trust, limits, entropy);
        Ok(Self {
            endpoint,
            socket,
            trust,
            associations,
            peers: HashMap::new(),
            by_device: HashMap::new(),
            usages: Usages::default(),
            deadlines: BinaryHeap::new(),
            fresh: VecDeque::new(),
            work: FuturesUnordered::new(),
            serials: 0,
            remembered: 0,
            datagram: vec![0; LONGEST_DATAGRAM],
        })
    }

    pub(crate) async fn run(
        &mut self,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> io::Result<()> {
        let sessions = Arc::clone(&self.endpoint.sessions);
        loop {
            self.send();
            let deadline = self.next_deadline();
            tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                Some(outcome) = self.work.next() => self.finish(outcome),
                rung = sessions.rung() => self.ring(&rung),
                readable = self.socket.readable() => {
                    readable?;
                    self.receive();
                }
                () = wait_until(deadline) => {}
            }
            self.attend();
            self.settle().await;
            // A peer that never pauses must not keep the other tasks waiting.
            tokio::task::consume_budget().await;
        }
        self.say_goodbye();
        Ok(())
    }

    /// Asks the service what is to be asked; what it knows at once is acted upon at once.
    async fn settle(&mut self) {
        loop {
            self.hear();
            let Some(mut work) = self.fresh.pop_front() else {
                return;
            };
            let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
            match polled {
                Poll::Ready(outcome) => self.finish(outcome),
                Poll::Pending => self.work.push(work),
            }
        }
    }

    fn receive(&mut self) {
        self.associations.use_trust(&self.trust);
        for _ in 0..TAKEN_IN_A_ROW {
            let mut datagram = std::mem::take(&mut self.datagram);
            let received = self.socket.try_recv_from(&mut datagram);
            if let Ok((length, from)) = received
                && let Some(said) = datagram.get(..length)
            {
                self.associations.take(Instant::now(), from, said);
            }
            self.datagram = datagram;
            match received {
                Ok(_) => self.hear(),
                // The kernel tells here that somebody's port is closed, too.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    }

    /// Attends to what came of datagrams.
    fn hear(&mut self) {
        while let Some(heard) = self.associations.heard() {
            match heard {
                Heard::Asks(at, identity) => self.look_for_key(at, &identity),
                Heard::Met(at, shown) => self.meet(at, shown),
                Heard::Said(at, said) => self.take(at, &said),
                Heard::Left(at) => self.forget(at),
            }
        }
    }

    fn look_for_key(&mut self, at: SocketAddr, identity: &[u8]) {
        let serial = self.place(at);
        let named = identity.to_vec();
        let Ok(identity) = PskIdentity::parse(identity) else {
            let attempt = RefusedAttempt::AssociateUnnamed;
            self.endpoint.service.note_refused(None, attempt);
            let told = Told::Key(named, None);
            return self.finish(Outcome { at, serial, told });
        };
        let (service, clock) = (&self.endpoint.service, &self.endpoint.clock);
        let (service, now) = (Arc::clone(service), clock.now());
        let work = async move {
            // A service that fails knows no key: the device tries again.
            let found = service.find_key(&identity, now).await;
            let told = Told::Key(named, found.ok().flatten());
            Outcome { at, serial, told }
        };
        self.fresh.push_back(Box::pin(work));
    }

    fn meet(&mut self, at: SocketAddr, shown: Shown) {
        let serial = self.place(at);
        let (service, clock) = (&self.endpoint.service, &self.endpoint.clock);
        let (service, now) = (Arc::clone(service), clock.now());
        let claimed = match &shown {
            Shown::Key(identity) => PskIdentity::parse(identity).ok(),
            Shown::Certificate(_) => None,
        };
        let device = match &shown {
            Shown::Certificate(certificate) => Some(&certificate.device_id),
            Shown::Key(_) => claimed.as_ref().map(|identity| &identity.device_id),
        };
        // Before it is let in, which leaves a line.
        let taken = device.map(|device| {
            let used = self.usages.of(device, now);
            used.connects.take(self.endpoint.limits.connects, now)
        });
        let is_told = match taken {
            Some(Taken::Beyond { is_news: false }) => {
                let told = Told::TooOften;
                return self.finish(Outcome { at, serial, told });
            }
            Some(Taken::Beyond { is_news: true }) => true,
            Some(Taken::Within) | None => false,
        };
        let work = async move {
            let claim = match (&shown, &claimed) {
                (Shown::Certificate(certificate), _) => DeviceClaim::Certificate {
                    iot_sp: &certificate.iot_sp,
                    device_id: &certificate.device_id,
                    thumbprint: certificate.thumbprint,
                },
                (Shown::Key(_), Some(identity)) => DeviceClaim::PreSharedKey { identity },
                // No key is found for what is no identity.
                (Shown::Key(_), None) => {
                    let unknown = ics_core::service::Unauthenticated::Unknown;
                    let told = Told::Identity(Err(unknown.into()));
                    return Outcome { at, serial, told };
                }
            };
            let told = match service.authenticate(claim, now).await {
                Ok(identity) if is_told => {
                    service.note_refused(Some(&identity), RefusedAttempt::AssociateTooOften);
                    Told::TooOften
                }
                met => Told::Identity(met),
            };
            Outcome { at, serial, told }
        };
        self.fresh.push_back(Box::pin(work));
    }

    fn take(&mut self, at: SocketAddr, said: &[u8]) {
        let Some(peer) = self.peers.get_mut(&at) else {
            return;
        };
        match &mut peer.place {
            Place::Meeting(early) => {
                if early.len() < MOST_EARLY {
                    early.push(said.to_vec());
                }
            }
            Place::Open(session) => {
                let around = around(self.endpoint);
                let device = &session.identity.device_id;
                let used = self.usages.of(device, around.time);
                let before = session.remembered_bytes();
                session.take(around, &mut used.messages, said);
                let after = session.remembered_bytes();
                self.remembered = self.remembered.saturating_sub(before).saturating_add(after);
                self.go_on(at);
            }
        }
    }

    /// Who is at that address now, if anybody is there for the first time.
    fn place(&mut self, at: SocketAddr) -> u64 {
        if let Some(peer) = self.peers.get(&at) {
            return peer.serial;
        }
        self.serials = self.serials.wrapping_add(1);
        let peer = Peer {
            serial: self.serials,
            place: Place::Meeting(Vec::new()),
            is_keyed: false,
            filed: None,
        };
        self.peers.insert(at, peer);
        self.serials
    }

    /// Takes what the service said.
    fn finish(&mut self, outcome: Outcome) {
        let Outcome { at, serial, told } = outcome;
        let Some(peer) = self.peers.get_mut(&at).filter(|peer| peer.serial == serial) else {
            return;
        };
        let now = Instant::now();
        match (told, &mut peer.place) {
            (Told::Key(named, found), Place::Meeting(_)) => {
                peer.is_keyed = found.is_some();
                let key = found.map_or_else(
                    || self.draw_key(),
                    |key| Zeroizing::new(key.expose().to_vec()),
                );
                self.associations.take_key(now, at, &named, key);
                return;
            }
            (Told::Identity(Ok(identity)), Place::Meeting(_)) => {
                peer.is_keyed = false;
                return self.open(at, identity);
            }
            (Told::Identity(Err(_)) | Told::TooOften, _) => {
                peer.is_keyed = false;
                return self.end(at);
            }
            (Told::Done(ticket, outcome), Place::Open(session)) => {
                let before = session.remembered_bytes();
                session.answered(now, ticket, outcome);
                let after = session.remembered_bytes();
                self.remembered = self.remembered.saturating_sub(before).saturating_add(after);
            }
            (Told::Device(device), Place::Open(session)) => session.looked(now, *device),
            (Told::Document(document), Place::Open(session)) => {
                session.take_document(now, document);
            }
            _ => return,
        }
        self.go_on(at);
    }

    /// A key nobody knows: who names an unknown one fails as who has a wrong one does.
    fn draw_key(&self) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; 16]);
        self.endpoint.entropy.fill(&mut key);
        key
    }

    /// The device is known: its session begins; one it has elsewhere ends.
    fn open(&mut self, at: SocketAddr, identity: Arc<DeviceIdentity>) {
        let before = self.by_device.insert(identity.device_id.clone(), at);
        if let Some(before) = before.filter(|before| *before != at) {
            self.end(before);
            self.by_device.insert(identity.device_id.clone(), at);
        }
        let sessions = &self.endpoint.sessions;
        sessions.enter(&identity.iot_sp, &identity.device_id);
        let mut seed = [0; 8];
        self.endpoint.entropy.fill(&mut seed);
        let session = Box::new(Session::new(identity, u64::from_be_bytes(seed)));
        let Some(peer) = self.peers.get_mut(&at) else {
            return;
        };
        let early = match std::mem::replace(&mut peer.place, Place::Open(session)) {
            Place::Meeting(early) => early,
            Place::Open(_) => Vec::new(),
        };
        self.go_on(at);
        for said in early {
            self.take(at, &said);
        }
    }

    /// Has done what a session wants done, sends what it says, and files when it is next looked at.
    fn go_on(&mut self, at: SocketAddr) {
        let mut due = Vec::new();
        let Some(peer) = self.peers.get_mut(&at) else {
            return;
        };
        let Place::Open(session) = &mut peer.place else {
            return;
        };
        while let Some(wanted) = session.wanted() {
            due.push((wanted, Arc::clone(&session.identity)));
        }
        let now = Instant::now();
        while let Some(message) = session.outgoing() {
            self.associations.say(now, at, &message);
        }
        if session.is_over() {
            return self.end(at);
        }
        let deadline = session.next_deadline();
        if let Some(deadline) = deadline
            && peer.filed.is_none_or(|filed| deadline < filed)
        {
            peer.filed = Some(deadline);
            self.deadlines.push(Reverse((deadline, at)));
        }
        let serial = peer.serial;
        for (wanted, identity) in due {
            let work = self.ask((at, serial), wanted, identity);
            self.fresh.push_back(work);
        }
        self.forget_replies();
    }

    fn ask(
        &self,
        (at, serial): (SocketAddr, u64),
        wanted: Wanted,
        identity: Arc<DeviceIdentity>,
    ) -> Work {
        let (service, clock) = (&self.endpoint.service, &self.endpoint.clock);
        let (service, now) = (Arc::clone(service), clock.now());
        let guest = self.endpoint.guest.clone();
        Box::pin(async move {
            let told = match wanted {
                Wanted::Hand(ticket, request) => {
                    let line = (service.as_ref(), guest.as_ref());
                    Told::Done(ticket, hand_over(line, &identity, request, now).await)
                }
                Wanted::Act(ticket, asked) => {
                    let done = act_upon(service.as_ref(), &identity, &asked, now).await;
                    Told::Done(ticket, done)
                }
                Wanted::Look => Told::Device(Box::new(service.admit(&identity, now).await)),
                Wanted::Document => {
                    let document = service.read_document(&identity, now).await;
                    Told::Document(document.map_err(fault))
                }
            };
            Outcome { at, serial, told }
        })
    }

    fn ring(&mut self, rung: &[DeviceId]) {
        for device in rung {
            let Some(at) = self.by_device.get(device).copied() else {
                continue;
            };
            if let Some(Peer {
                place: Place::Open(session),
                ..
            }) = self.peers.get_mut(&at)
            {
                session.ring();
                self.go_on(at);
            }
        }
    }

    /// Does what is due.
    fn attend(&mut self) {
        let now = Instant::now();
        self.associations.attend(now);
        self.hear();
        while let Some(Reverse((due, at))) = self.deadlines.peek().copied() {
            if due > now {
                break;
            }
            self.deadlines.pop();
            let Some(peer) = self
                .peers
                .get_mut(&at)
                .filter(|peer| peer.filed == Some(due))
            else {
                continue;
            };
            peer.filed = None;
            if let Place::Open(session) = &mut peer.place {
                session.attend(now);
                self.go_on(at);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let session = self.deadlines.peek().map(|Reverse((due, _))| *due);
        let others = [session, self.associations.next_timeout()];
        others.into_iter().flatten().min()
    }

    /// Ends an association, with a goodbye.
    fn end(&mut self, at: SocketAddr) {
        self.associations.end(Instant::now(), at);
        self.forget(at);
    }

    fn forget(&mut self, at: SocketAddr) {
        let Some(peer) = self.peers.remove(&at) else {
            return;
        };
        if peer.is_keyed {
            let attempt = RefusedAttempt::AssociateUnfinished;
            self.endpoint.service.note_refused(None, attempt);
        }
        if let Place::Open(session) = peer.place {
            tracing::debug!(iot_sp = %session.identity.iot_sp, "device session ended");
            self.remembered = self.remembered.saturating_sub(session.remembered_bytes());
            let device = &session.identity.device_id;
            if self.by_device.get(device) == Some(&at) {
                self.by_device.remove(device);
                self.endpoint.sessions.leave(device);
            }
        }
    }

    /// Too many replies are remembered: all are forgotten.
    fn forget_replies(&mut self) {
        if self.remembered <= self.endpoint.limits.remembered {
            return;
        }
        for peer in self.peers.values_mut() {
            if let Place::Open(session) = &mut peer.place {
                session.forget_replies();
            }
        }
        self.remembered = 0;
    }

    fn send(&mut self) {
        while let Some((to, datagram)) = self.associations.outgoing() {
            // A datagram may be lost; what must arrive is sent again.
            let _ = self.socket.try_send_to(&datagram, to);
        }
    }

    fn say_goodbye(&mut self) {
        let peers: Vec<SocketAddr> = self.associations.met().collect();
        for at in peers {
            self.end(at);
            self.send();
        }
    }
}

fn around(endpoint: &Endpoint) -> Around<'_> {
    Around {
        service: endpoint.service.as_ref(),
        guest: endpoint.guest.as_ref(),
        messages: endpoint.limits.messages,
        now: Instant::now(),
        time: endpoint.clock.now(),
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
