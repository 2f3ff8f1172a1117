//! mosquitto's access control list, read for one question: who else may use the topics of a device?

use std::fmt;

/// Why a list does not keep devices apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A pattern goes by the client id, which every client chooses.
    ByClientId,
    /// Everybody may use topics of every device.
    Everybody,
    /// Another user than the gateway may.
    OtherUser,
    /// No device may use its own topics.
    NoPattern,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByClientId => {
                "a pattern goes by `%c`, the client id, which every client chooses: write `%u`"
            }
            Self::Everybody => "everybody may use the topics of every device",
            Self::OtherUser => {
                "more than one user may use the topics of every device: only the gateway's may"
            }
            Self::NoPattern => {
                "no device may use its own topics: `pattern readwrite ics/v1/d/%u/#` is missing"
            }
        })
    }
}

/// The first levels of every topic of a device.
const PREFIX: [&str; 3] = ["ics", "v1", "d"];

/// Whether the list keeps devices apart; else the line, and why not.
pub(super) fn judge(list: &str) -> Result<(), (Option<usize>, Fault)> {
    let mut user: Option<&str> = None;
    let mut gateway: Option<&str> = None;
    let mut has_pattern = false;
    for (n, line) in (1_usize..).zip(list.lines()) {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let fault = |fault| Err((Some(n), fault));
        match word {
            "user" => user = Some(rest),
            "pattern" => match reach(filter_of(rest)) {
                _ if filter_of(rest).contains("%c") && is_near(filter_of(rest)) => {
                    return fault(Fault::ByClientId);
                }
                _ if is_denial(rest) => {}
                Reach::All => return fault(Fault::Everybody),
                Reach::Own => has_pattern = true,
                Reach::None => {}
            },
            "topic" if !is_denial(rest) && reach(filter_of(rest)) == Reach::All => match user {
                None => return fault(Fault::Everybody),
                Some(name) if gateway.is_some_and(|gateway| gateway != name) => {
                    return fault(Fault::OtherUser);
                }
                Some(name) => gateway = Some(name),
            },
            _ => {}
        }
    }
    if has_pattern {
        Ok(())
    } else {
        Err((None, Fault::NoPattern))
    }
}

/// The filter of a rule: behind its access, if it names one. It may hold spaces.
fn filter_of(rule: &str) -> &str {
    match rule.split_once(char::is_whitespace) {
        Some(("read" | "write" | "readwrite" | "deny", filter)) => filter.trim(),
        _ => rule,
    }
}

fn is_denial(rule: &str) -> bool {
    rule.split_whitespace().next() == Some("deny")
}

/// Whose topics a filter reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Those of every device, or of some that are not its own.
    All,
    /// Those of the user alone.
    Own,
    /// None of a device.
    None,
}

fn reach(filter: &str) -> Reach {
    let mut levels = filter.split('/');
    for expected in PREFIX {
        match levels.next() {
            Some("#") => return Reach::All,
            Some(level) if level == "+" || level == expected => {}
            // `%u` may be anything: a device may be called so, or not.
            _ => return Reach::None,
        }
    }
    match levels.next() {
        Some("%u") => Reach::Own,
        Some(_) => Reach::All,
        None => Reach::None,
    }
}

/// Whether a filter has to do with devices at all.
fn is_near(filter: &str) -> bool {
    let mut levels = filter.split('/');
    PREFIX.into_iter().all(|expected| match levels.next() {
        Some(level) => level == expected || level == "+" || level.contains('%'),
        None => false,
    }) || filter.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(list: &str) -> Option<(Option<usize>, Fault)> {
        judge(list).err()
    }

    #[test]
    fn our_own_recipe_keeps_devices_apart() {
        let gateway = ics_core::id::SpId::parse("ics-gateway").unwrap();
        let recipe = crate::mqtt_recipe::Recipe {
            gateway: &gateway,
            port: 8883,
            directory: "/etc/mosquitto/ics",
            server: ("server.pem", "server.key"),
        };
        assert_eq!(fault_of(&recipe.access_control_list()), None);
        assert!(!recipe.configuration().contains("%c"));
    }

    #[test]
    fn a_pattern_by_client_id_is_found_wherever_it_stands() {
        let list = "pattern readwrite ics/v1/d/%u/#\npattern read ics/v1/d/%c/doc";
        assert_eq!(fault_of(list), Some((Some(2), Fault::ByClientId)));
        let list = "pattern ics/v1/d/%c/#";
        assert_eq!(fault_of(list), Some((Some(1), Fault::ByClientId)));
    }

    #[test]
    fn a_broad_rule_for_everybody_is_found() {
        for rule in [
            "topic readwrite #",
            "topic read ics/#",
            "topic ics/v1/d/+/st",
            "topic write +/v1/d/+/evt",
            "pattern readwrite ics/v1/d/+/#",
            "pattern readwrite ics/v1/#",
            "topic readwrite ics/v1/d/d-one/#",
        ] {
            let list = format!("pattern readwrite ics/v1/d/%u/#\n{rule}");
            let all = list.replace("topic", "  topic");
            for list in [list, all] {
                assert_eq!(fault_of(&list), Some((Some(2), Fault::Everybody)), "{list}");
            }
        }
    }

    #[test]
    fn one_user_may_have_all_topics_and_no_second_one() {
        let good = "pattern readwrite ics/v1/d/%u/#\nuser gw\ntopic readwrite ics/v1/d/#\n\
                    user meter\ntopic read other/#";
        assert_eq!(fault_of(good), None);
        let bad = format!("{good}\nuser monitor\ntopic read ics/v1/d/#");
        assert_eq!(fault_of(&bad), Some((Some(7), Fault::OtherUser)));
    }

    #[test]
    fn what_is_no_rule_of_devices_or_denies_is_nothing() {
        let list = "# topic readwrite #\ntopic read $SYS/#\npattern readwrite ics/v1/d/%u/#\n\
                    topic deny ics/v1/d/#\npattern readwrite home/%c/#\n";
        assert_eq!(fault_of(list), None);
    }

    #[test]
    fn a_list_without_a_pattern_of_devices_is_told() {
        let list = "user gw\ntopic readwrite ics/v1/d/#";
        assert_eq!(fault_of(list), Some((None, Fault::NoPattern)));
    }
}
