//! The yardstick of device inquiries: mosquitto, and a client behind it that answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BenchError;
use super::cores::Cores;
use super::device_line::{DeviceLine, FleetDevice};
use crate::sandbox::BenchDomain;

/// Where Debian has it, which is in no user's path.
const PROGRAMS: [&str; 2] = ["mosquitto", "/usr/sbin/mosquitto"];
/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);

/// A broker that does not outlive the bench.
pub(super) struct Broker {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Broker {
    /// Starts it on a free port, with the certificates of the domain's MQTT listener.
    ///
    /// # Errors
    /// [`BenchError::NoBroker`] where it is not installed.
    pub(super) async fn start(
        domain: &BenchDomain,
        cores: Option<Cores>,
    ) -> Result<Self, BenchError> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = domain.file("mosquitto.conf");
        std::fs::write(&file, configuration(domain, free.port()))?;
        let child = PROGRAMS.iter().find_map(|program| spawn(program, &file));
        let mut broker = Self {
            child: child.ok_or(BenchError::NoBroker)?,
            address: free,
        };
        if let Some(cores) = cores {
            cores.keep_server(broker.pid())?;
        }
        let began = Instant::now();
        while TcpStream::connect(broker.address).is_err() {
            if broker.child.try_wait()?.is_some() || began.elapsed() > START {
                return Err(BenchError::NoServer("mosquitto"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(broker)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Answers every inquiry with these bytes, from now on, as a client of the broker.
    ///
    /// # Errors
    /// [`BenchError`]; one that comes later ends the answers, and whoever asks is not answered in time.
    pub(super) async fn answer_with(
        &self,
        device: &FleetDevice,
        answer: Vec<u8>,
    ) -> Result<(), BenchError> {
        let mut line = DeviceLine::connect(self.address, device).await?;
        line.subscribe("ics/v1/d/+/inq/+").await?;
        tokio::spawn(async move {
            loop {
                let asked = line.hear().await?;
                line.put(&format!("{}/accepted", asked.topic), &answer)
                    .await?;
            }
            #[expect(unreachable_code, reason = "the type of the errors above")]
            Ok::<(), BenchError>(())
        });
        Ok(())
    }
}

fn spawn(program: &str, file: &Path) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("-c").arg(file);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    quiet.stderr(Stdio::null()).spawn().ok()
}

/// As it does best: nothing is logged or kept, no message waits for a window, none for Nagle.
fn configuration(domain: &BenchDomain, port: u16) -> String {
    let at = |name: &str| domain.file(name).display().to_string();
    format!(
        "listener {port} 127.0.0.1\n\
         cafile {}\ncertfile {}\nkeyfile {}\n\
         require_certificate true\nallow_anonymous true\n\
         set_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\n\
         persistence false\nlog_type none\nuser root\n",
        at("authority/device-ca.pem"),
        at("mqtt/server.pem"),
        at("mqtt/server.key"),
    )
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
