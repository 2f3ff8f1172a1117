//! Hosted devices: how their documents follow the rows they are to hold, what an acknowledgement
//! settles, how a device is taken on and given up (Y.4462 10.1 steps 4 to 6, 10.2).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Knobs;
use super::consent::confirm_consent;
use super::telling::{Listeners, tell};
use crate::change::{Change, Write};
use crate::consent::Consent;
use crate::device::{DeviceStatus, HostedDevice};
use crate::id::{ConsentId, DeviceId, MappingId};
use crate::mapping::{Dispatch, Mapping, State};
use crate::outbox::{Addressee, Message, OutboxEntry, OutboxKey, Subject};
use crate::reference_point::Role;
use crate::sealed::{BlindIndex, Sealed};
use crate::time::Timestamp;

/// The rows a device is to hold from a change on, and those it is to forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turnover {
    coming: Vec<MappingId>,
    going: Vec<MappingId>,
}

/// What `writes` change in the documents of hosted devices.
pub(crate) fn turnovers(writes: &[Write<Mapping>]) -> BTreeMap<DeviceId, Turnover> {
    let mut turnovers = BTreeMap::<DeviceId, Turnover>::new();
    let held = |row: &Option<Mapping>| {
        let row = row.as_ref().filter(|row| row.is_to_be_held());
        row.and_then(|row| Some((row.id, row.hosted.clone()?)))
    };
    for write in writes {
        let (before, after) = (held(&write.before), held(&write.after));
        if before == after {
            continue;
        }
        if let Some((row, device)) = before {
            turnovers.entry(device).or_default().going.push(row);
        }
        if let Some((row, device)) = after {
            turnovers.entry(device).or_default().coming.push(row);
        }
    }
    turnovers
}

/// Has the document of `device` follow its rows. `stored` is the device as it is, if it is there;
/// where `change` writes it already, that is what is carried on.
pub(crate) fn revise_document(
    change: &mut Change,
    (device, stored): (&DeviceId, Option<HostedDevice>),
    turnover: &Turnover,
) {
    let (coming, going) = (&turnover.coming, &turnover.going);
    let written = change
        .devices
        .iter_mut()
        .filter_map(|write| write.after.as_mut())
        .find(|after| after.id == *device);
    if let Some(written) = written {
        written.document = written.document.changed(coming, going);
    } else if let Some(before) = stored {
        let document = before.document.changed(coming, going);
        if document != before.document {
            let after = HostedDevice {
                document,
                ..before.next()
            };
            change.put_device(Some(&before), after);
        }
    }
}

/// Why a row is not offered to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// It does not wait for that: it is offered already, or no longer pending.
    #[error("mapping does not wait for a device")]
    NotWaiting,
    /// The device is unregistering.
    #[error("device is unregistering")]
    Unregistering,
    /// The device holds as many rows as it can.
    #[error("device holds as many mappings as it can")]
    DeviceFull,
}

/// Puts a pending row into the document of the device it is for, and takes back the push, if there
/// is one.
///
/// # Errors
/// [`NotOffered`].
pub fn decide_offer(
    row: &Mapping,
    device: &HostedDevice,
    push: Option<&OutboxEntry>,
) -> Result<(Mapping, Change), NotOffered> {
    let (next, mut change) = offer(row, device, push)?;
    change.put_mapping(Some(row), next.clone());
    Ok((next, change))
}

/// The same, once its IoT SP confirmed that its user consents: that is kept under this id.
///
/// # Errors
/// [`NotOffered`].
pub fn decide_confirmed_offer(
    row: &Mapping,
    device: &HostedDevice,
    push: Option<&OutboxEntry>,
    confirmed: Option<(ConsentId, &Consent)>,
    (knobs, now): (&Knobs, Timestamp),
) -> Result<(Mapping, Change), NotOffered> {
    let (mut next, mut change) = offer(row, device, push)?;
    if let Some(confirmed) = confirmed.filter(|_| row.consent_record.is_none()) {
        confirm_consent(&mut change, &mut next, confirmed, (knobs, now));
    }
    change.put_mapping(Some(row), next.clone());
    Ok((next, change))
}

fn offer(
    row: &Mapping,
    device: &HostedDevice,
    push: Option<&OutboxEntry>,
) -> Result<(Mapping, Change), NotOffered> {
    let State::Pending {
        serial,
        deadline,
        dispatch: Dispatch::Dispatching | Dispatch::AwaitingDevice,
    } = &row.state
    else {
        return Err(NotOffered::NotWaiting);
    };
    if device.status != DeviceStatus::Active {
        return Err(NotOffered::Unregistering);
    }
    if !device.document.has_room() {
        return Err(NotOffered::DeviceFull);
    }
    let mut next = row.clone();
    next.hosted = Some(device.id.clone());
    next.state = State::Pending {
        serial: serial.clone(),
        deadline: *deadline,
        dispatch: Dispatch::Offered,
    };
    next.version = row.version.saturating_add(1);
    let mut change = Change::default();
    if let Some(push) = push {
        change.settle(push);
    }
    hold(&mut change, device, row.id);
    Ok((next, change))
}

