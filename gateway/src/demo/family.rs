//! The watch of Y.4462 Appendix I.4: a family's data package makes its traffic to a message service
//! free, and the operator learns from the ICS whose traffic it was. The gateway hosts the watch,
//! which speaks CoAP with it.

use serde_json::Value;

use super::DemoError;
use super::bss::{Bound, Bss};
use super::copy::Pair;
use super::scene::{Hosted as _, Scene};
use super::stage::Stage;
use super::watch::Watch;
use crate::coap_client::Code;
use crate::sandbox::Sandbox;
use crate::t8_client::member;

const MESSAGE_SERVICE: &str = "https://shop.example/services/messages";
const MESSAGE: &str = r#"{ "to": "mum",  "text": "at school" }"#;
/// One that nobody has.
const NUMBER: &str = "+12025550143";

/// The players.
struct Family<'a> {
    scene: Scene<'a>,
    watch: Watch,
    bss: Bss,
}

/// Plays it.
///
/// # Errors
/// [`DemoError`] at the first step that did not do what Y.4462 says.
pub(super) async fn play(stage: &mut Stage, sandbox: &Sandbox) -> Result<(), DemoError> {
    stage.act("Figure 3 over CoAP: a watch, hosted too");
    let scene = Scene::open(sandbox)?;
    let device = scene.device("watch")?;
    let watch = Watch::connect(sandbox, device).await?;
    let what = "handshake with the watch's pre-shared key";
    stage.step("-", "-", "DTLS", what, "DTLS 1.2, associated");
    let bound = Bound {
        device_id: watch.id.clone(),
        service: MESSAGE_SERVICE,
        number: NUMBER,
    };
    let mut family = Family {
        scene,
        watch,
        bss: Bss::open(sandbox, vec![bound])?,
    };
    let told = family.play_acts(stage).await;
    family.watch.leave().await;
    told
}

impl Family<'_> {
    async fn play_acts(&mut self, stage: &mut Stage) -> Result<(), DemoError> {
        let is_observed = self.watch.observe().await?;
        stage.check(is_observed, "the watch may observe its document")?;
        stage.check(self.watch.copy.pairs.is_empty(), "there is no row yet")?;
        let what = "watch observes its document";
        stage.step("-", "-", "CoAP", what, "2.05 Content, no row");
        let part = ("watch", MESSAGE_SERVICE);
        let pair = self.scene.map(stage, &mut self.watch, part).await?;
        self.inquire(stage, &pair).await?;
        stage.act("Appendix I.4: a family's data package");
        self.send_message(stage, &pair).await?;
        self.bill(stage, &pair).await?;
        stage.act("Figure 4 over CoAP: the watch gives it up");
        self.give_up(stage, &pair).await?;
        self.is_over(stage, &pair).await
    }

    /// Figure 5, by the device itself.
    async fn inquire(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let (code, answer) = self.watch.inquire().await?;
        stage.check(code == Code::Content, "the watch is answered")?;
        let rows = member(&answer, "m").as_array().into_iter().flatten();
        let rows: Vec<Pair> = rows.map(Pair::read).collect();
        let has_all = *member(&answer, "did") == *self.watch.id && rows == [pair.clone()];
        stage.check(has_all, "it is answered all three identifiers")?;
        let outcome = "device ID, service URI, UTI";
        stage.step("5", "1-5", "CoAP", "watch asks for its pairs", outcome);
        Ok(())
    }

    /// The service learns which pair it was, and nothing of the device.
    async fn send_message(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let code = self.watch.report(pair, MESSAGE).await?;
        stage.check(code == Code::Changed, "the gateway takes the event")?;
        stage.step("I.4", "use", "CoAP", "watch: a message", "2.04 Changed");
        let event = self.scene.event(stage, pair, MESSAGE).await?;
        let is_named = event.to_string().contains(&self.watch.id);
        stage.check(!is_named, "the event has no device ID")?;
        let what = "to the message service: service URI, UTI, data";
        stage.step("I.4", "use", "callback", what, "byte by byte");
        Ok(())
    }

    /// The service names its usage by the pair; the BSS finds the subscription.
    async fn bill(&self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let free = self.bss.find_free(pair).await?;
        stage.check(free == Some(NUMBER), "the pair leads to the watch's number")?;
        let what = "BSS reads the table: whose usage is it?";
        stage.step("I.4", "bill", "operator", what, "the watch's: free");
        Ok(())
    }

    /// Whoever wears it may take it back; both sides are told.
    async fn give_up(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let code = self.watch.give_up(pair).await?;
        stage.check(code == Code::Changed, "the gateway takes the revocation")?;
        stage.step("4", "1-2", "CoAP", "watch revokes the pair", "2.04 Changed");
        for (sp, point) in [("shop", "ICS-3"), ("acme-iot", "ICS-4")] {
            let is_end = |body: &Value| member(body, "cause") == "UTI_INVALID";
            let told = self.scene.told(sp, pair, is_end).await?;
            // R18: a device's own revocation.
            let is_device_s = member(&told, "subCause") == "DEVICE_REVOKED";
            stage.check(is_device_s || sp == "shop", "it is told who revoked")?;
            let what = format!("de-mapped, to {sp}");
            stage.step("4", "3", point, &what, "UTI_INVALID");
        }
        self.watch.replace_copy().await?;
        let copy = &self.watch.copy;
        stage.check(copy.pairs.is_empty(), "the newer document has no row")?;
        let taken = self.watch.acknowledge().await?;
        stage.check(taken, "the gateway takes the acknowledgement")?;
        let what = "newer document to the watch";
        stage.step("4", "3", "CoAP", what, "forgotten, acknowledged");
        Ok(())
    }

    /// Nothing can be asked, said or billed by the pair any more.
    async fn is_over(&mut self, stage: &mut Stage, pair: &Pair) -> Result<(), DemoError> {
        let (code, _) = self.watch.inquire().await?;
        stage.check(code == Code::NotFound, "the watch has no pair")?;
        let what = "watch asks for its pairs";
        stage.step("5", "1-5", "CoAP", what, "4.04 Not Found");
        let code = self.watch.report(pair, MESSAGE).await?;
        stage.check(code == Code::NotFound, "a late event is refused")?;
        let what = "watch: a late message";
        stage.step("I.4", "use", "CoAP", what, "4.04 Not Found");
        let free = self.bss.find_free(pair).await?;
        stage.check(free.is_none(), "the pair leads nowhere")?;
        let what = "BSS reads the table again";
        stage.step("I.4", "bill", "operator", what, "nobody's: charged");
        Ok(())
    }
}
