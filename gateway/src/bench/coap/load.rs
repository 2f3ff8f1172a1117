//! Load over CoAP, and what it cost the server's process.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::line::{CoapLine, Question};
use crate::bench::figures::Rounds;
use crate::bench::load::{Measured, cpu_time};
use crate::bench::{BenchError, CONNECTIONS, Options, progress};
use crate::coap_client::PreSharedKey;

/// Clients that ask one server one question, again and again.
pub(super) struct CoapLoader {
    /// Of each group one asks at a time, each in its turn.
    groups: Vec<VecDeque<CoapLine>>,
    question: Arc<Question>,
    pid: u32,
}

impl CoapLoader {
    /// Has these ask `question` of the process `pid`, so many at once.
    pub(super) fn new(
        lines: Vec<CoapLine>,
        at_once: usize,
        (question, pid): (Question, u32),
    ) -> Self {
        let mut groups: Vec<VecDeque<CoapLine>> = Vec::new();
        groups.resize_with(at_once.clamp(1, lines.len().max(1)), VecDeque::new);
        let count = groups.len();
        for (n, line) in lines.into_iter().enumerate() {
            if let Some(group) = groups.get_mut(n % count) {
                group.push_back(line);
            }
        }
        Self {
            groups,
            question: Arc::new(question),
            pid,
        }
    }

    /// Clients over bare UDP.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn plain(
        (server, pid): (SocketAddr, u32),
        question: Question,
    ) -> Result<Self, BenchError> {
        let mut lines = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let mut line = CoapLine::plain(server).await?;
            // Its address is proven by then, where that is asked for.
            line.ask(&question).await?;
            lines.push(line);
        }
        Ok(Self::new(lines, CONNECTIONS, (question, pid)))
    }

    /// Asks for `span`.
    ///
    /// # Errors
    /// [`BenchError`]; any other answer than the one that counts ends it.
    pub(super) async fn run(&mut self, span: Duration) -> Result<Measured, BenchError> {
        let answered = Arc::new(AtomicU64::new(0));
        let (cpu, start) = (cpu_time(self.pid)?, Instant::now());
        let mut tasks = Vec::with_capacity(self.groups.len());
        for mut group in self.groups.drain(..) {
            let (question, answered) = (Arc::clone(&self.question), Arc::clone(&answered));
            tasks.push(tokio::spawn(async move {
                while start.elapsed() < span
                    && let Some(line) = group.front_mut()
                {
                    line.ask(&question).await?;
                    group.rotate_left(1);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, BenchError>(group)
            }));
        }
        for task in tasks {
            self.groups.push(task.await.map_err(io::Error::other)??);
        }
        Measured::since(start, (self.pid, cpu), &answered)
    }
}

/// Loads two servers in turn.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn measure_in_turn(
    [ours, theirs]: [&mut CoapLoader; 2],
    options: Options,
    message: &'static str,
) -> Result<Rounds, BenchError> {
    let (rounds, span) = options.rounds();
    let progress = progress(rounds as u64, message);
    let mut measured = Rounds::default();
    for round in 0..rounds {
        let pair = (ours.run(span).await?, theirs.run(span).await?);
        // The first round warms both up.
        if round > 0 {
            measured.add(pair.0, pair.1);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(measured)
}

/// Loads the process `pid` for `span` with handshakes, each with one question: one at a time with
/// each of `keys`.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn run_fresh(
    (server, pid): (SocketAddr, u32),
    keys: &[PreSharedKey],
    (question, span): (&Question, Duration),
) -> Result<Measured, BenchError> {
    let answered = Arc::new(AtomicU64::new(0));
    let (cpu, start) = (cpu_time(pid)?, Instant::now());
    let mut tasks = Vec::with_capacity(keys.len());
    for key in keys {
        let (key, question, answered) = (key.clone(), question.clone(), Arc::clone(&answered));
        tasks.push(tokio::spawn(async move {
            while start.elapsed() < span {
                CoapLine::open(server, &key).await?.ask(&question).await?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, BenchError>(())
        }));
    }
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Measured::since(start, (pid, cpu), &answered)
}
