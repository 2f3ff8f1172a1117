//! A message as libcoap's clients print it.

use serde_json::Value;

use crate::device::unhex;

/// An answer, or a notification of what is observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoapReply {
    /// `2.05`.
    pub code: String,
    /// Its options by the names libcoap has for them (an unknown one's is its number), in order.
    pub options: Vec<(String, String)>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl CoapReply {
    /// The first option of this name.
    pub fn option(&self, name: &str) -> Option<&str> {
        let named = |option: &&(String, String)| option.0 == name;
        let option = self.options.iter().find(named);
        option.map(|(_, value)| value.as_str())
    }

    /// The bytes of an option that libcoap shows as bytes.
    #[track_caller]
    pub fn option_bytes(&self, name: &str) -> Vec<u8> {
        let value = self
            .option(name)
            .unwrap_or_else(|| panic!("{name}: {self:?}"));
        let digits = value.trim_matches('"').strip_prefix("0x");
        unhex(digits.unwrap_or_else(|| panic!("{name}: {self:?}")))
    }

    /// The payload as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    /// The payload as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("UTF-8")
    }
}

/// The answers among what a client said, in order.
pub(super) fn read_replies(said: &str) -> Vec<CoapReply> {
    let mut lines = said.lines().peekable();
    let mut replies = Vec::new();
    while let Some(line) = lines.next() {
        let Some(mut reply) = read_line(line) else {
            continue;
        };
        // What is no text follows in a line of its own.
        if reply.payload.starts_with(b"binary data length ")
            && let Some(digits) = lines.peek().and_then(|line| line.strip_prefix("<<"))
        {
            reply.payload = unhex(digits.trim_end_matches('>'));
        }
        replies.push(reply);
    }
    replies
}

/// `v:1 t:ACK c:2.05 i:997b {01} [ Content-Format:application/json ] :: '{"v":7}'`.
fn read_line(line: &str) -> Option<CoapReply> {
    let (head, rest) = line.strip_prefix("v:1 t:")?.split_once(" [")?;
    let code = head.split(' ').find_map(|word| word.strip_prefix("c:"))?;
    // Requests have names, and what carries nothing is 0.00.
    if !code.starts_with(['2', '4', '5']) {
        return None;
    }
    let (options, payload) = match rest.split_once(" ] :: ") {
        Some((options, payload)) => (options, unescape(payload)),
        None => (rest.trim_end_matches("]").trim_end(), Vec::new()),
    };
    let options = options.split(", ").filter_map(|option| {
        let (name, value) = option.trim_start().split_once(':')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(CoapReply {
        code: code.to_owned(),
        options: options.collect(),
        payload,
    })
}

/// `'text'`, in which libcoap writes what is no ASCII as `\xC3`.
fn unescape(shown: &str) -> Vec<u8> {
    let quoted = shown
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let Some(text) = quoted else {
        return shown.as_bytes().to_vec();
    };
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        bytes.extend(unhex(&part[..2]));
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}
