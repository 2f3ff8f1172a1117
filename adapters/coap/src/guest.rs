//! Another protocol on a device's sessions: what is meant for it is handed over as it came, and its
//! answer taken as it is. Handshake, identity, rates, repetitions and parts of long payloads are the
//! channel's; what options and payloads say is the guest's.
//!
//! Not over bare UDP: nobody is anybody there, and nothing is kept of anybody.

use std::sync::Arc;

use ics_channel::DeviceService;
use ics_channel::refusal::Refusal;
use ics_core::port::PortFuture;
use ics_core::principal::DeviceIdentity;
use ics_core::time::Timestamp;

use crate::conversation::{Done, Fault, refused};
use crate::message::{ACCEPT, CONTENT_FORMAT, Method, Request, URI_PATH, URI_QUERY, shortest};

/// What is meant for a guest, and who it is.
#[derive(Clone)]
pub struct Guest {
    /// Options it knows, none of the channel's own. A request with one of them is meant for it.
    pub options: &'static [u16],
    /// First segments of paths that are its own, with such options or without.
    pub roots: &'static [&'static str],
    /// Answers.
    pub handler: Arc<dyn Serve>,
}

/// Answers what is meant for a guest.
pub trait Serve: Send + Sync {
    /// Answers a request of that device, which was served a moment ago. May be dropped.
    fn serve<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        request: GuestRequest,
    ) -> PortFuture<'a, GuestAnswer>;
}

/// A request, its payload put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestRequest {
    /// The detail of its code: 1 GET, 2 POST, 3 PUT, 4 DELETE, 5 FETCH; 0 for any other.
    pub method: u8,
    /// Uri-Path, Content-Format, Uri-Query, Accept, and those the guest knows; by ascending number.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Its payload; at most 8 KiB.
    pub payload: Vec<u8>,
}

/// An answer. What is long is sent in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestAnswer {
    /// Class and detail of its code.
    pub code: (u8, u8),
    /// Its options; none of those that carry parts, which are the channel's.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Guest {
    pub(crate) fn is_for(&self, request: &Request) -> bool {
        let root = request.path.first();
        let is_own_path = root.is_some_and(|root| self.roots.contains(&root.as_str()));
        is_own_path || !request.of_guest.is_empty()
    }
}

impl GuestRequest {
    pub(crate) fn of(request: Request) -> Self {
        let texts = |number, texts: Vec<String>| {
            texts
                .into_iter()
                .map(move |text| (number, text.into_bytes()))
        };
        let format =
            |number, format: Option<u16>| format.map(|format| (number, shortest(format.into())));
        let mut options: Vec<_> = texts(URI_PATH, request.path).collect();
        options.extend(format(CONTENT_FORMAT, request.content_format));
        options.extend(texts(URI_QUERY, request.query));
        options.extend(format(ACCEPT, request.accept));
        options.extend(request.of_guest);
        options.sort_by_key(|(number, _)| *number);
        Self {
            method: match request.method {
                Method::Get => 1,
                Method::Post => 2,
                Method::Put => 3,
                Method::Delete => 4,
                Method::Fetch => 5,
                Method::Other => 0,
            },
            options,
            payload: request.payload,
        }
    }
}

/// Has the guest answer, if the device is still served.
///
/// # Errors
/// [`Fault`].
pub(crate) async fn hand_over(
    (service, guest): (&dyn DeviceService, Option<&Guest>),
    identity: &Arc<DeviceIdentity>,
    request: GuestRequest,
    now: Timestamp,
) -> Result<Done, Fault> {
    service.admit(identity, now).await.map_err(refused)?;
    let guest = guest.ok_or(Fault::Refused(Refusal::Unavailable))?;
    let answer = guest.handler.serve(identity, request).await;
    Ok(Done::Handed(Box::new(answer)))
}
