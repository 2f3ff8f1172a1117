//! Y.4462 10.1 steps 1 to 3: a request becomes an initial row and a push, or the row it already
//! is; and what its third party may still do to it while it waits.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::access::{Authorized, RequestMapping};
use super::consent::keep_consent;
use super::telling::{Listeners, tell, tell_result};
use super::{Knobs, demapping};
use crate::change::{Assumption, Change};
use crate::consent::ConsentRecord;
use crate::device::{HostedDevice, PairingTicket};
use crate::id::{CallbackUri, ConsentId, MappingId, SubscriptionId};
use crate::mapping::{
    Attribute, CauseCode, Dispatch, EndedBy, FailureCause, Features, Mapping, MappingKey, State,
    UtiRecord, sub_cause,
};
use crate::outbox::{Message, OutboxEntry};
use crate::party::ConsentMode;
use crate::reference_point::Role;
use crate::sealed::{BlindIndex, Sealed};
use crate::time::Timestamp;

/// A request, parsed, with its secrets sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMapping {
    /// The id the row shall have.
    pub id: MappingId,
    /// Service URI and UTI.
    pub key: MappingKey,
    /// The serial number, sealed under `id`.
    pub serial: Sealed,
    /// Keyed hash of the serial number.
    pub serial_index: BlindIndex,
    /// Maker, if told.
    pub device_vendor: Option<Attribute>,
    /// Model, if told.
    pub device_model: Option<Attribute>,
    /// The third party's end-to-end value, sealed under `id`.
    pub e2e: Option<Sealed>,
    /// Where the third party takes notifications.
    pub destination: Option<CallbackUri>,
    /// Whether the third party takes them over its websocket.
    pub websocket: bool,
    /// The registration of the chosen IoT SP that wants this serial number, if any.
    pub subscription: Option<SubscriptionId>,
    /// Negotiated features.
    pub features: Features,
    /// When the UTI stops being valid.
    pub uti_expiry: Option<Timestamp>,
    /// The id a consent that it asserts shall be kept under.
    pub consent_id: ConsentId,
    /// When waiting ends.
    pub deadline: Timestamp,
    /// Whether a test notification was asked for.
    pub request_test: bool,
}

impl NewMapping {
    /// Whether its third party named where to be told.
    pub(crate) const fn has_listener(&self) -> bool {
        self.destination.is_some() || self.websocket
    }
}

/// What the store knows that a request must be decided on.
#[derive(Clone, Debug)]
pub struct RequestFacts<'a> {
    /// The live row of the same key, if any.
    pub live: Option<&'a Mapping>,
    /// Keyed hash of (third party SP, UTI).
    pub uti_index: BlindIndex,
    /// The permanent record of the UTI.
    pub uti: Option<UtiRecord>,
    /// Who can be told.
    pub listeners: Listeners,
    /// The device of that serial number, where the gateway hosts it for the chosen IoT SP.
    pub hosted: Option<&'a HostedDevice>,
    /// Keyed hash of the user it is registered for.
    pub hosted_owner: Option<BlindIndex>,
    /// What it shows of the device.
    pub pairing: Pairing,
    /// When the third party may learn that it failed.
    pub disclose_at: Timestamp,
}

/// What a request shows to prove that somebody has the device at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// Nothing.
    NotShown,
    /// A pairing code: its keyed hash for the hosted device, where there is one.
    Code(Option<BlindIndex>),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestOutcome {
    /// A new row, once `change` is committed.
    Created {
        /// The row.
        mapping: Mapping,
        /// What to commit.
        change: Box<Change>,
    },
    /// The same request came before: its row.
    Existing(Mapping),
}

/// Why a request that was permitted cannot become a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// One UTI = one device, for ever (Y45): it has another serial number, or was killed (Y15).
    #[error("UTI in use for another device, or no longer valid")]
    UtiInUse,
    /// The agreement takes a pairing code, and none was shown.
    #[error("pairing code required")]
    PairingRequired,
}

