//! The state table (t8 A.8), its idempotency rules, and what each side is told.

mod sweep;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::access::*;
use super::assignment::*;
use super::delivery::*;
use super::demapping::*;
use super::expiry::*;
use super::inquiry::*;
use super::mapping::*;
use super::{Knobs, Listeners};
use crate::change::{Assumption, Change};
use crate::correlation::Correlation;
use crate::directory::{Directory, DirectoryRecord};
use crate::id::*;
use crate::mapping::*;
use crate::outbox::{DeadReason, Message, OutboxEntry};
use crate::party::{Agreement, ConsentMode, Exposure, Limits, Party, PartyStatus};
use crate::port::{AccessRequest, DecisionPoint, Denied, Operation};
use crate::principal::*;
use crate::reference_point::{Role, Scopes};
use crate::sealed::{BlindIndex, Sealed};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const DEADLINE: Timestamp = Timestamp::from_millis(9_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_060_000);
const BOTH: Listeners = Listeners {
    third_party_sp: true,
    iot_sp: true,
};
const UTI: BlindIndex = BlindIndex::from_bytes([1; 32]);
const SERIAL: BlindIndex = BlindIndex::from_bytes([2; 32]);
const OTHER_SERIAL: BlindIndex = BlindIndex::from_bytes([3; 32]);
const DEVICE: BlindIndex = BlindIndex::from_bytes([4; 32]);
const OTHER_DEVICE: BlindIndex = BlindIndex::from_bytes([5; 32]);

struct Rule;
impl DecisionPoint for Rule {
    fn decide(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        match request.operation {
            Operation::RequestMapping { agreement, .. }
            | Operation::EstablishMapping { agreement, .. } => {
                agreement.map(|_| ()).ok_or(Denied::NoAgreement)
            }
            _ => Ok(()),
        }
    }
    fn disclose(&self, _: &Agreement, device_id: &DeviceId) -> DeviceId {
        device_id.clone()
    }
}

fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

fn principal(id: &str) -> Principal {
    Principal {
        sp: sp(id),
        proof: Proof::Certificate(Arc::new(PeerCertificate {
            sp: sp(id),
            thumbprint: CertificateThumbprint([0; 32]),
            serial: CertificateSerial::from_der_integer(&[1]),
            issuer: None,
            not_after: Timestamp::MAX,
        })),
        scopes: Scopes::of_roles([Role::ThirdPartySp, Role::IotSp]),
        consent: None,
    }
}

fn directory() -> Directory {
    let party = |id: &str| {
        DirectoryRecord::Party(Arc::new(Party {
            id: sp(id),
            third_party_sp: id == "shop",
            iot_sp: id == "maker",
            status: PartyStatus::Active,
            services: Vec::new(),
            claims: Vec::new(),
            serial_namespaces: Vec::new(),
            callback_origins: Vec::new(),
            token_endpoint: None,
            onem2m: None,
            presence: None,
            limits: Limits {
                requests_per_second: 1.try_into().unwrap(),
                failed_mappings_per_day: 1.try_into().unwrap(),
            },
            created: NOW,
            version: 1,
        }))
    };
    let agreement = Arc::new(Agreement {
        id: AgreementId::from_bytes([7; 16]),
        iot_sp: sp("maker"),
        third_party_sp: sp("shop"),
        services: Vec::new(),
        valid_from: NOW,
        valid_until: None,
        consent_mode: ConsentMode::IotSpConfirm,
        exposure: Exposure::Raw,
        pairing_required: false,
        ended: None,
        version: 3,
    });
    Directory::from_records([
        party("shop"),
        party("maker"),
        DirectoryRecord::Agreement(agreement),
    ])
}

fn key() -> MappingKey {
    MappingKey {
        service_uri: ServiceUri::parse("https://s.example/eggs").unwrap(),
        uti: Uti::parse("uti-uti-uti-uti-uti").unwrap(),
    }
}

fn permission() -> Authorized<RequestMapping> {
    let serial = DeviceSerialNumber::parse("SN-1").unwrap();
    let maker = sp("maker");
    let requested = RequestedMapping {
        service_uri: &key().service_uri,
        serial: &serial,
        vendor: None,
        model: None,
        iot_sp: Some(&maker),
        consent: ShownConsent::Nothing,
    };
    authorize_request(&Rule, &directory(), &principal("shop"), &requested, NOW).unwrap()
}

