//! `[store]`, `[vault]` and `[authority]`: what lies on the disk.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ics_core::procedure::Knobs;
use serde::Deserialize;

use super::fault::Fault;
use super::literal::{byte_size, duration, within};
use super::place::Place;

/// How many events of one mapping may be made to wait.
const MOST_WAITING_EVENTS: u32 = 100_000;

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// Which embedded database keeps the rows.
    #[serde(default)]
    pub(crate) engine: StoreEngine,
    /// The embedded store's directory; one gateway at a time.
    pub(crate) directory: PathBuf,
    /// Memory for cached pages.
    #[serde(default = "default_cache", deserialize_with = "byte_size")]
    pub(crate) cache: usize,
    /// redb: whether every page is verified before it is served; sled verifies what it reads.
    #[serde(default = "default_verify")]
    pub(crate) verify: bool,
}

/// An embedded database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreEngine {
    /// One file, copy on write; nothing to recover after a crash.
    #[default]
    Redb,
    /// A log in a directory of its own.
    Sled,
}

impl StoreEngine {
    /// As it is written in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }
}

const fn default_cache() -> usize {
    1 << 30
}

const fn default_verify() -> bool {
    true
}

impl StoreSection {
    pub(super) fn check(&mut self, place: &Place) -> Result<(), Fault> {
        place.resolve(&mut self.directory);
        if self.cache < 1 << 20 {
            return Err(Fault::new(
                "store.cache",
                "too small to be of use",
                "write at least 1MiB",
            ));
        }
        Ok(())
    }
}

/// `[vault]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultSection {
    /// Keys that seal what is secret at rest, mode 0600. Lost keys are lost serial numbers.
    pub(crate) keyring: PathBuf,
}

impl VaultSection {
    pub(super) fn check(&mut self, place: &Place) -> Result<(), Fault> {
        place.secret("vault.keyring", &mut self.keyring)
    }
}

/// `[authority]`: issues the certificates service providers authenticate with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthoritySection {
    /// The authority's certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// How long a certificate it issues holds.
    #[serde(default = "default_validity", deserialize_with = "duration")]
    pub(crate) validity: Duration,
}

const fn default_validity() -> Duration {
    Duration::from_secs(7 * 86_400)
}

/// `[devices]`: hosting devices for IoT service providers. Without it none are hosted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DevicesSection {
    /// Certificate of the authority that certifies hosted devices, PEM: one of its own, that no
    /// other listener believes.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// Whether a password that an IoT SP chose is taken, and a device logs in with it. Each wrong
    /// one then costs 20 ms of a core and 19 MiB for that time.
    #[serde(default)]
    pub(crate) chosen_passwords: bool,
    /// How many events of one mapping wait for its third party, before more are refused.
    #[serde(default = "default_waiting_events")]
    pub(crate) waiting_events: NonZeroU32,
}

fn default_waiting_events() -> NonZeroU32 {
    Knobs::default().waiting_events
}

impl DevicesSection {
    pub(super) fn check(&mut self, place: &Place) -> Result<(), Fault> {
        place.file("devices.certificate", &mut self.certificate)?;
        place.secret("devices.key", &mut self.key)?;
        if self.waiting_events.get() > MOST_WAITING_EVENTS {
            let mend = "choose 1 to 100000";
            return Err(Fault::new("devices.waiting_events", "out of range", mend));
        }
        Ok(())
    }
}

impl AuthoritySection {
    pub(super) fn check(&mut self, place: &Place) -> Result<(), Fault> {
        place.file("authority.certificate", &mut self.certificate)?;
        place.secret("authority.key", &mut self.key)?;
        let range = Duration::from_secs(3600)..=Duration::from_secs(397 * 86_400);
        within("authority.validity", self.validity, range)
    }
}
