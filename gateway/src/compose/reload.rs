//! What SIGHUP changes, and what it cannot.

use toml::{Table, Value};

/// Keys that take effect at once; the rest waits for the next start.
const AT_ONCE: [&str; 24] = [
    "policy.directory",
    "policy.default",
    "policy.trial",
    "t8.certificate",
    "t8.key",
    "t8.anchor",
    "t8.connections.max_connections_per_party",
    "operator.certificate",
    "operator.key",
    "operator.anchor",
    "mqtt.certificate",
    "mqtt.key",
    "coap.certificate",
    "coap.key",
    "onem2m.certificate",
    "onem2m.key",
    "onem2m.mqtt.certificate",
    "onem2m.mqtt.key",
    "onem2m.mqtt.server_anchors",
    "enrolment.certificate",
    "enrolment.key",
    "mqtt_broker.certificate",
    "mqtt_broker.key",
    "mqtt_broker.server_anchors",
];

/// The keys that differ between two configurations and do not take effect before the next start.
pub(super) fn find_waiting(old: &Table, new: &Table) -> Vec<String> {
    let mut changed = Vec::new();
    compare("", old, new, &mut changed);
    changed.retain(|key| !AT_ONCE.contains(&key.as_str()));
    changed
}

fn compare(at: &str, old: &Table, new: &Table, changed: &mut Vec<String>) {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let key = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        let none = Table::new();
        match (old.get(name), new.get(name)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => compare(&key, a, b, changed),
            (Some(Value::Table(a)), None) => compare(&key, a, &none, changed),
            (None, Some(Value::Table(b))) => compare(&key, &none, b, changed),
            (a, b) if a != b => changed.push(key),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(old: &str, new: &str) -> Vec<String> {
        find_waiting(&old.parse().unwrap(), &new.parse().unwrap())
    }

    #[test]
    fn what_cannot_change_at_once_is_named_by_its_key() {
        assert_eq!(
            waiting(
                "[listen]\nt8 = 'a'\n[t8]\nkey = 'b'\n[t8.connections]\nworkers = 1",
                "[listen]\nt8 = 'c'\n[t8]\nkey = 'd'\n[mapping]\npending = '1h'"
            ),
            ["listen.t8", "mapping.pending", "t8.connections.workers"]
        );
    }

    #[test]
    fn the_certificate_of_the_mqtt_listener_changes_at_once_and_its_address_does_not() {
        let changed = waiting(
            "[mqtt]\nlisten = 'a'\ncertificate = 'b'\nkey = 'c'",
            "[mqtt]\nlisten = 'd'\ncertificate = 'e'\nkey = 'f'",
        );
        assert_eq!(changed, ["mqtt.listen"]);
    }

    #[test]
    fn the_certificate_of_the_coap_listener_changes_at_once_and_its_sockets_do_not() {
        let changed = waiting(
            "[coap]\nlisten = 'a'\ncertificate = 'b'\nkey = 'c'",
            "[coap]\nlisten = 'd'\nplain_listen = 'g'\ncertificate = 'e'\nkey = 'f'",
        );
        assert_eq!(changed, ["coap.listen", "coap.plain_listen"]);
    }

    #[test]
    fn certificates_keys_anchors_and_the_cap_of_a_party_change_at_once() {
        let anchors = "[[t8.anchor]]\nnamespace = 'x'";
        assert!(waiting(anchors, "[[t8.anchor]]\nnamespace = 'y'").is_empty());
        let cap = "[t8.connections]\nmax_connections_per_party = 2";
        assert!(waiting("", cap).is_empty());
        assert!(waiting(cap, cap).is_empty());
    }
}
