//! The parts behind the listeners: store, vault, rules, service.

use std::sync::Arc;

use ics_core::directory::Directory;
use ics_core::port::{
    Clock, DecisionPoint, DirectorySource, Entropy, RateLimiter, SealError, Sealer,
    SignatureVerifier, Store, StoreError,
};
use ics_core::sealed::{BlindIndexDomain, Sealed};
use ics_core::service::{IcsService, Ports};
use ics_core::timekeeping::ClockMark;
use ics_notify::Bell;
use ics_policies::{Limiter, Rules};
use ics_store::{OnLoss, Table, Upkeep};
use ics_t8::Sockets;
use ics_vault::{Authority, Keyring, SigningKey, Vault, Verifier};

use super::challenges::Challenges;
use super::devices::{DeviceBells, open_device_authority};
use super::policies::read_policies;
use super::stretching::password_hasher;
use super::sweeper::ClockKeeper;
use super::{StartError, open_store, read_key, service_provider_lists};
use crate::ambient::{SharedDirectory, SystemClock, SystemEntropy};
use crate::config::Config;
use crate::telemetry::VerdictWitness;

/// Everything that needs no socket.
pub(crate) struct Parts {
    /// Rows, outbox, directory.
    pub(crate) store: Arc<dyn Upkeep>,
    /// Secrets at rest.
    pub(crate) sealer: Arc<dyn Sealer>,
    /// Signatures of others.
    pub(crate) verifier: Arc<dyn SignatureVerifier>,
    /// Who may do what.
    pub(crate) decision_point: Arc<dyn DecisionPoint>,
    /// The policies behind that.
    pub(crate) rules: Arc<Rules>,
    /// How much.
    pub(crate) limiter: Arc<dyn RateLimiter>,
    /// Parties and agreements as of now.
    pub(crate) directory: Arc<dyn DirectorySource>,
    /// The same, where what other authorities took back is put in.
    pub(super) shared: Arc<SharedDirectory>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether time can be believed.
    pub(crate) clocks: Arc<ClockKeeper>,
    /// Chance.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Websockets that service providers have open.
    pub(crate) sockets: Arc<Sockets>,
    /// Reads what service providers serve to show that a service is theirs.
    pub(crate) challenges: Arc<Challenges>,
    /// Wakes the deliverer.
    pub(crate) bell: Arc<Bell>,
    /// Wakes the device channels.
    pub(crate) device_bells: Arc<DeviceBells>,
    /// The service over all of them.
    pub(crate) service: Arc<IcsService>,
}

impl Parts {
    /// Opens the store and makes the rest.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let sealer = open_vault(config, &entropy)?;
        let store = open_store(&config.store, OnLoss::Refuse)?;
        keep_keyring(config, store.as_ref(), sealer.as_ref())?;
        let mark = store.load_clock_mark().await;
        let mark = mark.map_err(unreadable(config, "clock mark"))?;
        tell_opened(config, store.as_ref(), mark).map_err(unreadable(config, "counters"))?;
        let clock = Arc::new(SystemClock::since(mark));
        let records = store.load_directory().await;
        let records = records.map_err(unreadable(config, "directory records"))?;
        let shared = Arc::new(SharedDirectory::new(Directory::from_records(records)));
        shared.set_lists(&service_provider_lists(config)?);
        let directory = Arc::clone(&shared) as Arc<dyn DirectorySource>;
        let (in_force, on_trial) = read_policies(config)?;
        let rules = Rules::new(Arc::clone(&sealer), in_force).witnessed_by(VerdictWitness);
        rules.try_out(on_trial);
        let rules = Arc::new(rules);
        let decision_point: Arc<dyn DecisionPoint> = Arc::clone(&rules) as _;
        let limiter: Arc<dyn RateLimiter> = Arc::new(Limiter::new());
        let bell = Arc::new(Bell::new());
        let device_bells = Arc::new(DeviceBells::default());
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            sealer: Arc::clone(&sealer),
            decision_point: Arc::clone(&decision_point),
            directory: Arc::clone(&directory),
            limiter: Arc::clone(&limiter),
            entropy: Arc::clone(&entropy),
            bell: Arc::clone(&bell) as _,
            device_bell: Arc::clone(&device_bells) as _,
            device_authority: open_device_authority(config, &entropy)?,
            password_hasher: password_hasher(config),
        };
        let service = IcsService::new(ports, config.knobs()).with_schemes(config.schemes());
        let service = Arc::new(service);
        let clocks = Arc::new(ClockKeeper {
            clock: Arc::clone(&clock),
            service: Arc::clone(&service),
        });
        Ok(Self {
            store,
            sealer,
            verifier: Arc::new(Verifier),
            decision_point,
            rules,
            limiter,
            directory,
            shared,
            clock: clock as _,
            clocks,
            sockets: Arc::default(),
            challenges: Arc::default(),
            entropy,
            bell,
            device_bells,
            service,
        })
    }

    /// The authority that certifies service providers.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open_authority(&self, config: &Config) -> Result<Authority, StartError> {
        super::examine::load_authority(config, &self.entropy)
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

