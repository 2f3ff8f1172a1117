//! For `tests/fuzz` alone, behind the feature `fuzzing`: what private readers read, told as plain
//! values, so that it can be held against what was sent.

use std::time::Duration;

use ics_core::id::{IdentifierSchemes, SpId};
use ics_core::mapping::{Attribute, MappingKey};
use ics_core::port::Cursor;
use ics_core::reference_point::ReferencePoint;
use ics_core::service::{AnswerInput, MappingRequest, Selector};
use serde_json::{Map, Value};

use crate::guard::Credentials;
use crate::link::{Link, parse_row_link};
use crate::problem::Problem;
use crate::query::PageQuery;
use crate::translate;
use crate::wire::{
    Acknowledgement, Answer, CredentialOrder, Demap, DeviceInquiry, DevicePatch,
    DeviceRegistration, IdentityMapping, IdentityMappingPatch, InvalidBody, Object,
    SerialNamespace, Subscription, SubscriptionPatch, Text, TransactionInquiry, UserConsent,
    WebsockNotifConfig, Whole, parse_body, point_of_line,
};

/// What a body that was read says.
#[derive(Debug)]
pub struct Told {
    /// Its members, as JSON.
    pub members: Value,
    /// Whether it names members that may not change, which are not told.
    pub has_fixed_members: bool,
    /// Identifiers in it that must be anonymous, if the request it stands for is one that is
    /// taken.
    pub taken: Option<Vec<String>>,
}

/// Reads a body of the kind of that number, as its operation does.
///
/// # Errors
/// [`InvalidBody`].
pub fn read_body(kind: usize, bytes: &[u8]) -> Result<Told, InvalidBody> {
    match kind {
        0 => parse_body(bytes).map(|body| tell_mapping(&body)),
        1 => parse_body(bytes).map(|body| tell_mapping_patch(&body)),
        2 => parse_body(bytes).map(|body| tell_subscription(&body)),
        3 => parse_body(bytes).map(|body| tell_subscription_patch(&body)),
        4 => parse_body(bytes).map(|body| tell_answer(&body)),
        5 => parse_body(bytes).map(|body| tell_demap(&body)),
        6 => parse_body(bytes).map(|body| tell_device_inquiry(&body)),
        8 => parse_body(bytes).map(|body| tell_registration(&body)),
        9 => parse_body(bytes).map(|body| tell_credential_order(&body)),
        10 => parse_body(bytes).map(|body| tell_device_patch(&body)),
        _ => parse_body(bytes).map(|body| tell_transaction_inquiry(&body)),
    }
}

/// How many kinds of bodies there are.
pub const BODIES: usize = 11;

/// Reads a line of a bulk inquiry.
///
/// # Errors
/// [`InvalidBody`].
pub fn read_line(bytes: &[u8]) -> Result<Told, InvalidBody> {
    Ok(match point_of_line(bytes) {
        ReferencePoint::Ics8 => tell_device_inquiry(&parse_body(bytes)?),
        _ => tell_transaction_inquiry(&parse_body(bytes)?),
    })
}

/// Reads a frame of a websocket: the `notificationId` that it acknowledges.
///
/// # Errors
/// [`InvalidBody`].
pub fn read_acknowledgement(frame: &[u8]) -> Result<String, InvalidBody> {
    let acknowledgement = parse_body::<Acknowledgement<'_>>(frame)?;
    Ok(acknowledgement.notification_id.as_str().to_owned())
}

/// The status, the number of entries and the cursor of a page.
#[must_use]
pub fn read_query(query: &str) -> Option<(Option<String>, usize, Option<Vec<u8>>)> {
    let page = PageQuery::parse(query, Some("status")).ok()?;
    Some((page.status, page.limit, page.after.map(|cursor| cursor.0)))
}

/// The query of the page behind `cursor`.
#[must_use]
pub fn next_query(status: Option<String>, limit: usize, cursor: &[u8]) -> String {
    let page = PageQuery {
        status,
        limit,
        after: None,
    };
    page.next("status", &Cursor(cursor.to_vec()))
}

