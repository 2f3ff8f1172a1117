//! A connection as a client of some care keeps it: opened with its first request, opened anew where
//! it is known to be over.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::connection::{Connection, Dialer};
use crate::curl::Answer;

/// Shorter than a gateway keeps a connection nobody uses (`keep_alive`, 75 s): a request on one that
/// ends at that moment is lost (RFC 9112 9.3.1).
const UNUSED: Duration = Duration::from_secs(30);

/// One connection at a time. A gateway cuts off who connects and then says nothing: here nobody
/// connects before there is something to say.
pub struct KeptConnection {
    dialer: Dialer,
    open: Option<(Connection, Instant)>,
}

impl KeptConnection {
    /// Connections of `dialer`; none is opened yet.
    #[must_use]
    pub const fn of(dialer: Dialer) -> Self {
        Self { dialer, open: None }
    }

    /// Sends a request and reads its answer. It is never sent a second time.
    ///
    /// # Errors
    /// [`io::Error`] when there is no connection, or it ended before an answer was whole.
    pub fn call(
        &mut self,
        request: (&str, &str),
        token: &str,
        body: Option<&Value>,
    ) -> io::Result<Answer> {
        let open = self.open.take();
        let mut connection = match open.filter(|(_, used)| used.elapsed() < UNUSED) {
            Some((connection, _)) => connection,
            None => self.dialer.dial()?,
        };
        let answer = connection.call(request, token, body)?;
        if answer.header("connection") != Some("close") {
            self.open = Some((connection, Instant::now()));
        }
        Ok(answer)
    }
}
