//! The user's consent (row Y21): given once, used by one row in that row's own transaction, and taken
//! back; who sees it, and what is kept of it.

use std::time::Duration;

use ics_core::consent::{ConsentBasis, ConsentRecord, ConsentState};
use ics_core::id::*;
use ics_core::mapping::{Attribute, EndedBy, FailureCause, Mapping, MappingStatus, State};
use ics_core::outbox::Message;
use ics_core::port::{Denied, Store as _};
use ics_core::procedure::Knobs;
use ics_core::reference_point::Role;
use ics_core::service::*;
use ics_core::time::Timestamp;

use super::acknowledge;
use super::world::{NOW, World, accepted, mapping_request, principal, run, sp};

const LOCK: &str = "LOCK-1";
const UTI: &str = "uti-of-the-lock-at-service-1";

fn owner(name: &str) -> DeviceOwner {
    DeviceOwner::parse(name).unwrap()
}

fn ask(n: usize, serial: &str) -> ConsentAsk {
    ConsentAsk {
        service_uri: ServiceUri::parse(&format!("https://shop.example/s{n}")).unwrap(),
        serial: DeviceSerialNumber::parse(serial).unwrap(),
        vendor: None,
        model: None,
        iot_sp: Some(sp("homes")),
        purpose: Attribute::parse("dpv:ServiceProvision").unwrap(),
        expires: None,
    }
}

/// A request for service `n` and that lock, with nothing asserted.
fn request(n: usize, serial: &str) -> MappingRequest {
    let uti = format!("uti-of-the-lock-at-service-{n}");
    MappingRequest {
        consent: None,
        ..mapping_request((("homes", serial), &uti), n)
    }
}

impl World {
    /// `name` consents to service 1 and the lock.
    fn given_by(&self, name: &str) -> ConsentRecord {
        let ask = ask(1, LOCK);
        let offer = self.service.offer_consent(&principal("shop"), &ask, NOW);
        let given = (&offer.unwrap(), &ask);
        run(self.service.give_consent(given, &owner(name), NOW)).unwrap()
    }

    fn use_consent(
        &self,
        consent: ConsentId,
        request: &MappingRequest,
        now: Timestamp,
    ) -> Result<(Mapping, bool), RequestError> {
        let mut shop = principal("shop");
        shop.consent = Some(consent);
        run(self.service.request_mapping(&shop, request, now))
    }

    fn consent(&self, id: ConsentId) -> Option<ConsentRecord> {
        run(self.store.load_consent(id)).unwrap()
    }

    /// `homes` accepts the row for a device of that user.
    fn accept(&self, row: &Mapping, name: Option<&str>) -> Result<Mapping, AnswerError> {
        let input = AnswerInput::Accepted {
            device_id: DeviceId::parse("d-1").unwrap(),
            owner: name.map(owner),
            consent: None,
        };
        let homes = principal("homes");
        run(self
            .service
            .answer_assignment(&homes, (row.id, &input), NOW))
    }

    fn links(&self, iot_sp: &str, name: &str) -> Vec<MappingId> {
        let of = (&sp(iot_sp), &owner(name));
        let (links, next) = run(self.service.list_links(of, (None, 100))).unwrap();
        assert_eq!(next, None);
        links.into_iter().map(|link| link.mapping).collect()
    }
}

const REFUSED: RequestError = RequestError::Denied(Denied::ConsentRequired);

#[test]
fn a_consent_makes_one_mapping_and_a_lost_answer_does_not_burn_it() {
    let world = World::new();
    let given = world.given_by("ada");
    assert!(matches!(given.state, ConsentState::Given { .. }));
    let (row, is_new) = world.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
    assert!(is_new);
    assert_eq!(row.consent_record, Some(given.id));
    let used = world.consent(given.id).unwrap();
    assert_eq!(used.state, ConsentState::Used { mapping: row.id });
    // The answer was lost: the same request has the same row.
    let again = world.use_consent(given.id, &request(1, LOCK), NOW);
    assert_eq!(again, Ok((row.clone(), false)));
    // Another UTI is another mapping.
    let mut other = request(1, LOCK);
    other.key.uti = Uti::parse("another-uti-of-the-lock").unwrap();
    assert_eq!(world.use_consent(given.id, &other, NOW), Err(REFUSED));
    // Nor does it come to life again when its row is gone.
    let shop = principal("shop");
    run(world.service.cancel_mapping(&shop, row.id, NOW)).unwrap();
    assert_eq!(
        world.use_consent(given.id, &request(1, LOCK), NOW),
        Err(REFUSED)
    );
}

