//! The yardstick: libcoap's own server, with a resource as long as what the gateway answers.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use coap_lite::{RequestType, ResponseType};
use zeroize::Zeroizing;

use super::line::{CoapLine, Question};
use crate::bench::BenchError;
use crate::bench::stage::Stage;
use crate::coap_client::PreSharedKey;

/// As Debian and Ubuntu call it, and as it is called where it was built.
const PLAIN: [&str; 3] = ["coap-server-notls", "coap-server-openssl", "coap-server"];
/// With OpenSSL, the fastest of its libraries.
const SECURED: [&str; 2] = ["coap-server-openssl", "coap-server"];
/// Everybody's.
const KEY: &str = "0123456789abcdef";

/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);

/// A server that does not outlive the bench.
pub(super) struct Libcoap {
    child: Child,
    /// Where it listens without DTLS; with it, at the next port.
    address: SocketAddr,
}

impl Libcoap {
    /// Starts one without DTLS.
    ///
    /// # Errors
    /// [`BenchError::NoLibcoap`] where it is not installed.
    pub(super) fn start_plain(stage: &Stage) -> Result<Self, BenchError> {
        Self::start(stage, stage.domain.spare_coap_address(0), (&PLAIN, &[]))
    }

    /// Starts one with DTLS and the key of [`psk`]; each that runs at a time has a `place`.
    ///
    /// # Errors
    /// [`BenchError::NoLibcoap`] where it is not installed.
    pub(super) fn start_secured(stage: &Stage, place: u8) -> Result<Self, BenchError> {
        let with_key = ["-k", KEY, "-h", "bench"];
        let address = stage.domain.spare_coap_address(place);
        Self::start(stage, address, (&SECURED, &with_key))
    }

    fn start(
        stage: &Stage,
        address: SocketAddr,
        (programs, more): (&[&str], &[&str]),
    ) -> Result<Self, BenchError> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        // One resource may be made; nothing is logged.
        let always = ["-A", &host, "-p", &port, "-d", "1", "-v", "0"];
        let spawned = programs.iter().find_map(|program| {
            let mut command = Command::new(program);
            let command = command.args(always).args(more);
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
            quiet.stderr(Stdio::null()).spawn().ok()
        });
        let child = spawned.ok_or(BenchError::NoLibcoap)?;
        let server = Self { child, address };
        if let Some(cores) = stage.cores {
            cores.keep_server(server.pid())?;
        }
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) const fn plain_address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn secured_address(&self) -> SocketAddr {
        let mut address = self.address;
        address.set_port(address.port().saturating_add(1));
        address
    }

    /// Has it hold so many bytes at `path`. When it answers it is there.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn hold(
        &self,
        path: &'static [&'static str],
        bytes: usize,
    ) -> Result<(), BenchError> {
        let put = Question {
            method: RequestType::Put,
            path,
            payload: vec![b'x'; bytes],
            answer: ResponseType::Created,
        };
        let mut line = CoapLine::plain(self.address).await?;
        let began = Instant::now();
        loop {
            match line.ask(&put).await {
                // Nobody listens there yet.
                Err(BenchError::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {}
                put => return put.map(drop),
            }
            if began.elapsed() > START {
                return Err(BenchError::NoServer("coap-server"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Libcoap {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key that every libcoap here believes.
pub(super) fn psk() -> PreSharedKey {
    PreSharedKey {
        identity: "bench".to_owned(),
        key: Zeroizing::new(KEY.as_bytes().to_vec()),
    }
}
