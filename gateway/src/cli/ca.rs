//! `ics-gateway ca`: the authority that certifies service providers (Y.4462 10.4).

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use ics_core::port::{Clock as _, Entropy};

use super::operator::UsageError;
use super::runtime::{Outcome, say};
use super::sp::write_new;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::compose::load_authority_of;
use crate::init::{AUTHORITY_VALIDITY, SP_AUTHORITY};

/// The authority that certifies service providers
#[derive(Debug, Args)]
pub(super) struct CaArguments {
    #[command(subcommand)]
    verb: CaVerb,
}

#[derive(Debug, Subcommand)]
enum CaVerb {
    Renew(RenewArguments),
}

/// Make the next issuing authority under the offline root
///
/// Where the root's key is at hand: needs neither the gateway nor its configuration. Writes
/// DIR/sp-ca-next.pem (its certificate, then the root's) and DIR/sp-ca-next.key (mode 0600). Nothing is
/// overwritten. It holds for ten years, and no longer than the root.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct RenewArguments {
    /// The root's certificate, PEM
    #[arg(long, value_name = "FILE")]
    root_certificate: PathBuf,

    /// The root's key, PEM (mode 0600)
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,

    /// Where to write it; must exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway ca renew --root-certificate sp-root.pem --root-key sp-root.key \\
      --out .
  Then, where the gateway runs: put both files into authority/, name them under
  [authority], and give sp-ca-next.pem a [[t8.anchor]] of its own beside the old
  one, which stays until the certificates it signed are over. If the old key was
  seen by others, take its anchor out at once: everybody enrols anew.

Exit status: 0 made, 1 refused, 2 usage.";

impl CaArguments {
    pub(super) fn run(self) -> Outcome {
        match self.verb {
            CaVerb::Renew(arguments) => arguments.run(),
        }
    }
}

impl RenewArguments {
    fn run(self) -> Outcome {
        let at = |ending: &str| self.out.join(format!("sp-ca-next.{ending}"));
        let (certificate, key) = (at("pem"), at("key"));
        for file in [&certificate, &key] {
            if file.exists() {
                let refused = format!("`{}` exists; nothing is overwritten", file.display());
                return Err(UsageError(refused).into());
            }
        }
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let root = load_authority_of((&self.root_certificate, &self.root_key), &entropy)?;
        if !root.may_sign_authorities() {
            let name = self.root_certificate.display();
            return Err(format!("`{name}` is no root: it may sign no authorities").into());
        }
        let now = SystemClock::new().now();
        let made = root.create_issuing(SP_AUTHORITY, AUTHORITY_VALIDITY, now)?;
        write_new(&key, &made.key_pem, 0o600)?;
        write_new(&certificate, &made.certificate_pem, 0o644)?;
        say(&format!("certificate  {}", certificate.display()))?;
        say(&format!("key          {}", key.display()))?;
        Ok(say(
            "`ics-gateway ca renew --help` says how the gateway takes it",
        )?)
    }
}