#[test]
fn without_a_consent_of_its_user_no_request_is_taken() {
    let world = World::new();
    assert_eq!(world.request_as(&request(1, LOCK)), Err(REFUSED));
    // One that the third party asserts is none here.
    let asserted = mapping_request((("homes", LOCK), UTI), 1);
    assert_eq!(world.request_as(&asserted), Err(REFUSED));
    let unknown = ConsentId::from_bytes([9; 16]);
    assert_eq!(
        world.use_consent(unknown, &request(1, LOCK), NOW),
        Err(REFUSED)
    );
}

#[test]
fn a_consent_is_for_its_service_device_and_agreement_alone() {
    let world = World::new();
    let given = world.given_by("ada");
    let of_acme = MappingRequest {
        consent: mapping_request((("acme", LOCK), UTI), 1).consent,
        iot_sp: Some(sp("acme")),
        ..request(1, LOCK)
    };
    for other in [request(2, LOCK), request(1, "LOCK-2"), of_acme] {
        assert_eq!(world.use_consent(given.id, &other, NOW), Err(REFUSED));
    }
    // What fails for another reason does not burn it.
    let mut early = request(1, LOCK);
    early.validity = Some(Duration::from_secs(1));
    let refused = world.use_consent(given.id, &early, NOW);
    assert_eq!(refused, Err(RequestError::ValidityOutOfRange));
    assert!(world.use_consent(given.id, &request(1, LOCK), NOW).is_ok());
}

#[test]
fn a_token_of_a_consent_opens_nothing_else() {
    let world = World::new();
    let given = world.given_by("ada");
    let (row, _) = world.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
    let mut shop = principal("shop");
    shop.consent = Some(given.id);
    let read = run(world.service.read_mapping(&shop, row.id, NOW));
    assert!(matches!(read, Err(MappingError::Denied(Denied::Scope(_)))));
    let cancelled = run(world.service.cancel_mapping(&shop, row.id, NOW));
    assert!(matches!(
        cancelled,
        Err(MappingError::Denied(Denied::Scope(_)))
    ));
    let listed = run(world.service.list_mappings(&shop, (None, None, 10), NOW));
    assert!(matches!(
        listed,
        Err(MappingError::Denied(Denied::Scope(_)))
    ));
}

#[test]
fn a_consent_that_is_not_used_lapses_or_is_taken_back() {
    let world = World::new();
    let (late, back) = (world.given_by("ada"), world.given_by("ada"));
    assert_eq!(run(world.service.take_back_consent(back.id)), Ok(true));
    assert_eq!(run(world.service.take_back_consent(back.id)), Ok(false));
    assert_eq!(
        world.use_consent(back.id, &request(1, LOCK), NOW),
        Err(REFUSED)
    );
    let over = NOW.plus(ConsentRecord::USABLE);
    assert_eq!(
        world.use_consent(late.id, &request(1, LOCK), over),
        Err(REFUSED)
    );
    assert_eq!(run(world.service.sweep_consents(over)), Ok(1));
    assert_eq!(world.consent(late.id), None);
    // One that a row stands on is not taken back.
    let used = world.given_by("ada");
    world.use_consent(used.id, &request(1, LOCK), NOW).unwrap();
    assert_eq!(run(world.service.take_back_consent(used.id)), Ok(false));
    assert!(world.consent(used.id).is_some());
}

