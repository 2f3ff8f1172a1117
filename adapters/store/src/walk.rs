//! Reading records one by one and page by page, within one view.

use std::ops::ControlFlow;

use ics_core::consent::ConsentRecord;
use ics_core::correlation::Correlation;
use ics_core::device::HostedDevice;
use ics_core::directory::DirectoryRecord;
use ics_core::id::{DeviceId, MappingId, SpId};
use ics_core::keepsake::{Keepsake, Shelf};
use ics_core::mapping::Mapping;
use ics_core::outbox::{Addressee, OutboxEntry, OutboxKey, Subject};
use ics_core::port::{Cursor, DeviceRows, DueEntries, DuePlace, Page, Selection};
use ics_core::sealed::BlindIndex;
use ics_core::time::Timestamp;

use crate::engine::ReadKeys;
use crate::fault::Fault;
use crate::index::{self, Key, Table};
use crate::record::{DeviceEntry, Record, decode};

/// The record under `key`.
pub(crate) fn load<T: Record, R: ReadKeys>(
    view: &R,
    table: Table,
    key: &Key,
) -> Result<Option<T>, Fault> {
    view.read(key.as_bytes(), |bytes| decode(key.as_bytes(), bytes))?
        .transpose()
        .map_err(|source| Fault::Record { table, source })
}

/// A row that an index says is there.
pub(crate) fn load_indexed<R: ReadKeys>(view: &R, id: MappingId) -> Result<Mapping, Fault> {
    load(view, Table::Mapping, &index::mapping(id))?.ok_or(Fault::Layout(Table::Mapping))
}

/// The entry with the lowest sequence of a subject that is no dead letter.
pub(crate) fn first_live_entry<R: ReadKeys>(
    view: &R,
    addressee: &Addressee,
    subject: &Subject,
) -> Result<Option<OutboxEntry>, Fault> {
    let prefix = index::outbox_subject(addressee, subject);
    let mut found = Ok(None);
    view.scan(prefix.as_bytes(), &prefix.prefix_end(), |key, value| {
        match decode::<OutboxEntry>(key, value) {
            Ok(entry) if entry.dead.is_some() => return ControlFlow::Continue(()),
            Ok(entry) => found = Ok(Some(entry)),
            Err(source) => {
                found = Err(Fault::Record {
                    table: Table::Outbox,
                    source,
                })
            }
        }
        ControlFlow::Break(())
    })?;
    found
}

