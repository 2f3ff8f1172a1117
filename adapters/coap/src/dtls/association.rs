//! The associations of one socket: who has shown what, and until when it is kept.
//!
//! Nobody ends an association that stands by what he can send without its keys: of the datagrams
//! from its address only records of its epoch are read, and the hello of a new one only once that
//! address has proven itself (RFC 6347 4.2.8). Each step costs O(log n).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ics_channel::DeviceCertificate;
use ics_core::port::Entropy;
use rtc_dtls::config::HandshakeConfig;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

use super::cookie::{Cookies, is_newer};
use super::flight::Flight;
use super::hello::{COOKIE, ClientHello};
use super::peer::{Begun, Met, Peers, Stage};
use super::provider::ChosenCookies;
use super::record::{ALERT, APPLICATION_DATA, HANDSHAKE, Pieces, Record, Records};
use super::trust::{Findings, RETRANSMIT, Trust};

/// How much one listener keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DtlsLimits {
    /// Handshakes under way; of more, the oldest of the largest network ends.
    pub(crate) handshakes: usize,
    /// How long a handshake may take.
    pub(crate) handshake: Duration,
    /// Datagrams a handshake may take.
    pub(crate) datagrams: u32,
    /// Bytes a handshake may take.
    pub(crate) bytes: usize,
    /// Associations; of more, the one that was silent longest ends.
    pub(crate) associations: usize,
    /// How long an association may be silent.
    pub(crate) idle: Duration,
}

impl Default for DtlsLimits {
    fn default() -> Self {
        Self {
            handshakes: 4096,
            handshake: Duration::from_secs(10),
            datagrams: 64,
            bytes: 64 << 10,
            associations: 50_000,
            idle: Duration::from_secs(3600),
        }
    }
}

/// Who the other end has shown to be.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// It holds the key of this identity.
    Key(Vec<u8>),
    /// It holds the key of this certificate, which is believed.
    Certificate(DeviceCertificate),
}

/// What came of a datagram.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A handshake waits for the key of that identity: [`Associations::take_key`].
    Asks(SocketAddr, Vec<u8>),
    /// A handshake is whole.
    Met(SocketAddr, Shown),
    /// It said this.
    Said(SocketAddr, BytesMut),
    /// It took its leave, or was given up, before it was met or after. Another may come from there.
    Left(SocketAddr),
}

/// The longest that can be said at once (RFC 5246 6.2.1).
const LONGEST_SAID: usize = 1 << 14;

/// All associations of a socket. Without I/O, without a clock.
pub(crate) struct Associations {
    endpoint: Endpoint,
    config: Arc<HandshakeConfig>,
    cookies: Cookies,
    peers: Peers,
    limits: DtlsLimits,
    heard: VecDeque<Heard>,
    out: VecDeque<(SocketAddr, BytesMut)>,
}

impl Associations {
    /// Those of the socket at `local`, which shows and believes what `trust` says now.
    pub(crate) fn new(
        local: SocketAddr,
        trust: &Trust,
        limits: DtlsLimits,
        entropy: &dyn Entropy,
    ) -> Self {
        let config = trust.config();
        Self {
            endpoint: Endpoint::new(local, TransportProtocol::UDP, Some(Arc::clone(&config))),
            config,
            cookies: Cookies::new(entropy),
            peers: Peers::default(),
            limits,
            heard: VecDeque::new(),
            out: VecDeque::new(),
        }
    }

    /// Handshakes that begin from now on go by what `trust` says now. Cheap when that is the same.
    pub(crate) fn use_trust(&mut self, trust: &Trust) {
        let config = trust.config();
        if !Arc::ptr_eq(&config, &self.config) {
            self.endpoint.set_server_config(Some(Arc::clone(&config)));
            self.config = config;
        }
    }

