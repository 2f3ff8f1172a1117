//! The one configuration file: read, checked, typed.
//!
//! One TOML file (`--config`). Unknown keys are refused with the nearest known one; every error
//! names the file, the line, the key, what is wrong and how to mend it. Relative paths are
//! relative to the file. What weakens the service cannot be said here: there is no plain
//! listener but one on loopback that tells what CoAP serves, no early data, no way round client
//! certificates.

mod broker;
mod coap;
mod decisions;
mod enrolment;
mod fault;
mod listeners;
mod literal;
mod log;
mod mapping;
mod mqtt_limits;
mod notify;
mod onem2m;
mod place;
mod policy;
mod repair;
mod scheme;
mod storage;

use std::net::SocketAddr;
use std::path::Path;

use ics_core::id::IdentifierSchemes;
use ics_core::procedure::Knobs;
use serde::Deserialize;

use crate::bounded::read_bounded;

pub(crate) use broker::{BrokerAddress, MqttBrokerSection};
pub(crate) use coap::CoapSection;
pub(crate) use decisions::{DecisionsSection, OnFailure};
pub(crate) use enrolment::EnrolmentSection;
pub(crate) use fault::ConfigError;
pub(crate) use listeners::{
    AnchorSection, ConnectionsSection, ListenSection, MqttSection, OperatorSection, T8Section,
};
pub(crate) use log::{LogFormat, LogLevel, LogSection};
pub(crate) use mapping::{LimitsSection, MappingSection, TokensSection};
pub(crate) use notify::NotifySection;
pub(crate) use onem2m::{OneM2mMqttSection, OneM2mSection, RegistrarSection, default_ae};
pub(crate) use place::{SecretFileError, read_secret};
pub(crate) use policy::PolicySection;
pub(crate) use storage::{
    AuthoritySection, DevicesSection, StoreEngine, StoreSection, VaultSection,
};

use fault::{Fault, Faults};
use place::Place;
use repair::{Obstacle, repair};

/// Everything the operator decides, as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: ListenSection,
    /// The listener of the service providers.
    pub(crate) t8: T8Section,
    /// The listener of the operator.
    pub(crate) operator: OperatorSection,
    /// Where rows are kept.
    pub(crate) store: StoreSection,
    /// Keys for what is sealed at rest.
    pub(crate) vault: VaultSection,
    /// The authority that issues certificates to service providers.
    pub(crate) authority: AuthoritySection,
    /// Hosted devices.
    #[serde(default)]
    pub(crate) devices: Option<DevicesSection>,
    /// Hosted devices over MQTT.
    #[serde(default)]
    pub(crate) mqtt: Option<MqttSection>,
    /// Hosted devices over MQTT, through a broker.
    #[serde(default)]
    pub(crate) mqtt_broker: Option<MqttBrokerSection>,
    /// Hosted devices over CoAP.
    #[serde(default)]
    pub(crate) coap: Option<CoapSection>,
    /// The oneM2M CSE.
    #[serde(default)]
    pub(crate) onem2m: Option<OneM2mSection>,
    /// Where service providers get their certificates themselves.
    #[serde(default)]
    pub(crate) enrolment: Option<EnrolmentSection>,
    /// The operator's own policies.
    #[serde(default)]
    pub(crate) policy: PolicySection,
    /// How service providers are told.
    pub(crate) notify: NotifySection,
    /// Access tokens.
    #[serde(default)]
    pub(crate) tokens: TokensSection,
    /// How much a service provider may ask unless `sp add` says otherwise.
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    /// Deadlines of a mapping.
    #[serde(default)]
    pub(crate) mapping: MappingSection,
    /// Forms of device IDs beside those that are built in.
    #[serde(default, rename = "identifier_scheme")]
    identifier_schemes: Vec<scheme::IdentifierSchemeSection>,
    /// The decision log.
    #[serde(default)]
    pub(crate) decisions: DecisionsSection,
    /// What is logged, and how.
    #[serde(default)]
    pub(crate) log: LogSection,
    #[serde(skip)]
    source: toml::Table,
}

/// The largest configuration that is read, in MiB: a complete one has some 20 KiB.
const LARGEST: u64 = 1;

