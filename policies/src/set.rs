//! A set of policies: the shipped ones and those of the operator, checked against the schema, and
//! what they say to a question.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy,
    PolicyId, PolicySet as CedarSet, Request, RestrictedExpression as Expression, Schema,
    ValidationMode, Validator,
};
use ics_core::port::Denied;

use crate::devices::DeviceTable;
use crate::mention::Mentions;
use crate::question::{Action, Question};

/// The schema: every fact and its type.
const SCHEMA: &str = include_str!("../rules/schema.cedarschema");
/// The ceiling.
const SHIPPED: &str = include_str!("../rules/access.cedar");
/// Its name among the sources.
const SHIPPED_NAME: &str = "shipped";

/// Most policies of an operator: evaluation is linear in them.
const MAX_POLICIES: usize = 10_000;

/// What a set is made of, as texts; the shipped policies are always part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySources {
    /// Policies of the operator: name of the file, text.
    pub policies: Vec<(String, String)>,
    /// `devices.toml`: groups of devices, and grants for them.
    pub devices: Option<String>,
    /// What is answered where no policy of the operator says anything.
    pub default: DefaultAnswer,
}

/// What is answered, below the ceiling, where no policy of the operator says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultAnswer {
    /// Yes: policies of the operator forbid.
    #[default]
    Permit,
    /// No: policies of the operator permit, and forbid.
    Deny,
}

/// The schema: every fact a policy may look at, and its type.
#[must_use]
pub const fn shipped_schema() -> &'static str {
    SCHEMA
}

/// The shipped policies.
#[must_use]
pub const fn shipped_policies() -> &'static str {
    SHIPPED
}

/// Policies that are checked and ready to be asked.
pub struct PolicySet {
    cedar: CedarSet,
    pub(crate) devices: DeviceTable,
    pub(crate) mentions: Mentions,
    names: Names,
    /// Some policy of the operator that permits looks at the device.
    permits_by_device: bool,
    own: usize,
    fingerprint: u64,
}

/// Why texts are not a set of policies. Nothing of it is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicies {
    /// A text is no Cedar, with line and column as far as known.
    #[error("{file}: {reason}")]
    Syntax {
        /// Which.
        file: String,
        /// Why.
        reason: String,
    },
    /// Policies that do not fit the schema: a fact that is not there, a comparison of unlike things.
    #[error("{}", .0.join("\n"))]
    Schema(Vec<String>),
    /// Two policies of one name.
    #[error("{file}: a policy `{id}` is there already")]
    Twice {
        /// In which file the second is.
        file: String,
        /// The name.
        id: String,
    },
    /// What is the gateway's own: names that begin with `shipped.`, `@denied`.
    #[error("{file}: `{what}` is for the shipped policies alone")]
    Reserved {
        /// In which file.
        file: String,
        /// What.
        what: String,
    },
    /// A template: nothing links one.
    #[error("{file}: templates are not taken; write the policy out")]
    Template {
        /// In which file.
        file: String,
    },
    /// Too many policies.
    #[error("{0} policies; at most {MAX_POLICIES} are taken")]
    TooMany(usize),
    /// `devices.toml` cannot be read.
    #[error("devices.toml: {0}")]
    Devices(String),
}

/// What a set says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Why not, if not.
    pub denied: Option<Denied>,
    /// The policies that decided, by name; none where nothing permitted.
    pub deciding: Vec<String>,
    /// Policies that failed, with the reason: the answer is no then.
    pub errors: Vec<String>,
}

/// Names of types and actions, made once.
struct Names {
    service_provider: EntityTypeName,
    service: EntityTypeName,
    reference_point: EntityTypeName,
    actions: [EntityUid; 4],
}

