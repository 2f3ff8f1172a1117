//! `ics-gateway device`: devices hosted on behalf of an IoT SP.

mod answers;
mod certify;
mod credential;
mod import;
mod sheet;

use clap::{Args, Subcommand, ValueEnum};
use ics_core::id::SpId;
use ics_operator::wire::{
    ChannelName, Confirmation, DeviceCredentialView, DeviceView, NewDevice, NewPairingCode,
    PairingCodeView,
};

use super::operator::{Access, UsageError, name_of, or_empty, parse_sp};
use super::runtime::{Outcome, block_on};
use crate::operator_client::OperatorClient;
use credential::{CredentialVerb, Wanted};

/// Host devices for an IoT service provider: register, show, give up; their credentials
///
/// A hosted device speaks to this gateway instead of to its IoT service provider: it learns its
/// service URI and UTI pairs here, and forgets here what was revoked. Its device ID, passwords and
/// keys are minted by the gateway; what is secret is told once, by the verb that had it made.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeviceArguments {
    #[command(subcommand)]
    verb: DeviceVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  A refrigerator of acme, with a key and certificate made here in ./keys:
    ics-gateway device register FR-2291-00031 --sp acme --vendor acme \\
        --model Fridge9 --out ./keys --config gateway.toml
  One that logs in with its device ID and a password:
    ics-gateway device register FR-2291-00032 --sp acme --password \\
        --config gateway.toml
  One that speaks CoAP over DTLS, with a pre-shared key:
    ics-gateway device register FR-2291-00033 --sp acme --channel coap --psk \\
        --config gateway.toml
  Ten thousand, from a table; ids and secrets go to a file that you alone can read:
    ics-gateway device import devices.csv --sp acme \\
        --answers devices.ndjson --config gateway.toml
  Try whether a device keeps its side of the mapping document:
    ics-gateway device certify d-abcdefghijklmnopabcdefghijklmnop \\
        --listen 0.0.0.0:8884 --restart ./power-cycle.sh --config gateway.toml
  Roll a password over: add the next one, bring it to the device, revoke the one before:
    ics-gateway device credential add d-abcdefghijklmnopabcdefghijklmnop \\
        --sp acme --password --config gateway.toml
    ics-gateway device credential revoke d-abcdefghijklmnopabcdefghijklmnop 1 \\
        --sp acme --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum DeviceVerb {
    Register(Box<RegisterArguments>),
    /// List the devices hosted for a service provider
    List(ListArguments),
    /// Show one device: its document, what it acknowledged, its credentials
    Show(NamedDevice),
    Unregister(UnregisterArguments),
    PairingCode(PairingArguments),
    /// Credentials of a device
    #[command(subcommand)]
    Credential(CredentialVerb),
    Import(import::ImportArguments),
    Certify(Box<certify::CertifyArguments>),
}

/// A device and whose it is.
#[derive(Debug, Args)]
struct NamedDevice {
    /// Its device ID: `d-` and 32 letters
    #[arg(value_name = "DEVICE_ID", value_parser = parse_device)]
    device: String,

    /// The IoT service provider whose device it is
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: SpId,
}

/// Host a device; mappings that wait for its serial number are offered to it
///
/// Name how it shall prove itself: --password, --psk, --csr or --out, or several of those.
#[derive(Debug, Args)]
struct RegisterArguments {
    /// What its maker printed on it, within the serial namespaces of the service provider
    #[arg(value_name = "SERIAL")]
    serial: String,

    /// The IoT service provider whose device it is
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: SpId,

    /// Its maker
    #[arg(long, value_name = "NAME")]
    vendor: Option<String>,

    /// Its model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Pseudonym of the user who owns it, as the service provider knows them
    #[arg(long, value_name = "SUBJECT")]
    owner: Option<String>,

    /// Over which protocol it may come; may be given more than once
    #[arg(long = "channel", value_enum, default_value = "mqtt")]
    channels: Vec<Channel>,

    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Channel {
    /// MQTT 3.1.1 or 5
    Mqtt,
    /// CoAP over DTLS
    Coap,
    /// A oneM2M CSE
    Onem2m,
}

impl From<Channel> for ChannelName {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Mqtt => Self::Mqtt,
            Channel::Coap => Self::Coap,
            Channel::Onem2m => Self::Onem2m,
        }
    }
}

#[derive(Debug, Args)]
struct ListArguments {
    /// The IoT service provider whose devices they are
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: SpId,

    /// The most devices told
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Give a device up for good: its mappings are de-mapped, its ID is dead
///
/// It may still fetch and acknowledge its empty document. Without --yes nothing happens but a
/// count of the mappings that would go.
#[derive(Debug, Args)]
struct UnregisterArguments {
    #[command(flatten)]
    named: NamedDevice,

    /// Do it
    #[arg(long)]
    yes: bool,
}

/// Mint a one-time pairing code: who types it into a third party's application has the device
///
/// It is told this once and used up by the mapping request that carries it. Up to four wait at a
/// time, of more the oldest goes.
#[derive(Debug, Args)]
struct PairingArguments {
    #[command(flatten)]
    named: NamedDevice,

    /// How long it holds: 1 to 43200 minutes
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    minutes: u32,
}

impl PairingArguments {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        let path = format!("{}/pairing-codes", self.named.path());
        let new = NewPairingCode {
            validity: Some(self.minutes.saturating_mul(60)),
        };
        let made: PairingCodeView = client.post(&path, &new).await?;
        let facts = [
            ("device", self.named.device),
            ("pairing code", made.pairing_code.clone()),
            ("holds until", made.not_after.clone()),
        ];
        access.tell(&made, &facts)
    }
}

