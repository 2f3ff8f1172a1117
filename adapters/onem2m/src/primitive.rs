//! Request and response primitives (TS-0004 7.5.2), as no binding writes them: what every binding
//! reads into and writes from.

mod filter;
mod json;

use serde_json::{Map, Value};

use crate::rsc::Rsc;

pub(crate) use filter::number;
pub use filter::{Filter, FilterOperation, FilterUsage};
pub use json::{InvalidPrimitive, as_notification};
pub(crate) use json::{known, read_desired_result, response_type};

/// The content of a primitive: one member, named after the resource or the data type it holds.
pub type Content = Map<String, Value>;

/// What is to be done (TS-0004 table 6.3.4.2.5-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make a child.
    Create,
    /// Read.
    Retrieve,
    /// Change attributes.
    Update,
    /// Remove, with everything under it.
    Delete,
    /// Tell.
    Notify,
}

impl Operation {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Retrieve,
        Self::Update,
        Self::Delete,
        Self::Notify,
    ];

    /// The number on the wire: 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Retrieve => 2,
            Self::Update => 3,
            Self::Delete => 4,
            Self::Notify => 5,
        }
    }
}

/// How the answer is to come (TS-0004 `rt`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResponseType {
    /// It is fetched from a `<request>` resource.
    NonBlockingSynch,
    /// It is sent to these, or to where the originator is reached.
    NonBlockingAsynch(Vec<String>),
    /// On the spot.
    #[default]
    Blocking,
    /// As it suits the receiver.
    Flexible(Vec<String>),
    /// Not at all.
    None,
}

/// One request. What is absent was not said.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `op`.
    pub operation: Operation,
    /// `to`, in any of its forms, as it was sent.
    pub to: String,
    /// `fr`; absent, or empty, in the first request of an AE that has no name yet.
    pub from: Option<String>,
    /// `rqi`: the answer bears the same.
    pub request_id: String,
    /// `rvi`: the release spoken.
    pub release: Option<String>,
    /// `ty`: of the resource to be made.
    pub resource_type: Option<u16>,
    /// `pc`.
    pub content: Option<Content>,
    /// `rcn`: what the answer is to hold.
    pub result_content: Option<u8>,
    /// `rt`.
    pub response_type: ResponseType,
    /// `drt`: whether discovery answers unstructured addresses.
    pub unstructured_result: bool,
    /// `fc`, and what restricts the answer.
    pub filter: Filter,
    /// `rqet`: when the request is over, as it was sent (absolute, or milliseconds from now).
    pub request_expiration: Option<String>,
    /// `rset`: when the answer is of no use.
    pub result_expiration: Option<String>,
    /// `rp`: how long the answer to a non-blocking request is kept.
    pub result_persistence: Option<String>,
    /// `oet`: when it is to be done.
    pub operation_execution: Option<String>,
    /// `ot`.
    pub originating_timestamp: Option<String>,
    /// `vsi`.
    pub vendor_information: Option<String>,
}

impl Request {
    /// A request with nothing but what every one has.
    #[must_use]
    pub fn new(operation: Operation, to: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            operation,
            to: to.into(),
            from: None,
            request_id: request_id.into(),
            release: None,
            resource_type: None,
            content: None,
            result_content: None,
            response_type: ResponseType::Blocking,
            unstructured_result: false,
            filter: Filter::default(),
            request_expiration: None,
            result_expiration: None,
            result_persistence: None,
            operation_execution: None,
            originating_timestamp: None,
            vendor_information: None,
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// `rsc`.
    pub rsc: Rsc,
    /// `rqi`, of the request; empty where that had none.
    pub request_id: String,
    /// `rvi`, of the request.
    pub release: Option<String>,
    /// `pc`.
    pub content: Option<Value>,
    /// `fr`: who answers.
    pub from: Option<String>,
    /// `to`: whom.
    pub to: Option<String>,
    /// `ot`.
    pub originating_timestamp: Option<String>,
    /// `rset`, of the request.
    pub result_expiration: Option<String>,
    /// `vsi`, of the request.
    pub vendor_information: Option<String>,
    /// Where what was made lies, for `Content-Location`.
    pub location: Option<String>,
}

impl Response {
    /// The answer to `request`.
    #[must_use]
    pub fn to(request: &Request, outcome: Outcome) -> Self {
        let Answer {
            rsc,
            content,
            location,
        } = match outcome {
            Ok(answer) => answer,
            Err(refusal) => refusal.into(),
        };
        Self {
            rsc,
            request_id: request.request_id.clone(),
            release: request.release.clone(),
            content,
            from: None,
            to: request.from.clone(),
            originating_timestamp: None,
            result_expiration: request.result_expiration.clone(),
            vendor_information: request.vendor_information.clone(),
            location,
        }
    }
}

/// What came of a request.
pub type Outcome = Result<Answer, Refusal>;

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it ended.
    pub rsc: Rsc,
    /// What it holds.
    pub content: Option<Value>,
    /// Where what was made lies.
    pub location: Option<String>,
}

impl Answer {
    /// An answer without content.
    #[must_use]
    pub const fn empty(rsc: Rsc) -> Self {
        Self {
            rsc,
            content: None,
            location: None,
        }
    }

    /// An answer with one member.
    #[must_use]
    pub fn with(rsc: Rsc, name: &str, value: Value) -> Self {
        let mut content = Map::new();
        content.insert(name.to_owned(), value);
        Self {
            rsc,
            content: Some(Value::Object(content)),
            location: None,
        }
    }
}

/// Why a request was not done. The text is for whoever has to mend the request: it never holds an
/// identifier, nor what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct Refusal {
    /// How it ended.
    pub rsc: Rsc,
    /// `m2m:dbg`.
    pub diagnostic: std::borrow::Cow<'static, str>,
}

impl Refusal {
    /// A refusal in fixed words.
    #[must_use]
    pub const fn new(rsc: Rsc, diagnostic: &'static str) -> Self {
        Self {
            rsc,
            diagnostic: std::borrow::Cow::Borrowed(diagnostic),
        }
    }

    /// A refusal that names an attribute or a parameter, by its short name.
    #[must_use]
    pub fn about(rsc: Rsc, name: &str, diagnostic: &str) -> Self {
        Self {
            rsc,
            diagnostic: format!("`{name}` {diagnostic}").into(),
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::with(refusal.rsc, "m2m:dbg", refusal.diagnostic.into())
    }
}