/// Decides step 2.
///
/// # Errors
/// [`RequestRefusal`].
pub fn decide_request(
    permission: &Authorized<RequestMapping>,
    new: &NewMapping,
    facts: &RequestFacts<'_>,
    knobs: &Knobs,
    now: Timestamp,
) -> Result<RequestOutcome, RequestRefusal> {
    let record = facts.uti.unwrap_or_default();
    // Y.4462 3.2.2 "revocable": a killed UTI never comes back.
    if record.dead {
        return Err(RequestRefusal::UtiInUse);
    }
    if let Some(live) = facts.live {
        // t8 A.8: on replay only (SP, service URI, UTI, serial number) are compared.
        let same = live.serial_index == new.serial_index
            && live.third_party_sp == permission.facts().third_party_sp;
        return if same {
            Ok(RequestOutcome::Existing(live.clone()))
        } else {
            Err(RequestRefusal::UtiInUse)
        };
    }
    // Y.4462 10.1: the UTI identifies the relationship with *the specific* device.
    if record
        .serial
        .is_some_and(|serial| serial != new.serial_index)
    {
        return Err(RequestRefusal::UtiInUse);
    }
    let mut mapping = initial_row(permission, new, facts, now);
    let mut change = Change::default();
    let paired = use_pairing(permission, facts, now)?;
    let failed = if !permission.facts().is_device_allowed {
        Some(FailureCause::NotAllowed)
    } else if matches!(paired, Paired::Failed) {
        let code = CauseCode::fixed(sub_cause::PAIRING_FAILED);
        Some(FailureCause::Rejected(code))
    } else {
        is_of_another(permission, facts).then_some(FailureCause::NotOwner)
    };
    match (&failed, paired) {
        (Some(cause), _) => fail_unasked(&mut mapping, cause.clone(), facts, now),
        (None, paired) => {
            let left = match paired {
                Paired::Used(left) => Some(left),
                Paired::Kept | Paired::Failed => None,
            };
            offer(&mut change, permission, (&mut mapping, facts.hosted), left);
        }
    }
    assume_device(&mut change, permission, (new, facts.hosted));
    change.assumptions.push(Assumption::AgreementUnchanged {
        id: permission.facts().agreement,
        version: permission.facts().agreement_version,
    });
    let after = UtiRecord {
        serial: Some(new.serial_index),
        live: record.live.saturating_add(1),
        ..record
    };
    change.put_uti_record(facts.uti_index, facts.uti, after);
    keep_consent(&mut change, permission, (&mut mapping, new), (knobs, now));
    let told = (&mapping, facts.listeners);
    // It is of TS 29.122; over oneM2M there is none.
    if new.request_test && new.has_listener() {
        tell(
            &mut change,
            told,
            Role::ThirdPartySp,
            Message::Test,
            (knobs, now),
        );
    }
    match &failed {
        // It was never asked: of a device that is not allowed it hears nothing (T9).
        Some(FailureCause::NotAllowed) => {}
        Some(_) => tell_result(&mut change, told, Role::IotSp, (knobs, now)),
        None if is_pushed(permission, facts) => tell(
            &mut change,
            told,
            Role::IotSp,
            Message::Assignment,
            (knobs, now),
        ),
        None => {}
    }
    change.put_mapping(None, mapping.clone());
    Ok(RequestOutcome::Created {
        mapping,
        change: Box::new(change),
    })
}

/// Whether the device is hosted, and registered for another user than the one who consented.
fn is_of_another(permission: &Authorized<RequestMapping>, facts: &RequestFacts<'_>) -> bool {
    let given = permission.facts().given.as_ref();
    let owner = given.and_then(ConsentRecord::owner);
    owner.is_some() && facts.hosted.is_some() && facts.hosted_owner != owner
}

/// What becomes of what a request shows.
enum Paired {
    /// Nothing was shown, and nothing had to be.
    Kept,
    /// The code was one of the device's: these are left.
    Used(Vec<PairingTicket>),
    /// It was none, or no longer, or the gateway does not host such a device: all the same.
    Failed,
}

