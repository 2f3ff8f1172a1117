//! The command line: what can be asked for, and how it is explained.

mod agreement;
mod backup;
mod bench;
mod ca;
mod clock;
mod config;
mod demo;
mod device;
mod doctor;
mod export;
mod extract;
mod file_hash;
mod import;
mod init;
mod job;
mod mapping;
mod mqtt;
mod onem2m;
mod operator;
mod outbox;
mod owner;
mod part_file;
mod policy;
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

pub(crate) use operator::{closing_line, exit_code};

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
    ics-gateway init --dir /etc/ics --t8-address 192.0.2.1:8443 \\
      --public-url https://ics.example:8443

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
    Ca(ca::CaArguments),
    Sp(sp::SpArguments),
    Agreement(agreement::AgreementArguments),
    Device(device::DeviceArguments),
    Mqtt(mqtt::MqttArguments),
    Onem2m(onem2m::OneM2mArguments),
    Mapping(mapping::MappingArguments),
    Policy(policy::PolicyArguments),
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
            Verb::Ca(arguments) => arguments.run(),
            Verb::Sp(arguments) => arguments.run(),
            Verb::Agreement(arguments) => arguments.run(),
            Verb::Device(arguments) => arguments.run(),
            Verb::Mqtt(arguments) => arguments.run(),
            Verb::Onem2m(arguments) => arguments.run(),
            Verb::Mapping(arguments) => arguments.run(),
            Verb::Policy(arguments) => arguments.run(),
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

    /// The lines that are to be typed, of a verb and all below it.
    fn lines_to_type(verb: &clap::Command) -> Vec<String> {
        let help = verb.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        let of_this = help.lines().filter(|line| line.starts_with("    "));
        let below = verb.get_subcommands().flat_map(lines_to_type);
        of_this.map(ToOwned::to_owned).chain(below).collect()
    }

    /// The calls of the gateway among them, a line each, as a shell would take them.
    fn calls(lines: &[String]) -> Vec<Vec<String>> {
        // An id is one that was told before.
        let id = "0193a5b2-1c1f-7cc0-8000-000000000001";
        let text = lines.join("\n").replace("\\\n", " ");
        let text = text.replace("0193a5b2-...", id);
        let calls = text.lines().filter_map(|line| {
            let from = line.find("ics-gateway ")?;
            let end = line.find([';', '|', '>', '&']).unwrap_or(line.len());
            line.get(from..end)
        });
        calls.map(words).collect()
    }

    /// What is between single quotes is one word.
    fn words(call: &str) -> Vec<String> {
        let parts = call.split('\'').enumerate();
        let words = parts.flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(ToOwned::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn examples_can_be_typed_as_they_stand_in_a_terminal_of_80_columns() {
        let lines = lines_to_type(&Cli::command());
        assert!(lines.len() > 40, "{lines:?}");
        for line in &lines {
            assert!(line.chars().count() <= 80, "it would be broken: {line}");
        }
        let calls = calls(&lines);
        assert!(calls.len() > 30, "{calls:?}");
        for call in calls {
            let parsed = Cli::try_parse_from(&call);
            assert!(parsed.is_ok(), "{call:?}: {:?}", parsed.err());
        }
    }

    #[test]
    fn a_stream_is_refused_where_a_file_is_read_or_written_twice() {
        for call in [
            "backup --config c --to -",
            "restore --config c --from -",
            "import --config c --state -",
        ] {
            let words = ["ics-gateway"].into_iter().chain(call.split_whitespace());
            let refused = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{refused}");
            assert!(
                refused.to_string().contains("no standard stream"),
                "{refused}"
            );
            let words = call.split_whitespace().map(|word| match word {
                "-" => "./-",
                word => word,
            });
            assert!(Cli::try_parse_from(["ics-gateway"].into_iter().chain(words)).is_ok());
        }
    }
}