impl PolicySet {
    /// Reads and checks; the shipped policies go through the same.
    ///
    /// # Errors
    /// [`InvalidPolicies`] with the first file that is wrong, or all that does not fit the schema.
    pub fn compile(sources: &PolicySources) -> Result<Self, InvalidPolicies> {
        let schema = Schema::from_cedarschema_str(SCHEMA)
            .map(|(schema, _)| schema)
            .map_err(|error| syntax("schema", &error))?;
        let mut cedar = CedarSet::new();
        let mut mentions = Mentions::default();
        let mut permits_by_device = false;
        for policy in read(SHIPPED_NAME, SHIPPED)? {
            let id = policy.id().to_string();
            if sources.default == DefaultAnswer::Deny && id == "shipped.default" {
                continue;
            }
            mentions = mentions.and(mentioned(&policy));
            add(&mut cedar, SHIPPED_NAME, policy)?;
        }
        let mut own = 0_usize;
        for (file, text) in &sources.policies {
            for policy in read(file, text)? {
                refuse_reserved(file, &policy)?;
                let looks_at = mentioned(&policy);
                permits_by_device |= policy.effect() == Effect::Permit && looks_at.device;
                mentions = mentions.and(looks_at);
                add(&mut cedar, file, policy)?;
                own = own.saturating_add(1);
            }
        }
        if own > MAX_POLICIES {
            return Err(InvalidPolicies::TooMany(own));
        }
        let validated = Validator::new(schema).validate(&cedar, ValidationMode::Strict);
        let faults: Vec<String> = validated
            .validation_errors()
            .map(ToString::to_string)
            .collect();
        if !faults.is_empty() {
            return Err(InvalidPolicies::Schema(faults));
        }
        let devices = match &sources.devices {
            Some(text) => DeviceTable::parse(text).map_err(InvalidPolicies::Devices)?,
            None => DeviceTable::default(),
        };
        Ok(Self {
            cedar,
            devices,
            mentions,
            names: Names::new()?,
            permits_by_device,
            own,
            fingerprint: fingerprint_of(sources),
        })
    }

    /// How many policies the operator added.
    #[must_use]
    pub const fn own_policies(&self) -> usize {
        self.own
    }

    /// Names the set: 64 bits of what it was made of.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether it has groups of devices, or grants.
    #[must_use]
    pub const fn knows_devices(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Whether `question`, written down for another set, says what this one looks at.
    #[must_use]
    pub fn can_ask(&self, question: &Question) -> bool {
        let names_device = question.action == Action::RequestMapping
            || question
                .device
                .as_ref()
                .is_none_or(|device| device.device_id.is_some());
        names_device || !self.mentions.device_id
    }

    /// The text of the policy of that name, as it was written.
    #[must_use]
    pub fn text_of(&self, id: &str) -> Option<String> {
        self.cedar
            .policy(&PolicyId::new(id))
            .map(ToString::to_string)
    }

    /// Policies that can never apply, and what else is odd but not wrong.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let Ok((schema, _)) = Schema::from_cedarschema_str(SCHEMA) else {
            return Vec::new();
        };
        let validated = Validator::new(schema).validate(&self.cedar, ValidationMode::Strict);
        let mut warnings: Vec<String> = validated
            .validation_warnings()
            .map(ToString::to_string)
            .collect();
        let permits_all = self
            .cedar
            .policy(&PolicyId::new("shipped.default"))
            .is_some();
        let own_permits = self.cedar.policies().filter(|p| {
            p.effect() == Effect::Permit && !p.id().to_string().starts_with("shipped.")
        });
        if permits_all {
            warnings.extend(own_permits.map(|policy| {
                format!(
                    "`{}` permits what is permitted: with `default = \"permit\"` only `forbid` \
                     changes an answer",
                    policy.id()
                )
            }));
        }
        warnings
    }

    /// Asks. A policy that fails is a no.
    #[must_use]
    pub fn ask(&self, question: &Question) -> Ruling {
        let request = match self.names.request(question) {
            Ok(request) => request,
            Err(reason) => {
                return Ruling {
                    denied: Some(Denied::Policy),
                    deciding: Vec::new(),
                    errors: vec![reason],
                };
            }
        };
        let answer = Authorizer::new().is_authorized(&request, &self.cedar, &Entities::empty());
        let diagnostics = answer.diagnostics();
        let mut deciding: Vec<&PolicyId> = diagnostics.reason().collect();
        deciding.sort_unstable();
        let errors: Vec<String> = diagnostics.errors().map(ToString::to_string).collect();
        let permitted = answer.decision() == Decision::Allow && errors.is_empty();
        let denied = (!permitted).then(|| self.reason(question, &deciding));
        Ruling {
            denied,
            deciding: deciding.into_iter().map(ToString::to_string).collect(),
            errors,
        }
    }

    /// The first reason, in the order of [`Denied`].
    fn reason(&self, question: &Question, deciding: &[&PolicyId]) -> Denied {
        let forbids = deciding.iter().filter_map(|id| {
            let policy = self.cedar.policy(id)?;
            (policy.effect() == Effect::Forbid).then_some(policy)
        });
        let first = forbids
            .map(|policy| match policy.annotation("denied") {
                Some(reason) => shipped_reason(reason, question),
                None if mentioned(policy).device => (9, Denied::Device),
                None => (8, Denied::Policy),
            })
            .min_by_key(|(order, _)| *order);
        match first {
            Some((_, denied)) => denied,
            // Nothing permitted, or a policy failed: whether for this device or for any is not told.
            None if self.permits_by_device => Denied::Device,
            None => Denied::Policy,
        }
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicySet({} of the operator)", self.own)
    }
}

