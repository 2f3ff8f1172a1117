//! The mailbox at a platform that admits no foreign CSE: what the gateway is there, and who answers.

use std::sync::Arc;

use ics_onem2m::Cse;
use ics_onem2m::mailbox::MailboxSettings;
use ics_onem2m::registration::Registrar;

use super::Platform;
use crate::config::{RegistrarSection, default_ae};
use crate::telemetry::{MailboxActs, Telemetry};

/// What the configuration says the gateway is there, where that is no CSE.
pub(super) fn configured(
    section: Option<&RegistrarSection>,
    registrar: Option<&Registrar>,
) -> Option<MailboxSettings> {
    let (ae_name, ae_id) = section?.mailbox()?;
    Some(MailboxSettings {
        registrar: registrar?.clone(),
        ae_name,
        ae_id,
    })
}

/// The same of a sandbox.
pub(super) fn of_sandbox(
    platform: Option<&Platform>,
    registrar: Option<&Registrar>,
) -> Option<MailboxSettings> {
    let (ae_name, ae_id) = default_ae();
    platform.filter(|platform| platform.is_mailbox)?;
    Some(MailboxSettings {
        registrar: registrar?.clone(),
        ae_name,
        ae_id,
    })
}

/// What the gateway is called at the platform: its CSE-ID, or its AE-ID there.
pub(super) fn own_id(cse_id: &str, mailbox: Option<&MailboxSettings>) -> String {
    match mailbox {
        None => format!("/{cse_id}"),
        Some(own) => format!("/{}/{}", own.registrar.cse_id, own.ae_id),
    }
}

/// Answers what is written into the mailbox, if there is one. Never returns.
pub(super) async fn serve(cse: &Arc<Cse>, telemetry: Telemetry) {
    let Some(mailbox) = cse.mailbox() else {
        return std::future::pending().await;
    };
    let platform = mailbox.platform().to_owned();
    let handler = MailboxActs::new(Arc::clone(cse), platform, telemetry);
    mailbox.serve(&handler).await;
}
