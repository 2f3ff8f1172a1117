//! Taking everything out of a store: from the gateway that serves it, or from the store itself
//! when none does.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ics_core::port::Clock;
use ics_core::time::Timestamp;
use ics_operator::wire::{StatusView, StoreState};
use ics_operator::{Archive as _, ArchiveError, Extract};
use ics_store::{BackupMeter, OnLoss, OpenError, TableMeter, Upkeep};
use indicatif::ProgressBar;

use super::operator::Access;
use super::progress::count_bar;
use super::runtime::{EndWatch, block_on};
use super::store::{load, load_mark};
use crate::ambient::SystemClock;
use crate::compose::{StoreArchive, open_store, with_sources};
use crate::operator_client::{CallError, OperatorClient};

/// The gateway's word for it.
const STORE_DAMAGED: &str = "STORE_DAMAGED";

/// From where.
#[derive(Debug, Args)]
pub(super) struct Origin {
    /// Read the store itself: no gateway may run
    ///
    /// Not needed with --config: when no gateway answers at its operator address, the store is
    /// read, by its owner alone. Whichever it was is told.
    #[arg(long, conflicts_with = "operator_url", requires = "config")]
    offline: bool,

    #[command(flatten)]
    pub(super) access: Access,
}

/// Nothing was taken out.
#[derive(Debug, thiserror::Error)]
enum ExtractError {
    /// Neither a gateway that answers nor a store that is free.
    #[error(
        "{call}\n  and the store cannot be read instead: {store}\n  \
         while a gateway runs, it must answer; while none runs, nobody else may use the store"
    )]
    Neither { call: String, store: String },
    /// The store.
    #[error("{0}")]
    Store(String),
    /// What is wrong is not the way to it.
    #[error("{store} is damaged: {what}; nothing was written\n  {}", remedy(.config))]
    Damaged {
        store: String,
        what: String,
        config: String,
    },
}

/// What to do about a damaged store.
fn remedy(config: &str) -> String {
    format!(
        "stop the gateway and see what is damaged: ics-gateway store check --config {config}\n  \
         restore the last good backup: ics-gateway restore --config {config} --from BACKUP --replace"
    )
}

/// From where it was taken.
pub(super) enum Taken {
    /// The gateway at this URL, while it serves.
    Gateway(String),
    /// The store in this directory.
    Store(PathBuf),
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(url) => write!(f, "the gateway at {url}, which serves"),
            Self::Store(directory) => write!(f, "the store in {}", directory.display()),
        }
    }
}

impl Origin {
    /// Writes what is wanted into `out`, with a progress bar, until the process is asked to end.
    ///
    /// # Errors
    /// No gateway and no store, or that it could not be written to its end.
    pub(super) fn extract(
        &self,
        extract: Extract,
        out: &mut dyn Write,
        ending: &EndWatch,
    ) -> Result<(Taken, Meter), Box<dyn Error>> {
        let mut metered = Metered::new(extract, out, ending);
        let taken = if self.offline {
            self.read_store(extract, &mut metered, None)?
        } else {
            self.ask(extract, &mut metered)?
        };
        metered.flush()?;
        metered.bar.finish_and_clear();
        Ok((taken, metered.meter))
    }

    fn ask(&self, extract: Extract, out: &mut Metered<'_>) -> Result<Taken, Box<dyn Error>> {
        let client = self.access.client()?;
        let mut unreachable = None;
        let ending = out.ending;
        block_on(async {
            let received = tokio::select! {
                received = receive(&client, extract, out) => received,
                () = ending.asked() => ending.check().map_err(Interrupted::Write),
            };
            match received {
                Err(Interrupted::Call(CallError::Unreachable(url, cause)))
                    if self.access.local_config().is_some() =>
                {
                    unreachable = Some(CallError::Unreachable(url, cause).to_string());
                    Ok(())
                }
                Err(Interrupted::Call(error)) => Err(self.explain(&client, error).await),
                Err(Interrupted::Write(error)) => Err(error.into()),
                Ok(()) => Ok(()),
            }
        })?;
        match unreachable {
            None => Ok(Taken::Gateway(client.root().to_owned())),
            Some(call) => self.read_store(extract, out, Some(call)),
        }
    }

    /// Why a gateway did not answer to the end: it cannot say so within what it had begun, and is
    /// asked.
    async fn explain(&self, client: &OperatorClient, error: CallError) -> Box<dyn Error> {
        let is_damaged = match &error {
            CallError::Refused(problem) => problem.cause == STORE_DAMAGED,
            CallError::CutOff(..) => {
                let status = client.read::<StatusView>("/status").await;
                status.is_ok_and(|status| status.store == Some(StoreState::Damaged))
            }
            _ => false,
        };
        if !is_damaged {
            return error.into();
        }
        self.damaged(
            format!("the store of the gateway at {}", client.root()),
            "the gateway met what it cannot read (its log names the table)".to_owned(),
        )
        .into()
    }

