//! The composition root: every part is made here, once, and joined to the others.

mod archive;
mod broker;
mod challenges;
mod coap;
mod devices;
mod embedded;
mod enrolment;
mod examine;
mod jobs;
mod observation;
mod onem2m;
mod parts;
mod policies;
mod reload;
mod running;
mod serving;
mod stretching;
mod sweeper;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ics_core::directory::RevocationList;
use ics_core::port::{Clock, DirectorySource};
use ics_core::time::Timestamp;
use ics_vault::{InvalidList, ListFacts, read_revocation_list};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use crate::config::{
    AnchorSection, Config, DevicesSection, MqttSection, OperatorSection, SecretFileError,
};
use crate::tls::{
    ClientVerifier, Credential, CredentialError, Namespace, ServerCredential, TrustAnchor,
    load_authorities, server_config,
};

pub(crate) use archive::StoreArchive;
pub(crate) use broker::BrokerWays;
pub(crate) use embedded::{open_store, redb_options, sled_options};
pub(crate) use examine::{examine, load_authority_of};
pub(crate) use onem2m::{PlainCse, Platform};
pub(crate) use parts::{Parts, check_canary, check_keyring};
pub(crate) use running::{PartEnded, Running};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The store.
    #[error("{}", with_sources(.0))]
    Store(#[from] ics_store::OpenError),
    /// The keyring is not the store's.
    #[error(
        "keyring `{}` does not belong to store `{}`: it does not open what the store's own keyring sealed; name that \
         one under [vault], or restore keyring and store from backups of one time",
        keyring.display(),
        store.display()
    )]
    Keyring {
        /// The keyring's file.
        keyring: PathBuf,
        /// The store's directory.
        store: PathBuf,
    },
    /// What is in the store.
    #[error(
        "store `{}`: its {what} cannot be read or written: {source}; the log tells why; if it is damaged, restore it from a \
         backup, `ics-gateway restore --config FILE --from BACKUP --replace`",
        store.display()
    )]
    Unreadable {
        /// The store's directory.
        store: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What the store said.
        source: ics_core::port::StoreError,
    },
    /// The system's clock.
    #[error(transparent)]
    Clock(#[from] crate::ambient::ClockBeforeEpoch),
    /// More connections than the process may have.
    #[error(transparent)]
    Descriptors(#[from] crate::descriptors::TooFewDescriptors),
    /// The decision log.
    #[error(transparent)]
    Decisions(#[from] crate::telemetry::DecisionFileError),
    /// The operator's policies.
    #[error(transparent)]
    Policies(#[from] crate::policy_directory::PolicyError),
    /// A certificate, or its key.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A key file.
    #[error("key file `{}`: {source}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: SecretFileError,
    },
    /// A file with no key in it.
    #[error("`{}` holds no usable key: {reason}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting that one of the parts refuses.
    #[error("setting of {part} refused: {reason}")]
    Setting {
        /// Which part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// TLS and provider do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The certificate of the CoAP listener cannot be shown over DTLS.
    #[error(
        "certificate `{}` with key `{}` cannot be shown over DTLS: {reason}{}",
        certificate.display(),
        key.display(),
        if *reason == ics_coap::UnusableCredential::Key {
            "; make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, and a certificate for it"
        } else {
            ""
        }
    )]
    Datagrams {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        reason: ics_coap::UnusableCredential,
    },
    /// A listener cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// An error and everything behind it, on one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn read_key(path: &Path) -> Result<String, StartError> {
    let refuse = |source| StartError::KeyFile {
        path: path.into(),
        source,
    };
    let bytes = crate::config::read_secret(path).map_err(refuse)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| StartError::Key {
        path: path.into(),
        reason: "not a text file".into(),
    })
}

/// The parts of a listener's TLS that can be replaced while connections come in.
pub(crate) struct ReloadableTls {
    verifier: Arc<ClientVerifier>,
    credential: Arc<ServerCredential>,
}

