//! How requests of this CSE get to others: NOTIFY to AEs, `<remoteCSE>` at the platform.

use std::sync::Arc;

use ics_core::port::PortFuture;

use crate::primitive::{Request, Response};

/// Why nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreachable {
    /// The address is none that is called from here.
    #[error("not an address that is called from here")]
    Address,
    /// No connection, or none with a peer that proved itself.
    #[error("no connection")]
    Connection,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// What came back is no answer.
    #[error("no answer of oneM2M")]
    Answer,
}

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// To the registrar: it hands on what is addressed to others.
    Registrar,
    /// Straight to this point of access: `http://host:port/path`, `mqtt://..`.
    PointOfAccess(String),
}

/// Carries requests of this CSE. At most once: who wants it twice sends it twice.
pub trait Outbound: Send + Sync {
    /// Sends `request`, and waits for its answer a bounded time.
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>>;
}

/// Requests over HTTP and over a broker, each to where it can go.
pub struct Outbounds {
    /// Over HTTP.
    pub http: Arc<dyn Outbound>,
    /// Over the broker.
    pub mqtt: Arc<dyn Outbound>,
    /// Whether the registrar is asked over the broker.
    pub is_registrar_on_mqtt: bool,
}

impl Outbound for Outbounds {
    fn send<'a>(
        &'a self,
        via: &'a Via,
        request: &'a Request,
    ) -> PortFuture<'a, Result<Response, Unreachable>> {
        let is_on_mqtt = match via {
            Via::Registrar => self.is_registrar_on_mqtt,
            Via::PointOfAccess(point) => {
                point.starts_with("mqtt://") || point.starts_with("mqtts://")
            }
        };
        if is_on_mqtt {
            self.mqtt.send(via, request)
        } else {
            self.http.send(via, request)
        }
    }
}
