//! The smart lock of Y.4462 Appendix I.2: the door opens, a smart home service is told, the light
//! goes on. Lock and light are hosted by the gateway: both speak MQTT with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::DemoError;
use super::device::{DemoDevice, Pair};
use super::shop::place_order;
use super::stage::{Stage, Unexpected, wait_for_notification};
use super::vendor::CommandDesk;
use crate::http_client::mutual_tls_client;
use crate::sandbox::Sandbox;
use crate::t8_client::{T8Client, WAITS, member};

const LOCK_SERVICE: &str = "https://shop.example/services/home/doors";
const LIGHT_SERVICE: &str = "https://shop.example/services/home/lights";
const DOOR_OPENS: &str = r#"{ "door": "front",  "open": true }"#;
const LIGHT_IS_ON: &str = r#"{"light":"on"}"#;

/// The players.
struct Home<'a> {
    sandbox: &'a Sandbox,
    http: reqwest::Client,
    smart_home: T8Client,
    vendor: CommandDesk,
    lock: DemoDevice,
    light: DemoDevice,
}

/// Plays it.
///
/// # Errors
/// [`DemoError`] at the first step that did not do what Y.4462 says.
pub(super) async fn play(stage: &mut Stage, sandbox: &Sandbox) -> Result<(), DemoError> {
    let [lock, light] = sandbox.devices() else {
        return Err(Unexpected::Broken("the sandbox has two devices").into());
    };
    let mut home = Home {
        sandbox,
        http: mutual_tls_client(sandbox.files_of("shop").as_client(), WAITS)?,
        smart_home: sandbox.client("shop")?,
        vendor: CommandDesk::open(sandbox, "acme-iot")?,
        lock: DemoDevice::connect(sandbox, lock).await?,
        light: DemoDevice::connect(sandbox, light).await?,
    };
    let told = home.play_acts(stage).await;
    home.lock.leave().await;
    home.light.leave().await;
    home.vendor.close().await;
    told
}

impl Home<'_> {
    async fn play_acts(&mut self, stage: &mut Stage) -> Result<(), DemoError> {
        stage.act("Figure 3 over MQTT: a smart lock and a light, hosted by the gateway");
        let (http, sandbox) = (&self.http, self.sandbox);
        let way = (http, sandbox, &self.smart_home);
        let lock = map(stage, way, (&mut self.lock, "lock", LOCK_SERVICE)).await?;
        let light = map(stage, way, (&mut self.light, "light", LIGHT_SERVICE)).await?;
        self.inquire(stage, &lock).await?;
        stage.act("Appendix I.2: the door opens, the light goes on");
        self.open_door(stage, &lock).await?;
        self.switch_on(stage, &light).await?;
        stage.act("Figure 4 over MQTT: the user takes the lock back");
        self.take_back(stage, &lock).await
    }

    /// Figure 5, by the device itself.
    async fn inquire(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let answer = self.lock.inquire().await?;
        let row = member(&answer, "m").get(0).cloned().unwrap_or_default();
        let has_all = *member(&answer, "did") == *self.lock.id
            && *member(&row, "svc") == *pair.service_uri
            && *member(&row, "uti") == *pair.uti;
        stage.check(has_all, "the lock is answered all three identifiers")?;
        stage.step(
            "5",
            "1-5",
            "MQTT",
            "lock asks for its pairs",
            "device ID, service URI, UTI",
        );
        Ok(())
    }

    /// The lock tells; the smart home learns which pair it was, and nothing of the device.
    async fn open_door(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let taken = self.lock.report(pair, DOOR_OPENS).await?;
        stage.check(taken, "the gateway takes the event")?;
        stage.step("I.2", "event", "MQTT", "lock: the door opens", "PUBACK");
        let event = self.wait_event(pair).await?;
        let data = URL_SAFE_NO_PAD.decode(member(&event, "data").as_str().unwrap_or_default());
        let is_whole = data.is_ok_and(|data| data == DOOR_OPENS.as_bytes());
        stage.check(is_whole, "the event's data is what the lock sent")?;
        let is_named = event.to_string().contains(&self.lock.id);
        stage.check(!is_named, "the event has no device ID")?;
        stage.step(
            "I.2",
            "event",
            "callback",
            "to the smart home: service URI, UTI, data",
            "byte by byte",
        );
        Ok(())
    }

    /// The smart home finds the user's light by its own pair, and asks its vendor.
    async fn switch_on(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let asked = json!({ "serviceUri": pair.service_uri, "uti": pair.uti });
        let path = "/ics-inquiry/v1/retrieve-by-transaction";
        let found = self.smart_home.expect(Method::POST, path, Some(&asked));
        let found = found.await?.body;
        let device_id = member(&found, "deviceId").clone();
        stage.check(device_id == *self.light.id, "the pair leads to the light")?;
        stage.step(
            "6",
            "1-3",
            "ICS-7",
            "smart home: which device is the user's light?",
            "200: device ID",
        );
        let command = json!({ "deviceId": device_id, "serviceUri": LIGHT_SERVICE, "do": "on" });
        let url = self.vendor.url();
        let status = place_order(self.sandbox, "shop", &url, &command).await?;
        stage.check(
            status == StatusCode::ACCEPTED,
            "the vendor takes the command",
        )?;
        stage.step(
            "I.2",
            "action",
            "ICS-8",
            "smart home to vendor: on; vendor checks the row",
            "202 Accepted",
        );
        let passed_on = self.vendor.passed_on.recv().await.unwrap_or_default();
        let is_for_it = *member(&passed_on, "deviceId") == *self.light.id;
        stage.check(is_for_it, "the vendor passes it on to the light")?;
        let taken = self.light.report(pair, LIGHT_IS_ON).await?;
        stage.check(taken, "the gateway takes the light's event")?;
        self.wait_event(pair).await?;
        stage.step(
            "I.2",
            "action",
            "MQTT",
            "light: it is on",
            "told the smart home",
        );
        Ok(())
    }

    /// The row goes; the device forgets, and whatever it says of it is refused.
    async fn take_back(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let body = json!({
            "cause": "USER_AUTHORIZATION_WITHDRAWN", "serviceUri": pair.service_uri,
            "uti": pair.uti,
        });
        let path = "/ics-demapping/v1/shop/demap";
        let removed = self.smart_home.expect(Method::POST, path, Some(&body));
        let removed = removed.await?.body;
        stage.check(member(&removed, "removed") == 1, "one row is removed")?;
        stage.step(
            "4",
            "1-3",
            "ICS-3",
            "user withdraws authorization",
            "200, 1 row removed",
        );
        self.lock.replace_copy().await?;
        stage.check(self.lock.pairs.is_empty(), "the newer document has no row")?;
        let taken = self.lock.acknowledge().await?;
        stage.check(taken, "the gateway takes the acknowledgement")?;
        stage.step(
            "4",
            "3",
            "MQTT",
            "newer document to the lock",
            "forgotten, acknowledged",
        );
        let answer = self.lock.inquire().await?;
        stage.check(
            member(&answer, "err") == "no_mapping",
            "the lock has no pair",
        )?;
        let taken = self.lock.report(pair, DOOR_OPENS).await?;
        stage.check(!taken, "a late event is refused")?;
        stage.step(
            "I.2",
            "event",
            "MQTT",
            "lock: a late event",
            "refused, not told",
        );
        Ok(())
    }

    async fn wait_event(&self, pair: &Pair) -> Result<Value, DemoError> {
        let inbox = self.sandbox.inbox("shop");
        let fits =
            |body: &Value| *member(body, "uti") == *pair.uti && member(body, "data").is_string();
        Ok(wait_for_notification(&self.http, &inbox, fits).await?)
    }
}

