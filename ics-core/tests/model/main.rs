//! The procedures of `ics-core` under loss, duplication, reordering, retries, unregistration,
//! expiry and restarts, searched exhaustively within bounds.
//!
//! The model calls the procedures themselves ([`ics_core::procedure`]) and the rules of the
//! device document; only the store is a plain struct, and the IoT SP and the device behave as
//! `channels.md` wants them. What the network may do, and to whom, is in [`system`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test of its own, which tells how much it searched and how long; these lints spare \
              #[test] functions alone"
)]

mod gateway;
mod iot_sp;
mod properties;
mod store;
mod system;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::gateway::Seen;
use crate::properties::{LOSES_TO_FENCE, NO_RESURRECTION, NO_STALE_REQUEST, NOTHING_REVOKED_HELD};
use crate::system::{Bounds, SOUND, Scenario, Switches, System};

/// One request each, two messages on the wire, nothing else.
const QUIET: Bounds = Bounds {
    requests: [1, 1],
    third_party_ends: 0,
    fences: 0,
    revocations: 0,
    rejections: 0,
    unregistrations: 0,
    expiries: 0,
    duplicates: 0,
    slow_workers: 0,
    in_flight: 2,
};

/// Searches to the end: everything that must always hold does, and what is named was reached.
fn hold(
    name: &str,
    scenario: Scenario,
    reached: &[&'static str],
    seen: fn(&Seen) -> Vec<&AtomicUsize>,
) {
    let started = Instant::now();
    let checker = System::new(scenario)
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    println!(
        "{name}: {} unique states of {}, depth {}, {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed()
    );
    assert!(checker.is_done(), "{name}: not searched to the end");
    for property in checker.model().properties() {
        if property.expectation == Expectation::Always {
            checker.assert_no_discovery(property.name);
        }
    }
    for property in reached {
        checker.assert_any_discovery(property);
    }
    let seen = seen(&checker.model().seen);
    assert!(
        seen.iter()
            .all(|counter| counter.load(Ordering::Relaxed) > 0),
        "{name}: not everything was seen: {:?}",
        checker.model().seen
    );
}

/// Searches for the shortest way to break `property`; there must be one.
fn find(property: &'static str, scenario: Scenario) {
    let checker = System::new(scenario)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf([property].into()))
        .spawn_bfs()
        .join();
    let way = checker.assert_any_discovery(property).into_actions();
    println!(
        "{property}: broken in {} steps, {} unique states",
        way.len(),
        checker.unique_state_count()
    );
    for action in way {
        println!("    {action:?}");
    }
}

const AFTER_FENCE: &str = "a key lives again after the fence";
const BOTH: &str = "both rows established, and quiet";
const WIPED: &str = "the device was wiped, and one row is left";
const DEMAPPED: &str = "de-mapped after established";
const AGAIN: &str = "a key was asked for again after its end";
const REJECTED: &str = "rejected by the IoT SP";

#[test]
fn the_third_party_withdraws_and_asks_again() {
    let bounds = Bounds {
        requests: [2, 1],
        third_party_ends: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: false,
        uti_expires: false,
        bounds,
        switches: SOUND,
    };
    hold(
        "withdrawal, two UTIs",
        scenario,
        &[BOTH, WIPED, DEMAPPED, AGAIN],
        |seen| {
            vec![
                &seen.requests_replayed,
                &seen.answers_replayed,
                &seen.answers_too_late,
            ]
        },
    );
}

#[test]
fn one_uti_of_two_services_ends_with_duplicates_on_the_wire() {
    let bounds = Bounds {
        third_party_ends: 1,
        duplicates: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: true,
        uti_expires: false,
        bounds,
        switches: SOUND,
    };
    hold(
        "withdrawal, one UTI, duplicates",
        scenario,
        &[BOTH, WIPED, DEMAPPED],
        |seen| {
            vec![
                &seen.answers_replayed,
                &seen.answers_too_late,
                &seen.utis_refused,
            ]
        },
    );
}

#[test]
fn the_iot_sp_rejects_and_demaps() {
    let bounds = Bounds {
        revocations: 1,
        rejections: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: false,
        uti_expires: false,
        bounds,
        switches: SOUND,
    };
    hold(
        "IoT SP ends",
        scenario,
        &[BOTH, WIPED, DEMAPPED, REJECTED],
        |seen| vec![&seen.pushes_refused, &seen.demappings_too_late],
    );
}

