//! Writing one object.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::time::Timestamp;

use super::render_uuid;
use crate::record::fields::Sink;

/// Writes one object.
#[derive(Debug)]
pub(crate) struct JsonSink {
    text: Vec<u8>,
    /// The next value stands in a list: without its name.
    in_list: bool,
}

impl JsonSink {
    /// An object with `record` as its first member.
    pub(crate) fn begin(record: &str) -> Self {
        let mut sink = Self {
            text: vec![b'{'],
            in_list: false,
        };
        sink.text("record", record);
        sink
    }

    /// The object, and the end of its line.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"}\n");
        self.text
    }

    fn name(&mut self, name: &str) {
        if !matches!(self.text.last(), Some(b'{' | b'[')) {
            self.text.push(b',');
        }
        if !std::mem::take(&mut self.in_list) {
            self.string(name);
            self.text.push(b':');
        }
    }

    fn string(&mut self, text: &str) {
        // Writing text to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.text, text);
    }

    fn plain(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.extend_from_slice(value.as_bytes());
    }
}

impl Sink for JsonSink {
    fn number(&mut self, name: &'static str, value: u64) {
        self.plain(name, &value.to_string());
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.plain(name, if value { "true" } else { "false" });
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.string(text);
    }

    fn instant(&mut self, name: &'static str, instant: Timestamp) {
        self.text(name, &instant.to_rfc3339());
    }

    fn id(&mut self, name: &'static str, id: &[u8; 16]) {
        self.text(name, &render_uuid(id));
    }

    fn key_id(&mut self, name: &'static str, id: &[u8; 16]) {
        self.id(name, id);
    }

    fn fixed(&mut self, name: &'static str, bytes: &[u8]) {
        self.bytes(name, bytes);
    }

    fn bytes(&mut self, name: &'static str, bytes: &[u8]) {
        self.text(name, &URL_SAFE_NO_PAD.encode(bytes));
    }

    fn tag(&mut self, name: &'static str, number: u8, words: &[&'static str]) {
        self.text(name, words.get(usize::from(number)).unwrap_or(&""));
    }

    fn group(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        self.plain(name, "{");
        write(self);
        self.text.push(b'}');
    }

    fn option<T>(
        &mut self,
        name: &'static str,
        value: Option<T>,
        write: impl FnOnce(&mut Self, &'static str, T),
    ) {
        if let Some(value) = value {
            write(self, name, value);
        }
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        items: &[T],
        mut write: impl FnMut(&mut Self, &'static str, &T),
    ) {
        self.plain(name, "[");
        for item in items {
            self.in_list = true;
            write(self, name, item);
        }
        self.text.push(b']');
    }
}
