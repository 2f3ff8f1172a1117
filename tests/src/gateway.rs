//! The gateway's binary, and a sandbox of it as a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use crate::clock::MovableClock;
use crate::curl::{Answer, Curl};
use crate::device::{HostedDevice, MqttPlace};
use crate::domain::free_ports;
use crate::onem2m::{OneM2mClient, TokenKey};
use crate::party::{Inbox, Party};
use crate::process::{Process, go_on_traced, stopped_before};
use crate::strace::Strace;

/// The binary under test.
pub struct Gateway;

impl Gateway {
    /// Where it lies: `ICS_GATEWAY_BIN`, or beside the test's own binary.
    pub fn binary() -> PathBuf {
        if let Some(path) = std::env::var_os("ICS_GATEWAY_BIN") {
            return path.into();
        }
        let own = std::env::current_exe().expect("a test binary");
        let profile = own
            .parent()
            .and_then(Path::parent)
            .expect("target/<profile>/deps");
        let binary = profile.join("ics-gateway");
        assert!(
            binary.exists(),
            "build the gateway first: {} is missing",
            binary.display()
        );
        binary
    }

    /// Runs it to its end.
    pub fn run(args: &[&str]) -> Output {
        Command::new(Self::binary())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }
}

impl Gateway {
    /// Runs it to its end, or to that which strace has in store for it: attached before anything
    /// of the gateway has run.
    pub fn run_traced(args: &[String], attach: impl FnOnce(u32) -> Strace) -> Output {
        let child = stopped_before(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let strace = go_on_traced(child.id(), attach);
        let output = child.wait_with_output().expect("it ends");
        strace.wait();
        output
    }
}

/// A sandbox: gateway, four service providers, their receivers.
pub struct Sandbox {
    dir: PathBuf,
    // Kept for its Drop; `None` when the directory is the caller's.
    _own: Option<TempDir>,
    process: Process,
    /// The first of its ports, when it is new.
    base_port: u16,
    /// What its process finds in its environment besides the test's own.
    environment: Vec<(String, String)>,
    /// What it is told besides its directory and its ports.
    options: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Sandbox {
    /// A new one in a directory of its own, ready to serve.
    pub fn start() -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let dir = own.path().join("sandbox");
        Self::open(dir, Some(own), Vec::new(), &[])
    }

    /// A new one, joined to the oneM2M platform at that URL.
    pub fn start_joined(platform: &str) -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let dir = own.path().join("sandbox");
        Self::open(dir, Some(own), Vec::new(), &["--onem2m", platform])
    }

    /// A new one that is an AE at that platform, with a mailbox for each service provider.
    pub fn start_with_mailbox(platform: &str) -> Self {
        let own = TempDir::new().expect("a temporary directory");
        let dir = own.path().join("sandbox");
        let options = ["--onem2m", platform, "--onem2m-mailbox"];
        Self::open(dir, Some(own), Vec::new(), &options)
    }

    /// A new one whose wall clock can be moved while it runs.
    pub fn start_with_clock() -> (Self, MovableClock) {
        let own = TempDir::new().expect("a temporary directory");
        let dir = own.path().join("sandbox");
        let clock = MovableClock::new(own.path().join("clock"));
        let environment = clock.environment();
        (Self::open(dir, Some(own), environment, &[]), clock)
    }

    /// One in a directory of the caller's, made or continued.
    pub fn start_in(dir: &Path) -> Self {
        Self::open(dir.to_path_buf(), None, Vec::new(), &[])
    }

    fn open(
        dir: PathBuf,
        own: Option<TempDir>,
        environment: Vec<(String, String)>,
        options: &[&str],
    ) -> Self {
        let mut sandbox = Self {
            dir,
            _own: own,
            process: Process::default(),
            base_port: free_ports::<8>()[0],
            environment,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            env: BTreeMap::new(),
        };
        sandbox.spawn();
        sandbox.env = read_env(&sandbox.dir.join("sandbox.env"));
        sandbox
    }

