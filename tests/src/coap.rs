//! The clients of libcoap, over OpenSSL and over GnuTLS: what a firmware developer has on a desk.
//!
//! `coap-client` ends with 0 even when it is refused, so what it received is read from what it tells
//! at verbosity 7: a line for each message (`v:1 t:ACK c:2.05 i:997b {01} [ ETag:0x02 ] :: 'text'`).

mod message;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::condition::wait_for;
pub use message::CoapReply;

/// The TLS library that libcoap was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoapClient {
    /// `coap-client-openssl`.
    OpenSsl,
    /// `coap-client-gnutls`.
    GnuTls,
}

impl CoapClient {
    fn program(self) -> &'static str {
        match self {
            Self::OpenSsl => "coap-client-openssl",
            Self::GnuTls => "coap-client-gnutls",
        }
    }
}

/// What a device shows in the handshake.
#[derive(Clone, Debug)]
pub enum CoapCredential {
    /// Nothing, without DTLS.
    Plain,
    /// A pre-shared key and its identity.
    Key {
        /// The identity.
        identity: String,
        /// Its bits: none of them all zero, for they go through a command line.
        key: Vec<u8>,
    },
    /// A certificate.
    Certificate {
        /// PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
        /// Whose server certificates are believed, PEM.
        authority: PathBuf,
    },
}

/// A device of libcoap's: a session for each request.
#[derive(Clone, Debug)]
pub struct Coap {
    client: CoapClient,
    /// `host:port`.
    address: String,
    credential: CoapCredential,
}

impl Coap {
    /// One that talks to `host:port`.
    pub fn new(client: CoapClient, address: &str, credential: CoapCredential) -> Self {
        Self {
            client,
            address: address.to_owned(),
            credential,
        }
    }

    /// Asks for what is at `path`.
    pub fn get(&self, path: &str) -> CoapRequest {
        self.request("get", path)
    }

    /// Sends JSON to `path`.
    pub fn post(&self, path: &str, payload: &str) -> CoapRequest {
        self.request("post", path).payload(50, payload.as_bytes())
    }

    /// Asks at `path`, with JSON (RFC 8132 2).
    pub fn fetch(&self, path: &str, payload: &str) -> CoapRequest {
        self.request("fetch", path).payload(50, payload.as_bytes())
    }

    /// Any request.
    pub fn request(&self, method: &str, path: &str) -> CoapRequest {
        let own = TempDir::new().expect("a temporary directory");
        let mut options: Vec<OsString> = ["-v", "7", "-m", method].map(Into::into).into();
        options.push("-o".into());
        options.push(own.path().join("out").into());
        let scheme = match &self.credential {
            CoapCredential::Plain => "coap",
            CoapCredential::Key { identity, key } => {
                assert!(!key.contains(&0), "no command line carries such a key");
                options.extend(["-u", identity, "-k"].map(Into::into));
                options.push(OsStr::from_bytes(key).to_owned());
                "coaps"
            }
            CoapCredential::Certificate {
                certificate,
                key,
                authority,
            } => {
                for (option, file) in [("-c", certificate), ("-j", key), ("-R", authority)] {
                    options.extend([option.into(), file.into()]);
                }
                "coaps"
            }
        };
        CoapRequest {
            program: self.client.program(),
            uri: format!("{scheme}://{}{path}", self.address),
            options,
            patience: 60,
            own,
        }
    }
}

/// A request being put together.
#[derive(Debug)]
pub struct CoapRequest {
    program: &'static str,
    uri: String,
    options: Vec<OsString>,
    patience: u32,
    own: TempDir,
}

impl CoapRequest {
    /// More of the client's options.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(Into::into));
        self
    }

    /// Carries this, in the content format of that number.
    #[must_use]
    pub fn payload(self, format: u16, payload: &[u8]) -> Self {
        let file = self.own.path().join("in");
        std::fs::write(&file, payload).expect("a writable directory");
        let file = file.to_str().expect("UTF-8").to_owned();
        self.with(&["-t", &format.to_string(), "-f", &file])
    }

    /// Wants the answer in the content format of that number.
    #[must_use]
    pub fn accept(self, format: u16) -> Self {
        self.with(&["-A", &format.to_string()])
    }

    /// Carries an option of that number.
    #[must_use]
    pub fn option(self, number: u16, value: &[u8]) -> Self {
        let value = crate::device::hex(value);
        self.with(&["-O", &format!("{number},0x{value}")])
    }

    /// Has that representation already (RFC 7252 5.10.6.2).
    #[must_use]
    pub fn etag(self, tag: &[u8]) -> Self {
        self.option(4, tag)
    }

    /// Wants parts of this many bytes (RFC 7959).
    #[must_use]
    pub fn block(self, size: u32) -> Self {
        self.with(&["-b", &size.to_string()])
    }

    /// Waits so many seconds for an answer, instead of a minute.
    #[must_use]
    pub fn patience(mut self, seconds: u32) -> Self {
        self.patience = seconds;
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(&self.options)
            .args(["-B", &self.patience.to_string(), &self.uri])
            .stdin(Stdio::null());
        command
    }

    /// Sends it and waits for what becomes of it.
    pub fn send(self) -> CoapOutcome {
        let output = self.command().output().expect("libcoap3-bin");
        // The command line is not told: it has a key in it.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut reply = message::read_replies(&said).pop();
        // Of an answer in parts, the last alone is in that line; a refusal is never in the file.
        if let Some(reply) = reply.as_mut().filter(|reply| reply.code.starts_with("2."))
            && let Ok(whole) = std::fs::read(self.own.path().join("out"))
        {
            reply.payload = whole;
        }
        CoapOutcome { reply, said }
    }

    /// Sends it; it must be answered with this code.
    #[track_caller]
    pub fn expect(self, code: &str) -> CoapReply {
        let outcome = self.send();
        match outcome.reply {
            Some(reply) if reply.code == code => reply,
            _ => panic!("not {code}: {}", outcome.said),
        }
    }

    /// Observes it (RFC 7641) until this is dropped.
    #[must_use]
    pub fn observe(self) -> CoapObservation {
        let mut command = self.with(&["-s", "3600"]);
        command.patience = 3600;
        let mut process = command
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("libcoap3-bin");
        let output = process.stdout.take().expect("a pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let hearing = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut said = hearing.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        CoapObservation {
            process,
            said,
            listener: Some(listener),
            _own: command.own,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub struct CoapOutcome {
    /// The answer, if one came.
    pub reply: Option<CoapReply>,
    /// Everything the client told.
    pub said: String,
}

impl CoapOutcome {
    /// Whether its handshake came to a good end.
    pub fn is_met(&self) -> bool {
        self.said.contains("DTLS: session connected")
    }
}

/// A client that observes; its process ends with this.
pub struct CoapObservation {
    process: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
    _own: TempDir,
}

impl CoapObservation {
    /// What came, in its order; of what came in parts, each part.
    pub fn replies(&self) -> Vec<CoapReply> {
        message::read_replies(&self.said.lock().unwrap())
    }

    /// Waits for one that fits.
    #[track_caller]
    pub fn wait(&self, what: &str, fits: impl Fn(&CoapReply) -> bool) -> CoapReply {
        wait_for(what, || {
            self.replies().into_iter().find(|reply| fits(reply))
        })
    }

    /// Whether the client gave up by itself.
    pub fn is_over(&mut self) -> bool {
        self.process.try_wait().expect("a child").is_some()
    }
}

impl Drop for CoapObservation {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

#[cfg(test)]
mod tests;
