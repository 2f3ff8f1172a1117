//! The sandbox's service providers: their certificates, grants, agreements, registrations.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ics_core::id::{Origin, ServicePrefix, SpId};
use ics_core::party::{ConsentMode, Exposure, Limits, SerialMatcher, SerialNamespace};
use ics_core::port::Clock;
use ics_core::service::{AgreementTerms, IcsService, OnboardingError, PartyTerms};
use ics_core::time::Timestamp;
use ics_vault::{Authority, CertificateIdentity, IssuedKey, ServerNames};
use reqwest::Method;
use serde_json::{Value, json};

use super::plan::{AGREEMENTS, Grant, Layout, NEWCOMER, PARTIES, Ports};
use super::{SandboxError, onem2m};
use crate::ambient::SystemEntropy;
use crate::t8_client::T8Client;

/// In milliseconds.
const DAY: i64 = 24 * 3600 * 1000;
/// How long the sandbox's certificates work.
const VALIDITY: Duration = Duration::from_secs(90 * 24 * 3600);

/// Makes the certificates that are not there yet.
///
/// # Errors
/// [`SandboxError`].
pub(super) fn make_credentials(
    layout: &Layout,
    clock: &Arc<dyn Clock>,
) -> Result<(), SandboxError> {
    let read = |file: &str| {
        let path = layout.of_domain(file);
        std::fs::read_to_string(&path)
            .map_err(|error| SandboxError::Io(path.display().to_string(), error))
    };
    let (certificate, key) = (read("authority/sp-ca.pem")?, read("authority/sp-ca.key")?);
    let authority =
        Authority::load(&certificate, &key, Arc::new(SystemEntropy::default())).map_err(refused)?;
    let now = clock.now();
    for party in &PARTIES {
        let (certificate, key) = layout.credential(party.id);
        if !certificate.exists() {
            let identity = CertificateIdentity::Sp(sp_id(party.id)?);
            let issued = authority
                .issue_client(&identity, VALIDITY, now)
                .map_err(refused)?;
            write_issued((&certificate, &key), &issued)?;
        }
    }
    let (certificate, key) = layout.credential("receivers");
    if !certificate.exists() {
        let names = ServerNames::parse(["localhost", "127.0.0.1"]).map_err(refused)?;
        let issued = authority
            .issue_server(&names, VALIDITY, now)
            .map_err(refused)?;
        write_issued((&certificate, &key), &issued)?;
    }
    Ok(())
}

fn write_issued(files: (&Path, &Path), issued: &IssuedKey) -> Result<(), SandboxError> {
    write_credential(files, (&issued.certificate.pem, &issued.key_pem))
}

/// Writes a certificate and its key, both PEM.
///
/// # Errors
/// [`SandboxError`].
pub(super) fn write_credential(
    (certificate, key): (&Path, &Path),
    (certificate_pem, key_pem): (&str, &str),
) -> Result<(), SandboxError> {
    let named = |error| SandboxError::Io(certificate.display().to_string(), error);
    if let Some(folder) = certificate.parent() {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    write_secret(key, key_pem).map_err(named)?;
    // The certificate last: it says that the pair is whole.
    std::fs::write(certificate, certificate_pem).map_err(named)
}

/// Writes a file that its owner alone reads.
///
/// # Errors
/// [`io::Error`].
pub(super) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = std::fs::File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// Onboards the parties and puts their agreements in force, where that was not done before.
///
/// # Errors
/// [`SandboxError`].
pub(super) async fn onboard(
    service: &Arc<IcsService>,
    clock: &Arc<dyn Clock>,
    (layout, ports): (&Layout, Ports),
) -> Result<(), SandboxError> {
    let now = clock.now();
    for party in PARTIES.iter().chain([&NEWCOMER]) {
        let mut terms = terms_of(party.id, party.grant, ports)?;
        terms.onem2m = onem2m::speaking(layout, party.id)?;
        match service.onboard_party(&terms, now).await {
            // One of a version before had none; what a tester gave it stays.
            Err(OnboardingError::PartyExists(id)) => {
                let directory = service.directory();
                if directory
                    .party(&id)
                    .is_some_and(|known| known.onem2m.is_none())
                {
                    service.change_party_ae(&id, terms.onem2m.as_ref()).await?;
                }
            }
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (iot_sp, third_party_sp) in AGREEMENTS {
        let terms = AgreementTerms {
            iot_sp: sp_id(iot_sp)?,
            third_party_sp: sp_id(third_party_sp)?,
            services: Vec::new(),
            // A clock that is set back a little does not end it.
            valid_from: Timestamp::from_millis(now.millis().saturating_sub(DAY)),
            valid_until: None,
            consent_mode: ConsentMode::Asserted,
            exposure: Exposure::Raw,
            pairing_required: false,
        };
        // One that a tester has ended stays ended.
        let known = service
            .directory()
            .agreements()
            .any(|a| a.iot_sp == terms.iot_sp && a.third_party_sp == terms.third_party_sp);
        if !known {
            service.add_agreement(&terms, now).await?;
        }
    }
    Ok(())
}

fn terms_of(id: &str, grant: Grant, ports: Ports) -> Result<PartyTerms, SandboxError> {
    let (mut services, mut serial_namespaces) = (Vec::new(), Vec::new());
    match grant {
        Grant::Service(uri) => {
            services.push(ServicePrefix::parse(uri).map_err(refused)?);
        }
        Grant::SerialPrefix(prefix) => {
            let matcher = SerialMatcher::prefix(prefix).map_err(refused)?;
            serial_namespaces.push(SerialNamespace {
                vendor: None,
                matcher,
            });
        }
    }
    Ok(PartyTerms {
        id: sp_id(id)?,
        third_party_sp: matches!(grant, Grant::Service(_)),
        iot_sp: matches!(grant, Grant::SerialPrefix(_)),
        services,
        claims: Vec::new(),
        serial_namespaces,
        callback_origins: vec![Origin::parse(&ports.callback_url()).map_err(refused)?],
        token_endpoint: None,
        onem2m: None,
        limits: Limits {
            requests_per_second: NonZeroU32::new(50_000).unwrap_or(NonZeroU32::MAX),
            failed_mappings_per_day: NonZeroU32::MAX,
        },
    })
}

fn sp_id(text: &str) -> Result<SpId, SandboxError> {
    SpId::parse(text).map_err(refused)
}

pub(super) fn refused(error: impl Display) -> SandboxError {
    SandboxError::Parties(error.to_string())
}

/// Registers an IoT SP for its pushes, over T8 as it would itself, where it is not yet.
///
/// # Errors
/// [`SandboxError`].
pub(super) async fn subscribe(
    client: &T8Client,
    sp: &str,
    ports: Ports,
) -> Result<(), SandboxError> {
    let path = format!("/ics-device-mapping/v1/{sp}/subscriptions");
    let known = client.expect(Method::GET, &path, None).await?;
    if known.body.as_array().is_some_and(|list| !list.is_empty()) {
        return Ok(());
    }
    let destination = format!("{}/{sp}", ports.callback_url());
    let body: Value = json!({ "notificationDestination": destination });
    client.expect(Method::POST, &path, Some(&body)).await?;
    Ok(())
}
