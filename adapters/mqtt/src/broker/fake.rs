//! A broker in memory, on this crate's own reading of MQTT: it knows by the way they came who its
//! clients are, and keeps devices to their own topics, or does not.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use ics_core::id::DeviceId;
use ics_core::port::PortFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};

use super::{Dial, Stranger, Ways, Wire};
use crate::packet::{
    Answered, Connack, Connect, Filter, Frame, Packet, Publication, Publish, Reason, Version,
    measure, read_connect, read_packet, write_connack, write_pong, write_puback, write_publication,
    write_suback,
};
use crate::topic::{Subtree, does_match};

/// What becomes of a device that comes with another name than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is let in, as who it is.
    ByCertificate,
    /// It is let in, as who it says by its client id.
    ByClientId,
    /// It is refused.
    Refuses(Reason),
    /// It is cut off without a word.
    CutsOff,
    /// It is refused, and from then on everybody is.
    RefusesAndStops,
}

pub(super) struct FakeBroker {
    manner: Manner,
    state: Mutex<State>,
    packet_id: AtomicU16,
    /// Changes when everybody is cut off.
    cut: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    is_stopped: bool,
    is_cut: bool,
    next: u64,
    clients: HashMap<u64, Client>,
    published: Vec<(String, Vec<u8>)>,
    acknowledged: usize,
}

struct Client {
    filters: Vec<String>,
    out: mpsc::UnboundedSender<Vec<u8>>,
}

/// The way of one client: `None` is the gateway.
pub(super) struct FakeWay {
    broker: Arc<FakeBroker>,
    who: Option<DeviceId>,
}

pub(super) struct FakeWays(pub(super) Arc<FakeBroker>);

impl Ways for FakeWays {
    fn of_gateway(&self) -> Arc<dyn Dial> {
        self.0.way(None)
    }

    fn of_stranger(&self) -> PortFuture<'_, io::Result<Stranger>> {
        let device = DeviceId::mint([8; 16]);
        let stranger = Stranger {
            dial: self.0.way(Some(device.clone())),
            device,
            victim: DeviceId::mint([9; 16]),
        };
        Box::pin(async { Ok(stranger) })
    }
}

impl Dial for FakeWay {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn Wire>>> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (broker, who) = (Arc::clone(&self.broker), self.who.clone());
        tokio::spawn(async move { broker.serve(far, who).await });
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
    }
}

