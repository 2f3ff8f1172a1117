//! A pushed authorization request (RFC 9126) and what it asks for (RFC 9396): read whole, or refused
//! with the RFC's own code. No I/O.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{CallbackUri, DeviceSerialNumber, InvalidId, ServiceUri, SpId};
use ics_core::mapping::Attribute;
use ics_core::party::Party;
use ics_core::reference_point::{ReferencePoint, Scopes};
use ics_core::service::ConsentAsk;
use ics_core::time::Timestamp;
use serde::Deserialize;

use crate::error::Refusal;
use crate::wire::Form;

/// The one type of authorization details (RFC 9396 2): one mapping.
pub(crate) const DETAILS_TYPE: &str = "ics_mapping";

/// The longest `state`, and the longest `authorization_details`, in bytes.
const LONGEST_STATE: usize = 512;
const LONGEST_DETAILS: usize = 4096;

/// What a client pushed, parsed.
#[derive(Clone, Debug)]
pub(crate) struct PushedRequest {
    pub(crate) redirect_uri: CallbackUri,
    pub(crate) state: String,
    /// SHA-256 of the code verifier (RFC 7636 4.2).
    pub(crate) challenge: [u8; 32],
    pub(crate) ask: ConsentAsk,
}

impl PushedRequest {
    /// Reads the form of a client that is `party`.
    pub(crate) fn parse(form: &Form, party: &Party) -> Result<Self, Refusal> {
        // RFC 9126 2.1: never a request by reference again; nor one in a JWT here.
        if form
            .value("request_uri")
            .or(form.value("request"))
            .is_some()
        {
            return Err(Refusal::ByReference);
        }
        match form.value("response_type") {
            Some("code") => {}
            Some(_) => return Err(Refusal::ResponseType),
            None => return Err(Refusal::ParameterMissing("response_type")),
        }
        match form.value("response_mode") {
            None | Some("query") => {}
            Some(_) => return Err(Refusal::ResponseMode),
        }
        let need = |name| form.value(name).ok_or(Refusal::ParameterMissing(name));
        if let Some(scope) = form.value("scope")
            && Scopes::parse(scope) != Some(Scopes::NONE.with(ReferencePoint::Ics1))
        {
            return Err(Refusal::CodeScope);
        }
        Ok(Self {
            redirect_uri: read_redirect_uri(need("redirect_uri")?, party)?,
            state: read_state(need("state")?)?,
            challenge: read_challenge(
                need("code_challenge")?,
                form.value("code_challenge_method"),
            )?,
            ask: read_details(need("authorization_details")?)?,
        })
    }
}

/// RFC 9126 2.4: of a client that proved itself, any URI at an origin that the operator pinned for
/// it; from here on compared byte by byte.
fn read_redirect_uri(text: &str, party: &Party) -> Result<CallbackUri, Refusal> {
    let uri = CallbackUri::parse(text).map_err(|_| Refusal::RedirectUri)?;
    if party.may_be_notified_at(&uri) {
        Ok(uri)
    } else {
        Err(Refusal::RedirectUri)
    }
}

/// RFC 6749 appendix A.5.
fn read_state(text: &str) -> Result<String, Refusal> {
    let fits = text.len() <= LONGEST_STATE && text.bytes().all(|b| (0x20..=0x7e).contains(&b));
    fits.then(|| text.to_owned()).ok_or(Refusal::State)
}

/// RFC 7636 4.3, RFC 9700 2.1.1: S256 and nothing else; "plain" is what is meant where none is told.
fn read_challenge(text: &str, method: Option<&str>) -> Result<[u8; 32], Refusal> {
    if method != Some("S256") {
        return Err(Refusal::ChallengeMethod);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let hash = bytes.and_then(|bytes| bytes.try_into().ok());
    hash.ok_or(Refusal::Challenge)
}

/// `authorization_details`: one object of [`DETAILS_TYPE`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Details<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    service_uri: Cow<'a, str>,
    #[serde(borrow)]
    device_serial_number: Cow<'a, str>,
    #[serde(borrow, default)]
    device_vendor: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    device_model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    iot_sp_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    purpose: Cow<'a, str>,
    #[serde(borrow, default)]
    expires: Option<Cow<'a, str>>,
}

/// What a user is to be asked, as RFC 9396 has it written.
pub(crate) fn read_details(text: &str) -> Result<ConsentAsk, Refusal> {
    if text.len() > LONGEST_DETAILS {
        return Err(Refusal::Details("it is too long"));
    }
    let parsed: Result<[Details<'_>; 1], _> = serde_json::from_str(text);
    let [details] = parsed.map_err(|_| {
        Refusal::Details(
            "it must be an array of one object with type, serviceUri, deviceSerialNumber and \
             purpose, and deviceVendor, deviceModel, iotSpId and expires where told",
        )
    })?;
    if details.kind != DETAILS_TYPE {
        return Err(Refusal::Details("its type must be ics_mapping"));
    }
    let attribute = |text: &Cow<'_, str>| Attribute::parse(text);
    let named = |which| move |_: InvalidId| Refusal::Details(which);
    Ok(ConsentAsk {
        service_uri: ServiceUri::parse(&details.service_uri).map_err(named("serviceUri"))?,
        serial: DeviceSerialNumber::parse(&details.device_serial_number)
            .map_err(named("deviceSerialNumber"))?,
        vendor: (details.device_vendor.as_ref().map(attribute))
            .transpose()
            .map_err(named("deviceVendor"))?,
        model: (details.device_model.as_ref().map(attribute))
            .transpose()
            .map_err(named("deviceModel"))?,
        iot_sp: (details.iot_sp_id.as_ref().map(|id| SpId::parse(id)))
            .transpose()
            .map_err(named("iotSpId"))?,
        purpose: attribute(&details.purpose).map_err(named("purpose"))?,
        expires: (details.expires.as_ref().map(|end| Timestamp::parse(end)))
            .transpose()
            .map_err(|_| Refusal::Details("expires"))?,
    })
}

#[cfg(test)]
mod tests;
