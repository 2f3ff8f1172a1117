//! The ICS itself as resources (onem2m.md A.2): `map` for mapping (Y.4462 10.1), `pnd` for what its IoT
//! SP is to complete, `dmp` for de-mapping (10.2), `inq` for inquiry (10.3). The rows are the store's;
//! the core decides, as it does for T8.
//!
//! Attributes beside the universal ones, none longer than six characters. None of them is a short name
//! of TS-0004 v3.32 or of the SDT modules but `man` and `mod`, which mean there what they mean here.
//!
//! | short | what | T8 | `map` | `inq` | `pnd` | `dmp` |
//! |---|---|---|---|---|---|---|
//! | `cnd` | the definition, the same for all | | M | O | | O |
//! | `svu` | service URI | serviceUri | M | case 2 M, case 1 O | | O |
//! | `uti` | UTI | uti | M | case 2 M | | O |
//! | `did` | device ID | deviceId | | case 1 M | U | O |
//! | `dsn` | serial number; answered to the IoT SP alone | deviceSerialNumber | M | | | |
//! | `isp` | the IoT SP | iotSpId | O | | | |
//! | `man` `mod` | manufacturer, model | deviceVendor, deviceModel | O | | | |
//! | `et` | when the UTI stops being valid | utiExpiry | O | | | |
//! | `vper` | how long to wait, seconds | validityPeriod | O | | | |
//! | `e2e` | for the device, base64url | e2e | O | | | |
//! | `pcod` | pairing code | pairingCode | O | | | |
//! | `ucid` `ucgt` `ucpu` | consent: id, when, what for | userConsent | O, together | | | |
//! | `ucsu` `ucex` | consent: whose, until when | userConsent | O | | | |
//! | `owsu` | the user who owns the device | ownerSubject | | | O | |
//! | `msta` | 1 pending, 2 mapped, 3 de-mapped, 4 failed | mappingStatus | | | U | |
//! | `mcau` | why it failed, or ended | mappingCause, cause | | | U | M |
//! | `scau` | more about that | subCause | | | | O |
//! | `undo` | the device must forget | undo | | | | |
//! | `rmvd` | how many rows were removed | removed | | | | |
//! | `tok` | proof of a caller behind another CSE ([`crate::token`]) | | O | O | O | O |

mod content;
mod device;
mod discovery;
mod dmp;
mod inq;
mod map;
mod own;
mod pnd;
mod proof;
mod refusal;
mod rows;
mod watches;

use std::sync::Arc;

use ics_channel::DeviceService;
use ics_core::id::{JobId, MappingId, SpId};
use ics_core::port::{RateLimiter, SignatureVerifier};
use ics_core::principal::Principal;
use ics_core::reference_point::{ReferencePoint, Role};
use ics_core::service::IcsService;
use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

pub(crate) use rows::{Shown, Views, state_number};
pub(crate) use watches::Watches;

use crate::address::{Address, Names, Start};
use crate::caller::{Originator, Standing};
use crate::primitive::{Answer, Operation, Outcome, Refusal, Request};
use crate::rsc::Rsc;
use crate::token::{Entered, Memory};
use crate::tree::Parent;
use discovery::{Conditions, Form, refuse_identifiers};
use proof::Proved;

/// `cnd` where the operator names none.
pub(crate) const DEFINITION: &str = "org.example.ics.identityMapping";

/// `ty` of what is made here.
pub(crate) const FLEX_CONTAINER: u16 = 28;
const CONTAINER: u16 = 3;
const SUBSCRIPTION: u16 = 23;

/// The names of contents.
pub(crate) const ROW: &str = "ics:idmap";
pub(crate) const INQUIRY: &str = "ics:inq";
pub(crate) const DEMAPPING: &str = "ics:dmp";

