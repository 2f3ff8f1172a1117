//! Plays vectors: what is sent, what must be acknowledged, what must be held.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::device_document::{Acknowledgement, DeviceDocument, DocumentEntry};
use ics_core::id::MappingId;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::stand::{Stand, Word};
use super::vectors::{Act, Step, Vector};

/// A device under trial.
pub(super) struct Trial<'a> {
    pub(super) stand: &'a Stand,
    pub(super) words: mpsc::UnboundedReceiver<Word>,
    pub(super) patience: Duration,
    pub(super) restart: Option<&'a str>,
    pub(super) held: Option<&'a str>,
    /// No version that was sent so far is above this.
    pub(super) base: u64,
    pub(super) told: Told,
}

/// Where and why a vector does not hold.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Fault {
    /// From 1.
    pub(super) step: Option<usize>,
    pub(super) reason: Cow<'static, str>,
}

impl Fault {
    /// It was not played.
    pub(super) const SKIPPED: Self = Self {
        step: None,
        reason: Cow::Borrowed("needs --restart"),
    };

    fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            step: None,
            reason: reason.into(),
        }
    }
}

/// What the device said last: the version it holds, and what of it it refused.
#[derive(Default)]
pub(super) struct Told {
    version: u64,
    refused: Vec<MappingId>,
}

