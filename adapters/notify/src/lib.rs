//! Delivery of the outbox to service providers: Y.4462 10.1 steps 3 and 9, 10.2 step 3, as
//! callbacks over mutual TLS (t8 A.2, A.3, A.6, A.8; readings B 24 and B 27).
//!
//! | question | module |
//! |---|---|
//! | what wakes a lane | [`Bell`] |
//! | which entries are tried, how many at once, when a host is left alone | `lane`, `cooldown` |
//! | one attempt, from entry to report | `attempt`, `courier` |
//! | which bytes | `translate`, `wire` |
//! | RFC 9421 signature | `signature`, [`CallbackSigner`] |
//! | our token at the SP | `token` |
//! | sockets, and which addresses they may reach | `driver`, [`AddressRules`] |
//! | what an answer means | `outcome` |
//! | what is served at a service URI | [`ChallengeClient`] |
//!
//! Delivery is at least once: a receiver drops duplicates by `notificationId` and orders by
//! `sequence`. Every callback bears `Content-Digest` (RFC 9530, sha-256) and a signature labelled
//! `ics` over `"@method" "@target-uri" "content-type" "content-digest"` with `created`, `expires`,
//! `nonce`, `alg`, `keyid` and `tag="ics-callback"`. A redirect is not followed; it counts as failed.
//!
//! # Logs
//! One line for each attempt, `delivery`, with `addressee` (role and SP id), `message`
//! (`assignment`, `result`, `demapping`, `test`), `outcome` (`accepted`, `refused`, `failed`,
//! `timeout`, `unreachable`, `address-refused`, `no-token`, `unsendable`, `expired`), `status`
//! (where there was one), `attempts` and `duration_ms`. Never an identifier, never a URL.
//!
//! It never decides what becomes of a row, never reads a clock, and never follows a host elsewhere.

#![forbid(unsafe_code)]

mod attempt;
mod bell;
mod challenge;
mod cooldown;
mod courier;
mod deliverer;
mod driver;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod jitter;
mod lane;
mod outbox;
mod outcome;
#[cfg(test)]
mod rig;
mod signature;
mod token;
mod translate;
mod vetting;
mod wire;

pub use bell::Bell;
pub use challenge::ChallengeClient;
pub use deliverer::{Deliverer, Pace, Settings, Surroundings};
pub use outbox::Outbox;
pub use signature::CallbackSigner;
pub use vetting::{AddressRefused, AddressRules, InvalidNetwork, Network};
