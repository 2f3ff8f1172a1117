use ics_operator::wire::{HealthView, InvalidParam};

use super::*;

fn problem() -> ProblemView {
    ProblemView {
        status: 409,
        title: "Services taken".into(),
        cause: "SERVICE_OWNED".into(),
        detail: Some("a service has one owner".into()),
        invalid_params: vec![InvalidParam {
            param: "/services/0".into(),
            reason: "taken".into(),
        }],
        affected_mappings: None,
        conflicts_with: Some("shop".into()),
    }
}

#[test]
fn refusal_is_told_with_everything_the_gateway_said() {
    assert_eq!(
        refusal_text(&problem()),
        "Services taken (SERVICE_OWNED)\n  a service has one owner\n  in the way: shop\n  \
         /services/0: taken"
    );
}

#[test]
fn count_is_told_where_confirmation_is_wanted() {
    let problem = ProblemView {
        affected_mappings: Some(3),
        conflicts_with: None,
        invalid_params: Vec::new(),
        ..problem()
    };
    assert_eq!(
        refusal_text(&problem),
        "3 live mappings would be de-mapped for good; repeat with --yes"
    );
}

#[test]
fn answers_are_told_apart() {
    let ready = br#"{"status":"ready","future":1}"#;
    assert!(parse_answer::<HealthView>(StatusCode::OK, ready).is_ok());
    let refused = serde_json::to_vec(&problem()).unwrap();
    let answer = parse_answer::<HealthView>(StatusCode::CONFLICT, &refused);
    assert!(matches!(answer, Err(CallError::Refused(p)) if *p == problem()));
    for (status, body) in [
        (StatusCode::OK, "<html>"),
        (StatusCode::BAD_GATEWAY, "oops"),
    ] {
        let answer = parse_answer::<HealthView>(status, body.as_bytes());
        assert!(
            matches!(answer, Err(CallError::Unexpected(told)) if told == status),
            "{body}"
        );
    }
}

#[test]
fn list_is_asked_for_with_its_filters() {
    let filters = [("sp", "shop".to_owned()), ("status", "PENDING".to_owned())];
    assert_eq!(
        list_target("/mappings", &filters, (5, Some("ab01"))),
        "/mappings?limit=5&sp=shop&status=PENDING&page-token=ab01"
    );
    assert_eq!(list_target("/sps", &[], (500, None)), "/sps?limit=500");
}
