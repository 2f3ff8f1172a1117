//! `<request>` resources (TS-0004 7.4.12): what became of a request that was not answered on the
//! spot. They are kept in memory, for a while, and end with the process: a request that waited then
//! is asked again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ics_core::port::Entropy;
use ics_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::caller::{Originator, Standing};
use crate::primitive::{Answer, Operation, Outcome, Refusal, Request, Response, ResponseType};
use crate::rsc::Rsc;
use crate::time;

/// What their resource IDs begin with.
const PREFIX: &str = "req";
/// How many of them there may be, and how many of one originator.
const MOST: usize = 4096;
const MOST_OF_ONE: usize = 64;
/// `rs` (TS-0004 6.3.4.2.9): done, failed, still under way.
const COMPLETED: u8 = 1;
const FAILED: u8 = 2;
const PENDING: u8 = 3;

/// Whether that is one of their resource IDs: no name that somebody chose.
pub(super) fn is_one(ri: &str) -> bool {
    let digits = ri.strip_prefix(PREFIX);
    digits.is_some_and(|digits| {
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain && digits.len() == 32
    })
}

#[derive(Default)]
pub(super) struct Requests(Mutex<BTreeMap<String, Kept>>);

struct Kept {
    originator: String,
    expires: Timestamp,
    created: Timestamp,
    changed: Timestamp,
    attributes: Map<String, Value>,
    response: Option<Response>,
}

impl Requests {
    /// A place for the answer to `request`.
    pub(super) fn open(
        &self,
        who: &Originator,
        request: &Request,
        (entropy, now, expires): (&Arc<dyn Entropy>, Timestamp, Timestamp),
    ) -> Result<String, Refusal> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| kept.expires > now);
        let of_one = all.values().filter(|kept| kept.originator == who.id);
        // Names behind a hop are claims: many of them leave room for who proved itself.
        let most = match who.standing {
            Standing::BehindHop => MOST / 2,
            _ => MOST,
        };
        if all.len() >= most || of_one.count() >= MOST_OF_ONE {
            let said = "too many requests wait for their answers to be fetched";
            return Err(Refusal::new(Rsc::InternalServerError, said));
        }
        let mut random = [0; 16];
        entropy.fill(&mut random);
        let ri = format!("{PREFIX}{:032x}", u128::from_be_bytes(random));
        let kept = Kept {
            originator: who.id.clone(),
            expires,
            created: now,
            changed: now,
            attributes: describe(request),
            response: None,
        };
        all.insert(ri.clone(), kept);
        Ok(ri)
    }

    /// The answer is there.
    pub(super) fn close(&self, ri: &str, response: &Response, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get_mut(ri) {
            kept.response = Some(response.clone());
            kept.changed = now;
        }
    }

    /// A request for one of them: its originator alone sees it. Its name cannot be guessed, and
    /// proves who asks behind another CSE, where a retrieve can carry no `tok`.
    pub(super) fn handle(
        &self,
        ri: &str,
        who: &Originator,
        request: &Request,
        now: Timestamp,
    ) -> Outcome {
        let absent = || Refusal::new(Rsc::NotFound, "no such resource");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_admin = matches!(who.standing, Standing::Admin);
        let kept = all.get(ri).filter(|kept| kept.expires > now);
        let kept = kept.filter(|kept| is_admin || kept.originator == who.id);
        let kept = kept.ok_or_else(absent)?;
        match request.operation {
            Operation::Retrieve => Ok(Answer::with(Rsc::Ok, "m2m:req", kept.show(ri))),
            Operation::Delete => {
                all.remove(ri);
                Ok(Answer::empty(Rsc::Deleted))
            }
            _ => {
                let said = "a request can be retrieved and deleted";
                Err(Refusal::new(Rsc::OperationNotAllowed, said))
            }
        }
    }
}

impl Kept {
    fn show(&self, ri: &str) -> Value {
        let mut shown = self.attributes.clone();
        let created = time::format(self.created);
        let status = match &self.response {
            None => PENDING,
            Some(response) if response.rsc.is_success() => COMPLETED,
            Some(_) => FAILED,
        };
        for (name, value) in [
            ("ri", json!(ri)),
            ("rn", json!(ri)),
            ("ty", json!(17)),
            ("ct", json!(created)),
            ("lt", json!(time::format(self.changed))),
            ("et", json!(time::format(self.expires))),
            ("lbl", json!([self.originator])),
            ("org", json!(self.originator)),
            ("rs", json!(status)),
        ] {
            shown.insert(name.into(), value);
        }
        if let Some(response) = &self.response {
            shown.insert("ors".into(), response.to_json());
        }
        Value::Object(shown)
    }
}

/// What was asked, without its content: that may hold identifiers, and its sender has it.
fn describe(request: &Request) -> Map<String, Value> {
    let mut described = Map::new();
    described.insert("op".into(), request.operation.number().into());
    described.insert("tg".into(), request.to.clone().into());
    described.insert("rid".into(), request.request_id.clone().into());
    let mut meta = Map::new();
    let number = match request.response_type {
        ResponseType::NonBlockingSynch => 1,
        _ => 2,
    };
    meta.insert("rt".into(), json!({ "rtv": number }));
    for (name, value) in [
        ("rvi", &request.release),
        ("rp", &request.result_persistence),
        ("vsi", &request.vendor_information),
        ("rqet", &request.request_expiration),
    ] {
        if let Some(value) = value {
            meta.insert(name.into(), value.clone().into());
        }
    }
    described.insert("mi".into(), Value::Object(meta));
    described
}
