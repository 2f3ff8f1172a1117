//! `ics-gateway device credential`, and how a device is to prove itself.

use std::error::Error;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ics_core::id::SpId;
use ics_operator::wire::{
    DeviceCredentialView, DeviceView, NewCredential, NewDeviceCertificate, NewPassword, NewPsk,
};
use ics_vault::{CertificateRequest, make_request};

use super::{NamedDevice, tell_device};
use crate::cli::operator::{Access, UsageError, name_of, or_empty};
use crate::cli::runtime::Outcome;
use crate::cli::sp::{read_text, write_new};
use crate::operator_client::OperatorClient;

#[derive(Debug, Subcommand)]
pub(super) enum CredentialVerb {
    Add(AddArguments),
    Revoke(RevokeArguments),
}

/// Give a device one more credential; those it has go on to hold
///
/// Name one: --password, --password-file, --psk, --csr or --out.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    #[command(flatten)]
    named: NamedDevice,

    #[command(flatten)]
    wanted: Wanted,
}

/// Revoke a credential: a session under it is closed
#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    named: NamedDevice,

    /// Its number, as `device show` tells it
    #[arg(value_name = "CREDENTIAL")]
    credential: u32,
}

/// How a device shall prove itself.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Have a password minted; the user name is the device ID
    #[arg(long)]
    password: bool,

    /// Take the password that is the first line of FILE, where the configuration has
    /// `chosen_passwords = true` in its devices section: 12 to 128 bytes
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,

    /// Have a pre-shared key minted, for CoAP over DTLS: its identity, and 16 bytes in hexadecimal
    ///
    /// A device that takes hexadecimal takes it as it is told. libcoap's coap-client takes the
    /// bytes themselves: -u IDENTITY -k "$(printf PSK | xxd -r -p)".
    #[arg(long)]
    pub(super) psk: bool,

    /// Have a certificate for the key of this PKCS#10 request, PEM
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,

    /// Write the certificate to DIR/DEVICE_ID-N.pem, N its number among the credentials of the
    /// device; without --csr, make its key here too: DIR/DEVICE_ID-N.key, mode 0600
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// How long it holds: 1 to 3660 days [default: 365]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: Option<u32>,
}

/// Orders, and what is kept here of what they are for.
pub(super) struct Prepared {
    pub(super) orders: Vec<NewCredential>,
    made_here: Option<CertificateRequest>,
    directory: Option<PathBuf>,
}

impl Wanted {
    /// Makes the key, and the directory, before anything is asked of the gateway.
    pub(super) fn prepare(self, sp: &SpId) -> Result<Prepared, Box<dyn Error>> {
        let validity = self.days.map(|days| days.saturating_mul(86_400));
        let mut orders = Vec::new();
        let mut made_here = None;
        let request = match (&self.csr, &self.out) {
            (Some(file), _) => Some(read_text(file)?),
            (None, Some(_)) => {
                let made = make_request(sp)?;
                let request = made.request_pem.clone();
                made_here = Some(made);
                Some(request)
            }
            (None, None) => None,
        };
        orders.extend(request.map(|request| order_certificate(request, validity)));
        if let Some(file) = &self.password_file {
            let text = read_text(file)?;
            let line = text.lines().next().unwrap_or_default();
            orders.push(order_password(Some(line.to_owned()), validity));
        }
        orders.extend(self.password.then(|| order_password(None, validity)));
        orders.extend(self.psk.then(|| order_psk(validity)));
        if orders.is_empty() {
            let wrong = "name --password, --password-file, --psk, --csr or --out";
            return Err(UsageError(wrong.into()).into());
        }
        if let Some(directory) = &self.out {
            std::fs::create_dir_all(directory)
                .map_err(|error| UsageError(format!("`{}`: {error}", directory.display())))?;
        }
        Ok(Prepared {
            orders,
            made_here,
            directory: self.out,
        })
    }
}

/// An order of a certificate.
pub(super) fn order_certificate(request: String, validity: Option<u32>) -> NewCredential {
    NewCredential {
        certificate: Some(NewDeviceCertificate { request, validity }),
        ..NewCredential::default()
    }
}

/// An order of a password, chosen or minted.
pub(super) fn order_password(value: Option<String>, validity: Option<u32>) -> NewCredential {
    NewCredential {
        password: Some(NewPassword { value, validity }),
        ..NewCredential::default()
    }
}

/// An order of a pre-shared key.
pub(super) fn order_psk(validity: Option<u32>) -> NewCredential {
    NewCredential {
        psk: Some(NewPsk { validity }),
        ..NewCredential::default()
    }
}

impl Prepared {
    /// Writes certificate and key where they belong; what is to be told of the credentials.
    pub(super) fn keep(
        self,
        device: &str,
        made: &[DeviceCredentialView],
    ) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
        let mut facts = Vec::new();
        for credential in made {
            if let Some(password) = &credential.password {
                facts.push(("password", password.clone()));
            }
            if let (Some(identity), Some(key)) = (&credential.psk_identity, &credential.psk) {
                facts.push(("psk identity", identity.clone()));
                facts.push(("psk", key.clone()));
            }
            let Some(certificate) = &credential.certificate else {
                continue;
            };
            let Some(directory) = &self.directory else {
                facts.push(("certificate", format!("\n{}", certificate.trim_end())));
                continue;
            };
            let name = format!("{device}-{}", credential.credential_id);
            if let Some(request) = &self.made_here {
                let file = directory.join(format!("{name}.key"));
                write_new(&file, &request.key_pem, 0o600)?;
                facts.push(("key", file.display().to_string()));
            }
            let file = directory.join(format!("{name}.pem"));
            write_new(&file, certificate, 0o644)?;
            facts.push(("certificate", file.display().to_string()));
        }
        Ok(facts)
    }
}

impl CredentialVerb {
    pub(super) async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        match self {
            Self::Add(arguments) => arguments.run(access, client).await,
            Self::Revoke(RevokeArguments { named, credential }) => {
                let path = format!("{}/credentials/{credential}/revoke", named.path());
                let device: DeviceView = client.post(&path, &()).await?;
                tell_device(access, &device)
            }
        }
    }
}

impl AddArguments {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let prepared = self.wanted.prepare(&self.named.sp)?;
        let [order] = prepared.orders.as_slice() else {
            let wrong = "one credential at a time: a password, --psk, or --csr or --out";
            return Err(UsageError(wrong.into()).into());
        };
        let path = format!("{}/credentials", self.named.path());
        let made: DeviceCredentialView = client.post(&path, order).await?;
        let mut facts = vec![
            ("device", self.named.device.clone()),
            ("credential", made.credential_id.clone()),
            ("kind", name_of(&made.kind)),
            ("holds until", made.not_after.clone()),
            ("revoked", or_empty(made.revoke_time.as_ref())),
        ];
        facts.extend(prepared.keep(&self.named.device, std::slice::from_ref(&made))?);
        access.tell(&made, &facts)
    }
}
