//! Who registers here, and under which ID: AEs (TS-0001 10.2.2.2) and other CSEs.

use serde_json::{Map, Value};

use crate::caller::Standing;
use crate::primitive::Refusal;
use crate::resource::{Type, is_name};
use crate::rsc::Rsc;

use super::create::Birth;
use super::no_privilege;
use super::nodes::{Node, Nodes};

impl Birth<'_> {
    /// The AE-ID a registration leads to (TS-0001 10.2.2.2; TS-0004 7.4.5.2.1).
    pub(super) fn registration(
        &self,
        nodes: &Nodes,
        attributes: &mut Map<String, Value>,
    ) -> Result<String, Refusal> {
        if !matches!(
            self.who.standing,
            Standing::Admin | Standing::Device(_) | Standing::Believed
        ) {
            return Err(no_privilege());
        }
        let is_registered = if let Standing::Device(identity) = &self.who.standing {
            nodes.ae_of(&identity.device_id).is_some()
        } else {
            false
        };
        let id = match self.who.id.as_str() {
            "" | "C" => format!("C{:016x}", self.random & u128::from(u64::MAX)),
            "S" => format!("S{:016x}", self.random & u128::from(u64::MAX)),
            id if id.starts_with(['C', 'S']) && is_name(id) => id.to_owned(),
            _ => {
                let said = "an AE-ID begins with C or S";
                return Err(Refusal::about(Rsc::SecurityAssociationRequired, "fr", said));
            }
        };
        let has_type = |node: &Node| node.resource.ty == Type::Ae;
        if is_registered || nodes.node(&id).is_some_and(has_type) {
            let said = "the originator is registered already";
            return Err(Refusal::new(Rsc::AlreadyRegistered, said));
        }
        let release = self.request.release.as_deref();
        let is_early = matches!(release, Some("2a" | "3"));
        let application = attributes.get("api").and_then(Value::as_str).unwrap_or("");
        let is_application = match application.chars().next() {
            Some('N' | 'R') => true,
            Some('r') => is_early,
            _ => false,
        };
        if !is_application || application.len() < 2 {
            let said = "is an App-ID: it begins with N or R";
            return Err(Refusal::about(Rsc::BadRequest, "api", said));
        }
        // `srv` came with release 3.
        if !attributes.contains_key("srv") && release != Some("2a") {
            return Err(Refusal::about(Rsc::BadRequest, "srv", "is missing"));
        }
        attributes.insert("aei".into(), id.as_str().into());
        Ok(id)
    }

    /// The ID of a `<remoteCSE>` is the CSE-ID without its slash.
    pub(super) fn peer_id(
        &self,
        nodes: &Nodes,
        attributes: &Map<String, Value>,
    ) -> Result<String, Refusal> {
        let csi = attributes.get("csi").and_then(Value::as_str);
        if csi != Some(self.who.id.as_str()) {
            let said = "is not the CSE-ID of the originator";
            return Err(Refusal::about(Rsc::BadRequest, "csi", said));
        }
        let id = self.who.id.trim_start_matches('/').to_owned();
        if nodes.node(&id).is_some() {
            return Err(Refusal::new(Rsc::Conflict, "the CSE is registered already"));
        }
        Ok(id)
    }

    /// Which CSEs may register is said by the operator.
    pub(super) fn check_peer(&self) -> Result<(), Refusal> {
        let is_itself = matches!(self.who.standing, Standing::Hop | Standing::Believed);
        let id = self.who.id.strip_prefix('/').unwrap_or_default();
        if is_itself && self.settings.peers.iter().any(|peer| peer == id) {
            Ok(())
        } else {
            let said = "the CSE is not one that may register here";
            Err(Refusal::new(Rsc::OriginatorHasNoPrivilege, said))
        }
    }
}
