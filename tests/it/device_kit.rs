//! The device kit (`examples`): both devices hold every vector, over the wire too; a device that
//! does not is told so, by vector; what a third party seals reaches the device alone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ics_tests::device::HostedDevice;
use ics_tests::domain::free_ports;
use ics_tests::{Gateway, eventually, fresh_uuid, wait_for};
use serde_json::Value;

use crate::histories::caller::Caller;
use crate::histories::world::{SERVICE, World};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// A binary of the examples, beside the gateway's.
fn example(name: &str) -> PathBuf {
    let path = Gateway::binary().with_file_name(name);
    assert!(
        path.exists(),
        "build the examples first: {}",
        path.display()
    );
    path
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python")
}

/// A world with one device.
fn world_with_device() -> (World, HostedDevice) {
    let world = World::start();
    let hosted = world.host(
        &mut Caller::of(&world.acme),
        &format!("FR-{}", fresh_uuid()),
    );
    (world, hosted)
}

/// What a device of the kit finds in its environment.
fn environment(hosted: &HostedDevice, port: u16) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    vec![
        ("ICS_MQTT_HOST", "127.0.0.1".to_owned()),
        ("ICS_MQTT_PORT", port.to_string()),
        ("ICS_DEV_ID", hosted.id.clone()),
        ("ICS_DEV_CERT", text(&hosted.certificate)),
        ("ICS_DEV_KEY", text(&hosted.key)),
        ("ICS_CA", text(&hosted.place.authority)),
    ]
}

#[test]
fn the_python_device_holds_every_vector_as_a_state_machine() {
    let kit = examples().join("device");
    let output = Command::new("python3")
        .arg(kit.join("python/mapping_document.py"))
        .arg(kit.join("vectors.json"))
        .output()
        .expect("python3");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "19 vectors hold"
    );
}

/// A device that is started, and started again, by a script: its power switch.
struct Rig {
    world: World,
    hosted: HostedDevice,
    script: PathBuf,
    port: u16,
}

impl Rig {
    /// With `command` in a shell as the device; `$COPY` is the file it keeps its copy in.
    fn with(command: &str) -> Self {
        let (world, hosted) = world_with_device();
        let [port] = free_ports();
        let scratch = world.domain.scratch();
        let script = scratch.join("power-cycle.sh");
        let mut text = "#!/bin/sh\n".to_owned();
        for (name, value) in environment(&hosted, port) {
            text.push_str(&format!("export {name}='{value}'\n"));
        }
        let at = |name: &str| scratch.join(name).display().to_string();
        let (copy, pid, log) = (at("copy.json"), at("device.pid"), at("device.log"));
        text.push_str(&format!(
            "export COPY='{copy}'\n\
             if [ -e '{pid}' ]; then kill -s KILL \"$(cat '{pid}')\" 2>/dev/null; fi\n\
             [ \"$1\" = off ] && exit 0\n\
             setsid sh -c 'exec {command}' </dev/null >>'{log}' 2>&1 &\n\
             echo $! >'{pid}'\n"
        ));
        std::fs::write(&script, text).expect("written");
        Self {
            world,
            hosted,
            script,
            port,
        }
    }

    fn power(&self, how: &str) {
        let script = Command::new("sh").arg(&self.script).arg(how).status();
        assert!(script.expect("sh").success());
    }

    /// `ics-gateway device certify`, with the device running.
    fn certify(&self, more: &[&str]) -> Output {
        let configuration = self.world.domain.configuration();
        let listen = format!("127.0.0.1:{}", self.port);
        let copy = self.world.domain.scratch().join("copy.json");
        let (restart, held) = (
            format!("sh {} on", self.script.display()),
            format!("cat {}", copy.display()),
        );
        let mut words = vec!["device", "certify", &self.hosted.id, "--listen", &listen];
        words.extend(["--config", configuration.to_str().expect("UTF-8")]);
        words.extend(["--restart", &restart, "--held", &held, "--patience", "50"]);
        words.extend(more);
        self.power("on");
        Gateway::run(&words)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.power("off");
    }
}

