//! Who asks: what the connection proves, held against `fr` (TS-0003 10.2.3; onem2m.md A.4).

use std::sync::{Arc, PoisonError};

use ics_channel::{DeviceCertificate, RefusedAttempt, Taken};
use ics_core::device::Channel;
use ics_core::id::AeId;
use ics_core::principal::{DeviceIdentity, PeerCertificate, Principal, Proof};
use ics_core::service::{DeviceClaim, DeviceRefusal};
use ics_core::time::Timestamp;

use super::Cse;
use crate::address::Names;
use crate::caller::{AeCertificate, Caller, Originator, Standing};
use crate::primitive::{Operation, Refusal, Request};
use crate::resource::Type;
use crate::rsc::Rsc;

impl Cse {
    pub(super) async fn identify(
        &self,
        caller: &Caller,
        request: &Request,
        now: Timestamp,
    ) -> Result<Originator, Refusal> {
        let names = &self.settings.names;
        let id = normal_form(request.from.as_deref().unwrap_or_default(), names);
        let standing = match caller {
            Caller::Loopback => self.believe(&id),
            Caller::Cse(hop) => self.hop(hop, &id)?,
            Caller::Mailbox(platform) => self.correspondent(platform, &id)?,
            Caller::Sp(certificate) => self.party(certificate, &id, now)?,
            Caller::Ae(certificate) => self.certified_ae(certificate, &id, now)?,
            Caller::Certified(certificate) => {
                let identity = self.certified_device(certificate, now).await?;
                self.check_pace(&identity, now)?;
                self.device(identity, &id, request)?
            }
            Caller::Device(identity) => {
                self.admit_device(identity, now).await?;
                self.device(Arc::clone(identity), &id, request)?
            }
        };
        Ok(Originator { id, standing })
    }

    /// In a sandbox: who it says it is. But nobody is believed who comes through another CSE: it is
    /// asked for its `tok` there as it would be elsewhere.
    fn believe(&self, id: &str) -> Standing {
        if self.settings.admin.as_deref() == Some(id) {
            return Standing::Admin;
        }
        let registrar = self.settings.registrar.as_deref();
        if let Some(standing) = registrar.and_then(|hop| of_hop(hop, id)) {
            return standing;
        }
        let directory = self.ports.service.directory();
        let party = AeId::parse(id).ok();
        let party = party.and_then(|ae| directory.party_of_ae(&ae).cloned());
        party.map_or(Standing::Believed, |party| {
            Standing::Party(Principal {
                sp: party.id.clone(),
                proof: Proof::Claim(party.id.clone()),
                scopes: party.scopes(),
                consent: None,
            })
        })
    }

    /// The registrar vouches for itself, and for that an originator came from under it; another CSE
    /// for nothing.
    fn hop(&self, hop: &str, id: &str) -> Result<Standing, Refusal> {
        let registrar = self.settings.registrar.as_deref();
        if registrar != Some(hop) {
            let said = "the CSE of the certificate is not the registrar";
            return Err(Refusal::new(Rsc::OriginatorNotAuthenticated, said));
        }
        of_hop(hop, id).ok_or_else(not_proved)
    }

    /// The policy of the container lets one AE write there, and the platform vouches for that. Whose key
    /// is registered, signs all the same.
    fn correspondent(&self, platform: &str, id: &str) -> Result<Standing, Refusal> {
        let directory = self.ports.service.directory();
        let ae = AeId::parse(id).map_err(|_| not_proved())?;
        let party = directory.party_of_ae(&ae).ok_or_else(not_proved)?;
        if ae.cse_id() != platform {
            return Err(not_proved());
        }
        let key = party.onem2m.as_ref().and_then(|own| own.key.as_ref());
        Ok(match key {
            Some(_) => Standing::BehindHop,
            None => Standing::Party(Principal {
                sp: party.id.clone(),
                proof: Proof::Claim(party.id.clone()),
                scopes: party.scopes(),
                consent: None,
            }),
        })
    }

    /// A service provider speaks as the AE that the operator registered for it, and as no other.
    fn party(
        &self,
        certificate: &Arc<PeerCertificate>,
        id: &str,
        now: Timestamp,
    ) -> Result<Standing, Refusal> {
        let directory = self.ports.service.directory();
        let party = directory.admit(certificate, now);
        let party = party.map_err(|_| not_proved())?;
        let own = party.onem2m.as_ref();
        if own.is_none_or(|own| own.ae.as_str() != id) {
            return Err(not_proved());
        }
        Ok(Standing::Party(Principal {
            sp: certificate.sp.clone(),
            proof: Proof::Certificate(Arc::clone(certificate)),
            scopes: party.scopes(),
            consent: None,
        }))
    }

    fn certified_ae(
        &self,
        certificate: &AeCertificate,
        id: &str,
        now: Timestamp,
    ) -> Result<Standing, Refusal> {
        let directory = self.ports.service.directory();
        let party = directory.party_of_ae(&certificate.ae);
        let party = party.ok_or_else(not_proved)?;
        let of_party = PeerCertificate {
            sp: party.id.clone(),
            thumbprint: certificate.thumbprint,
            serial: certificate.serial.clone(),
            // Its authority is the platform's: no list of a service provider's is of it.
            issuer: None,
            not_after: certificate.not_after,
        };
        self.party(&Arc::new(of_party), id, now)
    }

