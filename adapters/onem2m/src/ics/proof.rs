//! Who asks, as the core knows parties: by certificate, by `tok`, or believed in a sandbox. Whoever
//! is not proved is nobody here, whatever `fr` says.

use std::borrow::Cow;
use std::sync::Arc;

use ics_core::directory::Directory;
use ics_core::id::AeId;
use ics_core::party::{Party, PartyStatus};
use ics_core::port::Denied;
use ics_core::principal::{Principal, Proof};
use ics_core::time::Timestamp;
use serde_json::Value;

use super::{Ics, Place, refusal};
use crate::address::Address;
use crate::caller::{Originator, Standing};
use crate::primitive::{Operation, Refusal, Request};
use crate::rsc::Rsc;
use crate::token::{self, Expected, NotProved};

/// A caller that proved itself, and its request without the proof.
pub(super) struct Proved<'a> {
    pub(super) principal: Principal,
    pub(super) request: Cow<'a, Request>,
    /// The token it came with, which is good for this request alone.
    pub(super) token: Option<Used>,
}

/// A token that proved a request.
pub(super) struct Used {
    pub(super) jti: String,
    pub(super) digest: [u8; 32],
    pub(super) expires: Timestamp,
}

impl Ics {
    /// Whether the originator may see a collection without being a party: the operator's own may.
    pub(super) fn may_look(&self, (who, place): (&Originator, Place), request: &Request) -> bool {
        let is_collection = matches!(place, Place::Map | Place::Inq | Place::Pnd | Place::Dmp);
        let is_admin = matches!(who.standing, Standing::Admin);
        is_admin && is_collection && request.operation == Operation::Retrieve
    }

    /// Proves the originator, and admits it.
    pub(super) fn prove<'a>(
        &self,
        who: &Originator,
        place: Place,
        request: &'a Request,
        now: Timestamp,
    ) -> Result<Proved<'a>, Refusal> {
        let (request, token) = split_token(request);
        let (principal, token) = match &who.standing {
            Standing::Party(principal) => (principal.clone(), None),
            Standing::BehindHop => {
                let token = token.ok_or(NotProved::Missing)?;
                let (principal, used) = self.verify((who, place), (&token, &request), now)?;
                (principal, Some(used))
            }
            Standing::Believed => (self.believe(who)?, None),
            Standing::Admin | Standing::Device(_) | Standing::Hop => {
                return Err(for_providers());
            }
        };
        let directory = self.ports.service.directory();
        let party = directory
            .party(&principal.sp)
            .filter(|party| is_served(party));
        let party = party.ok_or(Denied::NotServed)?;
        self.ports
            .limiter
            .admit(party, now)
            .map_err(refusal::too_fast)?;
        Ok(Proved {
            principal,
            request,
            token,
        })
    }

    /// The party whose key signed for this request.
    fn verify(
        &self,
        (who, place): (&Originator, Place),
        (token, request): (&str, &Request),
        now: Timestamp,
    ) -> Result<(Principal, Used), Refusal> {
        let names = self.views.names();
        let is_target = |to: &str| {
            let address = Address::parse(to, names).ok();
            address.and_then(|address| self.place(&address)) == Some(place)
        };
        let empty = serde_json::Map::new();
        let content = request.content.iter().flat_map(|content| content.values());
        let content = content.filter_map(Value::as_object).next();
        let expected = Expected {
            from: &who.id,
            operation: request.operation,
            request_id: &request.request_id,
            audience: &names.sp_relative_cse_id(),
            is_target: &is_target,
            content: content.unwrap_or(&empty),
        };
        let verifier = self.ports.verifier.as_ref();
        let claimed = token::read(token, &expected, verifier, (self.started, now))?;
        let directory = self.ports.service.directory();
        let party = find_party(&directory, &who.id);
        let ae = party.and_then(|party| party.onem2m.as_ref());
        claimed.verify(ae.and_then(|ae| ae.key.as_ref()), verifier)?;
        let party = party.ok_or(NotProved::Signature)?;
        let used = Used {
            jti: claimed.jti,
            // With the request's id, whether or not the token names it: only a repetition is answered again.
            digest: verifier.sha256(format!("{token} {}", request.request_id).as_bytes()),
            expires: claimed.expires,
        };
        Ok((
            principal_of(party, Proof::Signature(party.id.clone())),
            used,
        ))
    }

    /// The party whose AE says it asks, where that is believed.
    fn believe(&self, who: &Originator) -> Result<Principal, Refusal> {
        let ae = if who.id.starts_with('/') {
            who.id.clone()
        } else {
            self.views.names().sp_relative(&who.id)
        };
        let directory = self.ports.service.directory();
        let party = find_party(&directory, &ae).ok_or_else(|| {
            let said = "no service provider has this AE: it is registered by the operator";
            Refusal::new(Rsc::OriginatorHasNoPrivilege, said)
        })?;
        Ok(principal_of(party, Proof::Claim(party.id.clone())))
    }
}

pub(super) const fn for_providers() -> Refusal {
    Refusal::new(
        Rsc::OriginatorHasNoPrivilege,
        "the operation is open to service providers alone",
    )
}

/// All its roles allow: there are no scopes on oneM2M.
fn principal_of(party: &Party, proof: Proof) -> Principal {
    Principal {
        sp: party.id.clone(),
        proof,
        scopes: party.scopes(),
        consent: None,
    }
}

fn find_party<'a>(directory: &'a Directory, ae: &str) -> Option<&'a Arc<Party>> {
    AeId::parse(ae)
        .ok()
        .and_then(|ae| directory.party_of_ae(&ae))
}

fn is_served(party: &Party) -> bool {
    party.status == PartyStatus::Active
}

/// The request without `tok`, and that.
fn split_token(request: &Request) -> (Cow<'_, Request>, Option<String>) {
    let has_token = |member: &Value| member.get("tok").is_some_and(Value::is_string);
    let member = request
        .content
        .as_ref()
        .filter(|content| content.len() == 1);
    if !member.is_some_and(|content| content.values().any(has_token)) {
        return (Cow::Borrowed(request), None);
    }
    let mut request = request.clone();
    let members = request.content.iter_mut().flat_map(|c| c.values_mut());
    let mut token = None;
    for member in members.filter_map(Value::as_object_mut) {
        if let Some(Value::String(text)) = member.remove("tok") {
            token = Some(text);
        }
    }
    (Cow::Owned(request), token)
}
