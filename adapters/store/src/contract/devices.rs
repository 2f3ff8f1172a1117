//! Hosted devices: by ID, by serial number, by IoT SP, by when they are forgotten.

use ics_core::change::{Assumption, Change};
use ics_core::device::HostedDevice;
use ics_core::port::{CommitError, DeviceRows};

use super::sample::{at, hash, hosted, hosted_id, next_hosted, pending, sp, unregistering};
use super::{Contender, block_on, commit};

fn put(
    store: &dyn Contender,
    before: Option<&HostedDevice>,
    after: Option<&HostedDevice>,
) -> Result<(), CommitError> {
    let change = Change::default().with_device(before.cloned(), after.cloned());
    commit(store, change)
}

/// Every field, in both of its states.
pub fn a_hosted_device_comes_back_as_it_was(store: &dyn Contender) {
    let device = hosted(1);
    put(store, None, Some(&device)).unwrap();
    let found = |id| block_on(store.store().load_device(&id)).unwrap();
    assert_eq!(found(hosted_id(1)).as_ref(), Some(&device));
    assert_eq!(found(hosted_id(2)), None);
    let leaving = unregistering(&device);
    put(store, Some(&device), Some(&leaving)).unwrap();
    assert_eq!(found(hosted_id(1)).as_ref(), Some(&leaving));
    put(store, Some(&leaving), None).unwrap();
    assert_eq!(found(hosted_id(1)), None);
}

/// Those that are there, in the order of the document.
pub fn a_hosted_device_comes_with_the_rows_of_its_document(store: &dyn Contender) {
    let found = |id| block_on(store.store().load_device_rows(&id)).unwrap();
    assert_eq!(found(hosted_id(1)), None);
    let device = hosted(1);
    put(store, None, Some(&device)).unwrap();
    let found_with = |rows| {
        let device = device.clone();
        assert_eq!(found(hosted_id(1)), Some(DeviceRows { device, rows }));
    };
    found_with(Vec::new());
    let rows = [2, 1, 3].map(pending);
    for row in &rows {
        let change = Change::default().with_mapping(None, Some(row.clone()));
        commit(store, change).unwrap();
    }
    let [second, first, _] = rows;
    let named = [first.id, second.id];
    assert_eq!(device.document.rows, named);
    found_with(vec![first, second]);
}

/// One device a serial number, and none once it is unregistering: another may take its place.
pub fn a_serial_number_names_one_active_device(store: &dyn Contender) {
    let device = hosted(1);
    let mut other = hosted(2);
    other.serial_index = device.serial_index;
    let found = || block_on(store.store().find_device(&sp("maker1"), hash(1))).unwrap();
    assert_eq!(found(), None);
    put(store, None, Some(&device)).unwrap();
    assert_eq!(found().as_ref(), Some(&device));
    assert_eq!(put(store, None, Some(&other)), Err(CommitError::Conflict));
    let mut foreign = hosted(3);
    (foreign.iot_sp, foreign.serial_index) = (sp("maker10"), device.serial_index);
    put(store, None, Some(&foreign)).unwrap();
    assert_eq!(found().as_ref(), Some(&device), "each SP has its own");
    let leaving = unregistering(&device);
    put(store, Some(&device), Some(&leaving)).unwrap();
    assert_eq!(found(), None);
    put(store, None, Some(&other)).unwrap();
    assert_eq!(found().as_ref(), Some(&other));
}

/// Two who change a device at once.
pub fn hosted_devices_are_compared_by_version(store: &dyn Contender) {
    let first = hosted(1);
    let second = next_hosted(&first);
    let conflict = Err(CommitError::Conflict);
    assert_eq!(put(store, Some(&first), Some(&second)), conflict);
    put(store, None, Some(&first)).unwrap();
    assert_eq!(put(store, None, Some(&first)), conflict);
    put(store, Some(&first), Some(&second)).unwrap();
    assert_eq!(put(store, Some(&first), Some(&second)), conflict);
    assert_eq!(put(store, Some(&first), None), conflict);
    let found = block_on(store.store().load_device(&hosted_id(1)));
    assert_eq!(found, Ok(Some(second)));
}

/// Page by page, each IoT SP for itself.
pub fn hosted_devices_are_walked_in_the_order_of_their_ids(store: &dyn Contender) {
    let all: Vec<_> = (0..20)
        .map(|n| {
            let mut device = hosted(n);
            device.iot_sp = sp(if n % 4 == 3 { "maker10" } else { "maker1" });
            device
        })
        .collect();
    let change = all.iter().fold(Change::default(), |change, device| {
        change.with_device(None, Some(device.clone()))
    });
    commit(store, change).unwrap();
    for id in ["maker1", "maker10", "maker"] {
        let mut own: Vec<_> = all.iter().filter(|d| d.iot_sp == sp(id)).collect();
        own.sort_by(|a, b| a.id.cmp(&b.id));
        let mut found: Vec<HostedDevice> = Vec::new();
        loop {
            let after = found.last().map(|device| device.id.clone());
            let page = block_on(store.store().walk_devices(&sp(id), after.as_ref(), 3)).unwrap();
            assert!(page.len() <= 3);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert!(found.iter().eq(own), "{id}");
    }
}

/// Those that are forgotten first come first, and no other.
pub fn devices_that_are_unregistering_fall_due(store: &dyn Contender) {
    put(store, None, Some(&hosted(1))).unwrap();
    for (number, millis) in [(2, 500), (3, 300), (4, 900)] {
        let mut device = unregistering(&hosted(number));
        device.status = ics_core::device::DeviceStatus::Unregistering {
            deadline: at(millis),
        };
        put(store, None, Some(&device)).unwrap();
    }
    let due = |millis, limit| {
        let page = block_on(store.store().due_devices(at(millis), limit)).unwrap();
        page.into_iter().map(|device| device.id).collect::<Vec<_>>()
    };
    assert_eq!(due(299, 9), []);
    assert_eq!(due(500, 9), [hosted_id(3), hosted_id(2)]);
    assert_eq!(due(500, 1), [hosted_id(3)]);
    assert_eq!(due(10_000, 9).len(), 3);
}

/// What was decided on the device of a serial number, or on there being none, is refused once that
/// is no longer so.
pub fn a_change_may_assume_the_device_of_a_serial_number(store: &dyn Contender) {
    let try_with = |number, device: Option<&HostedDevice>| {
        let assumption = Assumption::DeviceUnchanged {
            iot_sp: sp("maker1"),
            serial: hash(1),
            device: device.map(|device| (device.id.clone(), device.version)),
        };
        let change = Change::default().with_mapping(None, Some(pending(number)));
        commit(store, change.with_assumption(assumption))
    };
    let first = hosted(1);
    let second = next_hosted(&first);
    let conflict = Err(CommitError::Conflict);
    assert_eq!(try_with(1, Some(&first)), conflict);
    assert_eq!(try_with(1, None), Ok(()));
    put(store, None, Some(&first)).unwrap();
    assert_eq!(try_with(2, None), conflict);
    assert_eq!(try_with(2, Some(&first)), Ok(()));
    put(store, Some(&first), Some(&second)).unwrap();
    assert_eq!(try_with(3, Some(&first)), conflict);
    put(store, Some(&second), Some(&unregistering(&second))).unwrap();
    assert_eq!(try_with(3, Some(&second)), conflict);
    assert_eq!(try_with(3, None), Ok(()));
}
