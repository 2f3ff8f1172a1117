//! `ics-gateway status`.

use clap::Args;
use ics_operator::wire::{DecisionLogState, StatusView, StoreState};

use super::operator::Access;
use super::runtime::{Outcome, block_on};

/// Show how the running gateway is: version, counts, what runs out next
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway status --config gateway.toml

Exit status: 0 running, 1 refused by the gateway, 2 usage, 3 gateway not reachable.")]
pub(super) struct StatusArguments {
    #[command(flatten)]
    access: Access,
}

impl StatusArguments {
    pub(super) fn run(self) -> Outcome {
        block_on(async move {
            let status: StatusView = self.access.client()?.read("/status").await?;
            self.access.tell(&status, &facts(&status))
        })
    }
}

fn facts(status: &StatusView) -> Vec<(&'static str, String)> {
    let parties = status.service_providers;
    let mut facts = vec![
        ("version", status.version.clone()),
        ("running since", status.start_time.clone()),
        (
            "service providers",
            format!(
                "{} active, {} suspended, {} removed",
                parties.active, parties.suspended, parties.removed
            ),
        ),
        (
            "agreements",
            format!("{} in force", status.active_agreements),
        ),
    ];
    if let Some(rows) = status.mappings {
        let text = format!(
            "{} established, {} pending, {} tombstones",
            rows.established, rows.pending, rows.tombstones
        );
        facts.push(("mappings", text));
    }
    if let Some(depth) = status.outbox_depth {
        facts.push(("outbox", format!("{depth} notifications")));
    }
    if let Some(devices) = status.hosted_devices {
        facts.push(("devices", format!("{devices} hosted")));
    }
    if let Some(next) = &status.next_certificate_expiry {
        facts.push((
            "certificate expiry",
            format!("{} of {}", next.not_after, next.sp_id),
        ));
    }
    if let Some(store) = status.store {
        let text = match store {
            StoreState::Writing => "written",
            StoreState::Failing => "FAILING: changes are refused",
            StoreState::Damaged => {
                "DAMAGED: what cannot be read fails when it is asked for; `ics-gateway doctor` names the way out"
            }
        };
        facts.push(("store", text.to_owned()));
    }
    facts.push((
        "clock",
        format!("{}: {}", status.clock.state, status.clock.detail),
    ));
    let decisions = match status.decision_log.state {
        DecisionLogState::Writing => "written",
        DecisionLogState::FailingRefused => "FAILING: changes are refused",
        DecisionLogState::FailingContinued => "FAILING: lines are lost",
    };
    let mut log = format!("{decisions}, {} lines lost", status.decision_log.lost_lines);
    if status.decision_log.taken_away > 0 {
        log.push_str(", FILE DELETED OR SHORTENED: lines are gone");
    }
    facts.push(("decision log", log));
    facts
}
