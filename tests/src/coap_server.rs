//! libcoap's own server, for what has to be known of its clients before a gateway is asked.

use std::process::{Child, Command, Stdio};

use crate::coap::{Coap, CoapClient, CoapCredential};
use crate::condition::eventually;
use crate::domain::free_ports;

/// A server of libcoap; its process ends with this. What is put to a path of it is there afterwards.
pub struct CoapServer {
    process: Child,
    plain: u16,
}

impl CoapServer {
    /// One with more options: what it believes and shows.
    pub fn start(options: &[&str]) -> Self {
        // DTLS is at the port after the other.
        let [plain, _] = free_ports();
        let process = Command::new("coap-server-openssl")
            .args(["-A", "127.0.0.1", "-d", "16", "-e", "-p"])
            .arg(plain.to_string())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("libcoap3-bin");
        let server = Self { process, plain };
        let knock = Coap::new(CoapClient::OpenSsl, &server.plain(), CoapCredential::Plain);
        eventually("libcoap's server", || {
            knock.get("/").patience(1).send().reply.is_some()
        });
        server
    }

    /// `host:port` without DTLS.
    pub fn plain(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// `host:port` with DTLS.
    pub fn secure(&self) -> String {
        format!("127.0.0.1:{}", self.plain + 1)
    }
}

impl Drop for CoapServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
