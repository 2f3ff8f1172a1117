//! curl, the client every developer has.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// One call of curl, being put together.
pub struct Curl {
    command: Command,
    url: String,
    body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status of the answer; 0 when there was none.
    pub status: u16,
    /// Header fields, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: String,
    /// curl's exit code: 0 when there was an answer.
    pub exit: i32,
    /// What curl said on standard error.
    pub error: String,
}

impl Curl {
    /// `curl -X method url`.
    pub fn new(method: &str, url: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--max-time", "30"]);
        command.args(["--noproxy", "*", "--request", method]);
        Self {
            command,
            url: url.into(),
            body: None,
        }
    }

    /// Believes servers under this root.
    #[must_use]
    pub fn root(mut self, root: &Path) -> Self {
        self.command.arg("--cacert").arg(root);
        self
    }

    /// Shows this certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: &Path, key: &Path) -> Self {
        self.command
            .arg("--cert")
            .arg(certificate)
            .arg("--key")
            .arg(key);
        self
    }

    /// Sends this header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.command.arg("--header").arg(format!("{name}: {value}"));
        self
    }

    /// Sends this bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends this body as JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .bytes(body.to_string().as_bytes())
    }

    /// Sends this body as a form.
    #[must_use]
    pub fn form(self, body: &str) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .bytes(body.as_bytes())
    }

    /// Sends these bytes; the content type is the caller's business.
    #[must_use]
    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// Any other option of curl.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.command.arg(option);
        self
    }

    /// Calls.
    pub fn send(mut self) -> Answer {
        if self.body.is_some() {
            self.command.args(["--data-binary", "@-"]);
        }
        self.command.arg(&self.url);
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("curl is installed");
        let mut input = child.stdin.take().expect("piped");
        let body = self.body.take().unwrap_or_default();
        let writer = std::thread::spawn(move || {
            use std::io::Write as _;
            // curl may be refused before it has read everything.
            let _ = input.write_all(&body);
        });
        let output = child.wait_with_output().expect("curl ends");
        writer.join().expect("writer ends");
        read_answer(&output)
    }
}

fn read_answer(output: &std::process::Output) -> Answer {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = text.as_str();
    let (mut status, mut headers) = (0, Vec::new());
    // `100 Continue` and the like come before the answer itself.
    while rest.starts_with("HTTP/") {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        status = first
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        rest = body;
        if status >= 200 {
            break;
        }
    }
    Answer {
        status,
        headers,
        body: rest.to_owned(),
        exit: output.status.code().unwrap_or(-1),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Answer {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The `cause` of a problem.
    pub fn cause(&self) -> String {
        self.json()["cause"].as_str().unwrap_or_default().to_owned()
    }

    /// This answer, when it has that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// What a stranger can compare: status, header fields and body, dates and request ids left
    /// out. Fields are sorted: actix-web writes them in an order drawn anew for each answer.
    pub fn comparable(&self) -> (u16, Vec<(String, String)>, String) {
        let changing = ["date", "x-request-id"];
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !changing.contains(&name.as_str()))
            .cloned()
            .collect();
        headers.sort();
        (self.status, headers, self.body.clone())
    }
}
