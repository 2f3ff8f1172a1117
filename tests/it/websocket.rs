//! Notifications by websocket (TS 29.122 5.2.5.4, spec/t8.md A.1, A.2, C.4), with a client nobody
//! here wrote: delivered is what was acknowledged, in order, over mutual TLS, and to its own SP.

use ics_tests::memory::{forget_peak, memory};
use ics_tests::{Domain, Mapping, Party, Sandbox, Websocket, eventually, fresh_device, fresh_uuid};
use serde_json::{Value, json};

/// A request for a mapping whose notifications go by websocket alone.
fn by_websocket(shop: &Party, acme: &Party, service: &str) -> Value {
    let serial = acme.fresh_serial();
    let mut request = shop.request(&shop.service(service), &fresh_uuid(), &serial);
    let members = request.as_object_mut().expect("an object");
    members.remove("notificationDestination");
    request["websockNotifConfig"] = json!({ "requestWebsocketUri": true });
    request["supportedFeatures"] = "2".into();
    request
}

/// A pending row with it, and where to dial.
fn ask(shop: &Party, acme: &Party, service: &str) -> (Mapping, String) {
    let request = by_websocket(shop, acme, service);
    let answer = shop.post_mapping(&request).expect(201);
    let row = answer.json();
    assert_eq!(row["supportedFeatures"], "2");
    assert!(row.get("notificationDestination").is_none());
    let uri = row["websockNotifConfig"]["websocketUri"].as_str();
    let uri = uri.expect("a URI").to_owned();
    assert!(uri.starts_with("wss://"), "{uri}");
    (shop.follow(acme, &request, &answer), uri)
}

fn waiting(sandbox: &Sandbox, party: &Party) -> usize {
    let path = format!("/operator/v1/outbox?sp={}", party.id);
    let page = sandbox.operator("GET", &path, None).expect(200).json();
    page["items"].as_array().expect("a page").len()
}

#[test]
fn a_result_arrives_and_counts_as_delivered_once_it_is_acknowledged() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (row, uri) = ask(&shop, &acme, "eggs");
    let mut socket = Websocket::dial(&shop, &uri);
    socket.wait_for("open");
    acme.accept(&row, &fresh_device()).expect(200);
    let frames = socket.wait_frames(1);
    let (told, uti) = (&frames[0], &frames[0]["uti"]);
    assert_eq!(
        (&told["mappingStatus"], uti),
        (&json!("ESTABLISHED"), &json!(row.uti))
    );
    assert_eq!(told["mapping"], json!(row.own));
    assert_eq!(
        waiting(&sandbox, &shop),
        1,
        "not before the acknowledgement"
    );
    socket.acknowledge(told);
    sandbox.settle();
    assert_eq!(socket.frames().len(), 1);
    assert!(shop.inbox.about(&row.uti).is_empty(), "nothing by callback");
    // Later rows of the same party come by the same socket.
    let (other, same) = ask(&shop, &acme, "milk");
    assert_eq!(same, uri);
    acme.reject(&other, "SERIAL_NUMBER_UNKNOWN").expect(200);
    let frames = socket.wait_frames(2);
    assert_eq!(frames[1]["mappingStatus"], "FAILED");
    socket.acknowledge(&frames[1]);
    sandbox.settle();
    socket.close();
    socket.wait_for("closed 1000");
}

#[test]
fn what_was_not_acknowledged_comes_again_after_a_reconnect_in_order() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let rows: Vec<_> = (0..20)
        .map(|n| ask(&shop, &acme, &format!("s{n}")))
        .collect();
    for (row, _) in &rows {
        acme.accept(row, &fresh_device()).expect(200);
    }
    // Nobody listens: they wait, and the SP's callbacks are not held up.
    let by_callback = shop.establish(&acme, "callback", &fresh_device());
    shop.inbox.wait(&by_callback.uti, "a result", |body| {
        body["mappingStatus"] == "ESTABLISHED"
    });
    let uri = &rows[0].1;
    let silent = Websocket::dial(&shop, uri);
    silent.wait_for("open");
    let first = silent.wait_frames(1);
    drop(silent);
    for (row, _) in &rows {
        let end = json!({ "mapping": row.assignment });
        acme.demap("SERVICE_INVALID", &end).expect(200);
    }
    let mut socket = Websocket::dial(&shop, uri);
    socket.wait_for("open");
    let mut seen = 0;
    eventually("all of them", || {
        for frame in socket.frames().drain(seen..) {
            socket.acknowledge(&frame);
            seen += 1;
        }
        waiting(&sandbox, &shop) == 0
    });
    let frames = socket.frames();
    let again = &first[0]["notificationId"];
    assert!(frames.iter().any(|frame| frame["notificationId"] == *again));
    for (row, _) in &rows {
        let own = frames.iter().filter(|frame| frame["uti"] == row.uti);
        let mut order: Vec<_> = own
            .map(|f| f["sequence"].as_u64().expect("a number"))
            .collect();
        order.dedup();
        assert_eq!(order, [2, 3], "the result, then the end");
    }
}

