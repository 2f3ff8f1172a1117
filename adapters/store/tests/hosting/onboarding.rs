//! What two operators do at once.

use std::num::NonZeroU32;
use std::sync::{Arc, Barrier};
use std::thread;

use ics_core::id::AeId;
use ics_core::party::{Limits, OneM2mAe};
use ics_core::service::{Failure, OnboardingError, PartyTerms};

use super::world::{NOW, World, run, sp};

const OPERATORS: usize = 8;

fn terms(id: &str, onem2m: OneM2mAe) -> PartyTerms {
    PartyTerms {
        id: sp(id),
        third_party_sp: true,
        iot_sp: false,
        services: Vec::new(),
        claims: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: Vec::new(),
        token_endpoint: None,
        onem2m: Some(onem2m),
        limits: Limits {
            requests_per_second: NonZeroU32::MIN,
            failed_mappings_per_day: NonZeroU32::MIN,
        },
    }
}

#[test]
fn of_many_that_are_given_one_ae_at_once_one_speaks_as_it() {
    let world = World::new();
    for round in 0..16 {
        let onem2m = OneM2mAe {
            ae: AeId::parse(&format!("/id-in/Cshop{round}")).unwrap(),
            key: None,
        };
        let start = Arc::new(Barrier::new(OPERATORS));
        let threads: Vec<_> = (0..OPERATORS)
            .map(|n| {
                let (service, start) = (Arc::clone(&world.service), Arc::clone(&start));
                let onem2m = onem2m.clone();
                thread::spawn(move || {
                    let terms = terms(&format!("sp-{round}-{n}"), onem2m);
                    start.wait();
                    run(service.onboard_party(&terms, NOW)).map(|party| party.id.clone())
                })
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, OPERATORS - 1));
        let winner = won.into_iter().next().unwrap().unwrap();
        let directory = world.service.directory();
        let owner = directory.party_of_ae(&onem2m.ae);
        assert_eq!(owner.map(|party| &party.id), Some(&winner));
        // Or the directory of the winner was not out yet, each time that was asked.
        let is_told = |refused: &_| match refused {
            Err(OnboardingError::AeTaken(by)) => *by == winner,
            other => *other == Err(OnboardingError::Failure(Failure::Busy)),
        };
        assert!(lost.iter().all(is_told), "{lost:?}");
    }
}
