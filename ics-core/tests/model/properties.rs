//! What must always hold, and what must be reached for that to mean anything.

use ics_core::mapping::{MappingStatus, ResultCause, State as RowState};
use stateright::Property;

use crate::iot_sp::holds;
use crate::store::Wrong;
use crate::system::{State, System};
use crate::world::uti_index;

pub(crate) const NO_RESURRECTION: &str = "an ended row never lives again";
pub(crate) const LOSES_TO_FENCE: &str = "nothing but its end happens to a row behind a fence";
pub(crate) const NO_STALE_REQUEST: &str = "a key lives again only by a request made after its end";
pub(crate) const NOTHING_REVOKED_HELD: &str = "in quiet, the device holds no revoked pair";
const ESTABLISHED_HELD: &str = "in quiet, the device holds every established pair";

pub(crate) fn all() -> Vec<Property<System>> {
    let mut properties = rows();
    properties.extend(identities());
    properties.extend([
        Property::<System>::always(NOTHING_REVOKED_HELD, |_, state| {
            !state.is_quiet()
                || state
                    .device
                    .entries
                    .iter()
                    .all(|e| is_established(state, e))
        }),
        Property::<System>::always(ESTABLISHED_HELD, |_, state| {
            let held = |row: &ics_core::mapping::Mapping| {
                row.device_id().is_none() || holds(&state.device, &row.id)
            };
            !state.is_quiet() || state.store.rows.values().all(|row| held(row))
        }),
    ]);
    properties.extend(reached());
    properties
}

fn is_established(state: &State, entry: &ics_core::device_document::DocumentEntry) -> bool {
    state
        .store
        .rows
        .get(&entry.mapping)
        .is_some_and(|row| row.device_id().is_some() && row.key == entry.key)
}

fn never_wrong(state: &State, wrong: Wrong) -> bool {
    !state.store.history.wrongs.contains(&wrong)
}

fn rows() -> Vec<Property<System>> {
    vec![
        Property::<System>::always(NO_RESURRECTION, |_, state| {
            let ended = &state.store.history.ended;
            let rows = state.store.rows.values();
            rows.filter(|row| row.is_live())
                .all(|row| !ended.contains(&row.id))
        }),
        Property::<System>::always(
            "rows move along the arrows of the state table",
            |_, state| never_wrong(state, Wrong::NoSuchTransition),
        ),
        Property::<System>::always(LOSES_TO_FENCE, |_, state| {
            never_wrong(state, Wrong::BehindFence)
        }),
        Property::<System>::always("no row outlives the fence it was behind", |_, state| {
            let behind = &state.store.history.behind;
            let mut rows = state.store.rows.values();
            state.store.fence_up || !rows.any(|row| row.is_live() && behind.contains(&row.id))
        }),
        Property::<System>::always(NO_STALE_REQUEST, |_, state| {
            never_wrong(state, Wrong::RequestFromBefore)
        }),
        Property::<System>::always("an established row has a device ID", |_, state| {
            state.store.rows.values().all(|row| {
                (row.status() == MappingStatus::Established) == row.device_id().is_some()
            })
        }),
        Property::<System>::always("one live row per service URI and UTI", |_, state| {
            let live: Vec<_> = state.store.rows.values().filter(|r| r.is_live()).collect();
            live.iter()
                .enumerate()
                .all(|(n, row)| live[..n].iter().all(|other| other.key != row.key))
        }),
        Property::<System>::always(
            "the serial number is sealed beside pending rows alone",
            |_, state| {
                state.store.utis.iter().all(|(index, record)| {
                    let live = state
                        .store
                        .rows
                        .values()
                        .filter(|row| row.is_live() && uti_index(&row.key) == *index);
                    let live = live.count();
                    record.live as usize == live && record.serial.is_some() == (live > 0)
                }) && state.store.rows.values().all(|row| {
                    matches!(row.state, RowState::Pending { .. })
                        == (row.status() == MappingStatus::Pending)
                })
            },
        ),
        Property::<System>::always("each change is told once to each addressee", |_, state| {
            never_wrong(state, Wrong::Audience) && never_wrong(state, Wrong::NameTwice)
        }),
    ]
}

fn identities() -> Vec<Property<System>> {
    vec![
        Property::<System>::always("one device per UTI for ever", |_, state| {
            let devices = &state.store.history.devices;
            state
                .store
                .utis
                .iter()
                .all(|(index, record)| record.device.as_ref() == devices.get(index))
                && state.store.rows.values().all(|row| {
                    row.device_id().is_none() || {
                        let bound = devices.get(&uti_index(&row.key));
                        (1..=2).any(|registration| {
                            bound == Some(&crate::world::device_index(registration))
                                && row.device_id() == Some(&crate::world::device_id(registration))
                        })
                    }
                })
        }),
        // While the IoT SP waits for its answer, rows that were there before may still go.
        Property::<System>::always("no dead device ID comes back", |_, state| {
            state.iot_sp.unregistering
                || !state
                    .store
                    .rows
                    .values()
                    .any(|row| state.is_of_dead_device(row))
        }),
        Property::<System>::always("no dead UTI comes back", |_, state| {
            state.store.history.dead_utis.iter().all(|index| {
                state
                    .store
                    .utis
                    .get(index)
                    .is_some_and(|record| record.dead)
                    && !state.store.rows.values().any(|row| {
                        uti_index(&row.key) == *index
                            && matches!(
                                row.state,
                                RowState::Pending { .. } | RowState::Established { .. }
                            )
                    })
            })
        }),
    ]
}

fn reached() -> Vec<Property<System>> {
    vec![
        Property::<System>::sometimes("both rows established, and quiet", |_, state| {
            let rows = state.store.rows.values();
            state.is_quiet() && rows.filter(|row| row.device_id().is_some()).count() == 2
        }),
        Property::<System>::sometimes("de-mapped after established", |_, state| {
            !state.store.history.demapped.is_empty()
        }),
        Property::<System>::sometimes("the device was wiped, and one row is left", |_, state| {
            state.is_quiet()
                && !state.store.history.demapped.is_empty()
                && state.device.entries.len() == 1
        }),
        Property::<System>::sometimes("a key was asked for again after its end", |_, state| {
            let ended = &state.store.history.ended;
            state.store.rows.values().any(|row| {
                row.device_id().is_some()
                    && ended
                        .iter()
                        .any(|id| crate::world::service_of(id) == crate::world::service_of(&row.id))
            })
        }),
        Property::<System>::sometimes("a key lives again after the fence", |_, state| {
            let fenced = state.spent.fences > 0;
            let rows = state.store.rows.values();
            fenced
                && rows
                    .filter(|row| row.created > crate::world::NOW)
                    .any(|row| row.device_id().is_some())
        }),
        Property::<System>::sometimes("rejected by the IoT SP", |_, state| {
            state.any_row(MappingStatus::Failed, Some(ResultCause::Rejected))
        }),
    ]
}
