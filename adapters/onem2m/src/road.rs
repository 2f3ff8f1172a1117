//! How a service provider is told over oneM2M: by NOTIFY to what it has watching, or to its AE
//! (Y.4462 10.1 steps 3 and 9, 10.2 step 3; TS-0004 7.5.1.2.2).
//!
//! The outbox decides what and when, and repeats it: `rqi` is the notification's own id, so that who
//! receives it twice can tell. A party is told of its own rows alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use ics_core::id::SpId;
use ics_core::mapping::{MappingKey, MappingStatus, ResultCause};
use ics_core::outbox::{Message, OutboxEntry, Subject};
use ics_core::party::Party;
use ics_core::port::{Clock, RoadOutcome};
use ics_core::reference_point::Role;
use ics_core::service::Consignment;
use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::address::Names;
use crate::ics::{Place, ROW, Shown, Views, Watches, state_number};
use crate::mailbox::Mailbox;
use crate::outbound::{Outbound, Unreachable, Via};
use crate::primitive::{Content, Operation, Request};
use crate::rsc::Rsc;
use crate::tree::Watch;

/// The release of notifications: the oldest that every peer speaks.
const RELEASE: &str = "3";

/// `net` (TS-0004 6.3.4.2.19).
const UPDATED: u64 = 1;
pub(crate) const DELETED: u64 = 2;
pub(crate) const CHILD_CREATED: u64 = 3;
pub(crate) const CHILD_DELETED: u64 = 4;

/// `nct` (TS-0004 6.3.4.2.20), where it is not all attributes.
const MODIFIED_ATTRIBUTES: u64 = 2;
const RESOURCE_ID: u64 = 3;

/// One way to somebody: the same request by each of these, until one is reached.
type Notice = (Vec<Via>, Request);

/// The road of oneM2M.
pub(crate) struct Road {
    views: Views,
    outbound: Arc<dyn Outbound>,
    watches: Arc<dyn Watches>,
    clock: Arc<dyn Clock>,
    /// Whose last notification was refused.
    refusing: Mutex<BTreeSet<SpId>>,
    mailbox: Option<Arc<Mailbox>>,
}

/// What there is to tell of a row.
struct News {
    /// The row, as the addressee knows it.
    place: Place,
    /// The event at the row itself.
    own: Option<u64>,
    /// The event at its collection.
    above: Option<u64>,
    /// The member of `rep`, and what is in it.
    member: &'static str,
    shown: Shown,
    /// What of it is new.
    modified: Vec<&'static str>,
}

