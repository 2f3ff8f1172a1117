//! The rows of oneM2M: the CSE's own listener, with curl. Objects are rows of shop and acme.

use ics_tests::openssl::{TestAuthority, TestCertificate, sp_extensions};
use ics_tests::{OneM2mAnswer, OneM2mClient, Party, fresh_uuid};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{World, fields};

const MAP: &str = "/id-ics/ics/map";
const INQ: &str = "/id-ics/ics/inq";
const PND: &str = "/id-ics/ics/pnd";
const DMP: &str = "/id-ics/ics/dmp";
const IDMAP: u16 = 28;

/// Where the CSE listens, and the platform it believes as the last hop.
pub(super) struct Stage {
    url: String,
    scratch: TempDir,
    authority: TestAuthority,
    ours: TestCertificate,
}

impl Stage {
    pub(super) fn new() -> Self {
        let [port] = ics_tests::domain::free_ports();
        let scratch = TempDir::new().expect("a temporary directory");
        let authority = TestAuthority::create(scratch.path(), "platform", "/CN=platform");
        let ours = cse(&scratch, &authority, "ours", "//ics.example/id-ics");
        Self {
            url: format!("https://127.0.0.1:{port}"),
            scratch,
            authority,
            ours,
        }
    }

    /// The configuration with the CSE listening, and a registrar that is never there.
    pub(super) fn configure(&self, text: &str) -> String {
        let address = self.url.replace("https://", "");
        let section = format!(
            "[onem2m]\nlisten = \"{address}\"\npublic_url = \"{}\"\n",
            self.url
        );
        let registrar = format!(
            "[onem2m.registrar]\nurl = \"https://127.0.0.1:1\"\ncse_id = \"id-in\"\n\
             cse_name = \"cse-in\"\nsp_domain = \"acme.example.com\"\nanchor = \"{}\"\n\
             certificate = \"{}\"\nkey = \"{}\"\n\n[onem2m.connections]\n",
            self.authority.certificate.display(),
            self.ours.certificate.display(),
            self.ours.key.display(),
        );
        text.replace("[onem2m]\n", &section)
            .replace("[onem2m.connections]\n", &registrar)
    }
}

/// A certificate of a CSE by its absolute CSE-ID.
fn cse(scratch: &TempDir, authority: &TestAuthority, name: &str, id: &str) -> TestCertificate {
    let extensions = sp_extensions("x").replace("urn:ics:sp:x", id);
    authority.issue(scratch.path(), name, &extensions, &["-days", "2"])
}

/// Who connects, and as whom it asks.
struct Who {
    name: &'static str,
    client: OneM2mClient,
}

pub(super) fn fill(world: &mut World, stage: &Stage) {
    for sp in ["shop", "mall", "acme", "bolt"] {
        let ae = json!({"onem2m": {"ae": format!("/id-in/C{sp}")}});
        let path = format!("/operator/v1/sps/{sp}/onem2m");
        world.domain.operator("POST", &path, Some(&ae)).expect(200);
    }
    for who in callers(world, stage) {
        rows(world, &who);
        inquiries(world, &who);
        assignments(world, &who);
        ends(world, &who);
        tree(world, &who);
    }
}

fn callers(world: &World, stage: &Stage) -> Vec<Who> {
    let root = world.domain.file("authority/sp-ca.pem");
    let at = |originator: &str| OneM2mClient::new(&stage.url, originator).root(&root);
    let party = |name, party: &Party, originator: &str| Who {
        name,
        client: at(originator).certificate(&party.certificate, &party.key),
    };
    let platform = cse(
        &stage.scratch,
        &stage.authority,
        "platform-cse",
        "//acme.example.com/id-in",
    );
    let device = world
        .domain
        .host_over(&["onem2m"], &world.acme, "ACME-ONEM2M");
    let device = at("Cdevice").certificate(&device.certificate, &device.key);
    let ae =
        json!({"m2m:ae": {"rn": "device", "api": "N.org.example.x", "rr": false, "srv": ["4"]}});
    device.create("/id-ics/ics", 2, &ae).expect(2001);
    let hop = |originator| at(originator).certificate(&platform.certificate, &platform.key);
    vec![
        party("onem2m: its third party SP", &world.shop, "/id-in/Cshop"),
        party(
            "onem2m: another third party SP",
            &world.mall,
            "/id-in/Cmall",
        ),
        party("onem2m: its IoT SP", &world.acme, "/id-in/Cacme"),
        party("onem2m: another IoT SP", &world.bolt, "/id-in/Cbolt"),
        party(
            "onem2m: another as its third party SP",
            &world.mall,
            "/id-in/Cshop",
        ),
        party(
            "onem2m: an IoT SP without AE",
            &world.ended,
            "/id-in/Cended",
        ),
        Who {
            name: "onem2m: hosted device",
            client: device,
        },
        Who {
            name: "onem2m: the platform",
            client: hop("/id-in"),
        },
        Who {
            name: "onem2m: behind the platform, without tok",
            client: hop("/id-in/Cshop"),
        },
        Who {
            name: "onem2m: stranger",
            client: at("/id-in/Cshop"),
        },
    ]
}

/// What an answer says, without its values: the code, and which fields there are.
fn told(answer: &OneM2mAnswer) -> String {
    if answer.rsc == 0 {
        return "no handshake".to_owned();
    }
    let content = answer.content();
    if answer.rsc >= 3000 {
        let words = content["m2m:dbg"].as_str().unwrap_or_default();
        return format!("{} {words}", answer.rsc).trim_end().to_owned();
    }
    format!("{} {}", answer.rsc, fields(&content))
        .trim_end()
        .to_owned()
}

