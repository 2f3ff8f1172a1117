//! The CSE on the sessions of devices over CoAP (TS-0008).

use std::sync::Arc;

use ics_coap::{Guest, GuestAnswer, GuestRequest, Serve};
use ics_core::port::PortFuture;
use ics_core::principal::DeviceIdentity;
use ics_onem2m::Cse;
use ics_onem2m::caller::Caller;
use ics_onem2m::coap::{COAP_OPTIONS, COAP_ROOTS, CoapRequest, CoapService};

use crate::telemetry::{LoggedCse, Telemetry};

/// The CSE, as the listener of devices takes it in.
pub(super) fn guest(cse: &Arc<Cse>, telemetry: &Telemetry) -> Guest {
    let service = CoapService::new(Arc::new(LoggedCse::new(cse, telemetry, "coap")));
    Guest {
        options: COAP_OPTIONS,
        roots: COAP_ROOTS,
        handler: Arc::new(Handed(service)),
    }
}

struct Handed(CoapService);

impl Serve for Handed {
    fn serve<'a>(
        &'a self,
        identity: &'a Arc<DeviceIdentity>,
        request: GuestRequest,
    ) -> PortFuture<'a, GuestAnswer> {
        Box::pin(async move {
            let caller = Caller::Device(Arc::clone(identity));
            let said = CoapRequest {
                method: request.method,
                options: request.options,
                payload: request.payload,
            };
            let answer = self.0.answer(&caller, &said).await;
            GuestAnswer {
                code: answer.code,
                options: answer.options,
                payload: answer.payload,
            }
        })
    }
}
