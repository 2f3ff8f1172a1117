//! The mailbox at a platform that admits no foreign CSE: who answers what is written into it.

use std::sync::Arc;

use ics_onem2m::Cse;

use crate::telemetry::{LoggedCse, Telemetry};

/// Answers what is written into the mailbox, if there is one. Never returns.
pub(super) async fn serve(cse: &Arc<Cse>, telemetry: &Telemetry) {
    let Some(mailbox) = cse.mailbox() else {
        return std::future::pending().await;
    };
    mailbox
        .serve(&LoggedCse::new(cse, telemetry, "mailbox"))
        .await;
}
