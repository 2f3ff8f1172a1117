//! This CSE at its registrar (Mcc): a `<remoteCSE>` that is made, kept alive, made again where the
//! platform has lost it, and taken away without a trace (TS-0001 10.2.2.6 ff.; TS-0004 7.4.4). Or the AE
//! it is there instead ([`crate::mailbox`]).
//!
//! What is wanted, attached or not, is durable: a gateway that starts anew goes on with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ics_core::port::{Clock, Entropy, StoreError};
use ics_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::address::Names;
use crate::mailbox::Mailbox;
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Content, Operation, Request, Response};
use crate::rsc::Rsc;
use crate::shelf::Shelf;
use crate::time;

/// The type of a `<remoteCSE>`.
const REMOTE_CSE: u16 = 16;
/// How long a registration stands by itself.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// And a mailbox: what lies below it ends no later than it was to end when that was made.
const MAILBOX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// The waits after one that failed: the first, doubled up to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Under which what is wanted is kept.
const KEY: &[u8] = b"registration";
/// The release that is spoken to the registrar.
const RELEASE: &str = "3";

/// The platform, and this CSE as the platform is to know it.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// Its CSE-ID, without the slash.
    pub cse_id: String,
    /// The name of its CSEBase.
    pub cse_name: String,
    /// This CSE.
    pub names: Names,
    /// Where the platform reaches it.
    pub points_of_access: Vec<String>,
    /// How often the registration is renewed: how long one that the platform lost stays lost.
    pub refresh: Duration,
}

/// How it stands with the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// What is wanted.
    pub wanted: bool,
    /// When the platform last said that this CSE is registered, and until when.
    pub confirmed: Option<(Timestamp, Timestamp)>,
    /// Why it is not, if it is wanted.
    pub trouble: Option<String>,
}

/// Why the registration was not made or ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The platform did not answer.
    #[error("the platform's CSE does not answer: {0}")]
    Unreachable(#[from] Unreachable),
    /// It answered no.
    #[error("the platform's CSE answers {code} ({name}): {mend}", code = .0.number(), name = .0.name(), mend = mend(*.0))]
    Refused(Rsc),
    /// Somebody else has the name.
    #[error("the platform has another CSE, or AE, registered under this name")]
    NameTaken,
    /// What is wanted could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const fn mend(rsc: Rsc) -> &'static str {
    match rsc {
        Rsc::OriginatorHasNoPrivilege | Rsc::OriginatorNotAuthenticated => {
            "add this CSE-ID to the CSEs that the platform lets register; in mailbox mode, its AE-ID to the AEs"
        }
        Rsc::NotFound => "is the name of the platform's CSEBase right?",
        _ => "the platform's log tells more",
    }
}

