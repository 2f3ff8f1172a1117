//! Where an AE or a CSE is reached: a plain HTTP server that answers primitives.

use serde_json::Value;

use crate::receiver::{Received, Receiver, Reply};

/// A point of access on loopback. At first it takes everything (2000).
pub struct PointOfAccess(Receiver);

impl PointOfAccess {
    /// One on a free port.
    pub fn open() -> Self {
        let own = Self(Receiver::open_plain());
        own.accept();
        own
    }

    /// `http://127.0.0.1:port`, for `poa` and `nu`.
    pub fn url(&self) -> String {
        self.0.origin()
    }

    /// Takes everything from now on.
    pub fn accept(&self) {
        self.refuse(2000);
    }

    /// Answers this response status code to everything from now on.
    pub fn refuse(&self, rsc: u16) {
        self.answer(move |received| answer_primitive(received, rsc, None));
    }

    /// Answers nothing from now on.
    pub fn fall_silent(&self) {
        self.answer(|_| Reply::silence());
    }

    /// Answers like this from now on.
    pub fn answer(&self, answering: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        self.0.answer(answering);
    }

    /// Everything so far, in the order it came.
    pub fn received(&self) -> Vec<Received> {
        self.0.received()
    }

    /// Waits for something that fits.
    pub fn wait(&self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        self.0.wait(what, fits)
    }

    /// Waits for a notification (`m2m:sgn`) that fits; answers it.
    pub fn notified(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let received = self.wait(what, |received| {
            let body = received.body();
            body.get("m2m:sgn").is_some_and(&fits)
        });
        received.body()["m2m:sgn"].take()
    }
}

/// The answer to that request: the code, the request's id, and what there is to say.
pub fn answer_primitive(request: &Received, rsc: u16, content: Option<&Value>) -> Reply {
    let mut headers = vec![("X-M2M-RSC".to_owned(), rsc.to_string())];
    for (read, written) in [("x-m2m-ri", "X-M2M-RI"), ("x-m2m-rvi", "X-M2M-RVI")] {
        if let Some(value) = request.header(read) {
            headers.push((written.to_owned(), value.to_owned()));
        }
    }
    if content.is_some() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    Reply {
        status: http_status(rsc),
        headers,
        body: content.map(Value::to_string).unwrap_or_default(),
    }
}

/// TS-0009 table 6.3.2-1, as far as the tests go.
fn http_status(rsc: u16) -> u16 {
    match rsc {
        2001 => 201,
        2000 | 2002 | 2004 => 200,
        1000..=1002 => 202,
        4004 | 5103 | 5107 => 404,
        4005 => 405,
        4101 | 4103 | 4106..=4109 | 4127 | 5105 => 403,
        4105 => 409,
        5000 | 5204 => 500,
        4008 => 504,
        _ => 400,
    }
}
