//! The parts behind the listeners: store, vault, rules, service.

use std::sync::Arc;

use ics_core::directory::Directory;
use ics_core::port::{Clock, DecisionPoint, DirectorySource, Entropy, RateLimiter, Sealer, Store};
use ics_core::service::{IcsService, Ports};
use ics_notify::Bell;
use ics_policies::{Limiter, Rules};
use ics_store_redb::RedbStore;
use ics_vault::{Authority, Keyring, SigningKey, Vault};

use super::{StartError, read_key};
use crate::ambient::{SharedDirectory, SystemClock, SystemEntropy};
use crate::config::Config;

/// Everything that needs no socket.
pub(crate) struct Parts {
    /// Rows, outbox, directory.
    pub(crate) store: Arc<RedbStore>,
    /// Secrets at rest.
    pub(crate) sealer: Arc<dyn Sealer>,
    /// Who may do what.
    pub(crate) decision_point: Arc<dyn DecisionPoint>,
    /// How much.
    pub(crate) limiter: Arc<dyn RateLimiter>,
    /// Parties and agreements as of now.
    pub(crate) directory: Arc<dyn DirectorySource>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Chance.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Wakes the deliverer.
    pub(crate) bell: Arc<Bell>,
    /// The service over all of them.
    pub(crate) service: Arc<IcsService>,
}

impl Parts {
    /// Opens the store and makes the rest.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let sealer = open_vault(config, &entropy)?;
        let options = ics_store_redb::Options {
            cache_bytes: config.store.cache,
            ..ics_store_redb::Options::default()
        };
        let store = Arc::new(ics_store_redb::open(&config.store.directory, options)?);
        let records = store
            .load_directory()
            .await
            .map_err(StartError::Directory)?;
        let directory: Arc<dyn DirectorySource> =
            Arc::new(SharedDirectory::new(Directory::from_records(records)));
        let decision_point: Arc<dyn DecisionPoint> = Arc::new(Rules::new(Arc::clone(&sealer)));
        let limiter: Arc<dyn RateLimiter> = Arc::new(Limiter::new());
        let bell = Arc::new(Bell::new());
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            sealer: Arc::clone(&sealer),
            decision_point: Arc::clone(&decision_point),
            directory: Arc::clone(&directory),
            limiter: Arc::clone(&limiter),
            entropy: Arc::clone(&entropy),
            bell: Arc::clone(&bell) as _,
        };
        let service = Arc::new(IcsService::new(ports, config.knobs()));
        Ok(Self {
            store,
            sealer,
            decision_point,
            limiter,
            directory,
            clock,
            entropy,
            bell,
            service,
        })
    }

    /// The authority that certifies service providers.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open_authority(&self, config: &Config) -> Result<Authority, StartError> {
        let section = &config.authority;
        let refuse = |path: &std::path::Path, reason: String| StartError::Key {
            path: path.into(),
            reason,
        };
        let certificate = std::fs::read_to_string(&section.certificate)
            .map_err(|error| refuse(&section.certificate, error.to_string()))?;
        let key = read_key(&section.key)?;
        Authority::load(&certificate, &key, Arc::clone(&self.entropy))
            .map_err(|error| refuse(&section.key, error.to_string()))
    }

    /// The key that signs notifications.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open_signing_key(config: &Config) -> Result<SigningKey, StartError> {
        let path = &config.notify.signing_key;
        SigningKey::from_pem(&read_key(path)?).map_err(|error| StartError::Key {
            path: path.clone(),
            reason: error.to_string(),
        })
    }
}

fn open_vault(config: &Config, entropy: &Arc<dyn Entropy>) -> Result<Arc<dyn Sealer>, StartError> {
    let path = &config.vault.keyring;
    let refuse = |reason: String| StartError::Key {
        path: path.clone(),
        reason,
    };
    let keyring = Keyring::parse(&read_key(path)?).map_err(|error| refuse(error.to_string()))?;
    let vault =
        Vault::new(&keyring, Arc::clone(entropy)).map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(vault))
}
