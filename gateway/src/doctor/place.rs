//! Directories, disks, limits.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Finding;
use crate::config::Config;

/// Less free space than this, in bytes, is told of.
const FREE: u64 = 1 << 30;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = look_at("store", &config.store.directory);
    findings.extend(look_at("decision log", &config.decisions.directory));
    if let Some((_, most)) = crate::descriptors::count() {
        findings.push(Finding::green(
            "limits",
            format!("{most} file descriptors are enough for the configured connections"),
        ));
    }
    findings
}

fn look_at(area: &'static str, directory: &Path) -> Vec<Finding> {
    let name = directory.display();
    let Ok(metadata) = std::fs::metadata(directory) else {
        let text = format!("`{name}` is not there; it is made at the first start");
        return vec![Finding::amber(
            area,
            text,
            format!("install -d -m 700 {name}"),
        )];
    };
    let mode = metadata.mode() & 0o777;
    let owned = if mode & 0o077 == 0 {
        Finding::green(area, format!("`{name}` is its owner's alone"))
    } else {
        let text = format!("`{name}` is open to others (mode {mode:04o})");
        Finding::red(area, text, format!("chmod 700 {name}"))
    };
    let mut findings = vec![owned];
    if let Ok(disk) = rustix::fs::statvfs(directory) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        findings.push(if free < FREE {
            let text = format!("{} MiB are free under `{name}`", free >> 20);
            Finding::amber(area, text, format!("df -h {name}; du -sh {name}"))
        } else {
            Finding::green(area, format!("{} MiB are free under `{name}`", free >> 20))
        });
    }
    findings
}
