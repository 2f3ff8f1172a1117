use super::*;
use crate::set::{PolicySet, PolicySources};

fn shipped() -> PolicySet {
    PolicySet::compile(&PolicySources::default()).unwrap()
}

#[test]
fn the_shipped_policies_answer_as_their_cases_say() {
    let report = run_cases(&shipped(), shipped_cases()).unwrap();
    assert_eq!(report.faults, []);
    assert!(report.asked > 20);
}

#[test]
fn a_case_that_is_answered_otherwise_is_told_with_the_policies_that_decided() {
    let text = r#"
        [[case]]
        name = "hope"
        action = "requestMapping"
        expect = "permit"
        facts = { service.owned = false, service.proven = false }
    "#;
    let report = run_cases(&shipped(), text).unwrap();
    let [fault] = report.faults.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!(fault.case, "hope");
    assert_eq!(fault.expected, "permit");
    assert_eq!(
        fault.answered,
        "deny, by shipped.service, shipped.service-proof"
    );
}

#[test]
fn every_shipped_policy_decides_some_case() {
    let policies = include_str!("../../rules/access.cedar");
    let ids = policies.lines().filter_map(|line| {
        let id = line.strip_prefix("@id(\"")?;
        id.strip_suffix("\")")
    });
    let ids: Vec<&str> = ids.collect();
    assert!(ids.len() > 8, "{ids:?}");
    for id in ids {
        assert!(shipped_cases().contains(&format!("\"{id}\"")), "{id}");
    }
}

#[test]
fn a_case_that_says_nothing_is_refused() {
    let of = |line: &str| {
        let text = format!("[[case]]\nname = 'x'\naction = 'inquire'\nexpect = 'permit'\n{line}");
        run_cases(&shipped(), &text)
    };
    assert!(of("").is_ok());
    for wrong in [
        "facts = { device = { imsi = '1' } }",
        "facts = { caller.served = 'yes' }",
        "without = ['consent']",
        "by = 'shipped.own'",
        "why = 'because'",
    ] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}