/// The link of the row that `text` names, absolute under `root`.
#[must_use]
pub fn read_link(root: &str, sp: &SpId, text: &str) -> Option<String> {
    let target = parse_row_link(root, sp, text)?;
    Some(Link { root, sp, target }.to_string())
}

/// Whether an `Accept` header lets `media_type` through.
#[must_use]
pub fn accepts(accept: &str, media_type: &str) -> bool {
    crate::media::accepts(accept, media_type)
}

/// The token in an `Authorization` header.
#[must_use]
pub fn read_bearer(header: &[u8]) -> Option<&str> {
    let credentials = Credentials {
        peer: None,
        authorization: Some(header),
        repeated: false,
    };
    crate::guard::read_bearer(&credentials).ok()
}

/// The answer to `supportedFeatures`.
#[must_use]
pub fn negotiate(offered: &str) -> Option<String> {
    crate::negotiation::negotiate(Some(offered)).map(crate::negotiation::tell)
}

fn tell_mapping(body: &IdentityMapping<'_>) -> Told {
    let members = members([
        ("serviceUri", Some(text(&body.service_uri))),
        ("uti", Some(text(&body.uti))),
        ("deviceSerialNumber", Some(text(&body.device_serial_number))),
        ("deviceVendor", body.device_vendor.as_ref().map(text)),
        ("deviceModel", body.device_model.as_ref().map(text)),
        ("iotSpId", body.iot_sp_id.as_ref().map(text)),
        ("validityPeriod", body.validity_period.map(whole)),
        ("utiExpiry", body.uti_expiry.as_ref().map(text)),
        ("userConsent", body.user_consent.as_ref().map(consent)),
        (
            "notificationDestination",
            body.notification_destination.as_ref().map(text),
        ),
        (
            "requestTestNotification",
            body.request_test_notification.map(Value::Bool),
        ),
        (
            "websockNotifConfig",
            body.websock_notif_config.as_ref().map(websocket),
        ),
        (
            "supportedFeatures",
            body.supported_features.as_ref().map(text),
        ),
        ("e2e", body.end_to_end.as_ref().map(text)),
        ("pairingCode", body.pairing_code.as_ref().map(text)),
    ]);
    told(members, translate::read_request(body).map(|r| ids_of(&r)))
}

fn ids_of(request: &MappingRequest) -> Vec<String> {
    let mut ids = ids_of_key(&request.key);
    let consent = request.consent.iter();
    let attributes = consent
        .flat_map(|consent| {
            [
                Some(&consent.id),
                Some(&consent.purpose),
                consent.subject.as_ref(),
            ]
        })
        .chain([
            request.device_vendor.as_ref(),
            request.device_model.as_ref(),
        ]);
    ids.extend(attributes.flatten().map(|a: &Attribute| a.as_str().into()));
    ids.extend(request.destination.iter().map(|uri| uri.as_str().into()));
    ids
}

fn ids_of_key(key: &MappingKey) -> Vec<String> {
    vec![key.service_uri.as_str().into(), key.uti.as_str().into()]
}

fn tell_mapping_patch(patch: &IdentityMappingPatch<'_>) -> Told {
    let destination = patch.notification_destination.as_ref();
    let websocket_config = patch.websock_notif_config.as_ref();
    let members = members([
        ("notificationDestination", removable(destination, text)),
        (
            "validityPeriod",
            removable(patch.validity_period.as_ref(), |seconds| whole(*seconds)),
        ),
        ("websockNotifConfig", removable(websocket_config, websocket)),
    ]);
    let amendment = translate::read_amendment(patch, Duration::from_secs(60));
    Told {
        has_fixed_members: patch.fixed_member().is_some(),
        ..told(members, amendment.map(|_| Vec::new()))
    }
}

fn tell_subscription(body: &Subscription<'_>) -> Told {
    let namespaces = body.serial_namespaces.as_slice();
    let members = members([
        (
            "serialNamespaces",
            (!namespaces.is_empty()).then(|| list(namespaces)),
        ),
        (
            "notificationDestination",
            body.notification_destination.as_ref().map(text),
        ),
        (
            "requestTestNotification",
            body.request_test_notification.map(Value::Bool),
        ),
        (
            "websockNotifConfig",
            body.websock_notif_config.as_ref().map(websocket),
        ),
        (
            "supportedFeatures",
            body.supported_features.as_ref().map(text),
        ),
    ]);
    let terms = translate::read_subscription(body);
    let ids = |uri: Option<&ics_core::id::CallbackUri>| {
        uri.into_iter().map(|uri| uri.as_str().into()).collect()
    };
    told(members, terms.map(|terms| ids(terms.destination.as_ref())))
}

