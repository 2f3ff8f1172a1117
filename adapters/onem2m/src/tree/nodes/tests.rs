use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

fn resource(ty: Type, ri: &str, pi: &str, order: u64) -> Resource {
    Resource {
        ty,
        ri: ri.into(),
        rn: ri.into(),
        pi: pi.into(),
        created: NOW,
        modified: NOW,
        expires: None,
        state_tag: 0,
        attributes: Map::new(),
        owner: "Cone".into(),
        device: None,
        above: None,
        order,
    }
}

fn nodes() -> Nodes {
    let mut base = resource(Type::CseBase, "id-ics", "", 0);
    base.rn = "ics".into();
    Nodes::new(names(), base)
}

fn find(nodes: &Nodes, to: &str) -> Option<String> {
    match nodes.find(&Address::parse(to, &names()).ok()?)? {
        Found::Node(node) => Some(node.resource.ri.clone()),
        Found::Latest(node) => Some(format!("{} la", node.resource.ri)),
        Found::Oldest(node) => Some(format!("{} ol", node.resource.ri)),
    }
}

#[test]
fn addresses_lead_where_names_lie() {
    let mut nodes = nodes();
    nodes.put(resource(Type::Ae, "Cone", "id-ics", 1), 1);
    nodes.put(resource(Type::Container, "c", "Cone", 2), 1);
    let rows = [
        ("ics/Cone/c", Some("c")),
        ("c/la", Some("c la")),
        ("c/ol", Some("c ol")),
        ("c/la/x", None),
        ("Cone/la", None),
        ("ics/c", None),
    ];
    for (to, found) in rows {
        assert_eq!(find(&nodes, to).as_deref(), found, "{to}");
    }
    assert_eq!(nodes.path(&nodes.node("c").unwrap().resource), "ics/Cone/c");
}

#[test]
fn what_expires_first_is_due_first() {
    let mut nodes = nodes();
    for (ri, at) in [("b", 20), ("a", 10), ("c", 30)] {
        let mut one = resource(Type::Ae, ri, "id-ics", at);
        one.expires = Some(Timestamp::from_millis(i64::try_from(at).unwrap()));
        nodes.put(one, 1);
    }
    assert!(!nodes.is_due(Timestamp::from_millis(9)));
    let due: Vec<_> = nodes.due(Timestamp::from_millis(20)).collect();
    assert_eq!(due, ["a", "b"]);
    let mut later = nodes.node("a").unwrap().resource.as_ref().clone();
    later.expires = Some(Timestamp::from_millis(40));
    nodes.put(later, 1);
    nodes.remove("b");
    assert!(!nodes.is_due(Timestamp::from_millis(29)));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u64),
    Remove(u8),
    Bequeath(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..12, 0_u8..12, 1_u64..100).prop_map(|(id, pi, weight)| Step::Put(id, pi, weight)),
        1 => (0_u8..12).prop_map(Step::Remove),
        1 => (0_u8..12).prop_map(Step::Bequeath),
    ]
}

proptest! {
    #[test]
    fn usage_is_what_is_there(steps in prop::collection::vec(step(), 0..60)) {
        let mut nodes = nodes();
        let mut order = 0;
        for step in steps {
            order += 1;
            match step {
                Step::Put(id, pi, weight) => {
                    let (ri, pi) = (format!("r{id}"), format!("r{pi}"));
                    let known = nodes.node(&ri).map(|node| node.resource.as_ref().clone());
                    let pi = if nodes.node(&pi).is_some() { pi } else { "id-ics".into() };
                    let mut one = known.unwrap_or_else(|| {
                        resource(Type::Container, &ri, &pi, order)
                    });
                    one.attributes.insert("lbl".into(), json!([order]));
                    nodes.put(one, weight);
                }
                Step::Remove(id) => {
                    nodes.remove(&format!("r{id}"));
                }
                Step::Bequeath(id) => {
                    let ri = format!("r{id}");
                    if let Some(node) = nodes.node(&ri) {
                        let mut one = node.resource.as_ref().clone();
                        one.owner = "Ctwo".into();
                        let weight = nodes.weight_of(&ri);
                        nodes.put(one, weight);
                    }
                }
            }
            let all: Vec<_> = nodes.subtree("id-ics").into_iter().skip(1).cloned().collect();
            prop_assert_eq!(nodes.total().resources, all.len() as u64);
            prop_assert_eq!(nodes.by_id.len(), all.len() + 1);
            let weight: u64 = all.iter().map(|one| nodes.weight_of(&one.ri)).sum();
            prop_assert_eq!(nodes.total().bytes, weight);
            for owner in ["Cone", "Ctwo"] {
                let own: Vec<_> = all.iter().filter(|one| one.owner == owner).collect();
                prop_assert_eq!(nodes.usage_of(owner).resources, own.len() as u64);
                let made = nodes.made_by(owner).filter(|one| one.ty != Type::CseBase);
                prop_assert_eq!(made.count(), own.len());
            }
        }
    }
}
