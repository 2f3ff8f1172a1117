//! The sandbox's CSE: plain HTTP on loopback, with an admin originator; joined to a platform on this
//! host, if there is one.

use super::plan::{Ports, loopback};
use super::{Options, SandboxError};
use crate::compose::{PlainCse, Platform};

/// The originator that may do everything.
pub(super) const ADMIN: &str = "CAdmin";
/// The CSE-ID of the platform, without its slash, and the name of its CSEBase.
pub(super) const PLATFORM_CSE_ID: &str = "id-in";
const PLATFORM_CSE_NAME: &str = "cse-in";

/// The CSE that `options` ask for.
///
/// # Errors
/// [`SandboxError::NotLoopback`].
pub(super) fn cse(options: &Options, ports: Ports) -> Result<PlainCse, SandboxError> {
    let listen = options.onem2m_listen.unwrap_or(loopback(ports.onem2m));
    if !listen.ip().is_loopback() {
        return Err(SandboxError::NotLoopback(listen));
    }
    Ok(PlainCse {
        listen,
        admin: ADMIN.into(),
        platform: options.platform.clone().map(|url| Platform {
            url,
            cse_id: PLATFORM_CSE_ID.into(),
            cse_name: PLATFORM_CSE_NAME.into(),
        }),
    })
}
