//! The operator-domain API `/operator/v1`: service providers, agreements, certificates, mappings,
//! outbox, status, health.
//!
//! Lives on a listener of its own with a certificate authority of its own, never on the one of
//! the service providers. The caller is the client certificate of the connection; a connection
//! without one gets nothing. Serial numbers never leave here, sealed or not; service URI, UTI and
//! device ID are told of one named row alone.
//!
//! | question | module |
//! |---|---|
//! | what stands in bodies | [`wire`] |
//! | bodies <-> core | `translate` |
//! | what a verb does | `api` |
//! | routes, headers, sockets | `driver` |
//! | which code a refusal has | `error` |

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod api;
mod driver;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod openapi;
mod page;
mod translate;
pub mod wire;

#[cfg(test)]
mod fixture;

pub use api::{
    Archive, ArchiveError, CseRegistration, DecisionLogReport, Extract, Invitations, Observation,
    OperatorApi, Policies, Ports, Settings, StatusSource, StoreCounts, StoreReport,
};
pub use driver::configure;
pub use openapi::openapi;
