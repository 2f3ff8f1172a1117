//! SECURITY.md is a register (rows O6, X0a, X0b): every threat and every capability names tests,
//! and the tests are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The four chapters of the gateway-model framework, and how ids of their threats begin.
const CHAPTERS: [(&str, &str); 4] = [
    ("Device", "D"),
    ("Gateway", "G"),
    ("Network", "N"),
    ("Platform", "P"),
];

/// A row of a table, cell by cell.
type Row = Vec<String>;

/// The tables of a document by the heading they stand under; header and rule left out.
fn parse_tables(document: &str) -> BTreeMap<String, (Row, Vec<Row>)> {
    let mut tables = BTreeMap::new();
    let mut heading = String::new();
    for line in document.lines() {
        if let Some(title) = line.strip_prefix('#') {
            heading = title.trim_start_matches('#').trim().to_owned();
        } else if let Some(cells) = line.trim().strip_prefix('|') {
            let cells = cells.trim_end_matches('|').split('|');
            let cells: Row = cells.map(|cell| cell.trim().to_owned()).collect();
            let is_rule = cells
                .iter()
                .all(|cell| cell.bytes().all(|b| b"-:".contains(&b)));
            match tables.get_mut(&heading) {
                None => {
                    tables.insert(heading.clone(), (cells, Vec::new()));
                }
                Some(_) if is_rule => {}
                Some((_, rows)) => rows.push(cells),
            }
        }
    }
    tables
}

/// The tests a cell names: what stands in backticks and has a path.
fn named_tests(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.contains("::")).collect()
}

/// Everything wrong with a register, given which tests there are.
fn find_faults(document: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let tables = parse_tables(document);
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let absent = |place: &str, cell: &str| {
        let named = named_tests(cell);
        let none = named.is_empty().then(|| format!("{place}: names no test"));
        let unknown = named
            .into_iter()
            .filter(|name| !exists(name))
            .map(|name| format!("{place}: there is no test `{name}`"));
        none.into_iter().chain(unknown).collect::<Vec<_>>()
    };
    for (chapter, letter) in CHAPTERS {
        let rows = tables.get(chapter).map_or(&[][..], |(_, rows)| rows);
        if rows.is_empty() {
            faults.push(format!("chapter {chapter} has no threats"));
        }
        for row in rows {
            let [id, scenario, risk, countermeasure, tests] = row.as_slice() else {
                faults.push(format!("chapter {chapter}: a row of {} cells", row.len()));
                continue;
            };
            let number = id.strip_prefix(letter).and_then(|n| n.parse::<u32>().ok());
            if number.is_none() || !ids.insert(id.clone()) {
                faults.push(format!("{chapter}: `{id}` is no id, or another's"));
            }
            let risk = parse_risk(risk);
            if scenario.is_empty() || countermeasure.is_empty() || risk.is_none() {
                faults.push(format!("{id}: scenario, risk or countermeasure missing"));
            }
            // SECURITY.md: a high risk is shown against the whole gateway.
            let whole = named_tests(tests)
                .iter()
                .any(|name| name.starts_with("it::"));
            if risk.is_some_and(|risk| risk >= 15) && !whole {
                faults.push(format!(
                    "{id}: a high risk without a test of the whole gateway"
                ));
            }
            faults.extend(absent(id, tests));
        }
    }
    match tables.get("Capabilities") {
        Some((header, rows)) if header.len() == 5 && !rows.is_empty() => {
            for row in rows {
                for (column, cell) in header.iter().zip(row).skip(1) {
                    faults.extend(absent(&format!("{} / {column}", row[0]), cell));
                }
                if row.len() != header.len() {
                    faults.push(format!("{}: a cell is missing", row[0]));
                }
            }
        }
        _ => faults.push("no capabilities for the four chapters".to_owned()),
    }
    match tables.get("Algorithms") {
        Some((header, rows)) if header.len() == 4 && !rows.is_empty() => {
            for row in rows {
                if row.len() != 4 || row.iter().any(String::is_empty) {
                    faults.push(format!("algorithm for {}: what, why, until when", row[0]));
                }
            }
        }
        _ => faults.push("no algorithm policy".to_owned()),
    }
    faults
}

/// The risk of `likelihood x impact = risk`, each of the first two 1 to 5.
fn parse_risk(cell: &str) -> Option<u32> {
    let numbers: Option<Vec<u32>> = cell
        .split(['x', '='])
        .map(|number| number.trim().parse().ok())
        .collect();
    let [likelihood, impact, risk] = numbers?.try_into().ok()?;
    let scale = 1..=5;
    let holds = scale.contains(&likelihood) && scale.contains(&impact);
    (holds && likelihood * impact == risk).then_some(risk)
}

/// The tests of this binary.
fn tests_of_this_binary() -> BTreeSet<String> {
    let this = std::env::current_exe().expect("this binary");
    let listed = Command::new(this).arg("--list").output().expect("--list");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the sources of a package have the test `crate::module::name`, in `src` or in a test
/// binary of its own.
fn is_in_sources(path: &str) -> bool {
    let segments: Vec<&str> = path.split("::").collect();
    let [package, modules @ .., name] = segments.as_slice() else {
        return false;
    };
    let folder = match *package {
        "corpus" => {
            let source = std::fs::read_to_string(root().join("tests/corpus.rs"));
            return modules.is_empty() && source.is_ok_and(|text| has_test(&text, &[], name));
        }
        "ics_core" => "ics-core".to_owned(),
        "ics_policies" => "policies".to_owned(),
        "ics_gateway" => "gateway".to_owned(),
        "ics_examples" => "examples".to_owned(),
        other => match other.strip_prefix("ics_") {
            Some(adapter) => format!("adapters/{}", adapter.replace('_', "-")),
            None => return false,
        },
    };
    // The file of the longest part of the module path; the rest are modules within it.
    (0..=modules.len()).rev().any(|depth| {
        let (outer, inner) = modules.split_at(depth);
        let module = outer.join("/");
        let files = if module.is_empty() {
            vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()]
        } else {
            let binary = format!("tests/{module}/main.rs");
            vec![
                format!("src/{module}.rs"),
                format!("tests/{module}.rs"),
                binary,
            ]
        };
        files.iter().any(|file| {
            let source = std::fs::read_to_string(root().join(&folder).join(file));
            source.is_ok_and(|text| has_test(&text, inner, name))
        })
    })
}