impl DeviceArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        match verb {
            DeviceVerb::Import(arguments) => arguments.run(&access),
            DeviceVerb::Certify(arguments) => arguments.run(&access),
            verb => block_on(async move {
                let client = access.client()?;
                verb.run(&access, &client).await
            }),
        }
    }
}

impl DeviceVerb {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        match self {
            Self::Register(arguments) => arguments.run(access, client).await,
            Self::List(arguments) => list(&arguments, access, client).await,
            Self::Show(named) => tell_device(access, &client.read(&named.path()).await?),
            Self::Unregister(UnregisterArguments { named, yes }) => {
                let path = format!("{}/unregister", named.path());
                let gone = client.post(&path, &Confirmation { confirm: yes }).await?;
                tell_device(access, &gone)
            }
            Self::PairingCode(arguments) => arguments.run(access, client).await,
            Self::Credential(verb) => verb.run(access, client).await,
            Self::Import(arguments) => arguments.run(access),
            Self::Certify(arguments) => arguments.run(access),
        }
    }
}

impl NamedDevice {
    fn path(&self) -> String {
        format!("/sps/{}/devices/{}", self.sp, self.device)
    }
}

impl RegisterArguments {
    async fn run(self, access: &Access, client: &OperatorClient) -> Outcome {
        if self.wanted.psk && !self.channels.contains(&Channel::Coap) {
            let wrong = "a pre-shared key is of use over CoAP alone: add --channel coap";
            return Err(UsageError(wrong.into()).into());
        }
        let mut prepared = self.wanted.prepare(&self.sp)?;
        let mut channels = self.channels;
        channels.dedup();
        let new = NewDevice {
            device_serial_number: self.serial,
            device_vendor: self.vendor,
            device_model: self.model,
            owner_subject: self.owner,
            channels: channels.into_iter().map(Into::into).collect(),
            credentials: std::mem::take(&mut prepared.orders),
        };
        let path = format!("/sps/{}/devices", self.sp);
        let made: DeviceView = client.post(&path, &new).await?;
        let mut facts = vec![
            ("device", made.device_id.clone()),
            ("sp", made.sp_id.clone()),
            ("channels", channels_of(&made)),
        ];
        facts.extend(prepared.keep(&made.device_id, &made.credentials)?);
        access.tell(&made, &facts)
    }
}

async fn list(arguments: &ListArguments, access: &Access, client: &OperatorClient) -> Outcome {
    let path = format!("/sps/{}/devices", arguments.sp);
    let (devices, more) = client
        .list::<DeviceView>(&path, &[], arguments.limit)
        .await?;
    let headers = ["DEVICE", "STATUS", "CHANNELS", "MAPPINGS", "HOLDS", "SINCE"];
    access.tell_all((&devices, more), &headers, |device| {
        vec![
            device.device_id.clone(),
            name_of(&device.status),
            channels_of(device),
            device.document.mapping_ids.len().to_string(),
            held_of(device),
            device.create_time.clone(),
        ]
    })
}

fn tell_device(access: &Access, device: &DeviceView) -> Outcome {
    let credentials: Vec<_> = device.credentials.iter().map(show_credential).collect();
    let facts = [
        ("device", device.device_id.clone()),
        ("sp", device.sp_id.clone()),
        ("vendor", or_empty(device.device_vendor.as_ref())),
        ("model", or_empty(device.device_model.as_ref())),
        ("owner", or_empty(device.owner_subject.as_ref())),
        ("channels", channels_of(device)),
        ("status", name_of(&device.status)),
        ("forgotten", or_empty(device.expiry.as_ref())),
        ("mappings", device.document.mapping_ids.join(" ")),
        ("holds", held_of(device)),
        ("credentials", credentials.join("; ")),
        ("since", device.create_time.clone()),
    ];
    access.tell(device, &facts)
}

/// Which version of its document it holds, of which.
fn held_of(device: &DeviceView) -> String {
    let document = &device.document;
    format!("{} of {}", document.acknowledged, document.version)
}

fn channels_of(device: &DeviceView) -> String {
    let names: Vec<_> = device.channels.iter().map(name_of).collect();
    names.join("+")
}

fn show_credential(credential: &DeviceCredentialView) -> String {
    let (id, kind) = (&credential.credential_id, name_of(&credential.kind));
    match &credential.revoke_time {
        Some(time) => format!("{id} {kind} revoked {time}"),
        None => format!("{id} {kind} until {}", credential.not_after),
    }
}

/// A device ID as typed: only the gateway's own need no escaping in a path.
fn parse_device(text: &str) -> Result<String, String> {
    let letters = text.strip_prefix("d-").unwrap_or_default();
    if letters.len() == 32 && letters.bytes().all(|b| matches!(b, b'a'..=b'p')) {
        return Ok(text.to_owned());
    }
    Err("the ID of a hosted device is `d-` and 32 of the letters a to p".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_minted_device_ids_are_taken() {
        let minted = "d-abcdefghijklmnopabcdefghijklmnop";
        assert_eq!(parse_device(minted).as_deref(), Ok(minted));
        for other in ["", "d-", "d-abc", "FR-1", &minted.replace('p', "q")] {
            assert!(parse_device(other).is_err(), "{other}");
        }
    }
}
