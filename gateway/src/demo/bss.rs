//! The operator's business service system of Appendix I.4: it bills a family's traffic. Which
//! devices a data package binds to which services, and the numbers of their subscriptions, it knows
//! itself; whose usage a pair stands for it reads in the table of the ICS, for all services at once.

use super::DemoError;
use super::copy::Pair;
use crate::operator_client::OperatorClient;
use crate::sandbox::Sandbox;

/// A device whose traffic to one service is free.
pub(super) struct Bound {
    pub(super) device_id: String,
    pub(super) service: &'static str,
    /// Of its subscription (E.164): told to nobody.
    pub(super) number: &'static str,
}

/// What the bill is made of.
pub(super) struct Bss {
    operator: OperatorClient,
    package: Vec<Bound>,
}

impl Bss {
    /// With a way into the operator's domain, and one family's package.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) fn open(sandbox: &Sandbox, package: Vec<Bound>) -> Result<Self, DemoError> {
        let operator = sandbox.operator()?;
        Ok(Self { operator, package })
    }

    /// The subscription that does not pay for the usage which a service names by its pair; none:
    /// it is charged.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn find_free(&self, pair: &Pair) -> Result<Option<&'static str>, DemoError> {
        let table = self.operator.read_text("/export/table").await?;
        let device_id = find_device(&table, pair);
        let bound = self.package.iter().find(|bound| {
            device_id == Some(bound.device_id.as_str()) && bound.service == pair.service_uri
        });
        Ok(bound.map(|bound| bound.number))
    }
}

/// Table 1 of Y.4462 as CSV: device ID, service URI, UTI.
fn find_device<'a>(table: &'a str, pair: &Pair) -> Option<&'a str> {
    let own = format!(",{},{}", pair.service_uri, pair.uti);
    table.lines().find_map(|row| row.strip_suffix(&own))
}
