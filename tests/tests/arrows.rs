//! The crates import each other only along the arrows of docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each crate may import. A crate may use fewer; any other arrow fails the test.
const ARROWS: &[(&str, &[&str])] = &[
    ("beringia-clock", &[]),
    ("beringia-proto", &[]),
    ("beringia-regions", &[]),
    ("beringia-item", &["clock"]),
    ("beringia-expression", &["item"]),
    ("beringia-network", &["clock"]),
    ("beringia-replication", &["item", "clock"]),
    ("beringia-store", &["item", "clock"]),
    ("beringia-wire", &["replication", "proto", "item", "clock"]),
    ("beringia-engine", &["expression", "store", "item", "clock"]),
    ("beringia-endpoint", &["clock"]),
    ("beringia-gateway", &["endpoint", "engine", "item"]),
    (
        "beringia-node",
        &[
            "clock",
            "endpoint",
            "engine",
            "expression",
            "gateway",
            "item",
            "proto",
            "replication",
            "store",
            "wire",
        ],
    ),
    ("beringia-fis", &["endpoint", "clock"]),
    ("beringia-scenario", &["regions", "clock"]),
    ("beringia-history", &["item", "clock"]),
    (
        "beringia-workload",
        &["scenario", "history", "regions", "expression", "item", "clock"],
    ),
    ("beringia-report", &["scenario", "history", "regions"]),
    (
        "beringia-simulator",
        &[
            "clock",
            "engine",
            "gateway",
            "history",
            "item",
            "network",
            "node",
            "regions",
            "replication",
            "report",
            "scenario",
            "store",
            "workload",
        ],
    ),
    (
        "beringia",
        &[
            "clock",
            "endpoint",
            "engine",
            "fis",
            "gateway",
            "history",
            "item",
            "network",
            "node",
            "proto",
            "regions",
            "replication",
            "report",
            "scenario",
            "simulator",
            "store",
            "workload",
        ],
    ),
    (
        "beringia-tests",
        &[
            "clock",
            "engine",
            "expression",
            "gateway",
            "history",
            "item",
            "network",
            "node",
            "proto",
            "regions",
            "replication",
            "report",
            "scenario",
            "simulator",
            "store",
            "wire",
            "workload",
        ],
    ),
];

/// The arrows that `cargo metadata` sees, without development dependencies: those may reach down further.
fn arrows_of_the_workspace() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata answers");
    let members: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let ours = package
                .dependencies
                .iter()
                .filter(|dependency| {
                    dependency.kind != DependencyKind::Development && members.contains(&dependency.name)
                })
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), ours)
        })
        .collect()
}

#[test]
fn crates_import_each_other_only_along_the_arrows() {
    let allowed: BTreeMap<_, BTreeSet<_>> = ARROWS
        .iter()
        .map(|(name, imports)| {
            (
                *name,
                imports.iter().map(|import| format!("beringia-{import}")).collect(),
            )
        })
        .collect();
    let seen = arrows_of_the_workspace();

    let listed: BTreeSet<_> = allowed.keys().map(ToString::to_string).collect();
    let present: BTreeSet<_> = seen.keys().cloned().collect();
    assert_eq!(
        listed, present,
        "every crate of the workspace stands in ARROWS, and nothing else does"
    );

    let wrong: Vec<_> = seen
        .iter()
        .flat_map(|(name, imports)| {
            imports
                .difference(&allowed[name.as_str()])
                .map(move |import| format!("{name} -> {import}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "arrows that docs/architecture.md does not have: {wrong:?}"
    );
}
