//! What each act of a hosted device leaves: a line in the decision log, its numbers. In front of the
//! service, so that it is the same whichever way the device came.
//!
//! Who is the IoT SP; which of its devices, a keyed hash tells: the same device has the same one.
//! As for requests, nothing is done that leaves no line.

use std::sync::Arc;
use std::time::Instant;

use ics_channel::{DeviceService, RefusedAttempt};
use ics_core::device::{Channel, HostedDevice};
use ics_core::device_document::{Acknowledgement, AcknowledgementMeaning, DeviceDocument};
use ics_core::id::{MappingId, PskIdentity, ServiceUri, SpId};
use ics_core::port::{PortFuture, StoreError};
use ics_core::principal::DeviceIdentity;
use ics_core::service::{
    AwaitedPage, AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure, Given,
    IcsService, OwnMapping, PreSharedKey, Unauthenticated,
};
use ics_core::time::Timestamp;

use super::decision::{Act, DeviceEntry, Room, Verdict, render_device};
use super::{RequestId, Telemetry};

/// The service, as device channels see it, each act logged and counted.
pub(crate) struct DeviceActs {
    service: Arc<IcsService>,
    telemetry: Telemetry,
    channel: Channel,
    listener: &'static str,
}

/// What a device did.
#[derive(Clone, Copy)]
struct Doing {
    operation: &'static str,
    act: Act,
}

const CONNECT: Doing = Doing {
    operation: "connect",
    act: Act::Read,
};
const READ: Doing = Doing {
    operation: "document",
    act: Act::Read,
};
const ACKNOWLEDGE: Doing = Doing {
    operation: "acknowledge",
    act: Act::Change,
};
const INQUIRE: Doing = Doing {
    operation: "inquire",
    act: Act::Read,
};
const GIVE_UP: Doing = Doing {
    operation: "revoke",
    act: Act::Change,
};
const REPORT: Doing = Doing {
    operation: "event",
    act: Act::Change,
};

/// Stands in the log only where it is refused: what is allowed is the acts.
const SUBSCRIBE: Doing = Doing {
    operation: "subscribe",
    act: Act::Read,
};
const PUBLISH: Doing = Doing {
    operation: "publish",
    act: Act::Read,
};
const REQUEST: Doing = Doing {
    operation: "request",
    act: Act::Read,
};

/// An act under way: its line has its room already.
struct Attempt<'a> {
    acts: &'a DeviceActs,
    doing: Doing,
    began: Instant,
    room: Option<Room>,
}

impl DeviceActs {
    pub(crate) const fn new(
        service: Arc<IcsService>,
        (channel, listener): (Channel, &'static str),
        telemetry: Telemetry,
    ) -> Self {
        Self {
            service,
            telemetry,
            channel,
            listener,
        }
    }

    /// Whose device, and a keyed hash of its ID.
    fn who<'a>(&self, identity: &'a DeviceIdentity) -> (&'a SpId, String) {
        let named = (&identity.iot_sp, &identity.device_id);
        (named.0, self.service.device_pseudonym(named.0, named.1))
    }

    /// Room for the line of what is about to be done; without it, it is not.
    fn begin(&self, doing: Doing) -> Result<Attempt<'_>, Failure> {
        let room = match &self.telemetry.decisions {
            None => None,
            Some(log) => match log.reserve(doing.act) {
                Some(room) => Some(room),
                None => {
                    self.telemetry
                        .metrics
                        .of(self.listener)
                        .count_unlogged_refusal();
                    return Err(StoreError::Unavailable.into());
                }
            },
        };
        Ok(Attempt {
            acts: self,
            doing,
            began: Instant::now(),
            room,
        })
    }
}

impl Attempt<'_> {
    /// It was done, or not.
    fn end(self, who: Option<&(&SpId, String)>, cause: Option<(&'static str, Verdict)>) {
        let (acts, verdict) = (self.acts, cause.map_or(Verdict::Allowed, |(_, v)| v));
        // At the CSE the request it came with is counted.
        if acts.channel != Channel::OneM2m {
            let metrics = acts.telemetry.metrics.of(acts.listener);
            metrics.count_request(None, verdict, self.began.elapsed());
        }
        let Some(log) = &acts.telemetry.decisions else {
            return;
        };
        let line = render_device(&DeviceEntry {
            time: &acts.telemetry.clock.now().to_rfc3339(),
            request_id: &RequestId::next().to_string(),
            listener: acts.listener,
            who: who.map(|(sp, _)| sp.as_str()),
            device: who.map(|(_, device)| device.as_str()),
            operation: self.doing.operation,
            verdict,
            cause: cause.map(|(cause, _)| cause),
        });
        match self.room {
            // A stranger neither takes the room of requests nor fills the disk.
            Some(room) if who.is_none() => {
                drop(room);
                log.tell(self.doing.act, line.as_bytes());
            }
            Some(room) => room.write(line.as_bytes()),
            None => {}
        }
    }
}

