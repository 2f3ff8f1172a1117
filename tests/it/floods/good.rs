//! A good client, served while others flood.

use std::time::{Duration, Instant};

use ics_tests::{Connection, Dialer, Party, memory::memory};

/// The longest an answer may take a good client.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How many requests of each kind are measured.
const REQUESTS: usize = 30;

/// A client of a service provider with a connection it keeps.
pub(crate) struct GoodClient {
    dialer: Dialer,
    kept: Connection,
    token: String,
    path: String,
}

/// The times of some requests, sorted.
#[derive(Debug)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Asks 30 times.
    pub(crate) fn of(mut ask: impl FnMut()) -> Self {
        let measured = (0..REQUESTS).map(|_| {
            let began = Instant::now();
            ask();
            began.elapsed()
        });
        let mut times: Vec<_> = measured.collect();
        times.sort();
        Self(times)
    }

    fn worst(&self) -> Duration {
        *self.0.last().expect("some")
    }

    fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }
}

impl GoodClient {
    /// Connected before anything goes wrong.
    pub(crate) fn of(party: &Party) -> Self {
        let (dialer, token) = (Dialer::of(party), party.token());
        let mut client = Self {
            kept: dialer.dial().expect("it listens"),
            dialer,
            token,
            path: party.path("ics-mapping", "mappings?limit=1"),
        };
        client.ask_kept();
        client
    }

    fn ask_kept(&mut self) {
        let answer = self.kept.call(("GET", &self.path), &self.token, None);
        answer.expect("the kept connection").expect(200);
    }

    fn ask_anew(&self) {
        let mut new = self.dialer.dial().expect("a new connection");
        let answer = new.call(("GET", &self.path), &self.token, None);
        answer.expect("a new connection").expect(200);
    }

    /// 30 requests on the kept connection and 30 on new ones: the worst is within a second.
    #[track_caller]
    pub(crate) fn assert_served(&mut self, meanwhile: &str) {
        let kept = Times::of(|| self.ask_kept());
        let new = Times::of(|| self.ask_anew());
        assert_within(meanwhile, &kept, &new);
    }
}

/// The worst of both is within a second.
#[track_caller]
pub(crate) fn assert_within(meanwhile: &str, kept: &Times, new: &Times) {
    println!(
        "{meanwhile}: kept connection worst {:.1?} median {:.1?}; new connections worst {:.1?} median {:.1?}",
        kept.worst(),
        kept.median(),
        new.worst(),
        new.median()
    );
    assert!(
        kept.worst() < PATIENCE && new.worst() < PATIENCE,
        "{meanwhile}"
    );
}

/// The memory of a gateway over a flood.
pub(crate) struct Bound {
    pid: u32,
    before: u64,
    most: u64,
}

impl Bound {
    /// From now on it may take `most` bytes more than it has.
    pub(crate) fn begin(pid: u32, most: u64) -> Self {
        ics_tests::memory::forget_peak(pid);
        let before = memory(pid).now;
        Self { pid, before, most }
    }

    /// What it took is told, and within the bound.
    #[track_caller]
    pub(crate) fn assert_kept(&self, what: &str) {
        let after = memory(self.pid);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "{what}: memory {:.1} MiB before, {:.1} MiB at most, {:.1} MiB after",
            mib(self.before),
            mib(after.peak),
            mib(after.now)
        );
        let grown = after.peak.saturating_sub(self.before);
        assert!(grown <= self.most, "{what}: {:.1} MiB more", mib(grown));
    }
}

/// Lets this process have as many descriptors as a flood needs.
pub(crate) fn raise_descriptors() {
    let pid = std::process::id().to_string();
    let raised = std::process::Command::new("prlimit")
        .args(["--pid", &pid, "--nofile=8192:"])
        .status();
    assert!(raised.expect("prlimit").success());
}
