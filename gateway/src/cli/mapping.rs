//! `ics-gateway mapping`.

use clap::{Args, Subcommand, ValueEnum};
use ics_core::id::{MappingId, SpId};
use ics_operator::wire::{MappingDetail, MappingStatusName, MappingView};

use super::operator::{Access, name_of, or_empty, parse_sp};
use super::runtime::{Outcome, block_on};

/// Look at mappings; serial numbers are never shown
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MappingArguments {
    #[command(subcommand)]
    verb: MappingVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway mapping list --sp shop --status pending --config gateway.toml
    ics-gateway mapping show 0193a5b2-... --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum MappingVerb {
    List(ListArguments),
    /// Show one mapping with service URI, UTI and device ID
    Show {
        /// Its id, as `mapping list` tells it
        #[arg(value_parser = parse_mapping)]
        id: MappingId,
    },
}

/// List mappings: ids, state, parties, times, causes
#[derive(Debug, Args)]
struct ListArguments {
    /// Of this service provider, on either side
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: Option<SpId>,

    /// In this state
    #[arg(long, value_enum)]
    status: Option<Status>,

    /// The most that are listed
    #[arg(long, value_name = "N", default_value = "100")]
    limit: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Pending,
    Established,
    Failed,
    Deleted,
}

fn parse_mapping(text: &str) -> Result<MappingId, String> {
    MappingId::parse(text).map_err(|fault| fault.to_string())
}

impl MappingArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            match verb {
                MappingVerb::List(arguments) => {
                    let filters = arguments.filters();
                    let list = client.list::<MappingView>("/mappings", &filters, arguments.limit);
                    let (mappings, more) = list.await?;
                    access.tell_all((&mappings, more), &HEADERS, row)
                }
                MappingVerb::Show { id } => {
                    tell(&access, &client.read(&format!("/mappings/{id}")).await?)
                }
            }
        })
    }
}

impl ListArguments {
    fn filters(&self) -> Vec<(&'static str, String)> {
        let status = self.status.map(|status| match status {
            Status::Pending => MappingStatusName::Pending,
            Status::Established => MappingStatusName::Established,
            Status::Failed => MappingStatusName::Failed,
            Status::Deleted => MappingStatusName::Deleted,
        });
        let sp = self.sp.as_ref().map(|sp| ("sp", sp.to_string()));
        sp.into_iter()
            .chain(status.map(|status| ("status", name_of(&status))))
            .collect()
    }
}

const HEADERS: [&str; 6] = [
    "ID",
    "STATUS",
    "THIRD PARTY SP",
    "IOT SP",
    "UPDATED",
    "CAUSE",
];

fn row(mapping: &MappingView) -> Vec<String> {
    vec![
        mapping.mapping_id.clone(),
        name_of(&mapping.status),
        mapping.third_party_sp_id.clone(),
        mapping.iot_sp_id.clone(),
        mapping.update_time.clone(),
        cause_of(mapping),
    ]
}

fn cause_of(mapping: &MappingView) -> String {
    let parts = [mapping.cause.as_deref(), mapping.sub_cause.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("/")
}

fn tell(access: &Access, detail: &MappingDetail) -> Outcome {
    let mapping = &detail.mapping;
    let taken_over = detail
        .taken_over
        .map(|taken| if taken { "yes" } else { "no" });
    let facts = [
        ("id", mapping.mapping_id.clone()),
        ("status", name_of(&mapping.status)),
        ("cause", cause_of(mapping)),
        (
            "ended by",
            detail.ended_by.as_ref().map(name_of).unwrap_or_default(),
        ),
        ("third party sp", mapping.third_party_sp_id.clone()),
        ("iot sp", mapping.iot_sp_id.clone()),
        ("agreement", mapping.agreement_id.clone()),
        ("service uri", detail.service_uri.clone()),
        ("uti", detail.uti.clone()),
        ("uti expires", or_empty(detail.uti_expiry.as_ref())),
        ("device id", or_empty(detail.device_id.as_ref())),
        ("device vendor", or_empty(detail.device_vendor.as_ref())),
        ("device model", or_empty(detail.device_model.as_ref())),
        ("taken over", taken_over.unwrap_or_default().into()),
        ("pending until", or_empty(detail.pending_until.as_ref())),
        ("created", mapping.create_time.clone()),
        ("updated", mapping.update_time.clone()),
        ("purged", or_empty(detail.purge_time.as_ref())),
        ("sequence", mapping.sequence.to_string()),
    ];
    access.tell(detail, &facts)
}