/// What was tried, and what was wrong with it: of a topic never its text.
const fn words_of(channel: Channel, attempt: RefusedAttempt) -> (Doing, &'static str) {
    match attempt {
        RefusedAttempt::ConnectWithoutCredential => (CONNECT, "CREDENTIAL_MISSING"),
        RefusedAttempt::ConnectAfterGuesses => (CONNECT, "GUESSES_TOO_MANY"),
        RefusedAttempt::ConnectAfterEnd => (CONNECT, "CREDENTIAL_EXPIRED"),
        RefusedAttempt::ConnectWithWill => (CONNECT, "WILL_NOT_ALLOWED"),
        RefusedAttempt::ConnectTooOften => (CONNECT, "CONNECTS_TOO_FAST"),
        RefusedAttempt::SubscribeForeign => (SUBSCRIBE, "TOPIC_FOREIGN"),
        RefusedAttempt::SubscribeMalformed => (SUBSCRIBE, "FILTER_MALFORMED"),
        RefusedAttempt::SubscribeTooMuch => (SUBSCRIBE, "FILTERS_TOO_MANY"),
        RefusedAttempt::PublishForeign => (PUBLISH, "TOPIC_FOREIGN"),
        RefusedAttempt::PublishUnknown => (PUBLISH, "TOPIC_UNKNOWN"),
        RefusedAttempt::PublishUnreadable => (PUBLISH, "PAYLOAD_MALFORMED"),
        RefusedAttempt::RequestForeign => (REQUEST, "PATH_FOREIGN"),
        RefusedAttempt::RequestUnknown => (REQUEST, "PATH_UNKNOWN"),
        RefusedAttempt::RequestUnreadable => (REQUEST, "PAYLOAD_MALFORMED"),
        RefusedAttempt::AssociateUnnamed => (CONNECT, "CREDENTIAL_UNKNOWN"),
        RefusedAttempt::AssociateUnfinished => (CONNECT, "HANDSHAKE_UNFINISHED"),
        RefusedAttempt::AssociateTooOften => (CONNECT, "CONNECTS_TOO_FAST"),
        RefusedAttempt::TooFast => match channel {
            Channel::Coap | Channel::OneM2m => (REQUEST, "MESSAGES_TOO_FAST"),
            Channel::Mqtt => (PUBLISH, "MESSAGES_TOO_FAST"),
        },
    }
}

const fn cause_of_refusal(refusal: DeviceRefusal) -> (&'static str, Verdict) {
    use Unauthenticated::{Channel, Credential, Expired, Revoked, SpNotServed, Unknown};
    match refusal {
        DeviceRefusal::Unauthenticated(because) => (
            match because {
                Unknown => "DEVICE_UNKNOWN",
                Credential => "CREDENTIAL_UNKNOWN",
                Revoked => "CREDENTIAL_REVOKED",
                Expired => "CREDENTIAL_EXPIRED",
                Channel => "CHANNEL_CLOSED",
                SpNotServed => "PARTY_NOT_SERVED",
            },
            Verdict::Denied,
        ),
        DeviceRefusal::Failure(_) => ("SYSTEM_FAILURE", Verdict::Failed),
    }
}

const fn cause_of_error(error: &ChannelError) -> (&'static str, Verdict) {
    match error {
        ChannelError::Refused(refusal) => cause_of_refusal(*refusal),
        ChannelError::NeverOffered => ("VERSION_NEVER_OFFERED", Verdict::Denied),
        ChannelError::NotFound => ("MAPPING_NOT_FOUND", Verdict::Denied),
        ChannelError::Unregistering => ("DEVICE_UNREGISTERING", Verdict::Denied),
        ChannelError::TooManyEvents => ("EVENTS_WAITING", Verdict::Denied),
    }
}

impl DeviceActs {
    /// Does what a device that is known asks for.
    async fn observe<T>(
        &self,
        doing: Doing,
        identity: &DeviceIdentity,
        work: impl Future<Output = Result<T, ChannelError>>,
    ) -> Result<T, ChannelError> {
        let attempt = self.begin(doing).map_err(DeviceRefusal::from)?;
        let outcome = work.await;
        let cause = outcome.as_ref().err().map(cause_of_error);
        attempt.end(Some(&self.who(identity)), cause);
        outcome
    }
}

