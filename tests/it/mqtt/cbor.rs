//! A device that speaks CBOR, with a library nobody here wrote (cbor2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_tests::{Sandbox, Version};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_device_of_cbor_reads_its_document_acknowledges_inquires_and_reports() {
    let sandbox = Sandbox::start();
    let (shop, acme, light) = (sandbox.shop(), sandbox.acme(), sandbox.light());
    let service = shop.service("lights");
    let uti = ics_tests::fresh_uuid();
    let mut request = shop.request(&service, &uti, &light.serial);
    let sealed = [0xff, 0, 0x0a, 0xc3];
    request["e2e"] = json!(URL_SAFE_NO_PAD.encode(sealed));
    let answer = shop.post_mapping(&request).expect(201);
    let mapping = shop.follow(&acme, &request, &answer);

    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(tests.join(".venv/bin/python"))
        .arg(tests.join("devices/light_cbor.py"))
        .arg(light.settings(Version::V5).to_string())
        .arg(&light.id)
        .stdin(Stdio::null())
        .output()
        .expect("tests/run installs it");
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = json!({ "id": mapping.id(), "svc": service, "uti": uti });
    let mut offered = row.clone();
    offered["e2e"] = json!("ff000ac3");
    assert_eq!(told["document"]["m"], json!([offered]));
    assert_eq!(told["answer"], json!({ "did": light.id, "m": [row] }));
    assert_eq!(
        told["contentTypes"],
        json!(["application/cbor", "application/cbor"])
    );
    let event = shop
        .inbox
        .wait(&uti, "the event", |body| body["data"].is_string());
    let data = URL_SAFE_NO_PAD.decode(event["data"].as_str().expect("a text"));
    assert_eq!(data.expect("base64url"), [0, 0xff, b'o', b'n']);
    assert_eq!(event["dataContentType"], "application/octet-stream");
}
