//! The platform that the CSE is registered with, and whether the AEs there let themselves be told.

use std::path::Path;

use ics_operator::wire::RegistrationView;

use super::Finding;
use crate::config::Config;
use crate::operator_client::OperatorClient;

const AREA: &str = "oneM2M";

/// What the gateway that runs knows of its platform; nothing where none is configured.
pub(super) async fn look(
    (config, file): (&Config, &Path),
    client: &OperatorClient,
) -> Vec<Finding> {
    let section = config.onem2m.as_ref();
    if section.is_none_or(|section| section.registrar.is_none()) {
        return Vec::new();
    }
    match client
        .read::<RegistrationView>("/onem2m/registration")
        .await
    {
        Ok(shown) => judge(&shown, file),
        Err(error) => vec![Finding::amber(
            AREA,
            format!("the registration at the platform could not be looked at: {error}"),
            format!(
                "ics-gateway serve --onem2m-listen ADDR --config {}",
                file.display()
            ),
        )],
    }
}

fn judge(shown: &RegistrationView, file: &Path) -> Vec<Finding> {
    let RegistrationView {
        registrar, cse_id, ..
    } = shown;
    let attach = format!("ics-gateway onem2m attach --config {}", file.display());
    let mut findings = vec![match (shown.wanted, shown.registered) {
        (true, true) => Finding::green(AREA, format!("{cse_id} is registered at {registrar}")),
        (true, false) => {
            let why = shown.trouble.as_deref().unwrap_or("not asked yet");
            let text = format!("{cse_id} is not registered at {registrar}: {why}");
            Finding::red(AREA, text, attach)
        }
        (false, _) => {
            let text =
                format!("{cse_id} is not to be registered at {registrar}: nobody attached it");
            Finding::amber(AREA, text, attach)
        }
    }];
    findings.extend(shown.refusing.iter().map(|sp| {
        let text = format!(
            "the AE of {sp} refuses to be told: its <accessControlPolicy> must give {cse_id} the right to \
             notify (acop 16); what waits is tried again"
        );
        let look = format!("ics-gateway outbox list --config {}", file.display());
        Finding::red(AREA, text, look)
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Light;

    fn shown(wanted: bool, registered: bool) -> RegistrationView {
        RegistrationView {
            registrar: "/id-in".into(),
            cse_id: "/id-ics".into(),
            wanted,
            registered,
            confirmed: None,
            expires: None,
            trouble: Some("the platform's CSE does not answer".into()),
            refusing: Vec::new(),
        }
    }

    fn lights(shown: &RegistrationView) -> Vec<Light> {
        let findings = judge(shown, Path::new("gateway.toml"));
        findings.iter().map(|finding| finding.light).collect()
    }

    #[test]
    fn a_registration_is_as_well_as_the_platform_says() {
        assert_eq!(lights(&shown(true, true)), [Light::Green]);
        assert_eq!(lights(&shown(true, false)), [Light::Red]);
        assert_eq!(lights(&shown(false, false)), [Light::Amber]);
        let findings = judge(&shown(true, false), Path::new("gateway.toml"));
        let [finding] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert!(finding.text.contains("does not answer"), "{finding:?}");
        let fix = "ics-gateway onem2m attach --config gateway.toml";
        assert_eq!(finding.fix.as_deref(), Some(fix));
    }

    #[test]
    fn an_ae_that_refuses_is_named_with_what_lets_it_be_told() {
        let mut shown = shown(true, true);
        shown.refusing = vec!["bolt-iot".into()];
        assert_eq!(lights(&shown), [Light::Green, Light::Red]);
        let findings = judge(&shown, Path::new("gateway.toml"));
        let told = findings.last().map(|finding| finding.text.clone());
        let told = told.unwrap_or_default();
        assert!(
            told.contains("bolt-iot") && told.contains("acop 16"),
            "{told}"
        );
    }
}