/// A resource of the ICS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `map`: a third party asks for mappings.
    Map,
    /// `inq`: inquiries; nothing is kept.
    Inq,
    /// `pnd`: what waits for its IoT SP.
    Pnd,
    /// `dmp`: de-mapping by key; nothing is kept.
    Dmp,
    /// A row, as its two parties see it.
    Row(MappingId),
    /// A row, as its IoT SP completes it.
    Pending(MappingId),
    /// What removes more rows than one answer waits for.
    Job(JobId),
}

impl Place {
    /// Its resource ID, which is its name too: random, never an identifier of somebody.
    pub(crate) fn resource_id(self) -> String {
        match self {
            Self::Map => "map".into(),
            Self::Inq => "inq".into(),
            Self::Pnd => "pnd".into(),
            Self::Dmp => "dmp".into(),
            Self::Row(id) => format!("map-{}", rows::digits(id)),
            Self::Pending(id) => format!("pnd-{}", rows::digits(id)),
            Self::Job(id) => format!("job-{}", id.to_string().replace('-', "")),
        }
    }

    /// The resource ID of its parent below the CSEBase; empty for a collection.
    const fn parent(self) -> &'static str {
        match self {
            Self::Row(_) => "map",
            Self::Pending(_) => "pnd",
            Self::Map | Self::Inq | Self::Pnd | Self::Dmp | Self::Job(_) => "",
        }
    }

    /// Its structured address, CSE-relative.
    pub(crate) fn path(self, names: &Names) -> String {
        let (base, own) = (&names.cse_name, self.resource_id());
        match self.parent() {
            "" => format!("{base}/{own}"),
            parent => format!("{base}/{parent}/{own}"),
        }
    }

    fn of_resource_id(id: &str) -> Option<Self> {
        let bytes = |digits: &str| -> Option<[u8; 16]> {
            let plain = digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let number = u128::from_str_radix(digits, 16).ok();
            number
                .filter(|_| plain && digits.len() == 32)
                .map(u128::to_be_bytes)
        };
        let (kind, digits) = match id.split_once('-') {
            Some((kind, digits)) => (kind, Some(bytes(digits)?)),
            None => (id, None),
        };
        match (kind, digits) {
            ("map", None) => Some(Self::Map),
            ("inq", None) => Some(Self::Inq),
            ("pnd", None) => Some(Self::Pnd),
            ("dmp", None) => Some(Self::Dmp),
            ("map", Some(id)) => Some(Self::Row(MappingId::from_bytes(id))),
            ("pnd", Some(id)) => Some(Self::Pending(MappingId::from_bytes(id))),
            ("job", Some(id)) => Some(Self::Job(JobId::from_bytes(id))),
            _ => None,
        }
    }
}

/// What the ICS stands on.
pub(crate) struct Ports {
    /// The service.
    pub(crate) service: Arc<IcsService>,
    /// The same, as hosted devices have it.
    pub(crate) devices: Arc<dyn DeviceService>,
    /// Limits, asked before anything is done.
    pub(crate) limiter: Arc<dyn RateLimiter>,
    /// Signatures and digests of tokens.
    pub(crate) verifier: Arc<dyn SignatureVerifier>,
}

/// The ICS as resources of this CSE.
pub(crate) struct Ics {
    ports: Ports,
    views: Views,
    memory: Memory,
    /// Tokens from before are not known here.
    started: Timestamp,
}

/// What came of a request.
pub(crate) struct Handled {
    /// The answer.
    pub(crate) outcome: Outcome,
    /// The reference point it went over.
    pub(crate) point: ReferencePoint,
    /// The party that proved itself, by whatever means.
    pub(crate) principal: Option<Principal>,
}

/// Who asks for what, proved and admitted.
struct Call<'a> {
    principal: Principal,
    who: &'a Originator,
    request: &'a Request,
    watches: &'a dyn Watches,
    now: Timestamp,
}

