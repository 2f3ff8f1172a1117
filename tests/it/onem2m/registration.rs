//! The gateway's CSE at a platform: joined, kept joined, gone without a trace.

use ics_tests::{Acme, Gateway, Sandbox, eventually};
use serde_json::Value;

const OURS: &str = "cse-in/id-ics";

pub(super) fn onem2m(sandbox: &Sandbox, verb: &str) -> Result<Value, String> {
    let config = sandbox.env("ICS_CONFIG");
    let output = Gateway::run(&["onem2m", verb, "--config", config, "--json"]);
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn detached_it_leaves_the_platform_as_it_was() {
    let acme = Acme::options().admitting("/id-ics").start();
    let before = acme.tree();
    let sandbox = Sandbox::start_joined(&acme.url());
    let ours = acme.admin().retrieve(OURS).expect(2000).member("m2m:csr");
    assert_eq!(ours["csi"], "/id-ics");
    assert_eq!(
        onem2m(&sandbox, "status").expect("told")["registered"],
        true
    );
    // Again, and it is the same.
    onem2m(&sandbox, "attach").expect("attached");
    assert_eq!(acme.tree().addresses().len(), before.addresses().len() + 1);
    for _ in 0..2 {
        let told = onem2m(&sandbox, "detach").expect("detached");
        assert_eq!(
            (&told["wanted"], &told["registered"]),
            (&false.into(), &false.into())
        );
        assert_eq!(acme.tree().to_json(), before.to_json());
    }
}

#[test]
fn either_side_may_be_gone_for_a_while() {
    let acme = Acme::options().admitting("/id-ics").start();
    let sandbox = Sandbox::start_joined(&acme.url());
    // A platform in memory forgets everybody.
    acme.kill();
    acme.resume();
    eventually("the registration to be made again", || {
        acme.admin().retrieve(OURS).rsc == 2000
    });
    sandbox.kill();
    sandbox.spawn();
    acme.admin().retrieve(OURS).expect(2000);
    assert_eq!(
        onem2m(&sandbox, "status").expect("told")["registered"],
        true
    );
    // And what was asked through the platform works.
    let shop = super::world::Ae::register(&acme, "shop", None);
    let nothing = serde_json::json!({"ics:inq": {"svu": "https://shop.example/services/x", "uti": ics_tests::fresh_uuid()}});
    let answer = shop.client.signed(
        &sandbox.token_key("ICS_3P"),
        ("POST", "/id-ics/ics/inq"),
        Some(28),
        &nothing,
    );
    answer.expect(4004);
}

#[test]
fn a_platform_that_does_not_admit_it_is_told_with_what_to_mend() {
    let acme = Acme::options().start();
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().join("sandbox");
    let at = at.to_str().expect("UTF-8");
    let output = Gateway::run(&["sandbox", "--dir", at, "--onem2m", &acme.url()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("add this CSE-ID to the CSEs that the platform lets register"),
        "{said}"
    );
}