fn new_mapping() -> NewMapping {
    NewMapping {
        id: MappingId::from_bytes([8; 16]),
        key: key(),
        serial: Sealed::from_bytes(vec![1]),
        serial_index: SERIAL,
        device_vendor: None,
        device_model: None,
        e2e: None,
        destination: None,
        websocket: false,
        subscription: None,
        features: Features::default(),
        uti_expiry: None,
        consent_id: ConsentId::from_bytes([7; 16]),
        deadline: DEADLINE,
        request_test: false,
    }
}

fn request(
    new: &NewMapping,
    live: Option<&Mapping>,
    uti: Option<UtiRecord>,
    listeners: Listeners,
) -> Result<RequestOutcome, RequestRefusal> {
    let facts = RequestFacts {
        live,
        uti_index: UTI,
        uti,
        listeners,
        hosted: None,
        hosted_owner: None,
        pairing: Pairing::NotShown,
        disclose_at: NOW,
    };
    decide_request(&permission(), new, &facts, &Knobs::default(), NOW)
}

fn created(outcome: Result<RequestOutcome, RequestRefusal>) -> (Mapping, Change) {
    match outcome {
        Ok(RequestOutcome::Created { mapping, change }) => (mapping, *change),
        other => panic!("{other:?}"),
    }
}

/// A pending row and what is known of it: one live row under its UTI, its push in the outbox.
fn pending() -> (Mapping, RowFacts) {
    let (row, change) = created(request(&new_mapping(), None, None, BOTH));
    let push = change.outbox()[0].after.clone();
    let uti = change.uti_records()[0].1.after;
    let facts = RowFacts {
        listeners: BOTH,
        uti_index: UTI,
        uti,
        push,
    };
    (row, facts)
}

fn accepted(device_id: &str, device_index: BlindIndex, device_dead: bool) -> Answer {
    Answer::Accepted {
        device_id: DeviceId::parse(device_id).unwrap(),
        device_index,
        device_dead,
        owner: None,
        consent: None,
    }
}

fn rejected() -> Answer {
    Answer::Rejected {
        cause: CauseCode::parse("SERIAL_NUMBER_UNKNOWN").unwrap(),
    }
}

fn answer_at(
    row: &Mapping,
    answer: Answer,
    facts: &RowFacts,
    disclose_at: Timestamp,
) -> Result<AnswerOutcome, AnswerRefusal> {
    answer_between(row, answer, facts, (NOW, disclose_at))
}

fn answer_between(
    row: &Mapping,
    answer: Answer,
    facts: &RowFacts,
    (now, disclose_at): (Timestamp, Timestamp),
) -> Result<AnswerOutcome, AnswerRefusal> {
    let permission = authorize_establishment(
        &Rule,
        &directory(),
        &principal("maker"),
        (row, None, &DeviceId::parse("d-1").unwrap()),
        now,
    );
    let times = (&Knobs::default(), disclose_at);
    decide_answer(row, answer, (permission, facts), times, (now, now))
}

fn answer(row: &Mapping, given: Answer, facts: &RowFacts) -> Result<AnswerOutcome, AnswerRefusal> {
    answer_at(row, given, facts, LATER)
}

fn settled(outcome: Result<AnswerOutcome, AnswerRefusal>) -> (Mapping, Change) {
    match outcome {
        Ok(AnswerOutcome::Settled { mapping, change }) => (mapping, change),
        other => panic!("{other:?}"),
    }
}

/// The facts after `change`.
fn after(facts: &RowFacts, change: &Change) -> RowFacts {
    RowFacts {
        uti: change.uti_records().last().map_or(facts.uti, |w| w.1.after),
        push: None,
        ..facts.clone()
    }
}

fn established() -> (Mapping, RowFacts) {
    let (row, facts) = pending();
    let (next, change) = settled(answer(&row, accepted("d-1", DEVICE, false), &facts));
    let facts = after(&facts, &change);
    (next, facts)
}

fn failing() -> (Mapping, RowFacts) {
    let (row, facts) = pending();
    let (next, change) = settled(answer(&row, rejected(), &facts));
    let facts = after(&facts, &change);
    (next, facts)
}