impl Road {
    pub(crate) fn new(
        views: Views,
        outbound: Arc<dyn Outbound>,
        watches: Arc<dyn Watches>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            views,
            outbound,
            watches,
            clock,
            refusing: Mutex::default(),
            mailbox: None,
        }
    }

    /// The service providers whose AE refused what it was told last, by name.
    pub(crate) fn refusing(&self) -> Vec<SpId> {
        let refusing = self.refusing.lock();
        let refusing = refusing.unwrap_or_else(PoisonError::into_inner);
        refusing.iter().cloned().collect()
    }

    fn note(&self, sp: &SpId, outcome: RoadOutcome) {
        let refusing = self.refusing.lock();
        let mut refusing = refusing.unwrap_or_else(PoisonError::into_inner);
        if outcome == RoadOutcome::Refused {
            refusing.insert(sp.clone());
        } else {
            refusing.remove(sp);
        }
    }

    /// Who has a box there finds in it what it is to be told.
    pub(crate) fn write_into(&mut self, mailbox: Option<Arc<Mailbox>>) {
        self.mailbox = mailbox;
    }

    /// Tells the addressee. It was told when one of the ways to it took the notification.
    pub(crate) async fn deliver(&self, consignment: &Consignment) -> RoadOutcome {
        let notices = self.address(consignment);
        let outcomes = join_all(notices.iter().map(|notice| self.send(notice))).await;
        let came_to = |outcome| outcomes.contains(&outcome);
        let worst = [RoadOutcome::Refused, RoadOutcome::Failed];
        let worst = worst.into_iter().find(|outcome| came_to(*outcome));
        let worst = worst.unwrap_or(RoadOutcome::Unreachable);
        let accepted = came_to(RoadOutcome::Accepted);
        if !accepted {
            self.note(&consignment.party.id, worst);
            self.explain(consignment, worst);
            return worst;
        }
        self.note(&consignment.party.id, RoadOutcome::Accepted);
        self.end_watches(consignment).await;
        RoadOutcome::Accepted
    }

    /// The requests that tell it: to each subscription that watches for it, or to the AE.
    fn address(&self, consignment: &Consignment) -> Vec<Notice> {
        let Some(news) = self.news(consignment) else {
            return Vec::new();
        };
        let id = consignment.entry.key.notification_id();
        let mut notices = Vec::new();
        for (net, watch) in self.watching(&news, consignment) {
            let sur = self.views.names().sp_relative(&watch.ri);
            let body = self.body(&news, net, watch.nct, &sur);
            let request_id = format!("{id}.{}", watch.ri);
            for nu in &watch.nu {
                let notice = notice(self.views.names(), self.watches.as_ref(), nu);
                notices
                    .extend(notice.map(|(via, to)| {
                        (via, self.request(to, request_id.clone(), body.clone()))
                    }));
            }
        }
        if notices.is_empty()
            && let Some(own) = &consignment.party.onem2m
        {
            let net = news.own.or(news.above).unwrap_or(UPDATED);
            let sur = self.views.address(news.place, true);
            let body = self.body(&news, net, 1, &sur);
            let mailbox = self.mailbox.as_ref();
            let written = mailbox.and_then(|own| own.notice(&consignment.party, &id, &body));
            if let Some(written) = written {
                return vec![(vec![Via::Registrar], written)];
            }
            let notice = notice(self.views.names(), self.watches.as_ref(), own.ae.as_str());
            notices.extend(notice.map(|(via, to)| (via, self.request(to, id, body))));
        }
        notices
    }

    /// The addressee's subscriptions that watch for this, and the event each is told.
    fn watching(&self, news: &News, consignment: &Consignment) -> Vec<(u64, Watch)> {
        let (collection, other) = match news.place {
            Place::Pending(id) => (Place::Pnd, Some(Place::Row(id))),
            _ => (Place::Map, None),
        };
        let places = [
            (Some(collection), news.above),
            (Some(news.place), news.own),
            (other, news.own),
        ];
        let mut found = Vec::new();
        for (place, net) in places {
            let (Some(place), Some(net)) = (place, net) else {
                continue;
            };
            let all = self.watches.subscriptions_of(&place.resource_id());
            let own = all.into_iter().filter(|watch| {
                watch.net.contains(&net) && is_of(self.views.names(), watch, &consignment.party)
            });
            found.extend(own.map(|watch| (net, watch)));
        }
        found
    }

    fn news(&self, consignment: &Consignment) -> Option<News> {
        let entry = &consignment.entry;
        let Subject::Mapping(id) = entry.key.subject else {
            return None;
        };
        let is_iot_sp = entry.key.addressee.role == Role::IotSp;
        let place = if is_iot_sp {
            Place::Pending(id)
        } else {
            Place::Row(id)
        };
        if let Some(open) = &consignment.assignment {
            return Some(News {
                place,
                own: None,
                above: Some(CHILD_CREATED),
                member: ROW,
                shown: self.views.to_iot_sp(open, place),
                modified: Vec::new(),
            });
        }
        if let Message::Event { is_json, .. } = &entry.message {
            return Some(News {
                place,
                own: Some(CHILD_CREATED),
                above: None,
                member: "m2m:cin",
                shown: show_event(consignment.event.as_deref()?, *is_json),
                modified: Vec::new(),
            });
        }
        let key = entry.mapping_key.as_ref()?;
        self.news_of_state(entry, (place, key))
    }

    /// What became of a row.
    fn news_of_state(
        &self,
        entry: &OutboxEntry,
        (place, key): (Place, &MappingKey),
    ) -> Option<News> {
        let mut shown = identify(&self.views, place);
        let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
        put("svu", key.service_uri.as_str().into());
        put("uti", key.uti.as_str().into());
        put("lt", crate::time::format(entry.event_time).into());
        let gone = match &entry.message {
            Message::Result {
                status,
                cause,
                undo,
            } => {
                put("msta", state_number(*status).into());
                if let Some(cause) = cause.map(ResultCause::name) {
                    put("mcau", cause.into());
                }
                if *undo {
                    put("undo", true.into());
                }
                *status == MappingStatus::Deleted
            }
            Message::Demapped {
                device_id,
                cause,
                sub_cause,
            } => {
                put("msta", state_number(MappingStatus::Deleted).into());
                put("mcau", cause.name().into());
                if let Some(sub_cause) = sub_cause {
                    put("scau", sub_cause.as_str().into());
                }
                if let Some(device_id) = device_id {
                    put("did", device_id.as_str().into());
                }
                true
            }
            Message::Assignment | Message::Event { .. } | Message::Test => return None,
        };
        // What was settled waits no longer.
        let has_left = gone || matches!(place, Place::Pending(_));
        Some(News {
            place,
            own: Some(if gone { DELETED } else { UPDATED }),
            above: has_left.then_some(CHILD_DELETED),
            member: ROW,
            shown,
            modified: vec!["lt", "msta", "mcau", "scau", "undo"],
        })
    }

    /// `m2m:sgn`, with as much as `nct` asks for.
    fn body(&self, news: &News, net: u64, nct: u64, sur: &str) -> Content {
        let rep = match nct {
            MODIFIED_ATTRIBUTES if !news.modified.is_empty() => {
                let modified = news.shown.iter();
                let modified = modified.filter(|(name, _)| news.modified.contains(&name.as_str()));
                let modified: Shown = modified.map(|(n, v)| (n.clone(), v.clone())).collect();
                json!({ news.member: modified })
            }
            RESOURCE_ID => json!({ "m2m:uri": self.views.address(news.place, true) }),
            _ => json!({ news.member: news.shown }),
        };
        signal(json!({ "nev": { "net": net, "rep": rep }, "sur": sur }))
    }

    fn request(&self, to: String, request_id: String, content: Content) -> Request {
        request(self.views.names(), to, request_id, content)
    }

    async fn send(&self, (vias, request): &Notice) -> RoadOutcome {
        let mut outcome = RoadOutcome::Unreachable;
        for via in vias {
            outcome = match self.outbound.send(via, request).await {
                // It was written before, and the answer to that lost.
                Ok(response) if is_there(request, response.rsc) => return RoadOutcome::Accepted,
                Ok(response) => return judge(response.rsc),
                Err(
                    Unreachable::Address
                    | Unreachable::Connection
                    | Unreachable::Timeout
                    | Unreachable::Answer,
                ) => outcome,
            };
        }
        outcome
    }

    /// Says in the log what has to be mended; names nobody but the service provider.
    fn explain(&self, consignment: &Consignment, outcome: RoadOutcome) {
        let sp = &consignment.party.id;
        let cse_id = self.views.names().sp_relative_cse_id();
        if outcome == RoadOutcome::Refused {
            tracing::warn!(
                %sp,
                "notification refused over oneM2M: the AE's <accessControlPolicy> must give \
                 {cse_id} the right to notify (acop 16)"
            );
        }
    }

    /// The row is gone, and the addressee knows: what it had watching the row ends.
    async fn end_watches(&self, consignment: &Consignment) {
        let entry = &consignment.entry;
        let is_over = match &entry.message {
            Message::Demapped { .. } => true,
            Message::Result { status, .. } => {
                matches!(status, MappingStatus::Failed | MappingStatus::Deleted)
            }
            Message::Assignment | Message::Event { .. } | Message::Test => false,
        };
        let Subject::Mapping(id) = entry.key.subject else {
            return;
        };
        if !is_over {
            return;
        }
        let now = self.clock.now();
        for place in [Place::Row(id), Place::Pending(id)] {
            let all = self.watches.subscriptions_of(&place.resource_id());
            let own = all
                .iter()
                .filter(|watch| is_of(self.views.names(), watch, &consignment.party));
            for watch in own {
                end_watch(self.watches.as_ref(), watch, now).await;
            }
        }
    }
}