impl Ics {
    /// The ICS, which shows rows so. It began at `started`.
    pub(crate) fn new(ports: Ports, views: Views, started: Timestamp) -> Self {
        Self {
            ports,
            views,
            memory: Memory::default(),
            started,
        }
    }

    /// The resource of the ICS at an address. What lies below one is a subscription, if anything.
    pub(crate) fn place(&self, address: &Address) -> Option<Place> {
        let names: Vec<&str> = address.names.iter().map(String::as_str).collect();
        let segments: Vec<&str> = match &address.start {
            Start::Base => names,
            Start::Resource(id) => std::iter::once(id.as_str()).chain(names).collect(),
        };
        match segments.as_slice() {
            [only] => Place::of_resource_id(only).filter(|place| {
                // Below the CSEBase lie the collections; rows there only by their IDs.
                address.start != Start::Base || place.parent().is_empty()
            }),
            [parent, child] => {
                Place::of_resource_id(child).filter(|place| place.parent() == *parent)
            }
            _ => None,
        }
    }

    /// Answers `request` to a resource of the ICS, and tells what the logs want to know.
    pub(crate) async fn handle(
        &self,
        (who, place): (&Originator, Place),
        request: &Request,
        (watches, now): (&dyn Watches, Timestamp),
    ) -> Handled {
        let mut principal = who.principal().cloned();
        let answered = self.answer((who, place), request, (watches, now), &mut principal);
        let outcome = answered.await;
        let sp = principal.as_ref().map(|principal| &principal.sp);
        let is_device = matches!(who.standing, Standing::Device(_));
        let point = match place {
            // It is the arm of its IoT SP.
            Place::Dmp if is_device => ReferencePoint::Ics4,
            _ => self.point(sp, place, request),
        };
        Handled {
            outcome,
            point,
            principal,
        }
    }

    /// The reference point of Y.4462 clause 9 that stands behind a request.
    fn point(&self, party: Option<&SpId>, place: Place, request: &Request) -> ReferencePoint {
        use ReferencePoint::{Ics1, Ics2, Ics3, Ics4, Ics7, Ics8};
        let mut members = request.content.iter().flat_map(|content| content.values());
        let names_device = members.any(|member| member.get("did").is_some());
        let of_role = |odd, even| {
            let directory = self.ports.service.directory();
            let party = party.and_then(|sp| directory.party(sp));
            let is_even = party.is_some_and(|party| !party.has_role(Role::ThirdPartySp));
            if is_even { even } else { odd }
        };
        match place {
            Place::Map => Ics1,
            Place::Pnd | Place::Pending(_) => Ics2,
            Place::Inq if names_device => Ics8,
            Place::Inq => Ics7,
            Place::Dmp if names_device => Ics4,
            Place::Dmp => Ics3,
            Place::Row(_) if request.operation != Operation::Delete => of_role(Ics1, Ics2),
            Place::Row(_) | Place::Job(_) => of_role(Ics3, Ics4),
        }
    }

    async fn answer(
        &self,
        (who, place): (&Originator, Place),
        request: &Request,
        (watches, now): (&dyn Watches, Timestamp),
        proved: &mut Option<Principal>,
    ) -> Outcome {
        refuse_identifiers(&request.filter)?;
        if let Standing::Device(identity) = &who.standing {
            return self.answer_device((identity, place), request, now).await;
        }
        if self.may_look((who, place), request) {
            return self.show_collection(place, request);
        }
        let Proved {
            principal,
            request,
            token,
        } = self.prove(who, place, request, now)?;
        *proved = Some(principal.clone());
        let call = Call {
            principal,
            who,
            request: &request,
            watches,
            now,
        };
        let Some(used) = token else {
            return self.serve(place, &call).await;
        };
        let entered = self.memory.enter(
            (&call.principal.sp, used.jti),
            used.digest,
            (used.expires, now),
        )?;
        match entered {
            Entered::First(slot) => {
                let outcome = self.serve(place, &call).await;
                slot.fill(&outcome);
                outcome
            }
            Entered::Again(answered) => answered.wait().await,
        }
    }