#[track_caller]
fn all_hold(rig: &Rig) {
    let output = rig.certify(&["--json"]);
    let log = std::fs::read_to_string(rig.world.domain.scratch().join("device.log"));
    assert_eq!(output.status.code(), Some(0), "{output:?}\n{log:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["certified"], true);
    assert_eq!(report["heldLookedAt"], true);
    let vectors = report["vectors"].as_array().expect("a list");
    assert_eq!(vectors.len(), 15);
    assert!(vectors.iter().all(|vector| vector["result"] == "PASSED"));
}

#[test]
fn the_rust_device_is_certified() {
    let device = example("mqtt_device");
    all_hold(&Rig::with(&format!("{} \"$COPY\"", device.display())));
}

#[test]
fn the_python_device_is_certified() {
    let device = examples().join("device/python/ics_device.py");
    let command = format!("{} {} \"$COPY\"", python().display(), device.display());
    all_hold(&Rig::with(&command));
}

/// It takes whatever comes last for the newest, as the letter of Y.4462 would have it.
#[test]
fn a_device_that_takes_older_documents_is_not_certified_and_the_vectors_are_named() {
    let kit = examples().join("device/python");
    let (world, wrong) = (
        tempfile::tempdir().expect("a directory"),
        "mapping_document.py",
    );
    let source = std::fs::read_to_string(kit.join(wrong)).expect("the state machine");
    let rule = "document is None or document[\"v\"] < self.v";
    assert!(source.contains(rule) && source.contains("document[\"v\"] > self.v"));
    let source = source.replace(rule, "document is None");
    let source = source.replace("document[\"v\"] > self.v", "document[\"v\"] != self.v");
    std::fs::write(world.path().join(wrong), source).expect("written");
    for right in ["ics_device.py", "copy_file.py"] {
        std::fs::copy(kit.join(right), world.path().join(right)).expect("copied");
    }
    let device = world.path().join("ics_device.py");
    let command = format!("{} {} \"$COPY\"", python().display(), device.display());
    let rig = Rig::with(&command);
    let output = rig.certify(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line_of = |vector: &str| {
        let line = said.lines().find(|line| line.contains(vector));
        line.unwrap_or_else(|| panic!("{vector} in {said}"))
            .to_owned()
    };
    for vector in [
        "an_older_document_is_not_taken_and_not_acknowledged",
        "an_older_document_does_not_bring_a_revoked_pair_back",
        "a_restart_does_not_make_an_older_document_new",
        "versions_are_compared_as_numbers",
    ] {
        assert!(line_of(vector).starts_with("DOES NOT"), "{said}");
    }
    for vector in [
        "a_revoked_pair_is_forgotten",
        "a_duplicate_is_acknowledged_again",
    ] {
        assert!(line_of(vector).starts_with("holds"), "{said}");
    }
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("not certified: 4 vectors do not hold, 0 were skipped"),
        "{error}{said}"
    );
}

#[test]
fn a_device_that_never_comes_and_a_vector_that_is_none_are_told() {
    let (world, hosted) = world_with_device();
    let configuration = world.domain.configuration();
    let configuration = configuration.to_str().expect("UTF-8");
    let certify = |more: &[&str]| {
        let words = ["device", "certify", &hosted.id, "--config", configuration];
        let towards = ["--listen", "127.0.0.1:0", "--patience", "1"];
        Gateway::run(&[&words[..], &towards, more].concat())
    };
    let silent = certify(&[]);
    assert_eq!(silent.status.code(), Some(1), "{silent:?}");
    let error = String::from_utf8_lossy(&silent.stderr).into_owned();
    assert!(error.contains("did not connect and subscribe"), "{error}");
    let unknown = certify(&["--vector", "no_such_vector"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}

/// A device of the kit that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_third_party_seals_opens_on_the_device_and_is_plain_nowhere_else() {
    const CANARY: &str = "canary-4f1c9b72-the-door-code-is-2718";
    let (world, hosted) = world_with_device();
    let scratch = world.domain.scratch().to_path_buf();
    let at = |name: &str| scratch.join(name).to_str().expect("UTF-8").to_owned();
    let tool = |words: &[&str], input: &str| {
        use std::io::Write as _;
        let mut child = Command::new(example("end_to_end"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // The device's key comes to the third party past the gateway.
    let public = tool(&["key", &at("sealed.key")], "");
    let (service, uti) = (
        format!("{SERVICE}/door"),
        format!("urn:uuid:{}", fresh_uuid()),
    );
    let sealed = tool(&["seal", public.trim(), &service, &uti], CANARY);
    let sealed = sealed.trim();
    let shop = &world.shop.party;
    let mut request = shop.request(&service, &uti, &hosted.serial);
    request["e2e"] = sealed.into();
    let own = shop.post_mapping(&request).expect(201).json()["self"].clone();
    let own = own.as_str().expect("a link");

    let log = std::fs::File::create(at("device.log")).expect("a file");
    let device = Command::new(example("mqtt_device"))
        .args([&at("copy.json"), "--end-to-end", &at("sealed.key")])
        .envs(environment(&hosted, hosted.place.port))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn();
    let _device = Running(device.expect("it starts"));
    eventually("the mapping to be established", || {
        shop.get(own).expect(200).json()["mappingStatus"] == "ESTABLISHED"
    });
    let opened = wait_for("the device to open it", || {
        let said = std::fs::read_to_string(at("device.log")).expect("a log");
        let lines = said.lines().map(str::to_owned);
        lines.into_iter().find(|line| line.contains(" opened "))
    });
    // A UUID is told without `urn:uuid:`.
    let told = uti.trim_start_matches("urn:uuid:");
    assert!(
        opened.ends_with(&format!("{service} {told} opened {CANARY}")),
        "{opened}"
    );
    // Byte-exact: the very text of the request lies in the device's copy.
    let copy: Value =
        serde_json::from_slice(&std::fs::read(at("copy.json")).expect("a copy")).expect("JSON");
    assert_eq!(copy["m"][0]["e2e"], sealed);
    assert_eq!(copy["m"][0]["uti"], told);

    // Nobody between had it in plain: not in the store, its logs, nor in what was notified.
    world.domain.stop();
    let mut looked_at = 0;
    look(&world.domain.dir(), CANARY.as_bytes(), &mut looked_at);
    assert!(looked_at > 5, "{looked_at} files");
    assert!(!world.domain.log().contains(CANARY));
    for received in world.receiver.received() {
        assert!(!String::from_utf8_lossy(&received.bytes).contains(CANARY));
    }
    // Control: the search finds what is there.
    let device_log = std::fs::read(at("device.log")).expect("a log");
    assert!(has(&device_log, CANARY.as_bytes()));
}

/// Every file of a directory and what is in it, without the canary.
fn look(directory: &Path, canary: &[u8], looked_at: &mut usize) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            look(&path, canary, looked_at);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            assert!(!has(&bytes, canary), "{}", path.display());
            *looked_at += 1;
        }
    }
}

fn has(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}
