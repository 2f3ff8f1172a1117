//! Places of bulk inquiries: each holds its body, 8 MiB at most, from its first byte until the
//! last answer is taken.
//!
//! A place is taken before the body is read, so that bodies that come slowly are bounded too; and
//! one service provider has a share, so that whoever sends or reads slowly leaves the others theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ics_core::id::SpId;

/// How many may be under way at once.
const MOST_AT_ONCE: usize = 16;
/// Of those, the ones of one service provider.
const MOST_OF_ONE_SP: usize = 4;

/// The places of one API.
#[derive(Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<SpId, usize>,
}

impl Places {
    /// A place for one more inquiry of `sp`, if there is one.
    pub(crate) fn take(self: &Arc<Self>, sp: &SpId) -> Option<Place> {
        let mut taken = self.lock();
        let own = taken.of.get(sp).copied().unwrap_or_default();
        if taken.all >= MOST_AT_ONCE || own >= MOST_OF_ONE_SP {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        taken.of.insert(sp.clone(), own.saturating_add(1));
        drop(taken);
        Some(Place {
            places: Arc::clone(self),
            sp: sp.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one inquiry, free again when it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    sp: SpId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        let Some(own) = taken.of.get_mut(&self.sp) else {
            return;
        };
        *own = own.saturating_sub(1);
        if *own == 0 {
            taken.of.remove(&self.sp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_provider_has_its_share_of_all_places() {
        let places = Arc::new(Places::default());
        let sp = |n: usize| SpId::parse(&format!("sp{n}")).unwrap();
        let mut held: Vec<_> = (0..4).map(|_| places.take(&sp(0)).unwrap()).collect();
        assert!(places.take(&sp(0)).is_none(), "one of its own is to end");
        held.extend((4..16).map(|n| places.take(&sp(n)).unwrap()));
        assert!(places.take(&sp(16)).is_none(), "any is to end");
        held.swap_remove(0);
        let last = places.take(&sp(0)).unwrap();
        drop((held, last));
        assert!(places.lock().of.is_empty() && places.lock().all == 0);
    }
}
