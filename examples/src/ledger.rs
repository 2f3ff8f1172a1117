//! What a receiver remembers: the callbacks it took, so that it acts on each one once and never on
//! an old one after a newer.
//!
//! The gateway delivers at least once. A second delivery of the same notification is signed anew:
//! it is acknowledged and dropped. The very same signature again is no delivery but a replay.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One callback that was taken; a ledger is a file of these, a JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// `notificationId`.
    pub notification: String,
    /// The link of the mapping or assignment it is about, if it is about one.
    pub subject: Option<String>,
    /// `sequence`, if it has one.
    pub sequence: Option<u64>,
    /// The signature it came with.
    pub signature: String,
}

/// What to do with a verified callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Act on it; answer 204.
    Apply,
    /// Taken before, delivered again: answer 204, do nothing.
    Duplicate,
    /// Something newer was said of the same mapping: answer 204, do nothing.
    Overtaken,
    /// The same request again: answer 409.
    Replay,
    /// No notification at all: answer 400.
    Unreadable,
}

/// The callbacks taken so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    notifications: HashSet<String>,
    signatures: HashSet<String>,
    newest: HashMap<String, u64>,
}

impl Ledger {
    /// Takes in a callback that was verified, with the signature it bore. The second value is what
    /// to keep of it, where there is something new.
    pub fn take(&mut self, body: &[u8], signature: &str) -> (Verdict, Option<Taken>) {
        if self.signatures.contains(signature) {
            return (Verdict::Replay, None);
        }
        let Some(taken) = read_notification(body, signature) else {
            return (Verdict::Unreadable, None);
        };
        let verdict = if self.notifications.contains(&taken.notification) {
            Verdict::Duplicate
        } else if self.is_overtaken(&taken) {
            Verdict::Overtaken
        } else {
            Verdict::Apply
        };
        self.remember(&taken);
        (verdict, Some(taken))
    }

    /// Takes back what was kept.
    pub fn remember(&mut self, taken: &Taken) {
        self.notifications.insert(taken.notification.clone());
        self.signatures.insert(taken.signature.clone());
        if let (Some(subject), Some(sequence)) = (&taken.subject, taken.sequence) {
            let newest = self.newest.entry(subject.clone()).or_default();
            *newest = sequence.max(*newest);
        }
    }

    fn is_overtaken(&self, taken: &Taken) -> bool {
        let newest = taken.subject.as_ref().and_then(|s| self.newest.get(s));
        newest
            .zip(taken.sequence)
            .is_some_and(|(newest, own)| own < *newest)
    }
}

fn read_notification(body: &[u8], signature: &str) -> Option<Taken> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Taken {
        notification: text("notificationId")?,
        // The push names its row `assignment`, everything after it `mapping`: one link.
        subject: text("assignment").or_else(|| text("mapping")),
        sequence: body.get("sequence").and_then(Value::as_u64),
        signature: signature.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: &str, sequence: u64) -> Vec<u8> {
        format!("{{\"notificationId\":\"{id}\",\"mapping\":\"m\",\"sequence\":{sequence}}}").into()
    }

    fn take(ledger: &mut Ledger, body: &[u8], signature: &str) -> Verdict {
        ledger.take(body, signature).0
    }

    #[test]
    fn second_delivery_is_dropped_and_a_replay_refused() {
        let mut ledger = Ledger::default();
        assert_eq!(take(&mut ledger, &body("a", 1), "s1"), Verdict::Apply);
        assert_eq!(take(&mut ledger, &body("a", 1), "s2"), Verdict::Duplicate);
        assert_eq!(take(&mut ledger, &body("a", 1), "s1"), Verdict::Replay);
        assert_eq!(take(&mut ledger, &body("a", 1), "s2"), Verdict::Replay);
    }

    #[test]
    fn older_word_does_not_undo_a_newer_one() {
        let mut ledger = Ledger::default();
        assert_eq!(take(&mut ledger, &body("c", 3), "s3"), Verdict::Apply);
        assert_eq!(take(&mut ledger, &body("b", 2), "s2"), Verdict::Overtaken);
        assert_eq!(take(&mut ledger, &body("d", 4), "s4"), Verdict::Apply);
    }

    #[test]
    fn push_and_what_follows_it_are_one_subject() {
        let mut ledger = Ledger::default();
        assert_eq!(take(&mut ledger, &body("b", 2), "s2"), Verdict::Apply);
        let push = b"{\"notificationId\":\"a\",\"assignment\":\"m\",\"sequence\":1}";
        assert_eq!(take(&mut ledger, push, "s1"), Verdict::Overtaken);
    }

    #[test]
    fn what_was_kept_is_known_again() {
        let mut before = Ledger::default();
        let (_, taken) = before.take(&body("a", 1), "s1");
        let line = serde_json::to_string(&taken.unwrap()).unwrap();
        let mut after = Ledger::default();
        after.remember(&serde_json::from_str(&line).unwrap());
        assert_eq!(take(&mut after, &body("a", 1), "s1"), Verdict::Replay);
    }

    #[test]
    fn what_is_no_notification_is_not_taken() {
        let mut ledger = Ledger::default();
        for body in [&b"{}"[..], b"not json", b"[]"] {
            assert_eq!(take(&mut ledger, body, "s"), Verdict::Unreadable);
        }
    }
}
