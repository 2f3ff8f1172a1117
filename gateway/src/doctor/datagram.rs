//! The UDP port of the CoAP listener: whether it can be had, or something speaks DTLS there.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::Finding;
use super::network::dialable;

/// How often it is asked, and how long an answer is waited for: a datagram may be lost.
const ATTEMPTS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(1);

/// The first message of a DTLS 1.2 handshake (RFC 6347 4.2.2): what answers is a server of DTLS, and
/// keeps nothing of it.
const CLIENT_HELLO: [u8; 67] = {
    let mut hello = [0; 67];
    let record = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54];
    let message = [1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 254, 253];
    // After 32 bytes of what should be chance, an empty session and cookie: one suite
    // (TLS_PSK_WITH_AES_128_CCM_8), no compression.
    let rest = [0, 0, 0, 2, 0xc0, 0xa8, 1, 0];
    let (head, _) = hello.split_at_mut(13);
    head.copy_from_slice(&record);
    let (_, body) = hello.split_at_mut(13);
    let (begin, _) = body.split_at_mut(14);
    begin.copy_from_slice(&message);
    let (_, end) = hello.split_at_mut(59);
    end.copy_from_slice(&rest);
    hello
};
/// Type of a handshake record, and of the message HelloVerifyRequest in it.
const HANDSHAKE: u8 = 22;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Whether `address` can be had, or is had by the gateway that runs.
pub(super) async fn look_at(address: SocketAddr, is_running: bool) -> Finding {
    let holder = format!("ss -lunp sport = :{}", address.port());
    if !is_running {
        return match std::net::UdpSocket::bind(address) {
            Ok(_) => Finding::green("ports", format!("{address} (UDP) is free")),
            Err(error) => {
                let text = format!("{address} (UDP) cannot be listened on: {error}");
                Finding::red("ports", text, holder)
            }
        };
    }
    if speaks_dtls(dialable(address)).await.unwrap_or(false) {
        let text = format!("{address} (UDP) speaks DTLS");
        return Finding::green("ports", text);
    }
    let text = format!("the gateway runs, and nothing speaks DTLS at {address} (UDP)");
    let fix = format!("{holder}; systemctl restart ics-gateway");
    Finding::red("ports", text, fix)
}

async fn speaks_dtls(address: SocketAddr) -> io::Result<bool> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    for _ in 0..ATTEMPTS {
        let mut answer = [0; 256];
        socket.send(&CLIENT_HELLO).await?;
        if let Ok(length) = timeout(PATIENCE, socket.recv(&mut answer)).await {
            let answer = answer.get(..length?).unwrap_or_default();
            let is_verify = answer.get(13) == Some(&HELLO_VERIFY_REQUEST);
            return Ok(answer.first() == Some(&HANDSHAKE) && is_verify);
        }
    }
    Ok(false)
}
