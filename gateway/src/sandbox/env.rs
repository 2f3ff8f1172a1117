//! `sandbox.env`: what a tester needs to know, as `KEY='value'` lines a shell can source.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use ics_operator::wire::InvitationView;

use super::devices::SandboxDevice;
use super::onem2m;
use super::plan::{Grant, Layout, NEWCOMER, PARTIES, Ports, loopback};

/// Takes the file away, if it is there.
///
/// # Errors
/// [`io::Error`].
pub(super) fn remove(layout: &Layout) -> io::Result<()> {
    match std::fs::remove_file(layout.env()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the file whole, or not at all.
///
/// # Errors
/// [`io::Error`].
pub(super) fn write(
    layout: &Layout,
    (ports, cse): (Ports, Option<SocketAddr>),
    (devices, invitation): (&[SandboxDevice], &InvitationView),
) -> io::Result<()> {
    let mut text = String::new();
    let domain = |file: &str| layout.of_domain(file).display().to_string();
    let mut line = |key: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key}='{value}'");
    };
    line("ICS_T8_URL", &ports.t8_url());
    line("ICS_OPERATOR_URL", &ports.operator_url());
    line("ICS_CALLBACK_URL", &ports.callback_url());
    line("ICS_INBOX_URL", &ports.inbox_url());
    line("ICS_CONFIG", &domain("gateway.toml"));
    line("ICS_CA", &domain("authority/sp-ca.pem"));
    line("ICS_CA_KEY", &domain("authority/sp-ca.key"));
    line("ICS_OPERATOR_CA", &domain("authority/operator-ca.pem"));
    line("ICS_OPERATOR_CERT", &domain("operator/cli.pem"));
    line("ICS_OPERATOR_KEY", &domain("operator/cli.key"));
    for party in &PARTIES {
        let key = party.key;
        let (certificate, private) = layout.credential(party.id);
        line(&format!("{key}_ID"), party.id);
        line(&format!("{key}_CERT"), &certificate.display().to_string());
        line(&format!("{key}_KEY"), &private.display().to_string());
        match party.grant {
            Grant::Service(uri) => line(&format!("{key}_SERVICE"), uri),
            Grant::SerialPrefix(prefix) => line(&format!("{key}_SERIAL_PREFIX"), prefix),
        }
        if let Some(ae) = onem2m::ae_of(party.id) {
            let signing = layout.onem2m_key(party.id);
            line(&format!("{key}_AE"), &ae);
            line(&format!("{key}_TOK_KEY"), &signing.display().to_string());
        }
    }
    line("ICS_ENROL_URL", &invitation.url);
    line("ICS_NEW_ID", &invitation.sp_id);
    line("ICS_NEW_CODE", &invitation.code);
    if let Grant::Service(uri) = NEWCOMER.grant {
        line("ICS_NEW_SERVICE", uri);
    }
    if let Some(cse) = cse {
        line("ICS_MCC_URL", &format!("http://{cse}"));
        line("ICS_ONEM2M_ADMIN", onem2m::ADMIN);
    }
    line("ICS_MQTT_HOST", &loopback(ports.mqtt).ip().to_string());
    line("ICS_MQTT_PORT", &ports.mqtt.to_string());
    line("ICS_COAPS_URL", &ports.coaps_url());
    for device in devices {
        let key = device.key;
        let private = device.private_key.display().to_string();
        line(&format!("{key}_ID"), &device.id);
        line(&format!("{key}_SERIAL"), &device.serial);
        line(
            &format!("{key}_CERT"),
            &device.certificate.display().to_string(),
        );
        line(&format!("{key}_KEY"), &private);
        line(&format!("{key}_PSK_ID"), &device.psk.identity);
        line(&format!("{key}_PSK"), &device.psk.key);
    }
    let staged = layout.0.join("sandbox.env.new");
    std::fs::write(&staged, text)?;
    std::fs::rename(staged, layout.env())
}
