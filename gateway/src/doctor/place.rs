//! Directories, disks, limits.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::operator_client::OperatorClient;

/// Less free space than this, in bytes, is told of.
const FREE: u64 = 1 << 30;
/// With less, changes will be refused soon.
const SCARCE: u64 = 64 << 20;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = look_at("store", &config.store.directory);
    findings.extend(look_at("decision log", &config.decisions.directory));
    findings.extend(look_at_descriptors(config));
    findings
}

/// The root of the service providers' authority, where `init` left its key.
pub(super) fn look_for_root_key(file: &Path) -> Option<Finding> {
    let domain = file.parent()?;
    let key = domain.join("offline/sp-root.key");
    key.exists().then(|| {
        let text = format!(
            "`{}` lies on this host: whoever takes it makes authorities that everybody believes",
            key.display()
        );
        let domain = domain.display();
        let fix = format!(
            "tar -C {domain} -cf /media/SAFE/ics-offline.tar offline && rm -r {domain}/offline"
        );
        Finding::amber("certificates", text, fix)
    })
}

/// Whether a gateway that is started as this process was may have the connections that are
/// configured. Too few are told by `examine`, in the gateway's own words.
fn look_at_descriptors(config: &Config) -> Option<Finding> {
    crate::descriptors::check(config).ok()?;
    let needed = crate::descriptors::needed(config);
    let text = format!("{needed} file descriptors are needed here at most, and may be had");
    Some(Finding::green("limits", text))
}

/// What the gateway that runs says of its own.
pub(super) async fn look_at_descriptors_of(config: &Config, client: &OperatorClient) -> Finding {
    let served = client.read_text("/metrics").await;
    let text = served.as_deref().unwrap_or_default();
    let metric = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    judge_descriptors(
        crate::descriptors::needed(config),
        metric("ics_open_descriptors ").zip(metric("ics_most_descriptors ")),
    )
}

/// `found`: how many the gateway has open, and how many it may have.
pub(super) fn judge_descriptors(needed: u64, found: Option<(u64, u64)>) -> Finding {
    let raise = format!("systemctl edit ics-gateway  # [Service] LimitNOFILE={needed}");
    let Some((open, most)) = found else {
        let text = "the gateway does not tell how many file descriptors it may have";
        return Finding::amber("limits", text, "cat /proc/$(pgrep -x ics-gateway)/limits");
    };
    if most < needed {
        let text = format!("the gateway may have {most} file descriptors and needs {needed}");
        return Finding::red("limits", text, raise);
    }
    let text = format!(
        "the gateway has {open} of {most} file descriptors open; it needs {needed} at most"
    );
    if open.saturating_mul(10) > most.saturating_mul(9) {
        return Finding::amber("limits", text, raise);
    }
    Finding::green("limits", text)
}

fn look_at(area: &'static str, directory: &Path) -> Vec<Finding> {
    let name = directory.display();
    let metadata = match std::fs::metadata(directory) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = format!("`{name}` is not there; it is made at the first start");
            return vec![Finding::amber(
                area,
                text,
                format!("install -d -m 700 {name}"),
            )];
        }
        Err(error) => {
            let text = format!("`{name}` cannot be looked at: {error}");
            return vec![Finding::red(area, text, format!("namei -l {name}"))];
        }
    };
    let mode = metadata.mode() & 0o777;
    let owned = if mode & 0o077 == 0 {
        Finding::green(area, format!("`{name}` is its owner's alone"))
    } else {
        let text = format!("`{name}` is open to others (mode {mode:04o})");
        Finding::red(area, text, format!("chmod 700 {name}"))
    };
    let free = rustix::fs::statvfs(directory)
        .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
        .map_err(std::io::Error::from);
    vec![owned, judge_space((area, directory), free)]
}

pub(super) fn judge_space(
    (area, directory): (&'static str, &Path),
    free: std::io::Result<u64>,
) -> Finding {
    let name = directory.display();
    let look = format!("df -h {name}; du -sh {name}");
    match free {
        Err(error) => {
            let text = format!("how much is free under `{name}` cannot be told: {error}");
            Finding::amber(area, text, look)
        }
        Ok(free) => {
            let text = format!("{} MiB are free under `{name}`", free >> 20);
            match free {
                ..SCARCE => Finding::red(area, text, look),
                SCARCE..FREE => Finding::amber(area, text, look),
                FREE.. => Finding::green(area, text),
            }
        }
    }
}
