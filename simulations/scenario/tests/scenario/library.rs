//! The scenarios that are shipped.

use std::{collections::BTreeSet, fs, path::Path};

use beringia_scenario::{Plan, Scenario, ScenarioError};

use crate::support::parse;

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"))
}

#[test]
fn every_file_is_built_in_with_description_and_expectations() {
    let entries = fs::read_dir(directory()).expect("the directory of the scenarios");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let tomls = files.filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
    let names: BTreeSet<String> = tomls
        .map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, Scenario::shipped_names().map(str::to_owned).collect());
    assert_eq!(names.len(), 23);
    for name in names {
        let scenario = match Scenario::shipped(&name) {
            Ok(scenario) => scenario,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(scenario.name, name);
        assert!(!scenario.about.is_empty(), "{name} says what it is about");
        assert!(scenario.expect.converged_within.is_some(), "{name} expects convergence");
        let on_disk = Scenario::load(&directory().join(format!("{name}.toml")));
        assert_eq!(on_disk.expect("it is shipped"), scenario);
        assert_eq!(parse(&scenario.to_toml()).events, scenario.events);
        assert_eq!(Plan::draw(&scenario, 1).timeline.is_empty(), scenario.events.is_empty());
    }
}

#[test]
fn every_scenario_has_a_paragraph_in_the_readme() {
    let readme = fs::read_to_string(directory().join("README.md")).expect("the README");
    let (_, library) = readme.split_once("## The library").expect("a chapter");
    let paragraphs: Vec<&str> = library.trim().split("\n\n").collect();
    let heads: Vec<&str> = paragraphs
        .iter()
        .map(|paragraph| {
            paragraph
                .strip_prefix("**`")
                .and_then(|rest| rest.split('`').next())
                .unwrap_or(paragraph)
        })
        .collect();
    assert_eq!(heads, Scenario::shipped_names().collect::<Vec<_>>());
    for paragraph in paragraphs {
        assert!(paragraph.len() > 150, "too short to teach: {paragraph}");
    }
}

#[test]
fn the_example_of_the_readme_is_a_scenario() {
    let readme = fs::read_to_string(directory().join("README.md")).expect("the README");
    let (_, rest) = readme.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    assert_eq!(parse(example).events.len(), 2);
}

#[test]
fn unknown_scenarios_are_answered_with_the_shipped_ones() {
    match Scenario::shipped("partitoin") {
        Err(ScenarioError::Unknown { name, known }) => {
            assert_eq!((name.as_str(), known.len()), ("partitoin", 23));
            assert!(known.contains(&"partition".to_owned()));
        }
        other => panic!("expected that it is unknown, got {other:?}"),
    }
}
