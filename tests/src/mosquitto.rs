//! The clients of Eclipse Mosquitto, each run to its end: what a firmware developer has on a desk.

use std::io::Read as _;
use std::process::{Child, Command, Output, Stdio};

use crate::condition::wait_for;
use crate::device::{HostedDevice, Version};

/// One of the clients, being put together.
pub struct Mosquitto(Command);

impl Mosquitto {
    /// `mosquitto_sub`, `mosquitto_pub` or `mosquitto_rr` as this device, at QoS 1.
    pub fn new(program: &str, device: &HostedDevice, version: Version) -> Self {
        let mut command = Command::new(program);
        let place = &device.place;
        command
            .args(["-h", &place.host, "-p", &place.port.to_string()])
            .arg("--cafile")
            .arg(&place.authority)
            .arg("--cert")
            .arg(&device.certificate)
            .arg("--key")
            .arg(&device.key)
            .args(["-q", "1", "-V"])
            .arg(match version {
                Version::V3 => "311",
                Version::V5 => "5",
            });
        Self(command)
    }

    /// More of its options.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.0.args(options);
        self
    }

    /// Runs it to its end; one that comes too soon after others of its device comes again.
    pub fn run(mut self) -> Output {
        self.0.stdin(Stdio::null());
        wait_for("a connection within the rate", || {
            let output = self.0.output().expect("mosquitto-clients");
            let is_too_soon = output
                .status
                .code()
                .is_some_and(|code| TOO_SOON.contains(&code));
            (!is_too_soon).then_some(output)
        })
    }

    /// Starts it.
    #[must_use]
    pub fn spawn(mut self) -> RunningMosquitto {
        self.0.stdin(Stdio::null()).stdout(Stdio::piped());
        RunningMosquitto(self.0.spawn().expect("mosquitto-clients"))
    }

    /// Runs it to its end, which must be good; answers what it printed.
    #[track_caller]
    pub fn expect(self) -> String {
        let output = self.run();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// One of the clients at work; it ends with this.
pub struct RunningMosquitto(Child);

impl RunningMosquitto {
    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }

    /// Waits for its end; answers what it printed.
    pub fn output(mut self) -> String {
        let mut printed = String::new();
        let mut output = self.0.stdout.take().expect("a pipe");
        output.read_to_string(&mut printed).expect("UTF-8");
        self.0.wait().expect("it ends");
        printed
    }
}

impl Drop for RunningMosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The exit status of a client that was told so by CONNACK: 0x9F in MQTT 5, 3 in 3.1.1.
const TOO_SOON: [i32; 2] = [0x9f, 3];
