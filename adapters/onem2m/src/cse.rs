//! The CSE: from a request to its answer (TS-0004 7.2). Checks are made in one order: release,
//! originator, address; then the resource.

mod grants;
mod identity;
mod request;
mod times;

use std::sync::{Arc, Mutex};

use ics_channel::{DeviceService, Meter, Rate};
use ics_core::device::HostedDevice;
use ics_core::id::{DeviceId, SpId};
use ics_core::port::{
    Clock, DeviceBell, Entropy, OneM2mRoad, PortFuture, RateLimiter, RoadOutcome, Sealer,
    SignatureVerifier, StoreError,
};
use ics_core::principal::Principal;
use ics_core::reference_point::ReferencePoint;
use ics_core::service::{Consignment, IcsService};
use ics_core::time::Timestamp;

use crate::address::{Address, Names, Start};
use crate::caller::{Caller, Originator, Standing};
use crate::hosted::Hosted;
use crate::ics::{self, Ics, Views};
use crate::mailbox::{self, Mailbox, MailboxSettings};
use crate::outbound::Outbound;
use crate::primitive::{Answer, Operation, Outcome, Refusal, Request, Response, ResponseType};
use crate::registration::{Registrar, Registration};
use crate::repeats::Repeats;
use crate::resource::Type;
use crate::road::Road;
use crate::rsc::Rsc;
use crate::shelf::{Section, StoreShelf};
use crate::time;
use crate::tree::{self, Tree};

use request::Requests;
use times::Times;

/// How much a device may ask on a connection of its own.
const DEVICE_RATE: Rate = Rate {
    per_second: 50,
    burst: 100,
};

/// The releases spoken (TS-0004 `rvi`).
pub(crate) const RELEASES: [&str; 4] = ["2a", "3", "4", "5"];

/// What this CSE is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it is called.
    pub names: Names,
    /// Where others reach it: its points of access.
    pub points_of_access: Vec<String>,
    /// The originator that may do everything, where there is one.
    pub admin: Option<String>,
    /// The CSE-ID of the registrar without its slash, where there is one: whoever lies under it is
    /// behind it, also on a line that believes what it is told.
    pub registrar: Option<String>,
    /// How it is an AE there, where it is no CSE to the registrar.
    pub mailbox: Option<MailboxSettings>,
}

/// What the CSE stands on.
pub struct Ports {
    /// The ICS.
    pub service: Arc<IcsService>,
    /// The same, as hosted devices have it.
    pub devices: Arc<dyn DeviceService>,
    /// How much a party may ask.
    pub limiter: Arc<dyn RateLimiter>,
    /// Keyed hashes of labels.
    pub sealer: Arc<dyn Sealer>,
    /// Signatures of parties.
    pub verifier: Arc<dyn SignatureVerifier>,
    /// How requests of ours get out.
    pub outbound: Arc<dyn Outbound>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// A CSE that serves the ICS, and what AEs of its own keep with it.
pub struct Cse {
    settings: Settings,
    ports: Ports,
    tree: Tree,
    hosted: Hosted,
    ics: Ics,
    road: Road,
    mailbox: Option<Arc<Mailbox>>,
    requests: Requests,
    repeats: Repeats<Answered>,
    /// Of devices on connections of their own.
    pace: Mutex<Meter>,
}

/// An answer, and what the logs want to know of it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer.
    pub response: Response,
    /// The reference point the request went over, where it was one of the ICS.
    pub point: Option<ReferencePoint>,
    /// The party that proved itself, and how.
    pub principal: Option<Principal>,
}

