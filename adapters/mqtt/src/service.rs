//! What of the service a device channel needs.

use std::sync::Arc;

use ics_core::device::{Channel, HostedDevice};
use ics_core::device_document::{Acknowledgement, AcknowledgementMeaning, DeviceDocument};
use ics_core::id::{MappingId, ServiceUri};
use ics_core::port::PortFuture;
use ics_core::principal::DeviceIdentity;
use ics_core::service::{
    AwaitedPage, AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure, Given,
    IcsService, OwnMapping,
};
use ics_core::time::Timestamp;

use crate::attempt::RefusedAttempt;

/// What of the service a device channel needs. What a call that writes answers is durable.
pub trait DeviceService: Send + Sync {
    /// Who a device is, if it may come over MQTT.
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>>;

    /// The device as it is, if it is still served.
    fn admit<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<HostedDevice, DeviceRefusal>>;

    /// The newest version of what it must hold.
    fn read_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<DeviceDocument, ChannelError>>;

    /// It says what it holds.
    fn acknowledge<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        acknowledgement: &'a Acknowledgement,
        now: Timestamp,
    ) -> PortFuture<'a, Result<AcknowledgementMeaning, ChannelError>>;

    /// It asks for its own rows that hold, of one service or all.
    fn inquire<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        service_uri: Option<&'a ServiceUri>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Vec<OwnMapping>, ChannelError>>;

    /// It gives one of its rows up.
    fn give_up<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        given: &'a Given,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>>;

    /// It says something to the service a row maps it to: the bytes, and whether they are JSON.
    fn report<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        event: (MappingId, &'a [u8], bool),
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>>;

    /// Of at most `limit` devices after `after`, those that are owed their document, and where to
    /// go on.
    fn awaited<'a>(
        &'a self,
        after: Option<&'a AwaitedPlace>,
        limit: usize,
    ) -> PortFuture<'a, Result<AwaitedPage, Failure>>;

    /// Something a device tried was refused without the service being asked. Of `who`, as far as a
    /// credential told.
    fn note_refused(&self, who: Option<&DeviceIdentity>, attempt: RefusedAttempt);
}

impl DeviceService for IcsService {
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>> {
        Box::pin(self.authenticate_device(claim, Channel::Mqtt, now))
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<HostedDevice, DeviceRefusal>> {
        Box::pin(self.admit_device(identity, Channel::Mqtt, now))
    }

    fn read_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<DeviceDocument, ChannelError>> {
        Box::pin(self.read_document((identity, Channel::Mqtt), now))
    }

    fn acknowledge<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        acknowledgement: &'a Acknowledgement,
        now: Timestamp,
    ) -> PortFuture<'a, Result<AcknowledgementMeaning, ChannelError>> {
        Box::pin(self.acknowledge_document((identity, Channel::Mqtt), acknowledgement, now))
    }

    fn inquire<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        service_uri: Option<&'a ServiceUri>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Vec<OwnMapping>, ChannelError>> {
        Box::pin(self.inquire_own((identity, Channel::Mqtt), service_uri, now))
    }

    fn give_up<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        given: &'a Given,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(self.give_up_mapping((identity, Channel::Mqtt), given, now))
    }

    fn report<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        event: (MappingId, &'a [u8], bool),
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), ChannelError>> {
        Box::pin(self.report_event((identity, Channel::Mqtt), event, now))
    }

    fn awaited<'a>(
        &'a self,
        after: Option<&'a AwaitedPlace>,
        limit: usize,
    ) -> PortFuture<'a, Result<AwaitedPage, Failure>> {
        Box::pin(self.awaited_devices(after, limit))
    }

    fn note_refused(&self, _: Option<&DeviceIdentity>, _: RefusedAttempt) {
        // The core keeps no log; who stands in front of it does.
    }
}
