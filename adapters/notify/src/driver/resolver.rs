//! Resolves a name for one connection, and lets through what the address rules allow.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::vetting::{AddressRefused, AddressRules};

/// A resolver for the hosts reached at one port.
pub(super) struct VettingResolver {
    port: u16,
    rules: Arc<AddressRules>,
}

impl VettingResolver {
    pub(super) const fn new(port: u16, rules: Arc<AddressRules>) -> Self {
        Self { port, rules }
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (port, rules) = (self.port, self.rules.clone());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), port)).await?;
            let vetted = vet(found, &rules)?;
            Ok(Box::new(vetted.into_iter()) as Addrs)
        })
    }
}

/// What may be connected to of `found`; refused when nothing is left.
fn vet(
    found: impl Iterator<Item = SocketAddr>,
    rules: &AddressRules,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut refused: Option<AddressRefused> = None;
    let mut vetted = Vec::new();
    for address in found {
        match rules.check(address) {
            Ok(()) => vetted.push(address),
            Err(reason) => refused = Some(reason),
        }
    }
    if !vetted.is_empty() {
        return Ok(vetted);
    }
    Err(refused.map_or_else(
        || io::Error::from(io::ErrorKind::NotFound).into(),
        Into::into,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AddressRules {
        AddressRules {
            allowed: vec!["10.1.0.0/16".parse().unwrap()],
            forbidden: vec!["10.1.0.9:443".parse().unwrap()],
        }
    }

    fn vet_texts(found: &[&str]) -> Result<Vec<String>, String> {
        let found = found.iter().map(|text| text.parse().unwrap());
        vet(found, &rules())
            .map(|vetted| vetted.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn refused_addresses_of_a_name_are_left_out() {
        let found = ["127.0.0.1:443", "8.8.8.8:443", "[::1]:443", "10.1.2.3:443"];
        assert_eq!(vet_texts(&found).unwrap(), ["8.8.8.8:443", "10.1.2.3:443"]);
    }

    #[test]
    fn name_of_refused_addresses_alone_is_refused() {
        assert_eq!(
            vet_texts(&["127.0.0.1:443", "169.254.169.254:443"]).unwrap_err(),
            AddressRefused::NotPublic.to_string()
        );
        assert_eq!(
            vet_texts(&["10.1.0.9:443"]).unwrap_err(),
            AddressRefused::OwnListener.to_string()
        );
        assert!(vet_texts(&[]).is_err());
    }
}
