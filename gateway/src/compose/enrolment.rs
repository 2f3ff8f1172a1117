//! Enrolment: its listener, where nobody needs a certificate yet, and what operators have of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use ics_core::id::SpId;
use ics_core::port::PortFuture;
use ics_core::service::Failure;
use ics_est::{Enrolment, InviteError};
use ics_operator::Invitations;
use ics_operator::wire::InvitationView;

use super::running::open;
use super::{Parts, ReloadableTls, StartError, service_provider_anchors};
use crate::config::{Config, EnrolmentSection};
use crate::listener::{Admission, Listener};
use crate::telemetry::{ENROLMENT, Telemetry};
use crate::tls::{Credential, TrustAnchor};

/// Enrolment, where it is served.
pub(super) struct EnrolmentChannel {
    /// Where it listens.
    pub(super) address: SocketAddr,
    enrolment: Arc<Enrolment>,
    /// What service providers put before every path.
    url: String,
    tls: ReloadableTls,
}

impl EnrolmentChannel {
    /// Opens it where the configuration says where to listen; its server is to be run.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) async fn open(
        config: &Config,
        parts: &Parts,
        telemetry: &Telemetry,
    ) -> Result<Option<(Self, Server)>, StartError> {
        let Some(section) = &config.enrolment else {
            return Ok(None);
        };
        let Some(listen) = section.listen else {
            return Ok(None);
        };
        let (anchors, credential) = enrolment_credentials(config, section)?;
        let tls = ReloadableTls::for_enrolment(anchors, credential, Arc::clone(&parts.directory))?;
        let enrolment = Arc::new(raise(config, parts).await?);
        let listener = Listener {
            name: ENROLMENT,
            address: listen,
            tls: tls.server_config(Arc::clone(&parts.clock), false)?,
            connections: section.connections.clone(),
            admission: Arc::new(Admission::Enrolment),
            telemetry: telemetry.clone(),
        };
        let served = Arc::clone(&enrolment);
        let open = open(listener, move |routes| {
            ics_est::configure(routes, Arc::clone(&served));
        })?;
        let own = || format!("https://{}", open.address);
        let url = section.public_url.as_ref();
        let channel = Self {
            address: open.address,
            enrolment,
            url: url.map_or_else(own, |url| url.as_str().to_owned()),
            tls,
        };
        Ok(Some((channel, open.server)))
    }

    /// What operators have of it.
    pub(super) fn for_operator(&self) -> Arc<dyn Invitations> {
        Arc::new(Inviting {
            enrolment: Arc::clone(&self.enrolment),
            url: self.url.clone(),
        })
    }

    /// Shows and believes these from the next handshake on.
    ///
    /// # Errors
    /// [`StartError`]; nothing changed then.
    pub(super) fn replace(
        &self,
        (anchors, credential): (Vec<TrustAnchor>, Credential),
    ) -> Result<(), StartError> {
        Ok(self.tls.replace(anchors, credential)?)
    }
}

async fn raise(config: &Config, parts: &Parts) -> Result<Enrolment, StartError> {
    let anchors = std::fs::read_to_string(&config.authority.certificate);
    let settings = ics_est::Settings {
        validity: config.authority.validity,
        anchors: anchors.map_err(|error| setting(&error))?,
    };
    let ports = ics_est::Ports {
        service: Arc::clone(&parts.service),
        authority: Arc::new(parts.open_authority(config)?),
        verifier: Arc::clone(&parts.verifier),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
    };
    let opened = Enrolment::open(settings, ports).await;
    opened.map_err(|error| setting(&error))
}

fn setting(error: &dyn std::error::Error) -> StartError {
    StartError::Setting {
        part: "enrolment",
        reason: error.to_string(),
    }
}

/// Whose certificates can be renewed: those of service providers; and the listener's own certificate.
///
/// # Errors
/// [`StartError`].
pub(super) fn enrolment_credentials(
    config: &Config,
    section: &EnrolmentSection,
) -> Result<(Vec<TrustAnchor>, Credential), StartError> {
    let anchors = service_provider_anchors(config)?;
    let credential = Credential::load(&section.certificate, &section.key)?;
    Ok((anchors, credential))
}

struct Inviting {
    enrolment: Arc<Enrolment>,
    url: String,
}

impl Invitations for Inviting {
    fn invite<'a>(
        &'a self,
        sp: &'a SpId,
        lifetime: Duration,
    ) -> PortFuture<'a, Result<InvitationView, Failure>> {
        Box::pin(async move {
            let invited = self.enrolment.invite(sp, lifetime).await;
            let invited = invited.map_err(|error| match error {
                InviteError::Failed(failure) => failure,
                // It was asked whether there is one a moment ago.
                InviteError::NoParty => Failure::Busy,
            })?;
            Ok(InvitationView {
                sp_id: sp.to_string(),
                code: invited.code,
                expires: invited.expires.to_rfc3339(),
                url: format!("{}/.well-known/est", self.url),
            })
        })
    }
}
