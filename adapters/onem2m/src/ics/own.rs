//! What whoever changes a row has watching it: told at once, and once. The other side is told by the
//! outbox ([`crate::road`]), which repeats it.

use ics_core::id::MappingId;
use ics_core::mapping::{Mapping, MappingStatus};

use super::rows::{Shown, state_number};
use super::{Call, Ics, Place};
use crate::road;
use crate::tree::Watch;

impl Ics {
    /// A row was made.
    pub(super) fn tell_creation(&self, row: &Mapping, call: &Call<'_>) {
        let place = Place::Row(row.id);
        let shown = self.show_own(row);
        self.tell_own((Place::Map, road::CHILD_CREATED), (place, &shown), call);
    }

    /// A row was ended by the caller: what it has watching the row ends too.
    pub(super) async fn tell_end(&self, id: MappingId, call: &Call<'_>) {
        for (place, above) in [
            (Place::Row(id), Place::Map),
            (Place::Pending(id), Place::Pnd),
        ] {
            let mut shown = road::identify(&self.views, place);
            let gone = state_number(MappingStatus::Deleted);
            shown.insert("msta".into(), gone.into());
            self.tell_own((above, road::CHILD_DELETED), (place, &shown), call);
            for watch in self.tell_own((place, road::DELETED), (place, &shown), call) {
                road::end_watch(call.watches, &watch, call.now).await;
            }
        }
    }

    /// Tells the caller's subscriptions at a place of an event, those that asked for it; returns all.
    fn tell_own(
        &self,
        (at, net): (Place, u64),
        told: (Place, &Shown),
        call: &Call<'_>,
    ) -> Vec<Watch> {
        let directory = self.ports.service.directory();
        let Some(party) = directory.party(&call.principal.sp) else {
            return Vec::new();
        };
        let mut own = call.watches.subscriptions_of(&at.resource_id());
        own.retain(|watch| road::is_of(self.views.names(), watch, party));
        for watch in own.iter().filter(|watch| watch.net.contains(&net)) {
            let representation = road::show_own(&self.views, told, watch);
            call.watches.tell(&watch.ri, net, representation);
        }
        own
    }
}
