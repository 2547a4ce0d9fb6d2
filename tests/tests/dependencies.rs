//! Crates depend on each other as the map in docs/architecture.md says, and only crates that run
//! regions compile a database.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// The crates that know storage only by traits and types, so that none of them compiles a database.
const WITHOUT_DATABASE: &[&str] = &[
    "beringia-committer",
    "beringia-decisions",
    "beringia-engine",
    "beringia-gateway",
    "beringia-replication",
    "beringia-storage",
    "beringia-storage-memory",
    "beringia-storage-types",
    "beringia-wire",
];

/// A crate's dependencies according to the map.
#[derive(Debug, PartialEq, Eq)]
enum DependsOn {
    Anything,
    /// Exactly these crates, named without `beringia-`.
    These(BTreeSet<String>),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace's root")
}

/// The table under "Map of crates", by the crates' directories.
fn map_of_crates() -> BTreeMap<String, DependsOn> {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page is there");
    let (_, section) = page.split_once("## Map of crates").expect("it has the section");
    let (section, _) = section.split_once("\n## ").expect("another section follows");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [directory, purpose, dependencies] = cells[..] else {
            panic!("a row has other than three cells: {row}");
        };
        assert!(
            !purpose.is_empty() && !purpose.contains(". "),
            "one sentence says what it is for: {row}"
        );
        let depends_on = match dependencies {
            "anything" => DependsOn::Anything,
            "none" => DependsOn::These(BTreeSet::new()),
            names => DependsOn::These(names.split(", ").map(str::to_owned).collect()),
        };
        (directory.trim_matches('`').to_owned(), depends_on)
    })
    .collect()
}

/// The dependencies according to `cargo metadata`, without development dependencies.
fn dependencies_of_the_workspace() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata answers");
    let members = metadata.workspace_packages();
    let names: BTreeSet<_> = members.iter().map(|package| package.name.to_string()).collect();
    let directory = |manifest: &Path| {
        let directory = manifest.parent().expect("a manifest is in a directory");
        let directory = directory.strip_prefix(root()).expect("crates are in the workspace");
        directory.to_str().expect("a readable name").to_owned()
    };
    let packages = members.iter().map(|package| {
        let ours = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development && names.contains(&dependency.name));
        let ours = ours.map(|dependency| dependency.name.trim_start_matches("beringia-").to_owned());
        (directory(package.manifest_path.as_std_path()), ours.collect())
    });
    packages.collect()
}

#[test]
fn crate_dependencies_match_the_map() {
    let map = map_of_crates();
    let seen = dependencies_of_the_workspace();
    assert_eq!(
        map.keys().collect::<Vec<_>>(),
        seen.keys().collect::<Vec<_>>(),
        "the map has every crate of the workspace, and nothing else"
    );
    for (directory, depends_on) in map {
        if let DependsOn::These(expected) = depends_on {
            assert_eq!(seen[&directory], expected, "what {directory} depends on");
        }
    }
}

/// The packages that a crate compiles, each with the package that depends on it; without
/// development dependencies.
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

/// The chain of dependencies from a crate to the database that it compiles, if it compiles one.
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
fn only_backends_and_hosts_of_regions_compile_a_database() {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata answers");
    for name in WITHOUT_DATABASE {
        assert_eq!(way_to_database(&metadata, name), None, "{name} compiles a database");
    }
    // The search does find a database in a crate that compiles one.
    assert!(way_to_database(&metadata, "beringia-storage-sqlite").is_some_and(|way| way.len() >= 2));
}