/// The registration of this CSE.
pub struct Registration {
    registrar: Registrar,
    mailbox: Option<Arc<Mailbox>>,
    outbound: Arc<dyn Outbound>,
    shelf: Arc<dyn Shelf>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Mutex<RegistrationStatus>,
    changed: Notify,
    /// One exchange with the platform at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Registration {
    pub(crate) async fn open(
        (registrar, mailbox): (Registrar, Option<Arc<Mailbox>>),
        shelf: Arc<dyn Shelf>,
        (outbound, clock, entropy): (Arc<dyn Outbound>, Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Result<Self, StoreError> {
        let kept = shelf.load().await?;
        let wanted = kept.iter().any(|(key, value)| key == KEY && value == b"1");
        Ok(Self {
            registrar,
            mailbox,
            outbound,
            shelf,
            clock,
            entropy,
            state: Mutex::new(RegistrationStatus {
                wanted,
                confirmed: None,
                trouble: None,
            }),
            changed: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> RegistrationStatus {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// Registers, now and from now on. Doing it again renews it.
    ///
    /// # Errors
    /// [`RegistrationError`]; it is not wanted then, unless it was before.
    pub async fn attach(&self) -> Result<(), RegistrationError> {
        let _turn = self.turn.lock().await;
        self.register().await?;
        self.want(true).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Ends the registration, and leaves nothing behind. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`RegistrationError`]; where the platform did not answer, it is tried no more, and what is left
    /// there ends by itself within a day, a mailbox within a year.
    pub async fn detach(&self) -> Result<(), RegistrationError> {
        let _turn = self.turn.lock().await;
        self.want(false).await?;
        let ended = match &self.mailbox {
            Some(mailbox) => mailbox.clear().await?,
            None => {
                let ended = self.ask(Operation::Delete, self.own_address(), None);
                ended.await?.rsc
            }
        };
        self.note(|state| state.confirmed = None);
        match ended {
            Rsc::Deleted | Rsc::NotFound => Ok(()),
            refused => Err(RegistrationError::Refused(refused)),
        }
    }

    /// Something went wrong at the registrar that a renewal may mend.
    pub fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Keeps the registration alive while it is wanted. Never returns.
    pub async fn keep(&self) {
        let mut pause = FIRST_RETRY;
        loop {
            let wait = if self.status().wanted {
                match self.renew().await {
                    Ok(()) => {
                        pause = FIRST_RETRY;
                        self.registrar.refresh
                    }
                    Err(error) => {
                        tracing::warn!(%error, "not registered at the platform's CSE");
                        self.note(|state| state.trouble = Some(error.to_string()));
                        let wait = pause;
                        pause = (pause * 2).min(LAST_RETRY);
                        wait
                    }
                }
            } else {
                Duration::MAX
            };
            let _ = tokio::time::timeout(wait, self.changed.notified()).await;
        }
    }

    async fn renew(&self) -> Result<(), RegistrationError> {
        let _turn = self.turn.lock().await;
        // Detached meanwhile.
        if !self.status().wanted {
            return Ok(());
        }
        self.register().await
    }

    async fn register(&self) -> Result<(), RegistrationError> {
        let lifetime = match &self.mailbox {
            Some(_) => MAILBOX_LIFETIME,
            None => LIFETIME,
        };
        let until = self.clock.now().plus(lifetime);
        match &self.mailbox {
            Some(mailbox) => mailbox.furnish(until).await?,
            None => self.register_cse(until).await?,
        }
        self.confirm(until);
        Ok(())
    }

    /// An update where it is there, else a create.
    async fn register_cse(&self, until: Timestamp) -> Result<(), RegistrationError> {
        let expires = time::format(until);
        let update = json!({ "et": expires, "poa": self.registrar.points_of_access, "rr": true });
        let own = self.own_address();
        let renewed = self.ask(Operation::Update, own, Some(update)).await?;
        if renewed.rsc == Rsc::Updated {
            return Ok(());
        }
        // A platform that has lost it may say that there is nothing, or that it knows nobody of the name.
        let created = self.create(&expires).await?;
        match created.rsc {
            Rsc::Created => Ok(()),
            Rsc::Conflict | Rsc::AlreadyRegistered | Rsc::AlreadyExists => {
                Err(RegistrationError::NameTaken)
            }
            refused => Err(RegistrationError::Refused(refused)),
        }
    }

    async fn create(&self, expires: &str) -> Result<Response, RegistrationError> {
        let names = &self.registrar.names;
        let resource = json!({
            "rn": names.cse_id,
            "cb": format!("/{}/{}", names.cse_id, names.cse_name),
            "csi": names.sp_relative_cse_id(),
            "cst": 2,
            "csz": ["application/json"],
            "poa": self.registrar.points_of_access,
            "rr": true,
            "srv": crate::cse::RELEASES,
            "et": expires,
        });
        let base = format!("/{}/{}", self.registrar.cse_id, self.registrar.cse_name);
        self.ask(Operation::Create, base, Some(resource)).await
    }

    fn own_address(&self) -> String {
        let Registrar {
            cse_id,
            cse_name,
            names,
            ..
        } = &self.registrar;
        format!("/{cse_id}/{cse_name}/{}", names.cse_id)
    }

    async fn ask(
        &self,
        operation: Operation,
        to: String,
        resource: Option<Value>,
    ) -> Result<Response, RegistrationError> {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        let id = format!("reg-{:016x}", u64::from_be_bytes(random));
        let mut request = Request::new(operation, to, id);
        request.from = Some(self.registrar.names.sp_relative_cse_id());
        request.release = Some(RELEASE.into());
        if operation == Operation::Create {
            request.resource_type = Some(REMOTE_CSE);
        }
        request.content = resource.map(|resource| {
            let mut content = Content::new();
            content.insert("m2m:csr".into(), resource);
            content
        });
        Ok(self.outbound.send(&Via::Registrar, &request).await?)
    }

    async fn want(&self, wanted: bool) -> Result<(), StoreError> {
        let value = if wanted { b"1".to_vec() } else { b"0".to_vec() };
        self.shelf.keep(vec![(KEY.to_vec(), Some(value))]).await?;
        self.note(|state| state.wanted = wanted);
        Ok(())
    }

    fn confirm(&self, until: Timestamp) {
        let now = self.clock.now();
        self.note(|state| {
            state.confirmed = Some((now, until));
            state.trouble = None;
        });
    }

    fn note(&self, change: impl FnOnce(&mut RegistrationStatus)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
