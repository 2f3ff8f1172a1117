//! The smart lock of Y.4462 Appendix I.2: the door opens, a smart home service is told, the light
//! goes on. Lock and light are hosted by the gateway: both speak MQTT with it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::DemoError;
use super::copy::Pair;
use super::device::DemoDevice;
use super::scene::{Hosted as _, Scene};
use super::shop::place_order;
use super::stage::Stage;
use super::vendor::CommandDesk;
use crate::sandbox::Sandbox;
use crate::t8_client::member;

const LOCK_SERVICE: &str = "https://shop.example/services/home/doors";
const LIGHT_SERVICE: &str = "https://shop.example/services/home/lights";
const DOOR_OPENS: &str = r#"{ "door": "front",  "open": true }"#;
const LIGHT_IS_ON: &str = r#"{"light":"on"}"#;

/// The players.
struct Home<'a> {
    scene: Scene<'a>,
    vendor: CommandDesk,
    lock: DemoDevice,
    light: DemoDevice,
}

/// Plays it.
///
/// # Errors
/// [`DemoError`] at the first step that did not do what Y.4462 says.
pub(super) async fn play(stage: &mut Stage, sandbox: &Sandbox) -> Result<(), DemoError> {
    let scene = Scene::open(sandbox)?;
    let mut home = Home {
        vendor: CommandDesk::open(sandbox, "acme-iot")?,
        lock: DemoDevice::connect(sandbox, scene.device("lock")?).await?,
        light: DemoDevice::connect(sandbox, scene.device("light")?).await?,
        scene,
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
        let part = ("lock", LOCK_SERVICE);
        let lock = self.scene.map(stage, &mut self.lock, part).await?;
        let part = ("light", LIGHT_SERVICE);
        let light = self.scene.map(stage, &mut self.light, part).await?;
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
        let event = self.scene.event(stage, pair, DOOR_OPENS).await?;
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
        let found = self
            .scene
            .third_party
            .expect(Method::POST, path, Some(&asked));
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
        let status = place_order(self.scene.sandbox, "shop", &url, &command).await?;
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
        self.scene.event(stage, pair, LIGHT_IS_ON).await?;
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
        let removed = self
            .scene
            .third_party
            .expect(Method::POST, path, Some(&body));
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
        stage.check(
            self.lock.copy.pairs.is_empty(),
            "the newer document has no row",
        )?;
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
}
