//! A device that is told when its document changes (RFC 7641): one observation a device.

use ics_channel::{Delivery, Format, document};
use ics_core::device_document::DeviceDocument;

use super::at_work::Shape;
use super::reply::cut;
use super::{etag_of, number_of};
use crate::message::{Answer, Block, Code, Heading};

/// What is known of who observes.
pub(super) struct Observation {
    /// That of the request it registered with: a notification is an answer to it.
    pub(super) token: Vec<u8>,
    pub(super) format: Format,
    /// How long a part of it may be.
    block: Option<Block>,
    pub(super) delivery: Delivery,
    /// The message id of the newest notification.
    pub(super) id: Option<u16>,
    /// Whether the document is being read for it.
    pub(super) is_asked: bool,
    order: u32,
}

impl Observation {
    pub(super) fn new(heading: &Heading, shape: &Shape) -> Self {
        Self {
            token: heading.token.clone(),
            format: shape.format,
            block: shape.block2,
            delivery: Delivery::default(),
            id: None,
            is_asked: false,
            order: 0,
        }
    }

    /// A place after all before it (RFC 7641 4.4).
    pub(super) const fn next_order(&mut self) -> u32 {
        self.order = self.order.wrapping_add(1);
        self.order
    }

    /// The document, as an answer to the request that registered.
    pub(super) fn notification(&mut self, document: &DeviceDocument, pending: u32) -> Answer {
        let answer = Answer {
            content_format: Some(number_of(self.format)),
            etag: Some(etag_of(document.version)),
            observe: Some(self.next_order()),
            pending: Some(pending),
            payload: document::encode(document, self.format),
            ..Answer::of(Code::CONTENT)
        };
        cut(answer, self.block)
    }
}
