//! The raw store: the gateway's store alone, with rows made beforehand, committed by as many writers
//! as the gateway has clients, on the core the gateway has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use ics_core::change::Change;
use ics_core::port::Store;
use ics_core::time::Timestamp;
use tokio::runtime;
use tokio::sync::oneshot;

use super::cores::Cores;
use super::load::Measured;
use super::rows::RowMaker;
use super::stage::row_maker;
use super::{BenchError, CONNECTIONS};
use crate::sandbox::BenchDomain;

/// How many rows it is offered for each second; none does that many.
const PREPARED: usize = 20_000;

/// A store of its own.
pub(super) struct RawStore {
    maker: RowMaker,
    next: usize,
    now: Timestamp,
    cores: Option<Cores>,
}

impl RawStore {
    /// Opens one below `directory`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn open(directory: &Path, cores: Option<Cores>) -> Result<Self, BenchError> {
        let domain = BenchDomain::create(directory)?;
        // The store's own threads begin there, and stay.
        on_core_of_servers(cores, async move || {
            let parts = domain.open_parts().await?;
            Ok(Self {
                maker: row_maker(&domain, &parts).await?,
                next: 0,
                now: parts.clock.now(),
                cores,
            })
        })
        .await
    }

    /// Has the writers commit one row each, again and again, for `span`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn run(&mut self, span: Duration) -> Result<Measured, BenchError> {
        let wanted = PREPARED.saturating_mul(usize::try_from(span.as_secs()).unwrap_or(1).max(1));
        let changes = self.maker.requests(self.next, wanted, self.now)?;
        self.next = self.next.saturating_add(wanted);
        let store = Arc::clone(&self.maker.store);
        on_core_of_servers(self.cores, async move || {
            commit_for(span, &store, changes).await
        })
        .await
    }
}

async fn commit_for(
    span: Duration,
    store: &Arc<dyn Store>,
    changes: Vec<Change>,
) -> Result<Measured, BenchError> {
    let (changes, taken) = (Arc::new(changes), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let mut writers = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (store, changes, taken) = (Arc::clone(store), Arc::clone(&changes), Arc::clone(&taken));
        writers.push(tokio::spawn(async move {
            let mut committed = 0_u64;
            while start.elapsed() < span {
                let Some(change) = changes.get(taken.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                store.commit(Change::clone(change)).await?;
                committed = committed.saturating_add(1);
            }
            Ok::<_, BenchError>(committed)
        }));
    }
    let mut committed = 0_u64;
    for writer in writers {
        let count = writer.await.map_err(io::Error::other)??;
        committed = committed.saturating_add(count);
    }
    Ok(Measured {
        cpu_per_request: Duration::ZERO,
        requests_per_second: committed as f64 / start.elapsed().as_secs_f64(),
        answered: committed,
    })
}

/// Does `work` on a thread of its own, where servers run.
async fn on_core_of_servers<T: Send + 'static>(
    cores: Option<Cores>,
    work: impl AsyncFnOnce() -> Result<T, BenchError> + Send + 'static,
) -> Result<T, BenchError> {
    let (done, came) = oneshot::channel();
    let work = move || {
        if let Some(cores) = cores {
            cores.keep_thread_as_server()?;
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work())
    };
    thread::Builder::new()
        .name("raw-store".to_owned())
        .spawn(move || {
            // Whoever waited for it may be gone.
            let _ = done.send(work());
        })?;
    came.await.map_err(io::Error::other)?
}
