//! MQTT 3.1.1 and 5 on the wire, the server's half: what a client may send is read, what a server
//! sends is written. No I/O, no state but the version; total over any bytes.
//!
//! Our own, because the library that was to do it (`mqtt-protocol-core` 0.7.9) panics on a CONNECT
//! that MQTT 5 allows (Topic Alias Maximum 0) and lets malformed ones through (reserved flags, a
//! will of QoS 3). The tests hold ours against it as a client.

mod bytes;
mod property;
mod read;
mod reason;
mod write;

pub(crate) use read::{Connect, Filter, Packet, Publish, Will, read_connect, read_packet};
pub(crate) use reason::{Malformed, Reason};
pub(crate) use write::{Answered, Connack, Publication};
pub(crate) use write::{
    write_connack, write_disconnect, write_pong, write_puback, write_publication, write_suback,
    write_unsuback,
};

/// The two versions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V3,
    /// MQTT 5 (protocol version 5).
    V5,
}

/// A whole packet: its first byte and what follows the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
}

/// How many bytes the packet at the head of `bytes` has, fixed header included; `None` while it
/// cannot be told. Refused as soon as the length is known, not when the packet is there.
pub(crate) fn measure(bytes: &[u8], most: usize) -> Result<Option<usize>, Malformed> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        let digit = usize::from(byte & 0x7f);
        length |= digit << (7 * index);
        if byte & 0x80 == 0 {
            let whole = length.saturating_add(index).saturating_add(2);
            return if whole > most {
                Err(Malformed::TooLarge)
            } else {
                Ok(Some(whole))
            };
        }
    }
    // 2.1.4 of MQTT 5: four bytes at most.
    if bytes.len() > 4 {
        Err(Malformed::Form)
    } else {
        Ok(None)
    }
}

impl<'a> Frame<'a> {
    /// The packet that `bytes` are, as [`measure`] cut them.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (first, rest) = bytes.split_first().ok_or(Malformed::Form)?;
        let length = rest.iter().take_while(|byte| *byte & 0x80 != 0).count();
        let body = rest.get(length.saturating_add(1)..);
        Ok(Self {
            first: *first,
            body: body.ok_or(Malformed::Form)?,
        })
    }
}

#[cfg(test)]
mod tests;
