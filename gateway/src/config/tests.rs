use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::ambient::{SystemClock, SystemEntropy};
use crate::init::{Domain, Settings, create_domain};

/// A domain on the disk, to be spoiled.
struct Spoiled {
    directory: tempfile::TempDir,
    file: PathBuf,
}

impl Spoiled {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let domain = Domain {
            directory: directory.path().into(),
            t8: "127.0.0.1:8443".parse().unwrap(),
            operator: "127.0.0.1:8444".parse().unwrap(),
            mqtt: "127.0.0.1:8883".parse().unwrap(),
            coap: "127.0.0.1:5684".parse().unwrap(),
            enrolment: None,
            public_url: None,
            settings: Settings::default(),
        };
        let entropy = Arc::new(SystemEntropy::default());
        let file = create_domain(&domain, &SystemClock::new(), entropy).unwrap();
        Self { directory, file }
    }

    /// The error after `from` was replaced by `to`, without the file's name.
    fn error(&self, from: &str, to: &str) -> String {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{from}");
        let error = Config::parse(&self.file, &text.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        let name = format!("`{}`", self.file.display());
        error
            .strip_prefix(&name)
            .unwrap()
            .trim_start_matches(", ")
            .to_owned()
    }

    fn line_of(&self, text: &str) -> usize {
        let whole = std::fs::read_to_string(&self.file).unwrap();
        whole
            .lines()
            .position(|line| line.starts_with(text))
            .unwrap()
            + 1
    }
}

#[test]
fn an_unknown_key_is_named_with_line_and_nearest_key() {
    let domain = Spoiled::new();
    let line = domain.line_of("public_url");
    assert_eq!(
        domain.error("public_url", "pubic_url"),
        format!("line {line}: `t8.pubic_url`: unknown key; did you mean `public_url`?")
    );
    assert!(
        domain
            .error("[vault]", "[vaults]")
            .contains("`vaults`: unknown key; did you mean `vault`")
    );
    let far = domain.error("#lifetime = \"600s\"", "zzz = 1");
    assert!(
        far.contains("`tokens.zzz`: unknown key; known here: lifetime"),
        "{far}"
    );
}

#[test]
fn a_missing_key_is_named() {
    let error = Spoiled::new().error("key = \"t8/server.key\"", "");
    assert!(
        error.contains("`t8`") && error.contains("missing field `key`"),
        "{error}"
    );
}

#[test]
fn values_out_of_range_say_the_range_and_the_line() {
    let domain = Spoiled::new();
    let line = domain.line_of("#pending =");
    assert_eq!(
        domain.error("#pending = \"24h\"", "pending = \"59s\""),
        format!("line {line}: `mapping.pending`: `59s` is out of range; choose from 1m to 30d")
    );
    let error = domain.error("#handshake_timeout = \"3s\"", "handshake_timeout = \"1h\"");
    assert!(
        error.contains("`t8.connections.handshake_timeout`: `1h` is out of range"),
        "{error}"
    );
}

#[test]
fn values_of_a_wrong_form_say_the_form() {
    let domain = Spoiled::new();
    let error = domain.error("#pending = \"24h\"", "pending = \"a day\"");
    assert!(
        error.contains("`mapping.pending`: `a day` is no duration; ")
            || error.contains("write for example"),
        "{error}"
    );
    let error = domain.error("https://127.0.0.1:8443", "http://127.0.0.1:8443");
    assert!(
        error.contains("`t8.public_url`") && error.contains("https"),
        "{error}"
    );
    let error = domain.error(
        "allowed_networks = []",
        "allowed_networks = [\"10.0.0.0/33\"]",
    );
    assert!(
        error.contains("`notify.allowed_networks") && error.contains("/8"),
        "{error}"
    );
    let error = domain.error("\"urn:ics:sp:*\"", "\"urn:ics:SP:*\"");
    assert!(error.contains("`t8.anchor[0].namespace`"), "{error}");
    let error = domain.error("[listen]", "[listen");
    assert!(error.starts_with("line "), "{error}");
}

