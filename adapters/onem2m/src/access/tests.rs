use proptest::prelude::*;

use super::*;

#[test]
fn a_star_stands_for_anything() {
    let rows = [
        ("Cone", "Cone", true),
        ("Cone", "Cone2", false),
        ("", "", true),
        ("*", "", true),
        ("*", "anything", true),
        ("C*", "Cone", true),
        ("*e", "Cone", true),
        ("C*e", "Ce", true),
        ("C*e", "C", false),
        ("C*n*e", "Cone", true),
        ("C*n*e", "Ceen", false),
        ("a*a", "a", false),
        ("**", "x", true),
        ("*b*b", "b", false),
    ];
    for (pattern, text, expected) in rows {
        assert_eq!(
            matches_wildcard(pattern, text),
            expected,
            "{pattern} {text}"
        );
    }
}

#[test]
fn only_ids_of_this_cse_lose_its_name() {
    let names = Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    };
    let rows = [
        ("Cone", "Cone"),
        ("/id-ics/Cone", "Cone"),
        ("//ics.example/id-ics/Cone", "Cone"),
        ("/id-ics", "/id-ics"),
        ("/id-ics2/Cone", "/id-ics2/Cone"),
        ("/id-in/Cone", "/id-in/Cone"),
        ("//other.example/id-ics/Cone", "//other.example/id-ics/Cone"),
        ("//ics.example2/id-ics/Cone", "//ics.example2/id-ics/Cone"),
    ];
    for (id, expected) in rows {
        assert_eq!(normal_form(id, &names), expected, "{id}");
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_was_made_of(parts in prop::collection::vec("[a-c]{0,3}", 1..5),
        between in "[a-c]{0,3}")
    {
        let pattern = parts.join("*");
        prop_assert!(matches_wildcard(&pattern, &parts.join(&between)));
    }
}