impl Trial<'_> {
    /// Until it has connected and subscribed for the first time.
    pub(super) async fn wait_for_device(&mut self) -> Result<(), Fault> {
        let mut came = "nobody";
        let until = Instant::now() + self.patience;
        loop {
            match timeout_at(until, self.words.recv()).await {
                Ok(Some(Word::Subscribed)) => return Ok(()),
                Ok(Some(Word::Stranger)) => came = "a device with another ID",
                Ok(Some(Word::Acknowledged(_))) => {}
                Ok(None) | Err(_) => {
                    let reason = format!(
                        "the device did not connect and subscribe to its document; {came} did"
                    );
                    return Err(Fault::because(reason));
                }
            }
        }
    }

    /// Plays a vector, above everything that was played before.
    pub(super) async fn play(&mut self, vector: &Vector) -> Result<(), Fault> {
        let base = self.base;
        for (n, step) in vector.steps.iter().enumerate() {
            if let Act::Send { document, .. } = &step.act {
                self.base = self.base.max(base.saturating_add(document.version));
            }
            if let Err(fault) = self.act(step, base).await {
                // What was left half done is not the next vector's.
                self.stand.cut();
                let step = Some(n.saturating_add(1));
                return Err(Fault { step, ..fault });
            }
        }
        Ok(())
    }

    async fn act(&mut self, step: &Step, base: u64) -> Result<(), Fault> {
        match &step.act {
            Act::Send {
                document,
                is_acknowledged,
                is_lost,
            } => {
                let document = DeviceDocument {
                    version: base.saturating_add(document.version),
                    entries: document.entries.clone(),
                };
                self.stand.send(document.clone(), *is_lost);
                if !is_acknowledged {
                    // It is sent before the next one; what is said of it is heard with that.
                    return self.wait_until_sent().await;
                }
                self.hear(&document, base).await?;
                if *is_lost {
                    self.stand.cut();
                }
            }
            Act::Reconnect => self.stand.cut(),
            Act::Restart => {
                self.stand.cut();
                self.restart().await?;
            }
        }
        self.look(step).await
    }

    /// Until the endpoint has sent the document that was due.
    async fn wait_until_sent(&self) -> Result<(), Fault> {
        let sent = timeout(self.patience, self.stand.taken()).await;
        sent.map_err(|_| Fault::because("the device takes no document"))
    }

    /// Until it acknowledges this document. It never acknowledges an older one.
    async fn hear(&mut self, document: &DeviceDocument, base: u64) -> Result<(), Fault> {
        let until = Instant::now() + self.patience;
        let before = self.told.version;
        loop {
            let Ok(Some(word)) = timeout_at(until, self.words.recv()).await else {
                let reason = format!("version {} is not acknowledged", document.version);
                return Err(Fault::because(reason));
            };
            let Word::Acknowledged(said) = word else {
                continue;
            };
            // Said before this document reached it: of an earlier vector, or the version before it.
            let is_earlier = said.version <= base || said.version == before;
            if is_earlier && said.version < document.version {
                continue;
            }
            if said.version != document.version {
                let (version, newest) = (said.version, document.version);
                let reason = format!("version {version} is acknowledged; the newest is {newest}");
                return Err(Fault::because(reason));
            }
            // Of a document that was sent before: this one is not out yet.
            if self.stand.is_due() {
                continue;
            }
            return self.judge(&said, document);
        }
    }

    /// A device may refuse pairs of a document, and says the same each time.
    fn judge(&mut self, said: &Acknowledgement, document: &DeviceDocument) -> Result<(), Fault> {
        let is_sent = |id: &MappingId| document.entries.iter().any(|entry| entry.mapping == *id);
        if !said.refused.iter().all(is_sent) {
            return Err(Fault::because("it refuses what is not in the document"));
        }
        if said.version == self.told.version && said.refused != self.told.refused {
            let reason = "the same version is acknowledged with other refusals";
            return Err(Fault::because(reason));
        }
        self.told = Told {
            version: said.version,
            refused: said.refused.clone(),
        };
        Ok(())
    }

    /// Whether it holds what it shall, where that can be looked at.
    async fn look(&self, step: &Step) -> Result<(), Fault> {
        let Some(command) = self.held else {
            return Ok(());
        };
        let written = self.run(command, "--held").await?;
        let held: Held = serde_json::from_slice(&written)
            .map_err(|_| Fault::because("--held wrote no {\"m\":[..]}"))?;
        let expected = step.held.iter();
        let expected = expected.filter(|entry| !self.told.refused.contains(&entry.mapping));
        let (held, expected): (BTreeSet<Pair>, BTreeSet<Pair>) = (
            held.m.into_iter().collect(),
            expected.map(Pair::of).collect(),
        );
        let names = |pairs: Vec<&Pair>| {
            let ids: Vec<_> = pairs.iter().map(|pair| pair.id.as_str()).collect();
            ids.join(" ")
        };
        let more: Vec<_> = held.difference(&expected).collect();
        if !more.is_empty() {
            let reason = format!("it holds what it should not: {}", names(more));
            return Err(Fault::because(reason));
        }
        let less: Vec<_> = expected.difference(&held).collect();
        if !less.is_empty() {
            let reason = format!("it does not hold what it should: {}", names(less));
            return Err(Fault::because(reason));
        }
        Ok(())
    }

    async fn restart(&self) -> Result<(), Fault> {
        match self.restart {
            Some(command) => self.run(command, "--restart").await.map(drop),
            None => Err(Fault::SKIPPED),
        }
    }

    /// Runs a command of the shell; what it wrote.
    async fn run(&self, command: &str, option: &str) -> Result<Vec<u8>, Fault> {
        let running = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        match timeout(self.patience, running).await {
            Ok(Ok(output)) if output.status.success() => Ok(output.stdout),
            Ok(Ok(output)) => Err(Fault::because(format!("{option}: {}", output.status))),
            Ok(Err(error)) => Err(Fault::because(format!("{option}: {error}"))),
            Err(_) => Err(Fault::because(format!("{option} does not end"))),
        }
    }
}

/// What --held writes; members besides are not looked at.
#[derive(Deserialize)]
struct Held {
    m: Vec<Pair>,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    id: String,
    svc: String,
    uti: String,
    e2e: Option<String>,
}

impl Pair {
    fn of(entry: &DocumentEntry) -> Self {
        Self {
            id: entry.mapping.to_string(),
            svc: entry.key.service_uri.as_str().to_owned(),
            uti: entry.key.uti.as_str().to_owned(),
            e2e: entry.e2e.as_ref().map(|e2e| URL_SAFE_NO_PAD.encode(e2e)),
        }
    }
}
