//! The crates import each other only along the arrows of docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// The crates that know storage by its trait or by its types only, so that none of them compiles a
/// database.
const WITHOUT_DATABASE: &[&str] = &[
    "beringia-engine",
    "beringia-gateway",
    "beringia-replication",
    "beringia-storage",
    "beringia-storage-types",
    "beringia-wire",
];

/// Which of our crates each crate may import. A crate may use fewer; any other arrow fails the
/// test.
const ARROWS: &[(&str, &[&str])] = &[
    ("beringia-clock", &[]),
    ("beringia-proto", &[]),
    ("beringia-regions", &[]),
    ("beringia-item", &["clock"]),
    ("beringia-expression", &["item"]),
    ("beringia-network", &["regions", "clock"]),
    ("beringia-storage-types", &["item", "clock"]),
    ("beringia-replication", &["storage-types", "item", "clock"]),
    (
        "beringia-wire",
        &["replication", "proto", "storage-types", "item", "clock"],
    ),
    ("beringia-storage", &["storage-types", "item", "clock"]),
    ("beringia-storage-sqlite", &["storage", "item", "clock"]),
    ("beringia-engine", &["expression", "storage", "item", "clock"]),
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
            "storage",
            "wire",
        ],
    ),
    ("beringia-fis", &["endpoint", "clock"]),
    ("beringia-scenario", &["regions", "clock"]),
    ("beringia-history", &["item", "clock"]),
    ("beringia-oracle", &["history", "item", "clock"]),
    (
        "beringia-workload",
        &["scenario", "history", "regions", "expression", "item", "clock"],
    ),
    ("beringia-report", &["scenario", "history", "oracle", "regions"]),
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
            "oracle",
            "regions",
            "replication",
            "report",
            "scenario",
            "storage",
            "storage-sqlite",
            "workload",
        ],
    ),
    (
        "beringia-host",
        &[
            "clock", "fis", "gateway", "history", "item", "network", "node", "proto", "regions", "scenario", "store",
        ],
    ),
    (
        "beringia-drill",
        &[
            "clock", "history", "host", "item", "node", "proto", "regions", "report", "scenario", "workload",
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
            "host",
            "node",
            "oracle",
            "proto",
            "regions",
            "report",
            "scenario",
            "simulator",
            "storage",
            "storage-sqlite",
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
            "oracle",
            "proto",
            "regions",
            "replication",
            "report",
            "scenario",
            "simulator",
            "storage",
            "storage-sqlite",
            "wire",
            "workload",
        ],
    ),
];

/// The arrows that `cargo metadata` sees, without development dependencies: those may reach down
/// further.
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

/// What a crate compiles, each package with the one that imports it; without development
/// dependencies.
fn compiled(metadata: &Metadata, name: &str) -> BTreeMap<PackageId, Option<PackageId>> {
    let graph: BTreeMap<_, _> = metadata
        .resolve
        .as_ref()
        .expect("the dependencies are resolved")
        .nodes
        .iter()
        .map(|node| (&node.id, &node.deps))
        .collect();
    let root = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name == name)
        .expect("the crate is one of the workspace");
    let mut compiled = BTreeMap::from([(root.id.clone(), None)]);
    let mut waiting = vec![&root.id];
    while let Some(package) = waiting.pop() {
        for dependency in graph[package] {
            let kinds = &dependency.dep_kinds;
            let is_compiled = kinds.iter().any(|info| info.kind != DependencyKind::Development);
            if is_compiled && !compiled.contains_key(&dependency.pkg) {
                compiled.insert(dependency.pkg.clone(), Some(package.clone()));
                waiting.push(&dependency.pkg);
            }
        }
    }
    compiled
}

/// The way from a database to the crate that compiles it, from importer to importer.
fn way_to_database(metadata: &Metadata, name: &str) -> Option<Vec<String>> {
    let compiled = compiled(metadata, name);
    let is_database = |id: &&PackageId| id.repr.contains("#rusqlite@") || id.repr.contains("#libsqlite3-sys@");
    let mut way = Vec::new();
    let mut next = compiled.keys().find(is_database);
    while let Some(package) = next {
        way.push(package.repr.clone());
        next = compiled[package].as_ref();
    }
    (!way.is_empty()).then_some(way)
}

#[test]
fn only_storage_backends_and_what_runs_regions_compile_a_database() {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata answers");
    for name in WITHOUT_DATABASE {
        assert_eq!(way_to_database(&metadata, name), None, "{name} compiles a database");
    }
    // The search finds what it looks for.
    assert!(way_to_database(&metadata, "beringia-storage-sqlite").is_some_and(|way| way.len() >= 2));
}
