//! A sandbox of its own, whose CSE is asked.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::port::{Entropy as _, SignatureVerifier as _};
use ics_vault::{SigningKey, Verifier};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::INQ;
use super::line::{Ask, Line};
use super::platform::Platform;
use crate::ambient::SystemEntropy;
use crate::bench::BenchError;
use crate::bench::cores::Cores;

const MAP: &str = "/id-ics/ics/map";

/// A sandbox that does not outlive the bench.
pub(super) struct Stand {
    child: Child,
    variables: HashMap<String, String>,
}

/// A service provider on the platform.
pub(super) struct Party {
    /// Its AE-ID there.
    pub(super) stem: String,
    ae: String,
    key: SigningKey,
}

impl Stand {
    /// Starts one in that directory, joined to a platform if one is named.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn start(
        directory: &Path,
        platform: Option<&str>,
        cores: Option<Cores>,
    ) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("sandbox").arg("--dir").arg(directory);
        if let Some(url) = platform {
            command.args(["--onem2m", url]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = child.stdout.take();
        let mut stand = Self {
            child,
            variables: HashMap::new(),
        };
        let said = BufReader::new(said.ok_or(BenchError::NoServer("sandbox"))?);
        let ready = said.lines().map_while(Result::ok);
        let mut ready = ready.filter_map(|line| line.strip_prefix("ready ").map(str::to_owned));
        let file = ready.next().ok_or(BenchError::NoServer("sandbox"))?;
        stand.variables = read_variables(&std::fs::read_to_string(file)?);
        if let Some(cores) = cores {
            cores.keep_server(stand.child.id())?;
        }
        Ok(stand)
    }

    fn variable(&self, name: &str) -> Result<&str, BenchError> {
        let found = self.variables.get(name).map(String::as_str);
        found.ok_or_else(|| io::Error::other(format!("no {name} in sandbox.env")).into())
    }

    /// The AE of that variable, straight at this CSE.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn line(&self, ae: &str) -> Result<Line, BenchError> {
        let url = self.variable("ICS_MCC_URL")?;
        let address = url.trim_start_matches("http://").parse();
        let address = address.map_err(io::Error::other)?;
        Ok(Line::new(address, self.variable(ae)?, self.child.id()))
    }

    /// The party whose variables begin so.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) fn party(&self, prefix: &str) -> Result<Party, BenchError> {
        let ae = self.variable(&format!("{prefix}_AE"))?.to_owned();
        let file = self.variable(&format!("{prefix}_TOK_KEY"))?;
        let key = SigningKey::from_pem(&std::fs::read_to_string(file)?);
        Ok(Party {
            stem: ae.rsplit('/').next().unwrap_or_default().to_owned(),
            ae,
            key: key.map_err(io::Error::other)?,
        })
    }

    /// A mapping of a device that its IoT SP accepts by itself; how it is asked for.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn establish(&self, shop: &Line) -> Result<Value, BenchError> {
        let (request, by_transaction) = self.request("AUTO-1")?;
        let made = shop.ask(&Ask::create(MAP, request)).await?;
        let name = made.pointer("/ics:idmap/rn").and_then(Value::as_str);
        let row = Ask::retrieve(&format!("{MAP}/{}", name.unwrap_or_default()));
        let is_mapped = |row: &Value| row.pointer("/ics:idmap/msta") == Some(&json!(2));
        shop.wait(&row, is_mapped).await?;
        let inquiry = json!({ "ics:inq": by_transaction });
        shop.ask(&Ask::create(INQ, inquiry.clone())).await?;
        Ok(inquiry)
    }

    /// The same through a platform, by the hand of both.
    ///
    /// # Errors
    /// [`BenchError`].
    pub(super) async fn establish_by(
        &self,
        (platform, shop, bolt): (&Platform, &Party, &Party),
    ) -> Result<Value, BenchError> {
        let (request, by_transaction) = self.request("1")?;
        let made = platform
            .line(&shop.stem)
            .ask(&shop.sign(MAP, request))
            .await?;
        let name = made.pointer("/ics:idmap/rn").and_then(Value::as_str);
        let name = name.unwrap_or_default().replacen("map-", "pnd-", 1);
        let pending = format!("/id-ics/ics/pnd/{name}");
        let device = json!({ "ics:idmap": { "did": fresh_id() } });
        let signed = Ask {
            content: Some(bolt.content((3, &pending), device)),
            ..Ask::update(&pending, Value::Null)
        };
        platform.line(&bolt.stem).ask(&signed).await?;
        Ok(by_transaction)
    }

    /// A mapping request, and what names its row.
    fn request(&self, serial: &str) -> Result<(Value, Value), BenchError> {
        let service = format!("{}/bench", self.variable("ICS_3P_SERVICE")?);
        let serial = format!("{}{serial}", self.variable("ICS_IOT2_SERIAL_PREFIX")?);
        let by_transaction = json!({ "svu": service, "uti": fresh_id() });
        let mut request = by_transaction.clone();
        for (name, value) in [
            ("cnd", "org.example.ics.identityMapping"),
            ("dsn", &serial),
            ("ucid", "bench"),
            ("ucgt", "20260101T000000"),
            ("ucpu", "dpv:RequestedServiceProvision"),
        ] {
            if let Some(request) = request.as_object_mut() {
                request.insert(name.to_owned(), value.into());
            }
        }
        Ok((json!({ "ics:idmap": request }), by_transaction))
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Party {
    /// A signed CREATE.
    pub(super) fn sign(&self, to: &str, content: Value) -> Ask {
        Ask::create(to, self.content((1, to), content))
    }

    /// `content` with `tok` in its one member (onem2m.md A.2).
    fn content(&self, (operation, to): (u8, &str), mut content: Value) -> Value {
        let member = content
            .as_object_mut()
            .and_then(|all| all.values_mut().next());
        let Some(member) = member else {
            return content;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        // Sorted, without white space: canonical for what is sent here (RFC 8785).
        let digest = Verifier.sha256(member.to_string().as_bytes());
        let claims = json!({
            "fr": self.ae, "op": operation, "to": to, "aud": "/id-ics", "jti": fresh_id(),
            "iat": now, "exp": now.saturating_add(60), "cth": URL_SAFE_NO_PAD.encode(digest),
        });
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!(
            "{}.{}",
            encode(r#"{"alg":"EdDSA"}"#),
            encode(&claims.to_string())
        );
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        if let Some(member) = member.as_object_mut() {
            let token = format!("{signed}.{signature}");
            member.insert("tok".to_owned(), token.into());
        }
        content
    }
}

/// An id that nobody else has.
fn fresh_id() -> String {
    let mut random = [0; 16];
    SystemEntropy::default().fill(&mut random);
    format!("bench-{:032x}", u128::from_be_bytes(random))
}

fn read_variables(text: &str) -> HashMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
    pairs.collect()
}