fn demapping(cause: DemappingCause, by: EndedBy) -> Demapping {
    Demapping {
        cause,
        sub_cause: None,
        by,
    }
}

fn demap(rows: &[(Mapping, RowFacts)], cause: DemappingCause, by: EndedBy) -> Option<Change> {
    decide_demapping(rows, &demapping(cause, by), &Knobs::default(), NOW)
}

/// New entries: to whom, in what order.
fn told(change: &Change) -> Vec<(Role, &Message)> {
    let new = change.outbox().iter().filter(|w| w.before.is_none());
    new.filter_map(|w| w.after.as_ref())
        .map(|entry| (entry.key.addressee.role, &entry.message))
        .collect()
}

fn roles(change: &Change) -> Vec<Role> {
    told(change).into_iter().map(|(role, _)| role).collect()
}

fn removed(change: &Change) -> Vec<&OutboxEntry> {
    let gone = change.outbox().iter().filter(|w| w.after.is_none());
    gone.filter_map(|w| w.before.as_ref()).collect()
}

fn row_after(change: &Change) -> &Mapping {
    change.mappings()[0].after.as_ref().unwrap()
}

#[test]
fn a_request_makes_a_pending_row_and_a_push() {
    let (row, change) = created(request(&new_mapping(), None, None, BOTH));
    assert!(matches!(
        row.state,
        State::Pending {
            dispatch: Dispatch::Dispatching,
            deadline: DEADLINE,
            ..
        }
    ));
    assert_eq!(told(&change), [(Role::IotSp, &Message::Assignment)]);
    let assumption = Assumption::AgreementUnchanged {
        id: AgreementId::from_bytes([7; 16]),
        version: 3,
    };
    // No device of that serial number was hosted when it was decided.
    let unhosted = Assumption::DeviceUnchanged {
        iot_sp: row.iot_sp,
        serial: SERIAL,
        device: None,
    };
    assert_eq!(change.assumptions(), [unhosted, assumption]);
    let record = change.uti_records()[0].1.after.unwrap();
    assert_eq!(
        (record.live, record.serial, record.device, record.dead),
        (1, Some(SERIAL), None, false)
    );
}

#[test]
fn a_request_towards_an_iot_sp_that_pulls_waits_for_the_device_at_once() {
    let listeners = Listeners {
        third_party_sp: false,
        iot_sp: false,
    };
    let (row, change) = created(request(&new_mapping(), None, None, listeners));
    assert!(told(&change).is_empty());
    assert!(matches!(
        row.state,
        State::Pending {
            dispatch: Dispatch::AwaitingDevice,
            ..
        }
    ));
}

#[test]
fn a_test_notification_comes_before_all_others() {
    let mut new = new_mapping();
    (new.request_test, new.websocket) = (true, true);
    let (_, change) = created(request(&new, None, None, BOTH));
    let entry = change.outbox()[0].after.as_ref().unwrap();
    assert_eq!(
        (&entry.message, entry.key.sequence, entry.key.addressee.role),
        (&Message::Test, 0, Role::ThirdPartySp)
    );
}

#[test]
fn the_same_request_again_finds_its_row() {
    let mut again = new_mapping();
    again.id = MappingId::from_bytes([9; 16]);
    again.deadline = NOW;
    for (row, facts) in [pending(), established(), failing()] {
        let outcome = request(&again, Some(&row), facts.uti, BOTH);
        assert_eq!(outcome, Ok(RequestOutcome::Existing(row)));
    }
}

#[test]
fn a_uti_is_refused_for_another_device_or_once_killed() {
    let record = UtiRecord {
        live: 1,
        serial: Some(OTHER_SERIAL),
        ..UtiRecord::default()
    };
    let killed = UtiRecord {
        dead: true,
        ..UtiRecord::default()
    };
    let (mut row, _) = pending();
    let new = new_mapping();
    assert_eq!(
        request(&new, None, Some(record), BOTH),
        Err(RequestRefusal::UtiInUse)
    );
    assert_eq!(
        request(&new, None, Some(killed), BOTH),
        Err(RequestRefusal::UtiInUse)
    );
    row.serial_index = OTHER_SERIAL;
    assert_eq!(
        request(&new, Some(&row), None, BOTH),
        Err(RequestRefusal::UtiInUse)
    );
    row.serial_index = SERIAL;
    row.third_party_sp = sp("other");
    assert_eq!(
        request(&new, Some(&row), None, BOTH),
        Err(RequestRefusal::UtiInUse)
    );
}

