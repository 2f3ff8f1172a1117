//! A device beside its channel: what it is asked to do, what it tells, and where its copy outlives a
//! loss of power.

use std::fs::{File, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::device::{Copy, Pair};
use crate::end_to_end::{DeviceKey, Row};

/// Where the copy outlives a loss of power.
pub trait Memory {
    /// What was stored last; a new device's copy where nothing was.
    ///
    /// # Errors
    /// [`io::Error`] when it cannot be read.
    fn load(&self) -> io::Result<Copy>;

    /// Stores the copy: whole or not at all, and durable when this returns.
    ///
    /// # Errors
    /// [`io::Error`]; then nothing is acknowledged.
    fn store(&mut self, copy: &Copy) -> io::Result<()>;
}

/// What a device is asked to do by what it is part of, or by its user.
#[derive(Debug)]
pub enum Command {
    /// Tells the service behind a pair something.
    Event(String, Box<RawValue>),
    /// Its user does not want the pair of this mapping any more.
    GiveUp(String),
    /// Asks the service which pairs hold.
    Inquire,
}

/// What a device has to tell.
#[derive(Debug)]
pub enum Notice {
    /// It is connected.
    Connected,
    /// The line broke, or it was not let in; it connects again.
    Disconnected(String),
    /// It holds this now.
    Holds(Copy),
    /// The answer to an inquiry.
    Answer(String),
}

/// The copy in a file.
#[derive(Debug)]
pub struct CopyFile(pub PathBuf);

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

impl Command {
    /// Reads what was typed in: `event ID JSON`, `give-up ID`, `inquire`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words.as_slice() {
            ["event", id, data] => serde_json::from_str(data)
                .ok()
                .map(|data| Self::Event((*id).to_owned(), data)),
            ["give-up", id] => Some(Self::GiveUp((*id).to_owned())),
            ["inquire"] => Some(Self::Inquire),
            _ => None,
        }
    }

    /// Reads what is typed in, line by line, until it ends or `take` wants no more.
    pub fn read_typed(mut take: impl FnMut(Self) -> bool) {
        for line in io::stdin().lines().map_while(Result::ok) {
            match Self::parse(&line) {
                Some(command) => {
                    if !take(command) {
                        return;
                    }
                }
                None => {
                    let _ = writeln!(io::stderr(), "event ID JSON, give-up ID, inquire");
                }
            }
        }
    }
}

impl Notice {
    /// As text; with the device's key, with what was sealed for it.
    #[must_use]
    pub fn describe(&self, key: Option<&DeviceKey>) -> String {
        match self {
            Self::Connected => "connected".to_owned(),
            Self::Disconnected(why) => format!("disconnected: {why}"),
            Self::Answer(answer) => answer.clone(),
            Self::Holds(copy) => {
                let pairs = copy.m.iter().map(|pair| describe(pair, key));
                format!("holds version {}{}", copy.v, pairs.collect::<String>())
            }
        }
    }
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
