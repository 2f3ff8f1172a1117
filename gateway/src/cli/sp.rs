//! `ics-gateway sp`.

mod certificate;
mod invite;
mod revoke;

use std::error::Error;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ics_core::id::SpId;
use ics_operator::wire::{
    Confirmation, JwkView, NewLimits, NewOneM2mAe, NewParty, NewService, OneM2mAeView, PartyView,
    RemovedParty, RoleName, SerialNamespaceView,
};
use ics_vault::read_verifying_key;

use super::job::{check_done, count_removed, wait_for_all};
use super::operator::{Access, name_of, or_empty, parse_sp};
use super::runtime::{Outcome, block_on};
use crate::operator_client::OperatorClient;
pub(super) use certificate::{read_text, write_new};

/// Onboard, freeze, off-board service providers; their certificates
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SpArguments {
    #[command(subcommand)]
    verb: SpVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  A shop that offers services, and a maker of refrigerators:
    ics-gateway sp add shop --role third-party-sp --config gateway.toml \\
      --service https://shop.example/ --callback-origin https://shop.example
    ics-gateway sp add acme --role iot-sp --config gateway.toml \\
      --serial-namespace vendor=acme,prefix=FR- \\
      --callback-origin https://iot.acme.example
  Let the shop get its certificate itself, by EST:
    ics-gateway sp invite shop --config gateway.toml
  A certificate for the shop, with a key made here (or --csr for a key made there):
    ics-gateway sp cert issue shop --out ./shop --config gateway.toml
  The AE it speaks as at a oneM2M platform, and the key it signs with there:
    ics-gateway sp onem2m shop --config gateway.toml \\
      --onem2m-ae /id-in/Cshop --onem2m-key ./shop/onem2m.pub
  Freeze it at once, losing nothing; let it go on:
    ics-gateway sp suspend shop --config gateway.toml
    ics-gateway sp resume shop --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum SpVerb {
    Add(Box<AddArguments>),
    /// List service providers
    List,
    /// Show one service provider
    Show(NamedSp),
    /// Freeze a service provider at once: nothing answered, nothing deleted, nothing lost
    Suspend(NamedSp),
    /// Let a suspended service provider go on
    Resume(NamedSp),
    Remove(RemoveArguments),
    Onem2m(ChangeAeArguments),
    Service(ServiceArguments),
    Invite(invite::InviteArguments),
    Revoke(revoke::RevokeSpArguments),
    /// Certificates of service providers
    #[command(subcommand)]
    Cert(certificate::CertificateVerb),
}

#[derive(Debug, Args)]
struct NamedSp {
    /// Its id
    #[arg(value_parser = parse_sp)]
    id: SpId,
}

/// Onboard a service provider
///
/// What it is granted here is the most it can ever ask for: service URIs under its prefixes
/// (third party SP), serial numbers in its namespaces (IoT SP), notifications to its origins.
#[derive(Debug, Args)]
struct AddArguments {
    /// scsAsId, OAuth client_id and certificate name: 2 to 63 of a-z 0-9 - _ . (a letter first)
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// Its side; may be given twice
    #[arg(long = "role", value_enum, required = true)]
    roles: Vec<Role>,

    /// A service URI it owns, with everything under it: you vouch for it
    #[arg(long = "service", value_name = "URI")]
    services: Vec<String>,

    /// A service URI it says it owns: it can be used once it serves the challenge at it
    #[arg(long = "unproven-service", value_name = "URI")]
    unproven_services: Vec<String>,

    /// Serial numbers it answers for: PREFIX, or [vendor=NAME,]prefix=TEXT, or
    /// [vendor=NAME,]pattern=REGEX (the whole number must match)
    #[arg(long = "serial-namespace", value_name = "NAMESPACE", value_parser = parse_namespace)]
    serial_namespaces: Vec<SerialNamespaceView>,

    /// Where its notifications may go: https://HOST or https://HOST:PORT
    #[arg(long = "callback-origin", value_name = "ORIGIN")]
    callback_origins: Vec<String>,

    /// Its own token endpoint, where it wants the gateway to fetch a token before notifying
    #[arg(long, value_name = "URL")]
    token_endpoint: Option<String>,

    #[command(flatten)]
    onem2m: AeArguments,

    /// Requests a second, with a burst of the same size [default: as configured]
    #[arg(long, value_name = "N")]
    requests_per_second: Option<NonZeroU32>,

    /// Mappings a day that may fail on the device's side [default: as configured]
    #[arg(long, value_name = "N")]
    failed_mappings_per_day: Option<NonZeroU32>,
}

/// The AE that a service provider speaks as over oneM2M.
#[derive(Debug, Args)]
struct AeArguments {
    /// The AE it speaks as over oneM2M: /CSE-ID/AE-ID of the platform
    #[arg(long, value_name = "AE")]
    onem2m_ae: Option<String>,

    /// The public key it signs its requests with, PEM (P-256 or Ed25519): without one it has to
    /// come with a certificate, and not through the platform; in mailbox mode its mailbox says who it is
    #[arg(long, value_name = "FILE", requires = "onem2m_ae")]
    onem2m_key: Option<PathBuf>,
}

/// Say which AE a service provider speaks as over oneM2M; none of both: it does not any more
#[derive(Debug, Args)]
struct ChangeAeArguments {
    /// Its id
    #[arg(value_parser = parse_sp)]
    id: SpId,

    #[command(flatten)]
    onem2m: AeArguments,
}

/// Give a service provider one more service
///
/// It can use it once it has shown that it is its own: its profile tells it a challenge, which it serves as text at
/// URI/.well-known/ics-challenge over https, and then it calls proveService. With --vouch it can use it at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    ics-gateway sp service shop --add https://shop.example/eggs --config g.toml
  It is known to be the shop's, or serves nothing over https:
    ics-gateway sp service shop --add https://shop.example/eggs --vouch \\
      --config gateway.toml")]
struct ServiceArguments {
    /// Its id
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// The service URI, with everything under it
    #[arg(long, value_name = "URI")]
    add: String,

    /// You know that it is its own
    #[arg(long)]
    vouch: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Offers services
    ThirdPartySp,
    /// Manages devices
    IotSp,
}

/// Off-board a service provider for good: its agreements end, their mappings are de-mapped
///
/// Without --yes nothing happens but a count of the mappings that would go. Of more than 1,000 under
/// one agreement a job removes them, and this waits for its end.
#[derive(Debug, Args)]
struct RemoveArguments {
    /// Its id; it is not given out again
    #[arg(value_parser = parse_sp)]
    id: SpId,

    /// Do it
    #[arg(long)]
    yes: bool,
}

impl SpArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            match verb {
                SpVerb::Add(arguments) => {
                    let party: PartyView = client.post("/sps", &arguments.into_party()?).await?;
                    tell_party(&access, &party)
                }
                SpVerb::Onem2m(ChangeAeArguments { id, onem2m }) => {
                    let new = NewOneM2mAe {
                        onem2m: onem2m.into_view()?,
                    };
                    let party = client.post(&format!("/sps/{id}/onem2m"), &new).await?;
                    tell_party(&access, &party)
                }
                SpVerb::Service(ServiceArguments { id, add, vouch }) => {
                    let new = NewService {
                        service: add,
                        vouched: vouch,
                    };
                    let party = client.post(&format!("/sps/{id}/services"), &new).await?;
                    tell_party(&access, &party)
                }
                SpVerb::List => list(&access, &client).await,
                SpVerb::Show(NamedSp { id }) => {
                    tell_party(&access, &client.read(&format!("/sps/{id}")).await?)
                }
                SpVerb::Suspend(NamedSp { id }) => act(&access, &client, &id, "suspend").await,
                SpVerb::Resume(NamedSp { id }) => act(&access, &client, &id, "resume").await,
                SpVerb::Remove(RemoveArguments { id, yes }) => {
                    let body = Confirmation { confirm: yes };
                    let mut removed: RemovedParty =
                        client.post(&format!("/sps/{id}/remove"), &body).await?;
                    removed.jobs = wait_for_all(&client, &removed.jobs).await?;
                    let facts = [
                        ("removed", id.to_string()),
                        ("de-mapped", count_removed(removed.demapped, &removed.jobs)),
                    ];
                    access.tell(&removed, &facts)?;
                    check_done(&removed.jobs)
                }
                SpVerb::Invite(arguments) => arguments.run(&access, &client).await,
                SpVerb::Revoke(arguments) => arguments.run(&access, &client).await,
                SpVerb::Cert(verb) => verb.run(&access, &client).await,
            }
        })
    }
}

