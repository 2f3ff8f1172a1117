//! How a line reads. Every value comes from a fixed alphabet (ids, patterns, codes of ours), so
//! nothing in it needs escaping.

use std::fmt::Write as _;
use std::net::IpAddr;

use ics_core::audit::BulkOutcomes;
use ics_core::reference_point::ReferencePoint;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Below 400.
    Allowed,
    /// 4xx, or no handshake.
    Denied,
    /// 5xx.
    Failed,
}

impl Verdict {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Allowed, Self::Denied, Self::Failed];

    /// Of an answer's status.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Allowed,
            400..500 => Self::Denied,
            500.. => Self::Failed,
        }
    }

    /// In log and metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// From 0 on, in the order of [`Verdict::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// What a request's line says.
pub(crate) struct Entry<'a> {
    pub(crate) time: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) listener: &'static str,
    pub(crate) who: Option<&'a str>,
    /// How that is known.
    pub(crate) proof: Option<&'static str>,
    /// The CSE that handed it on, where it did not come by itself.
    pub(crate) via: Option<&'a str>,
    pub(crate) point: Option<ReferencePoint>,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) cause: Option<&'a str>,
    /// What the decision point said last, by the name it has there.
    pub(crate) verdict: Option<u64>,
    /// What it was about, and which one.
    pub(crate) object: Option<(&'static str, String)>,
}

/// The line of a request that was answered.
pub(crate) fn render_request(entry: &Entry<'_>) -> String {
    let mut line = begin(entry.time, entry.request_id, entry.listener, entry.who);
    if let Some(proof) = entry.proof {
        push(&mut line, "proof", proof);
    }
    if let Some(via) = entry.via {
        push(&mut line, "via", via);
    }
    if let Some(point) = entry.point {
        push(&mut line, "reference_point", point.label());
    }
    line.push_str(",\"operation\":\"");
    line.push_str(entry.method);
    line.push(' ');
    line.push_str(entry.route);
    line.push('"');
    push(
        &mut line,
        "decision",
        Verdict::of_status(entry.status).label(),
    );
    // Writing to a string does not fail.
    let _ = write!(line, ",\"status\":{}", entry.status);
    if let Some(cause) = entry.cause {
        push(&mut line, "cause", cause);
    }
    if let Some(verdict) = entry.verdict {
        push(&mut line, "verdict", &format!("{verdict:016x}"));
    }
    if let Some((kind, id)) = &entry.object {
        push(&mut line, kind, id);
    }
    line.push_str("}\n");
    line
}

/// What the line of an act of a hosted device says.
pub(crate) struct DeviceEntry<'a> {
    pub(crate) time: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) listener: &'static str,
    /// Its IoT SP.
    pub(crate) who: Option<&'a str>,
    /// A keyed hash of which device.
    pub(crate) device: Option<&'a str>,
    pub(crate) operation: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) cause: Option<&'static str>,
}

/// The line of an act of a hosted device.
pub(crate) fn render_device(entry: &DeviceEntry<'_>) -> String {
    let mut line = begin(entry.time, entry.request_id, entry.listener, entry.who);
    if let Some(device) = entry.device {
        push(&mut line, "device", device);
    }
    push(&mut line, "operation", entry.operation);
    push(&mut line, "decision", entry.verdict.label());
    if let Some(cause) = entry.cause {
        push(&mut line, "cause", cause);
    }
    line.push_str("}\n");
    line
}

/// The line of a request that ended without an answer: whether something of it was done is not
/// known.
pub(crate) fn render_unanswered(
    (time, request_id): (&str, &str),
    (listener, who): (&'static str, Option<&str>),
    method: &'static str,
) -> String {
    let mut line = begin(time, request_id, listener, who);
    push(&mut line, "operation", method);
    push(&mut line, "decision", "unknown");
    push(&mut line, "cause", "ENDED_UNANSWERED");
    line.push_str("}\n");
    line
}

/// The line at the end of a bulk inquiry, under the id of the line at its beginning: what became of
/// its lines.
pub(crate) fn render_bulk_end(
    (time, request_id): (&str, &str),
    (listener, who): (&'static str, Option<&str>),
    outcomes: BulkOutcomes,
) -> String {
    let mut line = begin(time, request_id, listener, who);
    push(&mut line, "event", "BULK_ENDED");
    let counts = [
        ("asked", outcomes.asked),
        ("allowed", outcomes.allowed),
        ("not_found", outcomes.not_found),
        ("denied", outcomes.denied),
        ("failed", outcomes.failed),
    ];
    for (name, count) in counts {
        let _ = write!(line, ",\"{name}\":{count}");
    }
    let _ = write!(line, ",\"whole\":{}}}", outcomes.is_whole());
    line.push('\n');
    line
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeRefusal {
    /// In the log and in metrics, such as `CERTIFICATE_REVOKED`.
    pub(crate) cause: &'static str,
    /// From where.
    pub(crate) address: Option<IpAddr>,
}

/// The line of a connection that was not taken; `who` where the certificate was good.
pub(crate) fn render_handshake(
    (time, request_id): (&str, &str),
    (listener, who): (&'static str, Option<&str>),
    refusal: HandshakeRefusal,
) -> String {
    let mut line = begin(time, request_id, listener, who);
    push(&mut line, "operation", "connect");
    push(&mut line, "decision", Verdict::Denied.label());
    push(&mut line, "cause", refusal.cause);
    if let Some(address) = refusal.address {
        let _ = write!(line, ",\"address\":\"{address}\"");
    }
    line.push_str("}\n");
    line
}

fn begin(time: &str, request_id: &str, listener: &str, who: Option<&str>) -> String {
    let mut line = String::with_capacity(384);
    line.push_str("{\"time\":\"");
    line.push_str(time);
    line.push('"');
    push(&mut line, "request_id", request_id);
    push(&mut line, "listener", listener);
    if let Some(who) = who {
        push(&mut line, "who", who);
    }
    line
}

fn push(line: &mut String, name: &str, value: &str) {
    for part in [",\"", name, "\":\"", value, "\""] {
        line.push_str(part);
    }
}
