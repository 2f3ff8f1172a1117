//! What the gateway has at the platform in mailbox mode: its AE, and below it all the rest, so that with
//! the AE nothing is left. Made where it is not there, made again where the platform lost it.

use ics_core::id::{AeId, SpId};
use ics_core::time::Timestamp;
use serde_json::{Value, json};

use super::{ANSWERS, Mailbox, REQUESTS, expect};
use crate::primitive::{Operation, Response};
use crate::registration::{Registrar, RegistrationError};
use crate::rsc::Rsc;
use crate::time;

/// `ty` of what is made.
const POLICY: u16 = 1;
const AE: u16 = 2;
const CONTAINER: u16 = 3;
const SUBSCRIPTION: u16 = 23;
/// The subscription at `req`.
const KNOCKER: &str = "knock";

/// How many instances a container holds, and how long each, in seconds: requests until the gateway is
/// there again, notifications until their receiver is.
const MOST_REQUESTS: (u32, u32) = (64, 3600);
const MOST_ANSWERS: (u32, u32) = (256, 86_400);

/// `acop` (TS-0001 9.6.2.4).
const CREATE: u8 = 1;
const RETRIEVE: u8 = 2;
const DISCOVER: u8 = 32;
const EVERYTHING: u8 = 63;

impl Mailbox {
    /// Makes what is not there.
    pub(crate) async fn furnish(&self, until: Timestamp) -> Result<(), RegistrationError> {
        self.register(until).await?;
        let directory = self.ports.service.directory();
        let mut furnished = Ok(());
        for party in directory.parties() {
            let done = match self.correspondent(party) {
                Some(ae) => self.keep_box(&party.id, ae).await,
                None => self.drop_box(&party.id).await,
            };
            // One box that cannot be made keeps nobody else from his.
            match done {
                Err(error @ RegistrationError::Unreachable(_)) => return Err(error),
                Err(error) => furnished = Err(error),
                Ok(()) => {}
            }
        }
        self.knock();
        furnished
    }

    /// Takes everything away; what the platform said.
    pub(crate) async fn clear(&self) -> Result<Rsc, RegistrationError> {
        *self.lock() = super::Boxes::default();
        let deleted = self.ask(Operation::Delete, self.address(&[]), None).await?;
        Ok(match deleted.rsc {
            // A platform that knows no AE of the name may say that it has no rights there.
            Rsc::OriginatorHasNoPrivilege => self.find_own().await?,
            rsc => rsc,
        })
    }

    async fn find_own(&self) -> Result<Rsc, RegistrationError> {
        let found = self
            .ask(Operation::Retrieve, self.address(&[]), None)
            .await?;
        Ok(match found.rsc {
            Rsc::NotFound => Rsc::NotFound,
            _ => Rsc::OriginatorHasNoPrivilege,
        })
    }

    /// The AE: an update where it is there, else a create.
    async fn register(&self, until: Timestamp) -> Result<(), RegistrationError> {
        let expires = time::format(until);
        let Registrar {
            cse_id,
            cse_name,
            points_of_access,
            ..
        } = &self.settings.registrar;
        let update = json!({ "et": expires, "poa": points_of_access, "rr": true });
        let to = self.address(&[]);
        let renewed = self.ask(Operation::Update, to, Some((AE, "m2m:ae", update)));
        if renewed.await?.rsc == Rsc::Updated {
            return Ok(());
        }
        *self.lock() = super::Boxes::default();
        let ae = json!({
            "rn": self.settings.ae_name,
            "api": "N.org.example.ics",
            "rr": true,
            "srv": crate::cse::RELEASES,
            "poa": points_of_access,
            "et": expires,
        });
        let base = format!("/{cse_id}/{cse_name}");
        let created = self.ask(Operation::Create, base, Some((AE, "m2m:ae", ae)));
        match created.await?.rsc {
            Rsc::Created => Ok(()),
            Rsc::Conflict | Rsc::AlreadyRegistered | Rsc::AlreadyExists => {
                Err(RegistrationError::NameTaken)
            }
            refused => Err(RegistrationError::Refused(refused)),
        }
    }

    /// A box that stands is looked at, no more.
    async fn keep_box(&self, sp: &SpId, ae: &AeId) -> Result<(), RegistrationError> {
        let is_open = self.lock().open.get(sp) == Some(ae);
        if is_open && self.stands(sp).await? {
            return Ok(());
        }
        // Until its policies are right, nothing in it is believed.
        self.lock().open.remove(sp);
        self.make_box(sp, ae).await?;
        let mut boxes = self.lock();
        boxes.gone.remove(sp);
        boxes.open.insert(sp.clone(), ae.clone());
        Ok(())
    }

