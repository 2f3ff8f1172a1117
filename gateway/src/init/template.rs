//! The configuration file of a new domain, with comments that teach.

use ics_core::id::Origin;

use super::Domain;

/// The file for `domain`.
pub(super) fn render(domain: &Domain, public_url: &Origin) -> String {
    let networks: Vec<String> = domain
        .settings
        .allowed_networks
        .iter()
        .map(|n| format!("\"{n}\""))
        .collect();
    let (floor, jitter) = if domain.settings.tell_failures_at_once {
        ("0", "0")
    } else {
        ("60s", "30s")
    };
    let enrolment = match domain.enrolment {
        Some(address) => format!("listen = \"{address}\""),
        None => "#   listen = \"0.0.0.0:8445\"".to_owned(),
    };
    TEMPLATE
        .replace("@ENROLMENT@", &enrolment)
        .replace("@T8@", &domain.t8.to_string())
        .replace("@OPERATOR@", &domain.operator.to_string())
        .replace("@MQTT@", &domain.mqtt.to_string())
        .replace("@COAP@", &domain.coap.to_string())
        .replace("@PUBLIC_URL@", public_url.as_str())
        .replace("@NETWORKS@", &networks.join(", "))
        .replace("@FLOOR@", floor)
        .replace("@JITTER@", jitter)
}

const TEMPLATE: &str = r#"# ics-gateway: the identity correlation service of ITU-T Y.4462.
#
#   ics-gateway serve --config gateway.toml
#
# Relative paths start where this file lies. Key files must be readable by their owner alone
# (mode 0600), or the gateway does not start. Durations: 500ms, 90s, 5m, 24h, 7d. Values that
# are commented out are the defaults.

[listen]
# Where service providers connect, over mutual TLS. There is no plain listener.
t8 = "@T8@"
# Where your own systems and the command line connect. Another authority, other certificates:
# keep it off every network that a service provider can reach.
operator = "@OPERATOR@"

[t8]
# What service providers put before every path (apiRoot of T8, issuer of the tokens).
public_url = "@PUBLIC_URL@"
certificate = "t8/server.pem"
key = "t8/server.key"
# TLS 1.2 (ECDHE with AEAD) beside TLS 1.3, for peers that have no other.
#tls12 = false

# Whose client certificates are taken, and whom they may name. `urn:ics:sp:*` is everybody: only
# your own authority should have it. An authority a service provider runs itself gets one name:
#   [[t8.anchor]]
#   certificate = "authority/acme-ca.pem"
#   namespace = "urn:ics:sp:acme"
# What it has revoked, PEM or DER, if it gives you a list: whoever is on it is refused, on open
# connections too, and everybody of that authority once the list is over. SIGHUP reads it anew.
#   crl = "authority/acme.crl"
[[t8.anchor]]
certificate = "authority/sp-ca.pem"
namespace = "urn:ics:sp:*"

# What one peer, or a flood of them, can take.
[t8.connections]
# Threads; 0: one for each core.
#workers = 0
# Open connections: of the listener, and of one service provider.
#max_connections = 8000
#max_connections_per_party = 2500
# TLS handshakes that are computed at once or next: all, and those of one address. More wait for
# their turn; those that wait for their peer stand in nobody's way.
#max_handshakes = 256
#max_handshakes_per_address = 64
# Connections of one address whose handshakes are not whole: more are closed at once. 0: a quarter
# of max_connections. Raise it where many service providers come by one address.
#max_arrivals_per_address = 0
#handshake_timeout = "3s"
#request_timeout = "5s"
# A peer that takes nothing of its answer for longer is cut off.
#answer_timeout = "30s"
#disconnect_timeout = "2s"
#keep_alive = "75s"
# A connection of this age is closed after its next answer.
#max_age = "1h"
# How long requests under way may take to end when the gateway is told to stop.
#drain = "10s"

[operator]
certificate = "operator/server.pem"
key = "operator/server.key"
# Speaks for `urn:ics:operator:*`. The command line uses operator/cli.pem and operator/cli.key.
anchor = "authority/operator-ca.pem"

[operator.connections]
workers = 1
# Few clients: file descriptors are for service providers.
max_connections = 1000

[store]
# One gateway at a time.
directory = "store"
# redb: one file; nothing to recover after a crash; the choice unless you know why not.
# sled: a log of its own; about twice the disk and five times the memory, slower reads, and it
# counts all its keys after a crash. A directory stays with the engine that began it;
# `ics-gateway store migrate` moves it.
#engine = "redb"
# Memory for cached pages.
#cache = "1GiB"
# redb: every page is verified before it is served (0.4 s for 100,000 mappings). false starts in
# milliseconds, and what a damaged page hides is then answered as if it were not there.
#verify = true

[vault]
# Seals serial numbers at rest. Back it up apart from the store: lost keys are lost serial
# numbers and lost device lookups, and both together are readable.
keyring = "keys/keyring"

[authority]
# Issues the certificates of service providers (`ics-gateway sp cert`).
certificate = "authority/sp-ca.pem"
key = "authority/sp-ca.key"
# How long they hold.
#validity = "7d"

