//! A service provider that asks again until it is answered: the gateway is killed under it.

use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ics_tests::{Answer, Dialer, KeptConnection, Party};
use serde_json::Value;

/// A party, and the token all its connections use.
pub(crate) struct Office {
    pub(crate) party: Party,
    dialer: Dialer,
    token: Mutex<Option<String>>,
}

/// One connection of a party.
pub(crate) struct Caller<'o> {
    office: &'o Office,
    connection: KeptConnection,
    /// Whether the last call was sent more than once: the first may have been acted upon.
    pub(crate) asked_again: bool,
}

const PAUSE: Duration = Duration::from_millis(50);
/// A gateway that starts again, or a provider that is suspended, is back long before.
const LIMIT: Duration = Duration::from_secs(120);

impl Office {
    pub(crate) fn of(party: Party) -> Self {
        Self {
            dialer: Dialer::of(&party),
            party,
            token: Mutex::default(),
        }
    }

    /// A token that is not `stale`; others wait while one fetches it.
    fn token(&self, stale: Option<&str>) -> String {
        let mut token = self.token.lock().unwrap();
        if let Some(token) = token.as_deref().filter(|token| Some(*token) != stale) {
            return token.to_owned();
        }
        let begun = Instant::now();
        loop {
            let answer = self.party.ask_token("");
            if answer.status == 200 {
                let json = answer.json();
                let fresh = json["access_token"].as_str().expect("a token").to_owned();
                *token = Some(fresh.clone());
                return fresh;
            }
            assert!(begun.elapsed() < LIMIT, "no token: {answer:?}");
            sleep(PAUSE);
        }
    }
}

impl<'o> Caller<'o> {
    pub(crate) fn of(office: &'o Office) -> Self {
        Self {
            connection: KeptConnection::of(office.dialer.clone()),
            office,
            asked_again: false,
        }
    }

    /// Asks until there is an answer that is one: not of a gateway that goes or comes.
    pub(crate) fn call(&mut self, method: &str, link: &str, body: Option<&Value>) -> Answer {
        let path = link.strip_prefix(&*self.office.party.root).unwrap_or(link);
        let (begun, mut stale) = (Instant::now(), None);
        self.asked_again = false;
        loop {
            let token = self.office.token(stale.as_deref());
            match self.connection.call((method, path), &token, body) {
                Ok(answer) if answer.status == 401 => stale = Some(token),
                // Suspended after its token was looked at.
                Ok(answer) if answer.status == 403 && answer.cause() == "INSUFFICIENT_SCOPE" => {}
                Ok(answer) if !matches!(answer.status, 408 | 429 | 503) => return answer,
                Ok(_) | Err(_) => self.asked_again = true,
            }
            assert!(begun.elapsed() < LIMIT, "{method} {path} is not answered");
            sleep(PAUSE);
        }
    }
}
