//! `ics-gateway bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::runtime::{Outcome, block_on, block_on_until_asked_to_end};
use crate::bench::{AnswerSizes, Options, inquiry, serve_yardstick};
use crate::config::Config;

/// Measure what requests cost, as ratios to a yardstick measured in the same run
#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// CPU time and rate of inquiries, against a bare actix-web handler under the same TLS
    Inquiry(InquiryArguments),
    /// The bare handler itself (started by the other verbs)
    #[command(hide = true)]
    Yardstick(YardstickArguments),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct InquiryArguments {
    /// 50,000 rows instead of 1,000,000, and shorter rounds: within a minute
    #[arg(long)]
    quick: bool,

    /// One line of JSON for each figure: name, value, unit, yardstick, ratio, rows
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
    ics-gateway bench inquiry --quick
    ics-gateway bench inquiry --json | jq .ratio

The ratio of CPU time is bare/gateway, that of requests is gateway/bare: 1 would mean that the
service itself costs nothing.";

#[derive(Debug, Args)]
struct YardstickArguments {
    #[arg(long)]
    config: PathBuf,
    #[arg(long)]
    by_device: usize,
    #[arg(long)]
    by_transaction: usize,
}

impl BenchArguments {
    pub(super) fn run(self) -> Outcome {
        match self.what {
            What::Inquiry(InquiryArguments { quick, json }) => {
                let directory = tempfile::tempdir()?;
                block_on_until_asked_to_end(async {
                    Ok(inquiry(directory.path(), Options { quick, json }).await?)
                })
            }
            What::Yardstick(YardstickArguments {
                config,
                by_device,
                by_transaction,
            }) => {
                let config = Config::load(&config)?;
                let sizes = AnswerSizes {
                    by_device,
                    by_transaction,
                };
                block_on(async { Ok(serve_yardstick(&config, sizes).await?) })
            }
        }
    }
}