#[test]
fn operators_cannot_be_anchored_at_the_t8_listener() {
    let domain = Spoiled::new();
    let line = domain.line_of("namespace =");
    let error = domain.error("urn:ics:sp:*\"\n\n# What", "urn:ics:operator:*\"\n\n# What");
    assert!(
        error.starts_with(&format!("line {line}: `t8.anchor[0].namespace`")),
        "{error}"
    );
    assert!(error.contains("names no service providers"), "{error}");
}

#[test]
fn listeners_do_not_share_an_address() {
    let error = Spoiled::new().error("127.0.0.1:8444", "127.0.0.1:8443");
    assert!(
        error.contains("`listen.operator`") && error.contains("of its own"),
        "{error}"
    );
}

#[test]
fn all_addresses_of_a_host_are_no_public_url() {
    for url in ["https://0.0.0.0:8443", "https://[::]:8443"] {
        let error = Spoiled::new().error("https://127.0.0.1:8443", url);
        assert!(
            error.contains("`t8.public_url`") && error.contains("https://ics.example"),
            "{error}"
        );
    }
}

#[test]
fn a_file_without_end_is_not_read() {
    let error = Config::load("/dev/zero".as_ref()).unwrap_err();
    assert!(error.to_string().contains("1 MiB"), "{error}");
}

#[test]
fn missing_files_are_named() {
    let error = Spoiled::new().error("operator/server.pem", "operator/nothing.pem");
    assert!(
        error.contains("`operator.certificate`: cannot read `"),
        "{error}"
    );
    assert!(error.contains("operator/nothing.pem`"), "{error}");
}

#[test]
fn keys_that_others_may_read_are_refused_with_the_remedy() {
    for (key, path) in [
        ("t8.key", "t8/server.key"),
        ("operator.key", "operator/server.key"),
        ("vault.keyring", "keys/keyring"),
        ("authority.key", "authority/sp-ca.key"),
        ("devices.key", "authority/device-ca.key"),
        ("notify.key", "notify/client.key"),
        ("notify.signing_key", "keys/notify-signing.key"),
    ] {
        let domain = Spoiled::new();
        let file = domain.directory.path().join(path);
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let error = Config::load(&domain.file).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
            assert!(
                error.contains(&format!("chmod 600 {}", file.display())),
                "{error}"
            );
            assert!(matches!(read_secret(&file), Err(SecretFileError::Exposed(m)) if m == mode));
        }
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
        assert!(Config::load(&domain.file).is_ok());
    }
}

#[test]
fn without_the_section_no_devices_are_hosted() {
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    assert!(Config::load(&domain.file).unwrap().devices.is_some());
    // Nor anything that serves them.
    let mut section = "";
    let without: Vec<_> = text
        .lines()
        .filter(|line| {
            section = if line.starts_with('[') { line } else { section };
            section != "[devices]" && !section.starts_with("[mqtt") && !section.starts_with("[coap")
        })
        .collect();
    let config = Config::parse(&domain.file, &without.join("\n")).unwrap();
    assert!(config.devices.is_none());
    assert!(config.mqtt.is_none());
    assert!(config.coap.is_none());
}

#[test]
fn what_weakens_tls_is_not_a_setting() {
    let domain = Spoiled::new();
    for key in [
        "plain = true",
        "early_data = true",
        "client_auth = \"none\"",
        "tls11 = true",
    ] {
        let error = domain.error("#tls12 = false", key);
        assert!(error.contains("unknown key"), "{error}");
    }
}

#[test]
fn every_commented_default_in_the_template_is_the_default() {
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    let spell_out = |line: &str| {
        let setting = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(char::is_alphabetic));
        setting.unwrap_or(line).to_owned()
    };
    let spelled_out: Vec<String> = text.lines().map(spell_out).collect();
    assert_ne!(spelled_out.join("\n"), text.trim_end());
    let mut spelled_out = Config::parse(&domain.file, &spelled_out.join("\n")).unwrap();
    let mut left_out = Config::load(&domain.file).unwrap();
    spelled_out.source = toml::Table::new();
    left_out.source = toml::Table::new();
    assert_eq!(format!("{spelled_out:?}"), format!("{left_out:?}"));
}

