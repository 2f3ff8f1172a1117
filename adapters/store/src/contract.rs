//! The suite every store passes: memory, redb, and those to come.
//!
//! Each check gets an empty store and panics when the store breaks its word. [`store_contract!`]
//! makes a test of each. For tests alone.
//!
//! [`store_contract!`]: crate::store_contract

#![expect(
    clippy::unwrap_used,
    reason = "a test suite: a broken promise ends the test"
)]
#![expect(
    clippy::missing_panics_doc,
    reason = "every check panics when the contract is broken"
)]

mod concurrency;
mod consents;
mod damage;
mod devices;
mod keepsakes;
pub mod kill;
mod mappings;
mod outbox;
mod records;
pub mod sample;
mod walks;

use std::future::Future;

use ics_core::change::Change;
use ics_core::port::{CommitError, Store};

use crate::EmbeddedStore;
use crate::engine::Engine;

pub use concurrency::*;
pub use consents::*;
pub use damage::*;
pub use devices::*;
pub use keepsakes::*;
pub use mappings::*;
pub use outbox::*;
pub use records::*;
pub use walks::*;

/// A store under test.
pub trait Contender: Sync {
    /// The port.
    fn store(&self) -> &dyn Store;

    /// Panics when records, indexes and counters do not agree.
    fn assert_sound(&self);
}

impl<E: Engine> Contender for EmbeddedStore<E> {
    fn store(&self) -> &dyn Store {
        self
    }

    fn assert_sound(&self) {
        let report = self.check().unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}

/// Runs a future of the port to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Commits and waits.
///
/// # Errors
/// Those of the store.
pub fn commit(store: &dyn Contender, change: Change) -> Result<(), CommitError> {
    let answer = block_on(store.store().commit(change));
    store.assert_sound();
    answer
}

/// Makes a test of each check of the contract; `$open` is an expression that gives an empty
/// store, evaluated anew for each.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract!(@ $open;
            a_row_is_found_by_every_index_of_its_state
            only_established_rows_correlate
            a_tombstone_leaves_the_live_indexes_and_stays_until_purged
            live_key_is_unique_and_free_again_after_the_end
            a_row_may_take_over_the_key_of_one_that_dies_in_the_same_change
            a_change_decided_on_another_version_conflicts
            a_conflict_leaves_nothing_of_its_change
            no_id_is_taken_for_another_that_begins_alike
            pages_cover_a_selection_once_and_in_order
            due_rows_come_most_overdue_first_and_none_too_early
            no_cursor_leaves_its_selection
            cursors_tell_no_identifier
            only_the_first_entry_of_a_subject_is_due
            the_next_entry_is_promoted_when_the_first_dies
            a_retry_moves_the_entry_and_tells_when_to_look_again
            due_entries_are_limited_and_apart_for_each_addressee
            due_entries_are_found_behind_a_place
            the_outbox_is_walked_in_the_order_of_its_names
            an_entry_decided_on_other_attempts_conflicts
            uti_records_are_compared_whole
            dead_devices_stay_dead_and_break_assumptions
            directory_records_come_back_as_they_were
            directory_records_are_compared_by_version
            the_last_clock_mark_is_kept
            a_hosted_device_comes_back_as_it_was
            a_hosted_device_comes_with_the_rows_of_its_document
            a_serial_number_names_one_active_device
            hosted_devices_are_compared_by_version
            hosted_devices_are_walked_in_the_order_of_their_ids
            devices_that_are_unregistering_fall_due
            keepsakes_are_put_replaced_and_taken_out_unseen
            keepsakes_are_walked_in_the_order_of_their_keys
            a_consent_comes_back_as_it_was_and_goes
            consents_are_compared_by_version
            consents_fall_due_most_overdue_first
            a_consent_and_the_row_that_uses_it_are_one_change
            the_rows_of_an_owner_are_found_while_they_live
            a_change_may_assume_the_device_of_a_serial_number
            an_agreement_changed_meanwhile_breaks_the_assumption
            a_fence_breaks_the_assumption_of_who_does_not_know_it
            an_ae_taken_meanwhile_breaks_the_assumption
            of_many_changes_of_one_row_one_wins
            all_changes_of_many_writers_are_kept
        );
    };
    (@ $open:expr; $($check:ident)*) => {
        $(
            #[test]
            fn $check() {
                $crate::contract::$check(&$open);
            }
        )*
    };
}
