//! What a service provider serves at a service URI to show that it is its own (X3): read with the care
//! that callbacks are sent with.

use reqwest::{Method, Request};
use rustls::ClientConfig;

use crate::deliverer::Pace;
use crate::driver::{Driver, Patience};
use crate::vetting::AddressRules;

/// Reads challenges: https alone, of vetted addresses, without following a redirect, 16 KiB at most.
pub struct ChallengeClient {
    driver: Driver,
}

impl ChallengeClient {
    /// Over `tls`, to where `addresses` let it, as patient as `pace`.
    #[must_use]
    pub fn new(tls: ClientConfig, addresses: AddressRules, pace: Pace) -> Self {
        let patience = Patience {
            connect: pace.connect_timeout,
            total: pace.total_timeout,
        };
        Self {
            driver: Driver::new(tls, addresses, patience),
        }
    }

    /// What is served at `url` with 200; `None` where nothing is, or it may not be asked for.
    pub async fn read(&self, url: &str) -> Option<Vec<u8>> {
        let target = Driver::parse_target(url).ok()?;
        let answer = self.driver.send(Request::new(Method::GET, target)).await;
        let answer = answer.ok()?;
        (answer.status == 200).then_some(answer.body)
    }
}
