//! MQTT (TS-0010): topics, and whether they agree with the primitive. The primitive itself is the
//! payload, as JSON.
//!
//! A topic names originator and receiver: an id without its leading slash, its other slashes written
//! `:`. Behind a platform the originator of the topic is the CSE of the last hop.

use ics_core::time::Timestamp;

use crate::address::Names;
use crate::primitive::{Operation, Refusal, Request};
use crate::rsc::Rsc;
use crate::time;

/// The longest id in a topic.
const LONGEST_ID: usize = 256;
/// Types whose creation is a registration.
const REGISTERED: [u16; 2] = [2, 16];

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Requests.
    Request,
    /// Their answers.
    Response,
    /// Registrations of who has no id yet; the originator is the name of a credential.
    RegistrationRequest,
    /// Their answers.
    RegistrationResponse,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Request,
        Self::Response,
        Self::RegistrationRequest,
        Self::RegistrationResponse,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Request => "req",
            Self::Response => "resp",
            Self::RegistrationRequest => "reg_req",
            Self::RegistrationResponse => "reg_resp",
        }
    }

    /// Where what comes here is answered.
    const fn answered_by(self) -> Option<Self> {
        match self {
            Self::Request => Some(Self::Response),
            Self::RegistrationRequest => Some(Self::RegistrationResponse),
            Self::Response | Self::RegistrationResponse => None,
        }
    }
}

/// `/oneM2M/req/id-in/id-ics/json`. The ids are as they are in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    pub(crate) kind: Kind,
    pub(crate) originator: String,
    pub(crate) receiver: String,
}

impl Topic {
    /// The topic of requests of `originator` to `receiver`; none where an id cannot be in a topic.
    pub(crate) fn of_request(originator: &str, receiver: &str) -> Option<Self> {
        Some(Self {
            kind: Kind::Request,
            originator: encode_id(originator)?,
            receiver: encode_id(receiver)?,
        })
    }

    /// Reads a topic. One of another serialization than JSON is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut levels = text.strip_prefix("/oneM2M/")?.split('/');
        let kind = levels.next()?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        let (originator, receiver) = (levels.next()?, levels.next()?);
        if levels.next() != Some("json") || levels.next().is_some() {
            return None;
        }
        let are_ids = is_encoded(originator) && is_encoded(receiver);
        are_ids.then(|| Self {
            kind,
            originator: originator.to_owned(),
            receiver: receiver.to_owned(),
        })
    }

    pub(crate) fn write(&self) -> String {
        let Self {
            kind,
            originator,
            receiver,
        } = self;
        format!("/oneM2M/{}/{originator}/{receiver}/json", kind.name())
    }

    /// The topic of the answer: the same ids, in the same order.
    pub(crate) fn answer(&self) -> Option<Self> {
        Some(Self {
            kind: self.kind.answered_by()?,
            ..self.clone()
        })
    }
}

/// An id as it is in a topic; none for what would be more than one level, or a wildcard.
pub(crate) fn encode_id(id: &str) -> Option<String> {
    let bare = id.strip_prefix('/').unwrap_or(id);
    let encoded = bare.replace('/', ":");
    is_encoded(&encoded).then_some(encoded)
}

fn is_encoded(id: &str) -> bool {
    let is_plain = |c: char| !matches!(c, '+' | '#' | '/') && !c.is_control() && !c.is_whitespace();
    !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(is_plain)
}

/// What this CSE subscribes to: requests and registrations to it, answers to its own requests.
pub(crate) fn filters(names: &Names) -> [String; 3] {
    let own = &names.cse_id;
    [
        format!("/oneM2M/req/+/{own}/#"),
        format!("/oneM2M/reg_req/+/{own}/#"),
        format!("/oneM2M/resp/{own}/#"),
    ]
}

/// The client id of this CSE (TS-0010 6.2).
pub(crate) fn client_id(names: &Names) -> String {
    format!("C::{}", names.cse_id)
}

/// Whom a topic says a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The registrar, for itself or whoever is behind it.
    Registrar,
    /// Anybody else.
    Other,
}

/// Whom the request comes from, if its topic and `fr` agree.
///
/// # Errors
/// 4106 where they do not; 4000 for a registration that is none.
pub(crate) fn check_originator(
    topic: &Topic,
    request: &Request,
    (names, registrar): (&Names, Option<&str>),
) -> Result<Sender, Refusal> {
    if topic.kind == Kind::RegistrationRequest {
        let ty = request.resource_type.unwrap_or_default();
        if request.operation != Operation::Create || !REGISTERED.contains(&ty) {
            let said = "the topic is for registrations";
            return Err(Refusal::new(Rsc::BadRequest, said));
        }
        return Ok(Sender::Other);
    }
    let from = request.from.as_deref().unwrap_or_default();
    let lies = Refusal::about(
        Rsc::OriginatorNotAuthenticated,
        "fr",
        "is not the originator that the topic names",
    );
    if registrar.is_some_and(|registrar| topic.originator == registrar) {
        let is_under = registrar.is_some_and(|registrar| lies_under(from, registrar));
        return if is_under {
            Ok(Sender::Registrar)
        } else {
            Err(lies)
        };
    }
    let named = encode_id(from);
    let is_named = named.is_some_and(|named| stem(&named, names) == stem(&topic.originator, names));
    if is_named {
        Ok(Sender::Other)
    } else {
        Err(lies)
    }
}

/// Whether an id is that of the CSE, or of something registered there: `/id-in`, `/id-in/Cshop`,
/// `//sp.example/id-in/Cshop`.
fn lies_under(id: &str, cse_id: &str) -> bool {
    let relative = match id.strip_prefix("//") {
        Some(absolute) => absolute.split_once('/').map(|(_, rest)| rest),
        None => id.strip_prefix('/'),
    };
    let cse = relative.map(|relative| relative.split('/').next().unwrap_or(relative));
    cse == Some(cse_id)
}

/// The id of an AE of this CSE without what comes before: peers write `Cshop`, `id-ics:Cshop`, and the
/// absolute id with one colon in front, or none.
fn stem<'a>(encoded: &'a str, names: &Names) -> &'a str {
    let bare = encoded.trim_start_matches(':');
    let relative = strip(bare, &names.sp_domain).unwrap_or(bare);
    strip(relative, &names.cse_id).unwrap_or(relative)
}

fn strip<'a>(encoded: &'a str, before: &str) -> Option<&'a str> {
    encoded.strip_prefix(before)?.strip_prefix(':')
}

/// Whether the request is over: the broker may have held it. What is no time is not judged here, nor
/// a span that nobody says the beginning of.
pub(crate) fn is_over(request: &Request, now: Timestamp) -> bool {
    let Some(expiration) = request.request_expiration.as_deref() else {
        return false;
    };
    let end = time::parse(expiration).or_else(|| {
        let sent = time::parse(request.originating_timestamp.as_deref()?)?;
        time::parse_relative(expiration, sent)
    });
    end.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests;
