//! Hosted devices at the CSE: what they do is logged as on each channel, and the service rings for them.

use std::sync::Arc;

use ics_channel::DeviceService;
use ics_core::device::Channel;
use ics_core::port::DeviceBell;
use ics_onem2m::Cse;

use crate::background::Background;
use crate::compose::Parts;
use crate::telemetry::{DeviceActs, ONEM2M, Telemetry};

/// The service, as devices have it there.
pub(super) fn service(parts: &Parts, telemetry: &Telemetry) -> Arc<dyn DeviceService> {
    Arc::new(DeviceActs::new(
        Arc::clone(&parts.service),
        (Channel::OneM2m, ONEM2M),
        telemetry.clone(),
    ))
}

/// Looks after their documents.
pub(super) fn attend(cse: &Arc<Cse>, parts: &Parts) -> Background {
    let bell: Arc<dyn DeviceBell> = Arc::clone(cse) as _;
    parts.device_bells.pass_to(&bell);
    let cse = Arc::clone(cse);
    Background::begin(|mut stopping| async move {
        tokio::select! {
            () = cse.attend_devices() => {}
            () = stopping.asked() => {}
        }
    })
}
