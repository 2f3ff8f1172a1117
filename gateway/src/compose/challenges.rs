//! How a service provider's challenge is read: as its callbacks are sent, and never from a listener of
//! our own.

use std::sync::OnceLock;

use ics_core::port::PortFuture;
use ics_notify::ChallengeClient;
use ics_t8::ChallengeReader;

/// Reads none before it is known which listeners are ours.
#[derive(Default)]
pub(crate) struct Challenges(OnceLock<ChallengeClient>);

impl Challenges {
    /// Reads by `client` from now on.
    pub(super) fn begin(&self, client: ChallengeClient) {
        // The first stays: there is one start.
        let _ = self.0.set(client);
    }
}

impl ChallengeReader for Challenges {
    fn read<'a>(&'a self, url: &'a str) -> PortFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.0.get()?.read(url).await })
    }
}
