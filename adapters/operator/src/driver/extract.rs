//! Backup and exports: bodies that are written on a thread of their own while they are sent.
//!
//! Little of one is in memory at a time: the thread waits for the caller to take what it wrote. What
//! fails before its first piece is out is refused, as anything else; a body that was not written to
//! its end is cut off, which no client takes for whole. Why is asked of the status.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::task::spawn_blocking;
use actix_web::web::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::refusal::{Extracting, NoCertificate, StoreDamaged};
use super::{Answer, Api};
use crate::api::{Caller, Extract};
use crate::error::Refusal;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that may wait.
const WAITING: usize = 8;
/// How long the thread leaves a caller alone that has taken nothing, and how often it does so
/// before it gives up: a minute.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: u32 = 12_000;

/// About how many keys, records or rows are to come.
const COUNT: &str = "Ics-Count";

/// Take a backup
///
/// Everything the store holds as of one instant, in one file for `ics-gateway restore`. Service
/// goes on meanwhile. The keyring is not in it.
#[utoipa::path(
    get, path = "/operator/v1/backup", tag = "Gateway", operation_id = "takeBackup",
    responses(
        (status = 200, description = "The backup; whole only with its trailer", body = Vec<u8>, content_type = "application/octet-stream", headers(("Ics-Count" = u64))),
        NoCertificate, StoreDamaged, Extracting,
    )
)]
pub(crate) async fn take_backup(api: Api, caller: Caller) -> Answer {
    answer_extract(&api, caller, (Extract::Backup, "application/octet-stream")).await
}

/// Export the state
///
/// Everything that is not derived, as of one instant, as lines of JSON for `ics-gateway import`.
/// What is sealed stays sealed.
#[utoipa::path(
    get, path = "/operator/v1/export/state", tag = "Gateway", operation_id = "exportState",
    responses(
        (status = 200, description = "A header, a line a record, a trailer", body = String, content_type = "application/x-ndjson", headers(("Ics-Count" = u64))),
        NoCertificate, StoreDamaged, Extracting,
    )
)]
pub(crate) async fn export_state(api: Api, caller: Caller) -> Answer {
    answer_extract(&api, caller, (Extract::State, "application/x-ndjson")).await
}

/// Export the mapping table
///
/// Y.4462 Table 1: device ID, service URI and UTI of every established mapping, as of one instant.
#[utoipa::path(
    get, path = "/operator/v1/export/table", tag = "Gateway", operation_id = "exportTable",
    responses(
        (status = 200, description = "RFC 4180, with a header", body = String, content_type = "text/csv", headers(("Ics-Count" = u64))),
        NoCertificate, StoreDamaged, Extracting,
    )
)]
pub(crate) async fn export_table(api: Api, caller: Caller) -> Answer {
    let media_type = "text/csv; charset=utf-8; header=present";
    answer_extract(&api, caller, (Extract::Table, media_type)).await
}

async fn answer_extract(
    api: &Api,
    caller: Caller,
    (extract, media_type): (Extract, &'static str),
) -> Answer {
    let extraction = api.begin_extraction(caller, extract)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((COUNT, extraction.count.to_string()));
    let (pieces, mut waiting) = channel(WAITING);
    spawn_blocking(move || {
        let mut writer = PieceWriter {
            pieces,
            piece: Vec::with_capacity(PIECE),
        };
        match extraction.write(&mut writer) {
            Ok(()) => writer.end(),
            Err(refusal) => writer.give_up(refusal),
        }
    });
    match waiting.recv().await {
        Some(Piece::Refused(refusal)) => Err(refusal),
        None => Err(Refusal::Interrupted),
        first => Ok(response.body(PieceBody { first, waiting })),
    }
}

enum Piece {
    Bytes(Bytes),
    /// All was written.
    End,
    /// Not all could be.
    Refused(Refusal),
}

/// Hands over what is written, piece by piece.
struct PieceWriter {
    pieces: Sender<Piece>,
    piece: Vec<u8>,
}

impl PieceWriter {
    fn send(&self, mut piece: Piece) -> io::Result<()> {
        for _ in 0..PATIENCE {
            piece = match self.pieces.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(piece)) => piece,
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            };
            thread::sleep(PAUSE);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn end(mut self) {
        if self.flush().is_ok() {
            // Who no longer listens does not mind.
            let _ = self.send(Piece::End);
        }
    }

    fn give_up(self, refusal: Refusal) {
        // Nor does he here; what was written last is of no use to anybody.
        let _ = self.send(Piece::Refused(refusal));
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send(Piece::Bytes(piece.into()))
    }
}

/// The body on its way out.
struct PieceBody {
    first: Option<Piece>,
    waiting: Receiver<Piece>,
}

impl MessageBody for PieceBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let body = self.get_mut();
        let piece = match body.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => body.waiting.poll_recv(cx),
        };
        piece.map(|piece| match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            Some(Piece::Refused(_)) | None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}