impl ReloadableTls {
    fn new(
        anchors: Vec<TrustAnchor>,
        credential: Credential,
        directory: Option<Arc<dyn DirectorySource>>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            verifier: Arc::new(ClientVerifier::new(anchors, directory)),
            credential: Arc::new(ServerCredential::new(credential)?),
        })
    }

    /// For hosted devices; with `passwords` those without a certificate come in too.
    fn for_devices(
        anchors: Vec<TrustAnchor>,
        credential: Credential,
        passwords: bool,
    ) -> Result<Self, StartError> {
        let verifier = ClientVerifier::new(anchors, None);
        Ok(Self {
            verifier: Arc::new(if passwords {
                verifier.optional()
            } else {
                verifier
            }),
            credential: Arc::new(ServerCredential::new(credential)?),
        })
    }

    /// For service providers that have a certificate, and for those that come for one.
    fn for_enrolment(
        anchors: Vec<TrustAnchor>,
        credential: Credential,
        directory: Arc<dyn DirectorySource>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            verifier: Arc::new(ClientVerifier::new(anchors, Some(directory)).optional()),
            credential: Arc::new(ServerCredential::new(credential)?),
        })
    }

    /// Shows and believes these from the next handshake on; when they do not fit, nothing changes.
    fn replace(
        &self,
        anchors: Vec<TrustAnchor>,
        credential: Credential,
    ) -> Result<(), CredentialError> {
        self.credential.replace(credential)?;
        self.verifier.replace_anchors(anchors);
        Ok(())
    }

    fn server_config(
        &self,
        clock: Arc<dyn Clock>,
        tls12: bool,
    ) -> Result<ServerConfig, StartError> {
        let (verifier, credential) = (Arc::clone(&self.verifier), Arc::clone(&self.credential));
        Ok(server_config(verifier, credential, clock, tls12)?)
    }
}

/// The authorities in a file, trusted for the names in `namespace`.
fn load_anchors(file: &Path, namespace: &Namespace) -> Result<Vec<TrustAnchor>, CredentialError> {
    let anchor = |certificate| {
        TrustAnchor::new(certificate, namespace.clone()).map_err(|reason| {
            CredentialError::AnchorFile {
                path: file.into(),
                reason: Box::new(reason),
            }
        })
    };
    load_authorities(file)?.into_iter().map(anchor).collect()
}

/// The authorities of service providers, each with its namespace.
fn service_provider_anchors(config: &Config) -> Result<Vec<TrustAnchor>, CredentialError> {
    let mut anchors = Vec::with_capacity(config.t8.anchor.len());
    for section in &config.t8.anchor {
        anchors.extend(load_anchor(section)?);
    }
    Ok(anchors)
}

/// The authorities of one section, with the list beside them.
fn load_anchor(section: &AnchorSection) -> Result<Vec<TrustAnchor>, CredentialError> {
    let namespace = &section.namespace;
    match load_list(section)? {
        Some((authority, list)) => Ok(vec![TrustAnchor::listed(
            authority,
            namespace.clone(),
            list.der,
        )?]),
        None => load_anchors(&section.certificate, namespace),
    }
}

/// What the authorities of service providers have taken back, as their files say now.
fn service_provider_lists(config: &Config) -> Result<Vec<RevocationList>, CredentialError> {
    let mut lists = Vec::new();
    for section in &config.t8.anchor {
        if let Some((_, list)) = load_list(section)? {
            lists.push(RevocationList {
                issuer: list.issuer,
                sp: section.namespace.only().cloned(),
                serials: list.serials,
                ends: list.ends,
            });
        }
    }
    Ok(lists)
}

/// The authority of a section that has a list, and the list.
fn load_list(
    section: &AnchorSection,
) -> Result<Option<(CertificateDer<'static>, ListFacts)>, CredentialError> {
    let Some(path) = &section.crl else {
        return Ok(None);
    };
    // Each authority has a list of its own, and there is room for one.
    let authorities = load_authorities(&section.certificate)?;
    let [authority] = <[_; 1]>::try_from(authorities)
        .map_err(|_| CredentialError::ListOfMany(section.certificate.clone()))?;
    let refuse = |reason| CredentialError::List {
        path: path.clone(),
        reason,
    };
    let file = read_list(path).ok_or_else(|| refuse(InvalidList::Unreadable))?;
    let list = read_revocation_list(&file, &authority).map_err(refuse)?;
    Ok(Some((authority, list)))
}

