//! What of the service a device channel needs.

use std::sync::Arc;

use ics_core::device::HostedDevice;
use ics_core::device_document::{Acknowledgement, AcknowledgementMeaning, DeviceDocument};
use ics_core::id::{MappingId, PskIdentity, ServiceUri};
use ics_core::port::PortFuture;
use ics_core::principal::DeviceIdentity;
use ics_core::service::{
    AwaitedPage, AwaitedPlace, ChannelError, DeviceClaim, DeviceRefusal, Failure, Given,
    OwnMapping, PreSharedKey,
};
use ics_core::time::Timestamp;

use crate::attempt::RefusedAttempt;

/// What of the service a device channel needs. What a call that writes answers is durable.
pub trait DeviceService: Send + Sync {
    /// Who a device is, if it may come over this channel.
    fn authenticate<'a>(
        &'a self,
        claim: DeviceClaim<'a>,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Arc<DeviceIdentity>, DeviceRefusal>>;

    /// The key of a DTLS handshake that names `identity`; `None` where no such key holds.
    fn find_key<'a>(
        &'a self,
        identity: &'a PskIdentity,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<PreSharedKey>, Failure>>;

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

    /// The same; `None`: it is still the version that is `known`.
    fn read_newer_document<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        known: u64,
        now: Timestamp,
    ) -> PortFuture<'a, Result<Option<DeviceDocument>, ChannelError>>;

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