    /// Starts the process and waits for its `ready` line.
    pub fn spawn(&self) {
        let base = self.base_port.to_string();
        let place = ["--dir".as_ref(), self.dir.as_os_str()];
        let args = ["sandbox".as_ref(), "--base-port".as_ref(), base.as_ref()];
        let options = self.options.iter().map(AsRef::as_ref);
        let args: Vec<&OsStr> = args.into_iter().chain(place).chain(options).collect();
        let environment = &self.environment;
        self.process
            .start_in(environment, &args, &self.dir, "ready ");
    }

    /// Ends it as an operator would (SIGTERM) and tells how it ended.
    pub fn stop(&self) -> ExitStatus {
        self.process.stop()
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A value of `sandbox.env`.
    pub fn env(&self, key: &str) -> &str {
        self.env
            .get(key)
            .unwrap_or_else(|| panic!("sandbox.env has no {key}"))
    }

    /// A path of `sandbox.env`.
    pub fn file(&self, key: &str) -> PathBuf {
        self.env(key).into()
    }

    /// Everything it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("stderr.log")).unwrap_or_default()
    }

    /// The first third party SP.
    pub fn shop(&self) -> Party {
        self.party("ICS_3P", "SERVICE")
    }

    /// The second third party SP.
    pub fn music(&self) -> Party {
        self.party("ICS_3P2", "SERVICE")
    }

    /// The first IoT SP.
    pub fn acme(&self) -> Party {
        self.party("ICS_IOT", "SERIAL_PREFIX")
    }

    /// The second IoT SP; it has no agreement with the second third party SP.
    pub fn bolt(&self) -> Party {
        self.party("ICS_IOT2", "SERIAL_PREFIX")
    }

    /// Its CSE, as the originator that may do everything.
    pub fn cse(&self) -> OneM2mClient {
        OneM2mClient::new(self.env("ICS_MCC_URL"), self.env("ICS_ONEM2M_ADMIN"))
    }

    /// The key that a party signs with over oneM2M; `prefix` as in `sandbox.env`.
    pub fn token_key(&self, prefix: &str) -> TokenKey {
        TokenKey::new(
            self.env(&format!("{prefix}_AE")),
            &self.file(&format!("{prefix}_TOK_KEY")),
        )
    }

    /// The first hosted device, of the first IoT SP: a smart lock.
    pub fn lock(&self) -> HostedDevice {
        self.device("ICS_DEV")
    }

    /// The second: a light.
    pub fn light(&self) -> HostedDevice {
        self.device("ICS_DEV2")
    }

    fn device(&self, prefix: &str) -> HostedDevice {
        let of = |what: &str| self.env(&format!("{prefix}_{what}")).to_owned();
        HostedDevice {
            id: of("ID"),
            serial: of("SERIAL"),
            certificate: of("CERT").into(),
            key: of("KEY").into(),
            place: MqttPlace {
                host: self.env("ICS_MQTT_HOST").to_owned(),
                port: self.env("ICS_MQTT_PORT").parse().expect("a port"),
                authority: self.file("ICS_CA"),
            },
        }
    }

    fn party(&self, prefix: &str, grant: &str) -> Party {
        let of = |what: &str| self.env(&format!("{prefix}_{what}")).to_owned();
        let id = of("ID");
        Party {
            certificate: of("CERT").into(),
            key: of("KEY").into(),
            grant: of(grant),
            root: self.env("ICS_T8_URL").into(),
            authority: self.file("ICS_CA"),
            callback: format!("{}/{id}", self.env("ICS_CALLBACK_URL")),
            inbox: Inbox {
                url: format!("{}/{id}", self.env("ICS_INBOX_URL")),
            },
            token: Mutex::new(None),
            id,
        }
    }

    /// Calls the operator API.
    pub fn operator(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> Answer {
        let url = format!("{}{path}", self.env("ICS_OPERATOR_URL"));
        let curl = Curl::new(method, &url)
            .root(&self.file("ICS_OPERATOR_CA"))
            .certificate(
                &self.file("ICS_OPERATOR_CERT"),
                &self.file("ICS_OPERATOR_KEY"),
            );
        match body {
            Some(body) => curl.json(body).send(),
            None => curl.send(),
        }
    }
}

/// Reads `KEY='value'` lines.
fn read_env(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).expect("sandbox.env");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}
