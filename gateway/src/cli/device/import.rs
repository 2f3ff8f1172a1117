//! `ics-gateway device import`: many devices at once, each a registration of its own.

use std::io::Write as _;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use ics_core::id::SpId;
use ics_operator::wire::{DeviceView, NewDevice};
use ics_vault::{CertificateRequest, make_request};
use indicatif::ProgressBar;
use serde::Serialize;

use super::answers::{Answers, Fate, Format, LineAnswer};
use super::credential::{order_certificate, order_password, order_psk};
use super::sheet::{Proofs, Row, read_sheet};
use crate::cli::operator::{Access, UsageError, parse_sp};
use crate::cli::progress::count_bar;
use crate::cli::runtime::{EndWatch, Outcome, block_on};
use crate::cli::sp::read_text;
use crate::operator_client::{CallError, OperatorClient};

/// Host the devices of a table (CSV), many at a time
///
/// The header line names the columns, in any order: deviceSerialNumber, and if wanted deviceVendor,
/// deviceModel, ownerSubject, channels (mqtt coap onem2m; mqtt if empty), credentials (password
/// certificate; password if empty) and certificateRequest (a PKCS#10 file, relative to the table;
/// without it the key of a certificate is made here and told in the answers).
///
/// Each line is answered in the file of answers as it comes: device ID, secrets, or why it was
/// refused. Refused lines are told here too and the others go on. Cut off (Ctrl-C, SIGTERM, no
/// answer of the gateway), the same table with --skip-registered and a new file of answers goes on
/// where it stopped; a line whose answer was lost is told as registered already, and `device
/// credential add` gives its device a new credential.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArguments {
    /// The table
    #[arg(value_name = "FILE")]
    table: PathBuf,

    /// The IoT service provider whose devices they are
    #[arg(long, value_name = "ID", value_parser = parse_sp)]
    sp: SpId,

    /// Where ids and secrets go: a new file, mode 0600
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,

    /// How they are written [default: csv if FILE ends so, else ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Serial numbers that are registered already are no failure
    #[arg(long)]
    skip_registered: bool,

    /// How long credentials hold: 1 to 3660 days [default: 365]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: Option<u32>,

    /// Registrations under way at once
    #[arg(long, value_name = "N", default_value = "16")]
    at_once: NonZeroU8,
}

const EXAMPLES: &str = "\
Examples:
    printf '%s\\n' deviceSerialNumber,deviceVendor,credentials \\
        FR-2291-00031,acme,password FR-2291-00032,acme,certificate > devices.csv
    ics-gateway device import devices.csv --sp acme \\
        --answers devices.ndjson --config gateway.toml
    jq -r 'select(.result == \"REGISTERED\") | .deviceId' devices.ndjson
  Go on where it stopped:
    ics-gateway device import devices.csv --sp acme --skip-registered \\
        --answers more.ndjson --config gateway.toml

Exit status: 0 all are hosted, 1 some are not, 2 usage, 3 gateway not reachable.";

/// Some lines were not taken.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("{0} of {1} devices are not hosted; the answers say why")]
    Refused(usize, usize),
    #[error("cut off: {0} of {1} lines were not sent; go on with --skip-registered")]
    CutOff(usize, usize),
}

/// How many lines met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    lines: usize,
    registered: usize,
    already_registered: usize,
    refused: usize,
}