/// Writes the device with `row` in its document: whoever else fills the last place is overtaken.
pub(crate) fn hold(change: &mut Change, device: &HostedDevice, row: MappingId) {
    let after = HostedDevice {
        document: device.document.changed(&[row], &[]),
        ..device.next()
    };
    change.put_device(Some(device), after);
}

/// The device said that it holds the newest version of its document. One that is unregistering and
/// has forgotten everything goes.
#[must_use]
pub fn decide_acknowledged(device: &HostedDevice) -> Change {
    let mut change = Change::default();
    let over = matches!(device.status, DeviceStatus::Unregistering { .. });
    if over && device.document.rows.is_empty() {
        change.drop_device(device);
    } else if device.is_awaited() {
        let mut after = device.next();
        after.document.acknowledged = after.document.version;
        change.put_device(Some(device), after);
    }
    change
}

/// A device is registered.
#[must_use]
pub fn decide_registration(device: HostedDevice) -> Change {
    let mut change = Change::default();
    change.put_device(None, device);
    change
}

/// The registration, the credentials or the like of a device are replaced.
#[must_use]
pub fn decide_amended_device(before: &HostedDevice, after: HostedDevice, now: Timestamp) -> Change {
    let mut change = Change::default();
    let after = HostedDevice {
        version: before.version.saturating_add(1),
        updated: now,
        ..after
    };
    change.put_device(Some(before), after);
    change
}

/// A device is unregistered: its ID, with this keyed hash, is dead for ever. It still gets a newer
/// document, without rows, even if it never held any: its acknowledgement is the end.
#[must_use]
pub fn decide_unregistration(
    device: &HostedDevice,
    index: BlindIndex,
    knobs: &Knobs,
    now: Timestamp,
) -> Change {
    let deadline = now.plus(knobs.unregistering);
    let mut after = HostedDevice {
        status: DeviceStatus::Unregistering { deadline },
        updated: now,
        ..device.next()
    };
    after.document.version = after.document.version.saturating_add(1);
    after.pairing = Vec::new();
    let mut change = Change::default();
    change.dead_devices.push(index);
    change.put_device(Some(device), after);
    change
}

/// An unregistered device did not come any more: it is forgotten. `None` when it is not its time.
#[must_use]
pub fn decide_forgetting(device: &HostedDevice, now: Timestamp) -> Option<Change> {
    device.due().filter(|due| *due <= now)?;
    let mut change = Change::default();
    change.drop_device(device);
    Some(change)
}

/// The store was put back to an earlier state: each of `devices` is owed its document again, under a
/// version above any it may hold.
#[must_use]
pub fn decide_documents_after_restore(devices: &[HostedDevice], now: Timestamp) -> Change {
    let mut change = Change::default();
    for device in devices {
        let after = HostedDevice {
            document: device.document.after_restore(now),
            ..device.next()
        };
        change.put_device(Some(device), after);
    }
    change
}

/// As many events of one row wait for its third party as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many events wait as may")]
pub struct TooManyEvents;

/// The name of the entry that the next event of `row` may only follow once it is told: so many lie
/// between them as may wait. An established row says nothing but events, so the names of those are
/// one after the other, and one look tells whether there is room.
#[must_use]
pub fn place_before_room(row: &Mapping, knobs: &Knobs) -> Option<OutboxKey> {
    let next = row.sequence.saturating_add(1);
    let sequence = next.checked_sub(knobs.waiting_events.get().into())?;
    Some(OutboxKey {
        addressee: Addressee {
            role: Role::ThirdPartySp,
            sp: row.third_party_sp.clone(),
        },
        subject: Subject::Mapping(row.id),
        sequence,
    })
}

/// What a device says to the service it is mapped to (Appendix I.1): told to its third party,
/// after everything else the row had to say. `before_room` is what lies in the place of that name
/// ([`place_before_room`]): an event that waits is waited for, one that was given up makes room.
///
/// # Errors
/// [`TooManyEvents`].
pub fn decide_event(
    row: &Mapping,
    (data, is_json): (Sealed, bool),
    (listeners, before_room): (Listeners, Option<&OutboxEntry>),
    (knobs, now): (&Knobs, Timestamp),
) -> Result<Change, TooManyEvents> {
    let mut change = Change::default();
    if let Some(entry) = before_room
        && matches!(entry.message, Message::Event { .. })
    {
        if entry.dead.is_none() {
            return Err(TooManyEvents);
        }
        change.settle(entry);
    }
    let mut next = row.clone();
    next.sequence = row.sequence.saturating_add(1);
    next.version = row.version.saturating_add(1);
    tell(
        &mut change,
        (&next, listeners),
        Role::ThirdPartySp,
        Message::Event { data, is_json },
        (knobs, now),
    );
    change.put_mapping(Some(row), next);
    Ok(change)
}

#[cfg(test)]
mod tests;