/// Ends what watches a row that is gone, once who made it was told.
pub(crate) async fn end_watch(watches: &dyn Watches, watch: &Watch, now: Timestamp) {
    if let Err(error) = watches.end(watch, now).await {
        tracing::warn!(%error, "a subscription to a row that is gone is kept until it expires");
    }
}

/// Whether a party made a subscription: an AE of this CSE is known to the tree by its stem.
pub(crate) fn is_of(names: &Names, watch: &Watch, party: &Party) -> bool {
    party.onem2m.as_ref().is_some_and(|own| {
        let ae = own.ae.as_str();
        ae == watch.creator || ae == names.sp_relative(&watch.creator)
    })
}

/// What an event of its own row is told as to a subscription of whoever caused it.
pub(crate) fn show_own(views: &Views, (place, shown): (Place, &Shown), watch: &Watch) -> Value {
    if watch.nct == RESOURCE_ID {
        json!({ "m2m:uri": views.address(place, true) })
    } else {
        json!({ ROW: shown })
    }
}

/// The ways to whom an address names, and what it is called there: a URL, an AE of this CSE, or
/// somebody at another. `None`: nobody.
fn notice(names: &Names, watches: &dyn Watches, nu: &str) -> Option<(Vec<Via>, String)> {
    if nu.contains("://") {
        return Some((vec![Via::PointOfAccess(nu.to_owned())], nu.to_owned()));
    }
    let own = format!("{}/", names.sp_relative_cse_id());
    let local = nu.strip_prefix(&own);
    if local.is_none() && nu.starts_with('/') {
        return Some((vec![Via::Registrar], nu.to_owned()));
    }
    let local = local.unwrap_or(nu);
    let points = watches.points_of_access(local)?;
    let vias = points.into_iter().map(Via::PointOfAccess).collect();
    Some((vias, local.to_owned()))
}