#[test]
fn a_key_may_be_used_again_after_its_row_ended() {
    let (row, facts) = established();
    let withdrawn = DemappingCause::UserAuthorizationWithdrawn;
    let change = demap(&[(row, facts.clone())], withdrawn, EndedBy::Ics).unwrap();
    let record = after(&facts, &change).uti.unwrap();
    assert_eq!((record.live, record.serial), (0, None));
    assert_eq!(record.device, Some(DEVICE), "one device per UTI, for ever");
    created(request(&new_mapping(), None, Some(record), BOTH));
}

#[test]
fn an_accepted_answer_establishes_tells_both_and_stops_the_push() {
    let (row, facts) = pending();
    let (next, change) = settled(answer(&row, accepted("d-1", DEVICE, false), &facts));
    assert_eq!(next.device_id().unwrap().as_str(), "d-1");
    assert_eq!((next.sequence, next.version), (2, 2));
    assert_eq!(roles(&change), [Role::ThirdPartySp, Role::IotSp]);
    for (_, message) in told(&change) {
        let status = MappingStatus::Established;
        let (cause, undo) = (None, false);
        assert_eq!(
            *message,
            Message::Result {
                status,
                cause,
                undo
            }
        );
    }
    assert_eq!(removed(&change), [facts.push.as_ref().unwrap()]);
    assert!(
        change
            .assumptions()
            .contains(&Assumption::DeviceAlive(DEVICE))
    );
    assert_eq!(after(&facts, &change).uti.unwrap().device, Some(DEVICE));
}

#[test]
fn the_same_answer_again_is_a_replay_and_another_device_is_refused() {
    let (row, facts) = established();
    assert_eq!(
        answer(&row, accepted("d-1", DEVICE, false), &facts),
        Ok(AnswerOutcome::Replayed(row.clone()))
    );
    assert_eq!(
        answer(&row, accepted("d-2", OTHER_DEVICE, false), &facts),
        Err(AnswerRefusal::DeviceAlreadyAssigned)
    );
    // "Not pending" would make the device forget a pair that holds.
    assert_eq!(
        answer(&row, rejected(), &facts),
        Err(AnswerRefusal::DeviceAlreadyAssigned)
    );
    let (row, facts) = failing();
    assert_eq!(
        answer(&row, rejected(), &facts),
        Ok(AnswerOutcome::Replayed(row.clone()))
    );
    assert_eq!(
        answer(&row, accepted("d-1", DEVICE, false), &facts),
        Err(AnswerRefusal::NotPending)
    );
}

#[test]
fn a_row_whose_time_is_over_is_not_established() {
    let (mut row, facts) = pending();
    row.uti_expiry = Some(LATER);
    for (now, settled) in [(NOW, true), (LATER, false), (DEADLINE, false)] {
        let given = accepted("d-1", DEVICE, false);
        let outcome = answer_between(&row, given, &facts, (now, now));
        assert_eq!(outcome.is_ok(), settled, "{now:?}");
        assert!(settled || outcome == Err(AnswerRefusal::NotPending));
    }
    row.uti_expiry = None;
    let given = || accepted("d-1", DEVICE, false);
    assert!(answer_between(&row, given(), &facts, (LATER, LATER)).is_ok());
    assert_eq!(
        answer_between(&row, given(), &facts, (DEADLINE, DEADLINE)),
        Err(AnswerRefusal::NotPending)
    );
}

#[test]
fn a_deleted_row_takes_no_answer() {
    let (row, facts) = established();
    let cause = DemappingCause::ServiceInvalid;
    let change = demap(&[(row, facts.clone())], cause, EndedBy::Ics).unwrap();
    for given in [accepted("d-1", DEVICE, false), rejected()] {
        assert_eq!(
            answer(row_after(&change), given, &facts),
            Err(AnswerRefusal::NotPending)
        );
    }
}