    /// Takes a datagram.
    pub(crate) fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        self.cookies.turn(now);
        if let Some(hello) = ClientHello::read(datagram) {
            self.greet(now, from, &hello);
            return;
        }
        match self.peers.stage(from) {
            None => {}
            Some(Stage::Met(_)) => self.listen(now, from, datagram),
            Some(Stage::Begun(begun)) => {
                begun.datagrams += 1;
                begun.bytes += datagram.len();
                let limits = &self.limits;
                if begun.datagrams > limits.datagrams || begun.bytes > limits.bytes {
                    self.end(now, from);
                } else {
                    self.gather(now, from, datagram);
                }
            }
        }
    }

    /// A hello: nothing is kept of it, and nothing ends, before its address is proven.
    fn greet(&mut self, now: Instant, from: SocketAddr, hello: &ClientHello<'_>) {
        let Some(cookie) = self.cookies.proven(from, hello) else {
            let answer = hello.verify_request(&self.cookies.of(from, hello));
            self.out.push_back((from, BytesMut::from(&answer[..])));
            return;
        };
        let Some(second) = hello.second() else {
            return;
        };
        match self.peers.hello(from) {
            // The one it began with, once more: our answer was lost, or this was on its way long.
            Some(before) if before == cookie => self.repeat(now, from),
            // One of before that: it was overheard, and sent again by somebody else.
            Some(before) if !is_newer(&cookie, &before) => {}
            Some(_) => {
                self.end_silently(now, from);
                self.begin(now, from, hello, (&second, cookie));
            }
            None => self.begin(now, from, hello, (&second, cookie)),
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        from: SocketAddr,
        hello: &ClientHello<'_>,
        (second, cookie): (&[u8], [u8; COOKIE]),
    ) {
        self.make_room(now);
        let endpoint = &mut self.endpoint;
        let first = BytesMut::from(&hello.first()[..]);
        let begun = ChosenCookies::with(cookie, || endpoint.read(now, from, None, first));
        // It answers with the cookie that was brought already.
        self.drop_transmits();
        let begun = begun.and_then(|_| {
            let second = BytesMut::from(second);
            self.endpoint.read(now, from, None, second)
        });
        // What it answers with has to be repeated, if it is an answer.
        if begun.is_err() || self.endpoint.poll_timeout(&from).is_none() {
            let sent = self.out.len();
            self.transmit();
            // It may have been told why.
            if begun.is_ok() || self.out.len() == sent {
                self.out
                    .push_back((from, BytesMut::from(&hello.refusal()[..])));
            }
            self.endpoint.stop(now, from);
            self.drop_transmits();
            return;
        }
        self.transmit();
        let state = self.endpoint.get_connection_state(from);
        let has_key = state.is_some_and(|state| state.is_cipher_suite_psk());
        self.peers
            .enter(from, cookie, Begun::new(now, Flight::new(has_key)));
        self.file(from);
    }

    /// What a handshake sends: gathered until its flight is whole, then handed on.
    fn gather(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(Stage::Begun(begun)) = self.peers.stage(from) else {
            return;
        };
        let Some(flight) = &mut begun.flight else {
            self.finish(now, from, datagram);
            return;
        };
        for record in Records(datagram) {
            match (record.kind, record.epoch) {
                (HANDSHAKE, 0) => Pieces(record.body).for_each(|piece| flight.take(&piece)),
                (_, 1) => flight.keep(&record),
                _ => {}
            }
        }
        if !flight.is_whole() || begun.asked.is_some() {
            return;
        }
        if !flight.has_key() {
            self.hand_flight(now, from, Findings::default());
        } else if let Some(identity) = flight.identity().map(<[u8]>::to_vec) {
            begun.asked = Some(identity.clone());
            self.heard.push_back(Heard::Asks(from, identity));
        } else {
            self.end(now, from);
        }
    }

    /// The key of the identity `from` asked with; for one that has none, a key nobody knows, so that
    /// it fails as a wrong one does. If `from` asks with another by now, this is not its key.
    pub(crate) fn take_key(
        &mut self,
        now: Instant,
        from: SocketAddr,
        identity: &[u8],
        key: Zeroizing<Vec<u8>>,
    ) {
        let Some(Stage::Begun(begun)) = self.peers.stage(from) else {
            return;
        };
        if begun.asked.as_deref() == Some(identity) {
            begun.asked = None;
            let findings = Findings {
                key: Some(key),
                device: None,
            };
            self.hand_flight(now, from, findings);
        }
    }

    fn hand_flight(&mut self, now: Instant, from: SocketAddr, findings: Findings) {
        if let Some(Stage::Begun(begun)) = self.peers.stage(from)
            && let Some(flight) = begun.flight.take()
        {
            self.hand(now, from, &flight.datagram(), findings);
            self.file(from);
        }
    }

    /// The last message of a handshake, should it have come later than the rest.
    fn finish(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        for record in Records(datagram).filter(|record| is_of(record, HANDSHAKE)) {
            let Some(Stage::Begun(begun)) = self.peers.stage(from) else {
                return;
            };
            let findings = Findings {
                key: None,
                device: begun.device.take(),
            };
            self.hand(now, from, record.whole, findings);
        }
        self.file(from);
    }

    /// Hands a datagram to a handshake, and keeps what that found out.
    fn hand(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], findings: Findings) {
        let endpoint = &mut self.endpoint;
        let (read, device) = findings.of(|| {
            let datagram = BytesMut::from(datagram);
            endpoint.read(now, from, None, datagram)
        });
        if let Some(Stage::Begun(begun)) = self.peers.stage(from) {
            begun.device = device;
        }
        self.transmit();
        match read {
            Ok(events) => self.note(now, from, events),
            // It has been told why.
            Err(_) => self.end_silently(now, from),
        }
    }

    /// What one that is met says: records of its epoch, each on its own.
    fn listen(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        for record in Records(datagram) {
            let Some(Stage::Met(met)) = self.peers.stage(from) else {
                return;
            };
            let is_read = match record.kind {
                APPLICATION_DATA | ALERT => record.epoch == 1,
                // It repeats its last message: ours was lost. After its first word it was not.
                HANDSHAKE => record.epoch == 1 && met.is_repeat_due(record.whole.len()),
                _ => false,
            };
            if is_read {
                self.hear(now, from, &record);
            }
        }
    }

    fn hear(&mut self, now: Instant, from: SocketAddr, record: &Record<'_>) {
        let mut read = || {
            let record = BytesMut::from(record.whole);
            self.endpoint.read(now, from, None, record)
        };
        match read() {
            Ok(events) => {
                self.transmit();
                self.note(now, from, events);
            }
            // What does not decrypt may be anybody's: nothing is said to it, and nothing ends. A
            // fatal alert that does is the end, and is known by not being read twice.
            Err(Error::ErrAlertFatalOrClose) if record.kind == ALERT && read().is_ok() => {
                self.drop_transmits();
                self.end_silently(now, from);
            }
            Err(_) => self.drop_transmits(),
        }
    }

    fn note(&mut self, now: Instant, from: SocketAddr, events: Vec<EndpointEvent>) {
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.note_met(now, from),
                EndpointEvent::ApplicationData(said) => {
                    if let Some(Stage::Met(met)) = self.peers.stage(from) {
                        met.note_said(now);
                        self.heard.push_back(Heard::Said(from, said));
                    }
                }
                EndpointEvent::PeerClosed => self.forget(from),
                _ => {}
            }
        }
    }

    fn note_met(&mut self, now: Instant, from: SocketAddr) {
        let Some(Stage::Begun(begun)) = self.peers.stage(from) else {
            return;
        };
        let device = begun.device.take();
        let state = self.endpoint.get_connection_state(from);
        let shown = match (state, device) {
            (Some(state), None) if state.is_cipher_suite_psk() => {
                Shown::Key(state.identity_hint.clone())
            }
            (Some(state), Some(device)) if !state.is_cipher_suite_psk() => {
                Shown::Certificate(device)
            }
            _ => return self.end(now, from),
        };
        while self.peers.met() >= self.limits.associations.max(1) {
            let Some(silent) = self.peers.most_silent() else {
                break;
            };
            self.end(now, silent);
        }
        self.peers.meet(from, Met::new(now));
        self.heard.push_back(Heard::Met(from, shown));
    }

    /// Says something to who is met.
    pub(crate) fn say(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        let is_met = matches!(self.peers.stage(to), Some(Stage::Met(_)));
        if is_met && bytes.len() <= LONGEST_SAID && self.endpoint.write(now, to, bytes).is_ok() {
            self.transmit();
        }
    }

    /// Ends one, with a goodbye.
    pub(crate) fn end(&mut self, now: Instant, peer: SocketAddr) {
        self.endpoint.stop(now, peer);
        self.transmit();
        self.forget(peer);
    }

    fn end_silently(&mut self, now: Instant, peer: SocketAddr) {
        self.endpoint.stop(now, peer);
        self.drop_transmits();
        self.forget(peer);
    }

    fn forget(&mut self, peer: SocketAddr) {
        if self.peers.leave(peer).is_some() {
            self.heard.push_back(Heard::Left(peer));
        }
    }

    /// What came, in order.
    pub(crate) fn heard(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// What goes out next.
    pub(crate) fn outgoing(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.out.pop_front()
    }

    /// All that are met, in no order.
    pub(crate) fn met(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.peers.all_met()
    }

    /// When [`Self::attend`] has something to do; earlier, at times.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let silent = self.peers.first_silent().map(|(since, _)| since);
        let over = silent.and_then(|since| since.checked_add(self.limits.idle));
        let due = self.peers.first_due().map(|(due, _)| due);
        over.into_iter().chain(due).min()
    }

    /// Repeats what is due, and ends what took too long.
    pub(crate) fn attend(&mut self, now: Instant) {
        while let Some(peer) = self.peers.take_due(now) {
            self.attend_handshake(now, peer);
        }
        while let Some((since, peer)) = self.peers.first_silent()
            && now.saturating_duration_since(since) >= self.limits.idle
        {
            if !self.peers.file_silent(peer) {
                self.end(now, peer);
            }
        }
    }

    fn attend_handshake(&mut self, now: Instant, peer: SocketAddr) {
        let since = match self.peers.stage(peer) {
            Some(Stage::Begun(begun)) => begun.since,
            _ => return,
        };
        let is_over = now.saturating_duration_since(since) >= self.limits.handshake;
        if is_over || self.endpoint.handle_timeout(peer, now).is_err() {
            self.end(now, peer);
            return;
        }
        self.transmit();
        self.file(peer);
    }

    /// Repeats our flight before it is due, but not for each copy of what asks for it.
    fn repeat(&mut self, now: Instant, peer: SocketAddr) {
        let Some(Stage::Begun(begun)) = self.peers.stage(peer) else {
            return;
        };
        begun.datagrams += 1;
        let Some(due) = self.endpoint.poll_timeout(&peer) else {
            return;
        };
        if due.saturating_duration_since(now) > RETRANSMIT * 3 / 4 {
            return;
        }
        if self.endpoint.handle_timeout(peer, now.max(due)).is_err() {
            self.end(now, peer);
            return;
        }
        self.transmit();
        self.file(peer);
    }

    /// Files a handshake by when something is due of it.
    fn file(&mut self, peer: SocketAddr) {
        let repeat = self.endpoint.poll_timeout(&peer);
        self.peers.file_due(peer, repeat, self.limits.handshake);
    }

    fn make_room(&mut self, now: Instant) {
        let most = self.limits.handshakes.max(1);
        while self.peers.begun() >= most {
            let Some(first) = self.peers.first_to_go(most) else {
                break;
            };
            self.end(now, first);
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let to = transmit.transport.peer_addr;
            self.out.push_back((to, transmit.message));
        }
    }

    fn drop_transmits(&mut self) {
        while self.endpoint.poll_transmit().is_some() {}
    }
}

fn is_of(record: &Record<'_>, kind: u8) -> bool {
    record.epoch == 1 && record.kind == kind
}

#[cfg(test)]
mod tests;
