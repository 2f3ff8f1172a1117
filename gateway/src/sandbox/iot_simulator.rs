//! The simulated IoT SPs: they accept serial numbers `<prefix>AUTO-<n>` by themselves, as if a
//! device had stored the pair and acknowledged, and leave all others to whoever is testing. What
//! came before an abrupt end is answered at the next start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::inbox::Received;
use crate::t8_client::{ClientError, T8Client, member};

/// One simulated IoT SP.
pub(crate) struct SimulatedIotSp {
    /// Its way to the gateway.
    pub(crate) client: Arc<T8Client>,
    /// What its automatic serial numbers start with.
    pub(crate) auto_prefix: String,
}

/// Answers pushes until nothing more can arrive.
pub(crate) async fn answer_pushes(
    iot_sps: BTreeMap<String, SimulatedIotSp>,
    mut arrivals: UnboundedReceiver<(String, Received)>,
) {
    while let Some((sp, received)) = arrivals.recv().await {
        let Some(iot_sp) = iot_sps.get(&sp) else {
            continue;
        };
        let body: Value = serde_json::from_str(received.body.get()).unwrap_or_default();
        let Some((link, device_id)) = read_push(&body, &iot_sp.auto_prefix) else {
            continue;
        };
        let client = Arc::clone(&iot_sp.client);
        tokio::spawn(async move {
            if let Err(error) = accept(&client, &link, &device_id).await {
                tracing::warn!(%error, "simulated IoT SP could not answer an assignment");
            }
        });
    }
}

/// Answers what was pushed to a simulation that ended before it answered.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn catch_up(sp: &str, iot_sp: &SimulatedIotSp) -> Result<(), ClientError> {
    let mut next = Some(format!(
        "/ics-device-mapping/v1/{sp}/assignments?status=PENDING"
    ));
    while let Some(path) = next {
        let page = iot_sp.client.expect(Method::GET, &path, None).await?;
        for open in page.body.as_array().into_iter().flatten() {
            let push = json!({
                "assignment": member(open, "self"),
                "deviceSerialNumber": member(open, "deviceSerialNumber"),
            });
            if let Some((link, device_id)) = read_push(&push, &iot_sp.auto_prefix) {
                accept(&iot_sp.client, &link, &device_id).await?;
            }
        }
        next = page.next;
    }
    Ok(())
}

/// The assignment link of a push for an automatic serial number, and the device's ID: one device
/// has one ID, whichever service asks for it.
fn read_push(body: &Value, auto_prefix: &str) -> Option<(String, String)> {
    let link = body.get("assignment")?.as_str()?;
    let number = body
        .get("deviceSerialNumber")?
        .as_str()?
        .strip_prefix(auto_prefix)?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((link.to_owned(), device_id(number)))
}

/// An ID that does not give the serial number away: letters instead of its digits, mixed.
fn device_id(number: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, number.as_bytes());
    let mut id = String::from("dev-");
    for byte in digest.as_ref().iter().take(12) {
        let (high, low) = (
            char::from(b'a' + (byte >> 4)),
            char::from(b'a' + (byte & 15)),
        );
        let _ = write!(id, "{high}{low}");
    }
    id
}

async fn accept(client: &T8Client, link: &str, device_id: &str) -> Result<(), ClientError> {
    let body = json!({ "result": "ACCEPTED", "deviceId": device_id });
    let answer = client.call(Method::PUT, link, Some(&body)).await?;
    // 409: cancelled or de-mapped meanwhile; there is nothing to undo on a device that is not.
    if answer.status.is_success() || answer.status == reqwest::StatusCode::CONFLICT {
        return Ok(());
    }
    Err(ClientError::Refused {
        method: Method::PUT,
        url: link.to_owned(),
        status: answer.status,
        body: answer.body.to_string(),
    })
}
