//! A device of the sandbox over MQTT, with rumqttc.
//!
//! `mqtt_device COPY [--room N] [--end-to-end KEY]` reads `ICS_MQTT_HOST`, `ICS_MQTT_PORT`, `ICS_DEV_ID`,
//! `ICS_DEV_CERT`, `ICS_DEV_KEY` and `ICS_CA` from its environment, as `sandbox.env` has them. It holds the
//! pairs of its mapping document in the file COPY. Typed in: `event ID JSON`, `give-up ID`, `inquire`.
//! With a key for sealed values (`end_to_end key`), it tells for each pair what was sealed for it.

#![forbid(unsafe_code)]

use std::env::var;
use std::fs::{File, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ics_examples::device::{Copy, Pair};
use ics_examples::end_to_end::{DeviceKey, Row};
use ics_examples::mqtt_device::{Command, Memory, Notice, Settings, run};
use ics_examples::tls::device_tls;
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error>;

/// The copy in a file.
struct CopyFile(PathBuf);

impl Memory for CopyFile {
    fn load(&self) -> io::Result<Copy> {
        match std::fs::read(&self.0) {
            Ok(stored) => Ok(serde_json::from_slice(&stored)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Copy::default()),
            Err(error) => Err(error),
        }
    }

    fn store(&mut self, copy: &Copy) -> io::Result<()> {
        let new = self.0.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(copy)?)?;
        file.sync_all()?;
        rename(&new, &self.0)?;
        // The name, too, must be on the disk.
        let directory = self.0.parent().filter(|parent| *parent != Path::new(""));
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

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
    std::thread::spawn(move || read_commands(&send));
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
    let text = match notice {
        Notice::Connected => "connected".to_owned(),
        Notice::Disconnected(why) => format!("disconnected: {why}"),
        Notice::Answer(answer) => answer.clone(),
        Notice::Holds(copy) => {
            let pairs = copy.m.iter().map(|pair| describe(pair, key));
            format!("holds version {}{}", copy.v, pairs.collect::<String>())
        }
    };
    // Nobody listens any more: the device goes on.
    let _ = writeln!(io::stdout(), "{text}");
}

fn describe(pair: &Pair, key: Option<&DeviceKey>) -> String {
    let Pair { id, svc, uti, e2e } = pair;
    let row = Row {
        service_uri: svc,
        uti,
    };
    let opened = key
        .zip(e2e.as_deref())
        .map(|(key, e2e)| match key.open(row, e2e) {
            Ok(plain) => format!(" opened {}", String::from_utf8_lossy(&plain)),
            Err(closed) => format!(" {closed}"),
        });
    format!("\n  {id} {svc} {uti}{}", opened.unwrap_or_default())
}

fn read_commands(send: &mpsc::Sender<Command>) {
    for line in io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let command = match words.as_slice() {
            ["event", id, data] => serde_json::from_str(data)
                .ok()
                .map(|data| Command::Event((*id).to_owned(), data)),
            ["give-up", id] => Some(Command::GiveUp((*id).to_owned())),
            ["inquire"] => Some(Command::Inquire),
            _ => None,
        };
        match command {
            Some(command) => {
                if send.blocking_send(command).is_err() {
                    return;
                }
            }
            None => {
                let _ = writeln!(io::stderr(), "event ID JSON, give-up ID, inquire");
            }
        }
    }
}