pub(super) fn open_vault(
    config: &Config,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<dyn Sealer>, StartError> {
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

/// What cannot be read of the store that the configuration names.
fn unreadable(config: &Config, what: &'static str) -> impl Fn(StoreError) -> StartError {
    move |source| StartError::Unreadable {
        store: config.store.directory.clone(),
        what,
        source,
    }
}

/// One line of what was found: an older directory that was put back whole cannot be told from the
/// newest by anything in it, but whoever did it can tell by this.
fn tell_opened(
    config: &Config,
    store: &dyn Upkeep,
    mark: Option<ClockMark>,
) -> Result<(), StoreError> {
    let section = &config.store;
    tracing::info!(
        engine = section.engine.name(),
        directory = %section.directory.display(),
        mappings = store.count_of(Table::Mapping)?,
        records = store.total()?,
        transactions = store.transactions()?,
        last_served = mark.map_or_else(|| "never".to_owned(), |mark| mark.seen.to_rfc3339()),
        "store opened"
    );
    Ok(())
}

/// What the store's canary is sealed for. Part of the format of what lies in stores.
const CANARY: &[u8] = b"ics-store canary";

/// Sees that the keyring of the configuration opens what the store's keyring sealed; `false` when
/// nothing was ever sealed there.
///
/// # Errors
/// [`StartError::Keyring`], and that either cannot be read.
pub(crate) fn check_keyring(config: &Config, store: &dyn Upkeep) -> Result<bool, StartError> {
    let canary = store.canary().map_err(unreadable(config, "canary"))?;
    check_canary(config, canary.as_ref())
}

/// The same of a canary that lies elsewhere: in a backup.
///
/// # Errors
/// As [`check_keyring`].
pub(crate) fn check_canary(config: &Config, canary: Option<&Sealed>) -> Result<bool, StartError> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let sealer = open_vault(config, &entropy)?;
    opens_canary(config, canary, sealer.as_ref())
}

fn opens_canary(
    config: &Config,
    canary: Option<&Sealed>,
    sealer: &dyn Sealer,
) -> Result<bool, StartError> {
    let Some(sealed) = canary else {
        return Ok(false);
    };
    // Its value is a blind index: the key that seals and the key that finds are both the store's.
    match sealer.open(CANARY, sealed) {
        Ok(value) if value == canary_value(sealer) => Ok(true),
        Err(SealError::Unavailable) => Err(StartError::Key {
            path: config.vault.keyring.clone(),
            reason: SealError::Unavailable.to_string(),
        }),
        _ => Err(StartError::Keyring {
            keyring: config.vault.keyring.clone(),
            store: config.store.directory.clone(),
        }),
    }
}

fn canary_value(sealer: &dyn Sealer) -> Vec<u8> {
    let index = sealer.blind_index(BlindIndexDomain::UtiRecord, &[CANARY]);
    index.as_bytes().to_vec()
}

/// Refuses a keyring that is not the store's, and leaves the canary sealed by the keyring's
/// newest key, so that an older one can be dropped.
fn keep_keyring(
    config: &Config,
    store: &dyn Upkeep,
    sealer: &dyn Sealer,
) -> Result<(), StartError> {
    let of_canary = unreadable(config, "canary");
    let canary = store.canary().map_err(&of_canary)?;
    let was_kept = opens_canary(config, canary.as_ref(), sealer)?;
    if !was_kept && store.count_of(Table::UtiRecord).map_err(&of_canary)? > 0 {
        let path = config.store.directory.display();
        tracing::warn!(%path, "store from before keyrings were kept: the one configured is taken for its own");
    }
    let refuse = |error: SealError| StartError::Key {
        path: config.vault.keyring.clone(),
        reason: error.to_string(),
    };
    let sealed = sealer.seal(CANARY, &canary_value(sealer)).map_err(refuse)?;
    match store.keep_canary(&sealed) {
        // A full disk is no reason to serve nothing: the canary that is there is good.
        Err(error) if was_kept => {
            tracing::warn!(%error, "store's canary not written anew");
            Ok(())
        }
        kept => kept.map_err(of_canary),
    }
}