    async fn serve(&self, place: Place, call: &Call<'_>) -> Outcome {
        match (place, call.request.operation) {
            (_, Operation::Create) => Box::pin(self.create(place, call)).await,
            (Place::Map | Place::Pnd, Operation::Retrieve) => {
                Box::pin(self.retrieve_collection(place, call)).await
            }
            (Place::Inq | Place::Dmp, Operation::Retrieve) => {
                self.show_collection(place, call.request)
            }
            (Place::Row(id), Operation::Retrieve) => self.retrieve_row(id, call).await,
            (Place::Row(id), Operation::Delete) => Box::pin(self.delete_row(id, call)).await,
            (Place::Pending(id), Operation::Retrieve) => self.retrieve_pending(id, call).await,
            (Place::Pending(id), Operation::Update) => {
                Box::pin(self.complete_pending(id, call)).await
            }
            (Place::Job(id), Operation::Retrieve) => self.show_job(id, call),
            // A row is what it was made as: its attributes are not for an UPDATE (A.2: NP).
            _ => Err(not_offered()),
        }
    }

    async fn create(&self, place: Place, call: &Call<'_>) -> Outcome {
        let missing = || Refusal::about(Rsc::BadRequest, "ty", "is missing");
        match (place, call.request.resource_type.ok_or_else(missing)?) {
            (Place::Map, FLEX_CONTAINER) => self.request_mapping(call).await,
            (Place::Inq, FLEX_CONTAINER) => self.inquire(call).await,
            (Place::Dmp, FLEX_CONTAINER) => self.demap(call).await,
            // What waits was made at `map`.
            (Place::Pnd, FLEX_CONTAINER) => Err(not_offered()),
            (Place::Map | Place::Pnd | Place::Row(_) | Place::Pending(_), SUBSCRIPTION) => {
                self.subscribe(place, call).await
            }
            (Place::Inq | Place::Dmp, SUBSCRIPTION) => {
                let said = "nothing is kept here that could be watched";
                Err(Refusal::new(Rsc::TargetNotSubscribable, said))
            }
            _ => {
                let said = "no child of that type is made here";
                Err(Refusal::new(Rsc::InvalidChildType, said))
            }
        }
    }

    /// A subscription to what is the caller's own; all else about it is the tree's.
    async fn subscribe(&self, place: Place, call: &Call<'_>) -> Outcome {
        match place {
            Place::Map => self.check_role(call, Role::ThirdPartySp)?,
            Place::Pnd => self.check_role(call, Role::IotSp)?,
            Place::Row(id) => {
                self.check_own(id, call, &[Role::ThirdPartySp, Role::IotSp])
                    .await?
            }
            Place::Pending(id) => self.check_own(id, call, &[Role::IotSp]).await?,
            Place::Inq | Place::Dmp | Place::Job(_) => return Err(not_offered()),
        }
        let (ri, path) = (place.resource_id(), place.path(self.views.names()));
        let parent = Parent {
            ri: &ri,
            path: &path,
        };
        call.watches
            .subscribe_at(&parent, call.who, call.request, call.now)
            .await
    }

    fn check_role(&self, call: &Call<'_>, role: Role) -> Result<(), Refusal> {
        let directory = self.ports.service.directory();
        let party = directory.party(&call.principal.sp);
        let has = party.is_some_and(|party| party.has_role(role));
        has.then_some(())
            .ok_or_else(|| ics_core::port::Denied::Role(role).into())
    }

    /// Whether the row is the caller's, in one of these roles.
    async fn check_own(
        &self,
        id: MappingId,
        call: &Call<'_>,
        roles: &[Role],
    ) -> Result<(), Refusal> {
        let row = self.ports.service.show_mapping(id).await?;
        let row = row.ok_or_else(refusal::not_found)?;
        let sp = &call.principal.sp;
        let mut own = roles.iter().filter(|role| match role {
            Role::ThirdPartySp => row.third_party_sp == *sp,
            Role::IotSp => row.iot_sp == *sp,
        });
        let role = own.next().ok_or_else(refusal::not_found)?;
        self.check_role(call, *role)
    }