/// Figure 3 for one device; answers the pair it stored.
async fn map(
    stage: &mut Stage,
    (http, sandbox, smart_home): (&reqwest::Client, &Sandbox, &T8Client),
    (device, name, service): (&mut DemoDevice, &str, &str),
) -> Result<Pair, DemoError> {
    let uti = sandbox.random_uuid();
    let request = json!({
        "serviceUri": service, "uti": uti, "deviceSerialNumber": device.serial,
        "userConsent": {
            "consentId": "c-82", "grantedAt": sandbox.now(),
            "purpose": "dpv:RequestedServiceProvision",
        },
        "notificationDestination": sandbox.callback("shop"),
    });
    let path = "/ics-mapping/v1/shop/mappings";
    let created = smart_home
        .expect(Method::POST, path, Some(&request))
        .await?;
    let own = created.location.unwrap_or_default();
    let what = format!("service URI, UTI, serial number of the {name}");
    stage.step("3", "1-3", "ICS-1", &what, "201 Created");

    device.replace_copy().await?;
    let stored = device.pairs.iter().find(|pair| pair.uti == uti).cloned();
    let stored = stored.ok_or(Unexpected::Broken("the document has the row"))?;
    stage.check(stored.service_uri == service, "it has the service URI")?;
    let what = format!("document to the {name}: service URI, UTI");
    stage.step("3", "4-5", "MQTT", &what, "stored");
    let row = smart_home.expect(Method::GET, &own, None).await?;
    let is_pending = member(&row.body, "mappingStatus") == "PENDING";
    stage.check(is_pending, "the row waits for the device")?;
    let taken = device.acknowledge().await?;
    stage.check(taken, "the gateway takes the acknowledgement")?;
    stage.step(
        "3",
        "6-8",
        "MQTT",
        &format!("{name} acknowledges"),
        "ESTABLISHED",
    );
    for sp in ["shop", "acme-iot"] {
        let fits = |body: &Value| {
            *member(body, "uti") == *uti && member(body, "mappingStatus") == "ESTABLISHED"
        };
        wait_for_notification(http, &sandbox.inbox(sp), fits).await?;
    }
    stage.step(
        "3",
        "9",
        "ICS-1/2",
        "result to shop and acme-iot",
        "ESTABLISHED",
    );
    Ok(stored)
}