#[test]
fn a_re_check_that_fails_fails_the_row() {
    let (row, facts) = pending();
    let bound = RowFacts {
        uti: facts.uti.map(|u| UtiRecord {
            device: Some(OTHER_DEVICE),
            ..u
        }),
        ..facts.clone()
    };
    let killed = RowFacts {
        uti: facts.uti.map(|u| UtiRecord { dead: true, ..u }),
        ..facts.clone()
    };
    let times = |denied: Denied| {
        let given = accepted("d-1", DEVICE, false);
        let knobs = Knobs::default();
        decide_answer(
            &row,
            given,
            (Err(denied), &facts),
            (&knobs, LATER),
            (NOW, NOW),
        )
    };
    let alive = || accepted("d-1", DEVICE, false);
    for (outcome, expected) in [
        (answer(&row, alive(), &bound), FailureCause::UtiInUse),
        (answer(&row, alive(), &killed), FailureCause::UtiInUse),
        (
            answer(&row, accepted("d-1", DEVICE, true), &facts),
            FailureCause::DeviceRevoked,
        ),
        (
            times(Denied::ConsentRequired),
            FailureCause::ConsentRequired,
        ),
        (times(Denied::NoAgreement), FailureCause::NoAgreement),
        (times(Denied::Role(Role::IotSp)), FailureCause::NoAgreement),
    ] {
        let Ok(AnswerOutcome::Overruled { cause, mapping, .. }) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(cause, expected);
        assert_eq!(mapping.status_towards(Role::IotSp), MappingStatus::Failed);
        assert!(mapping.device_id().is_none());
    }
}

#[test]
fn the_third_party_learns_of_a_failure_only_when_it_is_disclosed() {
    let (row, facts) = failing();
    assert_eq!(
        row.status_towards(Role::ThirdPartySp),
        MappingStatus::Pending
    );
    assert_eq!(row.cause_towards(Role::ThirdPartySp), None);
    assert_eq!(row.status_towards(Role::IotSp), MappingStatus::Failed);
    assert!(row.is_live(), "the key stays taken, or a retry would tell");
    assert_eq!(facts.uti.unwrap().live, 1);
    let knobs = Knobs::default();
    let early = Timestamp::from_millis(LATER.millis() - 1);
    assert_eq!(decide_due(&row, &facts, (&knobs, LATER), early), None);
    let Some(Due::Change(change)) = decide_due(&row, &facts, (&knobs, LATER), LATER) else {
        panic!("due");
    };
    assert_eq!(roles(&change), [Role::ThirdPartySp]);
    assert!(matches!(row_after(&change).state, State::Failed { .. }));
    let record = after(&facts, &change).uti.unwrap();
    assert_eq!((record.live, record.serial), (0, None));
}

#[test]
fn a_failure_without_a_floor_is_told_to_both_at_once_with_undo_for_the_iot_sp() {
    let (row, facts) = pending();
    let (next, change) = settled(answer_at(&row, rejected(), &facts, NOW));
    assert!(matches!(next.state, State::Failed { .. }));
    let status = MappingStatus::Failed;
    let result = |cause, undo| Message::Result {
        status,
        cause: Some(cause),
        undo,
    };
    assert_eq!(
        told(&change),
        [
            (
                Role::ThirdPartySp,
                &result(ResultCause::DeviceNotAvailable, false)
            ),
            (Role::IotSp, &result(ResultCause::Rejected, true)),
        ]
    );
    assert_eq!(removed(&change).len(), 1);
}

#[test]
fn causes_on_the_devices_side_look_alike_to_the_third_party() {
    let code = CauseCode::parse("X").unwrap();
    for cause in [
        FailureCause::Rejected(code),
        FailureCause::Unreachable,
        FailureCause::TimedOut,
        FailureCause::UtiInUse,
        FailureCause::DeviceRevoked,
    ] {
        let seen = cause.towards(Role::ThirdPartySp);
        assert_eq!(seen, ResultCause::DeviceNotAvailable);
        assert_ne!(cause.towards(Role::IotSp), ResultCause::DeviceNotAvailable);
    }
    for (cause, seen) in [
        (FailureCause::NoAgreement, ResultCause::NoAgreement),
        (FailureCause::ConsentRequired, ResultCause::ConsentRequired),
    ] {
        assert_eq!(cause.towards(Role::ThirdPartySp), seen);
        assert_eq!(cause.towards(Role::IotSp), seen);
    }
}

