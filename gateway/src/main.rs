//! The gateway: the identity correlation service of ITU-T Y.4462, run by a network operator in
//! front of its core network.
//!
//! This package joins the others: it alone reads the configuration, the clock, the random
//! source and the disk's files, opens the listeners and speaks to whoever runs it. What a
//! mapping is and who may do what is decided elsewhere.

mod ambient;
mod background;
mod bench;
mod bounded;
mod cli;
mod coap_client;
mod compose;
mod config;
mod demo;
mod descriptors;
mod doctor;
mod http_client;
mod init;
mod listener;
mod mqtt_recipe;
mod operator_client;
mod policy_directory;
mod sandbox;
mod service_manager;
mod t8_client;
mod telemetry;
mod tls;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

/// Requests allocate little and often on several threads; the system's allocator costs a tenth
/// of an inquiry more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    descriptors::raise_limit();
    ics_store::log_contained_panics();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = cli::closing_line(error.as_ref());
            let _ = writeln!(std::io::stderr().lock(), "{line}");
            cli::exit_code(error.as_ref())
        }
    }
}
