//! A device of aiocoap: one session, in which its document is observed for as long as it lives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use ics_tests::{Sandbox, wait_for};
use serde_json::{Value, json};

use crate::mqtt::story::Device;

pub(super) struct Program {
    process: Child,
    said: Arc<Mutex<Vec<Value>>>,
    answers: usize,
}

impl Program {
    pub(super) fn start(sandbox: &Sandbox) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = json!({
            "url": sandbox.env("ICS_COAPS_URL").trim_end_matches('/'),
            "identity": sandbox.env("ICS_DEV_PSK_ID"),
            "key": sandbox.env("ICS_DEV_PSK"),
        });
        let mut process = Command::new(tests.join(".venv/bin/python"))
            .arg(tests.join("devices/device_aiocoap.py"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/run installs it");
        let output = process.stdout.take().expect("a pipe");
        let said = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let word = serde_json::from_str(&line).expect("JSON");
                hearing.lock().unwrap().push(word);
            }
        });
        Self {
            process,
            said,
            answers: 0,
        }
    }

    fn said(&self, what: &str) -> Vec<Value> {
        let said = self.said.lock().unwrap();
        let of_kind = said.iter().filter(|word| word[what].is_string());
        of_kind.cloned().collect()
    }

    fn order(&mut self, method: &str, path: &str, payload: &[u8]) -> (String, String) {
        let payload = std::str::from_utf8(payload).expect("a text");
        let order = json!({ "method": method, "path": path, "payload": payload });
        let input = self.process.stdin.as_mut().expect("a pipe");
        writeln!(input, "{order}").expect("it listens");
        let number = self.answers;
        self.answers += 1;
        let answer = wait_for("an answer", || self.said("code").get(number).cloned());
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        (text("code"), text("payload"))
    }
}

impl Device for Program {
    fn document(&mut self, at_least: u64) -> Value {
        wait_for("a document", || {
            let said = self.said("document");
            let documents = said.iter().map(|word| {
                let text = word["document"].as_str().expect("a text");
                serde_json::from_str::<Value>(text).expect("a document")
            });
            let is_new = |document: &Value| document["v"].as_u64() >= Some(at_least);
            documents.into_iter().find(is_new)
        })
    }

    fn publish(&mut self, own: &str, payload: &[u8]) {
        let (code, said) = self.order("POST", own, payload);
        assert_eq!(code, "2.04", "{said}");
    }

    fn ask(&mut self, own: &str, payload: &[u8], is_accepted: bool) -> Value {
        let method = match (own, payload) {
            ("inq", b"") => "GET",
            ("inq", _) => "FETCH",
            _ => "POST",
        };
        let (code, said) = self.order(method, own, payload);
        match (is_accepted, own) {
            (true, "inq") => {
                assert_eq!(code, "2.05", "{said}");
                serde_json::from_str(&said).expect("JSON")
            }
            (true, _) => {
                assert_eq!(code, "2.04", "{said}");
                json!({})
            }
            (false, _) => {
                assert_eq!(code, "4.04", "{said}");
                json!({ "code": 404, "err": said })
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