fn request(names: &Names, to: String, request_id: String, content: Content) -> Request {
    let mut request = Request::new(Operation::Notify, to, request_id);
    request.from = Some(names.sp_relative_cse_id());
    request.release = Some(RELEASE.to_owned());
    request.content = Some(content);
    request
}

fn signal(value: Value) -> Content {
    let mut content = Map::new();
    content.insert("m2m:sgn".into(), value);
    content
}

/// What tells which row it is, and nothing of it.
pub(crate) fn identify(views: &Views, place: Place) -> Shown {
    let mut shown = Shown::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("ri", place.resource_id().into());
    put("rn", place.resource_id().into());
    put("ty", crate::ics::FLEX_CONTAINER.into());
    put("cnd", views.definition().into());
    shown
}

/// What a device says (Appendix I.1), as a contentInstance of its row.
fn show_event(data: &[u8], is_json: bool) -> Shown {
    let (con, cnf) = match std::str::from_utf8(data) {
        Ok(text) if is_json => (text.to_owned(), "application/json:0"),
        _ => (STANDARD.encode(data), "application/octet-stream:1"),
    };
    let mut shown = Shown::new();
    shown.insert("con".into(), con.into());
    shown.insert("cnf".into(), cnf.into());
    shown
}

/// Whether what was to be written is there.
fn is_there(request: &Request, rsc: Rsc) -> bool {
    request.operation == Operation::Create && rsc == Rsc::Conflict
}

/// What an answer means: a refusal that trying again will not change, or one that it may.
fn judge(rsc: Rsc) -> RoadOutcome {
    match rsc {
        _ if rsc.is_success() => RoadOutcome::Accepted,
        // The platform restarts, or the AE is away: it comes back under the same name.
        Rsc::NotFound
        | Rsc::RequestTimeout
        | Rsc::TargetNotReachable
        | Rsc::RemoteEntityNotReachable
        | Rsc::InternalServerError
        | Rsc::ExternalObjectNotReachable
        | Rsc::ExternalObjectNotReachableBeforeRqet => RoadOutcome::Failed,
        _ => RoadOutcome::Refused,
    }
}

#[cfg(test)]
mod tests;