    async fn certified_device(
        &self,
        certificate: &DeviceCertificate,
        now: Timestamp,
    ) -> Result<Arc<DeviceIdentity>, Refusal> {
        let claim = DeviceClaim::Certificate {
            iot_sp: &certificate.iot_sp,
            device_id: &certificate.device_id,
            thumbprint: certificate.thumbprint,
        };
        let service = &self.ports.service;
        let admitted = service.authenticate_device(claim, Channel::OneM2m, now);
        admitted.await.map_err(not_admitted)
    }

    /// A device on a connection of its own is held to its rate here; the sessions of other channels hold
    /// theirs to it themselves.
    fn check_pace(&self, identity: &DeviceIdentity, now: Timestamp) -> Result<(), Refusal> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken::Beyond { is_news } = pace.take(&identity.device_id, now) else {
            return Ok(());
        };
        drop(pace);
        if is_news {
            let devices = &self.ports.devices;
            devices.note_refused(Some(identity), RefusedAttempt::TooFast);
        }
        let said = "too many requests of this device: come back later";
        Err(Refusal::new(Rsc::InternalServerError, said))
    }

    /// A device that another channel let in: it may be hosted there, and not here.
    async fn admit_device(&self, identity: &DeviceIdentity, now: Timestamp) -> Result<(), Refusal> {
        let service = &self.ports.service;
        let admitted = service.admit_device(identity, Channel::OneM2m, now);
        admitted.await.map(drop).map_err(not_admitted)
    }

    /// A device speaks as its own AE, or registers one.
    fn device(
        &self,
        identity: Arc<DeviceIdentity>,
        id: &str,
        request: &Request,
    ) -> Result<Standing, Refusal> {
        let is_registration = request.operation == Operation::Create
            && request.resource_type == Some(Type::Ae.number());
        let is_own = match self.tree.ae(id) {
            Some(ae) => ae.device.as_ref() == Some(&identity.device_id),
            None => is_registration,
        };
        if is_own {
            Ok(Standing::Device(identity))
        } else {
            Err(not_proved())
        }
    }
}

/// What the CSE of the last hop vouches for: itself, and that an originator came from under it.
pub(super) fn of_hop(hop: &str, id: &str) -> Option<Standing> {
    let below = id.strip_prefix('/')?.strip_prefix(hop)?;
    match below.strip_prefix('/') {
        None if below.is_empty() => Some(Standing::Hop),
        Some(ae) if !ae.is_empty() => Some(Standing::BehindHop),
        _ => None,
    }
}

/// SP-relative for others, the stem alone for AEs of ours. An absolute identifier of another domain is
/// its SP-relative one: the certificate says which domain that is.
pub(super) fn normal_form(from: &str, names: &Names) -> String {
    let sp_relative = match from.strip_prefix("//") {
        Some(absolute) => match absolute.split_once('/') {
            Some((_, rest)) => format!("/{rest}"),
            None => from.to_owned(),
        },
        None => from.to_owned(),
    };
    let own = format!("/{}/", names.cse_id);
    match sp_relative.strip_prefix(&own) {
        Some(stem) => stem.to_owned(),
        None => sp_relative,
    }
}

fn not_admitted(refusal: DeviceRefusal) -> Refusal {
    match refusal {
        DeviceRefusal::Unauthenticated(_) => not_proved(),
        DeviceRefusal::Failure(_) => Refusal::new(Rsc::InternalServerError, "not now; ask again"),
    }
}

const fn not_proved() -> Refusal {
    Refusal::new(
        Rsc::OriginatorNotAuthenticated,
        "the originator is not the one that the connection proves",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_vouches_for_what_lies_under_it_alone() {
        assert!(matches!(of_hop("id-in", "/id-in"), Some(Standing::Hop)));
        assert!(matches!(
            of_hop("id-in", "/id-in/Cshop"),
            Some(Standing::BehindHop)
        ));
        for id in [
            "/id-in/",
            "/id-inn/Cshop",
            "id-in/Cshop",
            "/id-mn/Cshop",
            "Cshop",
            "",
        ] {
            assert!(of_hop("id-in", id).is_none(), "{id}");
        }
    }

    #[test]
    fn ids_of_ours_are_their_stems_in_every_form() {
        let names = Names {
            cse_id: "id-ics".into(),
            cse_name: "ics".into(),
            sp_domain: "ics.example".into(),
        };
        for (from, normal) in [
            ("Cdev", "Cdev"),
            ("/id-ics/Cdev", "Cdev"),
            ("//ics.example/id-ics/Cdev", "Cdev"),
            ("/id-in/Cshop", "/id-in/Cshop"),
            ("//in.example/id-in/Cshop", "/id-in/Cshop"),
            ("", ""),
        ] {
            assert_eq!(normal_form(from, &names), normal);
        }
    }
}