fn use_pairing(
    permission: &Authorized<RequestMapping>,
    facts: &RequestFacts<'_>,
    now: Timestamp,
) -> Result<Paired, RequestRefusal> {
    match facts.pairing {
        // By the agreement alone, which the caller knows: tells nothing of a device.
        Pairing::NotShown if permission.facts().pairing_required => {
            Err(RequestRefusal::PairingRequired)
        }
        Pairing::NotShown => Ok(Paired::Kept),
        Pairing::Code(index) => {
            let device = facts.hosted.zip(index);
            let left = device.and_then(|(device, index)| device.without_pairing_code(index, now));
            Ok(left.map_or(Paired::Failed, Paired::Used))
        }
    }
}

/// Puts the row into the document of its device, as far as that may be, and leaves the device the
/// pairing codes that are `left`.
fn offer(
    change: &mut Change,
    permission: &Authorized<RequestMapping>,
    (mapping, hosted): (&mut Mapping, Option<&HostedDevice>),
    left: Option<Vec<PairingTicket>>,
) {
    let Some(device) = hosted else { return };
    let mut after = device.next();
    let is_used = left.is_some();
    after.pairing = left.unwrap_or(after.pairing);
    // A hosted device's channel takes the place of the push, unless its IoT SP is to confirm first.
    let may_hold = permission.facts().consent_mode != ConsentMode::IotSpConfirm;
    let is_offered = may_hold && device.document.has_room();
    if let State::Pending { dispatch, .. } = &mut mapping.state
        && is_offered
    {
        *dispatch = Dispatch::Offered;
        after.document = device.document.changed(&[mapping.id], &[]);
    }
    if is_offered || is_used {
        change.put_device(Some(device), after);
    }
}

/// A place that came free since, a device that was unregistered or registered: the request is
/// decided again. Else its row would wait for what has happened already.
fn assume_device(
    change: &mut Change,
    permission: &Authorized<RequestMapping>,
    (new, hosted): (&NewMapping, Option<&HostedDevice>),
) {
    // What is written is compared by that.
    if change.devices.is_empty() {
        change.assumptions.push(Assumption::DeviceUnchanged {
            iot_sp: permission.facts().iot_sp.clone(),
            serial: new.serial_index,
            device: hosted.map(|device| (device.id.clone(), device.version)),
        });
    }
}

/// The row fails as if its device had refused it: for the third party nothing has happened yet.
fn fail_unasked(
    mapping: &mut Mapping,
    cause: FailureCause,
    facts: &RequestFacts<'_>,
    now: Timestamp,
) {
    let deadline = mapping.deadline_towards(Role::ThirdPartySp).unwrap_or(now);
    mapping.state = State::Failing {
        cause,
        disclose_at: facts.disclose_at,
        at: now,
        deadline,
    };
}

/// Whether step 3 is a push to the IoT SP: not where the device's own channel carries it.
fn is_pushed(permission: &Authorized<RequestMapping>, facts: &RequestFacts<'_>) -> bool {
    facts.hosted.is_none() || permission.facts().consent_mode == ConsentMode::IotSpConfirm
}

fn initial_row(
    permission: &Authorized<RequestMapping>,
    new: &NewMapping,
    facts: &RequestFacts<'_>,
    now: Timestamp,
) -> Mapping {
    let RequestMapping {
        third_party_sp,
        iot_sp,
        agreement,
        ..
    } = permission.facts();
    // With no way to tell it there is nothing to dispatch: the IoT SP pulls.
    let dispatch = if is_pushed(permission, facts) && facts.listeners.iot_sp {
        Dispatch::Dispatching
    } else {
        Dispatch::AwaitingDevice
    };
    Mapping {
        id: new.id,
        key: new.key.clone(),
        third_party_sp: third_party_sp.clone(),
        iot_sp: iot_sp.clone(),
        agreement: *agreement,
        consent: permission.facts().consent.clone(),
        consent_record: None,
        owner: None,
        serial_index: new.serial_index,
        device_vendor: new.device_vendor.clone(),
        device_model: new.device_model.clone(),
        e2e: new.e2e.clone(),
        destination: new.destination.clone(),
        websocket: new.websocket,
        hosted: facts.hosted.map(|device| device.id.clone()),
        subscription: new.subscription,
        features: new.features,
        uti_expiry: new.uti_expiry,
        state: State::Pending {
            serial: new.serial.clone(),
            deadline: new.deadline,
            dispatch,
        },
        created: now,
        updated: now,
        sequence: 1,
        version: 1,
    }
}