fn row_of(id: &str) -> String {
    format!("{MAP}/map-{}", id.replace('-', ""))
}

fn pending_of(id: &str) -> String {
    format!("{PND}/pnd-{}", id.replace('-', ""))
}

/// Asking for a mapping, and looking at rows.
fn rows(world: &mut World, who: &Who) {
    let service = world.shop.service("a");
    let request = json!({"ics:idmap": {
        "cnd": "org.example.ics.identityMapping", "svu": service, "uti": fresh_uuid(),
        "dsn": world.acme.fresh_serial(),
        "ucid": "c-81", "ucgt": "20260101T000000", "ucpu": "dpv:RequestedServiceProvision",
    }});
    let answer = who.client.create(MAP, IDMAP, &request);
    let cell = [who.name, "request a mapping", "service of shop", "agreed"];
    world.note(cell, told(&answer));
    let pending = world.pending();
    let (established, _) = world.established();
    let cells = [
        ("of shop and acme", "pending", row_of(pending.id())),
        ("of shop and acme", "established", row_of(established.id())),
        ("none", "", row_of(&fresh_uuid())),
    ];
    for (object, state, to) in cells {
        let answer = who.client.retrieve(&to);
        world.note([who.name, "read a mapping", object, state], told(&answer));
    }
}

fn inquiries(world: &mut World, who: &Who) {
    let (row, device) = world.established();
    let waiting = world.pending();
    let cells = [
        (
            ["inquire by transaction", "of shop and acme", "established"],
            json!({"svu": row.service, "uti": row.uti}),
        ),
        (
            ["inquire by transaction", "of shop and acme", "pending"],
            json!({"svu": waiting.service, "uti": waiting.uti}),
        ),
        (
            ["inquire by transaction", "none", ""],
            json!({"svu": row.service, "uti": fresh_uuid()}),
        ),
        (
            ["inquire by device", "of shop and acme", "established"],
            json!({"did": device}),
        ),
        (
            ["inquire by device", "none", ""],
            json!({"did": format!("d-{}", fresh_uuid())}),
        ),
    ];
    for ([operation, object, state], inquiry) in cells {
        let answer = who.client.create(INQ, IDMAP, &json!({"ics:inq": inquiry}));
        world.note([who.name, operation, object, state], told(&answer));
    }
    let query = format!("{MAP}?fu=1&svu={}", row.uti);
    let answer = who.client.retrieve(&query);
    let cell = [
        who.name,
        "search by an identifier",
        "of shop and acme",
        "established",
    ];
    world.note(cell, told(&answer));
}

fn assignments(world: &mut World, who: &Who) {
    let waiting = world.pending();
    let answer = who.client.retrieve(&pending_of(waiting.id()));
    let cell = [
        who.name,
        "read an assignment",
        "of shop and acme",
        "pending",
    ];
    world.note(cell, told(&answer));
    let device = json!({"ics:idmap": {"did": format!("d-{}", fresh_uuid())}});
    let cells = [
        ("of shop and acme", "pending", pending_of(waiting.id())),
        ("none", "", pending_of(&fresh_uuid())),
    ];
    for (object, state, to) in cells {
        let answer = who.client.update(&to, &device);
        world.note(
            [who.name, "accept an assignment", object, state],
            told(&answer),
        );
    }
}

fn ends(world: &mut World, who: &Who) {
    let (row, _) = world.established();
    let (_, device) = world.established();
    let by = |members: Value| json!({"ics:dmp": members});
    let cells = [
        (
            ["de-map by transaction", "of shop and acme", "established"],
            by(json!({"svu": row.service, "uti": row.uti, "mcau": "USER_AUTHORIZATION_WITHDRAWN"})),
        ),
        (
            ["de-map by device", "of shop and acme", "established"],
            by(json!({"did": device, "mcau": "DEVICE_UNREGISTERED"})),
        ),
        (
            ["de-map by device", "none", ""],
            by(json!({"did": format!("d-{}", fresh_uuid()), "mcau": "DEVICE_UNREGISTERED"})),
        ),
    ];
    for ([operation, object, state], content) in cells {
        let answer = who.client.create(DMP, IDMAP, &content);
        world.note([who.name, operation, object, state], told(&answer));
    }
    let (row, _) = world.established();
    let waiting = world.pending();
    let cells = [
        ("of shop and acme", "established", row_of(row.id())),
        ("of shop and acme", "pending", row_of(waiting.id())),
        ("none", "", row_of(&fresh_uuid())),
    ];
    for (object, state, to) in cells {
        let answer = who.client.delete(&to);
        world.note([who.name, "delete a mapping", object, state], told(&answer));
    }
}

/// The CSE as a CSE.
fn tree(world: &mut World, who: &Who) {
    let watch = json!({"m2m:sub": {"nu": [who.client.name()], "nct": 1, "enc": {"net": [3]}}});
    for (object, to) in [("map", MAP), ("pnd", PND)] {
        let answer = who.client.create(to, 23, &watch);
        world.note([who.name, "subscribe", object, ""], told(&answer));
    }
    let cells = [
        ("the CSEBase", "/id-ics/ics"),
        ("the rows", MAP),
        ("the policies", "/id-ics/ics/acp-map"),
    ];
    for (object, to) in cells {
        let answer = who.client.retrieve(to);
        world.note([who.name, "retrieve", object, ""], told(&answer));
    }
    let ae = json!({"m2m:ae": {"api": "N.org.example.x", "rr": false, "srv": ["4"]}});
    let answer = who.client.create("/id-ics/ics", 2, &ae);
    world.note([who.name, "register an AE", "", ""], told(&answer));
}
