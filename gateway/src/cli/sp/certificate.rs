//! `ics-gateway sp cert` (Y.4462 10.4).

use std::error::Error;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ics_core::id::SpId;
use ics_operator::wire::{CertificateOrder, CertificateView, IssuedView, Revocation};
use ics_vault::make_request;

use super::{NamedSp, parse_sp};
use crate::cli::operator::{Access, UsageError, name_of, or_empty};
use crate::cli::runtime::{Outcome, say};
use crate::operator_client::OperatorClient;

#[derive(Debug, Subcommand)]
pub(super) enum CertificateVerb {
    Issue(IssueArguments),
    /// List the certificates a service provider was issued, and those that were revoked
    List(NamedSp),
    Revoke(RevokeArguments),
}

/// Issue a certificate to a service provider
///
/// With --csr the key stays where it was made; the certificate is told on standard output, or
/// written to --out. Without it a P-256 key is made here, DIR/ID.key (mode 0600) and
/// DIR/ID.pem are written, and only the request goes to the gateway. Nothing is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    ics-gateway sp cert issue shop --out ./shop --config gateway.toml
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
        -keyout shop.key -subj /CN=shop -out shop.csr
    ics-gateway sp cert issue shop --csr shop.csr \\
      --config gateway.toml > shop.pem")]
pub(super) struct IssueArguments {
    /// Whom it is for
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// A PKCS#10 request, PEM; only its public key is used
    #[arg(long, value_name = "FILE", required_unless_present = "out")]
    csr: Option<PathBuf>,

    /// Where to write certificate, and key if it is made here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// How long it holds: 1 to 397 days [default: as configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=397))]
    days: Option<u16>,
}

/// Revoke a certificate: from the next request on, on open connections too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    ics-gateway sp cert revoke --serial 4f:1a:99 --config gateway.toml
    ics-gateway sp cert revoke --file shop.pem --config gateway.toml
  One that another authority issued and the gateway has not seen:
    ics-gateway sp cert revoke --serial 4f1a99 --sp acme --config gateway.toml")]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    name: CertificateName,

    /// With --serial: whose it is, if the gateway has not seen it
    #[arg(long, value_parser = parse_sp, requires = "serial", value_name = "ID")]
    sp: Option<SpId>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct CertificateName {
    /// Its serial number, hexadecimal
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,

    /// SHA-256 of its DER, hexadecimal
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,

    /// The certificate itself, PEM
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl CertificateVerb {
    pub(super) async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        match self {
            Self::Issue(arguments) => arguments.run(access, client).await,
            Self::List(NamedSp { id }) => list(&id, access, client).await,
            Self::Revoke(arguments) => arguments.run(access, client).await,
        }
    }
}

impl IssueArguments {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let files = self
            .out
            .as_deref()
            .map(|directory| OutFiles::plan(directory, &self.id));
        let files = files.transpose()?;
        let made_here = self.csr.is_none();
        let request_pem = match (&self.csr, &files) {
            (Some(file), _) => read_text(file)?,
            (None, Some(files)) => {
                let request = make_request(&self.id)?;
                write_new(&files.key, &request.key_pem, 0o600)?;
                request.request_pem
            }
            (None, None) => return Err(UsageError("name --csr or --out".into()).into()),
        };
        let order = CertificateOrder {
            csr: request_pem,
            validity_days: self.days,
        };
        let path = format!("/sps/{}/certificates", self.id);
        let issued = client.post::<IssuedView>(&path, &order).await;
        let issued = match (issued, &files) {
            (Err(error), Some(files)) if made_here => {
                // A key without a certificate opens nothing; it was made a moment ago.
                let _ = std::fs::remove_file(&files.key);
                return Err(error.into());
            }
            (issued, _) => issued?,
        };
        tell_issued(access, &issued, (files.as_ref(), made_here))
    }
}

