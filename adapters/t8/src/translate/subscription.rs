//! `ics-device-mapping`: standing registrations of an IoT SP.

use ics_core::id::{CallbackUri, InvalidId};
use ics_core::mapping::Attribute;
use ics_core::party::{SerialMatcher, SerialNamespace, Subscription};
use ics_core::service::SubscriptionTerms;

use super::mapping::{
    read_destination, read_features, read_new_destination, read_new_websocket, show_websocket,
};
use super::read_optional;
use crate::link::Link;
use crate::negotiation;
use crate::problem::{Cause, Problem};
use crate::wire::{
    self, Object, SerialNamespaceView, Shown, SubscriptionPatch, SubscriptionView,
    WebsockNotifConfig,
};

const NAMESPACES: &str = "/serialNamespaces";

/// The most namespaces of one subscription.
pub(crate) const MOST_NAMESPACES: usize = 64;

/// A registration as the core takes it.
pub(crate) fn read_subscription(
    body: &wire::Subscription<'_>,
) -> Result<SubscriptionTerms, Problem> {
    let features = read_features(body.supported_features.as_ref())?;
    let websocket = WebsockNotifConfig::asks(body.websock_notif_config.as_ref());
    let destination = body.notification_destination.as_ref();
    Ok(SubscriptionTerms {
        serial_namespaces: read_namespaces(&body.serial_namespaces)?,
        destination: read_destination(destination, websocket, features)?,
        websocket,
        features,
        request_test: body.request_test_notification.unwrap_or(false),
    })
}

/// A registration with a merge patch on it; removed namespaces mean all that was granted.
pub(crate) fn patch_subscription(
    before: &Subscription,
    patch: &SubscriptionPatch<'_>,
) -> Result<SubscriptionTerms, Problem> {
    if let Some(pointer) = patch.fixed_member() {
        return Err(Problem::from(Cause::ModificationNotAllowed).at(pointer, "cannot be modified"));
    }
    let destination = read_new_destination(patch.notification_destination.as_ref())?;
    let websocket = read_new_websocket(patch.websock_notif_config.as_ref());
    let serial_namespaces = match &patch.serial_namespaces {
        None => before.serial_namespaces.clone(),
        Some(None) => Vec::new(),
        Some(Some(namespaces)) => read_namespaces(namespaces)?,
    };
    Ok(SubscriptionTerms {
        serial_namespaces,
        destination: destination.or_else(|| before.destination.clone()),
        websocket: websocket.unwrap_or(before.websocket),
        features: before.features,
        request_test: patch.request_test_notification.flatten().unwrap_or(false),
    })
}

fn read_namespaces(
    namespaces: &[Object<wire::SerialNamespace<'_>>],
) -> Result<Vec<SerialNamespace>, Problem> {
    if namespaces.len() > MOST_NAMESPACES {
        return Err(refuse_namespace("has more than 64 entries"));
    }
    namespaces
        .iter()
        .map(|namespace| read_namespace(&namespace.0))
        .collect()
}

fn read_namespace(namespace: &wire::SerialNamespace<'_>) -> Result<SerialNamespace, Problem> {
    let matcher = match (&namespace.prefix, &namespace.pattern) {
        (Some(prefix), None) => SerialMatcher::prefix(prefix.as_str()),
        (None, Some(pattern)) => SerialMatcher::pattern(pattern.as_str()),
        _ => {
            return Err(refuse_namespace(
                "each entry has either a prefix or a pattern",
            ));
        }
    };
    // A prefix may well be digits: its form alone is checked.
    let matcher = matcher.map_err(|_: InvalidId| {
        refuse_namespace("a prefix or pattern is empty, too long or not readable")
    })?;
    let vendor = read_optional(namespace.vendor.as_ref(), Attribute::parse, NAMESPACES)?;
    Ok(SerialNamespace { vendor, matcher })
}

fn refuse_namespace(reason: &'static str) -> Problem {
    Problem::from(Cause::OptionalIeIncorrect).at(NAMESPACES, reason)
}

/// A registration as its IoT SP sees it.
pub(crate) fn show_subscription<'a>(
    subscription: &'a Subscription,
    own: Link<'a>,
) -> SubscriptionView<'a> {
    SubscriptionView {
        own: Shown(own),
        supported_features: negotiation::tell(subscription.features),
        serial_namespaces: subscription
            .serial_namespaces
            .iter()
            .map(show_namespace)
            .collect(),
        notification_destination: subscription.destination.as_ref().map(CallbackUri::as_str),
        websock_notif_config: show_websocket(subscription.websocket, own),
    }
}

/// A namespace as it is shown.
pub(super) fn show_namespace(namespace: &SerialNamespace) -> SerialNamespaceView<'_> {
    let (is_pattern, text) = namespace.matcher.as_text();
    SerialNamespaceView {
        vendor: namespace.vendor.as_ref().map(Attribute::as_str),
        prefix: (!is_pattern).then_some(text),
        pattern: is_pattern.then_some(text),
    }
}