impl DeviceService for DeviceActs {
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>> {
        Box::pin(async move {
            let attempt = self.begin(CONNECT)?;
            let outcome = self
                .service
                .authenticate_device(claim, self.channel, now)
                .await;
            if self.channel == Channel::Coap {
                // Only DTLS knows when a handshake is whole: the endpoint asks here once it is.
                self.telemetry.metrics.of(self.listener).accepted.inc();
            }
            match &outcome {
                // Behind a broker nobody connects to us: the act that follows is the one.
                Ok(_)
                    if matches!(
                        claim,
                        DeviceClaim::Vouched { .. } | DeviceClaim::Kept { .. }
                    ) => {}
                // Nobody came: the gateway asked.
                Err(_) if matches!(claim, DeviceClaim::Kept { .. }) => {}
                Ok(identity) => attempt.end(Some(&self.who(identity)), None),
                Err(refusal) => {
                    // What a certificate says of itself was verified, and whoever has the key of an
                    // identity is its device; what a password or a topic claims is nothing.
                    let who = match claim {
                        DeviceClaim::Certificate {
                            iot_sp, device_id, ..
                        } => Some((
                            iot_sp.clone(),
                            self.service.device_pseudonym(iot_sp, device_id),
                        )),
                        DeviceClaim::PreSharedKey { identity } => {
                            self.service
                                .find_device_pseudonym(&identity.device_id)
                                .await
                        }
                        DeviceClaim::Password { .. }
                        | DeviceClaim::Vouched { .. }
                        | DeviceClaim::Kept { .. } => None,
                    };
                    let who = who.as_ref().map(|(sp, device)| (sp, device.clone()));
                    attempt.end(who.as_ref(), Some(cause_of_refusal(*refusal)));
                }
            }
            outcome
        })
    }

    fn find_key<'a>(
        &'a self,
        identity: &'a PskIdentity,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<PreSharedKey>, Failure>> {
        Box::pin(async move {
            let attempt = self.begin(CONNECT)?;
            let key = self
                .service
                .find_device_key(identity, self.channel, now)
                .await;
            // Where there is a key, what comes of it is the act.
            let cause = match &key {
                Ok(Some(_)) => return key,
                Ok(None) => ("CREDENTIAL_UNKNOWN", Verdict::Denied),
                Err(_) => ("SYSTEM_FAILURE", Verdict::Failed),
            };
            attempt.end(None, Some(cause));
            key
        })
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<HostedDevice, DeviceRefusal>> {
        // Part of every act, and none by itself.
        Box::pin(self.service.admit_device(identity, self.channel, now))
    }

    fn read_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<DeviceDocument, ChannelError>> {
        let work = self.service.read_document((identity, self.channel), now);
        Box::pin(self.observe(READ, identity, work))
    }

    fn read_newer_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        known: u64,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<DeviceDocument>, ChannelError>> {
        let work = {
            let by = (&**identity, self.channel);
            self.service.read_newer_document(by, known, now)
        };
        Box::pin(self.observe(READ, identity, work))
    }

    fn acknowledge<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        acknowledgement: &'a Acknowledgement,
        now: Timestamp,
    ) -> PortFuture<'a, Result<AcknowledgementMeaning, ChannelError>> {
        let work = {
            let by = (identity, self.channel);
            self.service.acknowledge_document(by, acknowledgement, now)
        };
        Box::pin(self.observe(ACKNOWLEDGE, identity, work))
    }

    fn inquire<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        service_uri: Option<&'a ServiceUri>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Vec<OwnMapping>, ChannelError>> {
        let work = {
            let by = (identity, self.channel);
            self.service.inquire_own(by, service_uri, now)
        };
        Box::pin(self.observe(INQUIRE, identity, work))
    }

    fn give_up<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        given: &'a Given,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        let work = {
            let by = (identity, self.channel);
            self.service.give_up_mapping(by, given, now)
        };
        Box::pin(self.observe(GIVE_UP, identity, work))
    }

    fn report<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        event: (MappingId, &'a [u8], bool),
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        let work = {
            let by = (identity, self.channel);
            self.service.report_event(by, event, now)
        };
        Box::pin(self.observe(REPORT, identity, work))
    }
    fn awaited<'a>(
        &'a self,
        after: Option<&'a AwaitedPlace>,
        limit: usize,
    ) -> PortFuture<'a, Result<AwaitedPage, Failure>> {
        // The gateway's own question, no device's act.
        Box::pin(self.service.awaited_devices(after, limit))
    }

    fn note_refused(&self, who: Option<&DeviceIdentity>, attempt: RefusedAttempt) {
        let (doing, cause) = words_of(self.channel, attempt);
        // It is refused with or without a line; a line for which there is no room is counted.
        let Ok(begun) = self.begin(doing) else {
            return;
        };
        let who = who.map(|identity| self.who(identity));
        begun.end(who.as_ref(), Some((cause, Verdict::Denied)));
    }
}

#[cfg(test)]
mod tests;
