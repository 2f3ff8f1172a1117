//! The bell between those who write the outbox and the lanes that empty it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::outbox::Addressee;
use ics_core::port::OutboxBell;
use tokio::sync::Notify;

/// Hands each ring to the lane of its addressee; the first ring for somebody unheard of has a lane
/// opened. Rings do not queue: any number before the lane looks is one.
#[derive(Debug, Default)]
pub struct Bell {
    lanes: Mutex<Lanes>,
    newcomers: Notify,
}

#[derive(Debug, Default)]
struct Lanes {
    known: HashMap<Addressee, Arc<Notify>>,
    unopened: Vec<(Addressee, Arc<Notify>)>,
}

impl Bell {
    /// A bell nobody has rung.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The lanes that were asked for and not opened yet; waits until there is one.
    pub(crate) async fn next_unopened(&self) -> Vec<(Addressee, Arc<Notify>)> {
        loop {
            let unopened = std::mem::take(&mut self.lanes().unopened);
            if !unopened.is_empty() {
                return unopened;
            }
            self.newcomers.notified().await;
        }
    }

    /// Has every lane opened again, for a deliverer that has none yet.
    pub(crate) fn reopen(&self) {
        let mut lanes = self.lanes();
        let known = lanes.known.iter();
        lanes.unopened = known.map(|(a, ring)| (a.clone(), ring.clone())).collect();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutboxBell for Bell {
    fn ring(&self, addressee: &Addressee) {
        let mut lanes = self.lanes();
        if let Some(ring) = lanes.known.get(addressee) {
            ring.notify_one();
            return;
        }
        let ring = Arc::new(Notify::new());
        ring.notify_one();
        lanes.known.insert(addressee.clone(), ring.clone());
        lanes.unopened.push((addressee.clone(), ring));
        drop(lanes);
        self.newcomers.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use ics_core::id::SpId;
    use ics_core::reference_point::Role;

    use super::*;

    #[tokio::test]
    async fn stranger_is_opened_once_and_then_rung() {
        let bell = Bell::new();
        let addressee = Addressee {
            role: Role::IotSp,
            sp: SpId::parse("acme").unwrap(),
        };
        bell.ring(&addressee);
        bell.ring(&addressee);
        let opened = bell.next_unopened().await;
        assert_eq!(opened.len(), 1);
        let (name, ring) = &opened[0];
        assert_eq!(name, &addressee);
        // Rung before anybody listened, and not lost.
        ring.notified().await;
        bell.ring(&addressee);
        ring.notified().await;
        assert!(bell.lanes().unopened.is_empty());
    }
}
