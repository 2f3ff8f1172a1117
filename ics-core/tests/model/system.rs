//! The model: what may happen next, and what becomes of it.
//!
//! The network is a set of messages: any of them may be delivered next (reordering), be lost, or
//! be delivered and stay (duplication, within a budget). Notices of the gateway, documents,
//! acknowledgements and answers of step 7 go over it. Requests of the third party (ICS-1, ICS-3)
//! and de-mappings of the IoT SP (ICS-4) are calls whose reply may be lost, so that they are made
//! again; [`Switches::prompt_requests`] says why.

use std::collections::BTreeSet;

use ics_core::device_document::{Acknowledgement, DeviceDocument, DocumentEntry};
use ics_core::id::MappingId;
use ics_core::mapping::{DemappingCause, EndedBy, MappingStatus, ResultCause, State as RowState};
use ics_core::outbox::{Message as Told, OutboxKey, Subject};
use ics_core::procedure::delivery::DeliveryReport;
use ics_core::reference_point::Role;
use ics_core::time::Timestamp;
use stateright::{Model, Property};

use crate::gateway::{Gateway, Seen, Worker};
use crate::iot_sp::{IotSp, take_document};
use crate::store::Store;
use crate::world::{AT_DEADLINE, AT_UTI_EXPIRY, World, device_id, service_of};

/// How often each thing may happen; what merely repeats (losing, sending again) is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// Requests of each service, retries included.
    pub(crate) requests: [u8; 2],
    /// Ends by the third party: cancellation, withdrawal, UTI_INVALID.
    pub(crate) third_party_ends: u8,
    /// De-mappings by the third party in bulk.
    pub(crate) fences: u8,
    /// De-mappings by the IoT SP.
    pub(crate) revocations: u8,
    /// Rejections by the IoT SP, or refused pushes.
    pub(crate) rejections: u8,
    /// Unregistrations of the device.
    pub(crate) unregistrations: u8,
    /// Deadlines and expiries that come.
    pub(crate) expiries: u8,
    /// Messages that are delivered and stay.
    pub(crate) duplicates: u8,
    /// Answers of step 7 that a worker reads and commits in two steps.
    pub(crate) slow_workers: u8,
    /// Messages on the wire at one time; what does not fit is sent later.
    pub(crate) in_flight: u8,
}

/// What can be switched off, to see the checker find what follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switches {
    /// The store remembers ended rows.
    pub(crate) tombstone: bool,
    /// The device compares versions.
    pub(crate) document_version: bool,
    /// A row is made or established only by who knows the fence.
    pub(crate) fences_known: bool,
    /// A request on ICS-1 is decided as soon as it is made. TLS delivers it once and in order, and
    /// a client gives a connection up before it tries again, so it cannot come twice; off, it
    /// may be overtaken by the end of the row it once made.
    pub(crate) prompt_requests: bool,
}

/// Everything as it should be.
pub(crate) const SOUND: Switches = Switches {
    tombstone: true,
    document_version: true,
    fences_known: true,
    prompt_requests: true,
};

/// One model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Both services under one UTI.
    pub(crate) same_uti: bool,
    /// The UTIs expire.
    pub(crate) uti_expires: bool,
    pub(crate) bounds: Bounds,
    pub(crate) switches: Switches,
}

/// On the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Message {
    /// ICS-1 POST, only where requests may linger: the service, and how many of its rows had
    /// ended when it was made.
    Request(usize, usize),
    /// An entry of the outbox on its way to the IoT SP.
    Notice(OutboxKey, Notice),
    /// ICS-2 PUT: accepted with the device under that registration, or rejected.
    Answer(MappingId, bool, u8),
    /// The device document, on its way to the device.
    Document(DeviceDocument),
    /// The device's acknowledgement, on its way back.
    Acknowledgement(Acknowledgement),
}

/// What a notice means to the IoT SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Notice {
    /// Step 3.
    Assignment,
    /// Make the device forget.
    Forget,
}