impl Cse {
    /// Opens the CSE, with what it kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(settings: Settings, ports: Ports) -> Result<Arc<Self>, StoreError> {
        let mut of_tree = tree::Settings::new(settings.names.clone(), &RELEASES);
        of_tree
            .points_of_access
            .clone_from(&settings.points_of_access);
        of_tree.admin.clone_from(&settings.admin);
        of_tree.peers = settings.registrar.iter().cloned().collect();
        let tree_ports = tree::Ports {
            outbound: Arc::clone(&ports.outbound),
            clock: Arc::clone(&ports.clock),
            entropy: Arc::clone(&ports.entropy),
        };
        let shelf = Arc::new(StoreShelf::new(Arc::clone(&ports.service), Section::Tree));
        let tree = Tree::open(shelf, &of_tree, tree_ports).await?;
        let ics_ports = ics::Ports {
            service: Arc::clone(&ports.service),
            devices: Arc::clone(&ports.devices),
            limiter: Arc::clone(&ports.limiter),
            verifier: Arc::clone(&ports.verifier),
        };
        let definition = ics::DEFINITION.to_owned();
        let views = Views::new(
            settings.names.clone(),
            definition,
            Arc::clone(&ports.sealer),
        );
        let ics = Ics::new(ics_ports, views.clone(), ports.clock.now());
        let mailbox = settings.mailbox.clone().map(|settings| {
            let ports = mailbox::Ports {
                service: Arc::clone(&ports.service),
                outbound: Arc::clone(&ports.outbound),
                clock: Arc::clone(&ports.clock),
                entropy: Arc::clone(&ports.entropy),
            };
            Arc::new(Mailbox::new(settings, ports))
        });
        let mut road = Road::new(
            views,
            Arc::clone(&ports.outbound),
            Arc::new(tree.clone()),
            Arc::clone(&ports.clock),
        );
        let hosted = Hosted::new(
            tree.clone(),
            Arc::clone(&ports.devices),
            Arc::clone(&ports.clock),
        );
        road.write_into(mailbox.clone());
        Ok(Arc::new(Self {
            settings,
            ports,
            tree,
            hosted,
            ics,
            road,
            mailbox,
            requests: Requests::default(),
            repeats: Repeats::new(|answered: &Answered| &answered.response),
            pace: Mutex::new(Meter::new(DEVICE_RATE)),
        }))
    }

    /// Its mailbox at the platform, where it has one.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Arc<Mailbox>> {
        self.mailbox.as_ref()
    }

    /// The registration of this CSE at `registrar`, or of the AE it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registration(&self, registrar: Registrar) -> Result<Registration, StoreError> {
        let service = Arc::clone(&self.ports.service);
        let shelf = Arc::new(StoreShelf::new(service, Section::Registration));
        let ports = (
            Arc::clone(&self.ports.outbound),
            Arc::clone(&self.ports.clock),
            Arc::clone(&self.ports.entropy),
        );
        Registration::open((registrar, self.mailbox.clone()), shelf, ports).await
    }

    /// The service providers whose AE, or the CSE before it, refused what it was told last: an access
    /// control policy that does not let this CSE notify (`acop` 16), most likely.
    #[must_use]
    pub fn refusing(&self) -> Vec<SpId> {
        let directory = self.ports.service.directory();
        let has_ae = |sp: &SpId| {
            let party = directory.party(sp);
            party.is_some_and(|party| party.onem2m.is_some())
        };
        let refusing = self.road.refusing().into_iter();
        refusing.filter(has_ae).collect()
    }

    /// Looks after the documents of hosted devices that have an AE here, until it is dropped.
    pub async fn attend_devices(&self) {
        self.hosted.run().await;
    }

    /// Takes out what has expired. To be called now and then.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again the next time.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.tree.sweep(self.ports.clock.now()).await
    }

    /// Answers `request`, which came from `caller`; one that was answered before, as it was then.
    pub async fn answer(self: &Arc<Self>, caller: &Caller, request: Request) -> Answered {
        let name = caller.key();
        let asked = request.clone();
        let work = self.answer_once(caller, request);
        let clock = self.ports.clock.as_ref();
        self.repeats.once((&name, &asked), clock, work).await
    }

    /// Answers `request`, which came from `caller`.
    async fn answer_once(self: &Arc<Self>, caller: &Caller, request: Request) -> Answered {
        let began = self.ports.clock.now();
        match self.admit(caller, &request).await {
            Err(refusal) => self.refuse(&request, refusal),
            Ok((who, address, times)) => match request.response_type {
                ResponseType::Blocking | ResponseType::Flexible(_) => {
                    self.perform((&who, &address), &request, times).await
                }
                ResponseType::NonBlockingSynch | ResponseType::NonBlockingAsynch(_) => {
                    self.defer((who, address), request, (times, began))
                }
                ResponseType::None => {
                    let said = "asks for no answer, which is for another network";
                    self.refuse(&request, Refusal::about(Rsc::NotImplemented, "rt", said))
                }
            },
        }
    }

    /// The answer to what is not done.
    #[must_use]
    pub fn refuse(&self, request: &Request, refusal: Refusal) -> Answered {
        Answered {
            response: self.respond(request, Err(refusal)),
            point: None,
            principal: None,
        }
    }

    /// `response` as it is told to who asked as `from`. Platforms hand on the codes they know, and make
    /// "target not reachable" of 4106 (seen in ACME): behind one, who is not proved has no privilege. What
    /// is written into a mailbox no platform reads.
    #[must_use]
    pub fn word(
        &self,
        (caller, from): (&Caller, Option<&str>),
        mut response: Response,
    ) -> Response {
        if matches!(caller, Caller::Mailbox(_)) {
            return response;
        }
        let id = identity::normal_form(from.unwrap_or_default(), &self.settings.names);
        let registrar = self.settings.registrar.as_deref();
        let is_behind = registrar.is_some_and(|hop| identity::of_hop(hop, &id).is_some());
        if is_behind && response.rsc == Rsc::OriginatorNotAuthenticated {
            response.rsc = Rsc::OriginatorHasNoPrivilege;
        }
        response
    }

    fn respond(&self, request: &Request, outcome: Outcome) -> Response {
        let mut response = Response::to(request, outcome);
        response.from = Some(self.settings.names.sp_relative_cse_id());
        response.originating_timestamp = Some(time::format(self.ports.clock.now()));
        response
    }

    /// Release, originator, address, time: in this order.
    async fn admit(
        &self,
        caller: &Caller,
        request: &Request,
    ) -> Result<(Originator, Address, Times), Refusal> {
        // TS-0004 7.5.1: no release is release 1.
        let is_spoken = |release: &String| RELEASES.contains(&release.as_str());
        if !request.release.as_ref().is_some_and(is_spoken) {
            let said = "is none of 2a, 3, 4, 5";
            return Err(Refusal::about(Rsc::ReleaseNotSupported, "rvi", said));
        }
        let now = self.ports.clock.now();
        if request.from.as_deref().unwrap_or_default().is_empty() && !is_registration(request) {
            return Err(Refusal::about(Rsc::BadRequest, "fr", "is missing"));
        }
        let needs_content = matches!(
            request.operation,
            Operation::Create | Operation::Update | Operation::Notify
        );
        if needs_content && request.content.is_none() {
            return Err(Refusal::about(Rsc::BadRequest, "pc", "is missing"));
        }
        let who = self.identify(caller, request, now).await?;
        let address = Address::parse(&request.to, &self.settings.names)?;
        Ok((who, address, Times::read(request, now)?))
    }

    async fn perform(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        times: Times,
    ) -> Answered {
        times.wait(self.ports.clock.as_ref()).await;
        let now = self.ports.clock.now();
        let answered = self.perform_now((who, address), request, now).await;
        if let Standing::Device(identity) = &who.standing {
            self.hosted.meet(&identity.device_id, request.operation);
        }
        answered
    }

    async fn perform_now(
        &self,
        (who, address): (&Originator, &Address),
        request: &Request,
        now: Timestamp,
    ) -> Answered {
        if let Some(ri) = requests_id(address) {
            return Answered {
                response: self.respond(request, self.requests.handle(&ri, who, request, now)),
                point: None,
                principal: who.principal().cloned(),
            };
        }
        let Some(place) = self.ics.place(address) else {
            if self.is_knock((who, address), request) {
                return Answered {
                    response: self.respond(request, Ok(Answer::empty(Rsc::Ok))),
                    point: None,
                    principal: None,
                };
            }
            if let Err(refusal) = check_hop(who, address, request) {
                return self.refuse(request, refusal);
            }
            if request.operation == Operation::Retrieve {
                grants::show(&self.tree, &self.ports.service.directory());
            }
            let outcome = match self.hosted.hear((who, address), request, now).await {
                Some(outcome) => outcome,
                None => self.tree.handle((who, address), request, now).await,
            };
            return Answered {
                response: self.respond(request, outcome),
                point: None,
                principal: who.principal().cloned(),
            };
        };
        let handled = self.ics.handle((who, place), request, (&self.tree, now));
        let handled = handled.await;
        Answered {
            response: self.respond(request, handled.outcome),
            point: Some(handled.point),
            principal: handled.principal,
        }
    }

    /// A notification to the AE that this CSE is at the platform: whatever it says, it makes us look there.
    fn is_knock(&self, (who, address): (&Originator, &Address), request: &Request) -> bool {
        let from_platform = matches!(who.standing, Standing::Hop | Standing::BehindHop);
        let mailbox = self.mailbox.as_ref().filter(|mailbox| {
            let is_notification = request.operation == Operation::Notify;
            is_notification && from_platform && mailbox.is_own(address)
        });
        mailbox.inspect(|mailbox| mailbox.knock()).is_some()
    }

    /// Does it in the background; the answer is fetched, or sent.
    fn defer(
        self: &Arc<Self>,
        (who, address): (Originator, Address),
        request: Request,
        (times, now): (Times, Timestamp),
    ) -> Answered {
        let kept = times.kept_until(now);
        let opened = self
            .requests
            .open(&who, &request, (&self.ports.entropy, now, kept));
        let (ri, rsc, targets) = match (opened, &request.response_type) {
            (Err(refusal), _) => return self.refuse(&request, refusal),
            (Ok(ri), ResponseType::NonBlockingAsynch(targets)) => {
                (ri, Rsc::AcceptedAsynch, targets.clone())
            }
            (Ok(ri), _) => (ri, Rsc::AcceptedSynch, Vec::new()),
        };
        let principal = who.principal().cloned();
        let accepted = Answer::with(rsc, "m2m:uri", ri.clone().into());
        let answered = Answered {
            response: self.respond(&request, Ok(accepted)),
            point: None,
            principal,
        };
        let cse = Arc::clone(self);
        tokio::spawn(async move {
            let done = cse.perform((&who, &address), &request, times).await;
            cse.requests
                .close(&ri, &done.response, cse.ports.clock.now());
            if rsc == Rsc::AcceptedAsynch {
                cse.send_result(&who, targets, &done.response).await;
            }
        });
        answered
    }

    /// `rt` 2: the answer goes to whom the request named, or to the originator. Who is behind a hop has
    /// not proved itself by now, and has nobody else called.
    async fn send_result(&self, who: &Originator, targets: Vec<String>, response: &Response) {
        let is_proved = !matches!(who.standing, Standing::BehindHop);
        let targets = if targets.is_empty() || !is_proved {
            vec![who.id.clone()]
        } else {
            targets
        };
        let content = crate::primitive::as_notification(response);
        let serde_json::Value::Object(content) = content else {
            return;
        };
        for target in targets {
            if let Err(error) = self.tree.notify(&target, content.clone()).await {
                tracing::warn!(%error, "answer to a non-blocking request not delivered");
            }
        }
    }
}

