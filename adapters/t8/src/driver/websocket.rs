//! A service provider's websocket: notifications out, acknowledgements in (TS 29.122 5.2.5.4).
//!
//! It stands on the certificate and the token it was opened with, and is judged by them every two
//! seconds; it ends with the token at the latest. What was sent and not acknowledged stays in the
//! outbox, and comes again.

mod gated;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_ws::{
    AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session,
};
use ics_core::outbox::Addressee;
use ics_core::principal::Principal;
use ics_core::reference_point::{ReferencePoint, Role};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::T8Api;
use crate::guard;
use crate::problem::{Cause, Problem};
use crate::socket::{Ending, Outgoing, Seat};
use crate::wire::{Acknowledgement, parse_body};

/// How long a socket waits for what.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// How often it is looked whether the SP is still admitted.
    look: Duration,
    /// How often a silent SP is asked for a sign of life.
    ping: Duration,
    /// How long an SP may be silent.
    silence: Duration,
    /// How long an SP may acknowledge nothing of what it was sent, whatever else it says.
    debt: Duration,
    /// How long a frame may wait for room: a reader that is slower is cut off.
    write: Duration,
    /// How long the last word may take.
    goodbye: Duration,
}

const PATIENCE: Patience = Patience {
    look: Duration::from_secs(2),
    ping: Duration::from_secs(20),
    silence: Duration::from_secs(60),
    debt: Duration::from_secs(60),
    write: Duration::from_secs(3),
    goodbye: Duration::from_secs(1),
};

/// The largest frame, and message, read.
const MAX_FRAME: usize = 4 * 1024;
/// Notifications sent and not acknowledged; more are not taken.
const MAX_UNACKNOWLEDGED: usize = 64;
/// Notifications whose senders gave up waiting, and whose acknowledgements are known all the same.
const MAX_GIVEN_UP: usize = 64;

/// What a socket was opened with.
pub(super) struct Opener {
    pub(super) principal: Principal,
    pub(super) point: ReferencePoint,
    pub(super) bearer: String,
}

/// Upgrades the connection, and serves it until it ends.
pub(super) fn open(
    api: &Arc<T8Api>,
    (request, payload): (&HttpRequest, Payload),
    opener: Opener,
) -> Result<HttpResponse, Problem> {
    let (response, session, messages) = gated::gate(request, payload, MAX_FRAME as u64)
        .and_then(|payload| actix_ws::handle(request, payload))
        .map_err(|_| {
            let problem = Problem::from(Cause::InvalidMsgFormat);
            problem.at("", "must be a websocket handshake (RFC 6455)")
        })?;
    let addressee = Addressee {
        role: match opener.point {
            ReferencePoint::Ics1 => Role::ThirdPartySp,
            _ => Role::IotSp,
        },
        sp: opener.principal.sp.clone(),
    };
    let seat = api
        .sockets
        .open(&addressee)
        .ok_or(Cause::InsufficientResources)?;
    let messages = messages
        .max_frame_size(MAX_FRAME)
        .aggregate_continuations()
        .max_continuation_size(MAX_FRAME);
    api.service.wake(&addressee);
    let line = Line::new(api, opener, session, PATIENCE);
    rt::spawn(line.serve(seat, messages));
    Ok(response)
}

struct Line {
    api: Arc<T8Api>,
    opener: Opener,
    session: Session,
    patience: Patience,
    /// Notifications sent, and who waits for their acknowledgement.
    unacknowledged: HashMap<String, oneshot::Sender<()>>,
    /// The last ones sent whose senders stopped waiting.
    given_up: VecDeque<String>,
    /// When the SP last said anything.
    heard: Instant,
    /// When it was last asked for a sign of life.
    asked: Instant,
    /// Whether it has not answered that yet.
    is_asked: bool,
    /// Since when it was sent notifications and has acknowledged none.
    in_debt: Option<Instant>,
}

/// Why a socket ends, as the SP is told; `None`: it need not be told.
type End = Option<CloseReason>;

impl Line {
    fn new(api: &Arc<T8Api>, opener: Opener, session: Session, patience: Patience) -> Self {
        Self {
            api: Arc::clone(api),
            opener,
            session,
            patience,
            unacknowledged: HashMap::new(),
            given_up: VecDeque::new(),
            heard: Instant::now(),
            asked: Instant::now(),
            is_asked: false,
            in_debt: None,
        }
    }

    async fn serve(mut self, mut seat: Seat, mut messages: AggregatedMessageStream) {
        let end = self.exchange(&mut seat, &mut messages).await;
        // Senders learn at once; the SP's last word is waited for by nobody.
        drop(seat);
        self.unacknowledged.clear();
        let _ = timeout(self.patience.goodbye, self.session.close(end)).await;
    }