    async fn stands(&self, sp: &SpId) -> Result<bool, RegistrationError> {
        let own = sp.as_str();
        let (writer, reader) = (policy_name(sp, REQUESTS), policy_name(sp, ANSWERS));
        for below in [
            &[writer.as_str()][..],
            &[reader.as_str()],
            &[own, REQUESTS, KNOCKER],
            &[own, ANSWERS],
        ] {
            let found = self.ask(Operation::Retrieve, self.address(below), None);
            if found.await?.rsc != Rsc::Ok {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn make_box(&self, sp: &SpId, ae: &AeId) -> Result<(), RegistrationError> {
        let writer = self.policy(sp, REQUESTS, rules(ae, false)).await?;
        let reader = self.policy(sp, ANSWERS, rules(ae, true)).await?;
        let (Policy::There(writer), Policy::There(reader)) = (&writer, &reader) else {
            // Containers of before would bear policies that are no more.
            self.delete(&[sp.as_str()]).await?;
            return self.fill_box(sp, writer.id(), reader.id()).await;
        };
        self.fill_box(sp, writer, reader).await
    }

    async fn fill_box(
        &self,
        sp: &SpId,
        writer: &str,
        reader: &str,
    ) -> Result<(), RegistrationError> {
        let own = sp.as_str();
        let outer = json!({ "rn": own });
        self.make(&[], (CONTAINER, "m2m:cnt", outer)).await?;
        for (name, policy, (number, seconds)) in [
            (REQUESTS, writer, MOST_REQUESTS),
            (ANSWERS, reader, MOST_ANSWERS),
        ] {
            let inner = json!({ "rn": name, "acpi": [policy], "mni": number, "mia": seconds });
            self.make(&[own], (CONTAINER, "m2m:cnt", inner)).await?;
        }
        // Of what was written nothing but its ID: the rest is fetched.
        let knocker = json!({
            "rn": KNOCKER,
            "nu": [self.settings.ae_id],
            "nct": 3,
            "enc": { "net": [3] },
        });
        let at = [own, REQUESTS];
        self.make(&at, (SUBSCRIPTION, "m2m:sub", knocker)).await?;
        Ok(())
    }

    /// The policy of a container, with these rules.
    async fn policy(
        &self,
        sp: &SpId,
        container: &str,
        mut rules: Vec<Value>,
    ) -> Result<Policy, RegistrationError> {
        let own = json!({ "acor": [self.settings.ae_id], "acop": EVERYTHING });
        rules.push(own.clone());
        let name = policy_name(sp, container);
        let privileges = json!({ "pv": { "acr": rules }, "pvs": { "acr": [own] } });
        let mut policy = privileges.clone();
        if let Some(policy) = policy.as_object_mut() {
            policy.insert("rn".into(), name.clone().into());
        }
        let made = self.make(&[], (POLICY, "m2m:acp", policy)).await?;
        if made.rsc == Rsc::Created {
            return Ok(Policy::New(id_of(&made)?));
        }
        let to = self.address(&[&name]);
        let changed = self.ask(
            Operation::Update,
            to.clone(),
            Some((POLICY, "m2m:acp", privileges)),
        );
        expect(changed.await?.rsc, &[Rsc::Updated])?;
        let found = self.ask(Operation::Retrieve, to, None).await?;
        Ok(Policy::There(id_of(&found)?))
    }

    /// Makes a resource, unless it is there.
    async fn make(
        &self,
        below: &[&str],
        resource: (u16, &str, Value),
    ) -> Result<Response, RegistrationError> {
        let to = self.address(below);
        let made = self.ask(Operation::Create, to, Some(resource)).await?;
        expect(made.rsc, &[Rsc::Created, Rsc::Conflict])?;
        Ok(made)
    }

    /// Who is no party here any more has no box.
    async fn drop_box(&self, sp: &SpId) -> Result<(), RegistrationError> {
        self.lock().open.remove(sp);
        if self.lock().gone.contains(sp) {
            return Ok(());
        }
        if self.delete(&[sp.as_str()]).await? == Rsc::Deleted {
            for container in [REQUESTS, ANSWERS] {
                self.delete(&[&policy_name(sp, container)]).await?;
            }
        }
        self.lock().gone.insert(sp.clone());
        Ok(())
    }

    async fn delete(&self, below: &[&str]) -> Result<Rsc, RegistrationError> {
        let deleted = self
            .ask(Operation::Delete, self.address(below), None)
            .await?;
        expect(deleted.rsc, &[Rsc::Deleted, Rsc::NotFound])?;
        Ok(deleted.rsc)
    }
}

/// A policy at the platform, by its resource ID.
enum Policy {
    New(String),
    There(String),
}

impl Policy {
    fn id(&self) -> &str {
        match self {
            Self::New(id) | Self::There(id) => id,
        }
    }
}

/// No service provider is called so: the name of a box is its id, without upper case.
fn policy_name(sp: &SpId, container: &str) -> String {
    format!("ACP-{}-{container}", sp.as_str())
}

/// What the AE of a service provider may do. It watches what it reads, and writes nothing there.
fn rules(ae: &AeId, is_reader: bool) -> Vec<Value> {
    let stem = ae.as_str().rsplit('/').next().unwrap_or_default();
    if !is_reader {
        return vec![json!({ "acor": [stem], "acop": CREATE, "acod": [{ "chty": [4] }] })];
    }
    vec![
        json!({ "acor": [stem], "acop": RETRIEVE | DISCOVER }),
        json!({ "acor": [stem], "acop": CREATE, "acod": [{ "chty": [SUBSCRIPTION] }] }),
    ]
}

fn id_of(response: &Response) -> Result<String, RegistrationError> {
    let policy = response.content.as_ref().and_then(|c| c.get("m2m:acp"));
    let id = policy.and_then(|policy| policy.get("ri")?.as_str());
    let id = id.ok_or(RegistrationError::Refused(response.rsc))?;
    Ok(id.to_owned())
}