/// One state of everything.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// A worker that has read and not yet committed: what a restart loses.
    pub(crate) worker: Option<Worker>,
    pub(crate) iot_sp: IotSp,
    pub(crate) device: DeviceDocument,
    pub(crate) network: BTreeSet<Message>,
    pub(crate) spent: Bounds,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// The third party asks (again).
    Request(usize),
    /// The third party cancels, withdraws, or kills the UTI.
    Cancel(MappingId),
    ThirdPartyDemap(MappingId, DemappingCause),
    /// The third party withdraws in bulk; the job takes its next step.
    FenceOff,
    Sweep,
    /// The deliverer sends an entry (again).
    Send(OutboxKey, Notice),
    /// The network.
    Deliver(Message),
    DeliverAndKeep(Message),
    /// Delivered, but the reply is lost.
    DeliverUnheard(Message),
    Lose(Message),
    /// The IoT SP refuses a push with a 4xx.
    RefusePush(OutboxKey, Notice),
    /// A worker reads an answer and is slow to commit.
    Read(Message),
    Finish,
    FinishUnheard,
    /// The gateway restarts: what was read and not committed is gone.
    Restart,
    /// The IoT SP.
    SendDocument,
    SendAnswer(MappingId, bool),
    Reject(MappingId),
    Revoke(MappingId),
    CallDemap(MappingId),
    CallDemapUnheard(MappingId),
    /// The device is unregistered: its ID dies, and then its rows.
    Unregister,
    FinishUnregistration,
    FinishUnregistrationUnheard,
    /// The sweep comes by.
    Expire(MappingId, Timestamp),
}

/// The model for stateright.
pub(crate) struct System {
    pub(crate) scenario: Scenario,
    pub(crate) seen: Seen,
    world: World,
}

