//! Authorities that service providers run themselves: what they take back, and what they may issue.

use std::path::{Path, PathBuf};

use ics_tests::curl::{Answer, Curl};
use ics_tests::openssl::{TestAuthority, TestCertificate, openssl, sp_extensions};
use ics_tests::{Connection, Dialer, Domain, Gateway, Party, eventually};
use serde_json::{Value, json};

const PUBLIC: &str = "/.well-known/ics";
const DAYS: [&str; 2] = ["-days", "2"];

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A gateway that believes acme's own authority of acme, and shop of its own.
struct World {
    domain: Domain,
    acme: TestAuthority,
    party: Party,
}

impl World {
    fn start(has_list: bool) -> Self {
        let list = if has_list { "crl = \"acme.crl\"\n" } else { "" };
        let section = format!(
            "[[t8.anchor]]\ncertificate = \"acme-ca.pem\"\nnamespace = \"urn:ics:sp:acme\"\n{list}"
        );
        let domain = Domain::create(|text| {
            let first = "\n[[t8.anchor]]\n";
            assert!(text.contains(first));
            text.replacen(first, &format!("\n{section}{first}"), 1)
        });
        let acme = TestAuthority::create(&domain.dir(), "acme-ca", "/CN=Acme CA");
        if has_list {
            write_list((&acme, &domain.file("acme.crl")), &[], &["-crlhours", "5"]);
        }
        domain.serve();
        let party = domain.onboard(&json!({
            "id": "acme", "roles": ["IOT_SP"], "serialNamespaces": [{ "prefix": "ACME-" }],
        }));
        Self {
            domain,
            acme,
            party,
        }
    }

    fn issue(&self, name: &str) -> TestCertificate {
        let extensions = sp_extensions("acme");
        self.acme
            .issue(self.domain.scratch(), name, &extensions, &DAYS)
    }

    fn call(&self, shown: &TestCertificate) -> Answer {
        Curl::new("GET", &format!("{}{PUBLIC}", self.party.root))
            .root(&self.party.authority)
            .certificate(&shown.certificate, &shown.key)
            .send()
    }

    /// An open connection that shows this.
    fn open(&self, shown: &TestCertificate) -> Connection {
        let mut party = self.domain.party("acme");
        party.certificate = shown.certificate.clone();
        party.key = shown.key.clone();
        let mut connection = Dialer::of(&party).dial().expect("a connection");
        assert_eq!(status(&mut connection), Some(200));
        connection
    }

    /// Puts a list in the place of the one before, and tells the gateway.
    fn replace_list(&self, by: &TestAuthority, revoked: &[&TestCertificate], when: &[&str]) {
        write_list((by, &self.domain.file("acme.crl")), revoked, when);
        self.domain.signal("HUP");
    }

    fn refused_reloads(&self, why: &str) -> usize {
        let log = self.domain.log();
        let lines = log.lines().filter(|line| line.contains("reload refused"));
        lines.filter(|line| line.contains(why)).count()
    }

    /// Whether a handshake was refused for that reason.
    fn has_refused(&self, cause: &str) -> bool {
        let file = self.domain.file("decisions/decisions.jsonl");
        let lines = std::fs::read_to_string(file).unwrap_or_default();
        lines.contains(&format!("\"{cause}\""))
    }
}

/// What is answered on this connection; `None` when it is over.
fn status(connection: &mut Connection) -> Option<u16> {
    let answer = connection.call(("GET", PUBLIC), "none", None);
    answer.ok().map(|answer| answer.status)
}

/// Signs a list, as `openssl ca` does it. It replaces the file at once: the gateway may be reading.
fn write_list(
    (authority, file): (&TestAuthority, &Path),
    revoked: &[&TestCertificate],
    when: &[&str],
) {
    let at = |ending: &str| -> PathBuf { file.with_extension(ending) };
    let lines = revoked.iter().map(|revoked| {
        let shown = openssl(&[
            "x509",
            "-noout",
            "-serial",
            "-in",
            text(&revoked.certificate),
        ]);
        let shown = String::from_utf8(shown.stdout).expect("UTF-8");
        let serial = shown.trim().trim_start_matches("serial=").to_owned();
        format!("R\t360101000000Z\t200101000000Z\t{serial}\tunknown\t/CN=x\n")
    });
    std::fs::write(at("db"), lines.collect::<String>()).expect("written");
    std::fs::write(at("number"), "01\n").expect("written");
    let configuration = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={}\ncrlnumber={}\ndefault_md=sha256\n\
         crl_extensions=list\n[list]\nauthorityKeyIdentifier=keyid\n",
        text(&at("db")),
        text(&at("number")),
    );
    std::fs::write(at("cnf"), configuration).expect("written");
    let (cnf, new) = (at("cnf"), at("new"));
    let sign = ["ca", "-gencrl", "-config", text(&cnf), "-out", text(&new)];
    let by = [
        "-cert",
        text(&authority.certificate),
        "-keyfile",
        text(&authority.key),
    ];
    openssl(&[&sign[..], &by, when].concat());
    std::fs::rename(new, file).expect("replaced");
}

