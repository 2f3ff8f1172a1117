//! The sandbox's CSE: plain HTTP on loopback, with an admin originator; joined to a platform on this
//! host, if there is one.

use ics_core::id::AeId;
use ics_core::party::{OneM2mAe, SignatureAlgorithm, VerifyingKey};
use ics_vault::SigningKey;
use reqwest::Url;

use super::parties::{refused, write_secret};
use super::plan::{HOST, Layout, Ports, loopback};
use super::{Options, SandboxError};
use crate::ambient::SystemEntropy;
use crate::compose::{PlainCse, Platform};

/// The originator that may do everything.
pub(super) const ADMIN: &str = "CAdmin";
/// The CSE-ID of the platform, without its slash, and the name of its CSEBase.
pub(super) const PLATFORM_CSE_ID: &str = "id-in";
const PLATFORM_CSE_NAME: &str = "cse-in";

/// The CSE that `options` ask for.
///
/// # Errors
/// [`SandboxError::NotLoopback`], [`SandboxError::MailboxOnBroker`].
pub(super) fn cse(options: &Options, ports: Ports) -> Result<PlainCse, SandboxError> {
    let listen = options.onem2m_listen.unwrap_or(loopback(ports.onem2m));
    if !listen.ip().is_loopback() {
        return Err(SandboxError::NotLoopback(listen));
    }
    let is_on_broker = |url: &Url| url.scheme() == "mqtt";
    if options.is_mailbox && options.platform.as_ref().is_some_and(is_on_broker) {
        return Err(SandboxError::MailboxOnBroker);
    }
    Ok(PlainCse {
        listen,
        admin: ADMIN.into(),
        platform: options.platform.clone().map(|url| Platform {
            url,
            cse_id: PLATFORM_CSE_ID.into(),
            cse_name: PLATFORM_CSE_NAME.into(),
            is_mailbox: options.is_mailbox,
        }),
    })
}

/// The AE that a party speaks as: all but the one whose devices the gateway hosts.
pub(super) fn ae_of(sp: &str) -> Option<String> {
    (sp != HOST).then(|| format!("/{PLATFORM_CSE_ID}/C{sp}"))
}

/// The AE of a party, if it has one, with the key it signs with, made when it is not there.
///
/// # Errors
/// [`SandboxError`].
pub(super) fn speaking(layout: &Layout, sp: &str) -> Result<Option<OneM2mAe>, SandboxError> {
    let Some(ae) = ae_of(sp) else {
        return Ok(None);
    };
    let path = layout.onem2m_key(sp);
    let named = |error| SandboxError::Io(path.display().to_string(), error);
    if !path.exists() {
        let made = SigningKey::generate(&SystemEntropy::default()).map_err(refused)?;
        let pem = made.to_pem().map_err(refused)?;
        write_secret(&path, &pem).map_err(named)?;
    }
    let pem = std::fs::read_to_string(&path).map_err(named)?;
    let key = SigningKey::from_pem(&pem).map_err(refused)?;
    let point = key.public_key().to_vec();
    Ok(Some(OneM2mAe {
        ae: AeId::parse(&ae).map_err(refused)?,
        key: VerifyingKey::new(SignatureAlgorithm::EdDsa, point),
    }))
}