#[test]
fn a_demapping_tells_the_other_side_and_the_service_tells_both() {
    let (row, facts) = established();
    for (by, audience) in [
        (EndedBy::Party(Role::ThirdPartySp), vec![Role::IotSp]),
        (EndedBy::Party(Role::IotSp), vec![Role::ThirdPartySp]),
        (EndedBy::Ics, vec![Role::ThirdPartySp, Role::IotSp]),
    ] {
        for cause in [
            DemappingCause::DeviceUnregistered,
            DemappingCause::UtiInvalid,
            DemappingCause::ServiceInvalid,
            DemappingCause::UserAuthorizationWithdrawn,
        ] {
            let change = demap(&[(row.clone(), facts.clone())], cause, by).unwrap();
            assert_eq!(roles(&change), audience);
            for (role, message) in told(&change) {
                let Message::Demapped { device_id, .. } = message else {
                    panic!("{message:?}");
                };
                assert_eq!(device_id.is_some(), role == Role::IotSp);
            }
            assert!(!row_after(&change).is_live());
            let dead = cause == DemappingCause::UtiInvalid;
            assert_eq!(after(&facts, &change).uti.unwrap().dead, dead);
        }
    }
}

#[test]
fn a_demapping_of_a_pending_row_is_a_cancellation() {
    let (row, facts) = pending();
    let cause = DemappingCause::ServiceInvalid;
    let change = demap(&[(row, facts)], cause, EndedBy::Party(Role::ThirdPartySp)).unwrap();
    let next = row_after(&change);
    assert_eq!(
        next.cause_towards(Role::ThirdPartySp),
        Some(ResultCause::Cancelled)
    );
    let message = Message::Result {
        status: MappingStatus::Deleted,
        cause: Some(ResultCause::Cancelled),
        undo: true,
    };
    assert_eq!(told(&change), [(Role::IotSp, &message)]);
    assert_eq!(
        removed(&change).len(),
        1,
        "the undo does not wait for the push"
    );
}

#[test]
fn a_demapping_again_finds_nothing() {
    let (row, facts) = established();
    let cause = DemappingCause::UtiInvalid;
    let change = demap(&[(row, facts.clone())], cause, EndedBy::Ics).unwrap();
    let gone = row_after(&change).clone();
    assert_eq!(demap(&[(gone, facts)], cause, EndedBy::Ics), None);
}

#[test]
fn a_failing_row_is_gone_for_the_iot_sp_and_can_be_cancelled_by_the_third_party() {
    let (row, facts) = failing();
    let cause = DemappingCause::ServiceInvalid;
    let rows = [(row.clone(), facts.clone())];
    assert_eq!(demap(&rows, cause, EndedBy::Party(Role::IotSp)), None);
    assert!(demap(&rows, cause, EndedBy::Party(Role::ThirdPartySp)).is_some());
    assert!(decide_cancellation(&row, &facts, &Knobs::default(), NOW).is_ok());
}

#[test]
fn two_rows_of_a_uti_are_taken_off_its_record_together() {
    let (row, mut facts) = established();
    facts.uti = facts.uti.map(|u| UtiRecord { live: 2, ..u });
    let mut other = row.clone();
    other.id = MappingId::from_bytes([9; 16]);
    let rows = [(row, facts.clone()), (other, facts.clone())];
    let cause = DemappingCause::UserAuthorizationWithdrawn;
    let change = demap(&rows, cause, EndedBy::Ics).unwrap();
    let record = after(&facts, &change).uti.unwrap();
    assert_eq!((record.live, record.serial), (0, None));
    let one = demap(&rows[..1], cause, EndedBy::Ics).unwrap();
    let record = after(&facts, &one).uti.unwrap();
    assert_eq!((record.live, record.serial), (1, Some(SERIAL)));
}

#[test]
fn only_a_waiting_request_can_be_cancelled_or_amended() {
    let (row, facts) = established();
    let knobs = Knobs::default();
    let amendment = Amendment {
        deadline: Some(LATER),
        ..Amendment::default()
    };
    assert_eq!(
        decide_cancellation(&row, &facts, &knobs, NOW),
        Err(NotPending)
    );
    assert_eq!(
        decide_amendment(&row, &amendment, NOW),
        Err(NotPending.into())
    );
    let (row, facts) = pending();
    let change = decide_cancellation(&row, &facts, &knobs, NOW).unwrap();
    assert_eq!(roles(&change), [Role::IotSp]);
    let (next, change) = decide_amendment(&row, &amendment, NOW).unwrap();
    assert_eq!(next.due(), Some(LATER));
    assert_eq!((next.sequence, next.version), (1, 2));
    assert!(change.outbox().is_empty());
}