async fn act(access: &Access, client: &OperatorClient, id: &SpId, verb: &str) -> Outcome {
    let nothing = Confirmation::default();
    let party: PartyView = client.post(&format!("/sps/{id}/{verb}"), &nothing).await?;
    access.tell(
        &party,
        &[("id", party.id.clone()), ("status", name_of(&party.status))],
    )
}

async fn list(access: &Access, client: &OperatorClient) -> Outcome {
    let (parties, more) = client.list::<PartyView>("/sps", &[], usize::MAX).await?;
    let headers = ["ID", "ROLES", "STATUS", "GRANTS", "SINCE"];
    access.tell_all((&parties, more), &headers, |party| {
        let grants = party
            .services
            .len()
            .saturating_add(party.serial_namespaces.len());
        vec![
            party.id.clone(),
            roles_of(party),
            name_of(&party.status),
            grants.to_string(),
            party.create_time.clone(),
        ]
    })
}

fn tell_party(access: &Access, party: &PartyView) -> Outcome {
    let namespaces: Vec<_> = party.serial_namespaces.iter().map(show_namespace).collect();
    let facts = [
        ("id", party.id.clone()),
        ("roles", roles_of(party)),
        ("status", name_of(&party.status)),
        ("services", party.services.join(" ")),
        ("unproven services", party.unproven_services.join(" ")),
        ("serial namespaces", namespaces.join(" ")),
        ("callback origins", party.callback_origins.join(" ")),
        ("token endpoint", or_empty(party.token_endpoint.as_ref())),
        (
            "onem2m",
            party.onem2m.as_ref().map_or_else(String::new, show_ae),
        ),
        ("requests/s", party.limits.requests_per_second.to_string()),
        (
            "failures/day",
            party.limits.failed_mappings_per_day.to_string(),
        ),
        ("since", party.create_time.clone()),
    ];
    access.tell(party, &facts)
}