/// The longest list that is read: some hundred thousand entries.
const LONGEST_LIST: u64 = 16 << 20;

fn read_list(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    let more = LONGEST_LIST.saturating_add(1);
    let length = file.take(more).read_to_end(&mut bytes).ok()?;
    (length as u64 <= LONGEST_LIST).then_some(bytes)
}

/// When the list of that section is over, if it has one that is good.
pub(crate) fn list_ends(section: &AnchorSection) -> Option<Timestamp> {
    let (_, list) = load_list(section).ok()??;
    Some(list.ends)
}

/// When the first of the lists is over, if there is one.
fn first_list_ends(config: &Config) -> Option<Timestamp> {
    config.t8.anchor.iter().filter_map(list_ends).min()
}

/// The anchors of the T8 listener, and its certificate.
fn t8_credentials(config: &Config) -> Result<(Vec<TrustAnchor>, Credential), StartError> {
    let anchors = service_provider_anchors(config)?;
    let credential = Credential::load(&config.t8.certificate, &config.t8.key)?;
    Ok((anchors, credential))
}

/// The operator's own authority, and the certificate of its listener.
fn operator_credentials(
    section: &OperatorSection,
) -> Result<(Vec<TrustAnchor>, Credential), StartError> {
    Ok((
        load_anchors(&section.anchor, &Namespace::OPERATORS)?,
        Credential::load(&section.certificate, &section.key)?,
    ))
}

/// The authority of hosted devices, and the certificate of their MQTT listener.
fn mqtt_credentials(
    devices: &DevicesSection,
    mqtt: &MqttSection,
) -> Result<(Vec<TrustAnchor>, Credential), StartError> {
    Ok((
        load_anchors(&devices.certificate, &Namespace::DEVICES)?,
        Credential::load(&mqtt.certificate, &mqtt.key)?,
    ))
}

/// TLS of the MQTT listener, for the bench's yardstick; `None` where there is no such listener.
///
/// # Errors
/// [`StartError`].
pub(crate) fn mqtt_tls(config: &Config) -> Result<Option<ServerConfig>, StartError> {
    let (Some(section), Some(devices)) = (&config.mqtt, &config.devices) else {
        return Ok(None);
    };
    let credentials = mqtt_credentials(devices, section)?;
    without_a_store(credentials, section.passwords, section.tls12).map(Some)
}

/// TLS of an endpoint for devices that `authority` certified, without a store behind it.
///
/// # Errors
/// [`StartError`].
pub(crate) fn devices_tls(
    authority: &Path,
    (certificate, key): (&Path, &Path),
    tls12: bool,
) -> Result<ServerConfig, StartError> {
    let anchors = load_anchors(authority, &Namespace::DEVICES)?;
    let credential = Credential::load(certificate, key)?;
    without_a_store((anchors, credential), false, tls12)
}

fn without_a_store(
    (anchors, credential): (Vec<TrustAnchor>, Credential),
    passwords: bool,
    tls12: bool,
) -> Result<ServerConfig, StartError> {
    let clock = Arc::new(crate::ambient::SystemClock::new());
    ReloadableTls::for_devices(anchors, credential, passwords)?.server_config(clock, tls12)
}

/// TLS of the T8 listener without a store behind it, for the bench's yardstick.
///
/// # Errors
/// [`StartError`].
pub(crate) fn t8_tls(config: &Config) -> Result<ServerConfig, StartError> {
    let (anchors, credential) = t8_credentials(config)?;
    let clock = Arc::new(crate::ambient::SystemClock::new());
    ReloadableTls::new(anchors, credential, None)?.server_config(clock, config.t8.tls12)
}