#[test]
fn a_push_taken_over_or_undeliverable_waits_for_the_device() {
    let (row, facts) = pending();
    let push = facts.push.clone().unwrap();
    let knobs = Knobs::default();
    for report in [DeliveryReport::Accepted, DeliveryReport::NoDestination] {
        let with_facts = Some((&row, &facts));
        let change = decide_delivery(&push, with_facts, report, (&knobs, LATER), NOW);
        assert!(matches!(
            row_after(&change).state,
            State::Pending {
                dispatch: Dispatch::AwaitingDevice,
                ..
            }
        ));
        assert_eq!(removed(&change), [&push]);
        assert!(told(&change).is_empty());
    }
}

#[test]
fn a_push_refused_fails_the_row_as_unreachable() {
    let (row, facts) = pending();
    let push = facts.push.clone().unwrap();
    let knobs = Knobs::default();
    let report = DeliveryReport::Refused;
    let change = decide_delivery(&push, Some((&row, &facts)), report, (&knobs, NOW), NOW);
    let next = row_after(&change);
    assert_eq!(
        next.cause_towards(Role::IotSp),
        Some(ResultCause::Unreachable)
    );
    assert_eq!(roles(&change), [Role::ThirdPartySp, Role::IotSp]);
    assert_eq!(removed(&change), [&push]);
}

#[test]
fn a_push_of_a_row_that_no_longer_waits_is_settled() {
    let (_, facts) = pending();
    let push = facts.push.unwrap();
    let (row, later_facts) = established();
    let knobs = Knobs::default();
    for row in [None, Some((&row, &later_facts))] {
        let report = DeliveryReport::Refused;
        let change = decide_delivery(&push, row, report, (&knobs, NOW), NOW);
        assert!(change.mappings().is_empty());
        assert_eq!(removed(&change), [&push]);
    }
}

#[test]
fn notifications_are_retried_until_their_deadline_and_then_kept_as_dead_letters() {
    let (row, facts) = pending();
    let (_, change) = settled(answer(&row, accepted("d-1", DEVICE, false), &facts));
    let new = change.outbox().iter().find(|w| w.before.is_none()).unwrap();
    let entry = new.after.clone().unwrap();
    let knobs = Knobs::default();
    let next = |report, now| {
        let change = decide_delivery(&entry, None, report, (&knobs, now), now);
        change.outbox()[0].after.clone()
    };
    let wait = core::time::Duration::from_secs(5);
    assert_eq!(next(DeliveryReport::Accepted, NOW), None);
    let failed = next(DeliveryReport::Failed { wait }, NOW).unwrap();
    assert_eq!(
        (failed.attempts, failed.next_attempt, failed.dead),
        (1, NOW.plus(wait), None)
    );
    let refused = next(DeliveryReport::Refused, NOW).unwrap();
    assert_eq!(refused.next_attempt, NOW.plus(knobs.retry_max));
    let over = next(DeliveryReport::Failed { wait }, entry.deadline).unwrap();
    assert_eq!(over.dead, Some(DeadReason::DeadlinePassed));
    let nowhere = next(DeliveryReport::NoDestination, NOW).unwrap();
    assert_eq!(nowhere.dead, Some(DeadReason::NoDestination));
    let revived = decide_revival(&nowhere, &knobs, LATER);
    let revived = revived.outbox()[0].after.as_ref().unwrap();
    assert_eq!((revived.dead, revived.next_attempt), (None, LATER));
}

