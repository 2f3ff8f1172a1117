use super::*;

fn filter(query: &str) -> Filter {
    let mut filter = Filter::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        filter.take(name, value).unwrap();
    }
    filter
}

/// What is no resource of the tree is met by the same criteria: a row of the ICS.
#[test]
fn any_view_is_met_by_the_criteria() {
    let attribute = |name: &str| match name {
        "lbl" => Some(json!(["svu:x"])),
        "msta" => Some(json!(2)),
        "cnd" => Some(json!("org.example.ics")),
        _ => None,
    };
    let view = View {
        ty: 28,
        created: Timestamp::from_millis(1_795_291_200_000),
        modified: Timestamp::from_millis(1_795_291_200_000),
        expires: None,
        attribute: &attribute,
    };
    let rows = [
        ("", true),
        ("ty=28", true),
        ("ty=3", false),
        ("lbl=svu:x", true),
        ("lbl=svu:y", false),
        ("cra=20261121T195959", true),
        ("cra=20261121T200000", false),
        ("crb=20261121T200000", false),
        ("exb=20991231T000000", false),
        ("sts=5", false),
        ("ty=3&lbl=svu:x", false),
        ("ty=3&lbl=svu:x&fo=2", true),
        ("ty=28&lbl=svu:x&fo=3", false),
        ("fo=2", true),
    ];
    for (query, expected) in rows {
        assert_eq!(matches(&filter(query), &view), expected, "{query}");
    }
}

#[test]
fn times_and_names_are_checked_before_anything_is_looked_at() {
    let rows = [
        ("crb=20261121T200000", None),
        ("crb=soon", Some(Rsc::BadRequest)),
        ("exa=0", Some(Rsc::BadRequest)),
        ("nu=x", None),
        ("nothing=x", Some(Rsc::BadRequest)),
        ("chty=3", Some(Rsc::NotImplemented)),
    ];
    for (query, expected) in rows {
        assert_eq!(
            check(&filter(query)).err().map(|refusal| refusal.rsc),
            expected,
            "{query}"
        );
    }
}
