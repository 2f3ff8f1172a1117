//! The yardstick and the hop: ACME CSE, an IN-CSE of its own on loopback.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::line::{Ask, Line};
use super::stand::Party;
use crate::bench::BenchError;
use crate::bench::cores::Cores;

/// The AE whose instance is read.
pub(super) const READER: &str = "Creader";
const BASE: &str = "cse-in";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// A platform that does not outlive the bench.
pub(super) struct Platform {
    child: Child,
    address: SocketAddr,
}

impl Platform {
    /// Starts one in that directory; when this returns, it may be asked.
    ///
    /// # Errors
    /// [`BenchError::NoPlatform`] where it is not installed.
    pub(super) async fn start(
        (directory, program): (&Path, &Path),
        cores: Option<Cores>,
    ) -> Result<Self, BenchError> {
        std::fs::create_dir(directory)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = configuration(address.port());
        std::fs::write(directory.join("acme.ini"), configuration)?;
        // One that is named by a path lies there from here, not from its own directory.
        let program = match program.components().count() {
            1 => program.to_owned(),
            _ => std::path::absolute(program)?,
        };
        let spawned = Command::new(program)
            .arg("-dir")
            .arg(directory)
            .arg("--headless")
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = spawned.map_err(|error| match error.kind() {
            ErrorKind::NotFound => BenchError::NoPlatform,
            _ => error.into(),
        })?;
        let platform = Self { child, address };
        if let Some(cores) = cores {
            cores.keep_server(platform.child.id())?;
        }
        platform.stand(&directory.join("logs")).await?;
        Ok(platform)
    }

    /// It dies of a request that comes before its log says that it is up.
    async fn stand(&self, logs: &Path) -> Result<(), BenchError> {
        let begun = Instant::now();
        while !said(logs)?.contains("CSE started") {
            if begun.elapsed() > START {
                return Err(BenchError::NoServer("acmecse"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody who comes to it as that originator.
    pub(super) fn line(&self, from: &str) -> Line {
        Line::new(self.address, from, self.child.id())
    }

    /// Makes a container with one instance; its address.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn keep_instance(&self) -> Result<String, BenchError> {
        let reader = self.line(READER);
        let ae = json!({"m2m:ae": {"rn": "reader", "api": "N.bench", "rr": false, "srv": ["4"]}});
        reader.ask(&Ask::create_of(BASE, 2, ae)).await?;
        let own = format!("{BASE}/reader");
        let container = json!({"m2m:cnt": {"rn": "kept"}});
        reader.ask(&Ask::create_of(&own, 3, container)).await?;
        let address = format!("{own}/kept");
        let instance =
            json!({"m2m:cin": {"con": "an instance about as long as an inquiry's answer"}});
        reader.ask(&Ask::create_of(&address, 4, instance)).await?;
        Ok(address)
    }

    /// Registers the AE of a party.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn register(&self, party: Party) -> Result<Party, BenchError> {
        let ae = json!({"m2m:ae": {"rn": party.stem, "api": "N.bench", "rr": false, "srv": ["4"]}});
        let line = self.line(&party.stem);
        line.ask(&Ask::create_of(BASE, 2, ae)).await?;
        Ok(party)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What its logs hold by now.
fn said(logs: &Path) -> Result<String, BenchError> {
    let files = match std::fs::read_dir(logs) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        files => files?,
    };
    let mut all = String::new();
    for file in files {
        let path: PathBuf = file?.path();
        all.push_str(&std::fs::read_to_string(path).unwrap_or_default());
    }
    Ok(all)
}

fn configuration(port: u16) -> String {
    format!(
        "[basic.config]\ncseType=IN\ncseID=id-in\ncseName={BASE}\nadminID=CAdmin\n\
         serviceProviderID=//acme.example.com\nnetworkInterface=127.0.0.1\ncseHost=127.0.0.1\n\
         httpPort={port}\ndatabaseType=memory\nlogLevel=info\n\
         [cse.registration]\nallowedCSROriginators=/id-ics\n\
         [websocket]\nenable=false\n[logging]\nenableFileLogging=true\n"
    )
}
