//! File descriptors: as many as the system allows, and enough for what is configured.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What is open beside connections: store, logs, callbacks, listeners, the runtime's own.
const RESERVE: u64 = 512;

/// The configured connections need more descriptors than there may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`max_connections` of `t8.connections`, `operator.connections`, `mqtt.connections` and `onem2m.connections` need {needed} file \
     descriptors, this process may have {most}; lower them, or raise the limit: \
     `LimitNOFILE={needed}` in the service unit, `ulimit -Hn {needed}` in a shell"
)]
pub(crate) struct TooFewDescriptors {
    /// For all connections, and a reserve.
    pub(crate) needed: u64,
    /// The hard limit.
    pub(crate) most: u64,
}

/// Raises the soft limit to the hard one. What cannot be raised stays: [`check`] tells whether it is
/// too low.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Whether all configured connections can be open at once.
///
/// # Errors
/// [`TooFewDescriptors`].
pub(crate) fn check(config: &Config) -> Result<(), TooFewDescriptors> {
    // None: no limit.
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    check_against(config, most)
}

fn check_against(config: &Config, most: u64) -> Result<(), TooFewDescriptors> {
    let needed = needed(config);
    if needed <= most {
        Ok(())
    } else {
        Err(TooFewDescriptors { needed, most })
    }
}

/// How many all configured connections take, and a reserve.
pub(crate) fn needed(config: &Config) -> u64 {
    let mqtt = config.mqtt.as_ref().map(|section| &section.connections);
    let onem2m = config.onem2m.as_ref();
    let onem2m = onem2m.filter(|section| section.listen.is_some());
    let onem2m = onem2m.map(|section| &section.connections);
    let enrolment = config.enrolment.as_ref();
    let enrolment = enrolment.filter(|section| section.listen.is_some());
    let enrolment = enrolment.map(|section| &section.connections);
    let sections = [&config.t8.connections, &config.operator.connections];
    let connections = sections.into_iter().chain(mqtt).chain(onem2m);
    let connections = connections.chain(enrolment);
    connections
        .map(|section| u64::try_from(section.max_connections).unwrap_or(u64::MAX))
        .fold(RESERVE, u64::saturating_add)
}

/// How many are open now, and how many there may be; `None` where the system does not say.
pub(crate) fn count() -> Option<(u64, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Some((u64::try_from(open).ok()?, most))
}
