//! Requests of this CSE over its broker: to the registrar, and to who is reached there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ics_core::port::PortFuture;
use tokio::sync::oneshot;

use super::{MqttSettings, NotPublished, Publish};
use crate::address::Names;
use crate::binding::mqtt::{Kind, Topic};
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Request, Response};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends requests of this CSE over a broker.
pub struct MqttOutbound {
    settings: MqttSettings,
    line: Arc<dyn Publish>,
    /// By `rqi`.
    awaited: Mutex<HashMap<String, Awaited>>,
}

struct Awaited {
    /// Who is to answer, as its topic names it.
    receiver: String,
    tell: oneshot::Sender<Response>,
}

impl MqttOutbound {
    /// Sends by `line`.
    #[must_use]
    pub fn new(settings: MqttSettings, line: Arc<dyn Publish>) -> Self {
        Self {
            settings,
            line,
            awaited: Mutex::default(),
        }
    }

    pub(super) const fn settings(&self) -> &MqttSettings {
        &self.settings
    }

    pub(super) async fn publish(
        &self,
        topic: &Topic,
        payload: Vec<u8>,
    ) -> Result<(), NotPublished> {
        self.line.publish(topic.write(), payload).await
    }

    /// Takes an answer, if somebody waits for it, and it comes from whom was asked.
    pub(super) fn take_answer(&self, topic: &Topic, payload: &[u8]) {
        let Ok(response) = Response::from_json(payload) else {
            tracing::debug!("an answer over oneM2M that cannot be read");
            return;
        };
        if topic.originator != self.settings.names.cse_id {
            return;
        }
        let mut awaited = self.lock();
        let Entry::Occupied(entry) = awaited.entry(response.request_id.clone()) else {
            return;
        };
        if entry.get().receiver == topic.receiver {
            // Who waited may have gone this moment.
            let _ = entry.remove().tell.send(response);
        }
    }

    /// The topic to ask on, and the address to ask for.
    fn target(&self, via: &Via, to: &str) -> Result<(Topic, String), Unreachable> {
        let names = &self.settings.names;
        let (receiver, to) = match via {
            Via::Registrar => {
                let registrar = self.settings.registrar.clone();
                (registrar.ok_or(Unreachable::Address)?, to.to_owned())
            }
            Via::PointOfAccess(point) => {
                let named = self.named_by(point).ok_or(Unreachable::Address)?;
                // A subscription may name the point of access alone.
                let is_point = to == point;
                let receiver = match named {
                    Some(receiver) => receiver,
                    None if is_point => return Err(Unreachable::Address),
                    None => receiver_of(to, names).to_owned(),
                };
                let to = if is_point {
                    receiver.clone()
                } else {
                    to.to_owned()
                };
                (receiver, to)
            }
        };
        let topic = Topic::of_request(&names.cse_id, &receiver).ok_or(Unreachable::Address)?;
        Ok((topic, to))
    }

    /// Whom a point of access names, if anybody; none where it is not on this broker. `mqtt://host:port`,
    /// behind it `/id`, `//id` (as ACME has it), or a topic.
    fn named_by(&self, point: &str) -> Option<Option<String>> {
        let (host, port, path) = parse_point(point)?;
        let (own_host, own_port) = &self.settings.broker;
        if !host.eq_ignore_ascii_case(own_host) || port != *own_port {
            return None;
        }
        let id = path.trim_start_matches('/');
        if id.is_empty() {
            return Some(None);
        }
        if let Some(topic) = Topic::parse(path) {
            let is_ours = topic.originator == self.settings.names.cse_id;
            return (is_ours && topic.kind == Kind::Request).then_some(Some(topic.receiver));
        }
        (!id.contains('/')).then(|| Some(id.to_owned()))
    }

    async fn exchange(&self, via: &Via, request: &Request) -> Result<Response, Unreachable> {
        let (topic, to) = self.target(via, &request.to)?;
        let mut primitive = request.clone();
        primitive.to = to;
        let payload = primitive.to_json().to_string().into_bytes();
        let (tell, told) = oneshot::channel();
        let awaited = Awaited {
            receiver: topic.receiver.clone(),
            tell,
        };
        let _waiting = self.wait(&request.request_id, awaited)?;
        let published = self.publish(&topic, payload).await;
        published.map_err(|NotPublished| Unreachable::Connection)?;
        told.await.map_err(|_| Unreachable::Connection)
    }

    /// Waits for the answer to the request with that id, which is drawn and nobody else's.
    fn wait(&self, request_id: &str, awaited: Awaited) -> Result<Waiting<'_>, Unreachable> {
        match self.lock().entry(request_id.to_owned()) {
            Entry::Occupied(_) => Err(Unreachable::Connection),
            Entry::Vacant(entry) => {
                entry.insert(awaited);
                Ok(Waiting {
                    outbound: self,
                    request_id: request_id.to_owned(),
                })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn waits_for_nothing(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits no more once it is dropped.
struct Waiting<'a> {
    outbound: &'a MqttOutbound,
    request_id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outbound.lock().remove(&self.request_id);
    }
}

impl Outbound for MqttOutbound {
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>> {
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, self.exchange(via, request))
                .await
                .unwrap_or(Err(Unreachable::Timeout))
        })
    }
}

/// Host, port and path of an `mqtt:` or `mqtts:` URL that names nobody's password.
fn parse_point(point: &str) -> Option<(&str, u16, &str)> {
    let (scheme, rest) = point.split_once("://")?;
    let usual = match scheme {
        "mqtt" => 1883,
        "mqtts" => 8883,
        _ => return None,
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    if authority.contains('@') {
        return None;
    }
    // The colons of an IPv6 address are within its brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    Some((host, port, path))
}

/// Who is to get a request to that address: an AE of ours by its AE-ID, else a CSE.
fn receiver_of<'a>(to: &'a str, names: &Names) -> &'a str {
    let relative = match to.strip_prefix("//") {
        Some(absolute) => absolute.split_once('/').map_or(absolute, |(_, rest)| rest),
        None => to.strip_prefix('/').unwrap_or(to),
    };
    let own = relative.strip_prefix(names.cse_id.as_str());
    let local = own.and_then(|rest| rest.strip_prefix('/'));
    let from = local.unwrap_or(relative);
    from.split('/').next().unwrap_or(from)
}
