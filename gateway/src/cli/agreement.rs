//! `ics-gateway agreement`.

use clap::{Args, Subcommand, ValueEnum};
use ics_core::id::{AgreementId, SpId};
use ics_operator::wire::{
    AgreementView, Confirmation, ConsentModeName, EndedAgreement, ExposureName, NewAgreement,
};

use super::job::{check_done, count_removed, wait_for_all};
use super::operator::{Access, name_of, or_empty, parse_sp};
use super::runtime::{Outcome, block_on};

/// Agreements between IoT SPs and third party SPs: without one nothing is mapped
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AgreementArguments {
    #[command(subcommand)]
    verb: AgreementVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  The shop may ask for devices of acme, for its egg service alone, until the year ends:
    ics-gateway agreement add --iot-sp acme --third-party-sp shop \\
      --service https://shop.example/eggs \\
      --valid-until 2027-01-01T00:00:00Z --config gateway.toml
  How many mappings would go, and then for good:
    ics-gateway agreement end 0193a5b2-... --config gateway.toml
    ics-gateway agreement end 0193a5b2-... --yes --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum AgreementVerb {
    Add(AddArguments),
    End(EndArguments),
    /// List agreements, those that ended included
    List,
}

/// Put an agreement in force
#[derive(Debug, Args)]
struct AddArguments {
    /// The side with the devices
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    iot_sp: SpId,

    /// The side with the services
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    third_party_sp: SpId,

    /// A service URI it covers, with everything under it [default: all of the third party's]
    #[arg(long = "service", value_name = "URI")]
    services: Vec<String>,

    /// First instant it is valid, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    valid_from: Option<String>,

    /// First instant it is no longer valid, RFC 3339 [default: open end]
    #[arg(long, value_name = "TIME")]
    valid_until: Option<String>,

    /// Who establishes the user's consent
    #[arg(long, value_enum, default_value = "asserted")]
    consent: Consent,

    /// How the third party sees device IDs
    #[arg(long, value_enum, default_value = "raw")]
    exposure: Exposure,

    /// A mapping request must carry a pairing code of the device (`device pairing-code`): the
    /// gateway must host it
    #[arg(long)]
    pairing_code: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Consent {
    /// The third party SP says so in each request
    Asserted,
    /// The gateway's consent page; not served yet: every request is refused
    AuthCode,
    /// The IoT SP asks its user
    IotSpConfirm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Exposure {
    /// As the IoT SP assigned them
    Raw,
    /// A pseudonym for each third party
    Pairwise,
}

/// End an agreement for good: its mappings are de-mapped, both sides are told
///
/// Without --yes nothing happens but a count of the mappings that would go. Of more than 1,000 a job
/// removes them, and this waits for its end; they are gone from its beginning on.
#[derive(Debug, Args)]
struct EndArguments {
    /// Its id, as `agreement list` tells it
    #[arg(value_parser = parse_agreement)]
    id: AgreementId,

    /// Do it
    #[arg(long)]
    yes: bool,
}

fn parse_agreement(text: &str) -> Result<AgreementId, String> {
    AgreementId::parse(text).map_err(|fault| fault.to_string())
}

impl AgreementArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            match verb {
                AgreementVerb::Add(arguments) => {
                    let new = arguments.into_agreement();
                    let agreement: AgreementView = client.post("/agreements", &new).await?;
                    tell(&access, &agreement)
                }
                AgreementVerb::End(EndArguments { id, yes }) => {
                    let path = format!("/agreements/{id}/end");
                    let body = Confirmation { confirm: yes };
                    let mut ended: EndedAgreement = client.post(&path, &body).await?;
                    ended.jobs = wait_for_all(&client, &ended.jobs).await?;
                    let facts = [
                        ("ended", id.to_string()),
                        ("de-mapped", count_removed(ended.demapped, &ended.jobs)),
                    ];
                    access.tell(&ended, &facts)?;
                    check_done(&ended.jobs)
                }
                AgreementVerb::List => {
                    let list = client.list::<AgreementView>("/agreements", &[], usize::MAX);
                    let (agreements, more) = list.await?;
                    access.tell_all((&agreements, more), &HEADERS, row)
                }
            }
        })
    }
}

const HEADERS: [&str; 6] = [
    "ID",
    "IOT SP",
    "THIRD PARTY SP",
    "STATUS",
    "CONSENT",
    "EXPOSURE",
];

fn row(agreement: &AgreementView) -> Vec<String> {
    vec![
        agreement.agreement_id.clone(),
        agreement.iot_sp_id.clone(),
        agreement.third_party_sp_id.clone(),
        name_of(&agreement.status),
        name_of(&agreement.consent_mode),
        name_of(&agreement.device_id_exposure),
    ]
}

fn tell(access: &Access, agreement: &AgreementView) -> Outcome {
    let pairing = if agreement.pairing_required {
        "required"
    } else {
        "taken, not required"
    };
    let facts = [
        ("id", agreement.agreement_id.clone()),
        ("iot sp", agreement.iot_sp_id.clone()),
        ("third party sp", agreement.third_party_sp_id.clone()),
        ("status", name_of(&agreement.status)),
        ("services", agreement.services.join(" ")),
        ("valid from", agreement.valid_from.clone()),
        ("valid until", or_empty(agreement.valid_until.as_ref())),
        ("consent", name_of(&agreement.consent_mode)),
        ("exposure", name_of(&agreement.device_id_exposure)),
        ("pairing code", pairing.to_owned()),
    ];
    access.tell(agreement, &facts)
}

impl AddArguments {
    fn into_agreement(self) -> NewAgreement {
        NewAgreement {
            iot_sp_id: self.iot_sp.to_string(),
            third_party_sp_id: self.third_party_sp.to_string(),
            services: self.services,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            consent_mode: match self.consent {
                Consent::Asserted => ConsentModeName::Asserted,
                Consent::AuthCode => ConsentModeName::AuthCode,
                Consent::IotSpConfirm => ConsentModeName::IotSpConfirm,
            },
            device_id_exposure: match self.exposure {
                Exposure::Raw => ExposureName::Raw,
                Exposure::Pairwise => ExposureName::Pairwise,
            },
            pairing_required: self.pairing_code,
        }
    }
}
