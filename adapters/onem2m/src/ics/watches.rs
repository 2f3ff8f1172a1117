//! What the ICS needs of the resources of Mca: the subscriptions to its own, and where the AEs of this
//! CSE are reached.

use ics_core::port::PortFuture;
use ics_core::time::Timestamp;
use serde_json::Value;

use crate::address::{Address, Start};
use crate::caller::{Originator, Standing};
use crate::primitive::{Operation, Outcome, Request};
use crate::tree::{Parent, Tree, Watch};

/// The subscriptions below the ICS's own resources, and the AEs of this CSE.
pub(crate) trait Watches: Send + Sync {
    /// Makes a subscription. Whether `who` may has been checked.
    fn subscribe_at<'a>(
        &'a self,
        parent: &'a Parent<'a>,
        who: &'a Originator,
        request: &'a Request,
        now: Timestamp,
    ) -> PortFuture<'a, Outcome>;

    /// The subscriptions at a resource.
    fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch>;

    /// Tells one of them, once, beside whatever else is done.
    fn tell(&self, subscription_ri: &str, net: u64, representation: Value);

    /// Ends one of them: what it watches is gone, and who made it knows.
    fn end<'a>(&'a self, watch: &'a Watch, now: Timestamp) -> PortFuture<'a, Outcome>;

    /// Where an AE of this CSE is reached, by its stem; `None` where there is no such AE.
    fn points_of_access(&self, stem: &str) -> Option<Vec<String>>;
}

impl Watches for Tree {
    fn subscribe_at<'a>(
        &'a self,
        parent: &'a Parent<'a>,
        who: &'a Originator,
        request: &'a Request,
        now: Timestamp,
    ) -> PortFuture<'a, Outcome> {
        Box::pin(Self::subscribe_at(self, parent, who, request, now))
    }

    fn subscriptions_of(&self, parent_ri: &str) -> Vec<Watch> {
        Self::subscriptions_of(self, parent_ri)
    }

    fn tell(&self, subscription_ri: &str, net: u64, representation: Value) {
        Self::tell(self, subscription_ri, net, representation);
    }

    fn end<'a>(&'a self, watch: &'a Watch, now: Timestamp) -> PortFuture<'a, Outcome> {
        Box::pin(async move {
            let who = Originator {
                id: watch.creator.clone(),
                standing: Standing::Admin,
            };
            let address = Address {
                start: Start::Resource(watch.ri.clone()),
                names: Vec::new(),
            };
            let request = Request::new(Operation::Delete, watch.ri.clone(), watch.ri.clone());
            self.handle((&who, &address), &request, now).await
        })
    }

    fn points_of_access(&self, stem: &str) -> Option<Vec<String>> {
        self.ae(stem).map(|ae| ae.points_of_access)
    }
}