    async fn exchange(&mut self, seat: &mut Seat, messages: &mut AggregatedMessageStream) -> End {
        let mut look = interval(self.patience.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ending = seat.ending();
        tokio::pin!(ending);
        loop {
            let has_room = self.unacknowledged.len() < MAX_UNACKNOWLEDGED;
            let ended = tokio::select! {
                biased;
                ending = &mut ending => Err(told_end(ending)),
                _ = look.tick() => self.look_around().await,
                message = messages.recv() => self.hear(message).await,
                Some(outgoing) = seat.next(), if has_room => self.send(outgoing).await,
            };
            if let Err(end) = ended {
                return end;
            }
        }
    }

    /// Whether the SP is still admitted, and alive.
    async fn look_around(&mut self) -> Result<(), End> {
        let Opener {
            principal,
            point,
            bearer,
        } = &self.opener;
        if !guard::still_admits(&self.api, principal, *point, bearer) {
            return Err(reason(CloseCode::Policy, "no longer admitted"));
        }
        self.give_up();
        let Patience {
            ping,
            silence,
            debt,
            ..
        } = self.patience;
        if self.heard.elapsed() > silence {
            return Err(reason(CloseCode::Policy, "no sign of life"));
        }
        // Frames that are not read are not acknowledged, though others may come.
        if self.in_debt.is_some_and(|since| since.elapsed() > debt) {
            return Err(reason(CloseCode::Policy, "nothing acknowledged"));
        }
        if self.heard.elapsed() > ping && self.asked.elapsed() > ping {
            self.asked = Instant::now();
            self.is_asked = true;
            return self.write(async |session| session.ping(b"").await).await;
        }
        Ok(())
    }

    /// Makes room of what nobody waits for any more.
    fn give_up(&mut self) {
        let closed = self
            .unacknowledged
            .extract_if(|_, waiting| waiting.is_closed());
        self.given_up.extend(closed.map(|(id, _)| id));
        let excess = self.given_up.len().saturating_sub(MAX_GIVEN_UP);
        self.given_up.drain(..excess);
    }

    async fn send(&mut self, outgoing: Outgoing) -> Result<(), End> {
        let Outgoing {
            id,
            body,
            acknowledged,
        } = outgoing;
        // Its sender stopped waiting; it is not to come twice.
        if acknowledged.is_closed() {
            return Ok(());
        }
        let Ok(text) = String::from_utf8(body) else {
            return Ok(());
        };
        self.unacknowledged.insert(id, acknowledged);
        self.in_debt.get_or_insert_with(Instant::now);
        self.write(async |session| session.text(text).await).await
    }

    async fn hear(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => self.acknowledge(text.as_bytes()),
            Some(Ok(AggregatedMessage::Ping(payload))) => {
                self.count_frame()?;
                self.write(async |session| session.pong(&payload).await)
                    .await
            }
            Some(Ok(AggregatedMessage::Pong(_))) if self.is_asked => {
                self.is_asked = false;
                Ok(())
            }
            Some(Ok(AggregatedMessage::Pong(_))) => self.count_frame(),
            Some(Ok(AggregatedMessage::Close(_))) => Err(reason(CloseCode::Normal, "goodbye")),
            Some(Ok(AggregatedMessage::Binary(_))) => {
                Err(reason(CloseCode::Unsupported, "text frames alone"))
            }
            Some(Err(error)) if gated::is_too_large(&error) => {
                Err(reason(CloseCode::Size, "frame too large"))
            }
            Some(Err(_)) | None => Err(reason(CloseCode::Protocol, "protocol violated")),
        }
    }

    fn acknowledge(&mut self, frame: &[u8]) -> Result<(), End> {
        let acknowledgement = parse_body::<Acknowledgement>(frame)
            .map_err(|_| reason(CloseCode::Invalid, "not an acknowledgement"))?;
        let id = acknowledgement.notification_id.as_str();
        if let Some(waiting) = self.unacknowledged.remove(id) {
            let _ = waiting.send(());
        } else if let Some(late) = self.given_up.iter().position(|known| known == id) {
            self.given_up.remove(late);
        } else {
            // Twice, or of none: no harm, within limits.
            return self.count_frame();
        }
        self.in_debt = (!self.unacknowledged.is_empty()).then(Instant::now);
        Ok(())
    }

    /// A frame that was not asked for counts as a request.
    fn count_frame(&self) -> Result<(), End> {
        let directory = self.api.service.directory();
        let party = directory.party(&self.opener.principal.sp);
        let now = self.api.clock.now();
        let admitted = party.is_some_and(|party| self.api.limiter.admit(party, now).is_ok());
        if admitted {
            Ok(())
        } else {
            Err(reason(CloseCode::Policy, "too many frames"))
        }
    }

    async fn write(
        &mut self,
        write: impl AsyncFnOnce(&mut Session) -> Result<(), actix_ws::Closed>,
    ) -> Result<(), End> {
        match timeout(self.patience.write, write(&mut self.session)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(reason(CloseCode::Policy, "reads too slowly")),
        }
    }
}

fn told_end(ending: Ending) -> End {
    match ending {
        Ending::Replaced => reason(CloseCode::Policy, "replaced by a newer connection"),
        Ending::GoingAway => reason(CloseCode::Away, "gateway stops"),
    }
}

fn reason(code: CloseCode, description: &str) -> End {
    Some(CloseReason {
        code,
        description: Some(description.to_owned()),
    })
}

#[cfg(test)]
mod tests;
