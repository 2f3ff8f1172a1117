//! The floors of the house (ARCHITECTURE.md), held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each package of ours may name of ours, in its production code.
fn allowed(package: &str) -> Option<BTreeSet<&'static str>> {
    Some(match package {
        "ics-core" | "ics-http" => BTreeSet::new(),
        "ics-channel" | "ics-policies" | "ics-notify" | "ics-store" | "ics-vault" => {
            BTreeSet::from(["ics-core"])
        }
        "ics-est" | "ics-onem2m" => BTreeSet::from(["ics-core", "ics-channel", "ics-http"]),
        "ics-mqtt" | "ics-coap" => BTreeSet::from(["ics-core", "ics-channel"]),
        "ics-oauth" | "ics-operator" | "ics-t8" => BTreeSet::from(["ics-core", "ics-http"]),
        "ics-store-redb" | "ics-store-sled" => BTreeSet::from(["ics-core", "ics-store"]),
        "ics-gateway" | "ics-tests" | "ics-examples" => return None,
        other => panic!("{other} has no floor yet: say here what it may name"),
    })
}

/// Which packages may name a foreign engine.
const ENGINES: [(&str, &[&str]); 9] = [
    (
        "actix-web",
        &[
            "ics-http",
            "ics-est",
            "ics-t8",
            "ics-oauth",
            "ics-onem2m",
            "ics-operator",
            "ics-gateway",
        ],
    ),
    ("redb", &["ics-store-redb"]),
    ("sled", &["ics-store-sled"]),
    ("oxide-auth", &["ics-oauth"]),
    // As the gateway behind a broker; as a device, in the demo and in the device kit.
    ("rumqttc-next", &["ics-mqtt", "ics-gateway", "ics-examples"]),
    // For the gateway, and as a device in its bench, in its demo and in the device kit.
    ("rtc-dtls", &["ics-coap", "ics-gateway", "ics-examples"]),
    ("rcgen", &["ics-vault"]),
    ("cedar-policy", &["ics-policies"]),
    // A second reading of MQTT, for the tests of ours.
    ("mqtt-protocol-core", &[]),
];

/// What ics-core may name of others: no I/O, no HTTP, no runtime, no serde.
const CORE_MAY_NAME: [&str; 6] = [
    "fluent-uri",
    "regex",
    "thiserror",
    "time",
    "uuid",
    "zeroize",
];

fn production_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let packages = metadata.packages.iter();
    packages
        .map(|package| {
            let production = package
                .dependencies
                .iter()
                .filter(|d| d.kind == DependencyKind::Normal);
            (
                package.name.to_string(),
                production.map(|d| d.name.clone()).collect(),
            )
        })
        .collect()
}

#[test]
fn every_package_names_only_floors_below_it() {
    for (package, names) in production_dependencies() {
        let Some(allowed) = allowed(&package) else {
            continue;
        };
        let ours: BTreeSet<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("ics-"))
            .collect();
        assert!(
            ours.is_subset(&allowed),
            "{package} names {ours:?}, may name {allowed:?}"
        );
    }
}

#[test]
fn engines_stay_in_their_packages() {
    for (package, names) in production_dependencies() {
        for (engine, homes) in ENGINES {
            assert!(
                !names.contains(engine) || homes.contains(&package.as_str()),
                "{package} names {engine}"
            );
        }
    }
}

#[test]
fn the_core_does_no_io() {
    let dependencies = production_dependencies();
    let names = &dependencies["ics-core"];
    let extra: Vec<_> = names
        .iter()
        .filter(|n| !CORE_MAY_NAME.contains(&n.as_str()))
        .collect();
    assert!(extra.is_empty(), "ics-core names {extra:?}");
    let lib = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../ics-core/src/lib.rs"),
    );
    assert!(lib.expect("lib.rs").contains("#![no_std]"));
}

/// Production lines of a file: those before its tests.
fn production_lines(text: &str) -> usize {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .count()
}

/// A module of tests beside the code it tests: `x/tests.rs`, `x/tests/..`.
fn is_test_module(path: &Path) -> bool {
    path.ends_with("tests.rs")
        || path
            .parent()
            .is_some_and(|folder| folder.ends_with("tests"))
}

#[test]
fn no_production_file_has_more_than_600_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![
        "ics-core/src",
        "policies/src",
        "adapters",
        "gateway/src",
        "examples/src",
    ]
    .into_iter()
    .map(|folder| root.join(folder))
    .collect::<Vec<_>>();
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("a folder")
            .map(|e| e.expect("an entry"))
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_test_module(&path) {
                // Compiled for tests alone.
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let lines = production_lines(&text);
                assert!(
                    lines <= 600,
                    "{} has {lines} production lines",
                    path.display()
                );
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 50, "looked at {looked_at} files only");
}
