//! A line as bad as lines get, between a device and its gateway: messages are lost, doubled, late and
//! out of order, in both directions, and the connection breaks.
//!
//! MQTT rides on TCP, which loses nothing while a connection lasts, so this works on MQTT's packets:
//! the device dials here in plain on loopback, from here it goes on over TLS with the device's own
//! certificate. PUBLISH and PUBACK suffer; what opens and keeps a session passes. A copy, and what
//! was late when the connection broke, may come in a later connection; it comes at QoS 0, for its packet
//! identifier means nothing any more. A PUBACK is never doubled towards the device: most clients
//! take that for an attack and leave.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::chance::Dice;
use crate::tls::dial;

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// So many messages of a hundred are lost.
    pub loss: u8,
    /// So many come twice.
    pub duplication: u8,
    /// So many are overtaken by others.
    pub reordering: u8,
    /// How late they are at most.
    pub longest_delay: Duration,
    /// A connection breaks within this time, at any moment of it; `None`: not by itself.
    pub lifetime: Option<Duration>,
}

impl Weather {
    /// Nothing is lost.
    pub const FAIR: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        longest_delay: Duration::ZERO,
        lifetime: None,
    };
}

/// Where the gateway is, and how it is dialled.
#[derive(Clone)]
pub struct Upstream {
    /// Host and port.
    pub address: (String, u16),
    /// With the device's certificate.
    pub tls: Arc<ClientConfig>,
}

/// A proxy that runs until it is dropped.
pub struct LossyProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl LossyProxy {
    /// Listens on `address` and dials `upstream` for each connection.
    ///
    /// # Errors
    /// [`io::Error`] when the address cannot be had.
    pub async fn open(
        address: SocketAddr,
        upstream: Upstream,
        weather: Weather,
        dice: Dice,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let (weather, seen) = watch::channel(weather);
        let line = Line {
            upstream,
            weather: seen,
            strays: Arc::default(),
        };
        Ok(Self {
            address,
            weather,
            task: tokio::spawn(accept(socket, line, dice)),
        })
    }