fn tell_issued(
    access: &Access,
    issued: &IssuedView,
    (files, made_here): (Option<&OutFiles>, bool),
) -> Outcome {
    let Some(files) = files else {
        return match access.tell(issued, &[]) {
            // For people the certificate itself is the answer.
            Ok(()) if !access.is_json() => Ok(say(issued.certificate.trim_end())?),
            told => told,
        };
    };
    write_new(&files.certificate, &issued.certificate, 0o644)?;
    let key = if made_here {
        files.key.display().to_string()
    } else {
        String::new()
    };
    let facts = [
        ("certificate", files.certificate.display().to_string()),
        ("key", key),
        ("serial", issued.serial.clone()),
        ("fingerprint", issued.fingerprint.clone()),
        ("holds until", issued.not_after.clone()),
    ];
    access.tell(issued, &facts)
}

impl RevokeArguments {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let certificate = self.name.file.as_deref().map(read_text).transpose()?;
        let revocation = Revocation {
            serial: self.name.serial,
            sp_id: self.sp.map(|sp| sp.to_string()),
            fingerprint: self.name.fingerprint,
            certificate,
        };
        let revoked: CertificateView = client.post("/certificates/revoke", &revocation).await?;
        let facts = [
            ("sp", revoked.sp_id.clone()),
            ("serial", revoked.serial.clone()),
            ("status", name_of(&revoked.status)),
            ("revoked", or_empty(revoked.revoke_time.as_ref())),
        ];
        access.tell(&revoked, &facts)
    }
}

async fn list(id: &SpId, access: &Access, client: &OperatorClient) -> Outcome {
    let path = format!("/sps/{id}/certificates");
    let (certificates, more) = client
        .list::<CertificateView>(&path, &[], usize::MAX)
        .await?;
    let headers = ["SERIAL", "STATUS", "HOLDS UNTIL", "REVOKED"];
    access.tell_all((&certificates, more), &headers, |certificate| {
        vec![
            certificate.serial.clone(),
            name_of(&certificate.status),
            or_empty(certificate.not_after.as_ref()),
            or_empty(certificate.revoke_time.as_ref()),
        ]
    })
}

/// The files of one SP in a directory.
struct OutFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl OutFiles {
    /// Makes the directory; refuses files that are there, before anything is asked of the gateway.
    fn plan(directory: &Path, id: &SpId) -> Result<Self, Box<dyn Error>> {
        std::fs::create_dir_all(directory)
            .map_err(|error| UsageError(format!("`{}`: {error}", directory.display())))?;
        let files = Self {
            certificate: directory.join(format!("{id}.pem")),
            key: directory.join(format!("{id}.key")),
        };
        for file in [&files.certificate, &files.key] {
            if file.exists() {
                let refused = format!("`{}` exists; nothing is overwritten", file.display());
                return Err(UsageError(refused).into());
            }
        }
        Ok(files)
    }
}

/// The most bytes of a text that a verb reads: a table of some hundred thousand devices.
const LONGEST: u64 = 64 << 20;

pub(in crate::cli) fn read_text(file: &Path) -> Result<String, UsageError> {
    let refuse = |why: &dyn Display| UsageError(format!("cannot read `{}`: {why}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| refuse(&error))?;
    let read = opened.take(LONGEST + 1).read_to_string(&mut text);
    if read.map_err(|error| refuse(&error))? as u64 > LONGEST {
        return Err(refuse(&"it is longer than 64 MiB"));
    }
    Ok(text)
}

pub(in crate::cli) fn write_new(file: &Path, text: &str, mode: u32) -> Result<(), Box<dyn Error>> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| format!("cannot write `{}`: {error}", file.display()).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn key_file_is_its_owners_alone_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let id = SpId::parse("shop").unwrap();
        let files = OutFiles::plan(directory.path(), &id).unwrap();
        write_new(&files.key, "KEY", 0o600).unwrap();
        let mode = std::fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write_new(&files.key, "OTHER", 0o600).is_err());
        assert!(OutFiles::plan(directory.path(), &id).is_err());
        assert_eq!(std::fs::read_to_string(&files.key).unwrap(), "KEY");
    }
}
