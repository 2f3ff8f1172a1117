//! The one configuration file: read, checked, typed.
//!
//! One TOML file (`--config`). Unknown keys are refused with the nearest known one; every error
//! names the file, the line, the key, what is wrong and how to mend it. Relative paths are
//! relative to the file. What weakens the service cannot be said here: there is no plain
//! listener, no early data, no way round client certificates.

mod fault;
mod listeners;
mod literal;
mod log;
mod mapping;
mod notify;
mod place;
mod storage;

use std::path::Path;

use ics_core::procedure::Knobs;
use serde::Deserialize;

pub(crate) use fault::ConfigError;
pub(crate) use listeners::{
    AnchorSection, ConnectionsSection, ListenSection, OperatorSection, T8Section,
};
pub(crate) use log::{LogFormat, LogLevel, LogSection};
pub(crate) use mapping::{LimitsSection, MappingSection, TokensSection};
pub(crate) use notify::NotifySection;
pub(crate) use place::{SecretFileError, read_secret};
pub(crate) use storage::{AuthoritySection, StoreSection, VaultSection};

use fault::Fault;
use place::Place;

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
    /// What is logged, and how.
    #[serde(default)]
    pub(crate) log: LogSection,
}

impl Config {
    /// Reads and checks the file, and that the files it names are there; key files must be
    /// readable by their owner alone.
    ///
    /// # Errors
    /// [`ConfigError`] with the first fault.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
            file: file.into(),
            source,
        })?;
        Self::parse(file, &text)
    }

    /// The times of the state table, as this file sets them.
    pub(crate) fn knobs(&self) -> Knobs {
        self.mapping.knobs(&self.notify)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let syntax = |error: &toml::de::Error| fault::of_syntax(file, text, "", error);
        let deserializer = toml::Deserializer::parse(text).map_err(|e| syntax(&e))?;
        let config: Self = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            fault::of_syntax(file, text, &path, &error.into_inner())
        })?;
        config
            .check(&Place::of(file))
            .map_err(|fault| fault.located(file, text))
    }

    fn check(mut self, place: &Place) -> Result<Self, Fault> {
        self.listen.check()?;
        self.t8.check(place)?;
        self.operator.check(place)?;
        self.store.check(place)?;
        self.vault.check(place)?;
        self.authority.check(place)?;
        self.notify.check(place)?;
        self.tokens.check()?;
        self.mapping.check()?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
