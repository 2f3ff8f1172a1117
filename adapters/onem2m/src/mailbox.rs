//! Mailbox mode (onem2m.md A.6): where a platform admits no foreign CSE, the gateway is an AE there (Mca)
//! with two containers for each service provider that has an AE at that platform: `req`, into which
//! that AE alone writes, and `rsp`, which it alone reads. The container is the identity.
//!
//! What lies in `req` is fetched when the platform tells of it, and whenever the registration is
//! renewed; a notification is never believed, it makes us look. A request is deleted once its answer is
//! written, and what is left ends by itself: identifiers do not rest at the platform.

mod furnishing;
pub(crate) mod letter;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use ics_core::id::{AeId, SpId};
use ics_core::party::{Party, PartyStatus};
use ics_core::port::{Clock, Entropy};
use ics_core::service::IcsService;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::address::{Address, Start};
use crate::caller::Caller;
use crate::handler::Handler;
use crate::outbound::{Outbound, Via};
use crate::primitive::{Content, Operation, Request, Response};
use crate::registration::{Registrar, RegistrationError};
use crate::rsc::Rsc;
use crate::time;
use letter::Letter;

/// The release that is spoken to the platform.
const RELEASE: &str = "3";
/// `ty` of what is made there.
const CONTENT_INSTANCE: u16 = 4;
/// The names of the containers of a service provider.
const REQUESTS: &str = "req";
const ANSWERS: &str = "rsp";
/// How long an answer lies there.
const ANSWER_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The wait after a look that failed.
const RETRY: Duration = Duration::from_secs(5);
/// The most requests of one service provider that are answered in a row.
const MOST_IN_A_ROW: usize = 256;

/// The AE that the gateway is at a platform.
#[derive(Clone, Debug)]
pub struct MailboxSettings {
    /// The platform, and this CSE.
    pub registrar: Registrar,
    /// Name of the AE's resource: `ics`.
    pub ae_name: String,
    /// Its AE-ID at the platform, without the CSE-ID: `Cics`.
    pub ae_id: String,
}

/// What the mailbox stands on.
pub(crate) struct Ports {
    pub(crate) service: Arc<IcsService>,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// The mailbox of this gateway at the platform.
pub struct Mailbox {
    settings: MailboxSettings,
    ports: Ports,
    boxes: Mutex<Boxes>,
    knocked: Notify,
}

/// What is known of the containers there.
#[derive(Default)]
struct Boxes {
    /// The AE that each box is open to.
    open: BTreeMap<SpId, AeId>,
    /// Whose box is not there, and is not to be.
    gone: BTreeSet<SpId>,
}

impl Mailbox {
    pub(crate) fn new(settings: MailboxSettings, ports: Ports) -> Self {
        Self {
            settings,
            ports,
            boxes: Mutex::default(),
            knocked: Notify::new(),
        }
    }

    /// The CSE-ID of the platform, without the slash.
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.settings.registrar.cse_id
    }

    /// Answers what comes, by `handler`. Never returns.
    pub async fn serve(&self, handler: &dyn Handler) {
        let mut pause = Duration::MAX;
        loop {
            let _ = tokio::time::timeout(pause, self.knocked.notified()).await;
            pause = match self.look(handler).await {
                Ok(()) => Duration::MAX,
                Err(error) => {
                    tracing::warn!(%error, "a mailbox at the platform is not emptied now");
                    RETRY
                }
            };
        }
    }

    /// Empties every box; of what went wrong, the first.
    async fn look(&self, handler: &dyn Handler) -> Result<(), RegistrationError> {
        let open = self.lock().open.clone();
        let emptied = open.iter().map(|of| self.empty(of, handler));
        join_all(emptied).await.into_iter().collect()
    }

    /// Something may lie in the mailbox.
    pub(crate) fn knock(&self) {
        self.knocked.notify_one();
    }

    /// Whether that is where the platform reaches this AE.
    pub(crate) fn is_own(&self, address: &Address) -> bool {
        let Start::Resource(id) = &address.start else {
            return false;
        };
        *id == self.settings.ae_id && address.names.is_empty()
    }

    /// What tells `party` of `content`, if it has a box: the same for the same `id`.
    pub(crate) fn notice(&self, party: &Party, id: &str, content: &Content) -> Option<Request> {
        self.correspondent(party)?;
        let told = Value::Object(content.clone());
        let mut request = self.written((&party.id, id), &told, None);
        id.clone_into(&mut request.request_id);
        Some(request)
    }