#[test]
fn what_its_authority_takes_back_is_refused_on_new_and_open_connections_and_others_go_on() {
    let world = World::start(true);
    let (good, stolen) = (world.issue("good"), world.issue("stolen"));
    let (mut of_good, mut of_stolen) = (world.open(&good), world.open(&stolen));
    let soon = ["-crlhours", "5"];
    world.replace_list(&world.acme, &[&stolen], &soon);
    eventually("the open connection to be refused", || {
        status(&mut of_stolen) == Some(401)
    });
    assert_eq!(status(&mut of_good), Some(200), "on the same connection");
    let answer = world.call(&stolen);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.error.contains("certificate revoked"), "{answer:?}");
    eventually("the refusal to be told", || {
        world.has_refused("CERTIFICATE_REVOKED")
    });
    world.call(&good).expect(200);

    // A list of somebody else's, or none at all, is refused by name, and the one before stands.
    let dir = world.domain.scratch();
    let twin = TestAuthority::create(dir, "twin", "/CN=Acme CA");
    world.replace_list(&twin, &[], &soon);
    eventually("the foreign list to be refused", || {
        world.refused_reloads("not signed by the authority beside it") == 1
    });
    std::fs::write(world.domain.file("acme.crl"), "no list").expect("written");
    world.domain.signal("HUP");
    eventually("the unreadable list to be refused", || {
        world.refused_reloads("not a readable list of revoked certificates") == 1
    });
    assert_eq!(world.call(&stolen).status, 0);
    assert_eq!(status(&mut of_good), Some(200), "on the same connection");
}

#[test]
fn a_list_that_is_over_refuses_everybody_of_its_authority_and_nobody_else() {
    let world = World::start(true);
    let good = world.issue("good");
    let mut of_good = world.open(&good);
    // What the gateway itself issued to acme is not of that authority.
    let mut of_ours = Dialer::of(&world.party).dial().expect("a connection");
    assert_eq!(status(&mut of_ours), Some(200));
    let over = [
        "-crl_lastupdate",
        "20200101000000Z",
        "-crl_nextupdate",
        "20200108000000Z",
    ];
    world.replace_list(&world.acme, &[], &over);
    eventually("the open connection to be refused", || {
        status(&mut of_good) == Some(401)
    });
    assert_eq!(world.call(&good).status, 0);
    eventually("the refusal to be told", || {
        world.has_refused("REVOCATION_LIST_EXPIRED")
    });
    assert_eq!(status(&mut of_ours), Some(200), "on the same connection");
    let config = world.domain.configuration();
    let doctor = Gateway::run(&["doctor", "--json", "--config", text(&config)]);
    let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).expect("findings");
    let of_list = |finding: &&Value| finding["text"].as_str().unwrap_or("").contains("acme.crl");
    let found = findings.iter().find(of_list);
    assert_eq!(
        found.map(|finding| &finding["light"]),
        Some(&json!("red")),
        "{findings:?}"
    );
    // The gateway starts all the same: the others are served.
    world.domain.kill();
    world.domain.serve();
    assert_eq!(world.call(&good).status, 0);
    world.party.curl("GET", PUBLIC).send().expect(200);
    world.replace_list(&world.acme, &[], &["-crlhours", "5"]);
    eventually("a new list to be taken", || world.call(&good).status == 200);
}

#[test]
fn certificates_of_an_own_authority_outside_the_profile_are_refused_by_name() {
    let world = World::start(false);
    world.call(&world.issue("good")).expect(200);
    let good = sp_extensions("acme");
    let without = |member: &str| -> String {
        let kept = good.lines().filter(|line| !line.starts_with(member));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let two = format!(
        "{}subjectAltName=URI:urn:ics:sp:acme,URI:urn:ics:sp:shop\n",
        without("subjectAltName")
    );
    let dir = world.domain.scratch();
    let cases = [
        (
            "no-eku",
            without("extendedKeyUsage"),
            "CERTIFICATE_EXTENDED_KEY_USAGE",
        ),
        (
            "server",
            good.replace("clientAuth", "serverAuth"),
            "CERTIFICATE_EXTENDED_KEY_USAGE",
        ),
        ("no-uri", without("subjectAltName"), "CERTIFICATE_IDENTITY"),
        ("two-uris", two, "CERTIFICATE_IDENTITY"),
        ("no-usage", without("keyUsage"), "CERTIFICATE_KEY_USAGE"),
        (
            "agreement",
            good.replace("digitalSignature", "keyAgreement"),
            "CERTIFICATE_KEY_USAGE",
        ),
        (
            "authority",
            good.replace("CA:FALSE", "CA:TRUE"),
            "CERTIFICATE_OF_AUTHORITY",
        ),
        (
            "other-name",
            sp_extensions("shop"),
            "CERTIFICATE_OUTSIDE_NAMESPACE",
        ),
    ];
    let causes = || {
        let file = world.domain.file("decisions/decisions.jsonl");
        std::fs::read_to_string(file).unwrap_or_default()
    };
    for (name, extensions, cause) in cases {
        let before = causes().matches(cause).count();
        let issued = world.acme.issue(dir, name, &extensions, &DAYS);
        let answer = world.call(&issued);
        assert_eq!(answer.status, 0, "{name}: {answer:?}");
        eventually(&format!("{name} to be refused as {cause}"), || {
            causes().matches(cause).count() > before
        });
    }
}