/// The id of a `<request>` resource, if that is what is addressed.
fn requests_id(address: &Address) -> Option<String> {
    let ri = match (&address.start, address.names.as_slice()) {
        (Start::Resource(ri), []) => ri,
        (Start::Base, [ri]) => ri,
        _ => return None,
    };
    request::is_one(ri).then(|| ri.clone())
}

/// Who is behind a hop has proved nothing, and a request for a resource of the tree carries no proof:
/// what it made, a subscription, it may read and end by the ID it was told, which nobody guesses.
fn check_hop(who: &Originator, address: &Address, request: &Request) -> Result<(), Refusal> {
    let by_id = matches!(address.start, Start::Resource(_)) && address.names.is_empty();
    let carries_nothing = matches!(request.operation, Operation::Retrieve | Operation::Delete);
    if matches!(who.standing, Standing::BehindHop) && !(by_id && carries_nothing) {
        let said = "a caller behind another CSE is not proved here: it may read and end, by resource ID, what it made";
        return Err(Refusal::new(Rsc::OriginatorNotAuthenticated, said));
    }
    Ok(())
}

/// An AE that is to get its name.
fn is_registration(request: &Request) -> bool {
    request.operation == Operation::Create && request.resource_type == Some(Type::Ae.number())
}

impl DeviceBell for Cse {
    fn ring(&self, id: &DeviceId, device: Option<&HostedDevice>) {
        self.hosted.ring(id, device);
    }

    fn recheck(&self, iot_sp: &SpId) {
        self.hosted.recheck(iot_sp);
    }
}

impl OneM2mRoad for Cse {
    fn deliver<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, RoadOutcome> {
        Box::pin(self.road.deliver(consignment))
    }
}