/// What a shipped policy's `@denied` says, and its place in the order.
fn shipped_reason(reason: &str, question: &Question) -> (u8, Denied) {
    let point = question.point();
    match (reason, point) {
        ("caller", Some(point)) => (0, Denied::Role(point.role())),
        ("served", _) => (1, Denied::NotServed),
        ("role", Some(point)) => (2, Denied::Role(point.role())),
        ("scope", Some(point)) => (3, Denied::Scope(question.point_needed().unwrap_or(point))),
        ("service", _) => (4, Denied::ServiceNotOwned),
        ("proof", _) => (5, Denied::ServiceNotProven),
        ("agreement", _) => (6, Denied::NoAgreement),
        ("consent", _) => (7, Denied::ConsentRequired),
        ("device", _) => (9, Denied::Device),
        _ => (8, Denied::Policy),
    }
}

impl Names {
    fn new() -> Result<Self, InvalidPolicies> {
        let type_name =
            |name: &str| EntityTypeName::from_str(name).map_err(|error| syntax("schema", &error));
        let action = type_name("Action")?;
        let uid =
            |name: &str| EntityUid::from_type_name_and_id(action.clone(), EntityId::new(name));
        Ok(Self {
            service_provider: type_name("ServiceProvider")?,
            service: type_name("Service")?,
            reference_point: type_name("ReferencePoint")?,
            actions: Action::ALL.map(|action| uid(action.name())),
        })
    }

    fn request(&self, question: &Question) -> Result<Request, String> {
        let uid = |kind: &EntityTypeName, id: &str| {
            EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
        };
        let resource = match &question.service {
            Some(service) => uid(&self.service, &service.uri),
            None => uid(&self.reference_point, &question.reference_point),
        };
        let action = Action::ALL
            .into_iter()
            .zip(&self.actions)
            .find_map(|(action, uid)| (action == question.action).then_some(uid))
            .ok_or("no such action")?;
        let principal = uid(&self.service_provider, &question.caller.sp);
        let context = Context::from_pairs(context_of(question)?).map_err(|e| e.to_string())?;
        Request::new(principal, action.clone(), resource, context, None).map_err(|e| e.to_string())
    }
}

type Pairs = Vec<(String, Expression)>;

fn context_of(question: &Question) -> Result<Pairs, String> {
    let caller = &question.caller;
    let mut pairs = vec![
        text("referencePoint", &question.reference_point),
        record(
            "caller",
            vec![
                text("sp", &caller.sp),
                flag("authenticated", caller.authenticated),
                flag("served", caller.served),
                flag("thirdPartySp", caller.third_party_sp),
                flag("iotSp", caller.iot_sp),
                text("proof", &caller.proof),
                flag("holdsScope", caller.holds_scope),
            ],
        )?,
        ("now".to_owned(), Expression::new_datetime(&question.now)),
    ];
    if let Some(service) = &question.service {
        let members = vec![
            text("uri", &service.uri),
            flag("owned", service.owned),
            flag("proven", service.proven),
        ];
        pairs.push(record("service", members)?);
    }
    if let Some(agreement) = &question.agreement {
        pairs.push(record(
            "agreement",
            vec![
                text("agreementId", &agreement.agreement_id),
                text("iotSpId", &agreement.iot_sp_id),
                text("thirdPartySpId", &agreement.third_party_sp_id),
                flag("ofCaller", agreement.of_caller),
                flag("inForce", agreement.in_force),
                flag("coversService", agreement.covers_service),
                text("consentMode", &agreement.consent_mode),
                text("exposure", &agreement.exposure),
            ],
        )?);
    }
    if let Some(consent) = &question.consent {
        let members = vec![
            text("purpose", &consent.purpose),
            flag("stands", consent.stands),
        ];
        pairs.push(record("consent", members)?);
    }
    if let Some(device) = &question.device {
        let groups = device.groups.iter().cloned().map(Expression::new_string);
        let mut members = vec![
            ("groups".to_owned(), Expression::new_set(groups)),
            flag("restricted", device.restricted),
            flag("granted", device.granted),
        ];
        let told = [
            ("vendor", &device.vendor),
            ("model", &device.model),
            ("deviceId", &device.device_id),
        ];
        let told = told.into_iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(text(name, value))
        });
        members.extend(told);
        pairs.push(record("device", members)?);
    }
    Ok(pairs)
}

