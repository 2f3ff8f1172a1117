use serde_json::json;

use super::*;
use crate::primitive::Answer;

fn names() -> Names {
    Names {
        cse_id: "id-ics".into(),
        cse_name: "ics".into(),
        sp_domain: "ics.example".into(),
    }
}

fn letter(con: &Value) -> Letter {
    let instance =
        json!({ "m2m:cin": { "rn": "cin-1", "ct": "20261123T124500,123456", "con": con } });
    Letter::read(&instance).unwrap()
}

fn ask(con: &Value) -> Result<Request, Unreadable> {
    letter(con).ask(&AeId::parse("/id-in/Cshop").unwrap(), &names())
}

#[test]
fn each_operation_is_the_primitive_it_stands_for() {
    for (con, operation, to, ty, content) in [
        (
            json!({"op": "map", "rid": "r1", "svu": "s", "uti": "u"}),
            Operation::Create,
            "/id-ics/ics/map",
            Some(28),
            json!({"ics:idmap": {"cnd": ics::DEFINITION, "svu": "s", "uti": "u"}}),
        ),
        (
            json!({"op": "complete", "rid": "r1", "id": "pnd-0a", "did": "d"}),
            Operation::Update,
            "/id-ics/ics/pnd/pnd-0a",
            None,
            json!({"ics:idmap": {"did": "d"}}),
        ),
        (
            json!({"op": "inq", "rid": "r1", "did": "d", "tok": "t"}),
            Operation::Create,
            "/id-ics/ics/inq",
            Some(28),
            json!({"ics:inq": {"did": "d", "tok": "t"}}),
        ),
        (
            json!({"op": "demap", "rid": "r1", "did": "d"}),
            Operation::Create,
            "/id-ics/ics/dmp",
            Some(28),
            json!({"ics:dmp": {"did": "d"}}),
        ),
    ] {
        for con in [json!(con.to_string()), con] {
            let asked = ask(&con).unwrap();
            let told = (asked.operation, asked.to.as_str(), asked.resource_type);
            assert_eq!(told, (operation, to, ty));
            assert_eq!(Value::Object(asked.content.unwrap()), content);
            assert_eq!(asked.from.as_deref(), Some("/id-in/Cshop"));
            assert_eq!(asked.request_id, "r1");
        }
    }
}

#[test]
fn what_is_signed_is_handed_on_as_it_was_signed() {
    let asked = ask(&json!({"op": "map", "rid": "r1", "tok": "t"})).unwrap();
    let content = json!({"ics:idmap": {"tok": "t"}});
    assert_eq!(Value::Object(asked.content.unwrap()), content);
}

#[test]
fn what_is_no_request_is_refused_by_what_is_wrong_with_it() {
    for (con, rid, wrong) in [
        (json!("nothing"), "", "`con`"),
        (json!("[]"), "", "`con`"),
        (json!(7), "", "`con`"),
        (Value::Null, "", "`con`"),
        (json!({"op": "map"}), "", "`rid`"),
        (json!({"op": "map", "rid": ""}), "", "`rid`"),
        (json!({"op": "map", "rid": 7}), "", "`rid`"),
        (json!({"op": "map", "rid": "r".repeat(129)}), "", "`rid`"),
        (json!({"rid": "r1"}), "r1", "`op`"),
        (json!({"op": "delete", "rid": "r1"}), "r1", "`op`"),
        (json!({"op": "complete", "rid": "r1"}), "r1", "`id`"),
        (
            json!({"op": "complete", "rid": "r1", "id": "x/../../map"}),
            "r1",
            "`id`",
        ),
        (
            json!({"op": "complete", "rid": "r1", "id": ".."}),
            "r1",
            "`id`",
        ),
    ] {
        let (partial, refusal) = *ask(&con).unwrap_err();
        assert_eq!(refusal.rsc, Rsc::BadRequest, "{con}");
        assert!(refusal.diagnostic.starts_with(wrong), "{con}: {refusal}");
        assert_eq!(partial.request_id, rid, "{con}");
    }
}

#[test]
fn an_answer_has_its_own_name_and_says_what_came_of_it() {
    let asked = letter(&json!({"op": "map", "rid": "r1"}));
    assert_eq!(asked.answer_name(), "to.cin-1.20261123T124500123456");
    let request = ask(&json!({"op": "inq", "rid": "r1"})).unwrap();
    let done = Answer::with(Rsc::Created, "ics:inq", json!({"did": "d"}));
    assert_eq!(
        tell(&Response::to(&request, Ok(done))),
        json!({"rid": "r1", "rsc": 2001, "pc": {"ics:inq": {"did": "d"}}})
    );
    let refusal = Refusal::new(Rsc::NotFound, "no such resource");
    assert_eq!(
        tell(&Response::to(&request, Err(refusal))),
        json!({"rid": "r1", "rsc": 4004, "dbg": "no such resource"})
    );
    let partial = Request::new(Operation::Create, "", "");
    let refusal = Refusal::about(Rsc::BadRequest, "con", "is not a JSON object");
    let told = tell(&Response::to(&partial, Err(refusal)));
    assert_eq!(
        told,
        json!({"rsc": 4000, "dbg": "`con` is not a JSON object"})
    );
}

#[test]
fn an_instance_whose_name_would_lead_elsewhere_is_none() {
    for name in ["", "a/b", "..", "la", "ol", "a b", "ä"] {
        let instance = json!({ "m2m:cin": { "rn": name, "con": "{}" } });
        assert!(Letter::read(&instance).is_none(), "{name}");
    }
}
