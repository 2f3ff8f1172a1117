//! `[mqtt.limits]`.

use ics_channel::Rate;
use ics_mqtt::Limits;
use serde::Deserialize;

use super::fault::{Fault, Faults};

/// `[mqtt.limits]`: how much one device may do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MqttLimitsSection {
    /// Packets at once, after a rest.
    pub(crate) messages_at_once: u32,
    /// Packets a second, in the long run.
    pub(crate) messages_per_second: u32,
    /// Connections at once, after a rest.
    pub(crate) connects_at_once: u32,
    /// Connections a second, in the long run.
    pub(crate) connects_per_second: u32,
}

impl Default for MqttLimitsSection {
    fn default() -> Self {
        let Limits {
            messages, connects, ..
        } = Limits::default();
        Self {
            messages_at_once: messages.burst,
            messages_per_second: messages.per_second,
            connects_at_once: connects.burst,
            connects_per_second: connects.per_second,
        }
    }
}

impl MqttLimitsSection {
    /// The listener's limits for one connection and one device.
    pub(crate) fn limits(self) -> Limits {
        Limits {
            messages: Rate {
                per_second: self.messages_per_second,
                burst: self.messages_at_once,
            },
            connects: Rate {
                per_second: self.connects_per_second,
                burst: self.connects_at_once,
            },
            ..Limits::default()
        }
    }

    pub(super) fn check(self, faults: &mut Faults) {
        let rates = [
            ("messages_at_once", self.messages_at_once),
            ("messages_per_second", self.messages_per_second),
            ("connects_at_once", self.connects_at_once),
            ("connects_per_second", self.connects_per_second),
        ];
        for (key, rate) in rates {
            if !(1..=1_000_000).contains(&rate) {
                let key = format!("mqtt.limits.{key}");
                let fault = Fault::new(key, "out of range", "choose 1 to 1000000");
                faults.take(Err(fault));
            }
        }
    }
}