#[test]
fn users_are_asked_under_agreements_that_say_so_alone() {
    let world = World::new();
    let shop = principal("shop");
    for iot_sp in ["acme", "asker", "pairer"] {
        let other = ConsentAsk {
            iot_sp: Some(sp(iot_sp)),
            ..ask(1, LOCK)
        };
        let offered = world.service.offer_consent(&shop, &other, NOW);
        assert_eq!(offered, Err(REFUSED), "{iot_sp}");
    }
    let over = ConsentAsk {
        expires: Some(NOW),
        ..ask(1, LOCK)
    };
    let offered = world.service.offer_consent(&shop, &over, NOW);
    assert_eq!(offered, Err(RequestError::ValidityOutOfRange));
    let offer = world
        .service
        .offer_consent(&shop, &ask(1, LOCK), NOW)
        .unwrap();
    run(world.service.end_agreement(&offer.agreement, NOW)).unwrap();
    let given = run(world
        .service
        .give_consent((&offer, &ask(1, LOCK)), &owner("ada"), NOW));
    assert_eq!(given, Err(ConsentError::NotOffered));
}

#[test]
fn the_mapping_fails_unless_the_iot_sp_says_that_the_device_is_the_users() {
    for (says, holds) in [(None, false), (Some("eve"), false), (Some("ada"), true)] {
        let world = World::new();
        let given = world.given_by("ada");
        let (row, _) = world.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
        let answered = world.accept(&row, says);
        let row = world.row(row.id);
        if holds {
            assert_eq!(answered, Ok(row.clone()));
            assert_eq!(row.status(), MappingStatus::Established);
            continue;
        }
        assert_eq!(answered, Err(AnswerError::NotOwner), "{says:?}");
        let State::Failed { cause, .. } = row.state else {
            panic!("{:?}", row.state);
        };
        assert_eq!(cause, FailureCause::NotOwner);
        // Towards the third party it is one of many ways to be not available.
        let told = cause.towards(Role::ThirdPartySp).name();
        assert_eq!(told, "DEVICE_NOT_AVAILABLE");
        assert_eq!(cause.towards(Role::IotSp).name(), "NOT_OWNER");
        assert!(world.links("homes", "eve").is_empty());
    }
}

#[test]
fn a_hosted_device_of_another_user_is_never_offered_the_row() {
    for (registered, holds) in [(None, false), (Some("eve"), false), (Some("ada"), true)] {
        let world = World::new();
        let lock = world.register_for("homes", LOCK, registered);
        let given = world.given_by("ada");
        let (row, _) = world.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
        if holds {
            acknowledge(&world, &lock, 1, &[]).unwrap();
            assert_eq!(world.row(row.id).status(), MappingStatus::Established);
            assert_eq!(world.links("homes", "ada"), [row.id]);
        } else {
            let failing = matches!(row.state, State::Failing { ref cause, .. } if *cause == FailureCause::NotOwner);
            assert!(failing, "{registered:?}: {:?}", row.state);
            assert_eq!(
                row.status_towards(Role::ThirdPartySp),
                MappingStatus::Pending
            );
        }
    }
}