/// At most `limit` rows of `selection` after `after`.
pub(crate) fn walk<R: ReadKeys>(
    view: &R,
    selection: &Selection,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page, Fault> {
    let range = Range::of(selection);
    let from = match after {
        Some(cursor) => range.start_after(view, selection, cursor)?,
        None => range.prefix.as_bytes().to_vec(),
    };
    let mut page = Page {
        mappings: Vec::new(),
        next: None,
    };
    let mut result = Ok(());
    let mut last = None;
    view.scan(&from, &range.end, |key, value| {
        if page.mappings.len() >= limit {
            page.next = last.take().or_else(|| after.cloned());
            return ControlFlow::Break(());
        }
        match range.row(view, key, value) {
            Ok(row) => {
                if page.mappings.len().saturating_add(1) == limit {
                    last = Some(range.cursor(key, &row));
                }
                page.mappings.push(row);
                ControlFlow::Continue(())
            }
            Err(fault) => {
                result = Err(fault);
                ControlFlow::Break(())
            }
        }
    })?;
    result.map(|()| page)
}

/// At most `limit` established rows of a device behind `after`, in the order of their ids.
pub(crate) fn correlations<R: ReadKeys>(
    view: &R,
    (iot_sp, device_id): (&SpId, &DeviceId),
    after: Option<MappingId>,
    limit: usize,
) -> Result<Vec<Correlation>, Fault> {
    let prefix = index::device(iot_sp, device_id);
    let end = prefix.prefix_end();
    let from = match after {
        Some(id) => prefix.id(id).fixed(&[0]),
        None => prefix,
    };
    let entries = collect_range::<DeviceEntry, _>(view, Table::Device, (&from, &end), limit)?;
    let correlation = |entry: DeviceEntry| entry.correlation(iot_sp, device_id);
    Ok(entries.into_iter().map(correlation).collect())
}

/// Where the rows of a selection lie, in order.
struct Range {
    table: Table,
    prefix: Key,
    end: Vec<u8>,
}

impl Range {
    fn of(selection: &Selection) -> Self {
        let (table, prefix) = match selection {
            Selection::ThirdPartySp(sp) => (Table::ThirdPartySp, index::third_party_sp(sp)),
            Selection::IotSp(sp) => (Table::IotSp, index::iot_sp(sp)),
            Selection::Device { iot_sp, device_id } => {
                (Table::Device, index::device(iot_sp, device_id))
            }
            Selection::Uti {
                third_party_sp,
                uti,
            } => (Table::Uti, index::uti(third_party_sp, uti)),
            Selection::Serial { iot_sp, serial } => {
                (Table::IotSp, index::iot_sp_serial(iot_sp, *serial))
            }
            Selection::Owner(owner) => (Table::Owner, index::owner(*owner)),
            Selection::Service(service_uri) => (Table::Live, index::service(service_uri)),
            Selection::Due(_) => (Table::Due, Key::of(Table::Due)),
            Selection::All => (Table::Mapping, Key::of(Table::Mapping)),
        };
        let end = match selection {
            Selection::Due(now) => index::due(*now).prefix_end(),
            _ => prefix.prefix_end(),
        };
        Self { table, prefix, end }
    }

    /// Whether the key of this index tells more than the mapping id: a UTI, a serial number's
    /// hash. It must not leave in a cursor, which is the mapping id then.
    const fn is_private(&self) -> bool {
        matches!(self.table, Table::Live | Table::IotSp)
    }

    fn cursor(&self, key: &[u8], row: &Mapping) -> Cursor {
        let own = key.get(self.prefix.as_bytes().len()..).unwrap_or_default();
        Cursor(
            if self.is_private() {
                row.id.as_bytes()
            } else {
                own
            }
            .to_vec(),
        )
    }

    /// The first key to look at behind a cursor, which may be anything: always within the prefix.
    /// One that names no row of the selection is ignored: the walk begins anew.
    fn start_after<R: ReadKeys>(
        &self,
        view: &R,
        selection: &Selection,
        cursor: &Cursor,
    ) -> Result<Vec<u8>, Fault> {
        let mut from = if self.is_private() {
            let row = match cursor.0.as_slice().try_into().map(MappingId::from_bytes) {
                Ok(id) => load::<Mapping, _>(view, Table::Mapping, &index::mapping(id))?,
                Err(_) => None,
            };
            match (selection, row) {
                (Selection::Service(service_uri), Some(row))
                    if row.key.service_uri == *service_uri =>
                {
                    index::live(&row.key).into_bytes()
                }
                (Selection::IotSp(sp), Some(row)) if row.iot_sp == *sp => {
                    index::iot_sp_row(&row).into_bytes()
                }
                (Selection::Serial { iot_sp, serial }, Some(row))
                    if row.iot_sp == *iot_sp && row.serial_index == *serial =>
                {
                    index::iot_sp_row(&row).into_bytes()
                }
                _ => return Ok(self.prefix.as_bytes().to_vec()),
            }
        } else {
            self.prefix.clone().fixed(&cursor.0).into_bytes()
        };
        // The least key behind this one.
        from.push(0);
        Ok(from)
    }

    fn row<R: ReadKeys>(&self, view: &R, key: &[u8], value: &[u8]) -> Result<Mapping, Fault> {
        if self.table == Table::Mapping {
            return decode(key, value).map_err(|source| Fault::Record {
                table: Table::Mapping,
                source,
            });
        }
        let id = index::row_of_entry(key, value).ok_or(Fault::Layout(self.table))?;
        load_indexed(view, id)
    }
}

/// The entries `addressee` is due at `now`, and when to look again.
pub(crate) fn due_entries<R: ReadKeys>(
    view: &R,
    addressee: &Addressee,
    (after, now): (Option<DuePlace>, Timestamp),
    limit: usize,
) -> Result<DueEntries, Fault> {
    let prefix = index::outbox_addressee(addressee);
    let from = match after {
        Some(place) => index::outbox_place(addressee, &place).fixed(&[0]),
        None => prefix.clone(),
    };
    let mut keys = Vec::new();
    let mut next = Ok(None);
    view.scan(from.as_bytes(), &prefix.prefix_end(), |key, value| {
        match index::instant_after(&prefix, key) {
            Some(instant) if instant <= now && keys.len() < limit => {
                keys.push(value.to_vec());
                return ControlFlow::Continue(());
            }
            Some(instant) => next = Ok(Some(instant)),
            None => next = Err(Fault::Layout(Table::OutboxDue)),
        }
        ControlFlow::Break(())
    })?;
    let mut due = DueEntries {
        entries: Vec::with_capacity(keys.len()),
        next: next?,
    };
    for key in keys {
        let entry = view
            .read(&key, |bytes| decode(&key, bytes))?
            .ok_or(Fault::Layout(Table::OutboxDue))?
            .map_err(|source| Fault::Record {
                table: Table::Outbox,
                source,
            })?;
        due.entries.push(entry);
    }
    Ok(due)
}

/// The hosted device of a serial number.
pub(crate) fn find_device<R: ReadKeys>(
    view: &R,
    (iot_sp, serial): (&SpId, BlindIndex),
) -> Result<Option<HostedDevice>, Fault> {
    let entry = index::hosted_serial(iot_sp, serial);
    let id = view.read(entry.as_bytes(), |id| {
        index::device_of_entry(Table::HostedSerial, entry.as_bytes(), id)
    })?;
    id.map(|id| load_hosted(view, Table::HostedSerial, id))
        .transpose()
}

/// A hosted device, and the rows its document names that are there.
pub(crate) fn load_device_rows<R: ReadKeys>(
    view: &R,
    id: &DeviceId,
) -> Result<Option<DeviceRows>, Fault> {
    let key = index::hosted_device(id);
    let Some(device) = load::<HostedDevice, _>(view, Table::HostedDevice, &key)? else {
        return Ok(None);
    };
    let named = device.document.rows.iter();
    let rows = named.filter_map(|id| load(view, Table::Mapping, &index::mapping(*id)).transpose());
    let rows = rows.collect::<Result<_, _>>()?;
    Ok(Some(DeviceRows { device, rows }))
}

/// At most `limit` hosted devices of an IoT SP behind `after`.
pub(crate) fn walk_devices<R: ReadKeys>(
    view: &R,
    iot_sp: &SpId,
    after: Option<&DeviceId>,
    limit: usize,
) -> Result<Vec<HostedDevice>, Fault> {
    let prefix = index::hosted_sp(iot_sp);
    let end = prefix.prefix_end();
    let from = match after {
        Some(id) => prefix.fixed(id.as_str().as_bytes()).fixed(&[0]),
        None => prefix,
    };
    devices_in(view, Table::HostedSp, (&from, &end), limit)
}

/// At most `limit` hosted devices that are due at `now`.
pub(crate) fn due_devices<R: ReadKeys>(
    view: &R,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<HostedDevice>, Fault> {
    let end = index::hosted_due(now).prefix_end();
    let from = Key::of(Table::HostedDue);
    devices_in(view, Table::HostedDue, (&from, &end), limit)
}

fn devices_in<R: ReadKeys>(
    view: &R,
    table: Table,
    (from, end): (&Key, &[u8]),
    limit: usize,
) -> Result<Vec<HostedDevice>, Fault> {
    let mut ids = Vec::new();
    view.scan(from.as_bytes(), end, |key, value| {
        if ids.len() >= limit {
            return ControlFlow::Break(());
        }
        ids.push(index::device_of_entry(table, key, value));
        ControlFlow::Continue(())
    })?;
    ids.into_iter()
        .map(|id| load_hosted(view, table, id))
        .collect()
}

fn load_hosted<R: ReadKeys>(
    view: &R,
    table: Table,
    id: Option<DeviceId>,
) -> Result<HostedDevice, Fault> {
    let id = id.ok_or(Fault::Layout(table))?;
    load(view, Table::HostedDevice, &index::hosted_device(&id))?
        .ok_or(Fault::Layout(Table::HostedDevice))
}

/// The records of all parties.
pub(crate) fn load_parties<R: ReadKeys>(view: &R) -> Result<Vec<DirectoryRecord>, Fault> {
    let whole = index::parties();
    let end = whole.prefix_end();
    collect_range(view, Table::Directory, (&whole, &end), usize::MAX)
}

/// At most `limit` consents that are due at `now`.
pub(crate) fn due_consents<R: ReadKeys>(
    view: &R,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ConsentRecord>, Fault> {
    let end = index::consent_due(now).prefix_end();
    let from = Key::of(Table::ConsentDue);
    let mut ids = Vec::new();
    view.scan(from.as_bytes(), &end, |key, _| {
        if ids.len() >= limit {
            return ControlFlow::Break(());
        }
        ids.push(index::consent_of_entry(key));
        ControlFlow::Continue(())
    })?;
    let consents = ids.into_iter().map(|id| {
        let id = id.ok_or(Fault::Layout(Table::ConsentDue))?;
        load(view, Table::Consent, &index::consent(id))?.ok_or(Fault::Layout(Table::Consent))
    });
    consents.collect()
}

/// At most `limit` keepsakes of a shelf behind `after`.
pub(crate) fn walk_keepsakes<R: ReadKeys>(
    view: &R,
    shelf: Shelf,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Keepsake>, Fault> {
    let whole = index::shelf(shelf);
    let end = whole.prefix_end();
    let from = after.map_or(whole, |key| index::keepsake(shelf, key).fixed(&[0]));
    collect_range(view, Table::Keepsake, (&from, &end), limit)
}

/// At most `limit` entries of everybody after `after`.
pub(crate) fn walk_outbox<R: ReadKeys>(
    view: &R,
    after: Option<&OutboxKey>,
    limit: usize,
) -> Result<Vec<OutboxEntry>, Fault> {
    collect(view, Table::Outbox, after.map(index::outbox), limit)
}

/// At most `limit` records of a table behind a key of it.
pub(crate) fn collect<T: Record, R: ReadKeys>(
    view: &R,
    table: Table,
    after: Option<Key>,
    limit: usize,
) -> Result<Vec<T>, Fault> {
    let whole = Key::of(table);
    let end = whole.prefix_end();
    let from = after.map_or(whole, |key| key.fixed(&[0]));
    collect_range(view, table, (&from, &end), limit)
}

fn collect_range<T: Record, R: ReadKeys>(
    view: &R,
    table: Table,
    (from, end): (&Key, &[u8]),
    limit: usize,
) -> Result<Vec<T>, Fault> {
    let mut records = Vec::new();
    let mut result = Ok(());
    view.scan(from.as_bytes(), end, |key, value| {
        if records.len() >= limit {
            return ControlFlow::Break(());
        }
        match decode(key, value) {
            Ok(record) => {
                records.push(record);
                ControlFlow::Continue(())
            }
            Err(source) => {
                result = Err(Fault::Record { table, source });
                ControlFlow::Break(())
            }
        }
    })?;
    result.map(|()| records)
}
