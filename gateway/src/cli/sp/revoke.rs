//! `ics-gateway sp revoke` (Y.4462 10.4).

use clap::Args;
use ics_core::id::SpId;
use ics_operator::wire::{CertificateStatusName, CertificateView, Revocation};

use super::parse_sp;
use crate::cli::operator::{Access, or_empty};
use crate::cli::runtime::Outcome;
use crate::operator_client::OperatorClient;

/// Revoke the certificates of a service provider: from the next request on, on open connections too
///
/// All that were issued here and still hold, or with --serial that one alone. It may enrol again: an
/// invitation that stands is still good. To refuse it altogether, `sp suspend`. What its own authority
/// issued is revoked by that authority's list (`crl` in `[[t8.anchor]]`), or with `sp cert revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    ics-gateway sp revoke shop --config gateway.toml
    ics-gateway sp revoke shop --serial 4f:1a:99 --config gateway.toml")]
pub(super) struct RevokeSpArguments {
    /// Whose
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// The serial number of one of them, hexadecimal
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
}

impl RevokeSpArguments {
    pub(super) async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let serials = match self.serial {
            Some(serial) => vec![serial],
            None => standing(&self.id, client).await?,
        };
        let mut revoked = Vec::with_capacity(serials.len());
        for serial in serials {
            let revocation = Revocation {
                serial: Some(serial),
                sp_id: Some(self.id.to_string()),
                fingerprint: None,
                certificate: None,
            };
            let one: CertificateView = client.post("/certificates/revoke", &revocation).await?;
            revoked.push(one);
        }
        let headers = ["SERIAL", "HOLDS UNTIL", "REVOKED"];
        access.tell_all((&revoked, false), &headers, |certificate| {
            vec![
                certificate.serial.clone(),
                or_empty(certificate.not_after.as_ref()),
                or_empty(certificate.revoke_time.as_ref()),
            ]
        })
    }
}

/// The serial numbers of those that hold.
async fn standing(
    id: &SpId,
    client: &OperatorClient,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let path = format!("/sps/{id}/certificates");
    let (known, _) = client
        .list::<CertificateView>(&path, &[], usize::MAX)
        .await?;
    let holds = |one: &CertificateView| one.status == CertificateStatusName::Valid;
    let serials = known.into_iter().filter(holds).map(|one| one.serial);
    Ok(serials.collect())
}
