//! The decision point of the gateway: who may do what, how often, and what a third party may see.
//!
//! | question | clause | answer |
//! |---|---|---|
//! | may this caller do this? | Y.4462 7.4, 9, 10.4 | [`Rules`], `DecisionPoint::decide` |
//! | which device ID may this third party see? | Y.4462 10.1, 11.1 | [`Rules`], `DecisionPoint::disclose` |
//! | has this caller asked too often? | TS 29.122 5.2.6 (429) | [`Limiter`] |
//!
//! Everything a rule looks at comes in as an argument: the caller as it was authenticated, what
//! the operator granted it, the agreement, the consent, the time. Nothing here knows HTTP, MQTT or
//! a store, reads a clock, or makes a log line. The default answer is no.
//!
//! ```
//! # use std::sync::Arc;
//! # use ics_core::port::{DecisionPoint, RateLimiter, Sealer};
//! use ics_policies::{Limiter, Rules};
//! # fn compose(vault: Arc<dyn Sealer>) -> (Arc<dyn DecisionPoint>, Arc<dyn RateLimiter>) {
//! let decisions = Arc::new(Rules::new(vault)); // pairwise device IDs need the vault's index key
//! let limits = Arc::new(Limiter::new());
//! # (decisions, limits)
//! # }
//! ```

mod access;
mod disclosure;
mod rate;

pub use access::Rules;
pub use rate::Limiter;
