//! `ics-gateway mqtt`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use ics_core::id::SpId;
use ics_core::port::{Clock as _, Entropy};

use super::operator::{UsageError, parse_sp};
use super::runtime::{Outcome, say};
use super::sp::write_new;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::compose::load_authority_of;
use crate::config::Config;
use crate::mqtt_recipe::Recipe;

/// Hosted devices over MQTT: a description of the interface, a recipe for a broker
#[derive(Debug, Args)]
pub(super) struct MqttArguments {
    #[command(subcommand)]
    verb: MqttVerb,
}

#[derive(Debug, Subcommand)]
enum MqttVerb {
    /// Tell the topics and messages of a hosted device, as an AsyncAPI 3 document
    Describe,
    Recipe(RecipeArguments),
}

/// Write what a mosquitto broker needs to serve hosted devices, and what the gateway needs there
///
/// In DIR: `mosquitto.conf`, `acl`, `device-ca.pem` for the broker's host; `NAME.pem` and `NAME.key`
/// for this gateway. Then add the section that is told to the configuration. Devices are kept
/// apart by their certificates alone; the gateway tries that before it serves anybody there, and
/// `ics-gateway doctor` tries it whenever it is asked. Nothing is overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
    ics-gateway mqtt recipe --config gateway.toml --out ./broker")]
struct RecipeArguments {
    /// The configuration file; its `[devices]` names the device authority
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Where to write; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// The gateway's user name at the broker
    #[arg(long, value_name = "NAME", default_value = "ics-gateway", value_parser = parse_sp)]
    name: SpId,

    /// The broker's port
    #[arg(long, value_name = "PORT", default_value_t = 8883)]
    port: u16,

    /// Where the files will lie on the broker's host
    #[arg(long, value_name = "DIR", default_value = "/etc/mosquitto/ics")]
    directory: String,

    /// The broker's server certificate, on its host
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/mosquitto/certs/server.pem"
    )]
    certificate: String,

    /// Its key
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/mosquitto/certs/server.key"
    )]
    key: String,
}

impl MqttArguments {
    pub(super) fn run(self) -> Outcome {
        match self.verb {
            MqttVerb::Describe => Ok(say(&ics_mqtt::describe())?),
            MqttVerb::Recipe(arguments) => arguments.run(),
        }
    }
}

impl RecipeArguments {
    fn run(self) -> Outcome {
        let config = Config::load(&self.config)?;
        let devices = config.devices.as_ref().ok_or_else(|| {
            UsageError("`[devices]` is missing: there is nobody to certify devices".into())
        })?;
        let recipe = Recipe {
            gateway: &self.name,
            port: self.port,
            directory: &self.directory,
            server: (&self.certificate, &self.key),
        };
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let authority = load_authority_of((&devices.certificate, &devices.key), &entropy)?;
        let issued = recipe.issue(&authority, SystemClock::new().now())?;
        std::fs::create_dir_all(&self.out)
            .map_err(|error| UsageError(format!("`{}`: {error}", self.out.display())))?;
        let certificate = format!("{}.pem", self.name);
        let key = format!("{}.key", self.name);
        let files = [
            ("mosquitto.conf", recipe.configuration(), 0o644),
            ("acl", recipe.access_control_list(), 0o644),
            ("device-ca.pem", authority.certificate_pem(), 0o644),
            (key.as_str(), issued.key_pem.to_string(), 0o600),
            (certificate.as_str(), issued.certificate.pem, 0o644),
        ];
        self.refuse_to_overwrite(files.iter().map(|(name, ..)| *name))?;
        for (name, text, mode) in &files {
            write_new(&self.out.join(name), text, *mode)?;
        }
        Ok(say(&self.section(&certificate, &key))?)
    }

    fn refuse_to_overwrite<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), UsageError> {
        let mut files = names.map(|name| self.out.join(name));
        match files.find(|file| file.exists()) {
            None => Ok(()),
            Some(file) => {
                let refused = format!("`{}` exists; nothing is overwritten", file.display());
                Err(UsageError(refused))
            }
        }
    }

    /// What to add to the configuration.
    fn section(&self, certificate: &str, key: &str) -> String {
        let at = |name: &str| absolute(&self.out.join(name)).display().to_string();
        format!(
            "# Add to {config}, with the broker's own address and authority:\n\
             [mqtt_broker]\n\
             address = \"mqtt.example:{port}\"\n\
             server_anchors = [\"broker-ca.pem\"]\n\
             certificate = \"{certificate}\"\n\
             key = \"{key}\"\n\
             # Another one for each gateway.\n\
             client_id = \"{name}-1\"\n\
             # Where doctor can read what the broker has:\n\
             acl_file = \"{acl}\"\n\
             client_anchors = \"{anchors}\"",
            config = self.config.display(),
            port = self.port,
            name = self.name,
            certificate = at(certificate),
            key = at(key),
            acl = at("acl"),
            anchors = at("device-ca.pem"),
        )
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
