//! Who is connected: one session a device. The core rings here when a device has changed; the
//! session then asks the service again. A ring that is lost costs a delay, never a version.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::device::HostedDevice;
use ics_core::id::{DeviceId, SpId};
use ics_core::port::DeviceBell;
use ics_core::time::Timestamp;
use tokio::sync::Notify;

use ics_channel::{Rate, Taken, Usage};

/// The live sessions of hosted devices. Made before the service, which rings it, and shared with
/// the [`Endpoint`](crate::Endpoint), which fills it.
#[derive(Default)]
pub struct Sessions {
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    by_device: HashMap<DeviceId, Place>,
    /// With so many, those nobody sits in are looked through.
    sweep_at: usize,
}

/// What is known of a device that is connected, or was a moment ago.
#[derive(Default)]
struct Place {
    seat: Option<Arc<Seat>>,
    connects: Usage,
    /// Shared by all its sessions, those that were taken over included.
    messages: Arc<Mutex<Usage>>,
}

/// The place of one session: where it is told that something is new.
pub(crate) struct Seat {
    iot_sp: SpId,
    signals: AtomicU8,
    notify: Notify,
}

/// The device may have changed: ask again.
pub(crate) const CHANGED: u8 = 1;
/// The device is here again, on another connection.
pub(crate) const TAKEN_OVER: u8 = 2;

/// The device connects too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// Whether that is to be told.
    pub(crate) is_news: bool,
}

/// A seat that is taken, and given back when this goes.
pub(crate) struct Seated {
    sessions: Arc<Sessions>,
    device: DeviceId,
    seat: Arc<Seat>,
    /// What the device has left of its messages; outlives the connection.
    messages: Arc<Mutex<Usage>>,
}

/// Fewer places than this are not worth a look.
const FEW: usize = 1024;

impl Sessions {
    /// How many devices are connected.
    #[must_use]
    pub fn count(&self) -> usize {
        let places = self.lock();
        places.seats().count()
    }

    /// Whether the device connects too often, and that was told. Nobody but the device itself uses
    /// its connects up, so this may be asked before it has proven who it is.
    pub(crate) fn bars(&self, device: &DeviceId, rate: Rate, now: Timestamp) -> bool {
        let places = self.lock();
        let place = places.by_device.get(device);
        place.is_some_and(|place| place.connects.is_barred(rate, now))
    }

    /// Takes the device's seat; who sat there is told.
    pub(crate) fn enter(
        self: &Arc<Self>,
        (iot_sp, device): (&SpId, &DeviceId),
        rate: Rate,
        now: Timestamp,
    ) -> Result<Seated, TooOften> {
        let mut places = self.lock();
        places.sweep(now);
        let place = places.by_device.entry(device.clone()).or_default();
        if let Taken::Beyond { is_news } = place.connects.take(rate, now) {
            return Err(TooOften { is_news });
        }
        let seat = Arc::new(Seat {
            iot_sp: iot_sp.clone(),
            signals: AtomicU8::new(0),
            notify: Notify::new(),
        });
        // What was revoked between the look at the device and this seat rang nobody: look again.
        seat.signal(CHANGED);
        if let Some(before) = place.seat.replace(Arc::clone(&seat)) {
            before.signal(TAKEN_OVER);
        }
        Ok(Seated {
            sessions: Arc::clone(self),
            device: device.clone(),
            seat,
            messages: Arc::clone(&place.messages),
        })
    }

    fn leave(&self, seated: &Seated) {
        let mut places = self.lock();
        let Some(place) = places.by_device.get_mut(&seated.device) else {
            return;
        };
        let is_own = |seat: &Arc<Seat>| Arc::ptr_eq(seat, &seated.seat);
        if place.seat.as_ref().is_some_and(is_own) {
            place.seat = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing is left half done under the lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceBell for Sessions {
    fn ring(&self, id: &DeviceId, _: Option<&HostedDevice>) {
        let places = self.lock();
        if let Some(seat) = places.by_device.get(id).and_then(|p| p.seat.as_ref()) {
            seat.signal(CHANGED);
        }
    }

    fn recheck(&self, iot_sp: &SpId) {
        let places = self.lock();
        for seat in places.seats().filter(|seat| seat.iot_sp == *iot_sp) {
            seat.signal(CHANGED);
        }
    }
}

impl Places {
    fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        let places = self.by_device.values();
        places.filter_map(|place| place.seat.as_ref())
    }

    /// Forgets those who left, once they may come as if they had never been there.
    fn sweep(&mut self, now: Timestamp) {
        if self.by_device.len() >= self.sweep_at.max(FEW) {
            self.by_device.retain(|_, place| place.is_of_use(now));
            self.sweep_at = self.by_device.len().saturating_mul(2);
        }
    }
}

impl Place {
    fn is_of_use(&self, now: Timestamp) -> bool {
        self.seat.is_some()
            || !self.connects.is_restored(now)
            || !locked(&self.messages).is_restored(now)
    }
}

impl Seat {
    fn signal(&self, signal: u8) {
        self.signals.fetch_or(signal, Ordering::AcqRel);
        self.notify.notify_one();
    }
}

fn locked(messages: &Mutex<Usage>) -> MutexGuard<'_, Usage> {
    // Nothing is left half done under the lock.
    messages.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seated {
    /// Uses one of the device's messages, if there is one.
    pub(crate) fn take_message(&self, rate: Rate, now: Timestamp) -> Taken {
        locked(&self.messages).take(rate, now)
    }

    /// Waits until something is new. May be dropped and called again.
    pub(crate) async fn signalled(&self) -> u8 {
        loop {
            let signals = self.seat.signals.swap(0, Ordering::AcqRel);
            if signals != 0 {
                return signals;
            }
            self.seat.notify.notified().await;
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let sessions = Arc::clone(&self.sessions);
        sessions.leave(self);
    }
}

#[cfg(test)]
mod tests;