#[test]
fn an_iot_sp_takes_assignments_by_websocket() {
    let domain = Domain::start(|text| text);
    let shop = domain.onboard(&json!({
        "id": "shop", "roles": ["THIRD_PARTY_SP"],
        "services": ["https://shop.example/services"], "callbackOrigins": [],
    }));
    let acme = domain.onboard(&json!({
        "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
        "callbackOrigins": [],
    }));
    domain.agree(&acme, &shop);
    let subscriptions = acme.path("ics-device-mapping", "subscriptions");
    let wanted = json!({
        "websockNotifConfig": { "requestWebsocketUri": true }, "supportedFeatures": "2",
    });
    let made = acme.post(&subscriptions, &wanted).expect(201).json();
    let uri = made["websockNotifConfig"]["websocketUri"]
        .as_str()
        .expect("a URI");
    // Without the feature, or without asking, a destination is mandatory.
    for refused in [
        json!({ "supportedFeatures": "2" }),
        json!({
            "websockNotifConfig": { "requestWebsocketUri": true }, "supportedFeatures": "1",
        }),
    ] {
        let answer = acme.post(&subscriptions, &refused).expect(400);
        assert_eq!(answer.cause(), "MANDATORY_IE_MISSING");
    }
    let mut socket = Websocket::dial(&acme, uri);
    socket.wait_for("open");
    let uti = "0b7f3a52-7d0a-4b1e-9f35-6a3d00000001";
    let request = json!({
        "serviceUri": "https://shop.example/services/eggs", "uti": uti,
        "deviceSerialNumber": "ACME-1", "supportedFeatures": "2",
        "websockNotifConfig": { "requestWebsocketUri": true },
        "userConsent": { "consentId": "c-1", "grantedAt": "2026-01-01T00:00:00Z",
                         "purpose": "dpv:RequestedServiceProvision" },
    });
    shop.post(&shop.path("ics-mapping", "mappings"), &request)
        .expect(201);
    let frames = socket.wait_frames(1);
    assert_eq!(frames[0]["deviceSerialNumber"], "ACME-1");
    socket.acknowledge(&frames[0]);
    let assignment = frames[0]["assignment"].as_str().expect("a link").to_owned();
    let answer = json!({ "result": "ACCEPTED", "deviceId": "d-1" });
    acme.put(&assignment, &answer).expect(200);
    let result = &socket.wait_frames(2)[1];
    assert_eq!(result["mappingStatus"], "ESTABLISHED");
}

#[test]
fn strangers_are_not_let_in_and_what_is_no_handshake_is_refused() {
    let sandbox = Sandbox::start();
    let (shop, music, acme) = (sandbox.shop(), sandbox.music(), sandbox.acme());
    let (_, uri) = ask(&shop, &acme, "eggs");
    let own = (Some(shop.certificate.as_path()), shop.key.as_path());
    let other = (Some(music.certificate.as_path()), music.key.as_path());
    let token = shop.token();
    for (who, token, word) in [
        ((None, shop.key.as_path()), token.as_str(), "failed"),
        (own, "", "refused 401"),
        (other, token.as_str(), "refused 401"),
        (other, &music.token(), "refused 403"),
    ] {
        Websocket::dial_as((&shop, &uri), who, token).wait_for(word);
    }
    let role = uri.replace("/ics-mapping/", "/ics-device-mapping/");
    Websocket::dial(&shop, &role).wait_for("refused 403");
    let plain = uri.replace("wss://", "https://");
    let refused = shop.get(&plain).expect(400);
    assert_eq!(refused.cause(), "INVALID_MSG_FORMAT");
}

