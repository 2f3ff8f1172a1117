//! What a hosted device may ask of the ICS itself: its own pairs (Y.4462 10.3 case 1), and to give one up
//! (10.2). All else is for service providers.

use std::sync::Arc;

use ics_channel::RefusedAttempt;
use ics_core::id::{ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use ics_core::principal::DeviceIdentity;
use ics_core::service::Given;
use ics_core::time::Timestamp;
use serde_json::json;

use super::content::Attributes;
use super::{DEMAPPING, FLEX_CONTAINER, INQUIRY, Ics, Place, answer_unkept, proof, refusal};
use crate::hosted::refusal_of;
use crate::primitive::{Operation, Outcome, Request};

const ASKED: [&str; 4] = ["cnd", "did", "svu", "cr"];
const GIVEN_UP: [&str; 4] = ["cnd", "svu", "uti", "cr"];

impl Ics {
    pub(super) async fn answer_device(
        &self,
        (identity, place): (&Arc<DeviceIdentity>, Place),
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let is_content = request.resource_type == Some(FLEX_CONTAINER);
        match (place, request.operation) {
            (Place::Inq, Operation::Create) if is_content => {
                self.inquire_own(identity, request, now).await
            }
            (Place::Dmp, Operation::Create) if is_content => {
                self.give_up(identity, request, now).await
            }
            _ => Err(proof::for_providers()),
        }
    }

    /// Case 2 is for service providers. Of another device it is told what it is told where there is
    /// nothing.
    async fn inquire_own(
        &self,
        identity: &Arc<DeviceIdentity>,
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let attributes = Attributes::of(request, INQUIRY)?;
        if !attributes.has("did") || attributes.has("uti") {
            return Err(proof::for_providers());
        }
        let attributes = attributes.allow(&ASKED)?;
        self.check_definition(attributes, false)?;
        answer_unkept(request, INQUIRY, self.unkept(now))?;
        let schemes = self.ports.service.schemes();
        let device_id = attributes.need("did", |text| schemes.parse_device_id(text))?;
        let service_uri = attributes.read("svu", ServiceUri::parse)?;
        if device_id != identity.device_id {
            let attempt = RefusedAttempt::RequestForeign;
            self.ports.devices.note_refused(Some(identity), attempt);
            return Err(refusal::not_found());
        }
        let devices = &self.ports.devices;
        let own = devices.inquire(identity, service_uri.as_ref(), now).await;
        let did = device_id.as_str();
        let own = own.map_err(refusal_of)?;
        let rows = own.iter().map(|row| {
            json!({ "did": did, "svu": row.key.service_uri.as_str(), "uti": row.key.uti.as_str() })
        });
        let mut shown = self.unkept(now);
        shown.insert("did".into(), did.into());
        shown.insert("idmap".into(), rows.collect());
        answer_unkept(request, INQUIRY, shown)
    }

    /// De-mapping with a cause is for the two SPs.
    async fn give_up(
        &self,
        identity: &Arc<DeviceIdentity>,
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let attributes = Attributes::of(request, DEMAPPING)?;
        if attributes.has("did") || attributes.has("mcau") {
            return Err(proof::for_providers());
        }
        let attributes = attributes.allow(&GIVEN_UP)?;
        self.check_definition(attributes, false)?;
        answer_unkept(request, DEMAPPING, self.unkept(now))?;
        let given = Given::Key(MappingKey {
            service_uri: attributes.need("svu", ServiceUri::parse)?,
            uti: attributes.need("uti", Uti::parse)?,
        });
        let given_up = self.ports.devices.give_up(identity, &given, now).await;
        given_up.map_err(refusal_of)?;
        let mut shown = self.unkept(now);
        shown.insert("rmvd".into(), 1.into());
        answer_unkept(request, DEMAPPING, shown)
    }
}