/// What a third party may amend while its request waits (merge-patch on the mapping).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Another destination.
    pub destination: Option<CallbackUri>,
    /// Whether notifications go over the websocket; heeded where that was negotiated.
    pub websocket: Option<bool>,
    /// Another end of waiting.
    pub deadline: Option<Timestamp>,
}

/// Why a row cannot be amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmendmentRefusal {
    /// No longer pending.
    #[error(transparent)]
    NotPending(#[from] NotPending),
    /// Neither a destination nor the websocket would be left to tell the third party over.
    #[error("nowhere to notify")]
    NowhereToNotify,
}

/// The row can no longer be amended or cancelled over ICS-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mapping is not pending")]
pub struct NotPending;

/// Amends a pending row. Nobody is told.
///
/// # Errors
/// [`AmendmentRefusal`]: once it is established, failed or deleted; or nowhere would be left to
/// notify.
pub fn decide_amendment(
    row: &Mapping,
    amendment: &Amendment,
    now: Timestamp,
) -> Result<(Mapping, Change), AmendmentRefusal> {
    let mut next = row.clone();
    match &mut next.state {
        // Failing is still pending for the third party, which must not notice.
        State::Pending { deadline, .. } | State::Failing { deadline, .. } => {
            *deadline = amendment.deadline.unwrap_or(*deadline);
        }
        _ => return Err(NotPending.into()),
    }
    // Features hold for the row's life (TS 29.122 5.2.7): one not negotiated is not taken up later.
    if let Some(wanted) = amendment.websocket {
        next.websocket = wanted && row.features.contain(Features::WEBSOCKET);
    }
    if let Some(destination) = &amendment.destination {
        next.destination = Some(destination.clone());
    }
    if row.has_listener() && !next.has_listener() {
        return Err(AmendmentRefusal::NowhereToNotify);
    }
    next.updated = now;
    next.version = row.version.saturating_add(1);
    let mut change = Change::default();
    change.put_mapping(Some(row), next.clone());
    Ok((next, change))
}

/// Cancels a request before it is established (`DELETE` on ICS-1).
///
/// # Errors
/// [`NotPending`]: an established row is de-mapped over ICS-3, with its own scope and a cause.
pub fn decide_cancellation(
    row: &Mapping,
    facts: &demapping::RowFacts,
    knobs: &Knobs,
    now: Timestamp,
) -> Result<Change, NotPending> {
    if !matches!(row.state, State::Pending { .. } | State::Failing { .. }) {
        return Err(NotPending);
    }
    let by = EndedBy::Party(Role::ThirdPartySp);
    Ok(demapping::end_pending(row, facts, (by, None), knobs, now))
}

/// The IoT SP has taken the assignment over (a 2xx to the push, or its own GET). The third party
/// does not see it, nor when it was.
#[must_use]
pub fn decide_taken_over(row: &Mapping, push: Option<&OutboxEntry>) -> Change {
    let mut change = Change::default();
    if let State::Pending {
        serial,
        deadline,
        dispatch: Dispatch::Dispatching,
    } = &row.state
    {
        let mut next = row.clone();
        next.state = State::Pending {
            serial: serial.clone(),
            deadline: *deadline,
            dispatch: Dispatch::AwaitingDevice,
        };
        next.version = row.version.saturating_add(1);
        change.put_mapping(Some(row), next);
    }
    if let Some(push) = push {
        change.settle(push);
    }
    change
}
