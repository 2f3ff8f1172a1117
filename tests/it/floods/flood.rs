//! What a flood is, whichever listener it comes to.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ics_tests::{Domain, eventually};

use super::good::Bound;

/// How many come at once.
pub(super) const FLOOD: usize = 1_000;
/// How many send a byte at a time.
pub(super) const SLOW: usize = 256;

/// Who is served meanwhile.
pub(super) trait Flooded {
    /// As metrics call where the flood comes to.
    const LISTENER: &'static str;

    fn domain(&self) -> &Domain;

    /// Answered within a second, on a connection that is kept and on new ones.
    fn assert_served(&mut self, meanwhile: &str);

    /// A number the gateway serves, by the beginning of its line.
    fn metric(&self, name: &str) -> u64 {
        let served = self.domain().operator("GET", "/operator/v1/metrics", None);
        let text = served.expect(200).body;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} in {text}"))
    }

    /// How many connections were refused for this.
    fn refused(&self, cause: &str) -> u64 {
        let listener = Self::LISTENER;
        self.metric(&format!(
            r#"ics_connections_refused_total{{listener="{listener}",cause="{cause}"}}"#
        ))
    }

    /// Served while `flood` goes on, which is over by itself.
    fn assert_served_during<T: Send>(
        &mut self,
        meanwhile: &str,
        flood: impl FnOnce() -> T + Send,
    ) -> T {
        std::thread::scope(|scope| {
            let flooding = scope.spawn(flood);
            self.assert_served(meanwhile);
            flooding.join().expect("a flood")
        })
    }

    /// Served while a thousand connections come that say `bytes` and no more, while they and a
    /// thousand others wait, and after.
    fn assert_served_beside(
        &mut self,
        name: &str,
        connect: impl Fn() -> TcpStream + Sync,
        bytes: &[u8],
    ) {
        self.assert_served("before");
        let bound = Bound::begin(self.domain().pid(), 96 << 20);
        let coming = format!("{name} at {}, as they come", Self::LISTENER);
        let mut waves = self.assert_served_during(&coming, || flood(&connect, bytes));
        waves.extend(flood(&connect, bytes));
        self.assert_served(&format!("{name} at {}, as they wait", Self::LISTENER));
        eventually("the flood to be cut off", || {
            self.refused("HANDSHAKE_TIMEOUT") >= 2 * FLOOD as u64
        });
        bound.assert_kept(name);
        for stream in waves.iter_mut().take(50) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
            let mut rest = Vec::new();
            // An alert, the server's part, or nothing: then the end.
            let _ = stream.read_to_end(&mut rest);
        }
        self.assert_served("after");
        let open = format!(r#"ics_handshakes{{listener="{}"}}"#, Self::LISTENER);
        assert_eq!(self.metric(&open), 0);
        assert!(self.domain().stop().success());
    }
}

/// A thousand connections that say `bytes` and no more.
pub(super) fn flood(connect: impl Fn() -> TcpStream, bytes: &[u8]) -> Vec<TcpStream> {
    let flood = (0..FLOOD).map(|_| {
        let mut stream = connect();
        stream.write_all(bytes).expect("room in the socket");
        stream
    });
    flood.collect()
}

/// Sends one piece after the other on each connection until all have ended; `good` is served
/// meanwhile. How long that took.
pub(super) fn trickle<C: Send>(
    mut slow: Vec<C>,
    pieces: impl Iterator<Item = Vec<u8>> + Send,
    send: impl Fn(&mut C, &[u8]) -> io::Result<()> + Send,
    good: impl FnOnce(),
) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let trickling = scope.spawn(move || {
            for piece in pieces {
                slow.retain_mut(|connection| send(connection, &piece).is_ok());
                if slow.is_empty() {
                    return began.elapsed();
                }
                // Slower than any honest sender, and far from silent.
                std::thread::sleep(Duration::from_millis(100));
                assert!(began.elapsed() < Duration::from_secs(60), "never cut off");
            }
            panic!("never cut off");
        });
        good();
        trickling.join().expect("cut off")
    })
}
