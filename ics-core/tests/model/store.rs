//! A store as plain as can be: applies a change whole or not at all, with the checks every store
//! makes, and keeps a history beside it to judge by.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use ics_core::change::{Assumption, Change, Write};
use ics_core::directory::{Directory, DirectoryRecord};
use ics_core::fence::Fence;
use ics_core::id::MappingId;
use ics_core::mapping::{EndedBy, Mapping, MappingKey, State, UtiRecord};
use ics_core::outbox::{OutboxEntry, OutboxKey, Subject};
use ics_core::reference_point::Role;
use ics_core::sealed::BlindIndex;

use crate::world::JOB;

/// A value that many states share, hashed once: a state is hashed at each of its millions of turns,
/// and rows are most of it.
#[derive(Debug)]
pub(crate) struct Kept<T>(Arc<(u64, T)>);

impl<T: Hash> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new((hasher.finish(), value)))
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T: PartialEq> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0);
    }
}

/// What survives a restart, and the history.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct Store {
    pub(crate) rows: BTreeMap<MappingId, Kept<Mapping>>,
    pub(crate) utis: BTreeMap<BlindIndex, UtiRecord>,
    pub(crate) dead_devices: BTreeSet<BlindIndex>,
    pub(crate) outbox: BTreeMap<OutboxKey, Kept<OutboxEntry>>,
    /// Whether the world's fence is in force.
    pub(crate) fence_up: bool,
    /// How far the sweep behind it has come.
    pub(crate) swept: Option<MappingId>,
    pub(crate) history: History,
}

/// What a store does not know, but a judge must.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub(crate) struct History {
    /// Rows that ended.
    pub(crate) ended: BTreeSet<MappingId>,
    /// Rows that ended after they were established.
    pub(crate) demapped: BTreeSet<MappingId>,
    /// Names of all entries there ever were.
    told: BTreeSet<(MappingId, Role, u64)>,
    /// The device each UTI was first established with.
    pub(crate) devices: BTreeMap<BlindIndex, BlindIndex>,
    /// UTIs that were killed.
    pub(crate) dead_utis: BTreeSet<BlindIndex>,
    /// Rows that were behind the fence when it went up.
    pub(crate) behind: BTreeSet<MappingId>,
    /// What went wrong in a commit.
    pub(crate) wrongs: BTreeSet<Wrong>,
}

/// What a commit may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Wrong {
    /// A row moved along no arrow of the state table.
    NoSuchTransition,
    /// A side was told twice, or not at all, or what is not its business.
    Audience,
    /// Two entries of one name, one after the other.
    NameTwice,
    /// A row behind the fence was made, established or written otherwise, and did not end.
    BehindFence,
    /// A new row of a key that came from a request made before the last one ended.
    RequestFromBefore,
}

/// The change was overtaken; nothing of it was written.
#[derive(Debug)]
pub(crate) struct Conflict;

impl Store {
    /// The live row of a key.
    pub(crate) fn live(&self, key: &MappingKey) -> Option<&Kept<Mapping>> {
        self.rows
            .values()
            .find(|row| row.is_live() && row.key == *key)
    }

