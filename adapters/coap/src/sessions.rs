//! Which devices are here, for the bell that tells that one has changed. A ring that is lost costs a
//! delay, never a version.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ics_core::device::HostedDevice;
use ics_core::id::{DeviceId, SpId};
use ics_core::port::DeviceBell;
use tokio::sync::Notify;

/// The live sessions of hosted devices. Made before the service, which rings it, and shared with the
/// [`Endpoint`](crate::Endpoint), which fills it.
#[derive(Default)]
pub struct Sessions {
    seats: Mutex<Seats>,
    notify: Notify,
}

#[derive(Default)]
struct Seats {
    /// Whose device, and whether it was rung since it was last looked at.
    taken: HashMap<DeviceId, (SpId, bool)>,
    rung: Vec<DeviceId>,
}

impl Sessions {
    /// How many devices are here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().taken.len()
    }

    pub(crate) fn enter(&self, iot_sp: &SpId, device: &DeviceId) {
        let mut seats = self.lock();
        let seat = (iot_sp.clone(), false);
        seats.taken.insert(device.clone(), seat);
    }

    pub(crate) fn leave(&self, device: &DeviceId) {
        self.lock().taken.remove(device);
    }

    /// Waits until a device was rung. May be dropped and called again.
    pub(crate) async fn rung(&self) -> Vec<DeviceId> {
        loop {
            let rung = self.lock().take_rung();
            if !rung.is_empty() {
                return rung;
            }
            self.notify.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        // Nothing is left half done under the lock.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn take_rung(&mut self) -> Vec<DeviceId> {
        let rung = std::mem::take(&mut self.rung);
        for device in &rung {
            if let Some((_, is_rung)) = self.taken.get_mut(device) {
                *is_rung = false;
            }
        }
        rung
    }

    fn ring(&mut self, device: &DeviceId) {
        if let Some((_, is_rung @ false)) = self.taken.get_mut(device) {
            *is_rung = true;
            self.rung.push(device.clone());
        }
    }
}

impl DeviceBell for Sessions {
    fn ring(&self, id: &DeviceId, _: Option<&HostedDevice>) {
        self.lock().ring(id);
        self.notify.notify_one();
    }

    fn recheck(&self, iot_sp: &SpId) {
        let mut seats = self.lock();
        let of_party: Vec<DeviceId> = seats
            .taken
            .iter()
            .filter(|(_, (party, _))| party == iot_sp)
            .map(|(device, _)| device.clone())
            .collect();
        for device in of_party {
            seats.ring(&device);
        }
        drop(seats);
        self.notify.notify_one();
    }
}