#[test]
fn a_newer_socket_replaces_the_older_and_a_suspended_party_loses_its_own() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (row, uri) = ask(&shop, &acme, "eggs");
    let older = Websocket::dial(&shop, &uri);
    older.wait_for("open");
    let newer = Websocket::dial(&shop, &uri);
    newer.wait_for("open");
    older.wait_for("closed 1008");
    acme.accept(&row, &fresh_device()).expect(200);
    newer.wait_frames(1);
    assert!(older.frames().is_empty());

    let begin = std::time::Instant::now();
    let suspend = format!("/operator/v1/sps/{}/suspend", shop.id);
    sandbox.operator("POST", &suspend, None).expect(200);
    newer.wait_for("closed 1008");
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    assert_eq!(waiting(&sandbox, &shop), 1, "nothing is lost");

    let resume = format!("/operator/v1/sps/{}/resume", shop.id);
    sandbox.operator("POST", &resume, None).expect(200);
    shop.forget_token();
    let mut socket = Websocket::dial(&shop, &uri);
    let frames = socket.wait_frames(1);
    socket.acknowledge(&frames[0]);
    sandbox.settle();
    // A revoked token ends what was opened with it.
    let form = format!("token={}", shop.token());
    shop.curl("POST", "/oauth2/revoke")
        .form(&form)
        .send()
        .expect(200);
    socket.wait_for("closed 1008");
}

#[test]
fn what_is_no_acknowledgement_ends_the_socket_and_the_gateway_says_goodbye() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (row, uri) = ask(&shop, &acme, "eggs");
    let long = format!("{{\"notificationId\":\"{}\"}}", "x".repeat(8192));
    for (text, word) in [("hello", "closed 1007"), (&long, "closed 1009")] {
        let mut socket = Websocket::dial(&shop, &uri);
        socket.wait_for("open");
        socket.send(text);
        socket.wait_for(word);
    }
    // One of something else is no harm.
    let mut socket = Websocket::dial(&shop, &uri);
    socket.wait_for("open");
    socket.send("{\"notificationId\":\"never-heard-of\",\"details\":\"x\"}");
    acme.accept(&row, &fresh_device()).expect(200);
    let frames = socket.wait_frames(1);
    assert!(sandbox.stop().success());
    socket.wait_for("closed 1001");
    // Not acknowledged, it outlives the gateway.
    sandbox.spawn();
    shop.forget_token();
    let socket = Websocket::dial(&shop, &uri);
    assert_eq!(socket.wait_frames(1)[0], frames[0]);
}

#[test]
fn a_frame_that_declares_too_much_is_refused_by_its_head_and_nothing_of_it_is_kept() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let (row, uri) = ask(&shop, &acme, "eggs");
    for length in [1 << 62, 1 << 31, 64 << 20] {
        let mut socket = Websocket::dial(&shop, &uri);
        socket.wait_for("open");
        let before = memory(sandbox.pid()).now;
        forget_peak(sandbox.pid());
        socket.declare(length);
        socket.wait_for("closed 1009");
        let grown = memory(sandbox.pid()).peak.saturating_sub(before);
        assert!(grown < 16 << 20, "{length}: grown by {} KiB", grown >> 10);
    }
    // The SP may come again, and is told what waits.
    let mut socket = Websocket::dial(&shop, &uri);
    socket.wait_for("open");
    acme.accept(&row, &fresh_device()).expect(200);
    let frames = socket.wait_frames(1);
    socket.acknowledge(&frames[0]);
    sandbox.settle();
}

#[test]
fn with_a_destination_too_callbacks_go_where_no_socket_is_open() {
    let sandbox = Sandbox::start();
    let (shop, acme) = (sandbox.shop(), sandbox.acme());
    let mut request = by_websocket(&shop, &acme, "eggs");
    request["notificationDestination"] = shop.callback.clone().into();
    let answer = shop.post_mapping(&request).expect(201);
    let row = shop.follow(&acme, &request, &answer);
    // While it waits, the websocket can be turned off, and not on where it was not negotiated.
    let patch = |own: &str, on: bool| {
        let body = json!({ "websockNotifConfig": { "requestWebsocketUri": on } });
        shop.call("PATCH", own, Some(&body)).expect(200).json()
    };
    assert!(patch(&row.own, false).get("websockNotifConfig").is_none());
    assert!(patch(&row.own, true).get("websockNotifConfig").is_some());
    let plain = shop.ask(&acme, "milk");
    assert!(patch(&plain.own, true).get("websockNotifConfig").is_none());
    let (alone, _) = ask(&shop, &acme, "beer");
    let off = json!({ "websockNotifConfig": null });
    let refused = shop.call("PATCH", &alone.own, Some(&off)).expect(400);
    assert_eq!(refused.cause(), "MANDATORY_IE_MISSING");

    acme.accept(&row, &fresh_device()).expect(200);
    shop.inbox.wait(&row.uti, "a callback", |body| {
        body["mappingStatus"] == "ESTABLISHED"
    });
}