#[test]
fn what_is_wrong_with_the_broker_is_told_by_key() {
    let section = "[mqtt_broker]\naddress = \"mqtt.example:8883\"\nserver_anchors = []\n\
                   certificate = \"t8/server.pem\"\nkey = \"mqtt/none.key\"\nclient_id = \"a/b\"\n\
                   session_expiry = \"1s\"\n\n[vault]";
    let error = Spoiled::new().error("[vault]", section);
    for key in ["server_anchors", "key", "client_id", "session_expiry"] {
        let key = format!("`mqtt_broker.{key}`");
        assert!(error.contains(&key), "{key}: {error}");
    }
    assert!(!error.contains("mqtt_broker.certificate"), "{error}");
    let section = section.replace("mqtt.example:8883", "mqtts://mqtt.example");
    let error = Spoiled::new().error("[vault]", &section);
    assert!(error.contains("no address"), "{error}");
}

#[test]
fn what_is_wrong_with_the_platform_is_told_by_key() {
    let with = |more: &str| {
        let section = format!("{more}\n[onem2m.connections]");
        Spoiled::new().error("[onem2m.connections]", &section)
    };
    let broker = "[onem2m.mqtt]\naddress = \"mqtt.example:8883\"\nserver_anchors = []\n\
                  certificate = \"t8/server.pem\"\nkey = \"mqtt/none.key\"\nsession_expiry = \"1s\"\n";
    let error = with(broker);
    for key in [
        "mqtt",
        "mqtt.server_anchors",
        "mqtt.key",
        "mqtt.session_expiry",
    ] {
        let key = format!("`onem2m.{key}`");
        assert!(error.contains(&key), "{key}: {error}");
    }
    assert!(!error.contains("onem2m.mqtt.certificate"), "{error}");
    // Half of how it is reached over HTTP is nothing.
    let platform = "[onem2m.registrar]\ncse_id = \"id-in\"\ncse_name = \"cse-in\"\n\
                    url = \"https://in.example:8443\"\n";
    let error = with(platform);
    assert!(
        error.contains("`onem2m.registrar`: how to reach"),
        "{error}"
    );
    assert!(error.contains("`onem2m.public_url`"), "{error}");
    let error = with(&platform.replace("id-in", "id-ics"));
    assert!(error.contains("`onem2m.registrar.cse_id`"), "{error}");
}

#[test]
fn a_platform_on_a_broker_needs_no_url() {
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    let section = "[onem2m.registrar]\ncse_id = \"id-in\"\ncse_name = \"cse-in\"\n\
                   [onem2m.mqtt]\naddress = \"mqtt.example:8883\"\nserver_anchors = [\"t8/server.pem\"]\n\
                   certificate = \"t8/server.pem\"\nkey = \"t8/server.key\"\n\n[onem2m.connections]";
    let text = text.replacen("[onem2m.connections]", section, 1);
    let config = Config::parse(&domain.file, &text).unwrap();
    let onem2m = config.onem2m.unwrap();
    assert!(onem2m.mqtt.is_some() && onem2m.registrar.unwrap().http().is_none());
}

#[test]
fn what_is_wrong_with_a_mailbox_is_told_by_key() {
    let domain = Spoiled::new();
    let with = |members: &str| {
        let section = format!(
            "[onem2m.registrar]\ncse_id = \"id-in\"\ncse_name = \"cse-in\"\n{members}\n\n[onem2m.connections]"
        );
        domain.error("[onem2m.connections]", &section)
    };
    for (members, key, said) in [
        ("ae_id = \"Cics\"", "onem2m.registrar.ae_id", "but a CSE"),
        ("ae_name = \"x\"", "onem2m.registrar.ae_name", "but a CSE"),
        (
            "mode = \"mailbox\"\nae_id = \"ics\"",
            "onem2m.registrar.ae_id",
            "`ics` is no AE-ID",
        ),
        (
            "mode = \"mailbox\"\nae_name = \"a/b\"",
            "onem2m.registrar.ae_name",
            "`a/b` is no name",
        ),
        ("mode = \"mailbox\"", "onem2m.public_url", "where to reach"),
        ("mode = \"letterbox\"", "mode", "letterbox"),
    ] {
        let error = with(members);
        assert!(
            error.contains(key) && error.contains(said),
            "{members}: {error}"
        );
    }
    let broker = with(
        "mode = \"mailbox\"\n[onem2m.mqtt]\naddress = \"b:8883\"\ncertificate = \"x\"\nkey = \"y\"\nserver_anchors = [\"z\"]",
    );
    assert!(broker.contains("reached over HTTP"), "{broker}");
}