fn show_ae(onem2m: &OneM2mAeView) -> String {
    let key = onem2m.key.as_ref();
    let signs = key.map_or("no key", |key| key.crv.as_str());
    format!("{} ({signs})", onem2m.ae)
}

fn roles_of(party: &PartyView) -> String {
    let roles: Vec<_> = party.roles.iter().map(name_of).collect();
    roles.join("+")
}

impl AddArguments {
    fn into_party(self) -> Result<NewParty, Box<dyn Error>> {
        let role = |role| match role {
            Role::ThirdPartySp => RoleName::ThirdPartySp,
            Role::IotSp => RoleName::IotSp,
        };
        Ok(NewParty {
            id: self.id.to_string(),
            roles: self.roles.into_iter().map(role).collect(),
            services: self.services,
            unproven_services: self.unproven_services,
            serial_namespaces: self.serial_namespaces,
            callback_origins: self.callback_origins,
            token_endpoint: self.token_endpoint,
            onem2m: self.onem2m.into_view()?,
            limits: NewLimits {
                requests_per_second: self.requests_per_second,
                failed_mappings_per_day: self.failed_mappings_per_day,
            },
        })
    }
}

impl AeArguments {
    fn into_view(self) -> Result<Option<OneM2mAeView>, Box<dyn Error>> {
        let Some(ae) = self.onem2m_ae else {
            return Ok(None);
        };
        let key = match &self.onem2m_key {
            None => None,
            Some(path) => {
                let named = |error: &dyn Error| format!("{}: {error}", path.display());
                let pem = std::fs::read_to_string(path).map_err(|error| named(&error))?;
                let key = read_verifying_key(&pem).map_err(|error| named(&error))?;
                Some(JwkView::of(&key))
            }
        };
        Ok(Some(OneM2mAeView { ae, key }))
    }
}

/// A namespace as typed. What follows `prefix=` or `pattern=` is taken whole, commas included.
fn parse_namespace(text: &str) -> Result<SerialNamespaceView, String> {
    let (vendor, rest) = match text.strip_prefix("vendor=") {
        Some(rest) => {
            let parts = rest.split_once(',');
            let (vendor, rest) = parts.ok_or("after vendor=NAME, write ,prefix= or ,pattern=")?;
            (Some(vendor.to_owned()), rest)
        }
        None => (None, text),
    };
    let (prefix, pattern) = match (rest.strip_prefix("prefix="), rest.strip_prefix("pattern=")) {
        (Some(prefix), _) => (Some(prefix), None),
        (None, Some(pattern)) => (None, Some(pattern)),
        (None, None) if vendor.is_none() => (Some(rest), None),
        (None, None) => return Err("after vendor=NAME, write ,prefix= or ,pattern=".into()),
    };
    if prefix.or(pattern).is_none_or(str::is_empty) {
        return Err("must not be empty".into());
    }
    let (prefix, pattern) = (prefix.map(Into::into), pattern.map(Into::into));
    Ok(SerialNamespaceView {
        vendor,
        prefix,
        pattern,
    })
}

/// A namespace as it is typed.
fn show_namespace(namespace: &SerialNamespaceView) -> String {
    let vendor = namespace
        .vendor
        .as_ref()
        .map(|vendor| format!("vendor={vendor},"));
    let set = match (&namespace.prefix, &namespace.pattern) {
        (Some(prefix), _) => format!("prefix={prefix}"),
        (None, pattern) => format!("pattern={}", or_empty(pattern.as_ref())),
    };
    vendor.unwrap_or_default() + &set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_is_shown_as_it_is_typed() {
        for text in [
            "prefix=FR-",
            "vendor=acme,prefix=FR-,2",
            "vendor=a,pattern=F[0-9]{1,3}",
        ] {
            assert_eq!(show_namespace(&parse_namespace(text).unwrap()), text);
        }
        assert_eq!(
            show_namespace(&parse_namespace("FR-").unwrap()),
            "prefix=FR-"
        );
    }

    #[test]
    fn namespace_without_numbers_is_refused() {
        for text in ["", "prefix=", "pattern=", "vendor=acme", "vendor=acme,FR-"] {
            assert!(parse_namespace(text).is_err(), "{text}");
        }
    }
}
