//! The broker of hosted devices: does it keep them apart? Read in its files, where they can be read,
//! and tried.

mod access_control;

use std::path::Path;

use ics_mqtt::{LinkError, ProbeError, probe};

use super::Finding;
use crate::compose::BrokerWays;
use crate::config::{Config, MqttBrokerSection};
use crate::tls::load_certificates;
use access_control::{Fault, judge};

const AREA: &str = "mqtt broker";
const RECIPE: &str = "ics-gateway help mqtt recipe";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(section) = &config.mqtt_broker else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    findings.extend(section.acl_file.as_deref().map(look_at_list));
    findings.extend(look_at_anchors(config, section));
    findings.push(try_it(config, section).await);
    findings
}

/// mosquitto's access control list.
fn look_at_list(file: &Path) -> Finding {
    let name = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let text = format!("`{name}` cannot be read: {error}");
            return Finding::amber(AREA, text, format!("ls -l {name}"));
        }
    };
    match judge(&text) {
        Ok(()) => Finding::green(AREA, format!("`{name}` keeps devices apart")),
        Err((line, fault)) => {
            let text = match line {
                Some(line) => format!("`{name}` line {line}: {fault}"),
                None => format!("`{name}`: {fault}"),
            };
            let fix = format!("${{EDITOR:-vi}} +{} {name}", line.unwrap_or(1));
            if matches!(fault, Fault::NoPattern) {
                Finding::amber(AREA, text, fix)
            } else {
                Finding::red(AREA, text, fix)
            }
        }
    }
}

/// By whom the broker believes clients: by the common name, so by nobody else.
fn look_at_anchors(config: &Config, section: &MqttBrokerSection) -> Option<Finding> {
    let (file, devices) = (section.client_anchors.as_deref()?, config.devices.as_ref()?);
    let name = file.display();
    let own = load_certificates(&devices.certificate).unwrap_or_default();
    let Ok(believed) = load_certificates(file) else {
        let text = format!("`{name}` has no readable certificate in it");
        return Some(Finding::amber(AREA, text, format!("ls -l {name}")));
    };
    let strangers = believed.iter().filter(|one| !own.contains(one)).count();
    Some(if strangers == 0 {
        Finding::green(AREA, format!("`{name}` has the device authority alone"))
    } else {
        let text = format!(
            "`{name}` has {strangers} certificates that are not the device authority's: whom such an authority \
             certifies with a device's ID as common name is that device to the broker"
        );
        let fix = format!("cp {} {name}", devices.certificate.display());
        Finding::red(AREA, text, fix)
    })
}

async fn try_it(config: &Config, section: &MqttBrokerSection) -> Finding {
    let address = &section.address;
    let ways = match BrokerWays::of(config) {
        Ok(Some(ways)) => ways,
        // What is wrong with its files was told already.
        Ok(None) | Err(_) => {
            return Finding::amber(AREA, format!("{address} was not tried"), RECIPE);
        }
    };
    let client_id = format!("{}-doctor", section.client_id);
    match probe(&ways, &client_id).await {
        Ok(()) => Finding::green(AREA, format!("{address} keeps devices apart: it was tried")),
        Err(
            ProbeError::Gateway(error @ (LinkError::Broken(_) | LinkError::Refused(_)))
            | ProbeError::Untried(_, error),
        ) => {
            let fix = format!("openssl s_client -connect {address} -brief </dev/null");
            Finding::red(AREA, format!("{address} cannot be used: {error}"), fix)
        }
        Err(error) => Finding::red(AREA, format!("{address}: {error}"), RECIPE),
    }
}
