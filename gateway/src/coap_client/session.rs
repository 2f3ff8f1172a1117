//! A client's session over a UDP socket: what its association and its exchange decide, carried.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ics_core::port::Entropy;
use tokio::net::UdpSocket;
use tokio::time::{Instant as Deadline, sleep_until};

use super::exchange::{Answer, Came, Exchange, Request, Unanswered};
use super::{Association, AssociationError, PreSharedKey};

/// How long news may take that are waited for; far beyond what they take.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest datagram we take; a gateway's are shorter.
const LONGEST: usize = 2048;

/// The session came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The socket.
    #[error("CoAP socket: {0}")]
    Io(#[from] io::Error),
    /// DTLS.
    #[error(transparent)]
    Association(#[from] AssociationError),
    /// Nobody answers.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The server said Reset.
    #[error("the server has no use for the request")]
    Reset,
    /// Nothing new was told.
    #[error("what is observed did not change within {LIMIT:?}")]
    Late,
}

/// An association over which one request after the other is made.
pub(crate) struct Session {
    socket: UdpSocket,
    association: Association,
    exchange: Exchange,
    entropy: Arc<dyn Entropy>,
    news: VecDeque<Answer>,
}

impl Session {
    /// Shakes hands with `server`.
    ///
    /// # Errors
    /// [`SessionError`].
    pub(crate) async fn open(
        server: SocketAddr,
        psk: &PreSharedKey,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SessionError> {
        let own: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((own, 0)).await?;
        socket.connect(server).await?;
        let mut session = Self {
            socket,
            association: Association::begin(Instant::now(), server, psk)?,
            exchange: Exchange::new(throw(entropy.as_ref())),
            entropy,
            news: VecDeque::new(),
        };
        while !session.association.is_met() {
            session.step().await?;
        }
        session.send().await?;
        Ok(session)
    }

    /// Asks, until it is answered.
    ///
    /// # Errors
    /// [`SessionError`].
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer, SessionError> {
        let now = Instant::now();
        let chance = throw(self.entropy.as_ref());
        let message = self.exchange.ask(now, chance, request);
        self.association.say(now, &message)?;
        loop {
            match self.step().await? {
                Came::Answer(answer) => return Ok(answer),
                Came::News(news) => self.news.push_back(news),
                Came::Reset => return Err(SessionError::Reset),
                Came::Nothing => {}
            }
        }
    }

    /// Waits for the next news of what is observed.
    ///
    /// # Errors
    /// [`SessionError`].
    pub(crate) async fn wait_news(&mut self) -> Result<Answer, SessionError> {
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                if let Some(news) = self.news.pop_front() {
                    return Ok(news);
                }
                if let Came::News(news) = self.step().await? {
                    self.news.push_back(news);
                }
            }
        });
        waited.await.unwrap_or(Err(SessionError::Late))
    }

    /// Takes its leave.
    ///
    /// # Errors
    /// [`SessionError::Io`].
    pub(crate) async fn close(mut self) -> Result<(), SessionError> {
        self.association.end(Instant::now());
        self.send().await
    }

    /// Takes one message that came, or waits for a datagram or for what is due.
    async fn step(&mut self) -> Result<Came, SessionError> {
        if let Some(message) = self.association.heard() {
            let now = Instant::now();
            let (came, reply) = self.exchange.take(now, &message);
            if let Some(reply) = reply {
                self.association.say(now, &reply)?;
            }
            self.send().await?;
            return Ok(came);
        }
        self.send().await?;
        let dues = [self.association.next_timeout(), self.exchange.due()];
        let due = dues.into_iter().flatten().min();
        let mut datagram = [0; LONGEST];
        tokio::select! {
            received = self.socket.recv(&mut datagram) => {
                let datagram = datagram.get(..received?).unwrap_or_default();
                self.association.take(Instant::now(), datagram)?;
            }
            () = sleep(due) => self.attend(Instant::now())?,
        }
        Ok(Came::Nothing)
    }

    /// Says again what is due by `now`.
    fn attend(&mut self, now: Instant) -> Result<(), SessionError> {
        self.association.attend(now)?;
        if let Some(again) = self.exchange.attend(now)? {
            self.association.say(now, &again)?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), SessionError> {
        while let Some(datagram) = self.association.outgoing() {
            self.socket.send(&datagram).await?;
        }
        Ok(())
    }
}

async fn sleep(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(Deadline::from_std(due)).await,
        None => pending().await,
    }
}

fn throw(entropy: &dyn Entropy) -> u16 {
    let mut bytes = [0; 2];
    entropy.fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}
