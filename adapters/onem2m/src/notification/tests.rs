use super::*;

#[test]
fn our_own_points_of_access_are_known_with_what_lies_below() {
    let own = "http://ics.example:8000/";
    let rows = [
        ("http://ics.example:8000", true),
        ("http://ics.example:8000/", true),
        ("http://ics.example:8000/~/id-ics", true),
        ("HTTP://ICS.EXAMPLE:8000?x", true),
        ("http://ics.example:80001", false),
        ("http://ics.example", false),
        ("https://ics.example:8000", false),
    ];
    for (url, expected) in rows {
        assert_eq!(is_below(url, own), expected, "{url}");
    }
}

#[test]
fn the_forms_of_what_is_sent_are_those_of_ts_0004() {
    let names = Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    };
    let expected = json!({ "m2m:sgn": { "vrq": true, "sur": "/id-ics/sub1", "cr": "Cone" } });
    assert_eq!(
        Value::Object(verification("sub1", "Cone", &names)),
        expected
    );
    let expected = json!({ "m2m:agn": { "m2m:sgn": [1, 2] } });
    assert_eq!(Value::Object(aggregate(vec![json!(1), json!(2)])), expected);
}
