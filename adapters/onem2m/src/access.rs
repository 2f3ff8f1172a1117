//! Who may do what (TS-0001 9.6.2, TS-0003 7.1): access control policies, and what holds where there
//! are none. A stranger is told the same whether or not a policy names him.

use serde_json::Value;

use crate::address::Names;
use crate::caller::{Originator, Standing};
use crate::resource::{Resource, Type};
use crate::tree::{Node, Nodes};

/// `acop`: one bit an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Make a child of that type.
    Create(Type),
    Retrieve,
    Update,
    Delete,
    Notify,
    Discover,
}

impl Privilege {
    const fn bit(self) -> u64 {
        match self {
            Self::Create(_) => 1,
            Self::Retrieve => 2,
            Self::Update => 4,
            Self::Delete => 8,
            Self::Notify => 16,
            Self::Discover => 32,
        }
    }
}

/// Which set of rules is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// `pv`: for what refers to the policy.
    Privileges,
    /// `pvs`: for the policy itself.
    SelfPrivileges,
}

/// Whether `who` may do that to the resource.
pub(crate) fn may(nodes: &Nodes, who: &Originator, node: &Node, wish: Privilege) -> bool {
    if matches!(who.standing, Standing::Admin) {
        return true;
    }
    let resource = &node.resource;
    match resource.ty {
        Type::CseBase => may_at_base(nodes, who, wish),
        Type::AccessControlPolicy => {
            let asked = (Rules::SelfPrivileges, wish, resource.ty);
            grants(resource, asked, who, nodes.names())
        }
        Type::ContentInstance => nodes
            .parent_of(resource)
            .is_some_and(|parent| may_of(nodes, who, parent, (wish, resource.ty))),
        _ => may_of(nodes, who, node, (wish, resource.ty)),
    }
}

/// What the policies of a resource say; without one its creator may do everything, or its custodian
/// where it has one, and whoever may do it to what lies above it. A subscription tells where
/// notifications go: it is its creator's alone.
fn may_of(nodes: &Nodes, who: &Originator, node: &Node, asked: (Privilege, Type)) -> bool {
    let mut node = node;
    loop {
        let resource = &node.resource;
        if resource.ty == Type::CseBase {
            return false;
        }
        let mut policies = policies(nodes, resource).peekable();
        if policies.peek().is_some() {
            let asked = (Rules::Privileges, asked.0, asked.1);
            return policies.any(|policy| grants(policy, asked, who, nodes.names()));
        }
        if let Some(custodian) = resource.text("cstn") {
            return is(who, custodian, nodes.names());
        }
        if is(who, &resource.owner, nodes.names()) || ends_own_watch(nodes, who, resource) {
            return true;
        }
        let above = nodes.parent_of(resource);
        match above {
            Some(above) if resource.ty != Type::Subscription => node = above,
            _ => return false,
        }
    }
}

/// Who is behind a hop comes to a subscription by its resource ID alone, which nobody guesses, and to
/// read or to end it: its name is enough then.
fn ends_own_watch(nodes: &Nodes, who: &Originator, resource: &Resource) -> bool {
    resource.ty == Type::Subscription
        && matches!(who.standing, Standing::BehindHop)
        && normal_form(&resource.owner, nodes.names()) == who.id
}

/// The policies a resource refers to, those that are still there. With the last of them gone it is as
/// if it had none.
fn policies<'a>(
    nodes: &'a Nodes,
    resource: &'a Resource,
) -> impl Iterator<Item = &'a Resource> + 'a {
    let ids = resource.texts("acpi");
    ids.filter_map(|ri| Some(nodes.node(ri)?.resource.as_ref()))
        .filter(|policy| policy.ty == Type::AccessControlPolicy)
}

/// The CSEBase: read by whoever is registered here or proved; everything else on it is the admin's.
/// What may be registered there is said where it is registered.
fn may_at_base(nodes: &Nodes, who: &Originator, wish: Privilege) -> bool {
    match wish {
        Privilege::Retrieve => is_known(nodes, who),
        // What is found is asked for again, one by one.
        Privilege::Discover => is_known(nodes, who) || matches!(who.standing, Standing::BehindHop),
        Privilege::Create(Type::AccessControlPolicy) => is_registered(nodes, who),
        _ => false,
    }
}