# Where service providers get their certificates themselves, with a code of `ics-gateway sp invite`, and
# renew them (EST, RFC 7030). Nobody enrols without `listen`; nobody needs a certificate to come there.
[enrolment]
@ENROLMENT@
# What they put before every path, if not the address behind https://. With it the certificates say
# where the list of revoked ones lies: below it, at /revoked.crl.
#   public_url = "https://ics.example:8445"
certificate = "enrolment/server.pem"
key = "enrolment/server.key"

# As for [t8.connections].
[enrolment.connections]
workers = 1
max_connections = 500

# Who may do what, beyond what no policy can open (`ics-gateway help policy`): files `*.cedar`, groups of
# devices with grants in `devices.toml`. Taken anew on SIGHUP.
[policy]
directory = "policies"
# What is answered where no policy says anything: permit, so that policies forbid; or deny, so that they
# must permit.
#default = "permit"
# Policies that are asked as well and not heeded: `ics-gateway policy status` tells how they differ.
#   trial = "policies-next"

# Hosting devices for IoT service providers (`ics-gateway device`). Without this section no device
# gets a certificate.
[devices]
# The authority that certifies hosted devices: of its own, believed by no other listener.
certificate = "authority/device-ca.pem"
key = "authority/device-ca.key"
# Whether a password that an IoT service provider insists on is taken, beside those minted here. Then
# each wrong password costs the gateway 20 ms of a core, and 19 MiB while it is looked at.
#chosen_passwords = false
# How many events of one mapping wait while its third party cannot be told, given-up ones included:
# more are refused, and of those that were given up the oldest go. 1 to 100000.
#waiting_events = 100

# Where hosted devices connect over MQTT, 3.1.1 or 5, over TLS: the gateway terminates it itself.
# Without this section no device is served over MQTT.
[mqtt]
listen = "@MQTT@"
certificate = "mqtt/server.pem"
key = "mqtt/server.key"
# Devices that have no certificate come too, with their device ID as user name and the password
# they were registered with.
#passwords = false
# TLS 1.2 (ECDHE with AEAD) beside TLS 1.3, for devices that have no other.
#tls12 = false

# What one device may do: so many at once after a rest, and then so many a second. Messages over it
# are refused and then end the connection; connections over it are refused.
[mqtt.limits]
#messages_at_once = 100
#messages_per_second = 50
#connects_at_once = 10
#connects_per_second = 1

# As for [t8.connections]; those that are about requests or parties mean nothing here.
[mqtt.connections]
#max_connections = 8000
#max_handshakes = 256
#max_handshakes_per_address = 64
#max_arrivals_per_address = 0
#handshake_timeout = "3s"

# Hosted devices over MQTT through a broker that you run, instead of [mqtt] or beside it.
# `ics-gateway mqtt recipe` writes what a mosquitto needs for it, and tells this section.
#     [mqtt_broker]
#     address = "mqtt.example:8883"
#     # The authority of the broker's own certificate.
#     server_anchors = ["mqtt/broker-ca.pem"]
#     # What the gateway shows to the broker.
#     certificate = "mqtt/ics-gateway.pem"
#     key = "mqtt/ics-gateway.key"
#     # A device has the limits of [mqtt.limits], and without [mqtt] those that are the default there.
#     # The name of this gateway's session: another one for each gateway.
#     client_id = "ics-gateway"
#     # How long the broker keeps messages for this gateway while it is away.
#     session_expiry = "1h"
#     # What the broker has, where `ics-gateway doctor` can read it.
#     acl_file = "/etc/mosquitto/ics/acl"
#     client_anchors = "/etc/mosquitto/ics/device-ca.pem"

# Where hosted devices come to over CoAP, on DTLS 1.2, with a pre-shared key or with a certificate.
# Without this section no device is served over CoAP.
[coap]
# UDP.
listen = "@COAP@"
# The key must be ECDSA on P-256: the suites of constrained devices know no other.
certificate = "coap/server.pem"
key = "coap/server.key"
# Where any program of this host may ask without DTLS what there is to ask for, and nothing else:
#   plain_listen = "127.0.0.1:5683"

# What one device may do: so many at once after a rest, and then so many a second. Messages over it
# are refused, with the time to wait; handshakes over it end at once.
[coap.limits]
#messages_at_once = 100
#messages_per_second = 50
#connects_at_once = 50
#connects_per_second = 5
# Devices at a time, and handshakes under way. Of more, the one that was silent longest ends, and the
# oldest handshake.
#sessions = 100000
#handshakes = 4096
# How long a device may be silent before it has to do its handshake again: 60s to 30d.
#idle = "24h"

