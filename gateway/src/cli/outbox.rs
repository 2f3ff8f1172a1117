//! `ics-gateway outbox`.

use clap::{Args, Subcommand};
use ics_core::id::SpId;
use ics_operator::wire::{Confirmation, OutboxRetry, OutboxView, RetriedView};

use super::operator::{Access, name_of, or_empty, parse_sp};
use super::runtime::{Outcome, block_on};
use crate::operator_client::{CallError, OperatorClient};

/// Notifications that wait for delivery, and dead letters
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct OutboxArguments {
    #[command(subcommand)]
    verb: OutboxVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway outbox list --dead --config gateway.toml
  After the shop mended its receiver:
    ics-gateway outbox retry --sp shop --config gateway.toml

Exit status: 0 done, 1 refused by the gateway, 2 usage, 3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum OutboxVerb {
    List(ListArguments),
    Retry(RetryArguments),
}

/// List notifications
#[derive(Debug, Args)]
struct ListArguments {
    /// To this service provider
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: Option<SpId>,

    /// Dead letters alone: those that were given up
    #[arg(long)]
    dead: bool,

    /// The most that are listed
    #[arg(long, value_name = "N", default_value = "100")]
    limit: usize,
}

/// Try notifications again, now
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RetryArguments {
    /// This one, as `outbox list` tells it
    #[arg(value_name = "NOTIFICATION", value_parser = parse_notification)]
    id: Option<String>,

    /// All dead letters to this service provider
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: Option<SpId>,
}

/// A `notificationId`: UUID, dot, sequence, role; nothing that means something in a URL.
fn parse_notification(text: &str) -> Result<String, String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let named = text.contains('.') && !text.starts_with('.') && text.len() <= 64;
    if plain && named {
        Ok(text.into())
    } else {
        Err("is no notification id".into())
    }
}

impl OutboxArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        block_on(async move {
            let client = access.client()?;
            match verb {
                OutboxVerb::List(arguments) => {
                    let filters = arguments.filters();
                    let list = client.list::<OutboxView>("/outbox", &filters, arguments.limit);
                    let (entries, more) = list.await?;
                    access.tell_all((&entries, more), &HEADERS, row)
                }
                OutboxVerb::Retry(RetryArguments { id, sp }) => {
                    let retried = retry(&client, (id, sp)).await?;
                    access.tell(&retried, &[("tried again", retried.retried.to_string())])
                }
            }
        })
    }
}

async fn retry(
    client: &OperatorClient,
    (id, sp): (Option<String>, Option<SpId>),
) -> Result<RetriedView, CallError> {
    if let Some(id) = id {
        return client
            .post(&format!("/outbox/{id}/retry"), &Confirmation::default())
            .await;
    }
    let wanted = OutboxRetry {
        sp_id: sp.map(|sp| sp.to_string()).unwrap_or_default(),
    };
    let mut retried = 0_usize;
    loop {
        let some: RetriedView = client.post("/outbox/retry", &wanted).await?;
        retried = retried.saturating_add(some.retried);
        if !some.more || some.retried == 0 {
            return Ok(RetriedView {
                retried,
                more: some.more,
            });
        }
    }
}

impl ListArguments {
    fn filters(&self) -> Vec<(&'static str, String)> {
        let sp = self.sp.as_ref().map(|sp| ("sp", sp.to_string()));
        sp.into_iter()
            .chain(self.dead.then(|| ("dead", "true".to_owned())))
            .collect()
    }
}

const HEADERS: [&str; 6] = ["NOTIFICATION", "TO", "KIND", "ATTEMPTS", "NEXT", "DEAD"];

fn row(entry: &OutboxView) -> Vec<String> {
    vec![
        entry.notification_id.clone(),
        entry.sp_id.clone(),
        name_of(&entry.kind),
        entry.attempts.to_string(),
        or_empty(entry.next_attempt.as_ref()),
        entry.dead_reason.as_ref().map(name_of).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notification_id_cannot_leave_its_place_in_the_path() {
        assert!(parse_notification("0193a5b2-1c1f-7cc0-8000-000000000001.2t").is_ok());
        for text in ["", "x", "..", "../sps.t", "a.b/c", "a.b?c", "a.b%2f"] {
            assert!(parse_notification(text).is_err(), "{text}");
        }
    }
}
