//! A line as bad as radio gets, between a device and its gateway: datagrams are lost, doubled, late
//! and out of order, in both directions; the device's address changes under it; the line is cut.
//!
//! What happens to a datagram is thrown with dice of a seed, so that the same datagrams in the same
//! order have the same fate. One that is late comes after the next of its direction; where there is
//! none, after `LATE`.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ics_examples::chance::Dice;

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpWeather {
    /// So many datagrams of a hundred are lost.
    pub loss: u8,
    /// So many come twice.
    pub duplication: u8,
    /// So many are overtaken by the next.
    pub reordering: u8,
}

impl UdpWeather {
    /// Nothing happens to any.
    pub const FAIR: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
    };
}

/// What happened to datagrams, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpTally {
    /// Came, from either side.
    pub came: u64,
    /// Were lost, or came while the line was cut.
    pub lost: u64,
    /// Went on twice.
    pub doubled: u64,
    /// Went on late.
    pub late: u64,
}

/// How long a datagram is late at most.
const LATE: Duration = Duration::from_millis(30);

/// The longest datagram there is.
const LONGEST: usize = 65_535;

/// A proxy on loopback that runs until it is dropped.
pub struct UdpProxy {
    line: Arc<Line>,
    address: SocketAddr,
    listener: Option<JoinHandle<()>>,
}

/// What its threads share.
struct Line {
    front: UdpSocket,
    upstream: SocketAddr,
    dice: Dice,
    state: Mutex<State>,
}

struct State {
    up: UdpWeather,
    down: UdpWeather,
    is_cut: bool,
    is_over: bool,
    tally: UdpTally,
    /// The sockets the gateway sees, by the addresses of their devices.
    sockets: HashMap<SocketAddr, Arc<UdpSocket>>,
    pumps: Vec<JoinHandle<()>>,
    opened: u64,
}