/// Whether it is an AE or a CSE that is registered here.
pub(crate) fn is_registered(nodes: &Nodes, who: &Originator) -> bool {
    let is_local = matches!(who.standing, Standing::Believed | Standing::Device(_));
    let ri = who.id.strip_prefix('/').unwrap_or(&who.id);
    let node = nodes.node(ri);
    is_local && node.is_some_and(|n| matches!(n.resource.ty, Type::Ae | Type::RemoteCse))
}

fn is_known(nodes: &Nodes, who: &Originator) -> bool {
    match who.standing {
        Standing::Admin | Standing::Party(_) | Standing::Hop => true,
        Standing::BehindHop => false,
        Standing::Device(_) | Standing::Believed => is_registered(nodes, who),
    }
}

/// Whether the rules of a policy grant it.
fn grants(
    policy: &Resource,
    (rules, wish, ty): (Rules, Privilege, Type),
    who: &Originator,
    names: &Names,
) -> bool {
    let set = match rules {
        Rules::Privileges => "pv",
        Rules::SelfPrivileges => "pvs",
    };
    let rules = policy.attributes.get(set).and_then(|set| set.get("acr"));
    let mut rules = rules.and_then(Value::as_array).into_iter().flatten();
    rules.any(|rule| {
        let bits = rule.get("acop").and_then(Value::as_u64).unwrap_or(0);
        bits & wish.bit() != 0 && covers(rule, wish, ty) && names_originator(rule, who, names)
    })
}

/// Whether the policies a resource refers to let `who` change which they are (TS-0001 9.6.2.1): that
/// is for their self-privileges. Without policies it is for the creator.
pub(crate) fn may_change_policies(nodes: &Nodes, who: &Originator, resource: &Resource) -> bool {
    if matches!(who.standing, Standing::Admin) {
        return true;
    }
    let mut policies = policies(nodes, resource).peekable();
    if policies.peek().is_none() {
        return is(who, &resource.owner, nodes.names());
    }
    let asked = (
        Rules::SelfPrivileges,
        Privilege::Update,
        Type::AccessControlPolicy,
    );
    policies.any(|policy| grants(policy, asked, who, nodes.names()))
}

/// `acod`: on which types, and for which children.
fn covers(rule: &Value, wish: Privilege, ty: Type) -> bool {
    let Some(details) = rule.get("acod").and_then(Value::as_array) else {
        return true;
    };
    details.iter().any(|detail| {
        let of_type = detail.get("ty").and_then(Value::as_u64);
        let children = detail.get("chty").and_then(Value::as_array);
        let is_type = of_type.is_none_or(|of| of == u64::from(ty.number()));
        match wish {
            Privilege::Create(child) => {
                let is_child = |of: &Value| of.as_u64() == Some(child.number().into());
                is_type && children.is_some_and(|all| all.iter().any(is_child))
            }
            _ => is_type && of_type.is_some(),
        }
    })
}

/// `acor`: originators, with `*` for anything; `all`.
fn names_originator(rule: &Value, who: &Originator, names: &Names) -> bool {
    let originators = rule.get("acor").and_then(Value::as_array);
    let mut originators = originators.into_iter().flatten().filter_map(Value::as_str);
    originators.any(|pattern| {
        // Behind another CSE nobody is proved: there a name is worth nothing.
        pattern == "all"
            || (!matches!(who.standing, Standing::BehindHop)
                && !who.id.is_empty()
                && matches_wildcard(normal_form(pattern, names), &who.id))
    })
}

/// Whether `who` is the one of that name.
pub(crate) fn is(who: &Originator, name: &str, names: &Names) -> bool {
    let is_proved = !matches!(who.standing, Standing::BehindHop);
    is_proved && !who.id.is_empty() && normal_form(name, names) == who.id
}

/// The stem of an AE-ID of ours; others stay as they are.
pub(crate) fn normal_form<'a>(id: &'a str, names: &Names) -> &'a str {
    let domain = id.strip_prefix("//").and_then(|rest| {
        let rest = rest.strip_prefix(names.sp_domain.as_str())?;
        rest.starts_with('/').then_some(rest)
    });
    let sp_relative = domain.unwrap_or(id);
    let own = sp_relative.strip_prefix('/').and_then(|rest| {
        let rest = rest.strip_prefix(names.cse_id.as_str())?;
        rest.strip_prefix('/')
    });
    own.unwrap_or(sp_relative)
}

/// Whether `text` is of the form of `pattern`, where `*` stands for anything.
pub(crate) fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