/// Whether a source has a test of that name, within modules of these names.
fn has_test(source: &str, modules: &[&str], name: &str) -> bool {
    let has_module = |module: &&str| {
        let open = format!("mod {module} {{");
        source.lines().any(|line| line.trim_end().ends_with(&open))
    };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_function = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let is_test = |at: usize| {
        let attributes = lines[..at].iter().rev();
        let mut attributes = attributes.take_while(|line| line.starts_with("#["));
        attributes.any(|line| line.contains("test]") || line.contains("test("))
    };
    modules.iter().all(has_module)
        && (0..lines.len()).any(|at| is_function(lines[at]) && is_test(at))
}

#[test]
fn every_threat_and_capability_names_tests_that_exist() {
    let document = std::fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md");
    let ours = tests_of_this_binary();
    assert!(ours.len() > 100, "{} tests listed", ours.len());
    let faults = find_faults(&document, |path| match path.strip_prefix("it::") {
        Some(name) => ours.contains(name),
        None => is_in_sources(path),
    });
    assert!(faults.is_empty(), "SECURITY.md:\n{}", faults.join("\n"));
}

const SAMPLE: &str = "\
## Threats
### Device
| id | scenario | risk | countermeasure | shown by |
|---|---|---|---|---|
| D1 | a guess | 3 x 4 = 12 | a floor | `it::a::real`, `it::a::real_too` |
### Gateway
| id | scenario | risk | countermeasure | shown by |
|---|---|---|---|---|
| G1 | a flood | 5 x 3 = 15 | a cap | `it::a::real` |
### Network
| id | scenario | risk | countermeasure | shown by |
|---|---|---|---|---|
| N1 | a tap | 2 x 5 = 10 | `TLS` | `it::a::real` |
### Platform
| id | scenario | risk | countermeasure | shown by |
|---|---|---|---|---|
| P1 | a theft | 1 x 5 = 5 | seals | `it::a::real` |
## Capabilities
| capability | device | gateway | network | platform |
|---|---|---|---|---|
| access | by `it::a::real` | `it::a::real` | `it::a::real` | `it::a::real` |
## Algorithms
| use | allowed | why | until |
|---|---|---|---|
| TLS | 1.3 | newest | 2035 |
";

fn faults_of(document: &str) -> Vec<String> {
    find_faults(document, |path| path.contains("::a::real"))
}

#[test]
fn a_register_in_order_has_no_faults() {
    assert_eq!(faults_of(SAMPLE), [""; 0]);
}

#[test]
fn a_test_that_does_not_exist_is_a_fault_wherever_it_stands() {
    for (from, to, place) in [
        ("`it::a::real_too`", "`it::a::made_up`", "D1: "),
        (
            "by `it::a::real`",
            "by `ics_core::made_up`",
            "access / device: ",
        ),
    ] {
        let faults = faults_of(&SAMPLE.replace(from, to));
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(place), "{faults:?}");
        assert!(faults[0].contains("made_up"), "{faults:?}");
    }
    for made_up in [
        "ics_core::id::tests::made_up",
        "ics_core::made_up::sp_ids_are_plain_names",
        // Functions, but no tests.
        "ics_core::time::plus",
        "corpus::mutate",
        "made_up::id::tests::sp_ids_are_plain_names",
    ] {
        assert!(!is_in_sources(made_up), "{made_up}");
    }
    for real in [
        "ics_core::id::tests::sp_ids_are_plain_names",
        "ics_core::time::tests::refuses_what_is_no_instant",
        "ics_core::identifiers::what_was_parsed_reads_back_the_same",
        "ics_core::model::the_device_is_unregistered",
        "ics_store_redb::tests::a_second_opening_is_refused",
        "corpus::a_fault_is_told",
    ] {
        assert!(is_in_sources(real), "{real}");
    }
}

#[test]
fn what_is_missing_in_a_register_is_a_fault() {
    for (from, to) in [
        ("| N1 | a tap | 2 x 5 = 10 | `TLS` | `it::a::real` |\n", ""),
        ("### Network", "### Elsewhere"),
        ("3 x 4 = 12", "3 x 4 = 7"),
        ("3 x 4 = 12", "high"),
        ("3 x 4 = 12", "6 x 2 = 12"),
        (
            "| a cap | `it::a::real` |",
            "| a cap | `ics_core::a::real` |",
        ),
        ("| G1 |", "| D1 |"),
        ("| a cap |", "| |"),
        ("| seals | `it::a::real` |", "| seals | |"),
        (
            " | `it::a::real` | `it::a::real` |\n## A",
            " | `it::a::real` |\n## A",
        ),
        ("## Capabilities", "## Abilities"),
        ("| newest | 2035 |", "| newest | |"),
        ("## Algorithms", "## Rhythms"),
    ] {
        let document = SAMPLE.replace(from, to);
        assert_ne!(document, SAMPLE, "{from}");
        assert!(!faults_of(&document).is_empty(), "{from} -> {to}");
    }
}
