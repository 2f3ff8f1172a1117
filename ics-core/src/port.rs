//! What the core needs and never does itself. Adapters implement these; the gateway joins them.
//!
//! Each port says what it owes, and what a wrong answer costs on either side.

mod access;
mod ambient;
mod naming;
mod notification_socket;
mod onem2m_road;
mod secrets;
mod store;
mod timekeeping;

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;

pub use access::{
    AccessRequest, Authenticator, DecisionPoint, Denied, DeviceFacts, Operation, RateLimited,
    RateLimiter,
};
pub use ambient::{Clock, DeviceBell, DirectorySource, Entropy, OutboxBell};
pub use naming::ResourceNames;
pub use notification_socket::{NotificationSockets, SocketClosed};
pub use onem2m_road::{OneM2mRoad, RoadOutcome};
pub use secrets::{
    AuthorityError, CertificateAuthority, DeviceAuthority, HasherUnavailable, IssuedCertificate,
    PasswordHasher, Revoked, SealError, Sealer, SignatureVerifier,
};
pub use store::{
    CommitError, Cursor, DeviceRows, DueEntries, DuePlace, Page, Selection, Store, StoreError,
};
pub use timekeeping::{ClockReport, ClockWatch};

/// The future a port answers with.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