#[test]
fn what_is_wrong_with_coap_is_told_by_key() {
    let plain = |address: &str| {
        let section = format!("[coap]\nplain_listen = \"{address}\"\n");
        Spoiled::new().error("[coap]\n", &section)
    };
    for address in ["0.0.0.0:5683", "192.0.2.1:5683", "[::]:5683"] {
        let error = plain(address);
        let is_told = error.contains("`coap.plain_listen`") && error.contains("127.0.0.0/8");
        assert!(is_told, "{error}");
    }
    let error = plain("127.0.0.1:5684");
    assert!(error.contains("taken by `coap.listen`"), "{error}");
    for (from, to) in [
        ("sessions = 100000", "sessions = 0"),
        ("handshakes = 4096", "handshakes = 0"),
        ("idle = \"24h\"", "idle = \"1s\""),
    ] {
        let error = Spoiled::new().error(&format!("#{from}"), to);
        let (key, _) = to.split_once(' ').unwrap();
        let key = format!("`coap.limits.{key}`");
        assert!(error.contains(&key) && error.contains("choose"), "{error}");
    }
    let error = Spoiled::new().error("coap/server.key", "coap/none.key");
    assert!(error.contains("`coap.key`"), "{error}");
}

#[test]
fn discovery_without_dtls_is_for_loopback() {
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    for address in ["127.0.0.1:5683", "[::1]:0"] {
        let section = format!("[coap]\nplain_listen = \"{address}\"\n");
        let text = text.replacen("[coap]\n", &section, 1);
        let config = Config::parse(&domain.file, &text).unwrap();
        let coap = config.coap.unwrap();
        assert_eq!(coap.plain_listen, Some(address.parse().unwrap()));
    }
}

#[test]
fn coap_without_an_authority_for_devices_is_refused() {
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    let mut section = "";
    let without: Vec<_> = text
        .lines()
        .filter(|line| {
            section = if line.starts_with('[') { line } else { section };
            section != "[devices]" && !section.starts_with("[mqtt")
        })
        .collect();
    let error = Config::parse(&domain.file, &without.join("\n")).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("`coap`: there is nobody to certify devices; add `[devices]`"),
        "{error}"
    );
}

#[test]
fn an_absent_file_points_to_init() {
    let error = Config::load(Path::new("/nonexistent/gateway.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("ics-gateway init"), "{error}");
}

#[test]
fn durations_are_read_and_written_in_units() {
    use literal::Written;
    let domain = Spoiled::new();
    let text = std::fs::read_to_string(&domain.file).unwrap();
    let text = text.replace("#connect_timeout = \"3s\"", "connect_timeout = \"2500ms\"");
    let config = Config::parse(&domain.file, &text).unwrap();
    assert_eq!(config.notify.connect_timeout, Duration::from_millis(2500));
    for (seconds, text) in [(90, "90s"), (120, "2m"), (7200, "2h"), (86_400 * 7, "7d")] {
        assert_eq!(Written(Duration::from_secs(seconds)).to_string(), text);
    }
}

#[test]
fn an_unknown_engine_is_refused_with_those_that_are_known() {
    let error = Spoiled::new().error("#engine = \"redb\"", "engine = \"rocksdb\"");
    assert!(
        error.contains("store.engine") && error.contains("`redb`") && error.contains("`sled`"),
        "{error}"
    );
}

#[test]
fn a_decision_log_with_less_room_than_connections_may_take_is_refused() {
    let domain = Spoiled::new();
    let error = domain.error("#queue = \"16MiB\"", "queue = \"1MiB\"");
    assert!(
        error.contains("`decisions.queue`: too small for `t8.connections.max_connections`, 8000")
            && error.contains("choose at least 4000KiB"),
        "{error}"
    );
    let error = domain.error("#max_connections = 8000", "max_connections = 40000");
    assert!(error.contains("`decisions.queue`"), "{error}");
}