    fn damaged(&self, store: String, what: String) -> ExtractError {
        let file = self.access.local_config();
        let config = file.map_or_else(|| "FILE".to_owned(), |file| file.display().to_string());
        ExtractError::Damaged {
            store,
            what,
            config,
        }
    }

    fn read_store(
        &self,
        extract: Extract,
        out: &mut Metered<'_>,
        call: Option<String>,
    ) -> Result<Taken, Box<dyn Error>> {
        let file = self.access.local_config().ok_or("name --config")?;
        let (config, _log) = load(file)?;
        let store =
            open_store(&config.store, OnLoss::Refuse).map_err(|error| match (call, &error) {
                (Some(call), OpenError::InUse(_)) => ExtractError::Neither {
                    call,
                    store: with_sources(&error),
                },
                _ => ExtractError::Store(with_sources(&error)),
            })?;
        let clock = SystemClock::since(load_mark(store.as_ref())?);
        let now = time_of(extract, &clock);
        let archive = StoreArchive {
            store: store as Arc<dyn Upkeep>,
            watch: None,
        };
        let directory = config.store.directory;
        let of_store = || format!("store `{}`", directory.display());
        out.bar.set_length(
            archive
                .count(extract)
                .map_err(|error| self.damaged(of_store(), error.to_string()))?,
        );
        archive
            .write(extract, now, out)
            .map_err(|error| match error {
                ArchiveError::Damaged(cause) => {
                    let cause: &dyn Error = cause.as_ref();
                    self.damaged(of_store(), with_sources(cause))
                }
                ArchiveError::CutOff(cause) => {
                    let cause: &dyn Error = cause.as_ref();
                    ExtractError::Store(with_sources(cause))
                }
            })?;
        Ok(Taken::Store(directory))
    }
}

/// As the gateway does: a table shows nothing that may have run out by either clock.
fn time_of(extract: Extract, clock: &impl Clock) -> Timestamp {
    match extract {
        Extract::Table => clock.latest(),
        Extract::Backup | Extract::State => clock.now(),
    }
}

enum Interrupted {
    Call(CallError),
    Write(io::Error),
}

async fn receive(
    client: &OperatorClient,
    extract: Extract,
    out: &mut Metered<'_>,
) -> Result<(), Interrupted> {
    let path = match extract {
        Extract::Backup => "/backup",
        Extract::State => "/export/state",
        Extract::Table => "/export/table",
    };
    let mut pieces = client.stream(path).await.map_err(Interrupted::Call)?;
    out.bar.set_length(pieces.count);
    while let Some(piece) = pieces.next().await.map_err(Interrupted::Call)? {
        out.write_all(piece.as_ref()).map_err(Interrupted::Write)?;
    }
    Ok(())
}

/// How far what passes by is.
pub(super) enum Meter {
    Backup(BackupMeter),
    Table(TableMeter),
    /// Lines of a state.
    State(u64),
}

impl Meter {
    fn feed(&mut self, piece: &[u8]) -> u64 {
        match self {
            Self::Backup(meter) => meter.feed(piece),
            Self::Table(meter) => {
                meter.feed(piece);
                meter.lines
            }
            Self::State(lines) => {
                let ends = piece.iter().filter(|byte| **byte == b'\n').count();
                *lines = lines.saturating_add(u64::try_from(ends).unwrap_or(0));
                *lines
            }
        }
    }
}

/// Shows how far what is written is.
struct Metered<'o> {
    out: &'o mut dyn Write,
    ending: &'o EndWatch,
    meter: Meter,
    bar: ProgressBar,
}

impl<'o> Metered<'o> {
    fn new(extract: Extract, out: &'o mut dyn Write, ending: &'o EndWatch) -> Self {
        let meter = match extract {
            Extract::Backup => Meter::Backup(BackupMeter::default()),
            Extract::Table => Meter::Table(TableMeter::default()),
            Extract::State => Meter::State(0),
        };
        let bar = count_bar("writing");
        Self {
            out,
            ending,
            meter,
            bar,
        }
    }
}

impl Write for Metered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ending.check()?;
        self.out.write_all(bytes)?;
        self.bar.set_position(self.meter.feed(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ics_core::timekeeping::ClockMark;

    use super::*;

    #[test]
    fn a_table_is_of_the_later_of_both_clocks() {
        let mark = |seen| ClockMark {
            seen,
            trusted: true,
        };
        let wall = SystemClock::new().now();
        // Set back by 40 days, and ahead by 40: the gateway's own time is what the store knows.
        let (later, earlier) = (
            wall.plus(Duration::from_secs(40 * 86_400)),
            Timestamp::from_millis(wall.millis() - 40 * 86_400_000),
        );
        let clock = SystemClock::since(Some(mark(later)));
        assert!(time_of(Extract::Table, &clock) >= later);
        let clock = SystemClock::since(Some(mark(earlier)));
        assert!(time_of(Extract::Table, &clock) >= wall);
        assert!(time_of(Extract::Backup, &clock) < wall);
    }
}
