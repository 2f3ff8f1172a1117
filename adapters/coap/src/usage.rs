//! What each device has used of its associations and of its messages; outlives its sessions.

use std::collections::HashMap;

use ics_channel::Usage;
use ics_core::id::DeviceId;
use ics_core::time::Timestamp;

/// Fewer than this are not worth a look.
const FEW: usize = 1024;

/// What one device has used.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) connects: Usage,
    pub(crate) messages: Usage,
}

/// What all devices have used.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    by_device: HashMap<DeviceId, Used>,
    /// With so many, those that are as if nothing had been used are forgotten.
    sweep_at: usize,
}

impl Usages {
    /// What the device has used.
    pub(crate) fn of(&mut self, device: &DeviceId, now: Timestamp) -> &mut Used {
        if !self.by_device.contains_key(device) {
            self.sweep(now);
        }
        self.by_device.entry(device.clone()).or_default()
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.by_device.len() < self.sweep_at.max(FEW) {
            return;
        }
        let is_of_use =
            |used: &Used| !used.connects.is_restored(now) || !used.messages.is_restored(now);
        self.by_device.retain(|_, used| is_of_use(used));
        self.sweep_at = self.by_device.len().saturating_mul(2);
    }
}
