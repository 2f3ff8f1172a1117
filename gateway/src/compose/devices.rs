//! The devices the gateway hosts: who certifies them, and who is told when one changes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ics_core::device::{Channel, HostedDevice};
use ics_core::id::{DeviceId, SpId};
use ics_core::port::{AuthorityError, DeviceAuthority, DeviceBell, Entropy, IssuedCertificate};
use ics_core::time::Timestamp;
use ics_mqtt::{Endpoint, Sessions};

use super::examine::load_authority_of;
use super::{Parts, ReloadableTls, StartError, mqtt_credentials};
use crate::config::Config;
use crate::listener::{Admission, Listener, MqttListener};
use crate::telemetry::{DeviceActs, MQTT, Telemetry};
use crate::tls::{Credential, TrustAnchor};

/// Passes rings on to the device channels, once there are any. The service is made before them.
#[derive(Default)]
pub(crate) struct DeviceBells(ArcSwap<Vec<Arc<dyn DeviceBell>>>);

impl DeviceBells {
    /// From now on `channel` is rung as well.
    pub(super) fn pass_to(&self, channel: &Arc<dyn DeviceBell>) {
        self.0.rcu(|channels| {
            let mut channels = channels.to_vec();
            channels.push(Arc::clone(channel));
            channels
        });
    }
}

impl DeviceBell for DeviceBells {
    fn ring(&self, id: &DeviceId, device: Option<&HostedDevice>) {
        for channel in self.0.load().iter() {
            channel.ring(id, device);
        }
    }

    fn recheck(&self, iot_sp: &SpId) {
        for channel in self.0.load().iter() {
            channel.recheck(iot_sp);
        }
    }
}

/// A gateway without `[devices]`: it certifies none.
struct NoAuthority;

impl DeviceAuthority for NoAuthority {
    fn issue_device(
        &self,
        _: (&SpId, &DeviceId),
        _: &str,
        _: Duration,
        _: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        Err(AuthorityError::Unavailable)
    }
}

/// The MQTT listener of hosted devices, where one is configured.
pub(super) struct MqttChannel {
    pub(super) listener: MqttListener,
    tls: ReloadableTls,
}

impl MqttChannel {
    /// Opens it.
    ///
    /// # Errors
    /// [`StartError`].
    pub(super) fn open(
        config: &Config,
        parts: &Parts,
        telemetry: &Telemetry,
    ) -> Result<Option<Self>, StartError> {
        let (Some(section), Some(devices)) = (&config.mqtt, &config.devices) else {
            return Ok(None);
        };
        let (anchors, credential) = mqtt_credentials(devices, section)?;
        let tls = ReloadableTls::for_devices(anchors, credential, section.passwords)?;
        let sessions = Arc::new(Sessions::default());
        let bell: Arc<dyn DeviceBell> = Arc::clone(&sessions) as _;
        parts.device_bells.pass_to(&bell);
        let endpoint = Endpoint::new(
            Arc::new(DeviceActs::new(
                Arc::clone(&parts.service),
                (Channel::Mqtt, MQTT),
                telemetry.clone(),
            )),
            sessions,
            Arc::clone(&parts.clock),
            section.limits.limits(),
        );
        let listener = Listener {
            name: MQTT,
            address: section.listen,
            tls: tls.server_config(Arc::clone(&parts.clock), section.tls12)?,
            connections: section.connections.clone(),
            admission: Arc::new(Admission::Devices),
            telemetry: telemetry.clone(),
        };
        let address = section.listen;
        let listener = listener
            .open_mqtt(Arc::new(endpoint))
            .map_err(|source| StartError::Listen { address, source })?;
        Ok(Some(Self { listener, tls }))
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

/// The authority that certifies hosted devices.
///
/// # Errors
/// [`StartError`].
pub(super) fn open_device_authority(
    config: &Config,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<dyn DeviceAuthority>, StartError> {
    let Some(section) = &config.devices else {
        return Ok(Arc::new(NoAuthority));
    };
    let files = (section.certificate.as_path(), section.key.as_path());
    Ok(Arc::new(load_authority_of(files, entropy)?))
}
