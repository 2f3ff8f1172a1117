//! A device of the demo over CoAP, on DTLS with a pre-shared key: a watch has no room for more.

use std::sync::Arc;

use serde_json::Value;

use super::DemoError;
use super::copy::{Copy, Pair};
use super::scene::Hosted;
use super::stage::Unexpected;
use crate::ambient::SystemEntropy;
use crate::coap_client::{Answer, Code, PreSharedKey, Request, Session};
use crate::sandbox::{Sandbox, SandboxDevice};

/// A watch that is connected, with what it keeps in its memory.
pub(super) struct Watch {
    pub(super) id: String,
    serial: String,
    session: Session,
    pub(super) copy: Copy,
}

impl Watch {
    /// Shakes hands with the device's key.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn connect(
        sandbox: &Sandbox,
        device: &SandboxDevice,
    ) -> Result<Self, DemoError> {
        let psk = PreSharedKey::from_hex(&device.psk.identity, &device.psk.key);
        let psk = psk.ok_or(Unexpected::Broken("the key is told in hexadecimal"))?;
        let entropy = Arc::new(SystemEntropy::default());
        Ok(Self {
            id: device.id.clone(),
            serial: device.serial.clone(),
            session: Session::open(sandbox.coap(), &psk, entropy).await?,
            copy: Copy::default(),
        })
    }

    /// Reads its document, and hears of each newer one from then on; whether that was granted.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn observe(&mut self) -> Result<bool, DemoError> {
        let answer = self.session.ask(&Request::observe("ics/v1/doc")).await?;
        let is_granted = answer.code == Code::Content && answer.order.is_some();
        Ok(is_granted && self.copy.replace(&body_of(&answer)))
    }

    /// Tells the service behind a pair something.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn report(&mut self, pair: &Pair, data: &str) -> Result<Code, DemoError> {
        self.post("ics/v1/evt", pair.event(data)).await
    }

    /// Gives a pair up.
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn give_up(&mut self, pair: &Pair) -> Result<Code, DemoError> {
        self.post("ics/v1/rev", pair.revocation()).await
    }

    /// Asks which pairs hold (figure 5).
    ///
    /// # Errors
    /// [`DemoError`].
    pub(super) async fn inquire(&mut self) -> Result<(Code, Value), DemoError> {
        let answer = self.session.ask(&Request::get("ics/v1/inq")).await?;
        Ok((answer.code, body_of(&answer)))
    }

    /// Takes its leave.
    pub(super) async fn leave(self) {
        // Nobody is waited for: the story is over.
        let _ = self.session.close().await;
    }

    async fn post(&mut self, path: &'static str, json: String) -> Result<Code, DemoError> {
        Ok(self.session.ask(&Request::post(path, json)).await?.code)
    }
}

impl Hosted for Watch {
    const CHANNEL: &str = "CoAP";

    fn serial(&self) -> &str {
        &self.serial
    }

    fn copy(&self) -> &Copy {
        &self.copy
    }

    async fn replace_copy(&mut self) -> Result<(), DemoError> {
        loop {
            let news = self.session.wait_news().await?;
            if news.code == Code::Content && self.copy.replace(&body_of(&news)) {
                return Ok(());
            }
        }
    }

    async fn acknowledge(&mut self) -> Result<bool, DemoError> {
        let told = self.copy.acknowledgement();
        Ok(self.post("ics/v1/doc/ack", told).await? == Code::Changed)
    }
}

/// The JSON of an answer; `null` when it is none.
fn body_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.payload).unwrap_or_default()
}
