//! The sandbox's hosted devices: registered by their IoT SP over T8, as it would itself. Their keys
//! are made here, for nobody else holds the devices.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ics_core::id::SpId;
use ics_vault::{CertificateIdentity, make_request, read_certificate};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::parties::{refused, write_credential};
use super::plan::{DEVICES, DevicePlan, HOST, Layout};
use super::{SandboxError, random_uuid};
use crate::t8_client::{T8Client, member};
use crate::tls::load_certificates;

/// A hosted device of the sandbox.
pub(crate) struct SandboxDevice {
    /// What it is.
    pub(crate) name: &'static str,
    /// What its keys in `sandbox.env` start with.
    pub(crate) key: &'static str,
    /// The ID the gateway minted for it.
    pub(crate) id: String,
    /// What its maker printed on it.
    pub(crate) serial: String,
    /// Its certificate, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) private_key: PathBuf,
    /// Its pre-shared key, for DTLS without a certificate.
    pub(crate) psk: SandboxPsk,
}

/// A pre-shared key of a hosted device of the sandbox.
#[derive(Serialize, Deserialize)]
pub(crate) struct SandboxPsk {
    /// What the device names in a handshake.
    pub(crate) identity: String,
    /// Its 16 bytes in hexadecimal.
    pub(crate) key: String,
}

/// The devices of the plan: those of an earlier run, and where one is not hosted any more another
/// like it.
///
/// # Errors
/// [`SandboxError`].
pub(super) async fn register(
    client: &T8Client,
    layout: &Layout,
) -> Result<Vec<SandboxDevice>, SandboxError> {
    let mut devices = Vec::with_capacity(DEVICES.len());
    for plan in &DEVICES {
        let known = find_known(client, layout, plan).await?;
        devices.push(match known {
            Some(device) => device,
            None => register_new(client, layout, plan).await?,
        });
    }
    Ok(devices)
}

/// The device whose certificate lies here, if it is hosted still.
async fn find_known(
    client: &T8Client,
    layout: &Layout,
    plan: &DevicePlan,
) -> Result<Option<SandboxDevice>, SandboxError> {
    let (certificate, private_key) = layout.device(plan.name);
    let Some(id) = read_id(&certificate)? else {
        return Ok(None);
    };
    let path = format!("{}/{id}", path_of_devices());
    let found = client.call(Method::GET, &path, None).await?;
    let is_hosted = found.status == StatusCode::OK && *member(&found.body, "status") == "ACTIVE";
    if !is_hosted {
        return Ok(None);
    }
    // Written before the certificate.
    let path = layout.device_psk(plan.name);
    let named = |error| SandboxError::Io(path.display().to_string(), error);
    let kept = std::fs::read(&path).map_err(named)?;
    Ok(Some(SandboxDevice {
        name: plan.name,
        key: plan.key,
        serial: text(&found.body, "deviceSerialNumber"),
        id,
        certificate,
        private_key,
        psk: serde_json::from_slice(&kept).map_err(refused)?,
    }))
}

/// The device ID in a certificate, if that is there.
fn read_id(certificate: &Path) -> Result<Option<String>, SandboxError> {
    if !certificate.exists() {
        return Ok(None);
    }
    let chain = load_certificates(certificate)?;
    let facts = chain.first().map(|leaf| read_certificate(leaf));
    Ok(
        match facts.transpose().map_err(refused)?.map(|f| f.identity) {
            Some(CertificateIdentity::Device { id, .. }) => Some(id.as_str().to_owned()),
            _ => None,
        },
    )
}

async fn register_new(
    client: &T8Client,
    layout: &Layout,
    plan: &DevicePlan,
) -> Result<SandboxDevice, SandboxError> {
    let host = SpId::parse(HOST).map_err(refused)?;
    let request = make_request(&host).map_err(refused)?;
    // A number of its own each time: one whose certificate was never written stays behind.
    let uuid = random_uuid();
    let own = uuid.rsplit('-').next().unwrap_or_default();
    let serial = format!("{}{own}", plan.serial_prefix);
    let registration = json!({
        "deviceSerialNumber": serial,
        "deviceVendor": "Acme",
        "deviceModel": plan.name,
        "channels": ["mqtt", "coap"],
        "credentials": [{ "certificate": { "request": request.request_pem } }, { "psk": {} }],
    });
    let made = client
        .expect(Method::POST, &path_of_devices(), Some(&registration))
        .await?;
    let id = text(&made.body, "deviceId");
    let credential = |n: usize| made.body.pointer(&format!("/credentials/{n}"));
    let keyed = credential(1).unwrap_or(&Value::Null);
    let psk = SandboxPsk {
        identity: text(keyed, "pskIdentity"),
        key: text(keyed, "psk"),
    };
    keep_psk(layout, plan, &psk)?;
    let (certificate, private_key) = layout.device(plan.name);
    let pem = credential(0).map(|certified| text(certified, "certificate"));
    let pem = pem.unwrap_or_default();
    write_credential((&certificate, &private_key), (&pem, &request.key_pem))?;
    Ok(SandboxDevice {
        name: plan.name,
        key: plan.key,
        id,
        serial,
        certificate,
        private_key,
        psk,
    })
}

fn keep_psk(layout: &Layout, plan: &DevicePlan, psk: &SandboxPsk) -> Result<(), SandboxError> {
    let path = layout.device_psk(plan.name);
    let named = |error| SandboxError::Io(path.display().to_string(), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&path).map_err(named)?;
    let text = serde_json::to_vec(psk).map_err(refused)?;
    file.write_all(&text).map_err(named)
}

fn path_of_devices() -> String {
    format!("/ics-device/v1/{HOST}/devices")
}

fn text(body: &Value, name: &str) -> String {
    member(body, name).as_str().unwrap_or_default().to_owned()
}
