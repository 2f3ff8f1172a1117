//! How long certificates hold, and how they are renewed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ics_core::port::Clock as _;
use ics_core::time::Timestamp;

use super::Finding;
use crate::ambient::SystemClock;
use crate::compose::list_ends;
use crate::config::Config;
use crate::tls::{load_certificates, read_validity};

const AREA: &str = "certificates";
/// A certificate that ends within this is told of.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// Lists are made anew every few days, or hours.
const LIST_SOON: Duration = Duration::from_secs(3600);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let now = SystemClock::new().now();
    let mut files: Vec<&PathBuf> = vec![
        &config.t8.certificate,
        &config.operator.certificate,
        &config.notify.certificate,
        &config.authority.certificate,
        &config.operator.anchor,
    ];
    let anchors = config.t8.anchor.iter().map(|anchor| &anchor.certificate);
    files.extend(anchors.chain(&config.notify.server_anchors));
    files.extend(device_authority(config));
    files.extend(config.mqtt.as_ref().map(|section| &section.certificate));
    files.extend(config.coap.as_ref().map(|section| &section.certificate));
    files.extend(config.onem2m.as_ref().map(|section| &section.certificate));
    files.extend(
        config
            .enrolment
            .as_ref()
            .map(|section| &section.certificate),
    );
    let broker = config.mqtt_broker.as_ref();
    files.extend(broker.map(|section| &section.certificate));
    files.sort();
    files.dedup();
    let lists = config.t8.anchor.iter().filter_map(|section| {
        let file = section.crl.as_deref()?;
        Some(judge_list(file, list_ends(section)?, now))
    });
    files
        .into_iter()
        .filter_map(|file| Some(judge(config, file, read_validity(file)?, now)))
        .chain(lists)
        .collect()
}

/// A list of revoked certificates: once it is over nobody of its authority is let in.
fn judge_list(file: &Path, ends: Timestamp, now: Timestamp) -> Finding {
    let (name, end) = (file.display(), ends.to_rfc3339());
    let fix = format!(
        "openssl crl -in {name} -noout -issuer -nextupdate  # ask its authority for a new one"
    );
    if ends <= now {
        let text = format!("`{name}` is over since {end}: nobody of its authority is let in");
        return Finding::red(AREA, text, fix);
    }
    if ends.since(now) < LIST_SOON {
        let text = format!("`{name}` is over at {end}, and nobody of its authority let in then");
        return Finding::amber(AREA, text, fix);
    }
    Finding::green(AREA, format!("`{name}` is good until {end}"))
}

fn device_authority(config: &Config) -> Option<&PathBuf> {
    config.devices.as_ref().map(|section| &section.certificate)
}

fn judge(config: &Config, file: &Path, validity: crate::tls::Validity, now: Timestamp) -> Finding {
    let (name, end) = (file.display(), validity.not_after.to_rfc3339());
    if now < validity.not_before {
        let text = format!(
            "`{name}` holds from {} on: is the clock right?",
            validity.not_before
        );
        return Finding::red(AREA, text, "timedatectl set-ntp true");
    }
    if validity.not_after < now {
        let text = format!("`{name}` ended {end}");
        return Finding::red(AREA, text, renewal(config, file));
    }
    let left = validity.not_after.since(now);
    let days = left.as_secs() / 86_400;
    if left < SOON {
        let text = format!("`{name}` ends in {days} days, {end}");
        return Finding::amber(AREA, text, renewal(config, file));
    }
    Finding::green(AREA, format!("`{name}` holds for {days} days"))
}

/// The command that issues a certificate anew, for the key beside it, by the authority that `init`
/// made for it, and has the gateway take it.
pub(super) fn renewal(config: &Config, certificate: &Path) -> String {
    renewal_for(config, certificate, &certificate.with_extension("key"))
}

fn renewal_for(config: &Config, certificate: &Path, key: &Path) -> String {
    let issuer = if certificate == config.operator.certificate {
        &config.operator.anchor
    } else {
        &config.authority.certificate
    };
    let name = certificate.display();
    // Neither an authority, nor one that a service provider runs, is renewed by ours.
    let mut anchors = config.t8.anchor.iter().map(|anchor| &anchor.certificate);
    let is_anchor = anchors.any(|anchor| certificate == anchor)
        || config
            .notify
            .server_anchors
            .contains(&certificate.to_owned());
    let is_root = is_anchor || certificate == issuer || certificate == config.operator.anchor;
    if is_root || device_authority(config).is_some_and(|root| certificate == root) {
        return format!("openssl x509 -in {name} -noout -issuer -dates");
    }
    // Only those of the listeners are read anew on SIGHUP.
    let taken = if certificate == config.notify.certificate {
        "systemctl restart ics-gateway"
    } else {
        "{ pkill -HUP -x ics-gateway || true; }"
    };
    // An authority that is no root stands behind what it issued.
    let has_root = load_certificates(issuer).is_ok_and(|chain| chain.len() > 1);
    let chain = if has_root {
        format!(" && openssl x509 -in {} >>{name}.new", issuer.display())
    } else {
        String::new()
    };
    format!(
        "openssl x509 -x509toreq -in {name} -key {} -copy_extensions copyall | openssl x509 -req \
         -CA {} -CAkey {} -copy_extensions copyall -days 397 -out {name}.new{chain} \
         && mv {name}.new {name} && {taken}",
        key.display(),
        issuer.display(),
        issuer.with_extension("key").display(),
    )
}

/// The commands that put an ECDSA key on P-256 in the place of another, and issue its certificate
/// anew. The key before is kept beside it.
pub(super) fn new_curve_key(config: &Config, certificate: &Path, key: &Path) -> String {
    let name = key.display();
    let renewal = renewal_for(config, certificate, key);
    format!(
        "(umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.new) \
         && cp -p {name} {name}.old && mv {name}.new {name} && {renewal}"
    )
}