#[test]
fn backoff_doubles_within_its_bounds() {
    let knobs = Knobs::default();
    let seconds: Vec<_> = (0..8).map(|n| backoff(&knobs, n).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(backoff(&knobs, u32::MAX), knobs.retry_max);
}

#[test]
fn waiting_ends_at_the_deadline() {
    let (row, facts) = pending();
    let knobs = Knobs::default();
    let early = Timestamp::from_millis(DEADLINE.millis() - 1);
    assert_eq!(decide_due(&row, &facts, (&knobs, LATER), early), None);
    let Some(Due::Change(change)) = decide_due(&row, &facts, (&knobs, LATER), DEADLINE) else {
        panic!("due");
    };
    let next = row_after(&change);
    assert_eq!(next.cause_towards(Role::IotSp), Some(ResultCause::TimedOut));
    assert_eq!(roles(&change), [Role::ThirdPartySp, Role::IotSp]);
    assert_eq!(removed(&change).len(), 1);
}

#[test]
fn an_answer_is_in_time_by_when_it_came_however_its_row_is_dated() {
    let (row, facts) = pending();
    let answer_dated = |now, since| {
        let permission = authorize_establishment(
            &Rule,
            &directory(),
            &principal("maker"),
            (&row, None, &DeviceId::parse("d-1").unwrap()),
            now,
        );
        let given = accepted("d-0a1b2c3d", DEVICE, false);
        let times = (&Knobs::default(), LATER);
        decide_answer(&row, given, (permission, &facts), times, (now, since))
    };
    // A fence of a clock that was ahead lies behind the deadline.
    let ahead = DEADLINE.plus(core::time::Duration::from_secs(1));
    let (next, _) = settled(answer_dated(NOW, ahead));
    assert!(matches!(next.state, State::Established { since, .. } if since == ahead));
    let late = answer_dated(DEADLINE, ahead);
    assert_eq!(late, Err(AnswerRefusal::NotPending));
}

#[test]
fn an_inquiry_is_answered_to_its_own_side_while_the_row_holds() {
    assert_eq!(Correlation::of(&pending().0), None);
    let (mut row, _) = established();
    let (shop, maker) = (sp("shop"), sp("maker"));
    row.uti_expiry = Some(LATER);
    let found = Correlation::of(&row).unwrap();
    for (now, holds) in [(NOW, true), (LATER, false)] {
        assert_eq!(answers_by_transaction(&found, &shop, now), holds);
        assert_eq!(answers_by_device(&found, &maker, now), holds);
        assert!(!answers_by_transaction(&found, &maker, now));
        assert!(!answers_by_device(&found, &shop, now));
    }
}

#[test]
fn utis_and_consents_run_out() {
    let knobs = Knobs::default();
    let consent = Consent {
        id: Attribute::parse("c-1").unwrap(),
        purpose: Attribute::parse("p").unwrap(),
        subject: None,
        granted_at: NOW,
        expires: Some(LATER),
    };
    for (mut row, facts) in [pending(), established()] {
        row.uti_expiry = Some(LATER);
        assert_eq!(row.due(), Some(LATER));
        let Some(Due::Demap(why)) = decide_due(&row, &facts, (&knobs, LATER), LATER) else {
            panic!("due");
        };
        assert_eq!(
            (why.cause, why.by),
            (DemappingCause::UtiInvalid, EndedBy::Ics)
        );
        assert_eq!(why.sub_cause.unwrap().as_str(), sub_cause::EXPIRED);
    }
    let (mut row, facts) = established();
    row.consent = Some(consent.clone());
    let Some(Due::Demap(why)) = decide_due(&row, &facts, (&knobs, LATER), LATER) else {
        panic!("due");
    };
    assert_eq!(why.cause, DemappingCause::UserAuthorizationWithdrawn);
    let (mut row, facts) = pending();
    row.consent = Some(consent);
    let Some(Due::Change(change)) = decide_due(&row, &facts, (&knobs, LATER), LATER) else {
        panic!("due");
    };
    assert_eq!(row_after(&change).status(), MappingStatus::Deleted);
    assert_eq!(roles(&change), [Role::ThirdPartySp, Role::IotSp]);
}

#[test]
fn tombstones_go_when_their_retention_ends() {
    let (row, facts) = established();
    let cause = DemappingCause::ServiceInvalid;
    let change = demap(&[(row, facts.clone())], cause, EndedBy::Ics).unwrap();
    let gone = row_after(&change);
    let knobs = Knobs::default();
    let purge_at = NOW.plus(knobs.tombstone_retention);
    assert_eq!(gone.due(), Some(purge_at));
    assert_eq!(decide_due(gone, &facts, (&knobs, NOW), LATER), None);
    let Some(Due::Change(change)) = decide_due(gone, &facts, (&knobs, NOW), purge_at) else {
        panic!("due");
    };
    assert_eq!(change.mappings()[0].after, None);
    assert!(change.outbox().is_empty());
}