    /// The AE by which a party has a box here, or is to have one.
    fn correspondent<'a>(&self, party: &'a Party) -> Option<&'a AeId> {
        let ae = &party.onem2m.as_ref()?.ae;
        let is_here = ae.cse_id() == self.settings.registrar.cse_id;
        (is_here && party.status != PartyStatus::Removed).then_some(ae)
    }

    async fn empty(
        &self,
        (sp, ae): (&SpId, &AeId),
        handler: &dyn Handler,
    ) -> Result<(), RegistrationError> {
        for _ in 0..MOST_IN_A_ROW {
            let oldest = self.address(&[sp.as_str(), REQUESTS, "ol"]);
            let found = self.ask(Operation::Retrieve, oldest, None).await?;
            // An empty container has no oldest one; a lost one is made again at the next renewal.
            if found.rsc == Rsc::NotFound {
                return Ok(());
            }
            let refused = RegistrationError::Refused(found.rsc);
            let told = found.content.as_ref().ok_or(refused.clone())?;
            let read = if let Some(letter) = Letter::read(told) {
                let answer = self.answer(&letter, ae, handler).await;
                self.reply((sp, &letter), &answer).await?;
                self.address(&[sp.as_str(), REQUESTS, &letter.name])
            } else {
                // No answer could be named after it.
                tracing::info!(%sp, "what lay unnamed in a mailbox was taken away");
                let id = letter::resource_id(told).ok_or(refused)?;
                format!("/{}/{id}", self.platform())
            };
            let deleted = self.ask(Operation::Delete, read, None).await?;
            expect(deleted.rsc, &[Rsc::Deleted, Rsc::NotFound])?;
        }
        self.knock();
        Ok(())
    }

    async fn answer(&self, letter: &Letter, ae: &AeId, handler: &dyn Handler) -> Value {
        let Registrar { cse_id, names, .. } = &self.settings.registrar;
        let asked = letter.ask(ae, names);
        let response = match asked {
            Ok(request) => {
                let caller = Caller::Mailbox(cse_id.clone());
                handler.handle(&caller, request).await
            }
            Err(unreadable) => {
                let (partial, refusal) = *unreadable;
                handler.refuse(&partial, refusal)
            }
        };
        letter::tell(&response)
    }

    /// One answer to one request: what is there already was written before we were interrupted.
    async fn reply(
        &self,
        (sp, letter): (&SpId, &Letter),
        answer: &Value,
    ) -> Result<(), RegistrationError> {
        let until = self.ports.clock.now().plus(ANSWER_LIFETIME);
        let request = self.written((sp, &letter.answer_name()), answer, Some(until));
        let written = self.send(&request).await?;
        expect(written.rsc, &[Rsc::Created, Rsc::Conflict])
    }

    /// A contentInstance in `rsp`.
    fn written(
        &self,
        (sp, name): (&SpId, &str),
        told: &Value,
        until: Option<ics_core::time::Timestamp>,
    ) -> Request {
        let mut instance =
            json!({ "rn": name, "cnf": "application/json:0", "con": told.to_string() });
        if let (Some(until), Some(members)) = (until, instance.as_object_mut()) {
            members.insert("et".into(), time::format(until).into());
        }
        let to = self.address(&[sp.as_str(), ANSWERS]);
        self.request(
            Operation::Create,
            to,
            Some((CONTENT_INSTANCE, "m2m:cin", instance)),
        )
    }

    /// The address of what lies below the AE.
    fn address(&self, below: &[&str]) -> String {
        let Registrar {
            cse_id, cse_name, ..
        } = &self.settings.registrar;
        let mut address = format!("/{cse_id}/{cse_name}/{}", self.settings.ae_name);
        for name in below {
            address.push('/');
            address.push_str(name);
        }
        address
    }

    fn request(
        &self,
        operation: Operation,
        to: String,
        resource: Option<(u16, &str, Value)>,
    ) -> Request {
        let mut random = [0; 8];
        self.ports.entropy.fill(&mut random);
        let id = format!("box-{:016x}", u64::from_be_bytes(random));
        let mut request = Request::new(operation, to, id);
        request.from = Some(self.settings.ae_id.clone());
        request.release = Some(RELEASE.into());
        if let Some((ty, member, resource)) = resource {
            request.resource_type = (operation == Operation::Create).then_some(ty);
            let mut content = Content::new();
            content.insert(member.to_owned(), resource);
            request.content = Some(content);
        }
        request
    }

    async fn ask(
        &self,
        operation: Operation,
        to: String,
        resource: Option<(u16, &str, Value)>,
    ) -> Result<Response, RegistrationError> {
        self.send(&self.request(operation, to, resource)).await
    }

    async fn send(&self, request: &Request) -> Result<Response, RegistrationError> {
        Ok(self.ports.outbound.send(&Via::Registrar, request).await?)
    }

    fn lock(&self) -> MutexGuard<'_, Boxes> {
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn expect(rsc: Rsc, good: &[Rsc]) -> Result<(), RegistrationError> {
    let is_good = good.contains(&rsc);
    is_good.then_some(()).ok_or(RegistrationError::Refused(rsc))
}
