//! The harness of the integration tests: the real gateway as a process of its own, and clients
//! nobody here wrote (curl, openssl, python-websockets, mosquitto, paho, aiomqtt, mqtt.js, libcoap,
//! aiocoap, coap-cli, ACME CSE, haproxy) to talk to it.
//!
//! All traffic stays on loopback, ports are free ones, each sandbox has a directory of its own,
//! every process is ended by its pid. Tests wait for conditions, never for time.

pub mod acme;
pub mod bad_host;
pub mod broker;
pub mod clock;
pub mod closed_broker;
pub mod coap;
pub mod coap_server;
pub mod condition;
pub mod connection;
pub mod curl;
mod daemon;
pub mod device;
pub mod domain;
pub mod gateway;
pub mod haproxy;
pub mod kept;
pub mod mapping;
pub mod memory;
pub mod message;
pub mod mosquitto;
pub mod onem2m;
pub mod open_broker;
pub mod openssl;
pub mod party;
pub mod process;
pub mod receiver;
pub mod rounds;
pub mod small_disk;
pub mod strace;
mod tls;
pub mod udp_proxy;
pub mod websocket;

pub use acme::{Acme, AcmeOptions};
pub use bad_host::BadHost;
pub use broker::Broker;
pub use clock::MovableClock;
pub use closed_broker::ClosedBroker;
pub use coap::{Coap, CoapClient, CoapCredential, CoapObservation, CoapOutcome, CoapReply};
pub use coap_server::CoapServer;
pub use condition::{eventually, wait_for};
pub use connection::{Connection, Dialer};
pub use curl::{Answer, Curl};
pub use device::{DeviceClient, DeviceMessage, HostedDevice, Library, MqttPlace, Version};
pub use domain::Domain;
pub use gateway::{Gateway, Sandbox};
pub use haproxy::Haproxy;
pub use kept::KeptConnection;
pub use mapping::{Mapping, fresh_device, fresh_uuid};
pub use mosquitto::Mosquitto;
pub use onem2m::{
    MqttNotifications, OneM2mAnswer, OneM2mClient, OneM2mMqtt, OneM2mRequest, PointOfAccess,
    TokenClaims, TokenKey, Tree, answer_primitive,
};
pub use open_broker::OpenBroker;
pub use party::{Inbox, Party};
pub use process::Process;
pub use receiver::{Received, Receiver, Reply};
pub use rounds::{rounds, skip};
pub use small_disk::SmallDisk;
pub use strace::Strace;
pub use udp_proxy::{UdpProxy, UdpWeather};
pub use websocket::Websocket;
