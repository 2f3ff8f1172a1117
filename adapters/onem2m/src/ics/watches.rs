//! What the ICS needs of the resources of Mca: the subscriptions to its own, and where the AEs of this
//! CSE are reached.

use ics_core::port::PortFuture;
use ics_core::time::Timestamp;

use crate::caller::Originator;
use crate::primitive::{Outcome, Request};

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