impl ImportArguments {
    pub(super) fn run(self, access: &Access) -> Outcome {
        let text = read_text(&self.table)?;
        let directory = self.table.parent().unwrap_or_else(|| Path::new(""));
        let rows = read_sheet(&text, directory)
            .map_err(|error| UsageError(format!("`{}`: {error}", self.table.display())))?;
        let client = access.client()?;
        let ending = EndWatch::begin()?;
        let mut answers = Answers::begin(&self.answers, self.format)?;
        block_on(async {
            let bar = count_bar("devices");
            bar.set_length(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            let sent = self
                .send(rows, &client, (&mut answers, &bar, &ending))
                .await;
            bar.finish_and_clear();
            answers.sync()?;
            let (tally, silent) = sent?;
            let facts = [
                ("lines", tally.lines.to_string()),
                ("registered", tally.registered.to_string()),
                ("registered already", tally.already_registered.to_string()),
                ("refused", tally.refused.to_string()),
                ("answers", self.answers.display().to_string()),
            ];
            access.tell(&tally, &facts)?;
            match silent {
                Some(error) => Err(error.into()),
                None => Ok(self.judge(tally)?),
            }
        })
    }

    /// Sends the lines, and keeps their answers as they come. Once the gateway is silent or the
    /// process was asked to end, no more are sent.
    async fn send(
        &self,
        rows: Vec<Row>,
        client: &OperatorClient,
        (answers, bar, ending): (&mut Answers, &ProgressBar, &EndWatch),
    ) -> Result<(Tally, Option<CallError>), Box<dyn std::error::Error>> {
        let mut tally = Tally {
            lines: rows.len(),
            ..Tally::default()
        };
        let at_once = usize::from(self.at_once.get());
        let stop = std::cell::Cell::new(false);
        let going_on = stream::iter(rows)
            .take_while(|_| std::future::ready(!stop.get() && ending.check().is_ok()));
        let mut answered = going_on
            .map(|row| self.register(row, client))
            .buffer_unordered(at_once);
        let mut silent = None;
        while let Some((answer, failed)) = answered.next().await {
            if failed.is_some() {
                stop.set(true);
                silent = silent.or(failed);
            }
            answers.take(&answer)?;
            bar.inc(1);
            self.count(&mut tally, &answer, bar)?;
        }
        Ok((tally, silent))
    }

    fn count(&self, tally: &mut Tally, answer: &LineAnswer, bar: &ProgressBar) -> Outcome {
        let (counter, is_told) = match answer.result {
            Some(Fate::Registered) => (&mut tally.registered, false),
            Some(Fate::AlreadyRegistered) => (&mut tally.already_registered, !self.skip_registered),
            Some(Fate::Refused) | None => (&mut tally.refused, true),
        };
        *counter = counter.saturating_add(1);
        if is_told {
            let why = answer.error.as_deref().unwrap_or_default();
            let line = answer.line;
            bar.suspend(|| writeln!(std::io::stderr().lock(), "line {line}: {why}"))?;
        }
        Ok(())
    }

    fn judge(&self, tally: Tally) -> Result<(), ImportError> {
        let fates = [tally.registered, tally.already_registered, tally.refused];
        let unsent = tally.lines.saturating_sub(fates.into_iter().sum());
        if unsent > 0 {
            return Err(ImportError::CutOff(unsent, tally.lines));
        }
        let already = if self.skip_registered {
            0
        } else {
            tally.already_registered
        };
        match tally.refused.saturating_add(already) {
            0 => Ok(()),
            failed => Err(ImportError::Refused(failed, tally.lines)),
        }
    }

    /// Registers a line's device; with the error that says nobody answers any more.
    async fn register(&self, row: Row, client: &OperatorClient) -> (LineAnswer, Option<CallError>) {
        let mut answer = LineAnswer {
            line: row.line,
            result: Some(Fate::Refused),
            ..LineAnswer::default()
        };
        let (mut device, proofs) = match row.device {
            Ok(device) => device,
            Err(fault) => {
                answer.error = Some(fault.to_owned());
                return (answer, None);
            }
        };
        answer
            .device_serial_number
            .clone_from(&device.device_serial_number);
        let made_here = match self.order(&mut device, &proofs) {
            Ok(made_here) => made_here,
            Err(error) => {
                answer.error = Some(error.to_string());
                return (answer, None);
            }
        };
        let path = format!("/sps/{}/devices", self.sp);
        match client.post::<DeviceView>(&path, &device).await {
            Ok(made) => {
                tell_made(&mut answer, made, made_here);
                (answer, None)
            }
            Err(error) => {
                answer.error = Some(error.to_string());
                if is_registered(&error) {
                    answer.result = Some(Fate::AlreadyRegistered);
                }
                let refused = matches!(error, CallError::Refused(_));
                (answer, (!refused).then_some(error))
            }
        }
    }

    /// Orders the credentials; the key that was made here for one.
    fn order(
        &self,
        device: &mut NewDevice,
        proofs: &Proofs,
    ) -> Result<Option<CertificateRequest>, Box<dyn std::error::Error>> {
        let validity = self.days.map(|days| days.saturating_mul(86_400));
        let mut made_here = None;
        if proofs.certificate {
            let request = match &proofs.request {
                // Named by a cell of a table: nobody sits there to feed a pipe.
                Some(file) if file.exists() && !file.is_file() => {
                    let why = format!("cannot read `{}`: it is no regular file", file.display());
                    return Err(UsageError(why).into());
                }
                Some(file) => read_text(file)?,
                None => {
                    let made = make_request(&self.sp)?;
                    made_here.insert(made).request_pem.clone()
                }
            };
            device
                .credentials
                .push(order_certificate(request, validity));
        }
        if proofs.password {
            device.credentials.push(order_password(None, validity));
        }
        if proofs.psk {
            device.credentials.push(order_psk(validity));
        }
        Ok(made_here)
    }
}

/// Whether the gateway said that the serial number is taken.
fn is_registered(error: &CallError) -> bool {
    matches!(error, CallError::Refused(problem) if problem.cause == "DEVICE_ALREADY_REGISTERED")
}

fn tell_made(answer: &mut LineAnswer, made: DeviceView, made_here: Option<CertificateRequest>) {
    answer.result = Some(Fate::Registered);
    answer.device_id = Some(made.device_id);
    // RFC 3339 of one shape: the order of the texts is that of the times.
    answer.not_after = made.credentials.iter().map(|c| c.not_after.clone()).min();
    for credential in made.credentials {
        answer.certificate = answer.certificate.take().or(credential.certificate);
        answer.password = answer.password.take().or(credential.password);
        answer.psk_identity = answer.psk_identity.take().or(credential.psk_identity);
        answer.psk = answer.psk.take().or(credential.psk);
    }
    answer.private_key = made_here.map(|request| request.key_pem.to_string());
}