#[test]
fn the_device_is_unregistered() {
    for same_uti in [false, true] {
        let bounds = Bounds {
            unregistrations: 1,
            ..QUIET
        };
        let scenario = Scenario {
            same_uti,
            uti_expires: false,
            bounds,
            switches: SOUND,
        };
        hold("unregistration", scenario, &[BOTH, DEMAPPED], |seen| {
            vec![&seen.dead_devices_refused, &seen.other_devices_refused]
        });
    }
}

#[test]
fn an_unregistered_device_never_gets_its_uti_back() {
    let bounds = Bounds {
        requests: [2, 0],
        unregistrations: 1,
        slow_workers: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: false,
        uti_expires: false,
        bounds,
        switches: SOUND,
    };
    hold("unregistration, restarts", scenario, &[DEMAPPED], |seen| {
        vec![
            &seen.utis_refused,
            &seen.dead_devices_refused,
            &seen.decisions_overtaken,
        ]
    });
}

#[test]
fn deadlines_pass_and_utis_expire() {
    let bounds = Bounds {
        requests: [2, 1],
        expiries: 1,
        ..QUIET
    };
    for uti_expires in [false, true] {
        let scenario = Scenario {
            same_uti: uti_expires,
            uti_expires,
            bounds,
            switches: SOUND,
        };
        hold("expiry", scenario, &[BOTH, AGAIN], |seen| {
            vec![&seen.requests_replayed, &seen.answers_too_late]
        });
    }
}

#[test]
fn the_gateway_restarts_between_reading_and_committing() {
    for requests in [[1, 1], [2, 0]] {
        let bounds = Bounds {
            requests,
            third_party_ends: 1,
            slow_workers: 1,
            ..QUIET
        };
        let scenario = Scenario {
            same_uti: false,
            uti_expires: false,
            bounds,
            switches: SOUND,
        };
        hold("restarts", scenario, &[DEMAPPED], |seen| {
            vec![
                &seen.decisions_overtaken,
                &seen.answers_replayed,
                &seen.answers_too_late,
            ]
        });
    }
}

#[test]
fn a_fence_goes_up_while_rows_are_established_and_asked_for_again() {
    for (same_uti, requests, slow_workers) in [(false, [2, 0], 1), (true, [1, 1], 0)] {
        let bounds = Bounds {
            requests,
            fences: 1,
            slow_workers,
            ..QUIET
        };
        let scenario = Scenario {
            same_uti,
            uti_expires: false,
            bounds,
            switches: SOUND,
        };
        hold("fence", scenario, &[DEMAPPED, AFTER_FENCE], |seen| {
            vec![&seen.rows_settled, &seen.answers_too_late]
        });
    }
}

#[test]
fn without_knowing_fences_an_answer_establishes_a_row_behind_one() {
    let switches = Switches {
        fences_known: false,
        ..SOUND
    };
    let bounds = Bounds {
        requests: [1, 0],
        fences: 1,
        slow_workers: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: false,
        uti_expires: false,
        bounds,
        switches,
    };
    find(LOSES_TO_FENCE, scenario);
}

/// One row, ended by its third party, one message duplicated.
fn one_row(switches: Switches) -> Scenario {
    let bounds = Bounds {
        requests: [1, 0],
        third_party_ends: 1,
        duplicates: 1,
        ..QUIET
    };
    Scenario {
        same_uti: false,
        uti_expires: false,
        bounds,
        switches,
    }
}

#[test]
fn without_tombstones_a_late_push_leaves_the_pair_on_the_device() {
    let switches = Switches {
        tombstone: false,
        ..SOUND
    };
    find(NOTHING_REVOKED_HELD, one_row(switches));
}

#[test]
fn without_tombstones_a_late_answer_brings_a_row_back() {
    let switches = Switches {
        tombstone: false,
        ..SOUND
    };
    let bounds = Bounds {
        third_party_ends: 1,
        slow_workers: 1,
        ..QUIET
    };
    let scenario = Scenario {
        same_uti: true,
        uti_expires: false,
        bounds,
        switches,
    };
    find(NO_RESURRECTION, scenario);
}

#[test]
fn without_document_versions_a_late_document_brings_the_pair_back() {
    let switches = Switches {
        document_version: false,
        ..SOUND
    };
    find(NOTHING_REVOKED_HELD, one_row(switches));
}

/// A known limit of t8 A.8, "after DELETED the same key may be used again": nothing in a request
/// tells whether it was made before or after. What holds is that TLS lets no request linger.
#[test]
fn a_request_that_lingers_past_the_end_of_its_row_makes_a_new_one() {
    let switches = Switches {
        prompt_requests: false,
        ..SOUND
    };
    let mut scenario = one_row(switches);
    scenario.bounds.requests = [2, 0];
    find(NO_STALE_REQUEST, scenario);
}
