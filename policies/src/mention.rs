//! Which facts the policies of a set look at: an answer holds for every request that agrees in
//! these, whatever else it says, and is decided once.

use serde_json::Value;

/// The facts that are not part of every answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// Who asks, by id.
    pub(crate) caller: bool,
    /// The service URI.
    pub(crate) service: bool,
    /// The agreement's ids.
    pub(crate) parties: bool,
    /// The consent's purpose.
    pub(crate) purpose: bool,
    /// The device's groups, beyond what grants make of them.
    pub(crate) groups: bool,
    /// Vendor or model.
    pub(crate) device_kind: bool,
    /// The device ID.
    pub(crate) device_id: bool,
    /// The time.
    pub(crate) now: bool,
    /// Anything of the device, grants included.
    pub(crate) device: bool,
}

/// The records of the schema's context. One that is used as a whole is mentioned with everything in it.
const RECORDS: [&str; 5] = ["caller", "service", "agreement", "consent", "device"];

impl Mentions {
    const EVERYTHING: Self = Self {
        caller: true,
        service: true,
        parties: true,
        purpose: true,
        groups: true,
        device_kind: true,
        device_id: true,
        now: true,
        device: true,
    };

    /// Those of one policy, in Cedar's JSON form. What is not understood mentions everything.
    pub(crate) fn of(policy: &Value) -> Self {
        let mut found = Self::default();
        for (variable, mentioned) in [
            (
                "principal",
                Self {
                    caller: true,
                    ..Self::default()
                },
            ),
            (
                "resource",
                Self {
                    service: true,
                    ..Self::default()
                },
            ),
        ] {
            let head = policy.get(variable).and_then(|head| head.get("op"));
            if head.and_then(Value::as_str) != Some("All") {
                found = found.and(mentioned);
            }
        }
        match policy.get("conditions").and_then(Value::as_array) {
            Some(conditions) => conditions
                .iter()
                .filter_map(|condition| condition.get("body"))
                .fold(found, |found, body| found.and(Self::in_expression(body))),
            None => Self::EVERYTHING,
        }
    }

    /// These and those.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            caller: self.caller || other.caller,
            service: self.service || other.service,
            parties: self.parties || other.parties,
            purpose: self.purpose || other.purpose,
            groups: self.groups || other.groups,
            device_kind: self.device_kind || other.device_kind,
            device_id: self.device_id || other.device_id,
            now: self.now || other.now,
            device: self.device || other.device,
        }
    }

    fn in_expression(expression: &Value) -> Self {
        match expression {
            Value::Object(members) => {
                let mut found = Self::default();
                for (operator, operands) in members {
                    found = found.and(match operator.as_str() {
                        "Var" => Self::of_variable(operands),
                        "." | "has" => Self::of_access(operator, operands),
                        _ => Self::in_expression(operands),
                    });
                }
                found
            }
            Value::Array(values) => values.iter().fold(Self::default(), |found, value| {
                found.and(Self::in_expression(value))
            }),
            _ => Self::default(),
        }
    }

    /// A variable that stands alone.
    fn of_variable(name: &Value) -> Self {
        match name.as_str() {
            Some("principal") => Self {
                caller: true,
                ..Self::default()
            },
            Some("resource") => Self {
                service: true,
                ..Self::default()
            },
            Some("action") => Self::default(),
            _ => Self::EVERYTHING,
        }
    }

    /// `left.attr` or `left has attr`.
    fn of_access(operator: &str, operands: &Value) -> Self {
        let attribute = operands.get("attr").and_then(Value::as_str);
        let left = operands.get("left");
        let (Some(attribute), Some(left)) = (attribute, left) else {
            return Self::EVERYTHING;
        };
        if is_context(left) {
            return match attribute {
                "referencePoint" => Self::default(),
                "now" => Self {
                    now: true,
                    ..Self::default()
                },
                // That there is one is part of every answer.
                _ if operator == "has" => Self::default(),
                _ => Self::EVERYTHING,
            };
        }
        // `context.record.attr`: the record is read no further than that.
        let record = left.get(".").and_then(|inner| {
            let of_context = inner.get("left").is_some_and(is_context);
            let name = inner.get("attr").and_then(Value::as_str);
            name.filter(|name| of_context && RECORDS.contains(name))
        });
        record.map_or_else(
            || Self::in_expression(left),
            |record| Self::of_fact(record, attribute),
        )
    }

    fn of_fact(record: &str, attribute: &str) -> Self {
        let none = Self::default();
        match (record, attribute) {
            ("caller", "sp") => Self {
                caller: true,
                ..none
            },
            ("service", "uri") => Self {
                service: true,
                ..none
            },
            ("agreement", "agreementId" | "iotSpId" | "thirdPartySpId") => Self {
                parties: true,
                ..none
            },
            ("consent", "purpose") => Self {
                purpose: true,
                ..none
            },
            ("device", "groups") => Self {
                groups: true,
                device: true,
                ..none
            },
            ("device", "vendor" | "model") => Self {
                device_kind: true,
                device: true,
                ..none
            },
            ("device", "deviceId") => Self {
                device_id: true,
                device: true,
                ..none
            },
            ("device", _) => Self {
                device: true,
                ..none
            },
            // Flags and enumerations are part of every answer.
            _ => none,
        }
    }
}

fn is_context(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("context")
}
