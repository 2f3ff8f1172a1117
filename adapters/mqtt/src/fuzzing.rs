//! For `tests/fuzz` alone, behind the feature `fuzzing`: bytes of a stranger, read as the endpoint
//! reads them, and a whole connection over a service in memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ics_core::device_document::DocumentEntry;
use ics_core::id::{DeviceId, InvalidId, MappingId, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::time::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::packet::{Frame, Version, measure, read_connect, read_packet};
use crate::topic::{Subtree, does_match, is_filter};
use crate::{Ended, Endpoint, Limits, PeerDevice, Sessions};
use ics_channel::DeviceCertificate;
use ics_channel::fake::{FakeService, SetClock, THUMBPRINT};

/// The device whose certificate [`serve`] presents; its topics are under `ics/v1/d/<this>/`.
pub const DEVICE: &str = "d-abcdefghijklmnopabcdefghijklmnop";

/// How many packets of version 5 (or 3.1.1) are at the head of `bytes`; the first is a CONNECT.
#[must_use]
pub fn count_packets(mut bytes: &[u8], is_5: bool, longest: usize) -> usize {
    let version = if is_5 { Version::V5 } else { Version::V3 };
    let mut count = 0_usize;
    while let Ok(Some(length)) = measure(bytes, longest) {
        let Some((packet, rest)) = bytes.split_at_checked(length) else {
            break;
        };
        let Ok(frame) = Frame::of(packet) else {
            break;
        };
        let is_read = if count == 0 {
            read_connect(frame).is_ok()
        } else {
            read_packet(version, frame).is_ok()
        };
        if !is_read {
            break;
        }
        count = count.saturating_add(1);
        bytes = rest;
    }
    count
}

/// Whether `filter` stands for `topic`, if it is a filter at all.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> Option<bool> {
    is_filter(filter).then(|| does_match(filter, topic))
}

/// What of `topic` is under the topics of [`DEVICE`], if it is a name.
#[must_use]
pub fn own_name(topic: &str) -> Option<String> {
    let device = DeviceId::parse(DEVICE).ok()?;
    let own = Subtree::of(&device);
    own.own_name(topic).map(str::to_owned)
}

/// Serves a device that sends `bytes`, so many at once, and leaves: what it was sent, and how it
/// ended. Needs a runtime of tokio with time.
///
/// # Errors
/// [`InvalidId`], which cannot be: the identifiers are fixed.
pub async fn serve(bytes: &[u8], at_once: usize) -> Result<(Vec<u8>, Ended), InvalidId> {
    let now = Timestamp::from_millis(1_000_000);
    let sessions = Arc::new(Sessions::default());
    let service = Arc::new(FakeService::new(Arc::clone(&sessions) as _));
    let (iot_sp, device_id) = (SpId::parse("acme")?, DeviceId::parse(DEVICE)?);
    service.register(&iot_sp, &device_id, Timestamp::MAX);
    let entry = DocumentEntry {
        mapping: MappingId::from_bytes([7; 16]),
        key: MappingKey {
            service_uri: ServiceUri::parse("https://shop.example/eggs")?,
            uti: Uti::parse("0b7f3a52-7d0a-4b1e-9f35-6a3d2f4f9a11")?,
        },
        e2e: Some(vec![0, 255]),
    };
    service.offer(&device_id, entry);
    let clock = Arc::new(SetClock::at(now));
    let endpoint = Endpoint::new(service, sessions, clock, Limits::default());
    let mut sent = Vec::new();
    let tape = Tape {
        bytes,
        at_once: at_once.max(1),
        sent: &mut sent,
    };
    let peer = PeerDevice {
        certificate: Some(DeviceCertificate {
            iot_sp,
            device_id,
            thumbprint: THUMBPRINT,
            not_after: Timestamp::MAX,
        }),
        address: ([127, 0, 0, 1], 0).into(),
    };
    let ended = endpoint.serve(tape, peer, std::future::pending()).await;
    Ok((sent, ended))
}

/// A connection on which everything is said already.
struct Tape<'a> {
    bytes: &'a [u8],
    at_once: usize,
    sent: &'a mut Vec<u8>,
}

impl AsyncRead for Tape<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = self.at_once.min(into.remaining()).min(self.bytes.len());
        let (now, rest) = self.bytes.split_at_checked(length).unwrap_or_default();
        into.put_slice(now);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.get_mut().sent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
