//! What adapters keep for themselves.

use ics_core::keepsake::{Keepsake, Shelf};
use ics_core::procedure::Knobs;
use ics_core::service::KeepError;

use crate::world::{World, run};

const SHELF: Shelf = Shelf::OneM2m;

fn kept(world: &World, after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let page = run(world.service.walk_keepsakes(SHELF, after, limit)).unwrap();
    let pair = |found: Keepsake| (found.key, found.value);
    page.into_iter().map(pair).collect()
}

#[test]
fn what_an_adapter_keeps_is_there_after_a_restart() {
    let world = World::new();
    let put = |key: u8, value: u8| (vec![key], Some(vec![value]));
    let first = vec![put(1, 1), put(2, 2), put(3, 3)];
    run(world.service.keep(first, SHELF)).unwrap();
    run(world.service.keep(vec![put(1, 9), (vec![2], None)], SHELF)).unwrap();
    let again = World::over(world.store, Knobs::default());
    assert_eq!(
        kept(&again, None, 9),
        [(vec![1], vec![9]), (vec![3], vec![3])]
    );
    assert_eq!(kept(&again, Some(&[1]), 1), [(vec![3], vec![3])]);
    assert_eq!(kept(&again, Some(&[3]), 9), []);
}

/// An export holds a record in one line, which has an end.
#[test]
fn a_record_that_no_export_could_hold_is_not_kept_nor_what_comes_with_it() {
    let world = World::new();
    let long = |longer: usize| (vec![1], Some(vec![0; Keepsake::LONGEST - 1 + longer]));
    let writes = vec![(vec![2], Some(Vec::new())), long(1)];
    assert_eq!(
        run(world.service.keep(writes, SHELF)),
        Err(KeepError::TooLong)
    );
    assert_eq!(kept(&world, None, 9), []);
    run(world.service.keep(vec![long(0)], SHELF)).unwrap();
    let mut file = Vec::new();
    ics_store::write_state(world.store.as_ref(), crate::NOW, &mut file).unwrap();
    ics_store::read_state(&mut file.as_slice(), &mut || ()).unwrap();
}