# The oneM2M CSE of this gateway: AEs and devices call it (Mca), and a platform it is registered with
# (Mcc). Nothing is served without `listen`, or `serve --onem2m-listen`.
[onem2m]
#   listen = "0.0.0.0:8453"
certificate = "onem2m/server.pem"
key = "onem2m/server.key"
# CSE-ID without its slash, name of the CSEBase, domain of absolute addresses.
#cse_id = "id-ics"
#cse_name = "ics"
#sp_domain = "ics.example"
# Where the platform reaches this CSE.
#   public_url = "https://ics.example:8453"
# Where AEs may be called that are not behind the platform: nowhere else.
#   notify_origins = ["https://ae.example:9443"]
# The platform's CSE. `ics-gateway onem2m attach` registers with it.
#     [onem2m.registrar]
#     url = "https://in-cse.example:8443"
#     cse_id = "id-in"
#     cse_name = "cse-in"
#     # Its certificates name it `//in-cse.example/id-in` in a SAN URI, and are of this authority.
#     sp_domain = "in-cse.example"
#     anchor = "onem2m/platform-ca.pem"
#     # What the gateway shows to it.
#     certificate = "onem2m/cse.pem"
#     key = "onem2m/cse.key"
#     # Where the platform admits no foreign CSE: an AE there, with a mailbox for each service provider.
#     #mode = "mailbox"
#     #ae_name = "ics"
#     #ae_id = "Cics"
# The broker where that CSE is asked and asks, if not over HTTP (TS-0010): `url` and what follows it may be
# left out then. Its access control must let that CSE, and nobody else, publish below
# `/oneM2M/req/id-in/id-ics/` and `/oneM2M/resp/id-ics/id-in/`.
#     [onem2m.mqtt]
#     address = "mqtt.example:8883"
#     server_anchors = ["onem2m/broker-ca.pem"]
#     certificate = "onem2m/broker-client.pem"
#     key = "onem2m/broker-client.key"
#     #session_expiry = "1h"

# As for [t8.connections].
[onem2m.connections]
max_connections = 1000
max_connections_per_party = 500

[notify]
# What the gateway shows to the servers of service providers when it notifies them.
certificate = "notify/client.pem"
key = "notify/client.key"
# Whose server certificates it believes. Add the authorities of your service providers.
server_anchors = ["authority/sp-ca.pem"]
# Signs notifications (RFC 9421); its public half is in /.well-known/ics.
signing_key = "keys/notify-signing.key"
# Callbacks to loopback, link-local and private addresses are refused, whatever a name resolves
# to, unless they lie in one of these, for example "10.20.0.0/16".
allowed_networks = [@NETWORKS@]
#connect_timeout = "3s"
#total_timeout = "10s"
# Waits between attempts: the first, doubled up to the longest, a random part of each.
#first_retry = "1s"
#longest_retry = "60s"

[tokens]
#lifetime = "600s"
# Service providers that may ask what the tokens of others are (RFC 7662), for example ["billing"].
#resource_servers = []

# For service providers onboarded without limits of their own.
[limits]
#requests_per_second = 100
#failed_mappings_per_day = 1000

[mapping]
# How long a device may take to answer, unless the request asks for less: 60s to 30d.
#pending = "24h"
# How long a deleted or failed mapping can still be looked at.
#tombstone_retention = "7d"
# How long a notification is tried before it becomes a dead letter (`ics-gateway outbox`).
#notification_deadline = "24h"
# A failure on the device's side is told no earlier than this after the request, and up to the
# jitter later: how fast it came would tell which serial numbers exist.
failure_floor = "@FLOOR@"
failure_jitter = "@JITTER@"

# Forms of device IDs that are taken although, by chance, they look like the number of a subscription
# or a mail address. Built in: uuid, oid, did, gs1, onem2m, 3gpp-external-id (with `extid-`). The
# pattern is that of the whole ID; what exactly is such a number no scheme lets through.
# [[identifier_scheme]]
# name = "acme-unit"
# pattern = "unit/[0-9]{4}/[0-9]{10}[A-Z]"

[decisions]
# decisions.jsonl: one JSON line for each access and each attempt, allowed or denied. Move the
# file away and send SIGHUP to rotate it.
#directory = "decisions"
# While it cannot be written (a full disk): "refuse" what changes something, and all once the
# queue is full; or "continue", and count the lines that are lost.
#on_failure = "refuse"
# Memory for lines that wait to be written.
#queue = "16MiB"

[log]
# text or json, to standard error.
#format = "text"
# error, warn, info (one line for each request), debug, trace.
#level = "info"
"#;

/// Groups of devices: none, and how one is written.
pub(super) const DEVICES: &str = "\
# Groups of devices, and who is granted them (TS 33.187 4.7): what policies find as `context.device.groups`.
# A device is in a group by its serial number, when a mapping is asked for and established, or by its device
# ID, from then on. What is changed here holds after SIGHUP.
#
# [[group]]
# name = \"meters\"
# iot-sp = \"acme\"
# serial-prefixes = [\"ACME-M\"]
# Beside or instead of it: serial-patterns = [\"ACME-[0-9]{5}\"], vendor = \"acme\", device-ids = [\"d-5f3a\"].
# Nobody but who has a grant: to others these devices are not available.
# restricted = true
#
# Without `services` for all of them: per UE. With them: per service per UE.
# [[grant]]
# group = \"meters\"
# third-party-sp = \"shop\"
# services = [\"https://shop.example/services/reading\"]
";