impl System {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            seen: Seen::default(),
            world: World::new(scenario.same_uti, scenario.uti_expires),
        }
    }

    fn gateway<'a>(&'a self, store: &'a mut Store) -> Gateway<'a> {
        Gateway {
            world: &self.world,
            store,
            tombstone: self.scenario.switches.tombstone,
            fences_known: self.scenario.switches.fences_known,
            seen: &self.seen,
        }
    }

    fn third_party_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.scenario.bounds;
        for service in 0..2 {
            if state.spent.requests[service] < bounds.requests[service] {
                actions.push(Action::Request(service));
            }
        }
        if state.store.fence_up {
            actions.push(Action::Sweep);
        } else if state.spent.fences < bounds.fences {
            actions.push(Action::FenceOff);
        }
        if state.spent.third_party_ends < bounds.third_party_ends {
            for row in state.store.rows.values() {
                if matches!(
                    row.state,
                    RowState::Pending { .. } | RowState::Failing { .. }
                ) {
                    actions.push(Action::Cancel(row.id));
                }
                if matches!(row.state, RowState::Established { .. }) {
                    for cause in [
                        DemappingCause::UserAuthorizationWithdrawn,
                        DemappingCause::UtiInvalid,
                    ] {
                        actions.push(Action::ThirdPartyDemap(row.id, cause));
                    }
                }
            }
        }
    }

    fn network_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.scenario.bounds;
        for message in &state.network {
            actions.push(Action::Deliver(message.clone()));
            actions.push(Action::Lose(message.clone()));
            if state.spent.duplicates < bounds.duplicates {
                actions.push(Action::DeliverAndKeep(message.clone()));
            }
            match message {
                Message::Notice(key, notice) => {
                    actions.push(Action::DeliverUnheard(message.clone()));
                    if *notice == Notice::Assignment && state.spent.rejections < bounds.rejections {
                        actions.push(Action::RefusePush(key.clone(), *notice));
                    }
                }
                Message::Answer(..) => {
                    actions.push(Action::DeliverUnheard(message.clone()));
                    if state.worker.is_none() && state.spent.slow_workers < bounds.slow_workers {
                        actions.push(Action::Read(message.clone()));
                    }
                }
                _ => {}
            }
        }
        if state.worker.is_some() {
            actions.extend([Action::Finish, Action::FinishUnheard, Action::Restart]);
        }
    }

    fn iot_sp_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (sp, bounds) = (&state.iot_sp, &self.scenario.bounds);
        for entry in &sp.document.entries {
            // The device or its user says no before the row was ever accepted.
            if state.spent.rejections < bounds.rejections
                && !sp.accepted.contains_key(&entry.mapping)
            {
                actions.push(Action::Reject(entry.mapping));
            }
            if state.spent.revocations < bounds.revocations {
                actions.push(Action::Revoke(entry.mapping));
            }
        }
        for id in &sp.leaving {
            actions.extend([Action::CallDemap(*id), Action::CallDemapUnheard(*id)]);
        }
        if sp.unregistering {
            actions.push(Action::FinishUnregistration);
            actions.push(Action::FinishUnregistrationUnheard);
        } else if state.spent.unregistrations < bounds.unregistrations {
            actions.push(Action::Unregister);
        }
    }

    fn sending_actions(sp: &IotSp, actions: &mut Vec<Action>) {
        if !sp.is_current() {
            actions.push(Action::SendDocument);
        }
        for (id, accepted) in sp.owed_answers() {
            actions.push(Action::SendAnswer(id, accepted));
        }
    }

    fn time_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.spent.expiries == self.scenario.bounds.expiries {
            return;
        }
        for row in state.store.rows.values().filter(|row| row.is_live()) {
            for now in [AT_DEADLINE, AT_UTI_EXPIRY] {
                if row.due().is_some_and(|due| due <= now) {
                    actions.push(Action::Expire(row.id, now));
                    break;
                }
            }
        }
    }

    /// The entries the deliverer may send: of each row, the lowest sequence alone.
    fn deliverer_actions(state: &State, actions: &mut Vec<Action>) {
        let mut subjects = BTreeSet::new();
        for (key, entry) in &state.store.outbox {
            if !subjects.insert(key.subject) {
                continue;
            }
            let notice = match &entry.message {
                Told::Assignment => Notice::Assignment,
                Told::Demapped { .. } | Told::Result { undo: true, .. } => Notice::Forget,
                // Delivered at once, see `Gateway::tell_idle`.
                Told::Result { .. } | Told::Event { .. } | Told::Test => continue,
            };
            if !state
                .network
                .contains(&Message::Notice(key.clone(), notice))
            {
                actions.push(Action::Send(key.clone(), notice));
            }
        }
    }

    /// Delivers a message; `heard` says whether a reply reaches its sender.
    fn deliver(&self, state: &mut State, message: Message, heard: bool) {
        match message {
            Message::Request(service, ended) => {
                self.gateway(&mut state.store).request(service, ended)
            }
            Message::Notice(key, notice) => {
                let Subject::Mapping(id) = key.subject else {
                    return;
                };
                match notice {
                    Notice::Assignment => state.iot_sp.offer(DocumentEntry {
                        mapping: id,
                        key: self.world.key(service_of(&id)).clone(),
                        e2e: None,
                    }),
                    Notice::Forget => state.iot_sp.forget(&id),
                }
                if heard {
                    self.gateway(&mut state.store)
                        .report(&key, DeliveryReport::Accepted);
                }
            }
            Message::Answer(id, accepted, registration) => {
                let outcome = self
                    .gateway(&mut state.store)
                    .answer(id, accepted, registration);
                if heard {
                    state.iot_sp.hear(id, accepted, outcome);
                }
            }
            Message::Document(document) => {
                let versions = self.scenario.switches.document_version;
                let acknowledgement = take_document(&mut state.device, &document, versions);
                state
                    .network
                    .insert(Message::Acknowledgement(acknowledgement));
            }
            Message::Acknowledgement(acknowledgement) => {
                state.iot_sp.take_acknowledgement(&acknowledgement);
            }
        }
    }

    fn finish_worker(&self, state: &mut State, heard: bool) {
        let Some(worker) = state.worker.take() else {
            return;
        };
        let outcome = self.gateway(&mut state.store).finish(&worker);
        if heard && worker.reply_wanted {
            state.iot_sp.hear(worker.mapping, worker.accepted, outcome);
        }
    }

    fn call_demap(&self, state: &mut State, id: MappingId, heard: bool) {
        let why = (
            DemappingCause::UserAuthorizationWithdrawn,
            EndedBy::Party(Role::IotSp),
        );
        self.gateway(&mut state.store)
            .demap(&[id], why, crate::world::NOW);
        if heard {
            // 200 or 404: gone either way.
            state.iot_sp.leaving.remove(&id);
            state.iot_sp.forget(&id);
        }
    }

    fn unregister(&self, state: &mut State) {
        state.iot_sp.unregistering = true;
        for entry in state.iot_sp.document.entries.clone() {
            state.iot_sp.forget(&entry.mapping);
        }
        self.gateway(&mut state.store)
            .kill_device(state.iot_sp.registration);
    }

    fn finish_unregistration(&self, state: &mut State, heard: bool) {
        let mut gateway = self.gateway(&mut state.store);
        let rows = gateway.rows_of(state.iot_sp.registration);
        let why = (
            DemappingCause::DeviceUnregistered,
            EndedBy::Party(Role::IotSp),
        );
        gateway.demap(&rows, why, crate::world::NOW);
        if heard {
            state.iot_sp.unregistering = false;
            state.iot_sp.registration += 1;
        }
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            store: Store::default(),
            worker: None,
            iot_sp: IotSp::new(),
            device: DeviceDocument::default(),
            network: BTreeSet::new(),
            spent: Bounds::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.third_party_actions(state, actions);
        self.network_actions(state, actions);
        self.iot_sp_actions(state, actions);
        self.time_actions(state, actions);
        if state.network.len() < usize::from(self.scenario.bounds.in_flight) {
            Self::deliverer_actions(state, actions);
            Self::sending_actions(&state.iot_sp, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Request(service) => {
                state.spent.requests[service] += 1;
                let ended = self.gateway(&mut state.store).ended(service);
                if self.scenario.switches.prompt_requests {
                    self.gateway(&mut state.store).request(service, ended);
                } else {
                    state.network.insert(Message::Request(service, ended));
                }
            }
            Action::Cancel(id) => {
                state.spent.third_party_ends += 1;
                self.gateway(&mut state.store).cancel(id);
            }
            Action::ThirdPartyDemap(id, cause) => {
                state.spent.third_party_ends += 1;
                let why = (cause, EndedBy::Party(Role::ThirdPartySp));
                self.gateway(&mut state.store)
                    .demap(&[id], why, crate::world::NOW);
            }
            Action::FenceOff => {
                state.spent.fences += 1;
                self.gateway(&mut state.store).fence_off();
            }
            Action::Sweep => self.gateway(&mut state.store).sweep(),
            Action::Send(key, notice) => {
                state.network.insert(Message::Notice(key, notice));
            }
            Action::Deliver(message) => {
                state.network.remove(&message);
                self.deliver(&mut state, message, true);
            }
            Action::DeliverAndKeep(message) => {
                state.spent.duplicates += 1;
                self.deliver(&mut state, message, true);
            }
            Action::DeliverUnheard(message) => {
                state.network.remove(&message);
                self.deliver(&mut state, message, false);
            }
            Action::Lose(message) => {
                state.network.remove(&message);
            }
            Action::RefusePush(key, notice) => {
                state.spent.rejections += 1;
                state.network.remove(&Message::Notice(key.clone(), notice));
                self.gateway(&mut state.store)
                    .report(&key, DeliveryReport::Refused);
            }
            Action::Read(message) => {
                state.network.remove(&message);
                let Message::Answer(id, accepted, registration) = message else {
                    return None;
                };
                state.spent.slow_workers += 1;
                state.worker = self
                    .gateway(&mut state.store)
                    .read(id, accepted, registration);
            }
            Action::Finish => self.finish_worker(&mut state, true),
            Action::FinishUnheard => self.finish_worker(&mut state, false),
            Action::Restart => state.worker = None,
            Action::SendDocument => {
                let document = state.iot_sp.document.clone();
                state.network.insert(Message::Document(document));
            }
            Action::SendAnswer(id, accepted) => {
                if accepted {
                    state.iot_sp.accepted.entry(id).or_insert(false);
                }
                let registration = state.iot_sp.registration;
                state
                    .network
                    .insert(Message::Answer(id, accepted, registration));
            }
            Action::Reject(id) => {
                state.spent.rejections += 1;
                state.iot_sp.forget(&id);
                state.iot_sp.rejecting.insert(id);
            }
            Action::Revoke(id) => {
                state.spent.revocations += 1;
                state.iot_sp.forget(&id);
                state.iot_sp.leaving.insert(id);
            }
            Action::CallDemap(id) => self.call_demap(&mut state, id, true),
            Action::CallDemapUnheard(id) => self.call_demap(&mut state, id, false),
            Action::Unregister => {
                state.spent.unregistrations += 1;
                self.unregister(&mut state);
            }
            Action::FinishUnregistration => self.finish_unregistration(&mut state, true),
            Action::FinishUnregistrationUnheard => self.finish_unregistration(&mut state, false),
            Action::Expire(id, now) => {
                state.spent.expiries += 1;
                self.gateway(&mut state.store).expire(id, now);
            }
        }
        // Who forgets a row gives up the exchange that was to accept it.
        if let Some(worker) = &mut state.worker {
            let waits = !worker.accepted || state.iot_sp.accepted.contains_key(&worker.mapping);
            worker.reply_wanted &= waits;
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::all()
    }
}

impl State {
    /// Whether nothing is on its way, nothing owed, nothing due.
    pub(crate) fn is_quiet(&self) -> bool {
        let waits = |row: &ics_core::mapping::Mapping| {
            matches!(
                row.state,
                RowState::Pending { .. } | RowState::Failing { .. }
            )
        };
        self.network.is_empty()
            && self.worker.is_none()
            && self.store.outbox.is_empty()
            && !self.store.fence_up
            && self.iot_sp.is_quiet()
            && !self.store.rows.values().any(|row| waits(row))
    }

    /// Whether some row ended so.
    pub(crate) fn any_row(&self, status: MappingStatus, cause: Option<ResultCause>) -> bool {
        self.store.rows.values().any(|row| {
            row.status() == status
                && cause.is_none_or(|cause| row.cause_towards(Role::IotSp) == Some(cause))
        })
    }

    /// The device ID of the first registration, if the row has it.
    pub(crate) fn is_of_dead_device(&self, row: &ics_core::mapping::Mapping) -> bool {
        (1..=self.iot_sp.registration).any(|registration| {
            self.store
                .dead_devices
                .contains(&crate::world::device_index(registration))
                && row.device_id() == Some(&device_id(registration))
        })
    }
}
