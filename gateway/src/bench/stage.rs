//! What a bench plays on: a domain with rows in it, and servers as processes of their own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::cores::Cores;
use super::load::resident;
use super::rows::RowMaker;
use super::{AnswerSizes, BenchError, progress};
use crate::sandbox::BenchDomain;

/// A domain whose store holds established rows.
pub(super) struct Stage {
    pub(super) domain: BenchDomain,
    pub(super) rows: usize,
    /// What its servers run on.
    pub(super) cores: Option<Cores>,
}

impl Stage {
    /// Makes a domain below `directory` with that many rows, whose servers run on `cores`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn fill(
        directory: &Path,
        rows: usize,
        cores: Option<Cores>,
    ) -> Result<Self, BenchError> {
        let domain = BenchDomain::create(directory)?;
        let parts = domain.open_parts().await?;
        let maker = row_maker(&domain, &parts).await?;
        let progress = progress(rows as u64, "making rows");
        maker.fill(rows, parts.clock.now(), &progress).await?;
        progress.finish_and_clear();
        Ok(Self {
            domain,
            rows,
            cores,
        })
    }

    /// Starts the gateway.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn serve(&self) -> Result<Server, BenchError> {
        self.start("gateway", &["serve"], &[])
    }

    /// Starts the bare handler, answering as many bytes.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn serve_yardstick(&self, sizes: AnswerSizes) -> Result<Server, BenchError> {
        let (by_device, by_transaction) = (
            sizes.by_device.to_string(),
            sizes.by_transaction.to_string(),
        );
        let sizes = [
            "--by-device",
            &by_device,
            "--by-transaction",
            &by_transaction,
        ];
        self.start("yardstick", &["bench", "yardstick"], &sizes)
    }

    /// Starts the bare server of devices, whose documents have as many bytes.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn serve_bare_devices(&self, document: usize) -> Result<Server, BenchError> {
        let document = document.to_string();
        let arguments = ["--document", &document];
        self.start("bare server", &["bench", "bare-devices"], &arguments)
    }

    fn start(
        &self,
        name: &'static str,
        verb: &[&str],
        arguments: &[&str],
    ) -> Result<Server, BenchError> {
        let server = Server::start(name, verb, &self.domain.config(), arguments)?;
        if let Some(cores) = self.cores {
            cores.keep_server(server.pid())?;
        }
        Ok(server)
    }
}

/// Makes rows in `domain` under its agreement.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn row_maker(
    domain: &BenchDomain,
    parts: &crate::compose::Parts,
) -> Result<RowMaker, BenchError> {
    Ok(RowMaker {
        store: Arc::clone(&parts.store) as _,
        sealer: Arc::clone(&parts.sealer),
        decision_point: Arc::clone(&parts.decision_point),
        service: Arc::clone(&parts.service),
        agreement: domain.onboard(&parts.service, &parts.clock).await?,
    })
}

/// A server of this binary that does not outlive the bench.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// From its start to the line that tells its address.
    pub(super) took: std::time::Duration,
}

impl Server {
    fn start(
        name: &'static str,
        verb: &[&str],
        config: &Path,
        arguments: &[&str],
    ) -> Result<Self, BenchError> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(verb)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = child.stdout.take();
        let mut server = Self {
            child,
            address: SocketAddr::from(([0; 4], 0)),
            took: began.elapsed(),
        };
        for line in BufReader::new(said.ok_or(BenchError::NoServer(name))?).lines() {
            let line = line?;
            if let Some(address) = line.split(' ').skip(1).find_map(|word| word.parse().ok()) {
                server.address = address;
                server.took = began.elapsed();
                return Ok(server);
            }
        }
        Err(BenchError::NoServer(name))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn end(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let ended = self.child.wait()?;
        if ended.success() {
            Ok(())
        } else {
            Err(BenchError::Ended(ended))
        }
    }

    /// Ends it at once, in the middle of whatever it does.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn kill(mut self) -> Result<(), BenchError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Memory it holds (`VmRSS`), bytes.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub(super) fn resident(&self) -> Result<u64, BenchError> {
        resident(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
