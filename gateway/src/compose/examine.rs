//! What would keep the gateway from starting, all of it, without starting it.

use std::path::Path;
use std::sync::Arc;

use ics_core::port::{Clock, Entropy};
use ics_vault::Authority;

use super::coap::coap_credentials;
use super::devices::open_device_authority;
use super::enrolment::enrolment_credentials;
use super::onem2m::onem2m_credentials;
use super::policies::read_policies;
use super::{BrokerWays, Parts, StartError, load_anchor, load_anchors, mqtt_credentials, read_key};
use crate::ambient::{SystemClock, SystemEntropy};
use crate::config::{Config, EnrolmentSection};
use crate::descriptors;
use crate::telemetry::check_directory;
use crate::tls::{Credential, Namespace, load_certificates};

/// Everything that is wrong with what a configuration names: certificates, keys, the keyring, the
/// decision log's place, the number of connections. The store is not opened.
pub(crate) fn examine(config: &Config) -> Vec<StartError> {
    let mut errors = Vec::new();
    let mut take = |outcome: Result<(), StartError>| errors.extend(outcome.err());
    take(descriptors::check(config).map_err(StartError::Descriptors));
    take(check_directory(&config.decisions.directory).map_err(StartError::Decisions));
    let credentials = [
        (&config.t8.certificate, &config.t8.key),
        (&config.operator.certificate, &config.operator.key),
        (&config.notify.certificate, &config.notify.key),
    ];
    for (certificate, key) in credentials {
        let loaded = Credential::load(certificate, key);
        take(loaded.map(drop).map_err(StartError::Credential));
    }
    if let (Some(devices), Some(mqtt)) = (&config.devices, &config.mqtt) {
        take(mqtt_credentials(devices, mqtt).map(drop));
    }
    if let (Some(devices), Some(coap)) = (&config.devices, &config.coap) {
        take(coap_credentials(devices, coap).map(drop));
    }
    if let Some(onem2m) = &config.onem2m {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        take(onem2m_credentials(config, onem2m, &clock).map(drop));
    }
    if let Some(enrolment) = &config.enrolment {
        take(enrolment_credentials(config, enrolment).map(drop));
    }
    take(read_policies(config).map(drop));
    take(BrokerWays::of(config).map(drop));
    for section in &config.t8.anchor {
        let loaded = load_anchor(section);
        take(loaded.map(drop).map_err(StartError::Credential));
    }
    let operators = load_anchors(&config.operator.anchor, &Namespace::OPERATORS);
    take(operators.map(drop).map_err(StartError::Credential));
    for anchor in &config.notify.server_anchors {
        take(
            load_certificates(anchor)
                .map(drop)
                .map_err(StartError::Credential),
        );
    }
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    take(load_authority(config, &entropy).map(drop));
    take(open_device_authority(config, &entropy).map(drop));
    take(Parts::open_signing_key(config).map(drop));
    take(super::parts::open_vault(config, &entropy).map(drop));
    errors
}

/// The authority that certifies service providers.
///
/// # Errors
/// [`StartError`].
pub(super) fn load_authority(
    config: &Config,
    entropy: &Arc<dyn Entropy>,
) -> Result<Authority, StartError> {
    let section = &config.authority;
    let authority = load_authority_of((&section.certificate, &section.key), entropy)?;
    let enrolment = config.enrolment.as_ref();
    Ok(match enrolment.and_then(EnrolmentSection::list_url) {
        Some(url) => authority.with_list_at(url),
        None => authority,
    })
}

/// The authority whose certificate and key lie in these files.
///
/// # Errors
/// [`StartError`].
pub(crate) fn load_authority_of(
    (certificate, key): (&Path, &Path),
    entropy: &Arc<dyn Entropy>,
) -> Result<Authority, StartError> {
    let refuse = |path: &Path, reason| StartError::Key {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read_to_string(certificate)
        .map_err(|error| refuse(certificate, error.to_string()))?;
    let secret = read_key(key)?;
    Authority::load(&pem, &secret, Arc::clone(entropy)).map_err(|error| {
        let of = certificate.display();
        refuse(key, format!("{error} (its certificate is `{of}`)"))
    })
}
