//! `tok`: what an AE behind another CSE proves itself with. Signed and hashed by openssl.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::mapping::fresh_uuid;

/// A key that signs for an AE.
#[derive(Clone, Debug)]
pub struct TokenKey {
    ae: String,
    key: PathBuf,
}

/// What a token says; public, to be tampered with.
#[derive(Clone, Debug)]
pub struct TokenClaims(pub Value);

impl TokenClaims {
    /// What it is to say of that request, for a minute.
    pub fn new(key: &TokenKey, operation: u8, to: &str, request_id: &str) -> Self {
        let mut claims = Self::of_any_request(key, operation, to);
        claims.0["rqi"] = json!(request_id);
        claims
    }

    /// The same of a request whose id is not known, as its CSE gives it another one.
    pub fn of_any_request(key: &TokenKey, operation: u8, to: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        Self(json!({
            "fr": key.ae, "op": operation, "to": to, "aud": "/id-ics",
            "jti": fresh_uuid(), "iat": now, "exp": now + 60,
        }))
    }
}

impl TokenKey {
    /// The key in that file, PEM (Ed25519), of that AE.
    pub fn new(ae: &str, key: &Path) -> Self {
        Self {
            ae: ae.to_owned(),
            key: key.to_path_buf(),
        }
    }

    /// `content` with `tok` in its one member: these claims, and the hash of that member.
    pub fn sign_into(&self, content: &Value, claims: &TokenClaims) -> Value {
        let mut content = content.clone();
        let members = content.as_object_mut().expect("an object");
        let member = members.values_mut().next().expect("a member");
        let mut claims = claims.0.clone();
        if claims.get("cth").is_none() {
            // Sorted, without white space: canonical for what the tests send (RFC 8785).
            member.sort_all_objects();
            claims["cth"] = json!(base64url(&openssl(
                &["dgst", "-sha256", "-binary"],
                &member.to_string()
            )));
        }
        member["tok"] = json!(self.sign(&claims));
        content
    }

    /// The compact JWS over these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = base64url(br#"{"alg":"EdDSA"}"#);
        let signed = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
        // -rawin reads a file alone.
        let message = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(message.path(), &signed).expect("written");
        let key = self.key.to_str().expect("a path of UTF-8");
        let message = message.path().to_str().expect("a path of UTF-8");
        let sign = ["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message];
        format!("{signed}.{}", base64url(&openssl(&sign, "")))
    }
}

fn openssl(args: &[&str], input: &str) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut into = child.stdin.take().expect("piped");
    // What reads a file hears nothing.
    let _ = into.write_all(input.as_bytes());
    drop(into);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "openssl {args:?}");
    output.stdout
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
