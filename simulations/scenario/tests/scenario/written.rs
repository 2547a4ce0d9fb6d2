//! A scenario that is written and read again is the same.

use std::path::Path;

use beringia_scenario::{Plan, Scenario};
use proptest::prelude::*;

use crate::{strategies::scenarios, support::parse};

#[test]
fn a_plan_is_a_scenario_with_absolute_times_and_its_seed() {
    let scenario = parse("[[event]]\nat = \"10s..20s\"\nlasts = \"3s\"\ncrash = \"eu-west-1\"\n");
    let plan = Plan::draw(&scenario, 42);
    let text = plan.to_toml();
    assert!(text.contains("seed = 42"), "{text}");
    let at = plan.timeline[0].at.as_millis();
    assert!(
        text.contains(&format!("at = \"{at}ms\"\ncrash = \"eu-west-1\"")),
        "{text}"
    );
    assert!(text.contains("restart = \"eu-west-1\""), "{text}");
}

#[test]
fn a_topology_that_is_not_built_in_is_written_whole() {
    let head = "[topology]\ndefaults = { delay_ms = 5 }\n[[topology.region]]\nname = \"a\"\nhost = \"h\"\n[[topology.region]]\nname = \"b\"\n";
    let scenario = parse(head);
    assert_eq!(parse(&scenario.to_toml()), scenario);
    let scenario = parse("topology = \"two\"\n[[link]]\nfrom = \"us-east-1\"\nto = \"eu-west-1\"\nloss_percent = 3\n");
    assert!(scenario.to_toml().contains("topology = \"two\""));
    assert_eq!(parse(&scenario.to_toml()), scenario);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_scenario_is_read_as_it_was_written(scenario in scenarios()) {
        let text = scenario.to_toml();
        let read = Scenario::parse(&text, Path::new("test.toml"));
        prop_assert_eq!(read.map_err(|error| format!("{error}\n{text}")), Ok(scenario));
    }

    #[test]
    fn written_plan_has_its_timeline_for_every_seed(scenario in scenarios(), seed: u32, other: u64) {
        let plan = Plan::draw(&scenario, u64::from(seed));
        let text = plan.to_toml();
        let read = Scenario::parse(&text, Path::new("test.toml"));
        let read = read.map_err(|error| format!("{error}\n{text}"));
        prop_assert_eq!(read.as_ref().map(|read| read.seed), Ok(Some(u64::from(seed))));
        prop_assert_eq!(read.map(|read| Plan::draw(&read, other).timeline), Ok(plan.timeline));
    }
}
