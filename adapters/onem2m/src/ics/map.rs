//! `map`: Y.4462 10.1 steps 1 and 2, and what a third party SP does with its rows; de-mapping of one
//! row by either side, where the caller proved itself by certificate.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{DeviceSerialNumber, MappingId, PairingCode, ServiceUri, SpId, Uti};
use ics_core::mapping::{
    Attribute, Consent, DemappingCause, Features, Mapping, MappingKey, MappingStatus,
};
use ics_core::port::Denied;
use ics_core::reference_point::Role;
use ics_core::service::{DemapError, DemapRequest, MappingError, MappingRequest, Selector};
use ics_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::content::{Attributes, missing};
use super::discovery::Conditions;
use super::{Call, Ics, Place, ROW, Shown, refusal, take_listed, wrong_result_content};
use crate::primitive::{Answer, Outcome, Refusal, ResponseType};
use crate::rsc::Rsc;
use crate::time;

/// What a mapping request may say.
const REQUEST: [&str; 17] = [
    "cnd", "svu", "uti", "dsn", "isp", "man", "mod", "et", "vper", "e2e", "pcod", "ucid", "ucgt",
    "ucpu", "ucsu", "ucex", "cr",
];

/// The attributes of a row, in any view.
pub(super) const ATTRIBUTES: [&str; 24] = [
    "ri", "rn", "pi", "ty", "ct", "lt", "et", "lbl", "cnd", "acpi", "cr", "svu", "uti", "did",
    "dsn", "isp", "man", "mod", "vper", "e2e", "msta", "mcau", "ucid", "ucpu",
];

/// The most bytes of an end-to-end value (t8 A.1).
const MOST_END_TO_END: usize = 1024;

/// How long a request is held open at most while it waits for its device, and how often is looked.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// How many rows one look at the store takes.
const PAGE: usize = 256;

impl Ics {
    /// 2001, whether the row is new or the same request made it before.
    pub(super) async fn request_mapping(&self, call: &Call<'_>) -> Outcome {
        let attributes = Attributes::of(call.request, ROW)?.allow(&REQUEST)?;
        self.check_definition(attributes, true)?;
        if attributes.value("cr").is_some_and(|cr| !cr.is_null()) {
            let said = "is set by the receiver: send null";
            return Err(Refusal::about(Rsc::BadRequest, "cr", said));
        }
        if !matches!(call.request.result_content, None | Some(0..=3 | 9)) {
            return Err(wrong_result_content());
        }
        let request = read_request(attributes)?;
        let service = &self.ports.service;
        let (row, is_new) = service
            .request_mapping(&call.principal, &request, call.now)
            .await?;
        if is_new {
            self.tell_creation(&row, call);
        }
        let row = self.wait_for_device(row, call).await?;
        Ok(self.answer_created(&row, call))
    }

    /// Whether `cnd` is this service's.
    pub(super) fn check_definition(
        &self,
        attributes: Attributes<'_>,
        needed: bool,
    ) -> Result<(), Refusal> {
        match attributes.text("cnd")? {
            Some(text) if text == self.views.definition() => Ok(()),
            Some(_) => Err(Refusal::about(
                Rsc::ContentsUnacceptable,
                "cnd",
                "is not the definition of this service",
            )),
            None if needed => Err(missing("cnd")),
            None => Ok(()),
        }
    }

