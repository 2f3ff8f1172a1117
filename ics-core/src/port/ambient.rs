//! The ports of what surrounds a request: time, chance, the directory, the outbox's bell.

use alloc::sync::Arc;

use crate::change::Change;
use crate::device::HostedDevice;
use crate::directory::Directory;
use crate::id::{DeviceId, SpId};
use crate::outbox::Addressee;
use crate::time::Timestamp;

/// Tells the time. Only the gateway reads a clock.
pub trait Clock: Send + Sync {
    /// Now: the time everything is decided, written and scheduled by.
    fn now(&self) -> Timestamp;

    /// The later of now and what an unbelieved clock says (see [`crate::timekeeping`]): by it
    /// nothing is shown to anybody that may have run out.
    fn latest(&self) -> Timestamp {
        self.now()
    }
}

/// Unpredictable bytes from the operating system or the provider.
pub trait Entropy: Send + Sync {
    /// Fills `out`; a source that cannot must end the process rather than return weak bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The directory as of now: one snapshot a request, asked for once.
pub trait DirectorySource: Send + Sync {
    /// The newest snapshot.
    fn snapshot(&self) -> Arc<Directory>;

    /// Takes in the directory writes of a change that was just committed. Several may race:
    /// the next snapshot must hold them all (see [`Directory::apply`]).
    fn update(&self, change: &Change);
}

/// Tells the deliverer that there is something new for an addressee. A lost ring costs a delay
/// until the next look; it never loses an entry.
pub trait OutboxBell: Send + Sync {
    /// There is something new for `addressee`.
    fn ring(&self, addressee: &Addressee);
}

/// Tells the device channels that a hosted device has changed: its document, its credentials, its
/// status. A lost ring costs a delay until the device's next contact; it never loses a version.
pub trait DeviceBell: Send + Sync {
    /// `device` is as this by now; `None` when it is gone for good.
    fn ring(&self, id: &DeviceId, device: Option<&HostedDevice>);

    /// Devices of `iot_sp` may no longer be served: whoever holds a session asks again.
    fn recheck(&self, iot_sp: &SpId);
}
