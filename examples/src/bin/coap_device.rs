//! A device of the sandbox over CoAP, with coap-lite and rtc-dtls.
//!
//! `coap_device COPY [--room N] [--end-to-end KEY] [--poll SECONDS]` reads `ICS_COAPS_URL`,
//! `ICS_DEV_PSK_ID` and `ICS_DEV_PSK` (hexadecimal) from its environment, as `sandbox.env` has them.
//! It holds the pairs of its mapping document in the file COPY. Typed in: `event ID JSON`,
//! `give-up ID`, `inquire`. With a key for sealed values (`end_to_end key`), it tells for each pair
//! what was sealed for it.

#![forbid(unsafe_code)]

use std::env::var;
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use ics_examples::coap_device::{Settings, run};
use ics_examples::end_to_end::DeviceKey;
use ics_examples::thing::{Command, CopyFile, Notice};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let settings = Settings {
        address: address(&var("ICS_COAPS_URL")?)?,
        identity: var("ICS_DEV_PSK_ID")?,
        key: unhex(&var("ICS_DEV_PSK")?).ok_or("ICS_DEV_PSK is not hexadecimal")?,
        room: arguments.room,
        pause: (Duration::from_secs(1), Duration::from_secs(60)),
        poll: arguments.poll,
        answer: Duration::from_secs(2),
    };
    let (send, commands) = channel();
    // Nobody has to type anything in: the device goes on when that ends.
    let kept = send.clone();
    std::thread::spawn(move || Command::read_typed(|command| send.send(command).is_ok()));
    let key = arguments.key;
    let tell = |notice: Notice| {
        // Nobody listens any more: the device goes on.
        let _ = writeln!(io::stdout(), "{}", notice.describe(key.as_ref()));
    };
    let memory = CopyFile(arguments.copy);
    let ended = run(settings, memory, &commands, |_| false, tell);
    drop(kept);
    Ok(ended?)
}

struct Arguments {
    copy: PathBuf,
    room: usize,
    key: Option<DeviceKey>,
    poll: Duration,
}

impl Arguments {
    fn read() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let mut read = Self {
            copy: words.next().ok_or("name the file of the copy")?.into(),
            room: 16,
            key: None,
            poll: Duration::from_secs(15 * 60),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or("an argument lacks its value")?;
            match word.as_str() {
                "--room" => read.room = value.parse()?,
                "--end-to-end" => read.key = Some(DeviceKey::from_stored(std::fs::read(value)?)),
                "--poll" => read.poll = Duration::from_secs(value.parse()?),
                other => return Err(format!("unknown argument `{other}`").into()),
            }
        }
        Ok(read)
    }
}

/// `coaps://host:port`, the port 5684 where none is named.
fn address(url: &str) -> Result<SocketAddr, Failure> {
    let authority = url
        .strip_prefix("coaps://")
        .ok_or("ICS_COAPS_URL is no coaps: URL")?;
    let authority = authority.trim_end_matches('/');
    let found = match authority.to_socket_addrs() {
        Ok(mut found) => found.next(),
        Err(_) => (authority, 5684).to_socket_addrs()?.next(),
    };
    Ok(found.ok_or("nobody has the name in ICS_COAPS_URL")?)
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_even = digits.len().is_multiple_of(2);
    pairs.map(pair).collect::<Option<_>>().filter(|_| is_even)
}
