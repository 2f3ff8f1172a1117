//! The command line: what can be asked for, and how it is explained.

mod agreement;
mod backup;
mod bench;
mod clock;
mod config;
mod demo;
mod doctor;
mod export;
mod extract;
mod import;
mod init;
mod job;
mod mapping;
mod operator;
mod outbox;
mod owner;
mod part_file;
mod progress;
mod restore;
mod runtime;
mod sandbox;
mod serve;
mod sp;
mod status;
mod store;
mod table;

use std::error::Error;

use clap::{Parser, Subcommand};

pub(crate) use operator::exit_code;

/// The identity correlation service of ITU-T Y.4462
///
/// Tells service providers which device of whom a service transaction belongs to, and nobody
/// anything else: third party service providers know a user by a transaction identifier, IoT
/// service providers know a device by its serial number, and this gateway maps one to the
/// other over mutual TLS, without either learning what the other knows.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  A new operator domain in /etc/ics, with authorities, certificates, keys, configuration:
    ics-gateway init --dir /etc/ics --t8-address 192.0.2.1:8443 --public-url https://ics.example:8443

`ics-gateway help VERB` explains one verb.";

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::InitArguments),
    Config(config::ConfigArguments),
    Doctor(doctor::DoctorArguments),
    Serve(serve::ServeArguments),
    Sandbox(sandbox::SandboxArguments),
    Demo(demo::DemoArguments),
    Bench(bench::BenchArguments),
    Sp(sp::SpArguments),
    Agreement(agreement::AgreementArguments),
    Mapping(mapping::MappingArguments),
    Job(job::JobArguments),
    Outbox(outbox::OutboxArguments),
    Status(status::StatusArguments),
    Store(store::StoreArguments),
    Backup(backup::BackupArguments),
    Restore(restore::RestoreArguments),
    Export(export::ExportArguments),
    Import(import::ImportArguments),
    Clock(clock::ClockArguments),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What went wrong, in words for whoever typed it.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        match self.verb {
            Verb::Init(arguments) => arguments.run(),
            Verb::Config(arguments) => arguments.run(),
            Verb::Doctor(arguments) => arguments.run(),
            Verb::Serve(arguments) => arguments.run(),
            Verb::Sandbox(arguments) => arguments.run(),
            Verb::Demo(arguments) => arguments.run(),
            Verb::Bench(arguments) => arguments.run(),
            Verb::Sp(arguments) => arguments.run(),
            Verb::Agreement(arguments) => arguments.run(),
            Verb::Mapping(arguments) => arguments.run(),
            Verb::Job(arguments) => arguments.run(),
            Verb::Outbox(arguments) => arguments.run(),
            Verb::Status(arguments) => arguments.run(),
            Verb::Store(arguments) => arguments.run(),
            Verb::Backup(arguments) => arguments.run(),
            Verb::Restore(arguments) => arguments.run(),
            Verb::Export(arguments) => arguments.run(),
            Verb::Import(arguments) => arguments.run(),
            Verb::Clock(arguments) => arguments.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
