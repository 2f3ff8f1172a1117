//! What the ICS needs of the resources of Mca: the subscriptions to its own, and where the AEs of this
//! CSE are reached.

use ics_core::port::PortFuture;
use ics_core::time::Timestamp;

use crate::caller::Originator;
use crate::primitive::{Outcome, Request};
use crate::tree::{self, Tree};

/// What a subscription is made at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    /// Its resource ID.
    pub(crate) ri: &'a str,
    /// Its structured address, CSE-relative: `ics/map/map-..`.
    pub(crate) path: &'a str,
}

/// A subscription, as whoever has something to tell sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Its resource ID.
    pub(crate) ri: String,
    /// `nu`: whom to tell.
    pub(crate) nu: Vec<String>,
    /// `net`: of what.
    pub(crate) net: Vec<u8>,
    /// `nct`: how much.
    pub(crate) nct: u8,
    /// Who made it.
    pub(crate) creator: String,
}

/// The subscriptions below the ICS's own resources, and the AEs of this CSE.
pub(crate) trait Watches: Send + Sync {
    /// Makes a subscription. Whether `who` may has been checked.
    fn subscribe_at<'a>(
        &'a self,
        parent: Parent<'a>,
        who: &'a Originator,
        request: &'a Request,
        now: Timestamp,
    ) -> PortFuture<'a, Outcome>;

    /// The subscriptions at a resource.
    fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch>;

    /// A resource is gone: what was below it goes too.
    fn drop_children_of<'a>(&'a self, parent_ri: &'a str, now: Timestamp) -> PortFuture<'a, ()>;

    /// Where an AE of this CSE is reached, by its stem; `None` where there is no such AE.
    fn points_of_access(&self, stem: &str) -> Option<Vec<String>>;
}

impl Watches for Tree {
    fn subscribe_at<'a>(
        &'a self,
        parent: Parent<'a>,
        who: &'a Originator,
        request: &'a Request,
        now: Timestamp,
    ) -> PortFuture<'a, Outcome> {
        Box::pin(async move {
            let at = tree::Parent {
                ri: parent.ri,
                path: parent.path,
            };
            Tree::subscribe_at(self, &at, who, request, now).await
        })
    }

    fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch> {
        let small = |number: u64| u8::try_from(number).unwrap_or_default();
        let watches = Tree::subscriptions_of(self, parent_ri).into_iter();
        let watches = watches.map(|watch| Watch {
            ri: watch.ri,
            nu: watch.nu,
            net: watch.net.into_iter().map(small).collect(),
            nct: small(watch.nct),
            creator: watch.creator,
        });
        watches.collect()
    }

    fn drop_children_of<'a>(&'a self, parent_ri: &'a str, now: Timestamp) -> PortFuture<'a, ()> {
        Box::pin(async move {
            if let Err(refusal) = Tree::drop_children_of(self, parent_ri, now).await {
                tracing::warn!(%refusal, "subscriptions of a row that is gone are left");
            }
        })
    }

    fn points_of_access(&self, stem: &str) -> Option<Vec<String>> {
        let ae = self.ae(stem)?;
        Some(if ae.reachable {
            ae.points_of_access
        } else {
            Vec::new()
        })
    }
}