impl UdpProxy {
    /// Carries what comes to it to `upstream`, and what comes from there back.
    pub fn open(upstream: SocketAddr, weather: UdpWeather, seed: u64) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        front.set_read_timeout(Some(LATE)).expect("a limit");
        let address = front.local_addr().expect("an address");
        let state = State {
            up: weather,
            down: weather,
            is_cut: false,
            is_over: false,
            tally: UdpTally::default(),
            sockets: HashMap::new(),
            pumps: Vec::new(),
            opened: 0,
        };
        let line = Arc::new(Line {
            front,
            upstream,
            dice: Dice::of(seed),
            state: Mutex::new(state),
        });
        let own = Arc::clone(&line);
        Self {
            line,
            address,
            listener: Some(std::thread::spawn(move || own.carry_up())),
        }
    }

    /// Where devices send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather changes, in both directions.
    pub fn change(&self, weather: UdpWeather) {
        self.change_each(weather, weather);
    }

    /// The weather changes: towards the gateway, and from there.
    pub fn change_each(&self, up: UdpWeather, down: UdpWeather) {
        let mut state = self.line.lock();
        (state.up, state.down) = (up, down);
    }

    /// Cuts the line, or mends it: while it is cut, nothing gets through.
    pub fn cut(&self, is_cut: bool) {
        self.line.lock().is_cut = is_cut;
    }

    /// What the gateway sees of every device from now on is another address; what it sends to the
    /// old ones is lost.
    pub fn rebind(&self) {
        self.line.lock().sockets.clear();
    }

    /// What happened so far.
    pub fn tally(&self) -> UdpTally {
        self.line.lock().tally
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.line.lock().is_over = true;
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let pumps = std::mem::take(&mut self.line.lock().pumps);
        for pump in pumps {
            let _ = pump.join();
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From every device to the gateway, until the proxy is over.
    fn carry_up(self: Arc<Self>) {
        let mut buffer = vec![0; LONGEST];
        let mut directions: HashMap<SocketAddr, Direction> = HashMap::new();
        while !self.lock().is_over {
            match self.front.recv_from(&mut buffer) {
                Ok((length, device)) => {
                    let number = u64::from(device.port());
                    let direction = directions
                        .entry(device)
                        .or_insert_with(|| Direction::with(self.dice.beside(number)));
                    let mut state = self.lock();
                    let weather = state.weather(|state| state.up);
                    let out = direction.pass(&buffer[..length], weather, &mut state.tally);
                    drop(state);
                    self.send_up(device, &out);
                }
                Err(error) if is_silence(&error) => {
                    for (device, direction) in &mut directions {
                        let out: Vec<_> = direction.late.take().into_iter().collect();
                        self.send_up(*device, &out);
                    }
                }
                Err(_) => {}
            }
        }
    }

    fn send_up(self: &Arc<Self>, device: SocketAddr, datagrams: &[Vec<u8>]) {
        if datagrams.is_empty() {
            return;
        }
        let socket = self.socket_of(device);
        for datagram in datagrams {
            // A gateway that is not there answers with ICMP; the device is told nothing.
            let _ = socket.send(datagram);
        }
    }

    /// The socket the gateway sees of a device; a new one has a thread that listens to it.
    fn socket_of(self: &Arc<Self>, device: SocketAddr) -> Arc<UdpSocket> {
        let mut state = self.lock();
        if let Some(socket) = state.sockets.get(&device) {
            return Arc::clone(socket);
        }
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(self.upstream).expect("an address");
        socket.set_read_timeout(Some(LATE)).expect("a limit");
        let socket = Arc::new(socket);
        state.sockets.insert(device, Arc::clone(&socket));
        state.opened += 1;
        let dice = self.dice.beside(u64::MAX - state.opened);
        let (line, own) = (Arc::clone(self), Arc::clone(&socket));
        let pump = std::thread::spawn(move || line.carry_down(&own, device, dice));
        state.pumps.push(pump);
        socket
    }

    /// From the gateway to one device, while that is its socket.
    fn carry_down(&self, socket: &Arc<UdpSocket>, device: SocketAddr, dice: Dice) {
        let mut buffer = vec![0; LONGEST];
        let mut direction = Direction::with(dice);
        loop {
            let read = socket.recv(&mut buffer);
            let mut state = self.lock();
            let current = state.sockets.get(&device);
            let is_current = current.is_some_and(|current| Arc::ptr_eq(current, socket));
            if state.is_over || !is_current {
                return;
            }
            let out = match read {
                Ok(length) => {
                    let weather = state.weather(|state| state.down);
                    direction.pass(&buffer[..length], weather, &mut state.tally)
                }
                Err(error) if is_silence(&error) => direction.late.take().into_iter().collect(),
                Err(_) => Vec::new(),
            };
            drop(state);
            for datagram in out {
                let _ = self.front.send_to(&datagram, device);
            }
        }
    }
}

impl State {
    /// That of a direction; `None` while the line is cut.
    fn weather(&self, of: impl Fn(&Self) -> UdpWeather) -> Option<UdpWeather> {
        (!self.is_cut).then(|| of(self))
    }
}

/// One device's datagrams, one way.
struct Direction {
    dice: Dice,
    late: Option<Vec<u8>>,
}

impl Direction {
    fn with(dice: Dice) -> Self {
        Self { dice, late: None }
    }

    /// What goes on now that this has come.
    fn pass(
        &mut self,
        datagram: &[u8],
        weather: Option<UdpWeather>,
        tally: &mut UdpTally,
    ) -> Vec<Vec<u8>> {
        tally.came += 1;
        let mut out = Vec::new();
        match weather {
            None => tally.lost += 1,
            Some(weather) if self.dice.is_hit(weather.loss) => tally.lost += 1,
            Some(weather) => {
                out.push(datagram.to_vec());
                if self.dice.is_hit(weather.duplication) {
                    tally.doubled += 1;
                    out.push(datagram.to_vec());
                }
                if self.late.is_none() && self.dice.is_hit(weather.reordering) {
                    tally.late += 1;
                    self.late = out.pop();
                    return out;
                }
            }
        }
        out.extend(self.late.take());
        out
    }
}

/// Whether nothing came for a while.
fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