    /// `map` or `pnd`, with the caller's rows as far as they are asked for.
    async fn retrieve_collection(&self, place: Place, call: &Call<'_>) -> Outcome {
        let form = Form::of(call.request)?;
        let conditions = Conditions::of(&call.request.filter)?;
        if form == Form::Collection {
            return self.show_collection(place, call.request);
        }
        let rows = match place {
            Place::Pnd => self.list_pending(&conditions, call).await?,
            _ => self.list_rows(&conditions, call).await?,
        };
        Ok(discovery::answer(
            form,
            self.collection(place),
            rows,
            |place, unstructured| self.views.address(place, unstructured),
            call.request.unstructured_result,
        ))
    }

    /// A collection without its rows.
    fn show_collection(&self, place: Place, request: &Request) -> Outcome {
        let form = Form::of(request)?;
        let conditions = Conditions::of(&request.filter)?;
        let shown = self.collection(place);
        if form == Form::Collection && !conditions.hold(&shown) {
            return Err(Refusal::new(Rsc::NotFound, "no such resource"));
        }
        let shown = take_listed(shown, &request.filter.attribute_list, &COLLECTION)?;
        let address = |place, unstructured| self.views.address(place, unstructured);
        let rows = Vec::new();
        Ok(discovery::answer(form, shown, rows, address, false))
    }

    fn collection(&self, place: Place) -> Shown {
        let policy = format!("acp-{}", place.resource_id());
        let started = crate::time::format(self.started);
        let shown = json!({
            "ri": place.resource_id(),
            "rn": place.resource_id(),
            "pi": self.views.names().cse_id,
            "ty": CONTAINER,
            "ct": started,
            "lt": started,
            "et": crate::time::format(Timestamp::MAX),
            "acpi": [policy],
            "st": 0,
            "cni": 0,
            "cbs": 0,
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Shown::new(),
        }
    }
}

/// The attributes of a collection.
const COLLECTION: [&str; 15] = [
    "ri", "rn", "pi", "ty", "ct", "lt", "et", "st", "cni", "cbs", "lbl", "acpi", "mni", "mbs",
    "mia",
];

/// The attributes of `shown` that are listed, or all; `known` are those it may have.
fn take_listed(shown: Shown, listed: &[String], known: &[&str]) -> Result<Shown, Refusal> {
    if listed.is_empty() {
        return Ok(shown);
    }
    if !listed.iter().all(|name| known.contains(&name.as_str())) {
        let said = "names an attribute the resource does not have";
        return Err(Refusal::about(Rsc::BadRequest, "atrl", said));
    }
    let wanted = |name: &String| listed.contains(name);
    Ok(shown.into_iter().filter(|(name, _)| wanted(name)).collect())
}

/// The constant answer of every miss.
pub(crate) const fn no_mapping() -> Refusal {
    refusal::not_found()
}

const fn not_offered() -> Refusal {
    Refusal::new(Rsc::OperationNotAllowed, "not offered on this resource")
}

/// What was made and is not kept: an answer by `rcn`.
pub(crate) fn answer_unkept(request: &Request, name: &str, shown: Map<String, Value>) -> Outcome {
    match request.result_content {
        None | Some(1 | 9) => Ok(Answer::with(Rsc::Created, name, shown.into())),
        Some(0) => Ok(Answer::empty(Rsc::Created)),
        Some(_) => Err(wrong_result_content()),
    }
}

fn wrong_result_content() -> Refusal {
    Refusal::about(Rsc::BadRequest, "rcn", "is not answered here")
}

#[cfg(test)]
pub(crate) mod tests;
