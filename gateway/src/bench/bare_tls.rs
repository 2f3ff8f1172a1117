//! The yardstick of connected devices: a loop over rustls that says what a device has to hear, and
//! knows nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::BenchError;
use crate::compose::mqtt_tls;
use crate::config::Config;

/// Serves until the process is ended; tells its address on standard output.
///
/// # Errors
/// [`BenchError`].
pub(crate) async fn serve_bare_devices(config: &Config, document: usize) -> Result<(), BenchError> {
    let tls = mqtt_tls(config)?.ok_or(BenchError::NoServer("an MQTT listener"))?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    super::say(&format!("bare {}", listener.local_addr()?));
    // Any topic and payload of that length will do.
    let mut publication = vec![0x30];
    let body = document.saturating_add(5);
    publication.push(u8::try_from(body % 128).unwrap_or_default() | 0x80);
    publication.push(u8::try_from(body / 128).unwrap_or(127));
    publication.extend_from_slice(b"\x00\x03doc");
    publication.resize(body.saturating_add(3), b' ');
    let answer = Arc::new([&b"\x90\x03\x00\x01\x01"[..], &publication].concat());
    loop {
        let (socket, _) = listener.accept().await?;
        let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
        // A device that is gone is not missed.
        tokio::spawn(async move { serve(socket, acceptor, &answer).await.ok() });
    }
}

/// CONNACK to the first packet, the rest to the second.
async fn serve(socket: TcpStream, acceptor: TlsAcceptor, answer: &[u8]) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(socket).await?;
    for answer in [b"\x20\x02\x00\x00", answer] {
        hear(&mut stream).await?;
        stream.write_all(answer).await?;
        stream.flush().await?;
    }
    while hear(&mut stream).await? > 0 {}
    Ok(())
}

/// On the stack of the call alone: nothing is held while nothing comes.
async fn hear(stream: &mut tokio_rustls::server::TlsStream<TcpStream>) -> std::io::Result<usize> {
    let mut packet = [0; 512];
    stream.read(&mut packet).await
}
