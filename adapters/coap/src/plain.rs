//! Bare UDP: what there is to ask for, and nothing else, for nobody can prove who it is. Nothing is
//! kept of anybody. An address that has not shown that it gets what is sent to it gets no more than
//! three times what it sent (RFC 9175 2.4): first a few bytes that it has to bring back.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use ics_core::port::Entropy;
use tokio::net::UdpSocket;

use crate::conversation::{LINKS, tell_problem};
use crate::message::{Answer, Code, Heading, Kind, Message, Method, Request, Unservable, reset};
use crate::resource::{DISCOVERY, is_discovery};

const LONGEST_DATAGRAM: usize = 1280;
const TAKEN_IN_A_ROW: usize = 64;
/// Bytes of what is to be brought back.
const ECHO: usize = 8;

/// Answers whoever asks, until `shutdown` is over.
pub(crate) async fn serve(
    socket: &UdpSocket,
    entropy: &dyn Entropy,
    mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> io::Result<()> {
    let mut answering = Answering::new(entropy);
    let mut datagram = vec![0; LONGEST_DATAGRAM];
    loop {
        tokio::select! {
            biased;
            () = shutdown.as_mut() => return Ok(()),
            readable = socket.readable() => readable?,
        }
        for _ in 0..TAKEN_IN_A_ROW {
            match socket.try_recv_from(&mut datagram) {
                Ok((length, from)) => {
                    let said = datagram.get(..length).unwrap_or_default();
                    if let Some(answer) = answering.answer(from, said) {
                        // It may be lost; who asked asks again.
                        let _ = socket.try_send_to(&answer, from);
                    }
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        tokio::task::consume_budget().await;
    }
}

/// What is answered. Without I/O.
pub(crate) struct Answering {
    key: Key,
    next_id: u16,
}

impl Answering {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        let [first, second, ..] = secret;
        Self {
            key: Key::new(HMAC_SHA256, &secret),
            next_id: u16::from_be_bytes([first, second]),
        }
    }

    pub(crate) fn answer(&mut self, from: SocketAddr, said: &[u8]) -> Option<Vec<u8>> {
        let (heading, answer, no_response) = match Message::read(said) {
            Message::Request(request) => {
                let answer = Self::consider(&request);
                let is_small =
                    self.write(&request.heading, &answer).len() <= said.len().saturating_mul(3);
                let answer = if is_small || self.is_proven(from, &request) {
                    answer
                } else {
                    self.challenge(from)
                };
                (request.heading, answer, request.no_response)
            }
            Message::Refused(heading, Unservable::BadOption) => {
                (heading, Answer::of(Code::BAD_OPTION), 0)
            }
            Message::Refused(heading, Unservable::Proxying) => {
                (heading, Answer::of(Code::NO_PROXY), 0)
            }
            Message::Ping(id) | Message::Rejected(id) => return Some(reset(id).to_vec()),
            Message::Acknowledged(_) | Message::Reset(_) | Message::Ignored => return None,
        };
        if answer.code.is_unwanted(no_response) {
            return None;
        }
        let message = self.write(&heading, &answer);
        // Not even a challenge goes to who sent too little for it.
        (message.len() <= said.len().saturating_mul(3) || answer.code == Code::CONTENT)
            .then_some(message)
    }

    fn consider(request: &Request) -> Answer {
        if !is_discovery(&request.path) {
            return tell_problem(Code::UNAUTHORIZED, "use_coaps", false);
        }
        if request.method != Method::Get {
            return Answer::of(Code::METHOD_NOT_ALLOWED);
        }
        if request.accept.is_some_and(|format| format != LINKS) {
            return Answer::of(Code::NOT_ACCEPTABLE);
        }
        Answer {
            content_format: Some(LINKS),
            payload: DISCOVERY.into(),
            ..Answer::of(Code::CONTENT)
        }
    }

    /// RFC 9175 2.3: 4.01 with what is to be brought back.
    fn challenge(&self, from: SocketAddr) -> Answer {
        let echo = sign(&self.key, &named(from));
        Answer {
            echo: Some(echo.as_ref().iter().take(ECHO).copied().collect()),
            ..Answer::of(Code::UNAUTHORIZED)
        }
    }

    fn is_proven(&self, from: SocketAddr, request: &Request) -> bool {
        let echo = sign(&self.key, &named(from));
        let expected = echo.as_ref().get(..ECHO);
        let brought = request.echo.as_deref();
        brought.zip(expected).is_some_and(|(brought, expected)| {
            aws_lc_rs::constant_time::verify_slices_are_equal(brought, expected).is_ok()
        })
    }

    fn write(&mut self, heading: &Heading, answer: &Answer) -> Vec<u8> {
        if heading.is_confirmable {
            return answer.write(Kind::Acknowledgement, heading.id, &heading.token);
        }
        self.next_id = self.next_id.wrapping_add(1);
        answer.write(Kind::NonConfirmable, self.next_id, &heading.token)
    }
}

/// The bytes of an address.
fn named(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(address.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests;