impl Config {
    /// Reads and checks the file, and that the files it names are there; key files must be
    /// readable by their owner alone.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(file, LARGEST).map_err(|source| ConfigError::Unreadable {
            file: file.into(),
            source,
        })?;
        Self::parse(file, &text)
    }

    /// The times of the state table, as this file sets them.
    pub(crate) fn knobs(&self) -> Knobs {
        let knobs = self.mapping.knobs(&self.notify);
        let devices = self.devices.as_ref();
        Knobs {
            waiting_events: devices.map_or(knobs.waiting_events, |d| d.waiting_events),
            ..knobs
        }
    }

    /// The schemes identifiers are read by, as this file adds to them.
    pub(crate) fn schemes(&self) -> IdentifierSchemes {
        scheme::register(&self.identifier_schemes, &mut Faults::default())
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let faulty = |faults: Vec<Fault>| {
            let located = faults.into_iter().map(|fault| fault.located(file, text));
            ConfigError::Faulty(located.collect())
        };
        let syntax = |error| ConfigError::Faulty(vec![fault::of_syntax(file, text, &error)]);
        let document: toml::Table = text.parse().map_err(syntax)?;
        let (config, mut faults, repaired) = Self::read(document.clone());
        let Some(mut config) = config else {
            return Err(faulty(faults));
        };
        config.source = document;
        let mut found = Faults::default();
        config.check(&Place::of(file), &mut found);
        let is_known = |fault: &Fault| repaired.iter().any(|key| fault.is_about(key));
        faults.extend(
            found
                .into_vec()
                .into_iter()
                .filter(|fault| !is_known(fault)),
        );
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faulty(faults))
        }
    }

    /// Reads the document, whatever it takes: with the faults found, and the keys that were filled
    /// from elsewhere to go on. `None` when it cannot be read at all.
    fn read(mut document: toml::Table) -> (Option<Self>, Vec<Fault>, Vec<String>) {
        let spare: toml::Table = crate::init::complete_configuration()
            .parse()
            .unwrap_or_default();
        let (mut faults, mut repaired) = (Vec::new(), Vec::<String>::new());
        loop {
            let read = serde_path_to_error::deserialize(toml::Value::Table(document.clone()));
            let error = match read {
                Ok(config) => return (Some(config), faults, repaired),
                Err(error) => error,
            };
            let path = error.path().to_string();
            let obstacle = Obstacle {
                path: if path == "." { String::new() } else { path },
                message: error.into_inner().message().to_owned(),
            };
            faults.push(fault::of_reading(&obstacle.path, &obstacle.message));
            match repair(&mut document, &spare, &obstacle) {
                // What was filled already and is no good fails again: enough is known.
                Some(key) if !repaired.contains(&key) => repaired.push(key),
                _ => return (None, faults, repaired),
            }
        }
    }

    /// This configuration, with the CSE at that address, if one is given.
    ///
    /// # Errors
    /// [`ConfigError`] where there is no `[onem2m]`.
    pub(crate) fn serving_onem2m_at(
        mut self,
        listen: Option<SocketAddr>,
        file: &Path,
    ) -> Result<Self, ConfigError> {
        let Some(listen) = listen else {
            return Ok(self);
        };
        let Some(section) = &mut self.onem2m else {
            let mend = "add `[onem2m]` with `certificate` and `key`";
            let fault = Fault::new("onem2m", "there is no such section", mend);
            return Err(ConfigError::Faulty(vec![fault.located(file, "")]));
        };
        section.listen = Some(listen);
        Ok(self)
    }

    /// The keys of the file, as they stand there; for comparing two of them.
    pub(crate) const fn source(&self) -> &toml::Table {
        &self.source
    }

    fn check(&mut self, place: &Place, faults: &mut Faults) {
        faults.take(self.listen.check());
        self.t8.check(place, faults);
        self.operator.check(place, faults);
        faults.take(self.store.check(place));
        faults.take(self.vault.check(place));
        faults.take(self.authority.check(place));
        if let Some(devices) = &mut self.devices {
            faults.take(devices.check(place));
        }
        if let Some(mqtt) = &mut self.mqtt {
            mqtt.check(&self.listen, place, faults);
            if self.devices.is_none() {
                let mend = "add `[devices]` with `certificate` and `key` of a device authority";
                faults.take(Err(Fault::new(
                    "mqtt",
                    "there is nobody to certify devices",
                    mend,
                )));
            }
        }
        if let Some(broker) = &mut self.mqtt_broker {
            broker.check(place, faults);
            if self.devices.is_none() {
                let mend = "add `[devices]` with `certificate` and `key` of a device authority";
                let wrong = "there is nobody to certify devices";
                faults.take(Err(Fault::new("mqtt_broker", wrong, mend)));
            }
        }
        if let Some(coap) = &mut self.coap {
            coap.check(place, faults);
            if self.devices.is_none() {
                let mend = "add `[devices]` with `certificate` and `key` of a device authority";
                let wrong = "there is nobody to certify devices";
                faults.take(Err(Fault::new("coap", wrong, mend)));
            }
        }
        if let Some(onem2m) = &mut self.onem2m {
            onem2m.check(&self.listen, place, faults);
        }
        if let Some(enrolment) = &mut self.enrolment {
            enrolment.check(&self.listen, place, faults);
        }
        self.policy.check(place, faults);
        self.notify.check(place, faults);
        faults.take(self.tokens.check());
        self.mapping.check(faults);
        scheme::register(&self.identifier_schemes, faults);
        let connections = self.t8.connections.max_connections;
        faults.take(self.decisions.check(place, connections));
    }
}

#[cfg(test)]
mod tests;
