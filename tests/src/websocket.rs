//! A service provider's end of a websocket: the client of python-websockets in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::condition::wait_for;
use crate::party::Party;

/// A websocket, open or not; its process ends with it.
pub struct Websocket {
    client: Child,
    input: ChildStdin,
    said: Arc<Mutex<Vec<String>>>,
}

impl Websocket {
    /// Dials `uri` with certificate and token of `party`.
    pub fn dial(party: &Party, uri: &str) -> Self {
        let token = party.token();
        let (certificate, key) = (Some(party.certificate.as_path()), party.key.as_path());
        Self::dial_as((party, uri), (certificate, key), &token)
    }

    /// Dials `uri` of `party` with another certificate, or none, and another token, or none.
    pub fn dial_as(
        (party, uri): (&Party, &str),
        (certificate, key): (Option<&Path>, &Path),
        token: &str,
    ) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let none = Path::new("");
        let mut client = Command::new(tests.join(".venv/bin/python"))
            .arg(tests.join("src/websocket_client.py"))
            .arg(uri)
            .args([&party.authority, certificate.unwrap_or(none), key])
            .arg(token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/run installs python-websockets");
        let (input, output) = (client.stdin.take(), client.stdout.take());
        let said = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&said);
        std::thread::spawn(move || {
            let lines = BufReader::new(output.expect("a pipe")).lines();
            for line in lines.map_while(Result::ok) {
                hearing.lock().unwrap().push(line);
            }
        });
        Self {
            client,
            input: input.expect("a pipe"),
            said,
        }
    }

    /// Everything its process has said.
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Waits for a word about the connection itself: `open`, `closed 1008`, `refused 401`, `failed`.
    pub fn wait_for(&self, word: &str) {
        wait_for(word, || {
            let said = self.said();
            let found = said.iter().any(|line| line == word);
            let over = said
                .last()
                .is_some_and(|l| !l.starts_with("frame ") && l != "open");
            assert!(found || !over, "{word} does not come any more: {said:?}");
            found.then_some(())
        });
    }

    /// The notifications that came, in their order.
    pub fn frames(&self) -> Vec<Value> {
        let said = self.said();
        let frames = said.iter().filter_map(|line| line.strip_prefix("frame "));
        frames
            .map(|text| serde_json::from_str(text).expect("JSON"))
            .collect()
    }

    /// Waits until `count` notifications have come.
    pub fn wait_frames(&self, count: usize) -> Vec<Value> {
        wait_for("frames", || {
            Some(self.frames()).filter(|all| all.len() >= count)
        })
    }

    /// Acknowledges a notification.
    pub fn acknowledge(&mut self, notification: &Value) {
        self.send(&json!({ "notificationId": notification["notificationId"] }).to_string());
    }

    /// Sends a text frame.
    pub fn send(&mut self, text: &str) {
        writeln!(self.input, "send {text}").expect("a client that runs");
    }

    /// Sends the head of a text frame of `length` bytes, and payload until the connection ends.
    pub fn declare(&mut self, length: u64) {
        writeln!(self.input, "declare {length}").expect("a client that runs");
    }

    /// Closes it politely.
    pub fn close(&mut self) {
        writeln!(self.input, "close").expect("a client that runs");
    }
}

impl Drop for Websocket {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
