//! `ics-gateway policy`.

mod offline;
mod online;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use ics_policies::{DefaultAnswer, Ruling};

use super::operator::Access;
use super::runtime::{Outcome, block_on, say};

/// Who may do what: check and test policies, ask why, ask what if
///
/// Policies are Cedar (cedarpolicy.com). Those shipped are a ceiling: a service provider passes when it is who
/// it says, its token opens the reference point, the service is its own, an agreement is in force and the user
/// consented. An operator's own policies lie in the directory of `[policy]` in the configuration: `*.cedar`
/// files that forbid more, `devices.toml` with groups of devices and who is granted them (TS 33.187 4.7: per UE,
/// per service per UE), `*_cases.toml` with tests. SIGHUP takes changes; a set that is wrong is refused, and the
/// one in force stays.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PolicyArguments {
    #[command(subcommand)]
    verb: PolicyVerb,

    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  Look at a directory of policies, and run the cases in it:
    ics-gateway policy check policies
    ics-gateway policy test policies
  What a policy may look at, and what is shipped:
    ics-gateway policy show schema
    ics-gateway policy show shipped
  Why was that answered? `verdict` stands in the line of the decision log:
    ics-gateway policy explain 6f2c1e0a9b3d4f58 --config gateway.toml
  What would other policies have answered to what was asked lately?
    ics-gateway policy what-if policies-next --config gateway.toml
  And from now on? `trial = \"policies-next\"` under [policy], SIGHUP, and then:
    ics-gateway policy status --config gateway.toml

Exit status: 0 as wished, 1 policies wrong, cases failed or refused by the gateway, 2 usage,
3 gateway not reachable.";

#[derive(Debug, Subcommand)]
enum PolicyVerb {
    Check(SetArguments),
    Test(SetArguments),
    Show(ShowArguments),
    Explain(ExplainArguments),
    WhatIf(WhatIfArguments),
    /// Show which policies are in force, and how those on trial would answer differently
    Status,
}

/// Say what is wrong with a directory of policies, and what is odd
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway policy check policies")]
struct SetArguments {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// What is answered where no policy of the directory says anything
    #[arg(long, value_name = "ANSWER", default_value = "permit")]
    default: DefaultName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DefaultName {
    /// What the shipped policies permit
    Permit,
    /// No
    Deny,
}

impl From<DefaultName> for DefaultAnswer {
    fn from(name: DefaultName) -> Self {
        match name {
            DefaultName::Permit => Self::Permit,
            DefaultName::Deny => Self::Deny,
        }
    }
}

/// Show the schema, the shipped policies, or their cases
#[derive(Debug, Args)]
struct ShowArguments {
    what: Shown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shown {
    /// Every fact a policy may look at
    Schema,
    /// The ceiling
    Shipped,
    /// What the ceiling answers
    Cases,
}

/// Say which policies decided a request, and on which facts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
    ics-gateway policy explain 6f2c1e0a9b3d4f58 --config gateway.toml
  The same question, saved with --json, to other policies, without a gateway:
    ics-gateway policy explain --facts verdict.json --policies policies-next")]
struct ExplainArguments {
    /// `verdict` of a line of the decision log; kept until a restart, the newest 4,096
    #[arg(value_name = "VERDICT", required_unless_present = "facts")]
    verdict: Option<String>,

    /// A verdict that was saved with --json, or facts alone; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "verdict")]
    facts: Option<PathBuf>,

    /// The policies that are asked; without, the shipped ones alone
    #[arg(long, value_name = "DIR", requires = "facts")]
    policies: Option<PathBuf>,

    /// What is answered where no policy of the directory says anything
    #[arg(
        long,
        value_name = "ANSWER",
        default_value = "permit",
        requires = "facts"
    )]
    default: DefaultName,
}

/// Ask other policies what was asked lately, and show where they answer differently
///
/// Requests that differ in nothing the policies in force look at are one question, and the other policies are
/// asked of the first of them alone: for every request, put them on trial.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway policy what-if policies-next --config gateway.toml")]
struct WhatIfArguments {
    #[command(flatten)]
    set: SetArguments,
}

impl PolicyArguments {
    pub(super) fn run(self) -> Outcome {
        let Self { verb, access } = self;
        match verb {
            PolicyVerb::Check(arguments) => arguments.check(),
            PolicyVerb::Test(arguments) => arguments.test(),
            PolicyVerb::Show(arguments) => arguments.show(),
            PolicyVerb::Explain(arguments) => {
                match arguments.verdict {
                    Some(verdict) => block_on(async move {
                        online::explain(&access, &access.client()?, &verdict).await
                    }),
                    None => arguments.ask(&access),
                }
            }
            PolicyVerb::WhatIf(arguments) => {
                block_on(async move { arguments.compare(&access, &access.client()?).await })
            }
            PolicyVerb::Status => {
                block_on(async move { online::status(&access, &access.client()?).await })
            }
        }
    }
}

/// `denied: no agreement in force, by shipped.agreement`.
fn told(ruling: &Ruling) -> String {
    let reason = ruling.denied.map(|denied| denied.to_string());
    told_of(
        reason.as_deref(),
        ruling.deciding.iter().map(String::as_str),
    )
}

fn told_of<'a>(denied: Option<&str>, policies: impl Iterator<Item = &'a str>) -> String {
    let answer = denied.map_or_else(|| "permitted".to_owned(), |why| format!("denied: {why}"));
    let policies: Vec<&str> = policies.collect();
    if policies.is_empty() {
        format!("{answer}, as no policy permits it")
    } else {
        format!("{answer}, by {}", policies.join(", "))
    }
}

/// A policy as it was written, a little to the right.
fn say_policy(text: &str) -> Outcome {
    for line in text.lines() {
        say(&format!("    {line}"))?;
    }
    Ok(())
}
