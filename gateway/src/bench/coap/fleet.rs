//! Hosted devices with a pre-shared key and a row each, as a service and an IoT SP would have them.

use std::future::ready;
use std::io;
use std::net::SocketAddr;

use coap_lite::{RequestType, ResponseType};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::line::{CoapLine, Question};
use crate::bench::{BenchError, fleet, progress};
use crate::coap_client::PreSharedKey;
use crate::sandbox::BenchDomain;
use crate::t8_client::{T8Client, member};

/// How many are made, or open their session, at once.
const AT_ONCE: usize = 64;
/// The serial numbers of devices and rows of other benches are below this.
const FIRST: usize = 1 << 41;

/// A device's mapping document.
pub(super) const DOCUMENT: [&str; 3] = ["ics", "v1", "doc"];

/// What a device does with its new session.
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// Reads its document.
    Read,
    /// Reads it and says that it holds it: its rows are established then.
    Acknowledge,
}

/// Hosts devices in the domain, whose gateway runs, and requests `rows` of each.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn host(
    domain: &BenchDomain,
    numbers: std::ops::Range<usize>,
    rows: usize,
) -> Result<Vec<PreSharedKey>, BenchError> {
    let clients = (domain.client("acme-iot")?, domain.client("shop")?);
    let progress = progress(numbers.len() as u64, "hosting devices");
    let devices = stream::iter(numbers)
        .map(|n| host_one(domain, (&clients.0, &clients.1), (n, rows)))
        .buffer_unordered(AT_ONCE)
        .inspect(|_| progress.inc(1))
        .try_collect()
        .await;
    progress.finish_and_clear();
    devices
}

async fn host_one(
    domain: &BenchDomain,
    (iot_sp, third_party_sp): (&T8Client, &T8Client),
    (n, rows): (usize, usize),
) -> Result<PreSharedKey, BenchError> {
    let n = FIRST.saturating_add(n);
    let serial = format!("ACME-COAP-{n}");
    let registration = json!({
        "deviceSerialNumber": serial,
        "channels": ["coap"],
        "credentials": [{ "psk": {} }],
    });
    let path = "/ics-device/v1/acme-iot/devices";
    let made = iot_sp
        .expect(Method::POST, path, Some(&registration))
        .await?;
    for row in 0..rows {
        let row = n.saturating_add(row << 32);
        fleet::request_row(domain, third_party_sp, (&serial, row)).await?;
    }
    let told = |name| member(made.body.pointer("/credentials/0")?, name).as_str();
    let told = |name| told(name).unwrap_or_default();
    PreSharedKey::from_hex(told("pskIdentity"), told("psk"))
        .ok_or_else(|| io::Error::other("a device got no pre-shared key").into())
}

/// A session of each device with `server`, opened many at once.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn open_all(
    server: SocketAddr,
    keys: &[PreSharedKey],
    first: First,
) -> Result<Vec<CoapLine>, BenchError> {
    let progress = progress(keys.len() as u64, "opening sessions");
    let lines = sessions(server, keys, (first, AT_ONCE))
        .inspect(|_| progress.inc(1))
        .try_collect()
        .await;
    progress.finish_and_clear();
    lines
}

/// A session of each device that ends when its document is read, few at once: then the server has all
/// in its memory that it reads for them.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn visit_all(
    server: SocketAddr,
    keys: &[PreSharedKey],
    at_once: usize,
) -> Result<(), BenchError> {
    let sessions = sessions(server, keys, (First::Read, at_once));
    sessions
        .try_for_each(|line| {
            drop(line);
            ready(Ok(()))
        })
        .await
}

fn sessions(
    server: SocketAddr,
    keys: &[PreSharedKey],
    (first, at_once): (First, usize),
) -> impl Stream<Item = Result<CoapLine, BenchError>> {
    stream::iter(keys)
        .map(move |key| {
            let opening = tokio::spawn(open(server, key.clone(), first));
            async { opening.await.map_err(io::Error::other)? }
        })
        .buffer_unordered(at_once)
}

async fn open(server: SocketAddr, key: PreSharedKey, first: First) -> Result<CoapLine, BenchError> {
    let mut line = CoapLine::open(server, &key).await?;
    let document = line.ask(&Question::get(&DOCUMENT)).await?.payload;
    if let First::Acknowledge = first {
        let told: Value = serde_json::from_slice(&document).map_err(io::Error::other)?;
        let held = json!({ "v": member(&told, "v") });
        let acknowledge = Question {
            method: RequestType::Post,
            path: &["ics", "v1", "doc", "ack"],
            payload: held.to_string().into_bytes(),
            answer: ResponseType::Changed,
        };
        line.ask(&acknowledge).await?;
    }
    Ok(line)
}
