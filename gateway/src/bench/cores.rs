//! Servers on one core, the load on the others, so that neither is measured in the other's time.

use std::{fmt, fs, io};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which cores run what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    servers: CpuSet,
    load: CpuSet,
}

impl Cores {
    /// The first core this process may use for servers, the rest for the load; none where there is
    /// but one.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn split() -> io::Result<Option<Self>> {
        let mut load = sched_getaffinity(None)?;
        let first = (0..CpuSet::MAX_CPU).find(|core| load.is_set(*core));
        let Some(first) = first.filter(|_| load.count() > 1) else {
            return Ok(None);
        };
        load.unset(first);
        let mut servers = CpuSet::new();
        servers.set(first);
        Ok(Some(Self { servers, load }))
    }

    /// Keeps all threads of a server to its core.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn keep_server(&self, pid: u32) -> io::Result<()> {
        keep(pid, &self.servers)
    }

    /// Keeps this thread, and those it starts, to the servers' core.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn keep_thread_as_server(&self) -> io::Result<()> {
        Ok(sched_setaffinity(None, &self.servers)?)
    }

    /// Keeps all threads of this process to the other cores.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn keep_load(&self) -> io::Result<()> {
        keep(std::process::id(), &self.load)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |set: &CpuSet| {
            let cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
            let named: Vec<_> = cores.map(|core| core.to_string()).collect();
            named.join(",")
        };
        let (servers, load) = (named(&self.servers), named(&self.load));
        write!(f, "servers on core {servers}, load on {load}")
    }
}

/// Threads that start meanwhile are those of a thread that is kept already, or will be.
fn keep(pid: u32, cores: &CpuSet) -> io::Result<()> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = thread?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        if let Some(thread) = thread.and_then(Pid::from_raw) {
            match sched_setaffinity(Some(thread), cores) {
                // It has ended.
                Err(rustix::io::Errno::SRCH) => {}
                kept => kept?,
            }
        }
    }
    Ok(())
}