fn tell_subscription_patch(patch: &SubscriptionPatch<'_>) -> Told {
    let destination = patch.notification_destination.as_ref();
    let websocket_config = patch.websock_notif_config.as_ref();
    let members = members([
        (
            "serialNamespaces",
            removable(patch.serial_namespaces.as_ref(), |n| list(n)),
        ),
        ("notificationDestination", removable(destination, text)),
        (
            "requestTestNotification",
            removable(patch.request_test_notification.as_ref(), |flag| {
                Value::Bool(*flag)
            }),
        ),
        ("websockNotifConfig", removable(websocket_config, websocket)),
    ]);
    Told {
        members,
        has_fixed_members: patch.fixed_member().is_some(),
        taken: None,
    }
}

fn tell_answer(body: &Answer<'_>) -> Told {
    let members = members([
        ("result", Some(text(&body.result))),
        ("deviceId", body.device_id.as_ref().map(text)),
        ("cause", body.cause.as_ref().map(text)),
        ("ownerSubject", body.owner_subject.as_ref().map(text)),
        ("userConsent", body.user_consent.as_ref().map(consent)),
    ]);
    let answer =
        translate::read_answer(body, &IdentifierSchemes::default()).map(|answer| match answer {
            AnswerInput::Accepted {
                device_id,
                owner,
                consent,
            } => {
                let owner = owner.map(|owner| owner.expose().into());
                let consent = consent.map(|consent| consent.id.as_str().into());
                let taken = [Some(device_id.as_str().into()), owner, consent];
                taken.into_iter().flatten().collect()
            }
            AnswerInput::Rejected(cause) => vec![cause.as_str().into()],
        });
    told(members, answer)
}

fn tell_demap(body: &Demap<'_>) -> Told {
    let members = members([
        ("cause", Some(text(&body.cause))),
        ("subCause", body.sub_cause.as_ref().map(text)),
        ("mapping", body.mapping.as_ref().map(text)),
        ("deviceId", body.device_id.as_ref().map(text)),
        ("uti", body.uti.as_ref().map(text)),
        ("serviceUri", body.service_uri.as_ref().map(text)),
    ]);
    let Ok(sp) = SpId::parse("shop") else {
        return told(members, Ok(Vec::new()));
    };
    let request = translate::read_demap(
        body,
        ("https://ics.example", &sp),
        &IdentifierSchemes::default(),
    );
    let ids = request.map(|(_, request)| match request.selector {
        Selector::Mapping(_) => Vec::new(),
        Selector::Uti(uti) => vec![uti.as_str().into()],
        Selector::Key(key) => ids_of_key(&key),
        Selector::Service(service) => vec![service.as_str().into()],
        Selector::Device(device, service) => {
            let service = service.iter().map(|uri| uri.as_str().to_owned());
            service.chain([device.as_str().to_owned()]).collect()
        }
    });
    told(members, ids)
}

fn tell_device_inquiry(body: &DeviceInquiry<'_>) -> Told {
    let members = members([
        ("deviceId", Some(text(&body.device_id))),
        ("serviceUri", body.service_uri.as_ref().map(text)),
    ]);
    let asked = translate::read_device_inquiry(body, &IdentifierSchemes::default()).map(
        |(device, service)| {
            let service = service.iter().map(|uri| uri.as_str().to_owned());
            service.chain([device.as_str().to_owned()]).collect()
        },
    );
    told(members, asked)
}

fn tell_transaction_inquiry(body: &TransactionInquiry<'_>) -> Told {
    let members = members([
        ("serviceUri", Some(text(&body.service_uri))),
        ("uti", Some(text(&body.uti))),
    ]);
    let asked = translate::read_transaction_inquiry(body);
    told(members, asked.map(|key| ids_of_key(&key)))
}