    /// Commits a change. Without `tombstone` an ended row is forgotten, and its last version with
    /// it: a late write then meets nothing that it could be compared with.
    pub(crate) fn commit(
        &mut self,
        change: &Change,
        (directory, tombstone): (&Directory, bool),
        fence: &Fence,
    ) -> Result<(), Conflict> {
        self.check(change, directory, tombstone)?;
        for write in change.mappings() {
            self.judge(write, change.outbox(), fence);
            self.write_row(write, tombstone);
        }
        for (index, write) in change.uti_records() {
            let after = write.after.expect("records are permanent");
            self.utis.insert(*index, after);
            if after.dead {
                self.history.dead_utis.insert(*index);
            }
            if let Some(device) = after.device {
                self.history.devices.entry(*index).or_insert(device);
            }
        }
        self.dead_devices.extend(change.dead_devices());
        for write in change.outbox() {
            self.write_entry(write);
        }
        for (_, write) in change.directory() {
            match (&write.before, &write.after) {
                (None, Some(DirectoryRecord::Fence(fence))) => {
                    self.fence_up = true;
                    let behind = self.rows.values().filter(|row| fence.covers(row));
                    self.history.behind.extend(behind.map(|row| row.id));
                }
                (Some(DirectoryRecord::Fence(_)), None) => self.fence_up = false,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(
        &self,
        change: &Change,
        directory: &Directory,
        tombstone: bool,
    ) -> Result<(), Conflict> {
        let holds = |condition: bool| if condition { Ok(()) } else { Err(Conflict) };
        for write in change.mappings() {
            let id = write
                .before
                .as_ref()
                .or(write.after.as_ref())
                .expect("a row")
                .id;
            let stored = self.rows.get(&id).map(|row| row.version);
            let read = write.before.as_ref().map(|row| row.version);
            holds(stored == read || (!tombstone && stored.is_none()))?;
            // One live row per (service URI, UTI).
            if let Some(after) = write.after.as_ref().filter(|row| row.is_live()) {
                holds(
                    self.live(&after.key)
                        .is_none_or(|other| other.id == after.id),
                )?;
            }
        }
        for (index, write) in change.uti_records() {
            holds(self.utis.get(index) == write.before.as_ref())?;
        }
        for write in change.outbox() {
            let key = &write
                .before
                .as_ref()
                .or(write.after.as_ref())
                .expect("an entry")
                .key;
            let stored = self.outbox.get(key).map(|entry| entry.attempts);
            holds(stored == write.before.as_ref().map(|entry| entry.attempts))?;
        }
        for assumption in change.assumptions() {
            holds(match assumption {
                Assumption::AgreementUnchanged { id, version } => directory
                    .agreement(id)
                    .is_some_and(|agreement| agreement.version == *version),
                Assumption::DeviceAlive(device) => !self.dead_devices.contains(device),
                // The gateway hosts none here.
                Assumption::DeviceUnchanged { device, .. } => device.is_none(),
                Assumption::FencesKnown(known) => !self.fence_up || known.contains(&JOB),
                // Nobody is onboarded here.
                Assumption::AeUntaken { .. } => true,
            })?;
        }
        Ok(())
    }

    fn write_row(&mut self, write: &Write<Mapping>, tombstone: bool) {
        match &write.after {
            Some(after) if after.is_live() || tombstone => {
                self.rows.insert(after.id, Kept::new(after.clone()));
            }
            after => {
                let gone = after.as_ref().or(write.before.as_ref()).expect("a row");
                self.rows.remove(&gone.id);
            }
        }
    }

    fn write_entry(&mut self, write: &Write<OutboxEntry>) {
        if let (None, Some(after)) = (&write.before, &write.after)
            && let Subject::Mapping(id) = after.key.subject
        {
            let name = (id, after.key.addressee.role, after.key.sequence);
            if !self.history.told.insert(name) {
                self.history.wrongs.insert(Wrong::NameTwice);
            }
        }
        match (&write.before, &write.after) {
            (_, Some(after)) => {
                self.outbox
                    .insert(after.key.clone(), Kept::new(after.clone()));
            }
            (Some(before), None) => {
                self.outbox.remove(&before.key);
            }
            (None, None) => {}
        }
    }

    /// Compares one write with the state table, told here once more in the model's own words.
    fn judge(&mut self, write: &Write<Mapping>, outbox: &[Write<OutboxEntry>], fence: &Fence) {
        let Some(after) = &write.after else {
            return;
        };
        // What is behind a fence takes part in nothing but its end.
        if fence.covers(after) && self.fence_up {
            self.history.wrongs.insert(Wrong::BehindFence);
        }
        let before = write.before.as_ref().map(|row| &row.state);
        let Some(audience) = audience(before, &after.state) else {
            self.history.wrongs.insert(Wrong::NoSuchTransition);
            return;
        };
        for role in [Role::ThirdPartySp, Role::IotSp] {
            let entries = outbox
                .iter()
                .filter(|write| write.before.is_none())
                .filter_map(|write| write.after.as_ref())
                .filter(|entry| {
                    entry.key.addressee.role == role
                        && entry.key.subject == Subject::Mapping(after.id)
                        && entry.key.sequence == after.sequence
                });
            if entries.count() != usize::from(audience.contains(&role)) {
                self.history.wrongs.insert(Wrong::Audience);
            }
        }
        if !after.is_live() {
            self.history.ended.insert(after.id);
            if matches!(before, Some(State::Established { .. })) {
                self.history.demapped.insert(after.id);
            }
        }
    }
}

/// Who must be told of a transition; `None` where the state table (t8 A.8) has no such arrow.
fn audience(before: Option<&State>, after: &State) -> Option<&'static [Role]> {
    const BOTH: &[Role] = &[Role::ThirdPartySp, Role::IotSp];
    const THIRD_PARTY_SP: &[Role] = &[Role::ThirdPartySp];
    const IOT_SP: &[Role] = &[Role::IotSp];
    Some(match (before, after) {
        (None, State::Pending { .. }) => IOT_SP,
        (Some(State::Pending { .. }), State::Pending { .. }) => &[],
        (Some(State::Pending { .. }), State::Established { .. } | State::Failed { .. }) => BOTH,
        (Some(State::Pending { .. }), State::Failing { .. }) => IOT_SP,
        (Some(State::Failing { .. }), State::Failed { .. }) => THIRD_PARTY_SP,
        (
            Some(State::Pending { .. } | State::Established { .. } | State::Failing { .. }),
            State::Deleted { by, .. },
        ) => match by {
            EndedBy::Party(Role::ThirdPartySp) => IOT_SP,
            EndedBy::Party(Role::IotSp) => THIRD_PARTY_SP,
            EndedBy::Device | EndedBy::User | EndedBy::Ics => BOTH,
        },
        _ => return None,
    })
}
