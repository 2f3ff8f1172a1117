//! A device of the sandbox over MQTT, with rumqttc.
//!
//! `mqtt_device COPY [--room N] [--end-to-end KEY]` reads `ICS_MQTT_HOST`, `ICS_MQTT_PORT`, `ICS_DEV_ID`,
//! `ICS_DEV_CERT`, `ICS_DEV_KEY` and `ICS_CA` from its environment, as `sandbox.env` has them. It holds the
//! pairs of its mapping document in the file COPY. Typed in: `event ID JSON`, `give-up ID`, `inquire`.
//! With a key for sealed values (`end_to_end key`), it tells for each pair what was sealed for it.

#![forbid(unsafe_code)]

use std::env::var;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use ics_examples::end_to_end::DeviceKey;
use ics_examples::mqtt_device::{Settings, run};
use ics_examples::thing::{Command, CopyFile, Notice};
use ics_examples::tls::device_tls;
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let file = |name| var(name).map(PathBuf::from);
    let settings = Settings {
        address: (var("ICS_MQTT_HOST")?, var("ICS_MQTT_PORT")?.parse()?),
        device_id: var("ICS_DEV_ID")?,
        tls: match file("ICS_DEV_CERT") {
            Ok(certificate) => {
                let (root, key) = (file("ICS_CA")?, file("ICS_DEV_KEY")?);
                Some(device_tls(&root, &certificate, &key)?)
            }
            // Towards a `lossy_proxy`, which has the certificate.
            Err(_) => None,
        },
        room: arguments.room,
        pause: (Duration::from_secs(1), Duration::from_secs(60)),
    };
    let (send, commands) = mpsc::channel(8);
    std::thread::spawn(move || Command::read_typed(|command| send.blocking_send(command).is_ok()));
    let key = arguments.key;
    let tell = |notice| say(&notice, key.as_ref());
    Ok(run(
        settings,
        CopyFile(arguments.copy),
        commands,
        |_| false,
        tell,
    )
    .await?)
}

struct Arguments {
    copy: PathBuf,
    room: usize,
    key: Option<DeviceKey>,
}

impl Arguments {
    fn read() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let mut read = Self {
            copy: words.next().ok_or("name the file of the copy")?.into(),
            room: 16,
            key: None,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or("an argument lacks its value")?;
            match word.as_str() {
                "--room" => read.room = value.parse()?,
                "--end-to-end" => read.key = Some(DeviceKey::from_stored(std::fs::read(value)?)),
                other => return Err(format!("unknown argument `{other}`").into()),
            }
        }
        Ok(read)
    }
}

fn say(notice: &Notice, key: Option<&DeviceKey>) {
    // Nobody listens any more: the device goes on.
    let _ = writeln!(io::stdout(), "{}", notice.describe(key));
}