fn tell_device_patch(patch: &DevicePatch<'_>) -> Told {
    let channels = removable(patch.channels.as_ref(), |names| {
        Value::Array(names.iter().map(text).collect())
    });
    let members = members([
        (
            "deviceVendor",
            removable(patch.device_vendor.as_ref(), text),
        ),
        ("deviceModel", removable(patch.device_model.as_ref(), text)),
        (
            "ownerSubject",
            removable(patch.owner_subject.as_ref(), text),
        ),
        ("channels", channels),
    ]);
    Told {
        members,
        has_fixed_members: patch.fixed_member().is_some(),
        taken: None,
    }
}

fn tell_registration(body: &DeviceRegistration<'_>) -> Told {
    let orders = body.credentials.iter();
    let members = members([
        ("deviceSerialNumber", Some(text(&body.device_serial_number))),
        ("deviceVendor", body.device_vendor.as_ref().map(text)),
        ("deviceModel", body.device_model.as_ref().map(text)),
        ("ownerSubject", body.owner_subject.as_ref().map(text)),
        (
            "channels",
            Some(Value::Array(body.channels.iter().map(text).collect())),
        ),
        (
            "credentials",
            Some(Value::Array(orders.map(|o| order(&o.0)).collect())),
        ),
    ]);
    let ids = translate::read_registration(body).map(|terms| {
        let attributes = [terms.vendor, terms.model, terms.owner];
        let attributes = attributes.into_iter().flatten();
        attributes.map(|a| a.as_str().to_owned()).collect()
    });
    told(members, ids)
}

fn tell_credential_order(body: &CredentialOrder<'_>) -> Told {
    let read = translate::read_credential(body);
    told(order(body), read.map(|_| Vec::new()))
}

fn order(order: &CredentialOrder<'_>) -> Value {
    let certificate = order.certificate.as_ref().map(|order| {
        members([
            ("request", Some(text(&order.0.request))),
            ("validity", order.0.validity.map(whole)),
        ])
    });
    let password = order.password.as_ref().map(|order| {
        members([
            ("value", order.0.value.as_ref().map(text)),
            ("validity", order.0.validity.map(whole)),
        ])
    });
    let psk = order.psk.as_ref();
    let psk = psk.map(|order| members([("validity", order.0.validity.map(whole))]));
    members([
        ("certificate", certificate),
        ("password", password),
        ("psk", psk),
    ])
}

fn told(members: Value, ids: Result<Vec<String>, Problem>) -> Told {
    Told {
        members,
        has_fixed_members: false,
        taken: ids.ok(),
    }
}

fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let present = members.into_iter();
    let present = present.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

fn removable<T>(member: Option<&Option<T>>, tell: impl FnOnce(&T) -> Value) -> Option<Value> {
    member.map(|value| value.as_ref().map_or(Value::Null, tell))
}

fn text(text: &Text<'_>) -> Value {
    Value::String(text.as_str().to_owned())
}

fn whole(number: Whole) -> Value {
    Value::from(number.0)
}

fn websocket(config: &Object<WebsockNotifConfig>) -> Value {
    members([(
        "requestWebsocketUri",
        config.0.request_websocket_uri.map(Value::Bool),
    )])
}

fn consent(consent: &Object<UserConsent<'_>>) -> Value {
    let consent = &consent.0;
    members([
        ("consentId", Some(text(&consent.consent_id))),
        ("grantedAt", Some(text(&consent.granted_at))),
        ("purpose", Some(text(&consent.purpose))),
        ("subject", consent.subject.as_ref().map(text)),
        ("expires", consent.expires.as_ref().map(text)),
    ])
}

fn list(namespaces: &[Object<SerialNamespace<'_>>]) -> Value {
    let tell = |namespace: &Object<SerialNamespace<'_>>| {
        members([
            ("vendor", namespace.0.vendor.as_ref().map(text)),
            ("prefix", namespace.0.prefix.as_ref().map(text)),
            ("pattern", namespace.0.pattern.as_ref().map(text)),
        ])
    };
    Value::Array(namespaces.iter().map(tell).collect())
}
