//! One connection to the gateway, kept open from request to request: what curl, a process for
//! each call, cannot show and is too slow for.

use std::io::{self, BufReader, ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::curl::Answer;
use crate::gateway::Sandbox;
use crate::message::Message;
use crate::party::Party;
use crate::tls;

/// Where connections go, and with which certificate.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<ClientConfig>,
    authority: String,
}

/// An open connection.
pub struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    authority: String,
}

impl Dialer {
    /// Connections of `party`.
    pub fn of(party: &Party) -> Self {
        let tls = tls::client(&party.authority, &party.certificate, &party.key);
        Self::to(&party.root, tls)
    }

    /// Connections of the operator to its listener.
    pub fn of_operator(sandbox: &Sandbox) -> Self {
        let tls = tls::client(
            &sandbox.file("ICS_OPERATOR_CA"),
            &sandbox.file("ICS_OPERATOR_CERT"),
            &sandbox.file("ICS_OPERATOR_KEY"),
        );
        Self::to(sandbox.env("ICS_OPERATOR_URL"), tls)
    }

    fn to(root: &str, tls: Arc<ClientConfig>) -> Self {
        let authority = root.strip_prefix("https://").expect("https").to_owned();
        Self { tls, authority }
    }

    /// Opens one: TCP, then the first bytes of TLS with the first request, for which the gateway
    /// does not wait longer than its `handshake_timeout`.
    ///
    /// # Errors
    /// [`io::Error`] of the socket.
    pub fn dial(&self) -> io::Result<Connection> {
        let socket = TcpStream::connect(&self.authority)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let stream = BufReader::new(StreamOwned::new(self.begin_tls()?, socket));
        Ok(Connection {
            stream,
            authority: self.authority.clone(),
        })
    }
}

impl Dialer {
    /// Says the first bytes of a handshake, and no more.
    ///
    /// # Errors
    /// [`io::Error`] of `to`.
    pub fn say_hello(&self, to: &mut impl io::Write) -> io::Result<()> {
        let mut tls = self.begin_tls()?;
        while tls.wants_write() {
            tls.write_tls(to)?;
        }
        Ok(())
    }

    fn begin_tls(&self) -> io::Result<ClientConnection> {
        let host = self
            .authority
            .rsplit_once(':')
            .map_or(&*self.authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).expect("a host");
        ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)
    }
}

impl Connection {
    /// Sends a request and reads its answer; the connection stays open if the gateway lets it.
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended before an answer was whole.
    pub fn call(
        &mut self,
        request: (&str, &str),
        token: &str,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        self.send(request, token, body)?;
        self.receive()
    }

    /// Sends a request, without waiting for anything.
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended.
    pub fn send(
        &mut self,
        (method, path): (&str, &str),
        token: &str,
        body: Option<&Value>,
    ) -> io::Result<()> {
        let body = body.map(Value::to_string);
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n",
            self.authority
        );
        if let Some(body) = &body {
            request.push_str("Content-Type: application/json\r\n");
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.as_deref().unwrap_or_default());
        self.write(&request)
    }

    /// Sends this, whatever it is.
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes())?;
        stream.flush()
    }

    /// Sends the head of a `POST` and the first half of its body, as a slow sender; gives back the
    /// rest, for [`Connection::finish`].
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended.
    pub fn begin_post(&mut self, path: &str, token: &str, body: &Value) -> io::Result<String> {
        let body = body.to_string();
        let (first, rest) = body.split_at(body.len() / 2);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
            self.authority,
            body.len()
        );
        self.write(&head)?;
        Ok(rest.to_owned())
    }

    /// Sends the rest of a body and reads the answer.
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended before the answer was whole.
    pub fn finish(&mut self, rest: &str) -> io::Result<Answer> {
        self.write(rest)?;
        self.receive()
    }

    /// Reads the next answer.
    ///
    /// # Errors
    /// [`io::Error`] when the connection ended before it was whole.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let answer = Message::read(&mut self.stream, has_body)?;
        let answer = answer.ok_or(ErrorKind::UnexpectedEof)?;
        let status = answer
            .start
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        Ok(Answer {
            status: status.ok_or(ErrorKind::InvalidData)?,
            headers: answer.headers,
            body: String::from_utf8(answer.body).map_err(io::Error::other)?,
            exit: 0,
            error: String::new(),
        })
    }

    /// Whether the gateway has ended it: waits for the end, or for anything else to come.
    pub fn is_ended(&mut self) -> bool {
        use std::io::BufRead as _;
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// RFC 9112 6.3: no body after 1xx, 204, 304.
fn has_body(start: &str) -> bool {
    !matches!(start.split(' ').nth(1), Some("204" | "304"))
}
