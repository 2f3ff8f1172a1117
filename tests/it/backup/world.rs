//! A domain whose store is backed up and restored, and what a verb said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ics_tests::{Domain, Gateway, Mapping, Party, fresh_device, fresh_uuid, wait_for};
use serde_json::json;

use crate::bulk::fill_like;
use crate::engine::Engine;

const SERVICE: &str = "https://shop.example/services/eggs";
/// Rows of a store over which a verb takes long enough to be killed half way.
const MANY: usize = 40_000;

/// A domain with two parties that agreed; nobody is reached by notifications.
pub(super) struct World {
    engine: Engine,
    pub(super) domain: Domain,
    pub(super) shop: Party,
    acme: Party,
}

impl World {
    pub(super) fn start(engine: Engine) -> Self {
        let domain = Domain::start(|text| engine.configure(&text));
        let limits = json!({ "requestsPerSecond": 1_000_000, "failedMappingsPerDay": 1_000_000 });
        let mut shop = domain.onboard(&json!({
            "id": "shop", "roles": ["THIRD_PARTY_SP"], "services": ["https://shop.example/services"],
            "callbackOrigins": ["https://127.0.0.1:9"], "limits": limits,
        }));
        shop.callback = "https://127.0.0.1:9/shop".into();
        let mut acme = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
            "callbackOrigins": ["https://127.0.0.1:9"], "limits": limits,
        }));
        acme.grant = "ACME-".into();
        domain.agree(&acme, &shop);
        let subscription = json!({ "notificationDestination": "https://127.0.0.1:9/acme" });
        let path = acme.path("ics-device-mapping", "subscriptions");
        acme.post(&path, &subscription).expect(201);
        Self {
            engine,
            domain,
            shop,
            acme,
        }
    }

    fn request(&self) -> Mapping {
        let (uti, serial) = (fresh_uuid(), self.acme.fresh_serial());
        self.shop.ask_for(&self.acme, SERVICE, &uti, &serial)
    }

    pub(super) fn establish(&self, device: &str) -> Mapping {
        let mapping = self.request();
        self.acme.accept(&mapping, device).expect(200);
        mapping
    }

    /// One row of every state, and notifications that wait.
    pub(super) fn populate(&self) -> (Mapping, String) {
        let device = fresh_device();
        let kept = self.establish(&device);
        self.request();
        let ended = self.establish(&fresh_device());
        let selector = json!({ "mapping": ended.own });
        self.shop.demap("UTI_INVALID", &selector).expect(200);
        let rejected = self.request();
        self.acme.reject(&rejected, "NOT_MINE").expect(200);
        (kept, device)
    }

    /// Stops, and adds established rows like that one behind the gateway's back.
    pub(super) fn stop_with_many(&self, like: &Mapping) {
        assert!(self.domain.stop().success());
        fill_like(self.open().store(), like.id(), MANY);
    }

    /// Spoils the newest row of the store, with the gateway stopped.
    pub(super) fn spoil_newest_row(&self) {
        self.engine.spoil_newest_row(&self.domain.file("store"));
    }

    fn open(&self) -> Box<dyn ics_store::contract::Contender> {
        self.engine.open(&self.domain.file("store"))
    }

    pub(super) fn restart(&self) {
        self.domain.serve();
        self.shop.forget_token();
        self.acme.forget_token();
    }

    /// Makes the configuration name another engine and directory. Of several directories in it,
    /// the store's is the one whose name says so: what is named here should, too.
    pub(super) fn point_to(&self, engine: Engine, directory: &Path) {
        let file = self.domain.configuration();
        let text = fs::read_to_string(&file).expect("a file");
        let lines = text.lines().map(|line| {
            let is = |key: &str| line.trim_start_matches('#').starts_with(key);
            if is("engine = ") {
                format!("engine = \"{}\"", engine.name())
            } else if is("directory = ") && line.contains("store") {
                format!("directory = \"{}\"", directory.display())
            } else {
                line.to_owned()
            }
        });
        let text: Vec<String> = lines.collect();
        fs::write(&file, text.join("\n")).expect("a writable file");
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.domain.scratch().join(name)
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(Gateway::binary());
        command
            .args(args)
            .arg("--config")
            .arg(self.domain.configuration());
        command.stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    /// Starts a verb, waits until `holds`, and kills it.
    pub(super) fn kill_when(&self, args: &[&str], what: &str, mut holds: impl FnMut() -> bool) {
        let complaints = self.file("complaints");
        let mut child = self
            .command(args)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&complaints).expect("a writable directory"))
            .spawn()
            .expect("it starts");
        wait_for(what, || {
            if let Some(status) = child.try_wait().expect("a child") {
                let complaints = fs::read_to_string(&complaints).unwrap_or_default();
                panic!("{args:?} ended first ({status}): more rows? {complaints}");
            }
            holds().then_some(())
        });
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }

    pub(super) fn digest(&self) -> String {
        fact(&done(&self.run(&["store", "check"])), "digest")
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What a verb said that ended well.
#[track_caller]
pub(super) fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a verb, or the gateway, complained of.
#[track_caller]
pub(super) fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The value of a line `name  value`.
#[track_caller]
pub(super) fn fact(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    let value = line.filter(|rest| rest.starts_with(' '));
    value
        .unwrap_or_else(|| panic!("no {name}: {said}"))
        .trim()
        .to_owned()
}

pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// What a process has used of the processors, in ticks; nothing when it is no more.
pub(super) fn processor_time(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
