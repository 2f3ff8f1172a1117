//! openssl on the command line: certificates a stranger might come with, handshakes by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs openssl; panics with its words when it fails.
pub fn openssl(args: &[&str]) -> Output {
    let output = try_openssl(args);
    assert!(
        output.status.success(),
        "openssl {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs openssl with nothing on standard input, whatever comes of it.
pub fn try_openssl(args: &[&str]) -> Output {
    Command::new("openssl")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed")
}

/// An authority of the test's own.
pub struct TestAuthority {
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// A certificate with its key.
pub struct TestCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

impl TestAuthority {
    /// A new self-signed authority called `subject` (`/CN=..`), its files in `dir`.
    pub fn create(dir: &Path, name: &str, subject: &str) -> Self {
        let own = Self {
            certificate: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        };
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            text(&own.key),
            "-out",
            text(&own.certificate),
            "-days",
            "2",
            "-subj",
            subject,
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]);
        own
    }

    /// Issues a client certificate; `extensions` are lines of an openssl extension file, `valid`
    /// the options that say when (`-days 2`, `-not_before .. -not_after ..`).
    pub fn issue(
        &self,
        dir: &Path,
        name: &str,
        extensions: &str,
        valid: &[&str],
    ) -> TestCertificate {
        self.issue_for(
            dir,
            name,
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            extensions,
            valid,
        )
    }

    /// The same, for a key of another kind (options of `openssl req`).
    pub fn issue_for(
        &self,
        dir: &Path,
        name: &str,
        key_options: &[&str],
        extensions: &str,
        valid: &[&str],
    ) -> TestCertificate {
        let own = request(dir, (name, "test"), key_options);
        self.sign(dir, (name, own), extensions, valid)
    }

    /// The same, for a subject of that common name, which is the name of its files too.
    pub fn issue_to(&self, dir: &Path, name: &str, extensions: &str) -> TestCertificate {
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let own = request(dir, (name, name), &curve);
        self.sign(dir, (name, own), extensions, &["-days", "2"])
    }

    fn sign(
        &self,
        dir: &Path,
        (name, (own, request)): (&str, (TestCertificate, PathBuf)),
        extensions: &str,
        valid: &[&str],
    ) -> TestCertificate {
        let extension_file = dir.join(format!("{name}.ext"));
        std::fs::write(&extension_file, extensions).expect("a writable directory");
        let mut args = vec![
            "x509",
            "-req",
            "-in",
            text(&request),
            "-CA",
            text(&self.certificate),
            "-CAkey",
            text(&self.key),
            "-CAcreateserial",
            "-out",
            text(&own.certificate),
            "-extfile",
            text(&extension_file),
            "-sha256",
        ];
        args.extend_from_slice(valid);
        openssl(&args);
        own
    }

    /// Issues a client certificate that holds between two moments (`YYYYMMDDhhmmssZ`), past ones
    /// too.
    pub fn issue_between(
        &self,
        dir: &Path,
        name: &str,
        extensions: &str,
        (start, end): (&str, &str),
    ) -> TestCertificate {
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let (own, request) = request(dir, (name, "test"), &curve);
        let configuration = dir.join(format!("{name}.cnf"));
        let database = dir.join(format!("{name}.db"));
        std::fs::write(&database, "").expect("a writable directory");
        let lines = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={}\nnew_certs_dir={}\nrand_serial=yes\n\
             default_md=sha256\npolicy=any\nx509_extensions=leaf\n\
             [any]\ncommonName=supplied\n[leaf]\n{extensions}",
            text(&database),
            text(dir),
        );
        std::fs::write(&configuration, lines).expect("a writable directory");
        openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            text(&configuration),
            "-cert",
            text(&self.certificate),
            "-keyfile",
            text(&self.key),
            "-in",
            text(&request),
            "-out",
            text(&own.certificate),
            "-startdate",
            start,
            "-enddate",
            end,
        ]);
        own
    }
}

/// A new key and a request for a certificate of it.
fn request(
    dir: &Path,
    (name, subject): (&str, &str),
    key_options: &[&str],
) -> (TestCertificate, PathBuf) {
    let own = TestCertificate {
        certificate: dir.join(format!("{name}.pem")),
        key: dir.join(format!("{name}.key")),
    };
    let request = dir.join(format!("{name}.csr"));
    let mut args = vec!["req", "-new"];
    args.extend_from_slice(key_options);
    args.extend(["-nodes", "-keyout", text(&own.key), "-out", text(&request)]);
    let subject = format!("/CN={subject}");
    args.extend(["-subj", &subject]);
    openssl(&args);
    (own, request)
}

/// The extensions of a proper client certificate of `sp`.
pub fn sp_extensions(sp: &str) -> String {
    format!(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
         extendedKeyUsage=clientAuth\nsubjectAltName=URI:urn:ics:sp:{sp}\n"
    )
}

/// The extensions of a server certificate for `names` (`IP:..,DNS:..`).
pub fn server_extensions(names: &str) -> String {
    format!(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
         extendedKeyUsage=serverAuth\nsubjectAltName={names}\n"
    )
}