    /// Where devices dial.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather changes: every connection breaks, the next ones are under the new one.
    pub fn change(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the connections of a proxy share.
#[derive(Clone)]
struct Line {
    upstream: Upstream,
    weather: watch::Receiver<Weather>,
    strays: Arc<Mutex<[Vec<Vec<u8>>; 2]>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

async fn accept(socket: TcpListener, line: Line, dice: Dice) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((device, _)) = socket.accept().await {
        number += 1;
        let (line, dice) = (line.clone(), dice.beside(number));
        connections.spawn(async move {
            // A connection that could not be made, or broke: the device dials again.
            let _ = line.carry(device, dice).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Line {
    async fn carry(mut self, mut device: TcpStream, mut dice: Dice) -> io::Result<()> {
        let weather = *self.weather.borrow_and_update();
        device.set_nodelay(true)?;
        let Upstream { address, tls } = self.upstream.clone();
        let (from_gateway, to_gateway) = split(dial(address, tls).await?);
        let (from_device, to_device) = device.split();
        let lifetime = weather.lifetime.map(|most| dice.wait(most));
        let pump = |direction, number| Pump {
            line: &self,
            direction,
            weather,
            dice: dice.beside(number),
            late: Vec::new(),
            inbox: Vec::new(),
        };
        let (mut up, mut down) = (pump(Direction::Up, 1), pump(Direction::Down, 2));
        let mut seen = self.weather.clone();
        // Breaks off with what is on its way, as lines do.
        tokio::select! {
            ended = up.run(from_device, to_gateway) => ended,
            ended = down.run(from_gateway, to_device) => ended,
            () = until(lifetime) => Ok(()),
            _ = seen.changed() => Ok(()),
        }
    }

    fn strays(&self) -> MutexGuard<'_, [Vec<Vec<u8>>; 2]> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until(lifetime: Option<Duration>) {
    match lifetime {
        Some(lifetime) => sleep(lifetime).await,
        None => std::future::pending().await,
    }
}

/// One direction of one connection.
struct Pump<'a> {
    line: &'a Line,
    direction: Direction,
    weather: Weather,
    dice: Dice,
    /// What comes later than it should.
    late: Vec<(Instant, Vec<u8>)>,
    inbox: Vec<u8>,
}

/// More strays than this are lost after all.
const MOST_STRAYS: usize = 32;

impl Pump<'_> {
    async fn run(
        &mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        loop {
            let next = self.late.iter().map(|(at, _)| *at).min();
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = from.read_buf(&mut self.inbox) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(packet) = cut_packet(&mut self.inbox)? {
                        self.pass(packet, &mut to).await?;
                    }
                }
                () = due => self.deliver_late(&mut to).await?,
            }
            to.flush().await?;
        }
    }

    async fn pass(
        &mut self,
        packet: Vec<u8>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let kind = packet.first().map_or(0, |first| first >> 4);
        if !matches!(kind, PUBLISH | PUBACK) {
            to.write_all(&packet).await?;
            // From here on there is somebody for what strayed before.
            if matches!(kind, SUBSCRIBE | SUBACK) {
                let strays = std::mem::take(self.own(&mut self.line.strays()));
                for stray in strays {
                    self.be_late(stray);
                }
            }
            return Ok(());
        }
        let may_double = kind == PUBLISH || self.direction == Direction::Up;
        if may_double && self.dice.is_hit(self.weather.duplication) {
            self.double(&packet);
        }
        if self.dice.is_hit(self.weather.loss) {
            return Ok(());
        }
        if self.dice.is_hit(self.weather.reordering) {
            self.be_late(packet);
            return Ok(());
        }
        to.write_all(&packet).await
    }

    /// A copy comes later, in this connection or in another.
    fn double(&mut self, packet: &[u8]) {
        match without_identifier(packet) {
            Some(copy) if self.dice.is_hit(50) => self.stray(copy),
            Some(copy) => self.be_late(copy),
            None => self.be_late(packet.to_vec()),
        }
    }

    fn be_late(&mut self, packet: Vec<u8>) {
        let late = self.dice.wait(self.weather.longest_delay);
        self.late.push((Instant::now() + late, packet));
    }

    fn stray(&self, packet: Vec<u8>) {
        let mut strays = self.line.strays();
        let strays = self.own(&mut strays);
        if strays.len() < MOST_STRAYS {
            strays.push(packet);
        }
    }

    fn own<'s>(&self, strays: &'s mut [Vec<Vec<u8>>; 2]) -> &'s mut Vec<Vec<u8>> {
        let [up, down] = strays;
        match self.direction {
            Direction::Up => up,
            Direction::Down => down,
        }
    }

    async fn deliver_late(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let now = Instant::now();
        let due = self.late.extract_if(.., |(at, _)| *at <= now);
        for (_, packet) in due.collect::<Vec<_>>() {
            to.write_all(&packet).await?;
        }
        Ok(())
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        for (_, packet) in std::mem::take(&mut self.late) {
            if let Some(copy) = without_identifier(&packet) {
                self.stray(copy);
            }
        }
    }
}

const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBSCRIBE: u8 = 8;
const SUBACK: u8 = 9;

/// Takes the packet at the head of `inbox`, once it is whole.
fn cut_packet(inbox: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some((length, head)) = measure(inbox)? else {
        return Ok(None);
    };
    let whole = length.saturating_add(head);
    if inbox.len() < whole {
        return Ok(None);
    }
    let rest = inbox.split_off(whole);
    Ok(Some(std::mem::replace(inbox, rest)))
}

/// Remaining length, and length of the fixed header (MQTT 5, 2.1.4).
fn measure(packet: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (n, byte) in packet.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((length, n + 2)));
        }
    }
    if packet.len() > 4 {
        return Err(io::Error::other("no MQTT"));
    }
    Ok(None)
}

/// A PUBLISH at QoS 0: what it says, without a packet identifier.
fn without_identifier(packet: &[u8]) -> Option<Vec<u8>> {
    let first = *packet.first()?;
    if first >> 4 != PUBLISH {
        return None;
    }
    let (_, head) = measure(packet).ok()??;
    let body = packet.get(head..)?;
    let topic = usize::from(u16::from_be_bytes(*body.first_chunk()?)).checked_add(2)?;
    let (topic, rest) = body.split_at_checked(topic)?;
    let rest = if first & 0x06 == 0 {
        rest
    } else {
        rest.get(2..)?
    };
    let mut out = vec![first & 0xf1];
    let mut length = topic.len().checked_add(rest.len())?;
    loop {
        let digit = u8::try_from(length & 0x7f).ok()?;
        length >>= 7;
        out.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(topic);
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests;