impl FakeBroker {
    pub(super) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            state: Mutex::default(),
            packet_id: AtomicU16::new(1),
            cut: watch::Sender::new(0),
        })
    }

    pub(super) fn way_of_gateway(self: &Arc<Self>) -> Arc<dyn Dial> {
        self.way(None)
    }

    /// Cuts everybody off; `is_cut`: the gateway is not let in again either.
    pub(super) fn cut_off(&self, is_cut: bool) {
        self.state.lock().unwrap().is_cut = is_cut;
        self.cut.send_modify(|times| *times += 1);
    }

    /// What was published.
    pub(super) fn published(&self) -> Vec<(String, Vec<u8>)> {
        self.state.lock().unwrap().published.clone()
    }

    /// How many messages were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.state.lock().unwrap().acknowledged
    }

    fn way(self: &Arc<Self>, who: Option<DeviceId>) -> Arc<dyn Dial> {
        Arc::new(FakeWay {
            broker: Arc::clone(self),
            who,
        })
    }

    /// A device publishes, as the broker lets it.
    pub(super) fn publish(&self, topic: &str, payload: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.published.push((topic.to_owned(), payload.to_vec()));
        for client in state.clients.values() {
            let matches = |filter: &String| {
                let filter = filter.strip_prefix("$share/ics/").unwrap_or(filter);
                does_match(filter, topic)
            };
            if client.filters.iter().any(matches) {
                let id = self.packet_id.fetch_add(1, Ordering::Relaxed) % 1000 + 1;
                let mut out = Vec::new();
                let publication = Publication {
                    topic,
                    packet_id: Some(id),
                    content_type: "application/json",
                    correlation_data: None,
                    payload,
                };
                write_publication(&mut out, Version::V5, &publication);
                let _ = client.out.send(out);
            }
        }
    }

    /// Whether somebody listens on the topic.
    pub(super) fn is_heard(&self, filter: &str) -> bool {
        let state = self.state.lock().unwrap();
        let mut filters = state.clients.values().flat_map(|client| &client.filters);
        filters.any(|known| known == filter)
    }

    async fn serve(&self, mut io: DuplexStream, who: Option<DeviceId>) {
        let mut inbox = Vec::new();
        let mut cut = self.cut.subscribe();
        let Some(packet) = next(&mut io, &mut inbox).await else {
            return;
        };
        let connect = read_connect(Frame::of(&packet).unwrap()).unwrap();
        let mut out = Vec::new();
        let subtree = match self.judge(&connect, who.as_ref()) {
            Ok(subtree) => subtree,
            Err(None) => return,
            Err(Some(reason)) => {
                write_connack(&mut out, Version::V5, Err(reason));
                let _ = io.write_all(&out).await;
                return;
            }
        };
        let connack = Connack {
            receive_maximum: 100,
            maximum_packet_size: 8192,
            keep_alive: None,
            client_id: None,
        };
        write_connack(&mut out, Version::V5, Ok(connack));
        let (tell, mut told) = mpsc::unbounded_channel();
        let number = {
            let mut state = self.state.lock().unwrap();
            state.next += 1;
            let number = state.next;
            let client = Client {
                filters: Vec::new(),
                out: tell,
            };
            state.clients.insert(number, client);
            number
        };
        loop {
            if io.write_all(&out).await.is_err() {
                break;
            }
            out.clear();
            tokio::select! {
                packet = next(&mut io, &mut inbox) => match packet {
                    Some(packet) => {
                        let frame = Frame::of(&packet).unwrap();
                        match read_packet(Version::V5, frame).unwrap() {
                            Packet::Disconnect => break,
                            packet => self.take(&packet, (number, subtree.as_ref()), &mut out),
                        }
                    }
                    None => break,
                },
                Some(bytes) = told.recv() => out.extend(bytes),
                _ = cut.changed() => break,
            }
        }
        self.state.lock().unwrap().clients.remove(&number);
    }

    /// To what the client is kept; `Err(None)`: it is cut off.
    fn judge(
        &self,
        connect: &Connect<'_>,
        who: Option<&DeviceId>,
    ) -> Result<Option<Subtree>, Option<Reason>> {
        let mut state = self.state.lock().unwrap();
        let Some(device) = who else {
            return if state.is_cut { Err(None) } else { Ok(None) };
        };
        if state.is_stopped {
            return Err(None);
        }
        if connect.client_id.starts_with(device.as_str()) {
            return Ok(Some(Subtree::of(device)));
        }
        match self.manner {
            Manner::ByCertificate => Ok(Some(Subtree::of(device))),
            Manner::ByClientId => {
                let said = DeviceId::parse(connect.client_id).unwrap();
                Ok(Some(Subtree::of(&said)))
            }
            Manner::Refuses(reason) => Err(Some(reason)),
            Manner::CutsOff => Err(None),
            Manner::RefusesAndStops => {
                state.is_stopped = true;
                Err(Some(Reason::NotAuthorized))
            }
        }
    }

    fn take(
        &self,
        packet: &Packet<'_>,
        (number, subtree): (u64, Option<&Subtree>),
        out: &mut Vec<u8>,
    ) {
        let is_open = |topic: &str| subtree.is_none_or(|own| own.own(topic).is_some());
        match packet {
            Packet::Publish(Publish {
                topic,
                packet_id,
                payload,
                ..
            }) => {
                let reason = if is_open(topic) {
                    self.publish(topic, payload);
                    Reason::Success
                } else {
                    Reason::NotAuthorized
                };
                write_puback(out, Version::V5, (packet_id.unwrap(), reason));
            }
            Packet::Subscribe(id, filters) => {
                let mut state = self.state.lock().unwrap();
                let client = state.clients.get_mut(&number).unwrap();
                let mut subscribe = |filter: &Filter<'_>| {
                    if !is_open(filter.text) {
                        return Answered::Refused(Reason::NotAuthorized);
                    }
                    client.filters.push(filter.text.to_owned());
                    Answered::Granted(true)
                };
                let answers: Vec<Answered> = filters.iter().map(&mut subscribe).collect();
                write_suback(out, Version::V5, *id, &answers);
            }
            Packet::Ping => write_pong(out),
            Packet::Puback(_) => self.state.lock().unwrap().acknowledged += 1,
            Packet::Unsubscribe(..) | Packet::Disconnect => {}
        }
    }
}

/// The next packet; `None` at the end. May be dropped and called again.
async fn next(io: &mut DuplexStream, inbox: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = measure(inbox, 64 * 1024).unwrap()
            && inbox.len() >= length
        {
            return Some(inbox.drain(..length).collect());
        }
        if io.read_buf(inbox).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
