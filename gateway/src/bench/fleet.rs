//! Hosted devices to measure with, each with a row, as a service and an IoT SP would have them.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ics_core::id::SpId;
use ics_vault::make_request;
use reqwest::Method;
use serde_json::{Value, json};

use super::device_line::{DeviceLine, FleetDevice};
use super::rows::key_of;
use super::{BenchError, progress};
use crate::sandbox::BenchDomain;
use crate::t8_client::{T8Client, member};

/// How many are made at once.
const AT_ONCE: usize = 64;
/// The serial numbers of rows that other benches make are below this.
const FIRST: usize = 1 << 40;

/// Hosts devices in the domain, whose gateway runs, and requests a row of each.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn host(
    domain: &BenchDomain,
    numbers: std::ops::Range<usize>,
) -> Result<Vec<FleetDevice>, BenchError> {
    let clients = (domain.client("acme-iot")?, domain.client("shop")?);
    let progress = progress(numbers.len() as u64, "hosting devices");
    let devices = stream::iter(numbers)
        .map(|n| host_one(domain, (&clients.0, &clients.1), FIRST.saturating_add(n)))
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
    n: usize,
) -> Result<FleetDevice, BenchError> {
    let request = make_request(&SpId::parse("acme-iot")?).map_err(std::io::Error::other)?;
    let serial = format!("ACME-FLEET-{n}");
    let registration = json!({
        "deviceSerialNumber": serial,
        "channels": ["mqtt"],
        "credentials": [{ "certificate": { "request": request.request_pem } }],
    });
    let path = "/ics-device/v1/acme-iot/devices";
    let made = iot_sp
        .expect(Method::POST, path, Some(&registration))
        .await?;
    let certificate = made.body.pointer("/credentials/0/certificate");
    let certificate = certificate.and_then(Value::as_str).unwrap_or_default();
    request_row(domain, third_party_sp, (&serial, n)).await?;
    Ok(FleetDevice {
        id: member(&made.body, "deviceId")
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        tls: Arc::new(domain.device_tls(certificate, &request.key_pem)?),
    })
}

/// Requests row `n` of the hosted device with this serial number.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn request_row(
    domain: &BenchDomain,
    third_party_sp: &T8Client,
    (serial, n): (&str, usize),
) -> Result<(), BenchError> {
    let (service_uri, uti) = key_of(n);
    let row = json!({
        "serviceUri": service_uri,
        "uti": uti,
        "deviceSerialNumber": serial,
        "iotSpId": "acme-iot",
        // Nobody is there: what is told rests in its road.
        "notificationDestination": format!("{}/shop", domain.callback_url()),
        "userConsent": {
            "consentId": "c-81",
            "grantedAt": "2026-01-01T00:00:00Z",
            "purpose": "dpv:RequestedServiceProvision",
        },
    });
    let path = "/ics-mapping/v1/shop/mappings";
    third_party_sp
        .expect(Method::POST, path, Some(&row))
        .await?;
    Ok(())
}

/// Connects a device and takes its document: TCP, TLS, CONNECT, SUBSCRIBE, the message.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn fetch_document(
    address: SocketAddr,
    device: &FleetDevice,
) -> Result<(DeviceLine, Vec<u8>), BenchError> {
    let mut line = DeviceLine::connect(address, device).await?;
    line.subscribe(&device.topic("doc")).await?;
    let document = line.hear().await?.payload;
    Ok((line, document))
}

/// Says that the device holds its document: its row is established then.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn acknowledge(
    line: &mut DeviceLine,
    device: &FleetDevice,
    document: &[u8],
) -> Result<(), BenchError> {
    let told: Value = serde_json::from_slice(document).map_err(std::io::Error::other)?;
    let held = json!({ "v": member(&told, "v") }).to_string();
    line.publish(&device.topic("doc/ack"), held.as_bytes())
        .await
}

/// Opens a connection for each device, so many at once.
///
/// # Errors
/// [`BenchError`].
pub(super) async fn connect_all(
    (devices, which): (&Arc<Vec<FleetDevice>>, std::ops::Range<usize>),
    address: SocketAddr,
    at_once: usize,
) -> Result<Vec<DeviceLine>, BenchError> {
    let lines = stream::iter(which)
        .map(|n| {
            let devices = Arc::clone(devices);
            let fetching = tokio::spawn(async move {
                match devices.get(n) {
                    Some(device) => fetch_document(address, device).await.map(|(line, _)| line),
                    None => Err(std::io::Error::from(std::io::ErrorKind::NotFound).into()),
                }
            });
            async { fetching.await.map_err(std::io::Error::other)? }
        })
        .buffer_unordered(at_once);
    lines.try_collect().await
}
