//! `inq`: Y.4462 10.3. The answer is in the content of the 2001, and nothing is kept. Every miss is the
//! same 4004.

use ics_core::id::{ServiceUri, Uti};
use ics_core::mapping::MappingKey;
use ics_core::time::Timestamp;
use serde_json::{Value, json};

use super::content::Attributes;
use super::{Call, FLEX_CONTAINER, INQUIRY, Ics, Shown, answer_unkept};
use crate::primitive::{Outcome, Refusal};
use crate::rsc::Rsc;

const ASKED: [&str; 5] = ["cnd", "svu", "uti", "did", "cr"];

impl Ics {
    /// Case 1, of a device, where `did` is given; else case 2, of a transaction.
    pub(super) async fn inquire(&self, call: &Call<'_>) -> Outcome {
        let attributes = Attributes::of(call.request, INQUIRY)?.allow(&ASKED)?;
        self.check_definition(attributes, false)?;
        let shown = match (attributes.has("did"), attributes.has("uti")) {
            (true, true) => {
                let said = "asks for the pairs of a device, or `uti` for the device of a pair";
                return Err(Refusal::about(Rsc::BadRequest, "did", said));
            }
            (true, false) => self.inquire_by_device(attributes, call).await?,
            (false, _) => self.inquire_by_transaction(attributes, call).await?,
        };
        answer_unkept(call.request, INQUIRY, shown)
    }

    /// Case 1: all three identifiers, for each row of the device.
    async fn inquire_by_device(
        &self,
        attributes: Attributes<'_>,
        call: &Call<'_>,
    ) -> Result<Shown, Refusal> {
        let service = &self.ports.service;
        let parse = |text: &str| service.schemes().parse_device_id(text);
        let device_id = attributes.need("did", parse)?;
        let service_uri = attributes.read("svu", ServiceUri::parse)?;
        let asked = (&device_id, service_uri.as_ref());
        let answer = service
            .inquire_by_device(&call.principal, asked, call.now)
            .await?;
        let did = device_id.as_str();
        let rows = answer.mappings.iter().map(|(key, _)| {
            json!({ "did": did, "svu": key.service_uri.as_str(), "uti": key.uti.as_str() })
        });
        let mut shown = self.unkept(call.now);
        shown.insert("did".into(), did.into());
        shown.insert("idmap".into(), rows.collect());
        Ok(shown)
    }

    /// Case 2: the device, where both lie in the same row (10.3 step 2).
    async fn inquire_by_transaction(
        &self,
        attributes: Attributes<'_>,
        call: &Call<'_>,
    ) -> Result<Shown, Refusal> {
        let key = MappingKey {
            service_uri: attributes.need("svu", ServiceUri::parse)?,
            uti: attributes.need("uti", Uti::parse)?,
        };
        let service = &self.ports.service;
        let answer = service
            .inquire_by_transaction(&call.principal, &key, call.now)
            .await?;
        let mut shown = self.unkept(call.now);
        let mut put = |name: &str, text: &str| shown.insert(name.into(), text.into());
        put("svu", key.service_uri.as_str());
        put("uti", key.uti.as_str());
        put("did", answer.device_id.as_str());
        put("isp", answer.iot_sp.as_str());
        Ok(shown)
    }

    /// What is gone with its answer.
    pub(super) fn unkept(&self, now: Timestamp) -> Shown {
        let now = crate::time::format(now);
        let mut shown = Shown::new();
        let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
        put("ty", FLEX_CONTAINER.into());
        put("cnd", self.views.definition().into());
        put("ct", now.clone().into());
        put("et", now.into());
        shown
    }
}