#[test]
fn a_user_sees_and_withdraws_the_links_of_their_own_devices_alone() {
    let world = World::new();
    world.give_ae("homes");
    let given = world.given_by("ada");
    let (row, _) = world.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
    world.accept(&row, Some("ada")).unwrap();
    assert_eq!(world.links("homes", "ada"), [row.id]);
    // The same subject at another provider is somebody else.
    for (iot_sp, name) in [("homes", "eve"), ("acme", "ada")] {
        assert!(world.links(iot_sp, name).is_empty(), "{iot_sp} {name}");
        let of = (&sp(iot_sp), &owner(name));
        let withdrawn = run(world.service.withdraw_link(of, row.id, NOW));
        assert_eq!(withdrawn, Err(LinkError::NotFound));
    }
    let of = (&sp("homes"), &owner("ada"));
    let withdrawn = run(world.service.withdraw_link(of, row.id, NOW));
    assert_eq!(withdrawn, Ok(Some(given.id)));
    let ended = world.consent(given.id).unwrap().state;
    let expected = ConsentState::Ended {
        mapping: row.id,
        at: NOW,
    };
    assert_eq!(ended, expected);
    let State::Deleted { by, sub_cause, .. } = world.row(row.id).state else {
        panic!("it is not ended");
    };
    assert_eq!(by, EndedBy::User);
    assert_eq!(sub_cause.unwrap().as_str(), "WITHDRAWN_BY_USER");
    for role in [Role::ThirdPartySp, Role::IotSp] {
        let told = world.told(role);
        let ended = told.iter().find_map(|entry| match &entry.message {
            Message::Demapped { cause, .. } => Some(cause.name()),
            _ => None,
        });
        assert_eq!(ended, Some("USER_AUTHORIZATION_WITHDRAWN"), "{role:?}");
    }
    let again = run(world.service.withdraw_link(of, row.id, NOW));
    assert_eq!(again, Err(LinkError::NotFound));
    assert!(world.links("homes", "ada").is_empty());
}

#[test]
fn the_links_of_a_device_go_with_it_to_its_new_owner() {
    let world = World::new();
    let lock = world.register_for("acme", LOCK, Some("ada"));
    let row = world.request("acme", LOCK, 1);
    acknowledge(&world, &lock, 1, &[]).unwrap();
    assert_eq!(world.links("acme", "ada"), [row.id]);
    let sold = DeviceAmendment {
        owner: Some(Some(Attribute::parse("eve").unwrap())),
        ..DeviceAmendment::default()
    };
    let acme = principal("acme");
    let by = Manager::Party(&acme);
    run(world
        .service
        .amend_device(by, (&lock.device_id, &sold), NOW))
    .unwrap();
    assert!(world.links("acme", "ada").is_empty());
    assert_eq!(world.links("acme", "eve"), [row.id]);
}

#[test]
fn what_was_asserted_or_confirmed_is_kept_while_its_row_lives_and_a_while_after() {
    let world = World::new();
    let asserted = world.request("acme", LOCK, 1);
    let kept = world.consent(asserted.consent_record.unwrap()).unwrap();
    let basis = ConsentBasis::Asserted {
        evidence: Attribute::parse("c-1").unwrap(),
        subject: None,
    };
    assert_eq!(kept.basis, basis);
    assert_eq!(
        kept.state,
        ConsentState::Used {
            mapping: asserted.id
        }
    );

    let row = world.request("asker", LOCK, 2);
    assert_eq!(row.consent_record, None);
    let asker = principal("asker");
    let input = accepted(DeviceId::parse("d-2").unwrap());
    let answered = world
        .service
        .answer_assignment(&asker, (row.id, &input), NOW);
    let row = run(answered).unwrap();
    let confirmed = world.consent(row.consent_record.unwrap()).unwrap();
    assert!(matches!(confirmed.basis, ConsentBasis::Confirmed { .. }));

    // The one row is gone by then, the other lives on.
    let shop = principal("shop");
    run(world.service.cancel_mapping(&shop, asserted.id, NOW)).unwrap();
    let later = NOW.plus(Knobs::default().consent_retention);
    assert_eq!(run(world.service.sweep_consents(later)), Ok(2));
    assert_eq!(world.consent(kept.id), None);
    let confirmed = world.consent(confirmed.id).unwrap();
    assert_eq!(
        confirmed.due,
        later.plus(Knobs::default().consent_retention)
    );
}

#[test]
fn of_two_requests_on_one_consent_at_once_one_has_a_row() {
    let world = std::sync::Arc::new(World::new());
    let given = world.given_by("ada");
    let mut other = request(1, LOCK);
    other.key.uti = Uti::parse("another-uti-of-the-lock").unwrap();
    let first = std::sync::Arc::clone(&world);
    world.meanwhile(move || {
        first.use_consent(given.id, &request(1, LOCK), NOW).unwrap();
    });
    assert_eq!(world.use_consent(given.id, &other, NOW), Err(REFUSED));
}
