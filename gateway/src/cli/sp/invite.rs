//! `ics-gateway sp invite` (Y.4462 10.4, RFC 7030).

use clap::Args;
use ics_core::id::SpId;
use ics_operator::wire::{InvitationOrder, InvitationView};

use super::parse_sp;
use crate::cli::operator::Access;
use crate::cli::runtime::Outcome;
use crate::operator_client::OperatorClient;

/// Let a service provider get its certificate itself, once, with openssl and curl
///
/// Tells a code, which is kept nowhere. An invitation that stood before is good for nothing any more.
/// Needs `[enrolment]` with `listen` in the configuration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InviteArguments {
    /// Whom
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// For how long: 1 to 720 hours
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway sp invite shop --config gateway.toml
  What the shop does with it (ca.pem comes from you, by a way it believes):
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
        -keyout shop.key -subj /CN=shop -outform DER | base64 > shop.p10
    curl --cacert ca.pem --user shop:CODE --data-binary @shop.p10 \\
        -H 'Content-Type: application/pkcs10' URL/simpleenroll | base64 -d |
      openssl pkcs7 -inform DER -print_certs -out shop.pem
  And before that certificate ends, with a new request:
    curl --cacert ca.pem --cert shop.pem --key shop.key \\
        --data-binary @next.p10 -H 'Content-Type: application/pkcs10' \\
        URL/simplereenroll";

impl InviteArguments {
    pub(super) async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let order = InvitationOrder {
            valid_hours: Some(self.hours),
        };
        let path = format!("/sps/{}/invitation", self.id);
        let invited: InvitationView = client.post(&path, &order).await?;
        let facts = [
            ("id", invited.sp_id.clone()),
            ("code", invited.code.clone()),
            ("expires", invited.expires.clone()),
            ("url", invited.url.clone()),
        ];
        access.tell(&invited, &facts)
    }
}
