//! A line that somebody listens to and has a hand in: every datagram of a device, both ways.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the gateway.
    Up,
    /// To the device.
    Down,
}

/// What goes on in place of a datagram.
pub(crate) type Hand = Box<dyn FnMut(Way, &[u8]) -> Vec<Vec<u8>> + Send>;

/// How long one side is listened to before the other has its turn.
const TURN: Duration = Duration::from_millis(1);

/// The longest datagram there is.
const LONGEST: usize = 65_535;

/// A tapped line to one gateway, until it is dropped. Whoever sends to it last is its device; one
/// that comes from elsewhere has another address at the gateway, too.
pub(crate) struct Tap {
    shared: Arc<Mutex<Shared>>,
    address: SocketAddr,
    carrier: Option<JoinHandle<()>>,
}

struct Shared {
    seen: Vec<(Way, Vec<u8>)>,
    hand: Hand,
    /// To be sent besides.
    again: VecDeque<Vec<u8>>,
    is_over: bool,
}

impl Tap {
    /// On the way to `gateway`; changes nothing yet.
    pub(crate) fn open(gateway: &str) -> Self {
        let gateway: SocketAddr = gateway.parse().expect("an address");
        let front = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = front.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared {
            seen: Vec::new(),
            hand: Box::new(|_, datagram| vec![datagram.to_vec()]),
            again: VecDeque::new(),
            is_over: false,
        }));
        let own = Arc::clone(&shared);
        let carrier = std::thread::spawn(move || carry(&own, &front, gateway));
        Self {
            shared,
            address,
            carrier: Some(carrier),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// `host:port` that devices send to.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on this goes on in place of what comes.
    pub(crate) fn tamper(&self, hand: impl FnMut(Way, &[u8]) -> Vec<Vec<u8>> + Send + 'static) {
        self.lock().hand = Box::new(hand);
    }

    /// From now on everything goes on as it comes.
    pub(crate) fn leave_alone(&self) {
        self.tamper(|_, datagram| vec![datagram.to_vec()]);
    }

    /// What came, in its order.
    pub(crate) fn seen(&self) -> Vec<(Way, Vec<u8>)> {
        self.lock().seen.clone()
    }

    /// What came one way.
    pub(crate) fn seen_going(&self, way: Way) -> Vec<Vec<u8>> {
        let seen = self.seen().into_iter();
        seen.filter(|(went, _)| *went == way)
            .map(|(_, datagram)| datagram)
            .collect()
    }

    /// Nothing was seen so far.
    pub(crate) fn forget(&self) {
        self.lock().seen.clear();
    }

    /// Whether all that was to be sent besides is.
    pub(crate) fn is_carried(&self) -> bool {
        self.lock().again.is_empty()
    }

    /// Sends this to the gateway, from the address of the device that sent last.
    pub(crate) fn send_up(&self, datagram: &[u8]) {
        self.lock().again.push_back(datagram.to_vec());
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.lock().is_over = true;
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn upstream(gateway: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(gateway).expect("an address");
    socket.set_read_timeout(Some(TURN)).expect("a limit");
    socket
}

fn carry(shared: &Mutex<Shared>, front: &UdpSocket, gateway: SocketAddr) {
    front.set_read_timeout(Some(TURN)).expect("a limit");
    let mut buffer = vec![0; LONGEST];
    let (mut device, mut back) = (None, upstream(gateway));
    loop {
        if let Ok((length, from)) = front.recv_from(&mut buffer) {
            if device.replace(from).is_some_and(|before| before != from) {
                back = upstream(gateway);
            }
            for datagram in pass(shared, Way::Up, &buffer[..length]) {
                let _ = back.send(&datagram);
            }
        }
        let (again, is_over) = {
            let mut shared = lock(shared);
            (std::mem::take(&mut shared.again), shared.is_over)
        };
        if is_over {
            return;
        }
        for datagram in again {
            let _ = back.send(&datagram);
        }
        let came: io::Result<usize> = back.recv(&mut buffer);
        if let (Ok(length), Some(device)) = (came, device) {
            for datagram in pass(shared, Way::Down, &buffer[..length]) {
                let _ = front.send_to(&datagram, device);
            }
        }
    }
}

fn pass(shared: &Mutex<Shared>, way: Way, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut shared = lock(shared);
    shared.seen.push((way, datagram.to_vec()));
    (shared.hand)(way, datagram)
}

/// The records of DTLS in a datagram: kind, epoch, length of what is in it.
pub(crate) fn records(datagram: &[u8]) -> Vec<(u8, u16, usize)> {
    let mut records = Vec::new();
    let mut rest = datagram;
    while let [
        kind,
        _,
        _,
        high,
        low,
        _,
        _,
        _,
        _,
        _,
        _,
        long,
        short,
        body @ ..,
    ] = rest
    {
        let length = usize::from(u16::from_be_bytes([*long, *short]));
        records.push((*kind, u16::from_be_bytes([*high, *low]), length));
        rest = body.get(length..).unwrap_or_default();
    }
    records
}
