//! What the stories of hosted devices share: a third party SP with its inbox, and figure 3.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::DemoError;
use super::copy::{Copy, Pair};
use super::stage::{Stage, Unexpected, wait_for_notification};
use crate::http_client::mutual_tls_client;
use crate::sandbox::{Sandbox, SandboxDevice};
use crate::t8_client::{T8Client, WAITS, member};

/// A device that the gateway hosts, whatever it speaks.
pub(super) trait Hosted {
    /// What it speaks.
    const CHANNEL: &str;

    /// What its maker printed on it.
    fn serial(&self) -> &str;

    /// What it stored.
    fn copy(&self) -> &Copy;

    /// Waits for a document that is newer than its copy, and replaces that.
    async fn replace_copy(&mut self) -> Result<(), DemoError>;

    /// Says that the copy is stored (figure 3 step 6); whether the gateway took that.
    async fn acknowledge(&mut self) -> Result<bool, DemoError>;
}

/// Where a story is played.
pub(super) struct Scene<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) third_party: T8Client,
    http: reqwest::Client,
}

impl<'a> Scene<'a> {
    /// With `shop` for the third party SP.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) fn open(sandbox: &'a Sandbox) -> Result<Self, DemoError> {
        Ok(Self {
            sandbox,
            third_party: sandbox.client("shop")?,
            http: mutual_tls_client(sandbox.files_of("shop").as_client(), WAITS)?,
        })
    }

    /// A device of the sandbox.
    ///
    /// # Errors
    /// [`Unexpected::Broken`].
    pub(super) fn device(&self, name: &str) -> Result<&'a SandboxDevice, Unexpected> {
        let device = self.sandbox.device(name);
        device.ok_or(Unexpected::Broken("the sandbox has the device"))
    }

    /// Figure 3 for a device; answers the pair it stored.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn map<D: Hosted>(
        &self,
        stage: &mut Stage,
        device: &mut D,
        (name, service): (&str, &str),
    ) -> Result<Pair, DemoError> {
        let uti = self.sandbox.random_uuid();
        let request = json!({
            "serviceUri": service, "uti": uti, "deviceSerialNumber": device.serial(),
            "userConsent": {
                "consentId": "c-82", "grantedAt": self.sandbox.now(),
                "purpose": "dpv:RequestedServiceProvision",
            },
            "notificationDestination": self.sandbox.callback("shop"),
        });
        let path = "/ics-mapping/v1/shop/mappings";
        let created = self.third_party.expect(Method::POST, path, Some(&request));
        let own = created.await?.location.unwrap_or_default();
        let what = format!("service URI, UTI, serial number of the {name}");
        stage.step("3", "1-3", "ICS-1", &what, "201 Created");

        device.replace_copy().await?;
        let stored = device.copy().pairs.iter().find(|pair| pair.uti == uti);
        let stored = stored.ok_or(Unexpected::Broken("the document has the row"))?;
        let stored = stored.clone();
        stage.check(stored.service_uri == service, "it has the service URI")?;
        let what = format!("document to the {name}: service URI, UTI");
        stage.step("3", "4-5", D::CHANNEL, &what, "stored");
        let row = self.third_party.expect(Method::GET, &own, None).await?;
        let is_pending = member(&row.body, "mappingStatus") == "PENDING";
        stage.check(is_pending, "the row waits for the device")?;
        let taken = device.acknowledge().await?;
        stage.check(taken, "the gateway takes the acknowledgement")?;
        let what = format!("{name} acknowledges");
        stage.step("3", "6-8", D::CHANNEL, &what, "ESTABLISHED");
        for sp in ["shop", "acme-iot"] {
            let is_result = |body: &Value| member(body, "mappingStatus") == "ESTABLISHED";
            self.told(sp, &stored, is_result).await?;
        }
        let what = "result to shop and acme-iot";
        stage.step("3", "9", "ICS-1/2", what, "ESTABLISHED");
        Ok(stored)
    }

    /// What a party is told of a pair, once it fits.
    ///
    /// # Errors
    /// [`Unexpected::NoNotification`].
    pub(super) async fn told(
        &self,
        sp: &str,
        pair: &Pair,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, DemoError> {
        let inbox = self.sandbox.inbox(sp);
        let own = |body: &Value| *member(body, "uti") == *pair.uti && fits(body);
        Ok(wait_for_notification(&self.http, &inbox, own).await?)
    }

    /// The third party is told what the device said of a pair, byte by byte; answers the whole
    /// notification.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn event(
        &self,
        stage: &Stage,
        pair: &Pair,
        said: &str,
    ) -> Result<Value, DemoError> {
        let is_event = |body: &Value| member(body, "data").is_string();
        let event = self.told("shop", pair, is_event).await?;
        let data = URL_SAFE_NO_PAD.decode(member(&event, "data").as_str().unwrap_or_default());
        let is_whole = data.is_ok_and(|data| data == said.as_bytes());
        stage.check(is_whole, "the event's data is what the device sent")?;
        let is_ours = *member(&event, "serviceUri") == *pair.service_uri;
        stage.check(is_ours, "the event has the service URI")?;
        Ok(event)
    }
}