    /// A blocking request that says how long it waits is held until the row is settled, or that time
    /// is over, or [`LONGEST_WAIT`] is.
    async fn wait_for_device(&self, row: Mapping, call: &Call<'_>) -> Result<Mapping, Refusal> {
        let is_blocking = matches!(
            call.request.response_type,
            ResponseType::Blocking | ResponseType::Flexible(_)
        );
        let end = call.request.request_expiration.as_deref();
        let Some(end) = end.filter(|_| is_blocking) else {
            return Ok(row);
        };
        let wrong = || Refusal::about(Rsc::BadRequest, "rqet", "is no timestamp");
        // What is left of it is for the way back.
        let end = time::parse_relative(end, call.now).ok_or_else(wrong)?;
        let wait = end.since(call.now).mul_f32(0.9).min(LONGEST_WAIT);
        let begun = Instant::now();
        let mut row = row;
        loop {
            match row.status_towards(Role::ThirdPartySp) {
                MappingStatus::Established => return Ok(row),
                MappingStatus::Failed | MappingStatus::Deleted => {
                    return Err(refusal::refuse_waiting(&row));
                }
                MappingStatus::Pending => {}
            }
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(row);
            }
            sleep(left.min(LOOK)).await;
            let now = call.now.plus(begun.elapsed());
            let service = &self.ports.service;
            row = service.read_mapping(&call.principal, row.id, now).await?;
        }
    }

    fn answer_created(&self, row: &Mapping, call: &Call<'_>) -> Answer {
        let place = Place::Row(row.id);
        let address = self.views.address(place, false);
        let mut shown = self.show_own(row);
        let answer = match call.request.result_content {
            Some(0) => Answer::empty(Rsc::Created),
            Some(2) => Answer::with(Rsc::Created, "m2m:uri", address.clone().into()),
            Some(3) => {
                let both = json!({ "uri": address, ROW: shown });
                Answer::with(Rsc::Created, "m2m:rce", both)
            }
            // What the request said is known to whoever sent it.
            Some(9) => {
                let sent = call.request.content.as_ref().and_then(|c| c.get(ROW));
                shown.retain(|name, value| {
                    sent.and_then(|sent| sent.get(name.as_str())) != Some(value)
                });
                Answer::with(Rsc::Created, ROW, shown.into())
            }
            _ => Answer::with(Rsc::Created, ROW, shown.into()),
        };
        Answer {
            location: Some(address),
            ..answer
        }
    }

    /// A row as its third party sees it, who is its creator (`cr`) by the AE it speaks as.
    pub(super) fn show_own(&self, row: &Mapping) -> Shown {
        let mut shown = self.views.to_third_party(row);
        let directory = self.ports.service.directory();
        let party = directory.party(&row.third_party_sp);
        if let Some(own) = party.and_then(|party| party.onem2m.as_ref()) {
            shown.insert("cr".into(), own.ae.as_str().into());
        }
        shown
    }

    /// The caller's rows that match, tombstones included, oldest first.
    pub(super) async fn list_rows(
        &self,
        conditions: &Conditions<'_>,
        call: &Call<'_>,
    ) -> Result<Vec<(Place, Shown)>, Refusal> {
        let (mut passed, taken) = conditions.window();
        let mut found = Vec::new();
        let mut cursor = None;
        while found.len() < taken {
            let filter = (None, cursor.as_ref(), PAGE);
            let service = &self.ports.service;
            let (rows, next) = service
                .list_mappings(&call.principal, filter, call.now)
                .await?;
            let rows = rows
                .iter()
                .map(|row| (Place::Row(row.id), self.show_own(row)));
            for row in rows.filter(|(_, shown)| conditions.hold(shown)) {
                if passed > 0 {
                    passed = passed.saturating_sub(1);
                } else if found.len() < taken {
                    found.push(row);
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// A row as its third party sees it, or as its IoT SP does; to everybody else it is not there.
    pub(super) async fn retrieve_row(&self, id: MappingId, call: &Call<'_>) -> Outcome {
        let service = &self.ports.service;
        let read = service.read_mapping(&call.principal, id, call.now).await;
        let shown = match read {
            Ok(row) => self.show_own(&row),
            Err(MappingError::NotFound | MappingError::Denied(Denied::Role(_))) => {
                let open = service.take_over_assignment(&call.principal, id, call.now);
                let open = open.await.map_err(hide_role)?;
                self.views.to_iot_sp(&open, Place::Row(id))
            }
            Err(error) => return Err(error.into()),
        };
        show_row(shown, call)
    }

    /// De-maps a row (10.2), or cancels it while it is pending.
    pub(super) async fn delete_row(&self, id: MappingId, call: &Call<'_>) -> Outcome {
        if !matches!(call.request.result_content, None | Some(0)) {
            return Err(wrong_result_content());
        }
        let request = DemapRequest {
            // A DELETE says no more than that it is over.
            cause: DemappingCause::UserAuthorizationWithdrawn,
            sub_cause: None,
            selector: Selector::Mapping(id),
        };
        let demap = |role| {
            let service = &self.ports.service;
            service.demap(&call.principal, (role, &request), call.now)
        };
        let ended = match demap(Role::ThirdPartySp).await {
            Err(DemapError::NotFound | DemapError::Denied(Denied::Role(_))) => {
                demap(Role::IotSp).await
            }
            ended => ended,
        };
        ended.map_err(|error| match error {
            DemapError::Denied(Denied::Role(_)) => refusal::not_found(),
            error => error.into(),
        })?;
        self.tell_end(id, call).await;
        Ok(Answer::empty(Rsc::Deleted))
    }
}

/// A foreign row and one that is not there look the same.
fn hide_role(error: ics_core::service::AssignmentError) -> Refusal {
    match error {
        ics_core::service::AssignmentError::Denied(Denied::Role(_)) => refusal::not_found(),
        error => error.into(),
    }
}

/// A row by itself.
pub(super) fn show_row(shown: Shown, call: &Call<'_>) -> Outcome {
    if !matches!(call.request.result_content, None | Some(1)) {
        return Err(wrong_result_content());
    }
    let filter = &call.request.filter;
    if !Conditions::of(filter)?.hold(&shown) {
        return Err(refusal::not_found());
    }
    let shown = take_listed(shown, &filter.attribute_list, &ATTRIBUTES)?;
    Ok(Answer::with(Rsc::Ok, ROW, Value::from(shown)))
}

/// A mapping request as the core takes it.
fn read_request(attributes: Attributes<'_>) -> Result<MappingRequest, Refusal> {
    Ok(MappingRequest {
        key: MappingKey {
            service_uri: attributes.need("svu", ServiceUri::parse)?,
            uti: attributes.need("uti", Uti::parse)?,
        },
        // It may look like anything: makers print what they like.
        serial: read_serial(attributes)?,
        device_vendor: attributes.read("man", Attribute::parse)?,
        device_model: attributes.read("mod", Attribute::parse)?,
        iot_sp: attributes.read("isp", SpId::parse)?,
        validity: attributes.number("vper")?.map(Duration::from_secs),
        consent: read_consent(attributes)?,
        destination: None,
        websocket: false,
        features: Features::default(),
        uti_expiry: attributes.instant("et")?,
        e2e: read_end_to_end(attributes)?,
        pairing_code: attributes.read("pcod", PairingCode::parse)?,
        request_test: false,
    })
}

fn read_serial(attributes: Attributes<'_>) -> Result<DeviceSerialNumber, Refusal> {
    let text = attributes.text("dsn")?.ok_or_else(|| missing("dsn"))?;
    DeviceSerialNumber::parse(text)
        .map_err(|invalid| Refusal::about(Rsc::ContentsUnacceptable, "dsn", &invalid.to_string()))
}

fn read_consent(attributes: Attributes<'_>) -> Result<Option<Consent>, Refusal> {
    let members = ["ucid", "ucgt", "ucpu", "ucsu", "ucex"];
    if !members.iter().any(|name| attributes.has(name)) {
        return Ok(None);
    }
    let granted_at: Option<Timestamp> = attributes.instant("ucgt")?;
    Ok(Some(Consent {
        id: attributes.need("ucid", Attribute::parse)?,
        purpose: attributes.need("ucpu", Attribute::parse)?,
        subject: attributes.read("ucsu", Attribute::parse)?,
        granted_at: granted_at.ok_or_else(|| missing("ucgt"))?,
        expires: attributes.instant("ucex")?,
    }))
}

fn read_end_to_end(attributes: Attributes<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(text) = attributes.text("e2e")? else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let bytes = bytes.filter(|bytes| (1..=MOST_END_TO_END).contains(&bytes.len()));
    bytes.map(Some).ok_or_else(|| {
        let said = "must be base64url without padding, of 1 to 1024 bytes";
        Refusal::about(Rsc::BadRequest, "e2e", said)
    })
}
