//! The smart refrigerator of Y.4462 Appendix I.1, played through real sockets: every step of
//! figures 3 to 6 as it happens, the use of the row, and its end. Then two stories whose devices the
//! gateway hosts: the smart lock of I.2, over MQTT, and the watch of I.4, over CoAP.
//!
//! A step counts only when what came back is what the Recommendation says.

mod bss;
mod copy;
mod device;
mod family;
mod home;
mod scene;
mod shop;
mod stage;
mod vendor;
mod watch;

use std::path::Path;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::coap_client::SessionError;
use crate::http_client::mutual_tls_client;
use crate::operator_client::CallError;
use crate::sandbox::{Options, Sandbox, SandboxError};
use crate::t8_client::{Answer, ClientError, T8Client, WAITS, member};
use shop::{OrderDesk, place_order};
use stage::{Stage, Unexpected, wait_for_notification};

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The sandbox did not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A call came to nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A certificate or key.
    #[error(transparent)]
    Credential(#[from] crate::tls::CredentialError),
    /// A file or socket.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A device over MQTT came to nothing.
    #[error(transparent)]
    Device(#[from] device::DeviceError),
    /// A device over CoAP came to nothing.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The operator API.
    #[error(transparent)]
    Operator(#[from] CallError),
    /// A step did not do what Y.4462 says.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
}

const SERVICE: &str = "https://shop.example/services/groceries";
const SERIAL: &str = "ACME-FR-2291-00031";

/// What the refrigerator keeps in its memory (figure 3 step 5).
#[derive(Default)]
struct Refrigerator {
    pair: Option<(String, String)>,
}

/// The players.
struct Cast<'a> {
    sandbox: &'a Sandbox,
    http: reqwest::Client,
    shop: T8Client,
    vendor: T8Client,
    orders: String,
    uti: String,
    device_id: String,
    fridge: Refrigerator,
    mapping: String,
}

/// Plays it in a sandbox below `directory`.
///
/// # Errors
/// [`DemoError`] at the first step that did not do what Y.4462 says.
pub(crate) async fn play(directory: &Path) -> Result<(), DemoError> {
    let options = Options {
        directory: directory.join("sandbox"),
        base_port: None,
        log: None,
        onem2m_listen: None,
        platform: None,
        is_mailbox: false,
    };
    let sandbox = Sandbox::start(options).await?;
    let told = perform(&sandbox).await;
    sandbox.stop().await;
    told
}

async fn perform(sandbox: &Sandbox) -> Result<(), DemoError> {
    let mut stage = Stage::open();
    let desk = OrderDesk::open(sandbox)?;
    let mut cast = Cast {
        http: mutual_tls_client(sandbox.files_of("shop").as_client(), WAITS)?,
        shop: sandbox.client("shop")?,
        vendor: sandbox.client("acme-iot")?,
        orders: desk.url(),
        uti: sandbox.random_uuid(),
        device_id: format!("dev-{}", sandbox.random_uuid()),
        fridge: Refrigerator::default(),
        mapping: String::new(),
        sandbox,
    };
    let told = play_acts(&mut stage, &mut cast).await;
    desk.close().await;
    stage.close(told.is_ok());
    told
}

async fn play_acts(stage: &mut Stage, cast: &mut Cast<'_>) -> Result<(), DemoError> {
    authenticate(stage, cast).await?;
    map(stage, cast).await?;
    inquire(stage, cast).await?;
    order(stage, cast).await?;
    revoke(stage, cast).await?;
    home::play(stage, cast.sandbox).await?;
    family::play(stage, cast.sandbox).await
}

/// Clause 10.4: certificates are shown in the handshake, tokens bound to them.
async fn authenticate(stage: &mut Stage, cast: &Cast<'_>) -> Result<(), DemoError> {
    stage.act("Clause 10.4: who they are");
    for (client, point, who) in [
        (&cast.shop, "ICS-5", "third party SP"),
        (&cast.vendor, "ICS-6", "IoT SP"),
    ] {
        client.fetch_token().await?;
        stage.step(
            "7",
            "1-6",
            point,
            &format!("{who}: certificate, token"),
            "token bound to it",
        );
    }
    Ok(())
}

/// Figure 3.
async fn map(stage: &mut Stage, cast: &mut Cast<'_>) -> Result<(), DemoError> {
    stage.act("Figure 3: establishing an identity mapping");
    let request = json!({
        "supportedFeatures": "0",
        "serviceUri": SERVICE,
        "uti": cast.uti,
        "deviceSerialNumber": SERIAL,
        "userConsent": {
            "consentId": "c-81",
            "grantedAt": cast.sandbox.now(),
            "purpose": "dpv:RequestedServiceProvision",
        },
        "notificationDestination": cast.sandbox.callback("shop"),
    });
    let created = cast
        .shop
        .expect(
            Method::POST,
            "/ics-mapping/v1/shop/mappings",
            Some(&request),
        )
        .await?;
    stage.check(
        created.status == StatusCode::CREATED,
        "step 1 is answered 201",
    )?;
    cast.mapping = created.location.clone().unwrap_or_default();
    stage.step(
        "3",
        "1",
        "ICS-1",
        "service URI, UTI, serial number",
        "201 Created",
    );

    let row = cast.shop.expect(Method::GET, &cast.mapping, None).await?;
    stage.check(
        member(&row.body, "mappingStatus") == "PENDING",
        "the initial row is pending",
    )?;
    stage.check(
        !row.body.to_string().contains(SERIAL),
        "no answer shows the serial number",
    )?;
    stage.step(
        "3",
        "2",
        "-",
        "initial row stored",
        "PENDING, serial number sealed",
    );

    let push = cast
        .notified("acme-iot", |body| member(body, "assignment").is_string())
        .await?;
    stage.check(
        member(&push, "deviceSerialNumber") == SERIAL,
        "the push has the serial number",
    )?;
    let assignment = text(&push, "assignment");
    stage.step(
        "3",
        "3",
        "ICS-2",
        "push: service URI, UTI, serial number",
        "204",
    );

    cast.fridge.pair = Some((text(&push, "serviceUri"), text(&push, "uti")));
    stage.step(
        "3",
        "4-6",
        "-",
        "IoT SP to refrigerator: service URI, UTI",
        "stored, acknowledged",
    );

    let answer = json!({ "result": "ACCEPTED", "deviceId": cast.device_id });
    let settled = cast
        .vendor
        .expect(Method::PUT, &assignment, Some(&answer))
        .await?;
    stage.check(
        member(&settled.body, "mappingStatus") == "ESTABLISHED",
        "step 7 establishes the row",
    )?;
    stage.step("3", "7", "ICS-2", "device ID", "200 OK");
    stage.step(
        "3",
        "8",
        "-",
        "row: device ID, service URI, UTI",
        "ESTABLISHED",
    );

    for (sp, point) in [("shop", "ICS-1"), ("acme-iot", "ICS-2")] {
        cast.notified(sp, |body| member(body, "mappingStatus") == "ESTABLISHED")
            .await?;
        stage.step("3", "9", point, &format!("result to {sp}"), "ESTABLISHED");
    }
    Ok(())
}

/// Figures 5 and 6.
async fn inquire(stage: &mut Stage, cast: &Cast<'_>) -> Result<(), DemoError> {
    stage.act("Figures 5 and 6: inquiry");
    let answer = cast.by_device().await?;
    let rows = member(&answer.body, "mappings")
        .as_array()
        .cloned()
        .unwrap_or_default();
    let own = rows
        .iter()
        .any(|row| member(row, "serviceUri") == SERVICE && *member(row, "uti") == *cast.uti);
    stage.check(
        answer.status == StatusCode::OK && own,
        "case 1 answers the device's rows",
    )?;
    stage.step("5", "1-5", "ICS-8", "device ID", "200: service URI, UTI");

    let answer = cast.by_transaction(&cast.uti).await?;
    let right =
        answer.status == StatusCode::OK && *member(&answer.body, "deviceId") == *cast.device_id;
    stage.check(right, "case 2 answers the device ID")?;
    stage.step("6", "1-3", "ICS-7", "service URI, UTI", "200: device ID");

    let answer = cast.by_transaction(&cast.sandbox.random_uuid()).await?;
    stage.check(
        answer.status == StatusCode::NOT_FOUND,
        "another UTI answers nothing",
    )?;
    stage.step(
        "6",
        "1-3",
        "ICS-7",
        "service URI, another UTI",
        "404 MAPPING_NOT_FOUND",
    );
    Ok(())
}

/// Appendix I.1: what the row is for.
async fn order(stage: &mut Stage, cast: &Cast<'_>) -> Result<(), DemoError> {
    stage.act("Appendix I.1: milk and a light bulb");
    for (event, message) in [
        ("milk", "refrigerator: milk is low"),
        ("bulb", "vendor: bulb broken"),
    ] {
        let status = cast.order(event).await?;
        stage.check(status == StatusCode::OK, "the shop takes the order")?;
        stage.step(
            "I.1",
            event,
            "ICS-7",
            &format!("{message}; shop checks the pair"),
            "ordered",
        );
    }
    Ok(())
}

/// Figure 4, and what it is good for.
async fn revoke(stage: &mut Stage, cast: &mut Cast<'_>) -> Result<(), DemoError> {
    stage.act("Figure 4: the user takes it back");
    let body = json!({ "cause": "USER_AUTHORIZATION_WITHDRAWN", "mapping": cast.mapping });
    let removed = cast
        .shop
        .expect(Method::POST, "/ics-demapping/v1/shop/demap", Some(&body))
        .await?;
    stage.check(member(&removed.body, "removed") == 1, "one row is removed")?;
    stage.step(
        "4",
        "1.2-3",
        "ICS-3",
        "user withdraws authorization",
        "200, 1 row removed",
    );

    let told = cast
        .notified("acme-iot", |b| {
            member(b, "cause") == "USER_AUTHORIZATION_WITHDRAWN"
        })
        .await?;
    stage.check(
        *member(&told, "deviceId") == *cast.device_id,
        "the IoT SP is told which device",
    )?;
    stage.step(
        "4",
        "3",
        "ICS-4",
        "de-mapped: device ID, service URI, UTI",
        "204",
    );

    let pair = cast.fridge.pair.take();
    stage.check(pair.is_some(), "the refrigerator had the pair")?;
    stage.step("4", "3", "-", "IoT SP to refrigerator: forget", "forgotten");

    let gone = cast.by_transaction(&cast.uti).await?.status == StatusCode::NOT_FOUND
        && cast.by_device().await?.status == StatusCode::NOT_FOUND;
    stage.check(gone, "nothing is left to inquire")?;
    stage.step(
        "5, 6",
        "-",
        "ICS-7/8",
        "inquiry by either side",
        "404 MAPPING_NOT_FOUND",
    );

    let status = cast.order_with(pair, "milk").await?;
    stage.check(
        status == StatusCode::FORBIDDEN,
        "the second order is refused",
    )?;
    stage.step(
        "I.1",
        "milk",
        "ICS-7",
        "a late order; shop checks the pair",
        "refused",
    );
    Ok(())
}

impl Cast<'_> {
    async fn notified(&self, sp: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, DemoError> {
        let inbox = self.sandbox.inbox(sp);
        let own = |body: &Value| *member(body, "uti") == *self.uti && fits(body);
        Ok(wait_for_notification(&self.http, &inbox, own).await?)
    }

    async fn by_device(&self) -> Result<Answer, ClientError> {
        let body = json!({ "deviceId": self.device_id });
        self.vendor
            .call(
                Method::POST,
                "/ics-inquiry/v1/retrieve-by-device",
                Some(&body),
            )
            .await
    }

    async fn by_transaction(&self, uti: &str) -> Result<Answer, ClientError> {
        let body = json!({ "serviceUri": SERVICE, "uti": uti });
        self.shop
            .call(
                Method::POST,
                "/ics-inquiry/v1/retrieve-by-transaction",
                Some(&body),
            )
            .await
    }

    async fn order(&self, what: &str) -> Result<StatusCode, DemoError> {
        self.order_with(self.fridge.pair.clone(), what).await
    }

    /// The vendor's cloud orders at the shop, with service URI and UTI and nothing else.
    async fn order_with(
        &self,
        pair: Option<(String, String)>,
        what: &str,
    ) -> Result<StatusCode, DemoError> {
        let (service_uri, uti) = pair.unwrap_or_default();
        let order = json!({ "serviceUri": service_uri, "uti": uti, "order": what });
        Ok(place_order(self.sandbox, "acme-iot", &self.orders, &order).await?)
    }
}

fn text(body: &Value, name: &str) -> String {
    member(body, name).as_str().unwrap_or_default().to_owned()
}

/// The shop's client, for the order desk to check pairs with.
fn shop_client(sandbox: &Sandbox) -> Result<Arc<T8Client>, DemoError> {
    Ok(Arc::new(sandbox.client("shop")?))
}