fn text(name: &str, value: &str) -> (String, Expression) {
    (name.to_owned(), Expression::new_string(value.to_owned()))
}

fn flag(name: &str, value: bool) -> (String, Expression) {
    (name.to_owned(), Expression::new_bool(value))
}

fn record(name: &str, members: Pairs) -> Result<(String, Expression), String> {
    let record = Expression::new_record(members).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), record))
}

/// The policies of one file, each by its `@id`, or by the file and its place in it.
fn read(file: &str, text: &str) -> Result<Vec<Policy>, InvalidPolicies> {
    let set = CedarSet::from_str(text).map_err(|error| syntax(file, &error))?;
    if set.num_of_templates() > 0 {
        return Err(InvalidPolicies::Template {
            file: file.to_owned(),
        });
    }
    // As they stand in the file: `policy10` comes after `policy9`.
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| {
        let id = policy.id().to_string();
        (id.len(), id)
    });
    let named = policies.into_iter().enumerate().map(|(n, policy)| {
        let by_place = || format!("{file}#{}", n.saturating_add(1));
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        policy.new_id(PolicyId::new(id.map_or_else(by_place, ToOwned::to_owned)))
    });
    Ok(named.collect())
}

fn refuse_reserved(file: &str, policy: &Policy) -> Result<(), InvalidPolicies> {
    let reserved = |what: String| {
        Err(InvalidPolicies::Reserved {
            file: file.to_owned(),
            what,
        })
    };
    let id = policy.id().to_string();
    if id.starts_with("shipped.") {
        return reserved(id);
    }
    if policy.annotation("denied").is_some() {
        return reserved("@denied".to_owned());
    }
    Ok(())
}

fn add(set: &mut CedarSet, file: &str, policy: Policy) -> Result<(), InvalidPolicies> {
    let id = policy.id().to_string();
    set.add(policy).map_err(|_| InvalidPolicies::Twice {
        file: file.to_owned(),
        id,
    })
}

fn mentioned(policy: &Policy) -> Mentions {
    // A policy that has no JSON form looks at everything.
    Mentions::of(&policy.to_json().unwrap_or_default())
}

fn syntax(file: &str, error: &dyn std::error::Error) -> InvalidPolicies {
    let mut reasons = BTreeSet::new();
    let mut reason = error.to_string();
    reasons.insert(reason.clone());
    let mut cause = error.source();
    while let Some(deeper) = cause {
        if reasons.insert(deeper.to_string()) {
            reason = format!("{reason}: {deeper}");
        }
        cause = deeper.source();
    }
    InvalidPolicies::Syntax {
        file: file.to_owned(),
        reason,
    }
}

fn fingerprint_of(sources: &PolicySources) -> u64 {
    let files = sources
        .policies
        .iter()
        .flat_map(|(file, text)| [file, text]);
    let texts = files.chain(sources.devices.as_ref()).map(String::as_str);
    let default = match sources.default {
        DefaultAnswer::Permit => "permit",
        DefaultAnswer::Deny => "deny",
    };
    texts
        .chain([default, SHIPPED])
        .fold(FNV_OFFSET, |hash, text| {
            fnv(fnv(hash, text.as_bytes()), &[0])
        })
}

/// Where a 64-bit FNV-1a begins.
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// 64-bit FNV-1a: names things, keeps nobody out.
pub(crate) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
