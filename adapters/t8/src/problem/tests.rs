use super::*;

#[test]
fn a_problem_has_golden_bytes() {
    let problem = Problem::from(Cause::MandatoryIeMissing).at("/uti", "is missing");
    assert_eq!(
        String::from_utf8(problem.to_json()).unwrap(),
        r#"{"title":"Bad Request","status":400,"detail":"a mandatory member is missing","cause":"MANDATORY_IE_MISSING","invalidParams":[{"param":"/uti","reason":"is missing"}]}"#
    );
    assert_eq!(
        Problem::status_only(405).to_json(),
        br#"{"title":"Method Not Allowed","status":405}"#
    );
}

#[test]
fn every_cause_has_a_status_with_a_title_of_its_own() {
    for cause in Cause::ALL {
        let expected = if cause.status() == 500 {
            "Internal Server Error"
        } else {
            ""
        };
        let told = title(cause.status());
        assert!(
            told == expected || told != "Internal Server Error",
            "{}",
            cause.code()
        );
        assert!(
            cause
                .code()
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b == b'_')
        );
    }
}
